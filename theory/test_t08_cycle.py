r"""T8. A cycle of refreshes (C12).

*In words:* taking turns with small steps is one step on the weighted average of all losses, plus a second-order term
that depends on who comes first. Between two equal parabolas it favours the last.

## Setting

$N$ domains have losses $L_i$ and weights $w_i > 0$ that sum to 1; $F = \sum_iw_iL_i$. A cycle takes turns: for
$i = 1, \dots, N$ it replaces $\theta$ by $\theta - \alpha w_i\nabla L_i(\theta)$, $\alpha > 0$, and $\Phi(\theta)$ is
where it ends. (A domain that takes several steps is a domain that occurs several times.) $g_i$ and $H_i$ are gradient
and Hessian of $L_i$ at the $\theta$ where the cycle starts. Write $\bar H = \sum_iw_iH_i$, $G = \max_i\|g_i\|$,
$V = 1 - \sum_iw_i^2$, $y = \alpha L$ with the $L$ of the assumptions, and

$$
\Omega = \prod_i(1 + w_iy) - 1 - y , \qquad E = \frac GL\,\Omega , \qquad C = \sum_{j < i}w_iw_jH_ig_j .
$$

## Assumptions

- Every $\nabla L_i$ is $L$-Lipschitz on a convex set that holds all points named.
- (b): every Hessian is $\rho$-Lipschitz there.
- (d): every $L_i$ is quadratic, and $\bar H \succ 0$; $\theta_w$ is the minimum of $F$, $\lambda$ the smallest
  eigenvalue of $\bar H$.

## Statement

**(a)** A cycle is a gradient step on $F$ up to second order in $\alpha$:

$$
\|\Phi(\theta) - \theta + \alpha\nabla F\| \le E \le \frac{e^y - 1}{2y}\,\alpha^2LGV .
$$

For two domains $E = \alpha^2w_1w_2LG$.

**(b)** To third order, with $c = (e^y - 1) / y$,

$$
\|\Phi(\theta) - \theta + \alpha\nabla F - \alpha^2C\| \le E_2 = \tfrac16\alpha^3(cL^2G + c^2\rho G^2) .
$$

And

$$
C = \tfrac12\Bigl(\bar H\nabla F - \sum_iw_i^2H_ig_i\Bigr) + \tfrac12\sum_{j < i}w_iw_j(H_ig_j - H_jg_i) :
$$

if the order is reversed, the last sum, of Lie brackets, changes its sign, and the rest of $C$ does not change. So
forward minus reversed is $\alpha^2\sum_{j < i}w_iw_j(H_ig_j - H_jg_i)$ to within $2E_2$, and is equal to it for two
quadratics.

**(c)** If $y \le 2$,

$$
F(\Phi(\theta)) - F(\theta) \le -\alpha(1 - \tfrac y2)\|\nabla F\|^2 + \|\nabla F\|E + \tfrac L2E^2 .
$$

So if $y < 2$, $F$ falls wherever

$$
\alpha\|\nabla F\| > E\,\frac{1 + \sqrt{1 + 2y - y^2}}{2 - y} ,
$$

a factor that goes from 1 to $1 + \sqrt2$ as $y$ goes from 0 to 1.

**(d)** If every $H_i \succeq 0$ and $\alpha w_i\|H_i\| < 2$, cycles converge linearly from anywhere to the only fixed
point.

Any fixed point $\theta_f$ is near the minimum of $F$: with $k = \Omega / (y\lambda)$, if $kL < 1$ then
$\|\theta_f - \theta_w\| \le kG / (1 - kL)$, $G$ at $\theta_w$.

To first order it is at $\theta_w + \alpha\bar H^{-1}C$, $C$ at $\theta_w$. The distance from there is at most
$\alpha L^2VY / (2\lambda)$, where $Y$, itself of order $\alpha$, is the largest distance from $\theta_w$ of the
cycle's points, $\theta_f$ and those after it, but the last two.

**(e)** Any fixed point is nearly Pareto-stationary: the least $\|\sum_il_ig_i\|$ over weights $l_i \ge 0$ that sum to
1 is at most $\|\nabla F\| \le E / \alpha$ there.

## Proof

Let $v_i$ be the displacement after $i$ domains, $s_i = w_1 + \dots + w_i$. As
$\|\nabla L_i(\theta + v)\| \le G + L\|v\|$, $\|v_i\| \le u_i$ with $u_0 = 0$ and
$u_i = u_{i-1} + \alpha w_i(G + Lu_{i-1})$; so

$$
G + Lu_i = G\prod_{j \le i}(1 + w_jy) .
$$

**(a)** The cycle's total displacement gives

$$
\Phi(\theta) - \theta + \alpha\nabla F = -\alpha\sum_iw_i\bigl(\nabla L_i(\theta + v_{i-1}) - g_i\bigr) ,
$$

of size at most $\alpha L\sum_iw_iu_{i-1}$. That is $u_N - \alpha G$, by the recursion, and so $E$. As
$1 + x \le e^x$,

$$
u_i \le \frac GL(e^{ys_i} - 1) \le c\,\alpha Gs_i , \qquad c = \frac{e^y - 1}y ,
$$

because $(e^x - 1) / x$ rises with $x$; and $\sum_iw_is_{i-1} = \sum_{j < i}w_iw_j = \tfrac12V$.

**(b)** $\nabla L_i(\theta + v_{i-1}) = g_i + H_iv_{i-1} + r$, where
$\|r\| \le \tfrac{\rho}{2}\|v_{i-1}\|^2 \le \tfrac{\rho}{2}(c\,\alpha Gs_{i-1})^2$ by Taylor's formula. And
$v_{i-1} = -\alpha\sum_{j < i}w_jg_j + x$ with

$$
\|x\| \le \alpha L\sum_{j < i}w_j\,c\,\alpha Gs_{j-1} \le \tfrac12c\,\alpha^2LGs_{i-1}^2 .
$$

Put both in: the first part gives $\alpha^2C$, the rest is at most
$\tfrac12\alpha^3(cL^2G + c^2\rho G^2)\sum_iw_is_{i-1}^2$, and that sum is at most $\int_0^1 s^2\,ds = \tfrac13$.

For the formula of $C$,

$$
\bar H\nabla F = \sum_iw_i^2H_ig_i + \sum_{j < i}w_iw_j(H_ig_j + H_jg_i) .
$$

For two quadratics $v_1 = -\alpha w_1g_1$ and $r = 0$: no remainder.

**(c)** $\Phi(\theta) = \theta - \alpha\nabla F + r$ with $\|r\| \le E$, and $\nabla F$ is $L$-Lipschitz, so

$$
\begin{aligned}
F(\Phi(\theta)) - F(\theta) &\le \nabla F\cdot(r - \alpha\nabla F) + \tfrac L2\|r - \alpha\nabla F\|^2 \\
&= -\alpha(1 - \tfrac y2)\|\nabla F\|^2 + (1 - y)\,\nabla F\cdot r + \tfrac L2\|r\|^2 ,
\end{aligned}
$$

and $|1 - y| \le 1$. In $x = \alpha\|\nabla F\| / E$ the bound is $E^2 / \alpha$ times
$-(1 - \tfrac y2)x^2 + x + \tfrac y2$, whose positive root is the factor.

**(d)** *Convergence.* The linear part of $\Phi$ is the product of the $I - \alpha w_iH_i$, none of which has an
eigenvalue outside $(-1, 1]$. A unit vector whose norm the product preserves keeps it in every factor, so it is in the
kernel of $H_1$, is left alone, is in the kernel of $H_2$, and so on: it is in that of $\bar H$, which is $\{0\}$. So
the product has a norm below 1, and $\Phi$ is a contraction.

*Nearness.* At a fixed point (a) says $\alpha\|\nabla F\| \le E$, and $\nabla F = \bar H(\theta_f - \theta_w)$:

$$
\|\theta_f - \theta_w\| \le k\,G(\theta_f) \le k\bigl(G(\theta_w) + L\|\theta_f - \theta_w\|\bigr) .
$$

*To first order.* Let $z_{j-1}$ be where the cycle takes the gradient of $L_j$, less $\theta_w$. That gradient is
$g_j + H_jz_{j-1}$, $g_j$ at $\theta_w$. So

$$
z_{i-1} = \theta_f - \theta_w - \alpha\sum_{j < i}w_j(g_j + H_jz_{j-1}) ,
$$

and over the whole cycle $\sum_iw_i(g_i + H_iz_{i-1}) = 0$. As $\sum_iw_ig_i = 0$, the last two say

$$
\bar H(\theta_f - \theta_w) = \alpha C + \alpha\sum_{j < i}w_iw_jH_iH_jz_{j-1} :
$$

only $z_0, \dots, z_{N-2}$ occur in that sum, and it is at most $\tfrac12VL^2Y$. $Y$ is of order $\alpha$ because
every point is within $u_N$ of $\theta_f$.

**(e)** is (a) with $\Phi(\theta) = \theta$; and the $w_i$ are such weights. ∎

## Tight

- (a) $E$: all $L_i = -\tfrac L2x^2$, for any $\alpha$ and weights; with $e^y$, to leading order in $\alpha$.
- (b) All $L_i = Gx + \tfrac L2x^2 + \tfrac{\rho}{6}x^3$ for $N$ large and $\alpha$ small; two quadratics.
- (c) One domain, $\tfrac L2x^2$, for any $\alpha$; two of curvature $L$ that nearly cancel, for small $\alpha$, where
  they reach the other terms and the factor.
- (d) $L_1$ and $L_2 = \tfrac12(x \mp 1)^2$ with $w = \tfrac12$, for any $\alpha < 4$:
  $\theta_f = -\alpha / (4 - \alpha)$, pulled towards the last domain.
- (e) The same, for $\|\nabla F\|$; for the least norm two quadratics in the plane, $H_2 = L\,[0, 1; 1, 0]$, for small
  $\alpha$.

## Needed

- (a) A Lipschitz gradient: $|x|^{3/2}$. $G$: at $\theta_w$, where $\nabla F = 0$, a cycle moves all the same. The
  growth $(e^y - 1) / y$: the tight case of $E$.
- (b) A Lipschitz Hessian: $|x|^{5/2}$. $C$; its brackets, which depend on the order.
- (c) A Lipschitz gradient: $|x|^{3/2}$. $y < 2$, for descent: one domain, $\tfrac12x^2$. Only $F$ falls: from 0.5 a
  cycle of (d)'s tight case raises $L_1$.
- (d) $H_i \succeq 0$: curvatures $-3$ and $3.2$. $\bar H \succ 0$: a line. $\alpha w_i\|H_i\| < 2$: $\tfrac12x^2$. A
  quadratic: $\tfrac12x^2 + \tfrac14x^4$ diverges from 10, at a step that suits its curvature at 0. $kL < 1$: at
  $\alpha = 4$ the tight case has no fixed point. Small $\alpha$: with $\alpha w_N = 1$ and $\tfrac12x^2$ for all, a
  full refresh each, $\theta_f$ is the last domain's optimum whatever the weights.
- (e) A Lipschitz gradient: $|x|^{3/2}$. Pareto-stationary is not Pareto-optimal: all $L_i = -x^2$ at 0.
"""

