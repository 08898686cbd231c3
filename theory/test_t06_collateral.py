r"""T6. What a refresh of A does to another domain C, and why a short one beats a full one (C10).

*In words:* what a refresh gains bounds how far it moves, and so what it may cost another domain. To undo all of the
damage is more than is best for both. That a refresh spares other domains is an assumption about them, and follows
from nothing that A does.

## Setting

Domain A is refreshed from $\theta_0$ by $t$ steps of gradient descent with step size $\alpha$ on $L_A$:
$\theta_t = \theta_0 + u$.

- *Gained* is $G = L_A(\theta_0) - L_A(\theta_t)$.
- The *change* of C is $\Delta_C = L_C(\theta_t) - L_C(\theta_0)$.
- *Selectivity* is $G / |\Delta_C|$.

$g_C$ and $H_C$ are gradient and Hessian of $L_C$ at $\theta_0$; $g_0$ is A's gradient there. $S$, $P$ and $Q = I - P$
are a subspace, the orthogonal projector onto it and its complement's. C may be the domain B that did the damage.

## Assumptions

- (a) $L_A$ is smooth: its gradient is $L$-Lipschitz, and $0 < \alpha < 2 / L$. No convexity.
- (b) The Hessian of $L_C$ is $\rho$-Lipschitz on the segment from $\theta_0$ to $\theta_t$; $u$ is any displacement.
- (c) That of (b), and $L_A - L_A(\theta_\star) = \tfrac12\,e\cdot He$ with $HS$ in $S$, $\mu \preceq H \preceq L_S$
  on $S$, $\mu > 0$, $u$ in $S$ ($H$ vanishes on the complement, or $Q\delta = 0$), $0 < \alpha \le 1 / L_S$.
- (d) Along one direction $L_A$ and $L_B$ are quadratics of curvatures $h_A, h_B > 0$, B is stationary at $\theta_0$,
  and $p$ is the length of the displacement that A suffered; $\alpha h_A < 1$ for the number of steps.
- (e) $L_A$ depends on $P\theta$ only, $L_C$ is quadratic, and to each step's gradient noise $\xi$ with $Q\xi = \xi$
  is added, of mean 0 and covariance $\Sigma$ given the past.

## Statement

**(a)** A refresh goes no further than its gain allows:

$$
\|u\|^2 \le \frac{t\,\alpha}{1 - \tfrac12\alpha L}\,G .
$$

**(b)** What that may cost C:

$$
\begin{aligned}
|\Delta_C| \le{}& \|Pg_C\|\,\|Pu\| + \|Qg_C\|\,\|Qu\| + \tfrac12\|PH_CP\|\,\|Pu\|^2 \\
&+ \|PH_CQ\|\,\|Pu\|\,\|Qu\| + \tfrac12\|QH_CQ\|\,\|Qu\|^2 + \tfrac{\rho}{6}\|u\|^3 .
\end{aligned}
$$

**(c)** $G \ge \tfrac\mu2\|u\|^2$, $\tfrac12|g_0\cdot u| \le G \le |g_0\cdot u|$, and

$$
\frac G{|\Delta_C|} \ge
\frac1{\|Pg_C\|\sqrt{\tfrac2{\mu G}} + \tfrac1\mu\|PH_CP\| + \tfrac{\rho}{6}\bigl(\tfrac2\mu\bigr)^{3/2}\sqrt G} .
$$

As $t\alpha$ goes to 0 selectivity goes to $\|g_0\| / \bigl(\|g_C\|\,|\cos(g_0, g_C)|\bigr)$.

**(d)** Undoing the share $s$ of the displacement changes $-(L_A + L_B)$ by

$$
\tfrac12p^2\bigl(h_A(2s - s^2) - h_Bs^2\bigr) :
$$

for the better iff $0 < s < 2h_A / (h_A + h_B)$, best at $s = h_A / (h_A + h_B)$, with
$\tfrac12p^2h_A^2 / (h_A + h_B)$. Gradient descent is there after

$$
t = \ln\frac{h_B}{h_A + h_B} \Big/ \ln(1 - \alpha h_A)
$$

steps.

**(e)** The noise adds $\tfrac12\alpha^2t\operatorname{tr}(H_C\Sigma)$ to the expected change of C, exactly.

## Proof

**(a)** For a smooth $L_A$

$$
L_A(x - \alpha\nabla L_A) \le L_A(x) - \alpha(1 - \tfrac12\alpha L)\|\nabla L_A\|^2 .
$$

With $\nabla_s$ the gradient of step $s$, summed over the steps,

$$
G \ge \alpha(1 - \tfrac12\alpha L)\sum_s\|\nabla_s\|^2 , \qquad
\|u\|^2 = \alpha^2\Bigl\|\sum_s\nabla_s\Bigr\|^2 \le \alpha^2t\sum_s\|\nabla_s\|^2 .
$$

**(b)** By Taylor's formula $|\Delta_C - g_C\cdot u - \tfrac12\,u\cdot H_Cu| \le \tfrac{\rho}{6}\|u\|^3$. Split $u$
into $Pu + Qu$, and use the norms.

**(c)** In the eigenvectors of $H$ on $S$, with $c_i$ the coordinates of $\delta$ and $x_i = (1 - \alpha\lambda_i)^t$
in $[0, 1]$,

$$
\begin{aligned}
G &= \tfrac12\sum_i\lambda_ic_i^2(1 - x_i^2), \\
\|u\|^2 &= \sum_ic_i^2(1 - x_i)^2, \\
-g_0\cdot u &= \sum_i\lambda_ic_i^2(1 - x_i) .
\end{aligned}
$$

As $(1 - x)^2 \le 1 - x^2$ and $1 - x \le 1 - x^2 \le 2(1 - x)$, the first lines follow. (b) with $Qu = 0$ bounds
$|\Delta_C|$ from $\|u\| \le \sqrt{2G / \mu}$; divide. To first order $u = -t\alpha g_0$.

**(d)** A's loss goes from $\tfrac12h_Ap^2$ to $\tfrac12h_A(1 - s)^2p^2$, B's rises by $\tfrac12h_Bs^2p^2$: a parabola
in $s$. After $t$ steps $1 - s = (1 - \alpha h_A)^t$.

**(e)** As the gradient of $L_A$ lies in $S$ and does not change with $Q\theta$, the noise adds $n$, which is
$-\alpha$ times the sum of the $\xi$, to the $u$ without it. So the change of C grows by
$(g_C + H_Cu)\cdot n + \tfrac12\,n\cdot H_Cn$, where $u$ is fixed, $\mathbb E\,n = 0$, and
$\mathbb E\,nn^{\mathsf T} = \alpha^2t\Sigma$, as noises of different steps are uncorrelated. ∎

## Tight

- (a) One direction, one step.
- (b) One direction inside $S$, one outside, all signs alike.
- (c) $L_A = \tfrac\mu2x^2$ refreshed for ever, with $L_C$ linear, purely quadratic or purely cubic.
- (d), (e) Exact.

## Needed

- (a) $\alpha < 2 / L$: $\tfrac12(x^2 + \tfrac1{10}y^2)$ from $(0, 1)$ with $\alpha = 3$ ($L = 1$) moves by 0.3 while
  the bound is negative. A Lipschitz gradient: $|x|^{3/2}$.
- (b) Each term. A Lipschitz Hessian: $|x|^{5/2}$; on the whole segment: $\max(0, x - 1)^3$.
- (c) $\alpha \le 1 / L_S$: $\tfrac12x^2$ with $\alpha = 1.5$ and one step gains 0.375, less than
  $\tfrac12\|u\|^2 = 1.125$. A quadratic: $\tfrac12x^2 - \tfrac16x^3$ from 1. $u$ in $S$: $L_A = \tfrac12(x^2 + y^2)$
  from $(1, 1)$, C steep along $y$ only, and $S$ along $x$.
- (b), (c) "Limited collateral" is an assumption about C, not a consequence of contraction: $L_A = \tfrac12x^2$,
  $L_C = -10x$, $\delta = 1$: a full refresh gains 0.5 and costs 10.
- (d) B stationary: a slope of B moves the best share. Full refreshes can be bad: $h_A = 1$, $h_B = 3$ recovers 0.5
  and costs 1.5.
- (e) $L_A$ of $P\theta$ only: else it pulls the noise back. C quadratic: $y^4$. Mean 0: noise that leans one way
  drifts by $\alpha t$, not $\sqrt t$.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng

from theory.instances import (
    DIMENSIONS,
    SEEDS,
    Accept,
    Smooth,
    Split,
    equal,
    holds,
    log_uniform,
    loss,
    norm,
    quadratic,
    reached,
    scales,
    subspace,
    symmetric,
    unit,
    violated,
)
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.collateral import (
    best_refresh_steps,
    collateral,
    displacement,
    gain_range,
    least_gain,
    noise_collateral,
    partial_refresh,
    selectivity,
)

STEPS = st.integers(1, 20)


def refresh(gradient: Callable[[Array], Array], start: Array, alpha: float, steps: int) -> Array:
    """Where gradient descent ends."""
    theta = start
    for _ in range(steps):
        theta = theta - alpha * gradient(theta)
    return theta


@given(seed=SEEDS, d=DIMENSIONS, steps=STEPS, share=st.floats(0.01, 1.98), bend=scales(1e-2, 3.0))
def test_a_holds(seed: int, d: int, steps: int, share: float, bend: float) -> None:
    generator = default_rng(seed)
    there = loss(generator, d, bend=bend, slope=1.0, cubic=False)
    start, alpha = generator.standard_normal(d), share / there.smooth
    end = refresh(there.gradient, start, alpha, steps)
    gained = there(start) - there(end)
    holds(norm(end - start), displacement(gained, alpha, there.smooth, steps), norm(end) ** 2)


@given(h=scales(0.1, 10), share=st.floats(0.05, 1.95), x=scales(1e-2, 5))
def test_a_is_tight(h: float, share: float, x: float) -> None:
    alpha = share / h
    gained = h / 2 * x**2 * (1 - (1 - share) ** 2)
    reached(share * x, float(displacement(gained, alpha, h, 1)))


def constants(split: Split, g: Array, h: Array) -> dict[str, float]:
    """What T6(b) needs of C."""
    inside, across, outside = split.blocks(h)
    slope_in, slope_out = split.norms(g)
    return {"slope_in": slope_in, "slope_out": slope_out, "inside": inside, "across": across, "outside": outside}


@given(seed=SEEDS, d=st.integers(2, 8), step=scales(1e-2, 5), bend=scales(1e-2, 3))
def test_b_holds(seed: int, d: int, step: float, bend: float) -> None:
    generator = default_rng(seed)
    there, u, start = loss(generator, d, bend=bend), step * unit(generator, d), generator.standard_normal(d)
    split = subspace(generator, d, int(generator.integers(1, d)))
    change, scale = there(start + u) - there(start), abs(there(start + u)) + abs(there(start))
    c = constants(split, there.gradient(start), there.hessian(start))
    holds(abs(change), collateral(*split.norms(u), **c, rho=there.rho), scale)


@given(g=st.tuples(scales(0.01, 3), scales(0.01, 3)), i=scales(0.01, 3), a=scales(0.01, 3), o=scales(0.01, 3))
def test_b_is_tight(g: tuple[float, float], i: float, a: float, o: float) -> None:
    h, u, rho = np.array([[i, a], [a, o]]), np.array([0.7, 0.4]), 0.9
    split = Split(np.eye(2)[:, :1], np.eye(2)[:, 1:])
    change = g @ u + u @ h @ u / 2 + rho / 6 * norm(u) ** 3  # ||x||^3 has a Hessian of slope 6
    reached(float(change), float(collateral(*split.norms(u), **constants(split, np.array(g), h), rho=rho)))


class Invariant:
    """A's quadratic with an invariant S and a refresh inside it; C is any smooth loss."""

    def __init__(self, generator: Generator, d: int, bend: float) -> None:
        self.split = subspace(generator, d, int(generator.integers(1, d)))
        k = self.split.inside.shape[1]
        self.values = np.asarray(generator.uniform(0.2, 2, k))
        h = self.split.inside @ symmetric(generator, self.values) @ self.split.inside.T
        self.a, self.c = quadratic(h), loss(generator, d, bend=bend, slope=1.0)
        self.delta = log_uniform(generator, 1e-2, 3) * unit(generator, d)
        self.alpha = float(generator.uniform(0.05, 1) / self.values.max())

    def refreshed(self, steps: int) -> tuple[float, float, Array]:
        """Gained, change of C, and u."""
        end = refresh(self.a.gradient, self.delta, self.alpha, steps)
        return self.a(self.delta) - self.a(end), self.c(end) - self.c(self.delta), end - self.delta


