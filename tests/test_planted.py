"""The analyses on losses whose Hessian, conflict subspace and damage are known: they find that, and nothing else."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from tests.planted import CURVATURES, HELD, SIZE, Point, curved, draw, quadratic
from toymdrl.analysis import alternation, conflict, contraction, cosines, damage, edits, refresh, rollback, routes
from toymdrl.curvature import Hessian, residuals, top_eigenpairs
from toymdrl.parameters import read_parameters, write_parameters


def test_damage_is_taken_apart_exactly_where_it_is_quadratic(planted: Tensor, generator: torch.Generator) -> None:
    hessian, slope, delta = curved(planted), draw(generator), draw(generator)
    (found,) = damage.decompose_damage(
        Point(), quadratic(hessian, slope), read_parameters(Point()), {"B": delta}, earlier="A"
    )
    first, second = float(slope @ delta), float(delta @ hessian @ delta) / 2
    assert found.first == pytest.approx(first)
    assert found.second == pytest.approx(second)
    assert found.actual == pytest.approx(first + second)
    assert found.averaged == pytest.approx(second)
    assert found.trapezoid == pytest.approx(first + second)
    assert found.remainder == pytest.approx(0, abs=1e-9 * abs(second))


def test_the_exact_form_closes_and_the_remainder_bounds_where_damage_is_cubic(generator: torch.Generator) -> None:
    direction, delta = draw(generator), 0.1 * draw(generator)

    def loss(point: Point) -> Tensor:
        return (direction @ point.x) ** 2 + (direction @ point.x) ** 3

    (found,) = damage.decompose_damage(Point(), loss, read_parameters(Point()), {"B": delta}, earlier="A")
    reach = float(direction @ delta)
    assert found.second == pytest.approx(reach**2)
    assert found.averaged == pytest.approx(reach**2 + reach**3)
    assert abs(found.actual - found.predicted) <= found.remainder * (1 + 1e-9)
    assert found.remainder == pytest.approx(abs(reach) ** 3)


def test_the_certificate_is_given_only_where_the_second_order_dominates(planted: Tensor) -> None:
    up, down = planted[:, 0], planted[:, 2]
    losses = quadratic(curved(planted))
    good, bad = damage.decompose_damage(
        Point(), losses, read_parameters(Point()), {"up": up, "down": down}, earlier="A"
    )
    assert good.eta is not None
    assert good.eta < 1e-6
    assert bad.eta is None
    (weak,) = damage.decompose_damage(
        Point(), quadratic(curved(planted), 100 * up), read_parameters(Point()), {"B": up}, earlier="A"
    )
    assert weak.eta is not None
    assert weak.eta > 1


def find_conflict(loss: Callable[[Point], Tensor], delta: Tensor, generator: torch.Generator) -> conflict.Conflict:
    point = Point()
    pairs = top_eigenpairs(Hessian(point, loss), HELD)
    drawn = torch.linalg.qr(draw(generator).unsqueeze(1))[0]
    return conflict.measure(
        point,
        loss,
        read_parameters(point),
        delta,
        pairs=pairs,
        residuals=residuals(Hessian(point, loss), pairs),
        quadratic=float(delta @ (Hessian(point, loss) @ delta)) / 2,
        halves=(pairs.vectors, pairs.vectors),
        others={"another": drawn},
        generator=generator,
    )


def test_the_planted_subspace_is_found_and_holds_all_damage(planted: Tensor, generator: torch.Generator) -> None:
    delta = draw(generator) + planted @ torch.tensor([3.0, -2.0, 0.5, 2.0], dtype=torch.float64)
    found = find_conflict(quadratic(curved(planted)), delta, torch.Generator().manual_seed(1))
    assert sorted(found.eigenvalues) == pytest.approx(sorted(CURVATURES.tolist()))
    assert found.recovered("top", HELD) == pytest.approx(1)
    assert abs(found.recovered("random", HELD)) < 0.1
    assert found.positive[-1] + found.negative[-1] == pytest.approx(found.quadratic)
    assert found.negative[-1] < 0
    assert found.along_without == pytest.approx([0] * len(found.along), abs=1e-9)
    assert found.halves_overlap == pytest.approx(1)


def test_no_conflict_is_found_where_the_update_avoids_the_curvature(
    planted: Tensor, generator: torch.Generator
) -> None:
    free = draw(generator)
    free = free - planted @ (planted.T @ free)
    found = find_conflict(quadratic(curved(planted)), free, torch.Generator().manual_seed(1))
    assert found.damage == pytest.approx(0, abs=1e-9)
    assert found.positive[-1] == pytest.approx(0, abs=1e-9)
    (pair,) = damage.decompose_damage(
        Point(), quadratic(curved(planted)), read_parameters(Point()), {"B": free}, earlier="A"
    )
    assert pair.actual == pytest.approx(0, abs=1e-9)
    assert pair.second == pytest.approx(0, abs=1e-9)


def test_no_analysis_finds_harm_where_there_is_none(planted: Tensor, generator: torch.Generator) -> None:
    """Shares of no damage are 0, no certificate is given, and nothing is won back."""
    free = draw(generator)
    free = free - planted @ (planted.T @ free)
    loss, point = quadratic(curved(planted)), Point()
    found = find_conflict(loss, free, torch.Generator().manual_seed(1))
    assert {each.recovered for each in found.removals} == {0.0}
    (pair,) = damage.decompose_damage(point, loss, read_parameters(point), {"B": free}, earlier="A")
    assert pair.eta is None
    assert len(pair.nodes) == 1 + damage.NODES[0]  # no quadrature refines a damage that is none
    back = rollback.measure(
        point,
        loss,
        {"A": loss},
        {"A": loss},
        read_parameters(point),
        free,
        product=curved(planted) @ free,
        fisher=torch.ones(SIZE, dtype=torch.float64),
        neurons=None,
        generator=torch.Generator().manual_seed(1),
        earlier="A",
    )
    assert {trial.recovered for trial in back.trials} == {0.0}
    here = read_parameters(point)
    refreshed = refresh.measure(
        here,
        {0: (free, {"A": 70.0, "B": 40.0}), 3: (free, {"A": 70.0, "B": 40.0})},
        (3, here, {"A": 70.0, "B": 40.0}),
        {"A": 70.0, "B": 40.0},
        basis=planted,
        harmed="A",
    )
    assert [refreshed.recovery(step) for step in refreshed.path] == [0.0, 0.0]
    flat = routes.measure(
        point,
        {"A": loss, "B": loss},
        here,
        {"A": free, "B": 2 * free},
        activities={name: torch.arange(100, dtype=torch.float64) for name in ("A", "B")},
        neurons=torch.arange(SIZE).view(-1, 4),
    )
    assert all(abs(each.gained) < 1e-9 and abs(each.interaction) < 1e-9 for each in flat.transfers)
    assert flat.rank_correlation("whole") is None


def test_rollback_puts_back_the_planted_coordinates(generator: torch.Generator) -> None:
    guilty = torch.randperm(SIZE, generator=generator)[:4]
    diagonal = torch.zeros(SIZE, dtype=torch.float64)
    diagonal[guilty] = 50.0
    delta = 1 + draw(generator).abs()
    harmed, price = quadratic(torch.diag(diagonal)), quadratic(torch.zeros(SIZE, SIZE, dtype=torch.float64), -delta)
    point = Point()
    found = rollback.measure(
        point,
        harmed,
        {"A": harmed, "B": price},
        {"A": harmed, "B": price},
        read_parameters(point),
        delta,
        product=diagonal * delta,
        fisher=diagonal,
        neurons=torch.arange(SIZE).view(-1, 4),
        generator=torch.Generator().manual_seed(1),
        earlier="A",
    )
    for method in (rollback.CURVATURE, rollback.FISHER, rollback.SIGNED, rollback.DAMPED):
        assert found.recovered(method, 0.01) == pytest.approx(1)
    assert found.recovered(rollback.RANDOM, 0.01) < 0.5
    assert set(rollback.top_coordinates(diagonal * delta.square(), 4).tolist()) == set(guilty.tolist())
    one = next(each for each in found.trials if (each.method, each.budget) == (rollback.CURVATURE, 0.01))
    assert one.changes["B"] == pytest.approx(float(delta[guilty].square().sum()))
    shrunk = found.recovered(rollback.SHRINK, 0.01)
    left = 1 - float(delta[guilty].norm() / delta.norm())
    assert shrunk == pytest.approx(1 - left**2)


def test_a_refresh_of_a_quadratic_contracts_as_the_paper_says(planted: Tensor, generator: torch.Generator) -> None:
    hessian = planted @ torch.diag(CURVATURES.abs()) @ planted.T
    centre, delta = draw(generator), draw(generator)
    point = Point()
    found = contraction.measure(
        point, quadratic(hessian, centre=centre), centre + 0.1 * draw(generator), delta, size=HELD, iterations=50
    )
    assert found.gradient_after < 1e-6
    assert (found.mu, found.upper) == pytest.approx((10, 40), rel=1e-4)
    for t, (inside, paper, comparison, directional) in enumerate(
        zip(found.inside, found.paper, found.comparison, found.directional, strict=True)
    ):
        assert inside <= paper * (1 + 1e-6) + 1e-9
        assert inside <= directional * (1 + 1e-6) + 1e-9
        assert inside <= comparison * (1 + 1e-6) + 1e-9
        assert found.closed is not None
        assert inside <= found.closed[t] * (1 + 1e-6) + 1e-9
        assert found.loss[t] <= found.loss_bound[t] * (1 + 1e-6) + 1e-9
    assert found.outside == pytest.approx([found.outside[0]] * len(found.outside), rel=1e-6)


def test_a_refresh_is_split_by_the_subspace_and_scored_against_its_control(
    planted: Tensor, generator: torch.Generator
) -> None:
    own, delta = draw(generator), draw(generator)
    free = delta - planted @ (planted.T @ delta)
    halfway = own + free + 0.5 * (delta - free)
    found = refresh.measure(
        own,
        {0: (own + delta, {"A": 60.0, "B": 40.0}), 3: (halfway, {"A": 68.0, "B": 39.0})},
        (3, own, {"A": 71.0, "B": 50.0}),
        {"A": 70.0, "B": 50.0},
        basis=planted,
        harmed="A",
    )
    before, after = found.path
    assert before.inside == pytest.approx(float((planted.T @ delta).norm()))
    assert after.inside == pytest.approx(before.inside / 2)
    assert after.outside == pytest.approx(before.outside)
    assert after.moved_share == pytest.approx(1)
    assert found.recovery(after) == pytest.approx(0.8)
    assert (found.collateral(after), found.selectivity(after)) == (1.0, 8.0)
    assert found.further.gains == {"A": 1.0, "B": 0.0}
    assert found.selectivity(before) is None


def test_cosines_split_into_inside_and_outside(planted: Tensor, generator: torch.Generator) -> None:
    x, y = draw(generator), draw(generator)
    split = cosines.dilute("x", "y", x, y, planted)
    assert split.error == pytest.approx(0, abs=1e-12)
    aligned = cosines.dilute("x", "y", 3 * planted[:, 0] + x, planted[:, 0] + y, planted[:, :1])
    assert abs(aligned.inside) == pytest.approx(1)


def test_alternating_steps_are_one_step_but_for_the_order(generator: torch.Generator) -> None:
    def spd() -> Tensor:
        half = torch.randn(SIZE, 8, dtype=torch.float64, generator=generator)
        return half @ half.T / SIZE

    losses = {name: quadratic(spd(), centre=draw(generator)) for name in ("A", "B", "C")}
    found = alternation.measure(Point(), losses, draw(generator))
    assert found.deviation <= found.deviation_bound
    assert found.deviation < 0.5 * found.step
    first, last = found.domains[0], found.domains[-1]
    assert found.recency == pytest.approx(
        (found.gain(first, reverse=True) - found.gain(first) + found.gain(last) - found.gain(last, reverse=True)) / 2
    )
    assert found.swap_error < 0.2
    mean = [sum(series) for series in zip(*found.forward.values(), strict=True)]
    assert all(after < before for before, after in pairwise(mean))


def test_the_pareto_measure_is_the_distance_of_the_hull_from_the_origin() -> None:
    rows = torch.tensor([[1.0, 1.0], [-1.0, 1.0]])
    assert alternation.pareto_measure(rows) == pytest.approx(1, rel=1e-3)
    assert alternation.pareto_measure(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])) == pytest.approx(0, abs=1e-3)
    assert alternation.pareto_measure(torch.tensor([[1.0, 0.0], [2.0, 0.0]])) == pytest.approx(1, rel=1e-3)


def test_edits_count_what_each_format_loses() -> None:
    before = torch.ones(1000)
    after = before.clone()
    after[:100] += 0.5
    after[100:300] += 2.0**-12
    found = edits.measure_edit("A", before, after)
    assert found.unchanged["float32"] == pytest.approx(0.7)
    assert found.unchanged["bfloat16"] == pytest.approx(0.9)
    assert found.lost["bfloat16"] == pytest.approx(0.9)
    assert found.unchanged_paper == pytest.approx(0.7)
    neurons = torch.arange(1000).view(100, 10)
    overlap = edits.measure(before, {"A": after, "B": after}, neurons)
    assert overlap.mean_jaccard == 1
    assert edits.chance_jaccard(0.1) == pytest.approx(0.01 / 0.19)


def test_routes_tell_help_from_harm(generator: torch.Generator) -> None:
    centre = draw(generator)
    identity = torch.eye(SIZE, dtype=torch.float64)
    losses = {"A": quadratic(identity, centre=centre), "B": quadratic(identity, centre=-centre)}
    halves = {"A": 0.5 * centre, "B": -0.5 * centre}
    neurons = torch.arange(SIZE).view(-1, 4)
    alike = {name: torch.arange(len(neurons), dtype=torch.float64) for name in losses}
    point = Point()
    found = routes.measure(point, losses, read_parameters(point), halves, activities=alike, neurons=neurons)
    assert all(each.gained < 0 for each in found.transfers)
    for each in found.transfers:
        assert each.whole_curved == pytest.approx(each.gained)
        assert each.interaction == pytest.approx(each.interaction_predicted)
        assert each.edit_cosine == pytest.approx(-1)
    assert found.sign_agreement("shared") == 1
    assert math.isclose(found.overlaps[0].jaccard, 1)


def test_an_analysis_leaves_the_module_as_it_found_it(planted: Tensor, generator: torch.Generator) -> None:
    point = Point()
    write_parameters(point, draw(generator))
    before = read_parameters(point)
    damage.decompose_damage(point, quadratic(curved(planted)), draw(generator), {"B": draw(generator)}, earlier="A")
    contraction.measure(point, quadratic(curved(planted, 50.0)), draw(generator), draw(generator), size=2, iterations=3)
    assert torch.equal(read_parameters(point), before)