from collections.abc import Callable, Sequence

import numpy as np
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
    quadratic,
    reached,
    scales,
    symmetric,
    violated,
)
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.cycle import (
    cycle_change,
    cycle_error,
    cycle_error_second,
    cycle_error_sharp,
    descent_slope,
    recency_bias,
    recency_bias_second,
)

SIZES = scales(0.1, 10.0)
DOMAINS = st.integers(1, 4)
HALVES = np.full(2, 1 / 2)
SMALL = 1e-3
"""A pace alpha L at which what is true to leading order is true to half a per cent."""

Gradient = Callable[[Array], Array]


def cycle(gradients: Sequence[Gradient], weights: Array, alpha: float, theta: Array) -> Array:
    """Where each domain takes its gradient, and the end, (N + 1, d)."""
    points = [theta]
    for weight, gradient in zip(weights, gradients, strict=True):
        points.append(points[-1] - alpha * weight * gradient(points[-1]))
    return np.array(points)


def turn(losses: Sequence[Smooth], weights: Array, alpha: float, theta: Array) -> Array:
    """Phi(theta)."""
    return cycle([each.gradient for each in losses], weights, alpha, theta)[-1]


def ordered(weights: Array, h: Sequence[Array], g: Sequence[Array]) -> Array:
    """C."""
    pairs = [weights[i] * weights[j] * h[i] @ g[j] for i in range(len(weights)) for j in range(i)]
    return np.sum(pairs, axis=0) if pairs else np.zeros(len(g[0]))


