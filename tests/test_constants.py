"""The constants of theorems on losses where every one of them is known."""

import pytest
import torch
from torch import Tensor

from tests.planted import CURVATURES, SIZE, Point, curved, draw, quadratic
from toymdrl.analysis import expansion, repairs
from toymdrl.parameters import read_parameters


def test_a_quadratic_has_no_remainder(planted: Tensor, generator: torch.Generator) -> None:
    slope, delta, hessian = draw(generator), draw(generator), curved(planted, rest=0.5)
    found = expansion.taylor(Point(), quadratic(hessian, slope), read_parameters(Point()), delta)
    first, second = float(slope @ delta), float(delta @ hessian @ delta) / 2
    assert (found.first, found.second) == pytest.approx((first, second))
    assert (found.damage, found.mirrored) == pytest.approx((first + second, second - first))
    assert found.eps_g == pytest.approx(float(slope.norm()))
    assert max(found.rho, found.rho_along, found.gradient_rest) < 1e-9
    assert found.most == pytest.approx(40.5, rel=0.01)


def test_the_subspace_and_its_complement_are_told_apart(planted: Tensor, generator: torch.Generator) -> None:
    delta, hessian = draw(generator), curved(planted, rest=0.5)
    values = (CURVATURES + 0.5).numpy()
    found = expansion.localised(Point(), quadratic(hessian), read_parameters(Point()), delta, values, planted)
    assert found.leak < 1e-9
    assert found.second == pytest.approx(float(delta @ hessian @ delta) / 2)
    assert found.inside + found.outside == pytest.approx(found.second)
    assert found.outside == pytest.approx(0.25 * found.q**2)
    assert found.p**2 + found.q**2 == pytest.approx(float(delta @ delta))
    assert (found.least, found.h_perp) == pytest.approx((-19.5, 10.5), rel=0.05)


def test_the_drift_of_a_cubic_is_found(generator: torch.Generator) -> None:
    direction, delta = draw(generator), 0.1 * draw(generator)
    loss = lambda point: (direction @ point.x) ** 3 + (direction @ point.x) ** 2  # noqa: E731
    found = expansion.taylor(Point(), loss, read_parameters(Point()), delta)
    reach = float(direction @ delta)
    assert found.rho_along * found.norm**3 == pytest.approx(6 * abs(reach) ** 3)
    assert found.rho * found.norm**2 == pytest.approx(6 * reach**2 * float(direction.norm()))
    assert found.gradient_rest == pytest.approx(3 * reach**2 * float(direction.norm()))


def test_another_domain_moves_by_the_bound_where_that_is_tight(planted: Tensor) -> None:
    loss, u = quadratic(curved(planted), planted[:, 0]), 3 * planted[:, 0]
    found = repairs.collateral(Point(), loss, read_parameters(Point()), u, planted, other="C")
    assert found.change == pytest.approx(3 + 40 * 9 / 2)
    assert found.bound == pytest.approx(found.change)
    assert (found.slope_in, found.inside, found.outside) == pytest.approx((1, 40, 40), rel=0.01)
    assert max(found.slope_out, found.across, found.rho, found.u_out) < 1e-9


def test_rollback_and_its_order_are_predicted_where_the_loss_is_quadratic(generator: torch.Generator) -> None:
    root = torch.randn(SIZE, SIZE, dtype=torch.float64, generator=generator) / SIZE**0.5
    delta = draw(generator)
    m = delta * (torch.arange(SIZE) < SIZE // 8)
    found = repairs.undone(Point(), quadratic(root @ root.T), read_parameters(Point()), delta, m, alpha=0.2)
    assert found.recovered == pytest.approx(found.predicted)
    assert max(found.rho, found.eps_g) < 1e-9
    assert 0 < found.damped <= 1
    assert found.damped_recovered == pytest.approx(found.damped_predicted)
    assert found.last == pytest.approx(found.last_predicted)
    assert abs(found.last) > 1e-3


def test_the_step_that_helps_the_total_is_found() -> None:
    hessian = torch.eye(SIZE, dtype=torch.float64)
    centre = torch.ones(SIZE, dtype=torch.float64)
    losses = {"A": quadratic(hessian, centre=centre), "B": quadratic(hessian, centre=0.5 * centre)}
    found = repairs.joint(Point(), losses, "A", read_parameters(Point()))
    assert found.limit == pytest.approx(1.5)
    assert found.below < 0 < found.above
