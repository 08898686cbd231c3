r"""T9. Synergy and conflict of two updates (C6; C1 for what is compared, C4 for overlap).

*In words:* whether another domain's update helps A depends on its angle to A's error, measured in A's curvature, and
on where it starts: the same update can help the base model and harm the trained one.

## Setting

$L$ is A's loss. $\theta_b$ is a base model, $\delta_A$ the update of A's own training from there, $\delta_B$ and
$\delta_C$ those of other domains; $H_b$ is the Hessian of $L$ at $\theta_b$. An update $b$ helps A at $\theta$ if
$L(\theta + b) < L(\theta)$; $g$ and $H$ are gradient and Hessian there. If $L$ is a quadratic with a minimum, A's
error is $e = \theta - (\text{the minimum})$. If $H \succ 0$,

$$
\|x\|_H = \sqrt{x\cdot Hx} , \qquad \cos_H(x, y) = \frac{x\cdot Hy}{\|x\|_H\,\|y\|_H} .
$$

$D(x) = L(\theta_\star + x) - L(\theta_\star)$ is the damage of $x$ at a checkpoint $\theta_\star$; in (d), $H$ is the
Hessian there.

## Assumptions

- (a), the second part of (b) and the second of (d): the Hessian of $L$ is $\rho$-Lipschitz on the convex hull of the
  points named.
- Else $L$ is quadratic, in the first part of (b) with $H \succ 0$.

## Statement

**(a)** *Interaction.*

$$
L(\theta_b + \delta_A + \delta_B) - L(\theta_b + \delta_A) - L(\theta_b + \delta_B) + L(\theta_b)
$$

is $\delta_A\cdot H_b\delta_B$ to within $\tfrac{\rho}{2}\|\delta_A\|\,\|\delta_B\|\,(\|\delta_A\| + \|\delta_B\|)$.

**(b)** *What helps.*

$$
\begin{aligned}
L(\theta + b) - L(\theta) &= e\cdot Hb + \tfrac12\,b\cdot Hb \\
&= \|b\|_H\bigl(\tfrac12\|b\|_H - \|e\|_H\cos_H(-e, b)\bigr) :
\end{aligned}
$$

if $e$ and $b$ are not 0, $b$ helps A if and only if $\cos_H(-e, b) > \|b\|_H / (2\|e\|_H)$. So nothing longer than
$2\|e\|_H$ helps, and nothing helps where $e = 0$. For any $L$: $b$ helps if
$-g\cdot b > \tfrac12\,b\cdot Hb + \tfrac{\rho}{6}\|b\|^3$.

**(c)** *The baseline paradox.* If $\theta_b + \delta_A$ is stationary, $\delta_B$ alone changes $L$ by
$\tfrac12\,\delta_B\cdot H\delta_B - \delta_A\cdot H\delta_B$, and after $\delta_A$ by
$\tfrac12\,\delta_B\cdot H\delta_B$. So if

$$
\delta_A\cdot H\delta_B > \tfrac12\,\delta_B\cdot H\delta_B > 0 ,
$$

the same update helps A from the base and damages it after A's training.

**(d)** *Later stages.*

$$
D(\delta_B + \delta_C) = D(\delta_B) + D(\delta_C) + \delta_B\cdot H\delta_C ,
$$

and B's Shapley share of it, the mean over both orders of what B adds, is
$D(\delta_B) + \tfrac12\,\delta_B\cdot H\delta_C$. For any $L$, these hold to within
$\tfrac{\rho}{2}\|\delta_B\|\,\|\delta_C\|\,(\|\delta_B\| + \|\delta_C\|)$ and half of that. For a quadratic and any
number of stages the share of stage $i$ is $D(\delta_i) + \tfrac12\,\delta_i\cdot H\sum_{j \ne i}\delta_j$.

## Proof

**(a)** The left side is the integral of $\delta_A\cdot\nabla^2L(\theta_b + s\delta_A + t\delta_B)\,\delta_B$ over $s$
and $t$ in $[0, 1]$. Subtract $\delta_A\cdot H_b\delta_B$: the rest is at most $\|\delta_A\|\,\|\delta_B\|$ times the
integral of

$$
\rho\,\|s\delta_A + t\delta_B\| \le \rho\,(s\|\delta_A\| + t\|\delta_B\|) ,
$$

and $s$ and $t$ have mean $\tfrac12$.

**(b)** $L(\theta)$ is $\tfrac12\|e\|_H^2$ above the minimum, $L(\theta + b)$ is $\tfrac12\|e + b\|_H^2$ above it; the
difference is $e\cdot Hb + \tfrac12\,b\cdot Hb$. Divide by $\|b\|_H$. $\cos_H \le 1$ by the inequality of Cauchy and
Schwarz. For any $L$, Taylor's formula is

$$
L(\theta + b) - L(\theta) - g\cdot b - \tfrac12\,b\cdot Hb
= \int_0^1 (1 - s)\,b\cdot\bigl(\nabla^2L(\theta + sb) - H\bigr)b\,ds ,
$$

of size at most $\rho\|b\|^3\int_0^1 (1 - s)\,s\,ds = \tfrac{\rho}{6}\|b\|^3$.

**(c)** The gradient of $L$ is $-H\delta_A$ at $\theta_b$ and 0 at $\theta_b + \delta_A$; add its product with
$\delta_B$ to $\tfrac12\,\delta_B\cdot H\delta_B$.

**(d)** The first line is (a) at $\theta_\star$ with $\delta_B$ and $\delta_C$. First in order B adds $D(\delta_B)$,
second $D(\delta_B + \delta_C) - D(\delta_C)$. For a quadratic, a stage adds to the stages before it its own damage
and $\delta_i\cdot H\delta_j$ for each of those; in a random order $j$ comes before $i$ with probability $\tfrac12$. A
gradient at $\theta_\star$ is part of $D(\delta_i)$, and changes nothing. ∎

## Tight

- (a), and (d) for any $L$: $\tfrac{\rho}{6}x^3$ with both updates positive.
- (b) On both sides of the cosine; for any $L$, $-ax + \tfrac h2x^2 + \tfrac{\rho}{6}x^3$.
- (c) and (d) for quadratics: exact.

## Needed

- (a) A Lipschitz Hessian: $|x|^{5/2}$; between the updates too: $\max(0, x - 1)^3$ with both 1. The interaction
  itself: updates without a common coordinate, as $e_1$ and $e_2$, interact by 0.9 if $H = [1, 0.9; 0.9, 1]$: overlap
  of weights is the wrong proxy.
- (b) $H \succ 0$: $\operatorname{diag}(1, -2)$ has updates longer than $2\|e\|_H$ that help. A quadratic:
  $\tfrac12x^2 - x^3$ at a cosine of 1. The remainder, and a Lipschitz Hessian: $-x + 5x^3$ and $|x|^{5/2}$.
- (c) A stationary $\theta_b + \delta_A$: $\tfrac12(x - 1)^2$ with $\delta_B = 0.6$ changes by $-0.42$ from the base
  0, by $+0.18$ after $\delta_A = 1$, and by $-0.30$ if A's training stopped at 0.2. A quadratic:
  $\tfrac12(x - 1)^2 - (x - 1)^3$.
- (d) The interaction: $[1, -0.9; -0.9, 1]$, where stages repair each other. A quadratic: $|x|^{5/2}$.
"""