def brackets(weights: Array, h: Sequence[Array], g: Sequence[Array]) -> Array:
    """Sum of w_i w_j (H_i g_j - H_j g_i) over j < i."""
    return ordered(weights, h, g) - ordered(weights[::-1], h[::-1], g[::-1])


def line(slope: float, curvature: float, bend: float = 0.0) -> Smooth:
    """slope x + curvature x^2 / 2 + bend x^3 / 6."""
    one = np.ones((1, 1))
    return Smooth(np.array([slope]), curvature * one, np.array([bend]), one, np.zeros(1), cubic=True)


def opposed(gap: float = 0.0) -> list[Smooth]:
    """Two parabolas with minima at 1 and at -1 + gap."""
    return [line(-1, 1), line(1 - gap, 1)]


def root(x: Array) -> Array:
    """Gradient of 2/3 |x|^(3/2)."""
    return np.sign(x) * np.sqrt(np.abs(x))


def mixed(generator: Generator, d: int, count: int) -> tuple[list[Smooth], Array, float]:
    """Smooth losses, their weights, and their L."""
    losses = [loss(generator, d, bend=log_uniform(generator, 1e-2, 3), cubic=False) for _ in range(count)]
    return losses, generator.dirichlet(np.ones(count)), max(each.smooth for each in losses)