@given(seed=SEEDS, d=st.integers(2, 8), steps=STEPS, bend=scales(1e-2, 3))
def test_c_holds(seed: int, d: int, steps: int, bend: float) -> None:
    case = Invariant(default_rng(seed), d, bend)
    gained, change, u = case.refreshed(steps)
    assert norm(case.split.outside.T @ u) < 1e-12
    mu, slope = case.values.min(), float(case.a.gradient(case.delta) @ u)
    holds(least_gain(mu, norm(u)), gained, case.a(case.delta))
    low, high = gain_range(slope)
    holds([float(low), gained], [gained, float(high)], case.a(case.delta))
    c = constants(case.split, case.c.gradient(case.delta), case.c.hessian(case.delta))
    bound = selectivity(gained, c["slope_in"], c["inside"], mu, case.c.rho)
    scale = abs(case.c(case.delta)) + 1
    holds(bound * (abs(change) - 1e-13 * scale), gained, case.a(case.delta))


@given(mu=scales(0.1, 10), x=scales(1e-2, 5), gc=scales(1e-2, 10), hc=scales(1e-2, 10), rho=scales(1e-2, 10))
def test_c_is_tight(mu: float, x: float, gc: float, hc: float, rho: float) -> None:
    gained = mu / 2 * x**2  # a full refresh
    reached(float(least_gain(mu, x)), gained)
    reached(float(gain_range(mu * x * x)[0]), gained)
    reached(gained / (gc * x + hc / 2 * x**2 + rho / 6 * x**3), float(selectivity(gained, gc, hc, mu, rho)))
    short = 1e-6 / mu  # after which 1 - x^2 = 2 (1 - x) to leading order
    left = 1 - short * mu
    reached(mu / 2 * x**2 * (1 - left**2), float(gain_range(mu * x * x * (1 - left))[1]), rel=1e-5)


