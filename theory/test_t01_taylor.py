r"""T1. Taylor's expansion of damage (C1, C7).

*In words:* damage is a slope along the update plus half a curvature along it, and what is missing from that sum is at
most a constant times the third power of the update's length.

## Setting

$\theta_\star$ is A's checkpoint and $\delta$ all that later training added. $L$ is A's loss, $g$ its gradient at
$\theta_\star$, $H(\theta)$ its Hessian at $\theta$ and $H = H(\theta_\star)$. The damage is
$D = L(\theta_\star + \delta) - L(\theta_\star)$, and $D_2 = \tfrac12\,\delta\cdot H\delta$ is its second-order part.

## Assumption

The Hessian of $L$ is $\rho$-Lipschitz on the segment from $\theta_\star$ to $\theta_\star + \delta$:
$\|H(\theta) - H(\theta')\| \le \rho\,\|\theta - \theta'\|$ for any two of its points.

## Statement

**(a)** Up to third order damage is slope and curvature:

$$
|D - g\cdot\delta - D_2| \le \tfrac{\rho}{6}\|\delta\|^3 .
$$

**(b)** With the extreme eigenvalues of $H$,

$$
\begin{aligned}
D &\ge -\|g\|\,\|\delta\| + \tfrac12\lambda_{\min}(H)\|\delta\|^2 - \tfrac{\rho}{6}\|\delta\|^3, \\
D &\le \phantom{-}\|g\|\,\|\delta\| + \tfrac12\lambda_{\max}(H)\|\delta\|^2 + \tfrac{\rho}{6}\|\delta\|^3 .
\end{aligned}
$$

**(c)** The gradient changes by $He$: with $e$ in place of $\delta$,

$$
\|\nabla L(\theta_\star + e) - g - He\| \le \tfrac{\rho}{2}\|e\|^2 .
$$

**(d)** With $g_0$, the gradient at $\theta_\star + \delta$, no Hessian is needed:

$$
\bigl|D - \tfrac12(g + g_0)\cdot\delta\bigr| \le \tfrac{\rho}{12}\|\delta\|^3 .
$$

## Proof

Walk from $\theta_\star$ to $\theta_\star + \delta$ and write down the loss on the way,
$\varphi(s) = L(\theta_\star + s\delta)$. Then $\varphi'(0) = g\cdot\delta$ and $\varphi''(0) = \delta\cdot H\delta$,
and by the assumption

$$
|\varphi''(s) - \varphi''(t)| \le \rho\,|s - t|\,\|\delta\|^3 .
$$

**(a)** Taylor's formula with the remainder as an integral is

$$
\varphi(1) = \varphi(0) + \varphi'(0) + \int_0^1 (1 - s)\,\varphi''(s)\,ds .
$$

As $\int_0^1 (1 - s)\,ds = \tfrac12$, subtracting $\tfrac12\varphi''(0)$ leaves
$\int_0^1 (1 - s)\,(\varphi''(s) - \varphi''(0))\,ds$, of size at most
$\rho\|\delta\|^3 \int_0^1 (1 - s)\,s\,ds = \tfrac{\rho}{6}\|\delta\|^3$.

**(b)** is (a) with $|g\cdot\delta| \le \|g\|\,\|\delta\|$ and
$\lambda_{\min}\|\delta\|^2 \le \delta\cdot H\delta \le \lambda_{\max}\|\delta\|^2$.

**(c)** For a unit vector $v$,

$$
v\cdot(\nabla L(\theta_\star + e) - g - He) = \int_0^1 v\cdot(H(\theta_\star + se) - H)\,e\,ds ,
$$

of size at most $\int_0^1 \rho\,s\,\|e\|^2\,ds = \tfrac{\rho}{2}\|e\|^2$. Take the $v$ along the vector on the left:
the product is then its length.

**(d)** Integrating by parts,

$$
\int_0^1 (s - \tfrac12)\,\varphi''(s)\,ds = \tfrac12(\varphi'(1) + \varphi'(0)) - (\varphi(1) - \varphi(0)) .
$$

As $s - \tfrac12$ has mean 0, $\varphi''(\tfrac12)$ may be subtracted from $\varphi''(s)$, and what is left is at most
$\rho\|\delta\|^3 \int_0^1 (s - \tfrac12)^2\,ds = \tfrac{\rho}{12}\|\delta\|^3$. ∎

## Tight

- (a), (c): $\tfrac{\rho}{6}\|x\|^3$, whose Hessian is exactly $\rho$-Lipschitz.
- (b): $\varepsilon x + \tfrac h2 x^2 + \tfrac{\rho}{6}x^3$ at $x > 0$ from above; its negative from below.
- (d): $\tfrac{\rho}{6}x^3$, as $|\tfrac16 - \tfrac14| = \tfrac1{12}$.

## Needed

- A Lipschitz Hessian: $|x|^{5/2}$ breaks (a) for every $\rho$, near 0.
- On the whole segment: $\max(0, x - 1)^3$ has $\rho = 0$ around 0, and damage 1 at 2.
- The gradient: $-x + \tfrac12x^2$ has $D < 0 < D_2$ at $x = 1$.
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