def parabolas(generator: Generator, least: float) -> tuple[list[Smooth], Array, Array, float]:
    """Quadratics of two to four domains, their weights, Hbar and L; curvatures from `least` up, some 0, one 1."""
    d, count = int(generator.integers(2, 5)), int(generator.integers(2, 5))
    curvatures = generator.uniform(least, 2, (count, d)) * (generator.random((count, d)) > 0.2)
    curvatures[0, 0] = 1.0
    losses = [quadratic(symmetric(generator, each), generator.standard_normal(d)) for each in curvatures]
    weights = generator.dirichlet(np.ones(count))
    return losses, weights, np.einsum("n,nij", weights, [each.h for each in losses]), float(np.abs(curvatures).max())


def fixed_point(losses: Sequence[Smooth], weights: Array, alpha: float) -> tuple[Array, Array]:
    """Of a cycle of quadratics, and the linear part of the cycle."""
    identity = np.eye(len(losses[0].g))
    start = turn(losses, weights, alpha, 0 * identity[0])
    linear = np.stack([turn(losses, weights, alpha, x) - start for x in identity], axis=1)
    return np.asarray(np.linalg.solve(identity - linear, start)), linear


def least_mean(one: Array, other: Array) -> float:
    """Least ||l g_1 + (1 - l) g_2||, 0 <= l <= 1."""
    across = one - other
    share = np.clip(-(other @ across) / max(float(across @ across), 1e-300), 0, 1)
    return norm(other + share * across)


