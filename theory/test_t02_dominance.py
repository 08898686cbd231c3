r"""T2. When the second-order term dominates (C7).

*In words:* damage is essentially of second order only for updates of a middle length: a shorter one is ruled by the
slope, a longer one by the third order.

## Setting

$\theta_\star$ is A's checkpoint and $\delta$ all that later training added. $L$ is A's loss, $g$ its gradient at
$\theta_\star$, $H(\theta)$ its Hessian at $\theta$ and $H = H(\theta_\star)$. The damage is
$D = L(\theta_\star + \delta) - L(\theta_\star)$, and $D_2 = \tfrac12\,\delta\cdot H\delta$ is its second-order part.
$R$ is any bound of $|D - g\cdot\delta - D_2|$, as $\tfrac{\rho}{6}\|\delta\|^3$ is. All that is not of second order
is at most $r = |g\cdot\delta| + R$, and $\eta = r / D_2$ if $D_2 > 0$.

## Assumptions

- (a), (b): $D_2 > 0$.
- (c): the Hessian of $L$ is $\rho$-Lipschitz on the segment from $\theta_\star$ to $\theta_\star + \delta$, and
  $\delta\cdot H\delta \ge \kappa\|\delta\|^2$ with $\kappa > 0$.
- (d): the Hessian is $\rho$-Lipschitz on the segment from $\theta_\star$ to $\theta_\star + e$, and $H \succeq 0$.

## Statement

**(a)** $D_2 \ge D / (1 + \eta)$. In other words, $|g\cdot\delta| \le \tfrac{s}{1 - s}D_2 - R$, for an $s$ between 0
and 1, makes $D_2$ at least $1 - s$ of the damage.

**(b)** $(1 - \eta)D_2 \le D \le (1 + \eta)D_2$. So $\eta < 1$ certifies that $\delta$ does damage, and that $D_2$ is
its size.

**(c)** *Window.* For $0 < \eta < 1$, (b) holds with this $\eta$ if $\text{low} \le \|\delta\| \le \text{high}$, where

$$
\text{low},\ \text{high}
= \frac3\rho\Bigl(\frac{\eta\kappa}2 \mp \sqrt{\frac{\eta^2\kappa^2}4 - \frac{2\rho\|g\|}3}\Bigr) .
$$

There are such lengths if and only if $\eta^2\kappa^2 \ge \tfrac83\rho\|g\|$. For $\rho = 0$ they begin at
$\text{low} = 2\|g\| / (\eta\kappa)$, and end nowhere. If only $\kappa$, $\|g\|$ and $\rho$ are known, no other length
is certain.

**(d)** *Over-recovery.* For every $e$

$$
L(\theta_\star) - L(\theta_\star + e) \le \|g\|\,\|e\| + \tfrac{\rho}{6}\|e\|^3 ,
$$

and without the term in $\rho$ if $L$ is convex on the segment. So a refreshed model $\theta_\star + e$ that beats
$\theta_\star$ by more did not only recover: $\theta_\star$ was not stationary enough (or $H$ is not positive), and
the refresh was further training.

## Proof

Taylor's formula with the remainder as an integral is

$$
D - g\cdot\delta - D_2 = \int_0^1 (1 - s)\,\delta\cdot\bigl(H(\theta_\star + s\delta) - H\bigr)\delta\,ds ,
$$

of size at most $\rho\|\delta\|^3 \int_0^1 (1 - s)\,s\,ds = \tfrac{\rho}{6}\|\delta\|^3$, which may be taken for $R$.

**(b)** $|D - D_2| \le |g\cdot\delta| + R = r = \eta D_2$.

**(a)** is the right half of (b), divided by $1 + \eta > 0$. At $\eta = \tfrac{s}{1 - s}$ it is
$\tfrac1{1 + \eta} = 1 - s$.

**(c)** Let $x = \|\delta\| > 0$. Then $r \le \|g\|x + \tfrac{\rho}{6}x^3$ and $\eta D_2 \ge \tfrac12\eta\kappa x^2$,
so that $r \le \eta D_2$ wherever

$$
\|g\| - \tfrac12\eta\kappa\,x + \tfrac{\rho}{6}x^2 \le 0 .
$$

If $\rho > 0$, this parabola in $x$ opens upwards. Low and high are its zeros, real if and only if the discriminant
$\tfrac14\eta^2\kappa^2 - \tfrac23\rho\|g\|$ is not negative. Their product is $6\|g\| / \rho$, so

$$
\text{low} = \frac{2\|g\|}{\tfrac12\eta\kappa + \sqrt{\tfrac14\eta^2\kappa^2 - \tfrac23\rho\|g\|}} ,
$$

which tends to $2\|g\| / (\eta\kappa)$ as $\rho$ goes to 0. That no other length is certain is shown by the first loss
under Tight.

**(d)** By Taylor's formula and $H \succeq 0$,

$$
L(\theta_\star + e) - L(\theta_\star) \ge g\cdot e + \tfrac12\,e\cdot He - \tfrac{\rho}{6}\|e\|^3
\ge -\|g\|\,\|e\| - \tfrac{\rho}{6}\|e\|^3 .
$$

A convex $L$ lies above its tangent: $L(\theta_\star + e) - L(\theta_\star) \ge g\cdot e$. ∎

## Tight

- (a), (b) from above, and (c) at both ends: $\varepsilon x + \tfrac\kappa2x^2 + \tfrac{\rho}{6}x^3$ at $x > 0$.
  Beyond the ends of the window, or anywhere if there is none, its $D$ is above $(1 + \eta)D_2$.
- (b) from below: $-\varepsilon x + \tfrac\kappa2x^2 - \tfrac{\rho}{6}x^3$.
- (d): $-\varepsilon x - \tfrac{\rho}{6}x^3$.

## Needed

- The slope in $r$, and the lower end: $\tfrac1{10}x + \tfrac12x^2$ is flat enough at 0 for damage at $x = 1$ to be of
  second order, and yet $D_2$ is 5 % of $D$ at $x = 0.01$. Near-stationary is not enough: small edits are of first
  order.
- The remainder in $r$, and the upper end: $\tfrac12x^2 + \tfrac16x^3$ at 10.
- $D_2 > 0$: $\tfrac16x^3$, where $D_2 = 0 < D$, and $-\tfrac12x^2$, where $D = D_2 < (1 - \eta)D_2$.
- The curvature along $\delta$: for $H = \operatorname{diag}(1, 0.1)$, $\kappa = 1$ is no use along the second axis.
- A Lipschitz Hessian: $x^2$ with $|x|^{5/2}$; on the whole segment: $\max(0, x - 1)^3$.
- In (d), $H \succeq 0$: $-\tfrac12x^2$. The slope: $-x$. A Lipschitz Hessian, or a convex loss: $-|x|^{5/2}$.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng

from theory.instances import (
    DIMENSIONS,
    SEEDS,
    Accept,
    Smooth,
    equal,
    holds,
    log_uniform,
    loss,
    norm,
    reached,
    scales,
    symmetric,
    unit,
    violated,
)
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.taylor import (
    dominance,
    dominance_window,
    over_recovery,
    second_order_range,
    second_order_share,
    taylor_remainder,
)

STEPS = scales(1e-2, 5.0)
SIZES = scales(0.1, 10.0)
ETAS = st.floats(0.05, 0.95)


def checkpoint(generator: Generator, eigenvalues: Array) -> tuple[Smooth, float]:
    """A loss whose Hessian at 0 has these eigenvalues, and the norm of its gradient there."""
    d, eps = len(eigenvalues), log_uniform(generator, 1e-4, 1)
    there, zero = loss(generator, d, bend=log_uniform(generator, 1e-3, 1)), np.zeros(d)
    g = there.g - there.gradient(zero) + eps * unit(generator, d)
    return replace(there, g=g, h=there.h - there.hessian(zero) + symmetric(generator, eigenvalues)), eps


def line(x: float, eps: float, kappa: float, rho: float) -> float:
    """Damage of x > 0 where slope, curvature and its rate of change are all as bad as they may be."""
    return eps * x + kappa / 2 * x**2 + rho / 6 * x**3


def certified(x: float, kappa: float, eps: float, rho: float) -> float:
    """The eta that is certain for it."""
    return float(dominance(eps * x, kappa / 2 * x**2, taylor_remainder(rho, x)))


def test_a_and_b_hold(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 6))
        there, _ = checkpoint(generator, generator.uniform(-0.5, 2, d))
        step, zero = log_uniform(generator, 1e-2, 5), np.zeros(d)
        delta = step * unit(generator, d)
        damage, second = there(delta) - there(zero), float(delta @ there.hessian(zero) @ delta) / 2
        eta = dominance(there.gradient(zero) @ delta, second, taylor_remainder(there.rho, step))
        assert (eta == np.inf) == (second <= 0)
        if second > 0:
            scale = abs(there(delta)) + abs(there(zero)) + second
            low, high = second_order_range(eta, second)
            holds([float(low), damage], [damage, float(high)], scale)  # (b)
            holds(second_order_share(eta) * damage, second, scale)  # (a)
        if accept.met(bool(eta < 1)):
            assert damage > 0


@given(eps=SIZES, kappa=SIZES, rho=SIZES, x=STEPS)
def test_a_and_b_are_tight(eps: float, kappa: float, rho: float, x: float) -> None:
    second, eta = kappa / 2 * x**2, certified(x, kappa, eps, rho)
    low, high = second_order_range(eta, second)
    damage = line(x, eps, kappa, rho)
    reached(float(second_order_share(eta)), second / damage)  # (a)
    reached(damage, float(high))  # (b)
    equal(line(x, -eps, kappa, -rho), low, scale=damage)


@given(s=st.floats(0.01, 0.99))
def test_a_in_other_words(s: float) -> None:
    reached(1 - s, float(second_order_share(s / (1 - s))))


def test_c_holds(accept: Accept) -> None:
    for generator in accept:
        d, eta = int(generator.integers(2, 6)), generator.uniform(0.05, 0.95)
        there, eps = checkpoint(generator, generator.uniform(0.2, 2, d))
        step, zero = log_uniform(generator, 1e-2, 5), np.zeros(d)
        delta = step * unit(generator, d)
        second = float(delta @ there.hessian(zero) @ delta) / 2
        window = dominance_window(eta, 2 * second / step**2, eps, there.rho)
        if accept.met(window is not None and window[0] <= step <= window[1]):
            low, high = second_order_range(eta, second)
            damage = there(delta) - there(zero)
            holds([float(low), damage], [damage, float(high)], abs(there(delta)) + abs(there(zero)))


@given(eta=ETAS, kappa=SIZES, eps=SIZES, share=st.floats(0.01, 0.9))
def test_c_is_tight_at_both_ends(eta: float, kappa: float, eps: float, share: float) -> None:
    rho = share * 3 / 8 * eta**2 * kappa**2 / eps
    window = dominance_window(eta, kappa, eps, rho)
    assert window is not None
    for end, outward in zip(window, (0.99, 1.01), strict=True):
        reached(line(end, eps, kappa, rho), float(second_order_range(eta, kappa / 2 * end**2)[1]))
        assert certified(end / outward, kappa, eps, rho) < eta < certified(end * outward, kappa, eps, rho)


@given(eta=ETAS, kappa=SIZES, eps=SIZES, share=scales(1.001, 100.0))
def test_c_without_a_window_no_length_is_certain(eta: float, kappa: float, eps: float, share: float) -> None:
    rho = share * 3 / 8 * eta**2 * kappa**2 / eps
    assert dominance_window(eta, kappa, eps, rho) is None
    nearest = eta * kappa * 3 / (2 * rho)  # where the parabola of the proof is least
    for x in nearest * np.geomspace(1e-3, 1e3, 13):
        assert line(x, eps, kappa, rho) > second_order_range(eta, kappa / 2 * x**2)[1]


@given(eta=ETAS, kappa=SIZES, eps=SIZES)
def test_c_for_a_quadratic_there_is_no_upper_end(eta: float, kappa: float, eps: float) -> None:
    window = dominance_window(eta, kappa, eps, 0.0)
    assert window is not None
    low, high = window
    assert high == np.inf
    reached(line(low, eps, kappa, 0), float(second_order_range(eta, kappa / 2 * low**2)[1]))
    nearly = dominance_window(eta, kappa, eps, 1e-9 * eta**2 * kappa**2 / eps)
    assert nearly is not None
    equal(nearly[0], low, rel=1e-8)


def test_d_holds(accept: Accept) -> None:
    for generator in accept:
        values = generator.uniform(-0.2, 2, int(generator.integers(2, 6)))
        if accept.met(values.min() >= 0):
            there, eps = checkpoint(generator, values)
            step, zero = log_uniform(generator, 1e-2, 5), np.zeros(len(values))
            end = step * unit(generator, len(values))
            gained = there(zero) - there(end)
            holds(gained, over_recovery(eps, there.rho, step), abs(there(zero)) + abs(there(end)))


@given(seed=SEEDS, d=DIMENSIONS, step=STEPS)
def test_d_holds_for_convex_losses_without_rho(seed: int, d: int, step: float) -> None:
    generator = default_rng(seed)
    any_loss = loss(generator, d, cubic=False)
    there = replace(any_loss, h=symmetric(generator, generator.uniform(0, 0.1, d)), c=np.abs(any_loss.c))
    star, e = generator.standard_normal(d), step * unit(generator, d)
    eps, gained = norm(there.gradient(star)), there(star) - there(star + e)
    holds(gained, over_recovery(eps, 0.0, step), abs(there(star)) + abs(there(star + e)))


@given(eps=SIZES, rho=SIZES, x=STEPS)
def test_d_is_tight(eps: float, rho: float, x: float) -> None:
    reached(-line(x, -eps, 0, -rho), float(over_recovery(eps, rho, x)))
    reached(eps * x, float(over_recovery(eps, 0.0, x)))  # -eps x is convex


def test_the_slope_and_the_lower_end_are_needed() -> None:
    x, second = 0.01, 0.01**2 / 2
    damage = line(x, 0.1, 1, 0)
    forgotten = dominance(0.0, second, 0.0)
    violated(damage, float(second_order_range(forgotten, second)[1]), by=20)  # (b)
    violated(float(second_order_share(forgotten)), second / damage, by=20)  # (a)
    violated(damage, float(second_order_range(0.5, second)[1]), by=10)  # (c), low = 0.4 for eta = 1/2
    equal(dominance_window(0.5, 1, 0.1, 0) or (), [0.4, np.inf])
    equal(second / damage, 0.05, rel=0.05)


def test_the_remainder_and_the_upper_end_are_needed() -> None:
    damage, second = line(10, 0, 1, 1), 10**2 / 2
    forgotten = dominance(0.0, second, 0.0)
    violated(damage, float(second_order_range(forgotten, second)[1]), by=4)  # (b)
    violated(float(second_order_share(forgotten)), second / damage, by=4)  # (a)
    violated(damage, float(second_order_range(0.5, second)[1]), by=2)  # (c), high = 3/2 for eta = 1/2
    equal(dominance_window(0.5, 1, 0, 1) or (), [0, 1.5])


def test_a_and_b_positive_second_order_damage_is_needed() -> None:
    violated(line(1, 0, 0, 1), 0.0, by=10)  # D above D2 = 0
    damage, eta = -1 / 2, 0.5  # L = -x^2 / 2: r = 0 is below eta |D2|
    violated(-damage, -float(second_order_range(eta, -1 / 2)[0]), by=2)
    assert dominance(0.0, [0.0, -1 / 2], [1 / 6, 0.0]).tolist() == [np.inf, np.inf]


def test_c_the_curvature_along_delta_is_needed() -> None:
    window = dominance_window(0.5, 1.0, 0.1, 0.0)  # of the first axis of H = diag(1, 0.1)
    assert window is not None
    x = window[0]
    violated(line(x, 0.1, 0.1, 0), float(second_order_range(0.5, 0.1 / 2 * x**2)[1]), by=3.9)


@pytest.mark.parametrize("rho", [1.0, 10.0, 100.0])
def test_a_lipschitz_hessian_is_needed(rho: float) -> None:
    eta, kappa = 0.5, 0.01 / rho
    window = dominance_window(eta, kappa, 0.0, rho)
    assert window is not None
    x = window[1]
    second = kappa / 2 * x**2
    damage, claimed = second + 4 / 15 * x**2.5, certified(x, kappa, 0, rho)
    equal(claimed, eta)  # (c)
    violated(damage, float(second_order_range(claimed, second)[1]), by=4)  # (b)
    violated(float(second_order_share(claimed)), second / damage, by=4)  # (a)
    violated(4 / 15 * x**2.5, float(over_recovery(0.0, rho, x)), by=5)  # (d), of -|x|^(5/2)


def test_it_is_needed_on_the_whole_segment() -> None:
    late, x = 1.0, 2.0  # max(0, x - 1)^3, whose Hessian does not change below 1
    second = 0.1 / 2 * x**2
    claimed = certified(x, 0.1, 0, 0)
    violated(second + late, float(second_order_range(claimed, second)[1]), by=5)
    violated(float(second_order_share(claimed)), second / (second + late), by=5)
    violated(late, float(over_recovery(0.0, 0.0, x)), by=10)  # (d), of its negative


def test_d_a_positive_hessian_and_the_slope_are_needed() -> None:
    violated(1 / 2, float(over_recovery(0.0, 0.0, 1.0)), by=10)  # -x^2 / 2
    violated(1.0, float(over_recovery(0.0, 0.0, 1.0)), by=10)  # -x