from collections.abc import Callable
from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng

from theory.instances import (
    DIMENSIONS,
    SEEDS,
    Accept,
    equal,
    holds,
    log_uniform,
    loss,
    norm,
    quadratic,
    reached,
    scales,
    symmetric,
    unit,
    violated,
)
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.taylor import taylor_remainder
from toymdrl.bounds.transfer import (
    helpful_cosine,
    helps,
    interaction_remainder,
    joint_damage,
    shapley_share,
    transfer_change,
)

SIZES = scales(0.1, 10.0)
LENGTHS = scales(1e-2, 3.0)


def interaction(there: Callable[[Array], float], base: Array, one: Array, other: Array) -> float:
    """What two updates do together and neither alone."""
    return there(base + one + other) - there(base + one) - there(base + other) + there(base)


def shapley(there: Callable[[Array], float], base: Array, stages: Array) -> Array:
    """Mean over all orders of what each stage adds to the loss."""
    orders = list(permutations(range(len(stages))))
    shares = np.zeros(len(stages))
    for order in orders:
        path = np.cumsum([base, *stages[list(order)]], axis=0)
        shares[list(order)] += np.diff([there(x) for x in path])
    return shares / len(orders)


def curved(generator: Generator, d: int) -> Array:
    """A positive definite Hessian."""
    return symmetric(generator, 10 ** generator.uniform(-1, 0.5, d))


def length(h: Array, x: Array) -> float:
    """||x||_H."""
    return float(np.sqrt(x @ h @ x))


def half_power(x: Array) -> float:
    """4/15 |x|^(5/2) in one dimension, with no Lipschitz Hessian at 0."""
    return 4 / 15 * float(np.abs(x[0])) ** 2.5