@given(seed=SEEDS, d=DIMENSIONS, count=DOMAINS, pace=scales(1e-2, 2.0))
def test_a_b_and_c_hold(seed: int, d: int, count: int, pace: float) -> None:
    generator = default_rng(seed)
    losses, w, smooth = mixed(generator, d, count)
    rho, alpha, theta = max(each.rho for each in losses), pace / smooth, generator.standard_normal(d)
    g, h = [each.gradient(theta) for each in losses], [each.hessian(theta) for each in losses]
    largest, slope = max(map(norm, g)), w @ g
    end, back = turn(losses, w, alpha, theta), turn(losses[::-1], w[::-1], alpha, theta)
    error = cycle_error_sharp(alpha, smooth, largest, w)
    holds([norm(end - theta + alpha * slope), error], [error, cycle_error(alpha, smooth, largest, w)])  # (a)
    second, rest = ordered(w, h, g), cycle_error_second(alpha, smooth, largest, rho)
    holds(norm(end - theta + alpha * slope - alpha**2 * second), rest)  # (b)
    symmetrical = np.einsum("n,nij", w, h) @ slope - np.einsum("n,nij,nj", w**2, h, g)
    equal(second, (symmetrical + brackets(w, h, g)) / 2, scale=100)
    holds(norm(end - back - alpha**2 * brackets(w, h, g)), 2 * rest)
    before, after = (np.array([each(x) for each in losses]) for x in (theta, end))
    bound = cycle_change(alpha, smooth, norm(slope), error)
    holds(w @ (after - before), bound, float(np.abs(before).max()))  # (c)


def test_c_f_falls(accept: Accept) -> None:
    for generator in accept:
        losses, w, smooth = mixed(generator, int(generator.integers(2, 6)), int(generator.integers(1, 5)))
        alpha, theta = log_uniform(generator, 1e-2, 1.9) / smooth, generator.standard_normal(len(losses[0].g))
        g = np.array([each.gradient(theta) for each in losses])
        error = cycle_error_sharp(alpha, smooth, max(map(norm, g)), w)
        if accept.met(norm(w @ g) > descent_slope(alpha, smooth, error)):
            end = turn(losses, w, alpha, theta)
            assert w @ [each(end) - each(theta) for each in losses] < 0


def test_d_cycles_converge(accept: Accept) -> None:
    for generator in accept:
        losses, w, mean, _ = parabolas(generator, 0)
        alpha = generator.uniform(0.01, 1.99) / max(a * norm(each.h, 2) for a, each in zip(w, losses, strict=True))
        if accept.met(np.linalg.eigvalsh(mean)[0] > 1e-2):
            point, linear = fixed_point(losses, w, alpha)
            assert norm(linear, 2) < 1
            start = generator.standard_normal(len(point))
            holds(norm(turn(losses, w, alpha, start) - point), norm(linear, 2) * norm(start - point), scale=100)


def test_d_and_e_the_fixed_point_is_near_the_minimum(accept: Accept) -> None:
    for generator in accept:
        losses, w, mean, smooth = parabolas(generator, generator.choice([-0.3, 0.3]))
        least, alpha = float(np.linalg.eigvalsh(mean)[0]), log_uniform(generator, 1e-2, 0.5) / smooth
        if least < 1e-2:
            continue
        minimum = np.asarray(np.linalg.solve(mean, -(w @ [each.g for each in losses])))
        g, h = [each.gradient(minimum) for each in losses], [each.h for each in losses]
        point, _ = fixed_point(losses, w, alpha)
        path = cycle([each.gradient for each in losses], w, alpha, point)
        reach = float(np.linalg.norm(path[:-2] - minimum, axis=1).max())
        first = minimum + alpha * np.linalg.solve(mean, ordered(w, h, g))
        # The fixed point solves a system whose condition is about 1 / (alpha least): so much does rounding grow.
        rounding = 1e-3 * norm(point) / (alpha * least)
        holds(norm(point - first), recency_bias_second(alpha, smooth, reach, w, least), rounding)
        slopes = np.array([each.gradient(point) for each in losses])
        largest = float(np.linalg.norm(slopes, axis=1).max())
        holds(alpha * norm(w @ slopes), cycle_error_sharp(alpha, smooth, largest, w))  # (e)
        bound = recency_bias(alpha, smooth, max(map(norm, g)), w, least)
        if accept.met(np.isfinite(bound)):
            holds(norm(point - minimum), bound)


