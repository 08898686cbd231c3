"""The plane of an update: a quadratic in closed form, projections, and words that say no more than the numbers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.planted import Point, quadratic
from toymdrl.analysis import plane
from toymdrl.analysis.plane import LONGER, STRETCH, A, B, Plane
from toymdrl.claims import plane as told
from toymdrl.parameters import read_parameters
from toymdrl.streams import stream
from toymdrl.style import MINIATURE, Look, save

SIZE, STEEP = 40, 3
HESSIAN = torch.diag(torch.cat([torch.tensor([90.0, 80.0, 70.0]), torch.linspace(0.1, 0.3, SIZE - STEEP)])).double()
BASIS = torch.eye(SIZE, dtype=torch.float64)[:, :STEEP]


def drawn(purpose: str) -> Tensor:
    return torch.randn(SIZE, generator=stream("plane", purpose), dtype=torch.float64)


def other(point: Point) -> Tensor:
    """A loss that nothing inside the subspace changes."""
    return point.x[STEEP:].sum()


def measured(start: Tensor, delta: Tensor, steps: dict[int, Tensor]) -> Plane:
    """Of a quadratic with its minimum at the start, whose conflict subspace is known."""
    losses: dict[str, Callable[[Point], Tensor]] = {"math": quadratic(HESSIAN, centre=start), "qa": other, "cw": other}
    point = Point(SIZE)
    training = {"qa": start + delta / 2, "cw": start + delta}
    how = {"basis": BASIS, "generator": stream("plane"), "harmed": "math", "later": "all"}
    found = plane.measure(point, losses, start, training, steps, **how)  # type: ignore[arg-type]
    assert torch.equal(read_parameters(point), read_parameters(Point(SIZE)))
    return found


def test_a_quadratic_is_what_it_is_in_closed_form() -> None:
    start, delta = drawn("start"), drawn("delta")
    p = torch.cat([delta[:STEEP], torch.zeros(SIZE - STEEP, dtype=torch.float64)])
    q, away = delta - p, torch.eye(SIZE, dtype=torch.float64)[-1]
    away = away - q * (away @ q) / (q @ q)  # orthogonal to both axes
    found = measured(start, delta, {3: start + 0.9 * q + 0.2 * p + away})
    assert (found.outside, found.inside) == pytest.approx((float(q.norm()), float(p.norm())), rel=1e-5)
    outside, inside = float(q @ HESSIAN @ q) / 2, float(p @ HESSIAN @ p) / 2
    for b, row in zip(B, found.losses["math"], strict=True):
        assert row == pytest.approx([a**2 * outside + b**2 * inside for a in A], rel=1e-4, abs=1e-4)
    for row in found.losses["qa"]:  # one value a column: nothing inside the subspace changes it
        assert row == pytest.approx(found.losses["qa"][0], rel=1e-4, abs=1e-4)
    slopes = 2 * outside / float(q @ q), 2 * inside / float(p @ p)
    assert found.curvature("math") == pytest.approx(slopes, rel=1e-3)
    assert found.stretched("math") == pytest.approx(STRETCH**2 * inside, rel=1e-4)
    assert found.along_b("qa") == pytest.approx(0, abs=1e-4)
    assert [(place.domain, place.steps) for place in (*found.training, *found.refresh)] == [
        ("math", 0),
        ("qa", 0),
        ("cw", 0),
        ("math", 3),
    ]
    for place, ab in zip(found.training, ((0, 0), (0.5, 0.5), (1, 1)), strict=True):
        assert (place.a, place.b, place.away) == pytest.approx((*ab, 0), abs=1e-4)
        assert place.losses == pytest.approx(place.projected, rel=1e-4, abs=1e-4)
    (place,) = found.refresh
    assert (place.a, place.b, place.away) == pytest.approx((0.9, 0.2, float(away.norm())), abs=1e-4)
    # What lies off the plane costs something that the projection does not show.
    further = 0.9 * q + 0.2 * p + away
    assert place.losses["math"] == pytest.approx(float(further @ HESSIAN @ further) / 2, rel=1e-4)
    assert place.projected["math"] == pytest.approx(0.81 * outside + 0.04 * inside, rel=1e-4)


def test_a_random_step_is_as_long_as_it_is_said_to_be() -> None:
    start, delta = torch.zeros(SIZE, dtype=torch.float64), drawn("delta")
    point, length = Point(SIZE), LONGER * STRETCH * float(delta[:STEEP].norm())
    how = {"basis": BASIS, "generator": stream("plane"), "harmed": "far"}
    far: dict[str, Callable[[Point], Tensor]] = {"far": lambda point: point.x.norm()}
    found = plane.measure(point, far, start, {"qa": delta}, {}, **how)  # type: ignore[arg-type]
    assert found.random_costs == pytest.approx([length] * plane.RANDOM_STEPS, rel=1e-5)
    assert found.random_planes == ()  # there was no refresh to be seen in them


@given(st.floats(-3, 3), st.floats(-3, 3), st.integers(0, 1000))
def test_a_point_of_the_plane_is_found_where_it_is(a: float, b: float, seed: int) -> None:
    delta = torch.randn(SIZE, generator=stream("plane", seed), dtype=torch.float64)
    q, p = plane.axes(BASIS, delta) or (delta, delta)
    assert torch.allclose(q + p, delta)
    assert abs(float(q @ p)) < 1e-12
    assert plane.coordinates_of(a * q + b * p, q, p) == pytest.approx((a, b, 0), abs=1e-9)


def test_an_update_on_one_side_of_the_subspace_spans_no_plane() -> None:
    inside, outside = BASIS.sum(dim=1), torch.eye(SIZE, dtype=torch.float64)[-1]
    assert plane.axes(BASIS, inside) is None
    assert plane.axes(BASIS, outside) is None
    assert plane.axes(BASIS, inside + outside) is not None
    with pytest.raises(ValueError, match="span no plane"):
        measured(torch.zeros(SIZE, dtype=torch.float64), inside, {})


def test_the_random_planes_see_the_same_checkpoints() -> None:
    start, delta = drawn("start"), drawn("delta")
    # Half the way back: half of both axes, in whatever plane.
    found = measured(start, delta, {1: start + delta / 2})
    assert len(found.random_planes) == plane.RANDOM_SUBSPACES
    for each in found.random_planes:
        assert (*each.a, *each.b) == pytest.approx((0.5, 0.5), abs=1e-4)


def test_words_follow_the_numbers() -> None:
    start, delta = drawn("start"), drawn("delta")
    p = BASIS @ delta[:STEEP]
    down = measured(start, delta, {3: start + delta - 0.9 * p})
    sideways = measured(start, delta, {3: start + delta / 2})
    further = measured(start, delta, {3: start + delta - 0.9 * p, 10: start + 0.9 * delta - 0.7 * p})
    assert told.chapter(down, MINIATURE).heading == "Why a few steps repair Math"
    assert "undo 90% of b and 0% of a" in told.chapter(down, MINIATURE).text
    assert "repair" not in told.chapter(sideways, MINIATURE).heading
    assert "undo 50% of b and 50% of a" in told.chapter(sideways, MINIATURE).text
    assert "learning rather than repair" not in told.chapter(down, MINIATURE).text
    # A longer refresh that wins more of the loss while b goes back up has learnt.
    won = further.refresh[0].losses | {"math": further.refresh[0].losses["math"] - 1}
    learnt = replace(further, refresh=(further.refresh[0], replace(further.refresh[1], losses=won)))
    assert "learning rather than repair" in told.chapter(learnt, MINIATURE).text
    alone = replace(down, refresh=(), random_planes=())
    assert "refresh" not in told.chapter(alone, Look.of(["math", "qa"], "nats")).text


def test_heading_and_title_tell_the_same_refresh() -> None:
    start, delta = drawn("start"), drawn("delta")
    p = BASIS @ delta[:STEEP]
    # Three steps, the paper's, go a tenth of the way down; ten go nearly all of it.
    late = measured(start, delta, {3: start + delta - 0.1 * p, 10: start + delta - 0.9 * p})
    assert told.chapter(late, MINIATURE).heading == "The update in one plane"
    assert told.figure(late).axes[0].get_title(loc="left") == "Math is steep along b"
    early = measured(start, delta, {3: start + delta - 0.8 * p, 10: start + delta - 0.9 * p})
    assert told.chapter(early, MINIATURE).heading == "Why a few steps repair Math"
    assert "3 refresh steps go straight down" in told.figure(early).axes[0].get_title(loc="left")


def test_the_rules_judge_what_the_plane_shows() -> None:
    start, delta = drawn("start"), drawn("delta")
    p = BASIS @ delta[:STEEP]
    row = told.numbers(measured(start, delta, {1: start + delta, 3: start + delta - 0.9 * p}), 3)
    assert row["down"] == pytest.approx(0.9, abs=1e-4)
    assert row["sideways"] == pytest.approx(0, abs=1e-4)
    assert row["vertical"] == pytest.approx(0, abs=1e-4)
    assert 0 < row["flatness"] < 0.01
    assert row["gain"] == pytest.approx(row["gain in the plane"], rel=1e-4)


def test_a_refresh_that_is_not_there_is_not_judged() -> None:
    start, delta = drawn("start"), drawn("delta")
    found = measured(start, delta, {1: start + delta, 3: start + delta})
    with pytest.raises(ValueError, match="no refresh of 10 steps in this plane; there are refreshes of 1, 3"):
        told.numbers(found, 10)
    with pytest.raises(ValueError, match="there is no refresh"):
        told.numbers(replace(found, refresh=(), random_planes=()), 3)


def test_the_figure_is_drawn_of_any_plane(tmp_path: Path) -> None:
    start, delta = drawn("start"), drawn("delta")
    found = measured(start, delta, {3: start + delta / 2})
    panels = told.figure(found).axes
    assert [panel.get_title(loc="left").split()[0] for panel in panels] == ["Math", "QA", "CW"]
    alone = replace(found, refresh=(), random_planes=())
    assert [len(panel.lines) for panel in told.figure(found).axes] == [3, 3, 3]
    assert [len(panel.lines) for panel in told.figure(alone).axes] == [1, 1, 1]
    flat = tuple((1.0,) * len(A) for _ in B)  # a loss that nothing changes has no contours
    level = replace(alone, losses=alone.losses | {"qa": flat})
    assert save(told.figure(level, Look.of(["math", "qa"], "nats")), tmp_path / "plane.png").stat().st_size > 10_000