@given(seed=SEEDS, d=DIMENSIONS, a=LENGTHS, b=LENGTHS, bend=scales(1e-2, 3.0))
def test_a_and_d_hold(seed: int, d: int, a: float, b: float, bend: float) -> None:
    generator = default_rng(seed)
    there, base = loss(generator, d, bend=bend), generator.standard_normal(d)
    one, other = a * unit(generator, d), b * unit(generator, d)
    both, rest = float(one @ there.hessian(base) @ other), float(interaction_remainder(there.rho, a, b))
    scale = sum(abs(there(x)) for x in (base, base + one, base + other, base + one + other))
    holds(abs(interaction(there, base, one, other) - both), rest, scale)  # (a)
    first, second, joint = (there(base + x) - there(base) for x in (one, other, one + other))
    holds(abs(joint - joint_damage(first, second, both)), rest, scale)  # (d)
    share = shapley(there, base, np.array([one, other]))[0]
    holds(abs(share - shapley_share(first, both)), interaction_remainder(there.rho / 2, a, b), scale)


@given(rho=SIZES, a=SIZES, b=SIZES)
def test_a_and_d_are_tight(rho: float, a: float, b: float) -> None:
    def cubic(x: Array) -> float:
        return rho / 6 * float(x[0]) ** 3

    zero, one, other = np.zeros(1), np.array([a]), np.array([b])
    rest = float(interaction_remainder(rho, a, b))
    reached(interaction(cubic, zero, one, other), rest, rel=1e-7)  # the difference cancels
    reached(cubic(one + other) - float(joint_damage(cubic(one), cubic(other), 0)), rest, rel=1e-7)
    share = shapley(cubic, zero, np.array([one, other]))[0]
    half = float(interaction_remainder(rho / 2, a, b))
    reached(share - float(shapley_share(cubic(one), 0)), half, rel=1e-7)


def test_b_the_cosine_decides(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 6))
        h, e = curved(generator, d), log_uniform(generator, 1e-1, 1e1) * unit(generator, d)
        b = log_uniform(generator, 1e-1, 1e1) * unit(generator, d) - generator.uniform(0, 2) * e
        error, update, pull = length(h, e), length(h, b), -float(e @ h @ b)
        change = quadratic(h)(e + b) - quadratic(h)(e)
        equal(change, transfer_change(pull, update**2), scale=1e3)
        helpful = pull / (error * update) > helpful_cosine(error, update)
        assert helpful == (change < 0)
        if accept.met(bool(helpful)):
            assert update < 2 * error


@given(seed=SEEDS, error=SIZES, share=st.floats(0.01, 0.98), sign=st.sampled_from([-1.0, 1.0]))
def test_b_the_cosine_is_tight(seed: int, error: float, share: float, sign: float) -> None:
    h = curved(default_rng(seed), 2)
    root = np.linalg.cholesky(h).T  # ||x||_H = ||root x||
    update = 2 * error * share
    for factor in (0.99, 1.01):
        cosine = factor * float(helpful_cosine(error, update))
        y = np.array([[-error, 0], [update * cosine, sign * update * np.sqrt(1 - cosine**2)]])
        e, b = np.linalg.solve(root, y.T).T
        change = quadratic(h)(e + b) - quadratic(h)(e)
        assert (change < 0) == (factor > 1)
        equal(change, transfer_change(error * update * cosine, update**2), rel=1e-6)


def test_b_the_general_criterion_holds(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 6))
        there, theta = loss(generator, d, bend=log_uniform(generator, 1e-2, 1)), generator.standard_normal(d)
        g, h = there.gradient(theta), there.hessian(theta)
        b = log_uniform(generator, 1e-2, 1) * unit(generator, d) - log_uniform(generator, 1e-2, 1) * g
        if accept.met(bool(helps(g @ b, b @ h @ b, there.rho, norm(b)))):
            assert there(theta + b) < there(theta)


@given(rho=SIZES, h=SIZES, x=SIZES)
def test_b_the_general_criterion_is_tight(rho: float, h: float, x: float) -> None:
    slope = h / 2 * x + rho / 6 * x**2  # at which -slope x + h x^2 / 2 + rho/6 x^3 is 0
    for factor in (0.99, 1.01):
        change = -factor * slope * x + h / 2 * x**2 + rho / 6 * x**3
        assert bool(helps(-factor * slope * x, h * x**2, rho, x)) == (factor > 1) == (change < 0)


def test_c_holds(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 6))
        h, base, own = symmetric(generator, generator.uniform(-1, 2, d)), *generator.standard_normal((2, d))
        other = log_uniform(generator, 1e-1, 1e1) * unit(generator, d) + generator.uniform(0, 1) * own
        there = quadratic(h, -h @ (base + own))  # stationary at base + own
        alone, after = (there(x + other) - there(x) for x in (base, base + own))
        pull, curvature = float(own @ h @ other), float(other @ h @ other)
        equal(alone, transfer_change(pull, curvature), scale=1e3)
        equal(after, transfer_change(0, curvature), scale=1e3)
        if accept.met(pull > curvature / 2 > 0):
            assert alone < 0 < after