@given(seed=SEEDS, d=DIMENSIONS, count=st.integers(2, 4), pace=scales(1e-2, 2.0))
def test_e_holds(seed: int, d: int, count: int, pace: float) -> None:
    generator = default_rng(seed)
    losses, w, smooth = mixed(generator, d, count)
    alpha, theta = pace / smooth, generator.standard_normal(d)
    path = cycle([each.gradient for each in losses], w, alpha, theta)
    losses[-1].g[:] += (path[-1] - theta) / (alpha * w[-1])  # so that the last domain leads back to theta
    equal(turn(losses, w, alpha, theta), theta, scale=1e4)
    g = np.array([each.gradient(theta) for each in losses])
    error = cycle_error_sharp(alpha, smooth, float(np.linalg.norm(g, axis=1).max()), w)
    holds([least_mean(g[0], w[1:] @ g[1:] / w[1:].sum()), norm(w @ g)], [norm(w @ g), error / alpha])


@given(seed=SEEDS, count=st.integers(2, 4), pace=scales(0.1, 2.0), curved=SIZES, x=SIZES)
def test_a_is_tight(seed: int, count: int, pace: float, curved: float, x: float) -> None:
    def moved(alpha: float) -> float:
        hills = [line(0, -curved)] * count
        return float(turn(hills, w, alpha, np.array([x]))[0]) - x - alpha * curved * x

    w, alpha = default_rng(seed).dirichlet(np.full(count, 3.0)), pace / curved
    reached(moved(alpha), cycle_error_sharp(alpha, curved, curved * x, w), rel=1e-7)
    equal(moved(alpha), x * (np.prod(1 + w * pace) - 1 - pace), rel=1e-7)
    reached(moved(SMALL / curved), cycle_error(SMALL / curved, curved, curved * x, w), rel=5e-3)
    if count == 2:
        equal(moved(alpha), pace**2 * w[0] * w[1] * x, rel=1e-7)


@given(slope=SIZES, curved=SIZES, share=scales(0.1, 2.0))
def test_b_is_tight(slope: float, curved: float, share: float) -> None:
    count = 1000
    alpha, w, rho = SMALL / curved, np.full(count, 1 / count), share * curved**2 / slope
    end = float(turn([line(slope, curved, rho)] * count, w, alpha, np.zeros(1))[0])
    second = (1 - 1 / count) / 2 * curved * slope
    left = abs(end + alpha * slope - alpha**2 * second)
    reached(left, cycle_error_second(alpha, curved, slope, rho), rel=5e-3)


@given(seed=SEEDS, d=DIMENSIONS, alpha=SIZES)
def test_b_two_quadratics_leave_no_remainder(seed: int, d: int, alpha: float) -> None:
    generator = default_rng(seed)
    losses, w = [loss(generator, d, bend=0.0, slope=1.0) for _ in range(2)], generator.dirichlet(np.ones(2))
    g, h = [each.g for each in losses], [each.h for each in losses]
    end, back = turn(losses, w, alpha, np.zeros(d)), turn(losses[::-1], w[::-1], alpha, np.zeros(d))
    equal(end, alpha**2 * ordered(w, h, g) - alpha * w @ g, scale=1e4)
    equal(end - back, alpha**2 * brackets(w, h, g), scale=1e4)


@given(pace=scales(1e-2, 1.9), curved=SIZES, x=SIZES)
def test_c_is_tight_for_one_domain(pace: float, curved: float, x: float) -> None:
    there, alpha, start = line(0, curved), pace / curved, np.array([x])
    change = there(turn([there], np.ones(1), alpha, start)) - there(start)
    reached(change, cycle_change(alpha, curved, curved * x, 0.0))