def test_c_starts_at_the_ratio_of_gradients(accept: Accept) -> None:
    for generator in accept:
        case = Invariant(generator, 4, bend=0.3)
        g0, gc = case.a.gradient(case.delta), case.c.gradient(case.delta)
        cosine = abs(g0 @ gc) / (norm(g0) * norm(gc))
        if not accept.met(bool(cosine > 0.05 and norm(g0) > 1e-2)):
            continue
        case.alpha *= 1e-5
        gained, change, _ = case.refreshed(1)
        equal(gained / abs(change), norm(g0) / (norm(gc) * cosine), rel=1e-2)


@given(ha=scales(0.1, 10), hb=scales(0.1, 10), p=scales(1e-2, 5))
def test_d_holds_and_is_tight(ha: float, hb: float, p: float) -> None:
    best = ha / (ha + hb)
    shares = np.linspace(0, 2, 401)
    totals = -(ha * (1 - shares) ** 2 + hb * shares**2 - ha) * p**2 / 2
    equal(partial_refresh(shares, ha, hb, p), totals, scale=(ha + hb) * p**2)
    clear = (shares > 0) & (abs(shares - 2 * best) > 1e-6)  # of the ends, where the sign is rounding
    assert np.all((totals > 0)[clear] == (shares < 2 * best)[clear])
    reached(float(partial_refresh(best, ha, hb, p)), p**2 / 2 * ha**2 / (ha + hb))
    holds(totals, partial_refresh(best, ha, hb, p))
    alpha = 0.3 / ha
    steps = float(best_refresh_steps(ha, hb, alpha))
    equal(1 - (1 - alpha * ha) ** steps, best)
    # Among whole numbers of steps, the best is beside it.
    counts = np.arange(0, int(steps) + 50)
    whole = int(np.argmax(partial_refresh(1 - (1 - alpha * ha) ** counts, ha, hb, p)))
    assert abs(whole - steps) < 1