@given(seed=SEEDS, d=DIMENSIONS, stages=st.integers(1, 4))
def test_d_is_exact_for_quadratics(seed: int, d: int, stages: int) -> None:
    generator = default_rng(seed)
    h, (star, g) = symmetric(generator, generator.uniform(-1, 2, d)), generator.standard_normal((2, d))
    there, parts = quadratic(h, g), generator.standard_normal((stages, d))
    damage, others = np.array([there(star + x) - there(star) for x in parts]), parts.sum(axis=0) - parts
    shares = shapley_share(damage, np.einsum("si,ij,sj->s", parts, h, others))
    equal(shares, shapley(there, star, parts), scale=1e3)
    if stages > 1:
        joint = joint_damage(damage[0], damage[1], parts[0] @ h @ parts[1])
        equal(there(star + parts[0] + parts[1]) - there(star), joint, scale=1e3)


def test_a_and_d_a_lipschitz_hessian_is_needed_between_the_updates_too() -> None:
    zero = np.zeros(1)
    for rho in (1.0, 10.0, 100.0):
        x = np.array([0.1 / rho**2])
        rest = float(interaction_remainder(rho, x[0], x[0]))
        violated(interaction(half_power, zero, x, x), rest, by=3)
        violated(half_power(2 * x) - float(joint_damage(half_power(x), half_power(x), 0)), rest, by=3)
        share = shapley(half_power, zero, np.array([x, x]))[0]
        half = float(interaction_remainder(rho / 2, x[0], x[0]))
        violated(share - float(shapley_share(half_power(x), 0)), half, by=3)
    one = np.ones(1)
    late = interaction(lambda x: max(0.0, float(x[0]) - 1) ** 3, zero, one, one)
    violated(late, float(interaction_remainder(0, 1, 1)), by=10)


def test_a_and_d_the_interaction_is_needed() -> None:
    one, other = np.eye(2)
    apart = quadratic(np.array([[1, 0.9], [0.9, 1]]))
    violated(interaction(apart, np.zeros(2), one, other), float(interaction_remainder(0, 1, 1)), by=10)
    repaired = quadratic(np.array([[1, -0.9], [-0.9, 1]]))
    violated(float(joint_damage(repaired(one), repaired(other), 0)), repaired(one + other), by=9)
    share = shapley(repaired, np.zeros(2), np.array([one, other]))[0]
    violated(float(shapley_share(repaired(one), 0)), share, by=9)


def test_b_a_positive_hessian_is_needed() -> None:
    h, e, b = np.diag([1.0, -2]), np.array([1.0, 0]), np.array([-3, np.sqrt(2)])
    assert quadratic(h)(e + b) < quadratic(h)(e)
    violated(length(h, b), 2 * length(h, e), by=1.1)
    violated(float(helpful_cosine(length(h, e), length(h, b))), 1.0, by=1.1)


def test_b_a_quadratic_is_needed() -> None:
    def bent(x: float) -> float:
        return x**2 / 2 - x**3

    error, update = 0.1, 0.19  # towards the minimum at 0 and beyond it, at a cosine of 1
    claimed, change = float(transfer_change(error * update, update**2)), bent(error - update) - bent(error)
    assert helpful_cosine(error, update) < 1
    assert claimed < 0 < change
    violated(change - claimed, abs(claimed), by=1.8)


def test_b_the_remainder_and_a_lipschitz_hessian_are_needed() -> None:
    assert helps(-1.0, 0.0, 0.0, 1.0)
    violated((-1 + 5) - (-1), float(taylor_remainder(0, 1)), by=10)  # -x + 5 x^3, which rises
    for rho in (1.0, 10.0, 100.0):
        x = 0.1 / rho**2
        slope = half_power(np.array([x])) / 2  # times -1/x the gradient at 0 of a loss that has no curvature there
        assert helps(-slope, 0.0, rho, x)
        violated(half_power(np.array([x])) - slope, float(taylor_remainder(rho, x)), by=2)


def test_c_a_stationary_end_of_training_is_needed() -> None:
    there = quadratic(np.eye(1), -np.ones(1))
    alone, after, early = (there(np.array([x + 0.6])) - there(np.array([x])) for x in (0.0, 1.0, 0.2))
    equal([alone, after, early], [-0.42, 0.18, -0.30])
    equal([alone, after], [transfer_change(0.6, 0.36), transfer_change(0, 0.36)])
    violated(float(transfer_change(0, 0.36)) - early, abs(after), by=2)


def test_c_a_quadratic_is_needed() -> None:
    violated(float(transfer_change(0, 1)) - (1 / 2 - 1), 1 / 2, by=1.9)  # (x - 1)^2 / 2 - (x - 1)^3 at 2
