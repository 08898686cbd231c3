r"""T1. Taylor's expansion of damage (C1, C7).

Setting. theta* is A's checkpoint, delta all that later training added; g and H are gradient and Hessian of A's loss L
at theta*; D = L(theta* + delta) - L(theta*) is the damage and D2 = delta.H delta / 2 its second-order part.

Assumption. The Hessian of L is rho-Lipschitz on the segment from theta* to theta* + delta.

Statement.
(a) |D - g.delta - D2| <= rho/6 ||delta||^3.
(b) -||g|| ||delta|| + lambda_min(H)/2 ||delta||^2 - rho/6 ||delta||^3 <= D, and the same from above with plus signs and
    lambda_max(H).
(c) ||grad L(theta* + e) - g - H e|| <= rho/2 ||e||^2, for e in place of delta.
(d) |D - (g + g0).delta / 2| <= rho/12 ||delta||^3, g0 the gradient at theta* + delta: no Hessian is needed.

Proof. Let phi(s) = L(theta* + s delta), so that phi'(0) = g.delta, phi''(0) = delta.H delta, and, by the assumption,
|phi''(s) - phi''(t)| <= rho |s - t| ||delta||^3.
(a) Taylor's formula with the remainder as an integral is phi(1) = phi(0) + phi'(0) + int_0^1 (1 - s) phi''(s) ds. As
    int_0^1 (1 - s) ds = 1/2, subtracting phi''(0)/2 leaves int_0^1 (1 - s) (phi''(s) - phi''(0)) ds, of size at most
    rho ||delta||^3 int_0^1 (1 - s) s ds = rho ||delta||^3 / 6.
(b) is (a) with |g.delta| <= ||g|| ||delta|| and lambda_min ||delta||^2 <= delta.H delta <= lambda_max ||delta||^2.
(c) For a unit vector v, v.(grad L(theta* + e) - g - H e) = int_0^1 v.(H(theta* + s e) - H) e ds, of size at most
    int_0^1 rho s ||e||^2 ds = rho/2 ||e||^2; take the v along the left side.
(d) Integrating by parts, int_0^1 (s - 1/2) phi''(s) ds = (phi'(1) + phi'(0))/2 - (phi(1) - phi(0)). As s - 1/2 has mean
    0, phi''(1/2) may be subtracted from phi''(s), and rho ||delta||^3 int_0^1 (s - 1/2)^2 ds = rho/12 ||delta||^3. ∎

Tight. L = rho/6 ||x||^3, whose Hessian is exactly rho-Lipschitz: (a), (c). eps x + h/2 x^2 + rho/6 x^3 at x > 0: (b)
from above; its negative: from below. rho/6 x^3: (d), as |1/6 - 1/4| = 1/12.

Needed. A Lipschitz Hessian: |x|^(5/2) breaks (a) for every rho, near 0. On the whole segment: max(0, x - 1)^3 has rho
= 0 around 0, and damage 1 at 2. The gradient: -x + x^2/2 has D < 0 < D2.
"""

import numpy as np
from hypothesis import given
from numpy.random import default_rng

from theory.instances import DIMENSIONS, SEEDS, equal, holds, loss, norm, reached, scales, unit, violated
from toymdrl.bounds.taylor import damage_range, gradient_remainder, taylor_remainder, trapezoid_remainder

STEPS = scales(1e-2, 5.0)


@given(seed=SEEDS, d=DIMENSIONS, step=STEPS, bend=scales(1e-2, 3.0))
def test_all_parts_hold(seed: int, d: int, step: float, bend: float) -> None:
    generator = default_rng(seed)
    there, delta = loss(generator, d, bend=bend), step * unit(generator, d)
    star = generator.standard_normal(d)
    g, h, g0 = there.gradient(star), there.hessian(star), there.gradient(star + delta)
    damage, first, second = there(star + delta) - there(star), float(g @ delta), float(delta @ h @ delta) / 2
    scale = abs(there(star)) + abs(there(star + delta)) + abs(first) + abs(second)
    holds(abs(damage - first - second), taylor_remainder(there.rho, step), scale)  # (a)
    values = np.linalg.eigvalsh(h)
    low, high = damage_range(norm(g), values[0], values[-1], there.rho, step)
    holds([float(low), damage], [damage, float(high)], scale)  # (b)
    holds(norm(g0 - g - h @ delta), gradient_remainder(there.rho, step), scale)  # (c)
    holds(abs(damage - (g + g0) @ delta / 2), trapezoid_remainder(there.rho, step), scale)  # (d)


@given(rho=scales(0.1, 10), x=STEPS, eps=scales(1e-3, 10), h=scales(1e-3, 10))
def test_all_parts_are_tight(rho: float, x: float, eps: float, h: float) -> None:
    cubic, slope = rho / 6 * x**3, rho / 2 * x**2
    reached(cubic, float(taylor_remainder(rho, x)))  # (a)
    damage = eps * x + h / 2 * x**2 + cubic
    low, high = damage_range(eps, -h, h, rho, x)
    reached(damage, float(high))  # (b)
    reached(damage, -float(low))
    reached(slope, float(gradient_remainder(rho, x)))  # (c)
    reached(abs(cubic - slope * x / 2), float(trapezoid_remainder(rho, x)))  # (d)


def test_the_residual_falls_as_the_cube_of_the_step() -> None:
    generator = default_rng(0)
    there, direction, steps = loss(generator, 6), unit(generator, 6), np.geomspace(1e-2, 1e-1, 8)
    g, h, zero = there.gradient(np.zeros(6)), there.hessian(np.zeros(6)), there(np.zeros(6))
    residual = [
        abs(there(s * direction) - zero - s * (g @ direction) - s**2 / 2 * (direction @ h @ direction)) for s in steps
    ]
    slope = np.polyfit(np.log(steps), np.log(residual), 1)[0]
    equal(slope, 3, rel=0.05)  # 2 would be a wrong Hessian, 1 a wrong gradient


def test_a_lipschitz_hessian_is_needed() -> None:
    def rough(x: float) -> float:
        return 4 / 15 * abs(x) ** 2.5

    for rho in (1.0, 10.0, 100.0):
        x = 0.1 / rho**2  # any rho fails at steps as small as this; g = H = 0 at 0
        violated(rough(x), float(taylor_remainder(rho, x)), by=5)  # (a), and (b)
        violated(2 / 3 * x**1.5, float(gradient_remainder(rho, x)), by=3)  # (c)
        violated(abs(rough(x) - x * 2 / 3 * x**1.5 / 2), float(trapezoid_remainder(rho, x)), by=2)  # (d)


def test_it_is_needed_on_the_whole_segment() -> None:
    violated(max(0.0, 2.0 - 1) ** 3, float(taylor_remainder(0.0, 2.0)), by=10)


def test_the_gradient_is_needed() -> None:
    damage, second = -1 + 1 / 2, 1 / 2
    violated(abs(damage - second), float(taylor_remainder(0.0, 1.0)), by=10)
    assert damage < 0 < second
    violated(abs(damage), float(damage_range(0.0, 1.0, 1.0, 0.0, 1.0)[1]) - 1e-12, by=1)