@given(slope=SIZES, curved=SIZES, ratio=scales(1e-2, 30.0))
def test_c_is_tight_for_two_domains_that_nearly_cancel(slope: float, curved: float, ratio: float) -> None:
    alpha = SMALL / curved
    error = cycle_error_sharp(alpha, curved, slope, HALVES)
    least = descent_slope(alpha, curved, error)

    def change(left: float) -> float:
        losses = [line(slope, curved), line(2 * left - slope, curved)]  # grad F = left at 0, and F = 0
        end = turn(losses, HALVES, alpha, np.zeros(1))
        return float(np.mean([each(end) for each in losses]))

    left = ratio * curved * error
    reached(change(left), cycle_change(alpha, curved, left, error), rel=5e-3)
    assert change(0.99 * least) > 0 > change(1.01 * least)
    assert abs(cycle_change(alpha, curved, least, error)) <= 1e-9 * least * error


@given(alpha=scales(1e-3, 3.99))
def test_d_and_e_are_tight(alpha: float) -> None:
    point = alpha / (4 - alpha)
    equal(fixed_point(opposed(), HALVES, alpha)[0], [-point], rel=1e-7)
    reached(point, recency_bias(alpha, 1.0, 1.0, HALVES, 1.0), rel=1e-7)
    first = alpha * ordered(HALVES, [np.ones((1, 1))] * 2, [-np.ones(1), np.ones(1)])[0]
    reached(first + point, recency_bias_second(alpha, 1.0, point, HALVES, 1.0), rel=1e-7)
    reached(point, cycle_error_sharp(alpha, 1.0, 1 + point, HALVES) / alpha, rel=1e-7)  # (e), grad F = point


@given(curved=SIZES, size=SIZES)
def test_e_is_tight_for_the_least_norm(curved: float, size: float) -> None:
    h, alpha = curved * np.array([[0.0, 1], [1, 0]]), SMALL / curved
    g = size * np.array([(4 - np.sqrt(16 - SMALL**2)) / SMALL, 1])  # then (g_1 - g_2).grad F = 0
    losses = [quadratic(0 * h, g), quadratic(h, alpha / 2 * h @ g - g)]
    equal(turn(losses, HALVES, alpha, np.zeros(2)), np.zeros(2), scale=100)
    largest = max(norm(each.g) for each in losses)
    left = least_mean(losses[0].g, losses[1].g)
    reached(left, norm(HALVES @ [each.g for each in losses]), rel=1e-7)
    reached(left, cycle_error_sharp(alpha, curved, largest, HALVES) / alpha, rel=5e-3)


def test_a_c_and_e_a_lipschitz_gradient_is_needed() -> None:
    for smooth in (1.0, 10.0, 100.0):
        alpha = 0.01 / smooth**2  # any L fails at steps as small as this
        end = cycle([lambda x: -np.ones(1), root], HALVES, alpha, np.zeros(1))[-1]
        for bound in (cycle_error, cycle_error_sharp):
            violated(abs(float(end[0]) - alpha / 2), bound(alpha, smooth, 1.0, HALVES), by=10)  # (a)
        shift = np.sqrt(alpha / 2)
        end = cycle([lambda x: -np.ones(1), lambda x: root(x) + 1 - shift], HALVES, alpha, np.zeros(1))[-1]  # noqa: B023
        equal(end, [0])
        violated(shift / 2, cycle_error_sharp(alpha, smooth, 1.0, HALVES) / alpha, by=10)  # (e)
        x = 0.01 / smooth**2
        end = cycle([root], np.ones(1), 1 / smooth, np.array([x]))[-1]
        bound_c = cycle_change(1 / smooth, smooth, np.sqrt(x), 0.0)
        assert bound_c < 0
        violated(2 / 3 * (abs(float(end[0])) ** 1.5 - x**1.5), -bound_c, by=3)  # (c)