def noisy(a: Smooth, c: Callable[[Array], float], start: Array, xi: Array, alpha: float, steps: int) -> float:
    """What noise +-xi in every step adds to the mean of C: over every path, so that there is no sampling error."""
    ends = []
    for signs in product((-1, 1), repeat=steps):
        theta = start
        for sign in signs:
            theta = theta - alpha * (a.gradient(theta) + sign * xi)
        ends.append(c(theta))
    return float(np.mean(ends)) - c(refresh(a.gradient, start, alpha, steps))


@given(seed=SEEDS, d=DIMENSIONS, steps=st.integers(0, 4), alpha=scales(1e-2, 1), size=scales(0.1, 10))
def test_e_is_exact(seed: int, d: int, steps: int, alpha: float, size: float) -> None:
    generator = default_rng(seed)
    split = subspace(generator, d, int(generator.integers(1, d)))
    a, hc = quadratic(split.p), symmetric(generator, generator.uniform(-1, 2, d))
    c, xi = quadratic(hc, generator.standard_normal(d)), size * split.q @ generator.standard_normal(d)
    added = noisy(a, c, generator.standard_normal(d), xi, alpha, steps)
    equal(added, noise_collateral(alpha, steps, xi @ hc @ xi), scale=100 * (1 + steps * alpha * norm(xi)) ** 2)


