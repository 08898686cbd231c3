r"""T12. Measuring first and second order without a Hessian (C7).

*In words:* step against the update as well. What both steps do alike is of second order, what they do oppositely is
of first.

## Setting

As in [T1](test_t01_taylor.py): $\theta_\star$ is A's checkpoint and $\delta$ all that later training added; $g$ and
$H$ are gradient and Hessian of A's loss $L$ at $\theta_\star$, $H(\theta)$ is the Hessian at $\theta$, and
$D_2 = \tfrac12\,\delta\cdot H\delta$. The damage and that of the update's mirror image are

$$
D_+ = L(\theta_\star + \delta) - L(\theta_\star) , \qquad D_- = L(\theta_\star - \delta) - L(\theta_\star) :
$$

three values of the loss, no derivative.

## Assumption

The Hessian of $L$ is $\rho$-Lipschitz on the segment from $\theta_\star - \delta$ to $\theta_\star + \delta$; in (b),
from $\theta - hv$ to $\theta + hv$.

## Statement

**(a)** Half the sum is of second order, half the difference of first:

$$
\begin{aligned}
\bigl|\tfrac12(D_+ + D_-) - D_2\bigr| &\le \tfrac{\rho}{6}\|\delta\|^3 , \\
\bigl|\tfrac12(D_+ - D_-) - g\cdot\delta\bigr| &\le \tfrac{\rho}{6}\|\delta\|^3 .
\end{aligned}
$$

So if damage is of second order, a step against $\delta$ hurts as much; if it is of first order, that step helps as
much.

**(b)** A Hessian-vector product comes from two gradients: for $\|v\| = 1$ and $h > 0$

$$
\Bigl\|\frac{\nabla L(\theta + hv) - \nabla L(\theta - hv)}{2h} - H(\theta)\,v\Bigr\| \le \tfrac12\rho h .
$$

## Proof

**(a)** T1(a), that $|D_+ - g\cdot\delta - D_2| \le \tfrac{\rho}{6}\|\delta\|^3$, holds for $-\delta$ too:
$|D_- + g\cdot\delta - D_2| \le \tfrac{\rho}{6}\|\delta\|^3$. (For completeness: with
$\varphi(s) = L(\theta_\star + s\delta)$ the left side is
$\bigl|\int_0^1 (1 - s)(\varphi''(s) - \varphi''(0))\,ds\bigr|$, and
$|\varphi''(s) - \varphi''(0)| \le \rho s\|\delta\|^3$.) Half the sum and half the difference of the two are the two
lines.

**(b)** The quotient is $\tfrac1{2h}\int_{-h}^h H(\theta + sv)\,v\,ds$, so the left side is at most
$\tfrac1{2h}\int_{-h}^h \rho|s|\,ds = \tfrac12\rho h$. ∎

## Tight

- (a) $\tfrac{\rho}{6}|x|^3$ in the even part, $\tfrac{\rho}{6}x^3$ in the odd one.
- (b) $\tfrac{\rho}{6}|x|^3$ at 0.

## Needed

- A Lipschitz Hessian: $|x|^{5/2}$, and $\operatorname{sign}(x)|x|^{5/2}$ for the odd part, near 0.
- On both sides: $\max(0, -x - 1)^3$ has $\rho = 0$ wherever $x > -1$, but $D_- = 1$ at $x = 2$.
"""

import numpy as np
from hypothesis import given
from numpy.random import default_rng

from theory.instances import DIMENSIONS, SEEDS, equal, holds, loss, norm, reached, scales, unit, violated
from toymdrl.bounds.taylor import difference_quotient_error, taylor_remainder

STEPS = scales(1e-2, 5.0)


@given(seed=SEEDS, d=DIMENSIONS, step=STEPS, bend=scales(1e-2, 3.0))
def test_a_holds(seed: int, d: int, step: float, bend: float) -> None:
    generator = default_rng(seed)
    there, delta, star = loss(generator, d, bend=bend), step * unit(generator, d), generator.standard_normal(d)
    level = there(star)
    plus, minus = there(star + delta) - level, there(star - delta) - level
    first, second = float(there.gradient(star) @ delta), float(delta @ there.hessian(star) @ delta) / 2
    remainder = taylor_remainder(there.rho, step)
    scale = abs(level) + abs(plus) + abs(minus) + abs(first) + abs(second)
    holds(abs((plus + minus) / 2 - second), remainder, scale)
    holds(abs((plus - minus) / 2 - first), remainder, scale)


@given(seed=SEEDS, d=DIMENSIONS, step=STEPS)
def test_a_is_exact_for_quadratics(seed: int, d: int, step: float) -> None:
    generator = default_rng(seed)
    there, delta = loss(generator, d, bend=0.0), step * unit(generator, d)
    plus, minus = there(delta), there(-delta)
    scale = abs(plus) + abs(minus)
    equal((plus + minus) / 2, delta @ there.h @ delta / 2, scale=scale)
    equal((plus - minus) / 2, there.g @ delta, scale=scale)


@given(seed=SEEDS, d=DIMENSIONS, h=scales(1e-2, 1.0), bend=scales(1e-2, 3.0))
def test_b_holds(seed: int, d: int, h: float, bend: float) -> None:
    generator = default_rng(seed)
    there, v, theta = loss(generator, d, bend=bend), unit(generator, d), generator.standard_normal(d)
    ahead, behind = there.gradient(theta + h * v), there.gradient(theta - h * v)
    error = norm((ahead - behind) / (2 * h) - there.hessian(theta) @ v)
    holds(error, difference_quotient_error(there.rho, h), (norm(ahead) + norm(behind)) / h)


@given(rho=scales(0.1, 10), x=STEPS)
def test_both_parts_are_tight(rho: float, x: float) -> None:
    cubic, slope, remainder = rho / 6 * x**3, rho / 2 * x**2, float(taylor_remainder(rho, x))
    reached((cubic + cubic) / 2, remainder)  # (a), |x|^3: even
    reached((cubic - -cubic) / 2, remainder)  # (a), x^3: odd
    reached((slope - -slope) / (2 * x), float(difference_quotient_error(rho, x)))  # (b), |x|^3


def test_a_lipschitz_hessian_is_needed() -> None:
    for rho in (1.0, 10.0, 100.0):
        x = 0.1 / rho**2  # any rho fails at steps as small as this; g = H = 0 at 0
        value, slope = 4 / 15 * x**2.5, 2 / 3 * x**1.5
        remainder = float(taylor_remainder(rho, x))
        violated((value + value) / 2, remainder, by=5)
        violated((value - -value) / 2, remainder, by=5)
        violated((slope - -slope) / (2 * x), float(difference_quotient_error(rho, x)), by=3)


def test_it_is_needed_on_both_sides() -> None:
    def one_sided(x: float) -> float:
        return max(0.0, -x - 1) ** 3

    plus, minus = one_sided(2.0), one_sided(-2.0)
    assert plus == 0
    violated((plus + minus) / 2, float(taylor_remainder(0.0, 2.0)), by=10)
    violated((minus - plus) / 2, float(taylor_remainder(0.0, 2.0)), by=10)
    gradients = -3 * np.array([0.0, 1.0])  # at 2 and at -2
    quotient = (gradients[0] - gradients[1]) / 4
    violated(quotient, float(difference_quotient_error(0.0, 2.0)), by=10)