def test_a_the_largest_slope_and_the_growth_are_needed() -> None:
    moved = abs(float(turn(opposed(), HALVES, 0.1, np.zeros(1))[0]))  # F is stationary at 0
    violated(moved, cycle_error(0.1, 1.0, 0.0, HALVES) + 1e-12, by=10)
    w = np.full(100, 0.01)
    end = float(turn([line(0, -1)] * 100, w, 2.0, np.ones(1))[0])
    tiny = 1e-6  # no growth to speak of
    violated(end - 3, cycle_error(2 * tiny, 1.0, 1.0, w) / tiny**2, by=2)
    violated(end - 3 - 2 * 0.99, cycle_error_second(2 * tiny, 1.0, 1.0, 0.0) / tiny**3, by=1.6)


def test_b_a_lipschitz_hessian_and_the_order_are_needed() -> None:
    for rho in (1.0, 10.0, 100.0):
        alpha = 0.01 / rho**2
        end = cycle([lambda x: -np.ones(1), lambda x: 2 / 3 * np.abs(x) ** 1.5], HALVES, alpha, np.zeros(1))[-1]
        rest = cycle_error_second(alpha, np.sqrt(alpha / 2), 1.0, rho)
        violated(abs(float(end[0]) - alpha / 2), rest, by=5)
    alpha = 0.01
    end, back = (turn(order, HALVES, alpha, np.zeros(1))[0] for order in (opposed(), opposed()[::-1]))
    rest = cycle_error_second(alpha, 1.0, 1.0, 0.0)
    violated(abs(end), rest, by=10)  # without C
    violated(abs(end - back), 2 * rest, by=10)  # without the brackets


def test_c_a_step_below_two_is_needed_and_single_domains_may_lose() -> None:
    assert descent_slope(1.99, 1.0, 0.0) == 0
    there = line(0, 1)
    violated(there(turn([there], np.ones(1), 2.1, np.ones(1))), there(np.ones(1)), by=1.2)
    first, second = opposed()
    start, end = np.full(1, 0.5), turn([first, second], HALVES, 0.5, np.full(1, 0.5))
    assert first(end) + second(end) < first(start) + second(start)
    violated(first(end) - first(start), 0.0, by=1)


def test_d_every_assumption_is_needed() -> None:
    def grown(losses: list[Smooth], weights: Array, alpha: float) -> float:
        return abs(float(turn(losses, weights, alpha, np.full(1, 10.0))[0])) / 10

    violated(grown([line(0, -3), line(0, 3.2)], HALVES, 1.0), 1, by=1.4)  # H_i >= 0
    violated(grown([line(0, -1), line(0, 1 / 2)], HALVES, 0.1), 1, by=1.02)  # Hbar > 0, or H_i >= 0
    equal(turn([line(1, 0), line(1, 0)], HALVES, 0.1, np.full(1, 10.0)), [9.9])  # Hbar > 0: no fixed point
    violated(grown([line(0, 1)], np.ones(1), 2.1), 1, by=1.09)  # alpha w_i ||H_i|| < 2
    end = cycle([lambda x: x + x**3], np.ones(1), 0.1, np.full(1, 10.0))[-1]
    violated(abs(float(end[0])), 10, by=9)  # a quadratic
    assert recency_bias(4.0, 1.0, 1.0, HALVES, 1.0) == np.inf
    for x in (-3.0, 0.0, 5.0):
        equal(turn(opposed(), HALVES, 4.0, np.array([x])), [x - 4])  # k L < 1: no fixed point


@given(share=st.floats(0.05, 0.9), gap=st.floats(0, 1))
def test_d_a_small_step_is_needed_for_the_weights_to_count(share: float, gap: float) -> None:
    weights = np.array([1 - share, share])
    equal(turn(opposed(gap), weights, 1 / share, np.full(1, 7.0)), [gap - 1], scale=1e3)  # the last domain's optimum


def test_e_pareto_stationary_is_not_pareto_optimal() -> None:
    hills = [line(0, -2), line(0, -2)]
    equal(turn(hills, HALVES, 0.1, np.zeros(1)), [0])
    for each in hills:
        assert each(np.ones(1)) < each(np.zeros(1))
