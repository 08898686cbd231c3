r"""T14. Rollback then refresh, or refresh then rollback: which order leaves less damage? (C9, C11; ours)

*In words:* a refresh that comes last repairs all of the damage in the end; a rollback that comes last can undo a
repair. After one step it is known exactly which order is better.

## Setting

$L(\theta_\star + e) - L(\theta_\star) = \tfrac12\,e\cdot He$: a quadratic with $g = 0$, whose damage $D(e)$ this is;
$\delta$ is the update. $M$ is a set of coordinates, $N$ the others; $m$ is $\delta$ on $M$ and 0 on $N$,
$n = \delta - m$; an index $M$ or $N$ of a vector or matrix takes its part. $\lambda_{\max}$ is the largest eigenvalue
of $H$, $\lambda_{\min}$ the smallest that is not 0.

- *Rollback* sets $e$ to 0 on $M$: $e \mapsto Ne$, $N$ also the projector.
- *Refresh* of $t$ steps of gradient descent with step size $\alpha$ is $e \mapsto Re$, $R = (I - \alpha H)^t$.

Refresh last leaves $D(RN\delta)$; rollback last leaves $D(NR\delta)$; rollback alone $D(n)$.

## Assumptions

$H \succeq 0$ and $0 < \alpha \le 2 / \lambda_{\max}$; in the limits of (a) and (b), $\alpha < 2 / \lambda_{\max}$.
(d) is an identity and needs neither.

## Statement

**(a)** *Refresh last:*

$$
D(RN\delta) \le \max\bigl(|1 - \alpha\lambda_{\min}|,\ |1 - \alpha\lambda_{\max}|\bigr)^{2t}\,D(n) \le D(n) ,
$$

and it goes to 0 with $t$.

**(b)** *Rollback last:* $D(NR\delta)$ goes to $D(Nz)$, $z$ the projection of $\delta$ onto the kernel of $H$. This
may be more than 0 although $D(z) = 0$: a rollback can damage what a refresh had fully repaired.

**(c)** The order matters as far as $H$ couples the two sets, and not at all where it does not:

$$
\Bigl|\sqrt{D(NR\delta)} - \sqrt{D(RN\delta)}\Bigr|
\le \sqrt{\tfrac12\lambda_{\max}}\;t\,\alpha\,\|H_{MN}\|\,\|\delta\| .
$$

**(d)** After one step, with $v = NH\delta$ and $w = Hn$,

$$
\begin{aligned}
D(NR\delta) - D(RN\delta) ={}& \alpha\bigl(\|(Hn)_M\|^2 - (Hn)_N\cdot(Hm)_N\bigr) \\
&+ \tfrac12\alpha^2(v\cdot Hv - w\cdot Hw) .
\end{aligned}
$$

So a short refresh should come last iff $\|(Hn)_M\|^2 > (Hn)_N\cdot(Hm)_N$: always if what was rolled back pulled the
rest the wrong way, $(Hn)_N\cdot(Hm)_N \le 0$.

## Proof

**(a)** In the eigenbasis of $H$, $e \mapsto Re$ multiplies coordinate $i$ by $(1 - \alpha\lambda_i)^t$, and
$D = \tfrac12\sum_i\lambda_ic_i^2$ does not see the kernel. $|1 - \alpha\lambda|$ is convex in $\lambda$, so it is
largest at $\lambda_{\min}$ or $\lambda_{\max}$; it is at most 1 there as $\alpha \le 2 / \lambda_{\max}$.

**(b)** $R\delta$ goes to $z$ by the same formula, and $N$ and $D$ are continuous. Example: $H = [1, 1; 1, 1]$,
$\delta = (1, -1)$, $M = \{1\}$: $\delta$ is in the kernel, $Nz = (0, -1)$, $D(Nz) = \tfrac12$.

**(c)** $\sqrt{2D}$ is the seminorm $\|e\|_H = \|H^{1/2}e\|$, so by the triangle inequality the left side is at most

$$
\tfrac1{\sqrt2}\|(NR - RN)\delta\|_H \le \sqrt{\tfrac12\lambda_{\max}}\;\|(NR - RN)\delta\| .
$$

With $A = I - \alpha H$, telescoping,

$$
NA^t - A^tN = \sum_{j = 0}^{t - 1}A^j(NA - AN)A^{t-1-j} ,
$$

and $\|A\| \le 1$; so

$$
\|NR - RN\| \le t\,\|NA - AN\| = t\,\alpha\,\|NH - HN\| .
$$

In blocks, $NH - HN$ has $H_{NM}$ and $-H_{MN}$ off the diagonal and zeros on it, so its norm is $\|H_{MN}\|$.

**(d)** Refresh last ends at $n - \alpha w$, rollback last at $N(\delta - \alpha H\delta) = n - \alpha v$. So

$$
\begin{aligned}
D(RN\delta) &= D(n) - \alpha\|Hn\|^2 + \tfrac12\alpha^2\,w\cdot Hw , \\
D(NR\delta) &= D(n) - \alpha\,n\cdot Hv + \tfrac12\alpha^2\,v\cdot Hv ,
\end{aligned}
$$

and $n\cdot Hv = (Hn)_N\cdot(Hn + Hm)_N$. Subtract, with $\|Hn\|^2 = \|(Hn)_M\|^2 + \|(Hn)_N\|^2$. ∎

## Tight

- (a) $n$ along the slowest eigenvector.
- (c) $H = [a, c; c, b]$, $M = \{1\}$, $\delta = (1, 0)$, one step: refresh last leaves 0, the root of what rollback
  last leaves is $\alpha c\sqrt{b / 2}$, and $\lambda_{\max}$ goes to $b$ with $c$ to 0.
- (d) Exact.

## Needed

- $H \succeq 0$: along a negative eigenvalue a refresh runs away.
- $\alpha \le 2 / \lambda_{\max}$: the same along a positive one.
- $g = 0$: with a slope the two orders differ even where $H$ couples nothing.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng

from theory.instances import DIMENSIONS, SEEDS, Accept, equal, holds, norm, reached, scales, symmetric, unit, violated
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.order import order_difference, order_gap
from toymdrl.bounds.order import refreshed_last as refreshed_last_bound

STEPS = st.integers(1, 12)


class Case:
    """H >= 0 with a kernel now and then, an update, and a set of coordinates."""

    def __init__(self, generator: Generator, d: int, size: float) -> None:
        eigenvalues = generator.uniform(0.05, 2, d)
        eigenvalues[1:][generator.uniform(size=d - 1) < 0.3] = 0
        self.h, self.most, self.least = (
            symmetric(generator, eigenvalues),
            eigenvalues.max(),
            eigenvalues[eigenvalues > 0].min(),
        )
        self.delta = size * unit(generator, d)
        chosen = generator.permutation(d)[: generator.integers(1, d)]
        self.m = np.isin(np.arange(d), chosen)

    def damage(self, e: Array) -> float:
        return float(e @ self.h @ e) / 2

    def roll(self, e: Array) -> Array:
        return np.where(self.m, 0.0, e)

    def refresh(self, e: Array, alpha: float, steps: int) -> Array:
        return np.linalg.matrix_power(np.eye(len(e)) - alpha * self.h, steps) @ e

    def orders(self, alpha: float, steps: int) -> tuple[float, float]:
        """Damage with the rollback last, and with the refresh last."""
        last = self.roll(self.refresh(self.delta, alpha, steps))
        return self.damage(last), self.damage(self.refresh(self.roll(self.delta), alpha, steps))

    @property
    def coupling(self) -> float:
        return norm(self.h[self.m][:, ~self.m], 2)


@given(seed=SEEDS, d=DIMENSIONS, size=scales(1e-2, 5), pace=st.floats(0.01, 2), steps=STEPS)
def test_a_and_c_hold(seed: int, d: int, size: float, pace: float, steps: int) -> None:
    case = Case(default_rng(seed), d, size)
    alpha = pace / case.most
    rolled_last, refreshed_last = case.orders(alpha, steps)
    alone = case.damage(case.roll(case.delta))
    bound = refreshed_last_bound(alone, alpha, case.least, case.most, steps)
    holds([refreshed_last, float(bound)], [float(bound), alone])
    gap = abs(rolled_last**0.5 - max(refreshed_last, 0.0) ** 0.5)
    # A square root turns a rounding error of 1e-16 into one of 1e-8.
    holds(gap, order_gap(alpha, steps, case.most, case.coupling, size) + 1e-7 * size)


@given(least=scales(1e-2, 0.9), alpha=st.floats(0.1, 1), steps=STEPS, size=scales(1e-2, 5))
def test_a_is_tight(least: float, alpha: float, steps: int, size: float) -> None:
    left = (1 - alpha * least) ** steps * size  # n along the slowest of two directions, of curvature `least` and 1
    reached(least / 2 * left**2, float(refreshed_last_bound(least / 2 * size**2, alpha, least, 1.0, steps)))


def test_b_rollback_last_keeps_a_floor_and_refresh_last_does_not() -> None:
    case = Case(default_rng(0), 2, 1.0)
    case.h, case.delta, case.m = np.ones((2, 2)), np.array([1.0, -1.0]), np.array([True, False])
    rolled_last, refreshed_last = case.orders(0.3, 500)
    equal([case.damage(case.delta), rolled_last], [0.0, 0.5])
    assert refreshed_last < 1e-12


@given(seed=SEEDS, d=DIMENSIONS)
def test_b_the_floor_is_the_kernels(seed: int, d: int) -> None:
    case = Case(default_rng(seed), d, 1.0)
    values, vectors = np.linalg.eigh(case.h)
    kernel = vectors[:, values < 1e-9]
    floor = case.damage(case.roll(kernel @ (kernel.T @ case.delta)))
    rolled_last, refreshed_last = case.orders(1 / case.most, 3000)
    equal(rolled_last, floor, rel=1e-6, scale=1e3)
    holds(refreshed_last, 1e-9)


@given(alpha=st.floats(0.1, 1), size=scales(1e-2, 5), b=scales(0.5, 2))
def test_c_is_tight(alpha: float, size: float, b: float) -> None:
    case = Case(default_rng(0), 2, 1.0)
    c = 1e-3 * b
    case.h, case.delta, case.m = np.array([[0.1 * b, c], [c, b]]), np.array([size, 0.0]), np.array([True, False])
    most = float(np.linalg.eigvalsh(case.h)[-1])
    rolled_last, refreshed_last = case.orders(alpha / most, 1)
    gap = order_gap(alpha / most, 1, most, case.coupling, size)
    reached(rolled_last**0.5 - refreshed_last**0.5, float(gap), rel=1e-3)


def terms(case: Case) -> tuple[float, float, float]:
    """What (d) is made of."""
    n = case.roll(case.delta)
    w, v = case.h @ n, case.roll(case.h @ case.delta)
    along = case.roll(w) @ case.roll(case.h @ (case.delta - n))
    return norm(w[case.m]) ** 2, float(along), float(v @ case.h @ v - w @ case.h @ w)


@given(seed=SEEDS, d=DIMENSIONS, size=scales(1e-2, 5), alpha=scales(1e-3, 3))
def test_d_is_exact(seed: int, d: int, size: float, alpha: float) -> None:
    case = Case(default_rng(seed), d, size)
    rolled_last, refreshed_last = case.orders(alpha, 1)
    predicted = order_difference(alpha, *terms(case))
    equal(rolled_last - refreshed_last, predicted, rel=1e-7, scale=100 * (rolled_last + refreshed_last + 1))


def test_d_says_which_order_is_better_for_a_short_refresh(accept: Accept) -> None:
    wins = 0
    for generator in accept:
        case = Case(generator, int(generator.integers(2, 9)), 1.0)
        across, along, _ = terms(case)
        if accept.met(abs(across - along) > 1e-3):
            rolled_last, refreshed_last = case.orders(1e-4 / case.most, 1)
            assert (rolled_last > refreshed_last) == (across > along)
            wins += across > along
    assert 0.05 < wins / accept.accepted < 0.95  # neither order is always the better one


def test_a_semidefinite_hessian_is_needed() -> None:
    case = Case(default_rng(0), 2, 1.0)
    case.h, case.delta, case.m = np.diag([1.0, -0.5]), np.array([1.0, 1.0]), np.array([True, False])
    violated(abs(case.orders(0.5, 10)[1]), abs(case.damage(case.roll(case.delta))), by=10)


def test_the_step_condition_is_needed() -> None:
    case = Case(default_rng(0), 2, 1.0)
    case.h, case.delta, case.m = np.array([[1, 0.1], [0.1, 1.0]]), np.array([1.0, 0.3]), np.array([True, False])
    rolled_last, refreshed_last = case.orders(3.0, 20)
    violated(refreshed_last, case.damage(case.roll(case.delta)), by=1e6)
    violated(abs(rolled_last**0.5 - refreshed_last**0.5), float(order_gap(3.0, 20, 1.1, 0.1, norm(case.delta))), 1e3)


def test_stationarity_is_needed() -> None:
    # |e|^2 / 2 + e_1 couples nothing; M = {1}; one step of 1/2 from (1, 0).
    refreshed_last, rolled_last = -0.5 + 0.5**2 / 2, 0.0
    violated(rolled_last - refreshed_last, float(order_gap(0.5, 1, 1.0, 0.0, 1.0)) + 0.1, by=3)