def test_a_step_below_two_over_the_smoothness_is_needed_in_a() -> None:
    h = np.diag([1.0, 0.1])
    end = refresh(lambda theta: h @ theta, np.array([0.0, 1.0]), 3.0, 1)
    gained = 0.05 - end @ h @ end / 2
    equal(norm(end - [0.0, 1.0]), 0.3)
    assert 3.0 / (1 - 3.0 / 2) * gained < 0  # what the root would be taken of
    almost = 1.999  # and with a smoothness that is too small, the bound is too
    there = (1 - almost) ** 2 / 2
    violated(almost, float(displacement(0.5 - there, almost, 0.1, 1)), by=2)


def test_a_lipschitz_gradient_is_needed_in_a() -> None:
    x = 0.0057  # |x|^(3/2), with alpha = 0.1 and 10 for a smoothness that it does not have
    end = x - 0.1 * 1.5 * x**0.5
    violated(x - end, float(displacement(x**1.5 - abs(end) ** 1.5, 0.1, 10, 1)), by=8)


def test_a_short_step_is_needed_in_c() -> None:
    gained, u = 1 / 2 - 0.5**2 / 2, 1.5  # x^2/2 from 1 with alpha = 1.5
    violated(float(least_gain(1.0, u)), gained, by=2.9)
    violated(float(gain_range(-1.5)[0]), gained, by=1.9)


def test_a_quadratic_is_needed_in_c() -> None:
    violated(float(least_gain(1.0, 1.0)), 1 / 2 - 1 / 6, by=1.4)  # x^2/2 - x^3/6, refreshed from 1 to 0


def test_a_displacement_inside_is_needed_in_c() -> None:
    a, c, delta = quadratic(np.eye(2)), quadratic(np.zeros((2, 2)), np.array([0.1, -10])), np.ones(2)
    end = refresh(a.gradient, delta, 0.5, 40)
    gained, cost = a(delta) - a(end), c(end) - c(delta)
    violated(cost, gained / float(selectivity(gained, 0.1, 0.0, 1.0, 0.0)), by=60)  # S is the first axis


def test_limited_collateral_is_an_assumption_about_the_other_domain() -> None:
    gained, cost = 0.5, 10.0  # x^2/2 against -10 x
    reached(gained / cost, float(selectivity(gained, 10.0, 0.0, 1.0, 0.0)))
    violated(cost, gained, by=20)


def test_every_term_of_c_is_needed_in_b() -> None:
    zero = dict.fromkeys(["slope_in", "slope_out", "inside", "across", "outside", "rho"], 0.0)
    for name, change in {"slope_in": 1.0, "slope_out": 1.0, "inside": 0.5, "across": 1.0, "outside": 0.5}.items():
        violated(change, float(collateral(1.0, 1.0, **zero)), by=10)
        reached(change, float(collateral(1.0, 1.0, **(zero | {name: 1.0}))))


def test_a_lipschitz_hessian_is_needed_in_b_on_the_whole_segment() -> None:
    zero = dict.fromkeys(["slope_in", "slope_out", "inside", "across", "outside"], 0.0)
    for rho in (1.0, 10.0, 100.0):
        x = 0.1 / rho**2
        violated(4 / 15 * x**2.5, float(collateral(x, 0.0, **zero, rho=rho)), by=5)
    violated(max(0.0, 2.0 - 1) ** 3, float(collateral(2.0, 0.0, **zero, rho=0.0)), by=1e9)


def test_every_assumption_is_needed_in_e() -> None:
    xi, flat = np.array([0.0, 1]), quadratic(np.diag([1.0, 0]))
    claimed = float(noise_collateral(0.5, 4, 1.0))  # C = y^2/2
    square = quadratic(np.diag([0.0, 1]))
    reached(noisy(flat, square, np.ones(2), xi, 0.5, 4), claimed)
    violated(claimed, noisy(quadratic(np.eye(2)), square, np.ones(2), xi, 0.5, 4), by=2)  # A sees y
    violated(
        noisy(flat, lambda x: float(x[1] ** 4), np.zeros(2), xi, 0.5, 4),
        float(noise_collateral(0.5, 4, 0)),
        by=1e9,
    )
    leaning = refresh(lambda x: flat.gradient(x) + xi, np.zeros(2), 0.5, 4)
    violated(square(leaning), claimed, by=3.9)  # from y = 0, the noise never changing sign


def test_a_full_refresh_can_be_bad_and_b_must_be_stationary() -> None:
    equal(partial_refresh(1.0, 1.0, 3.0, 1.0), 0.5 - 1.5)
    # With a slope of B along the way back, less is better: -(L_A + L_B) = parabola - slope s.
    shares = np.linspace(0, 1, 1001)
    best = shares[np.argmax(partial_refresh(shares, 1.0, 1.0, 1.0) - 0.5 * shares)]
    assert best < 0.6 * 0.5
