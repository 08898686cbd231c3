r"""T13. Averaged along the path, the second-order form is exact; what a few points of the path miss (C7; ours).

*In words:* the curvature averaged along the update, early parts counted more, gives the damage without any remainder,
and a single Hessian a third of the way is worth 1.7 at the start.

## Setting

As in [T1](test_t01_taylor.py): $\varphi(s) = L(\theta_\star + s\delta)$, $D = \varphi(1) - \varphi(0)$,
$g\cdot\delta = \varphi'(0)$, and $\varphi''(s) = \delta\cdot H(s)\delta$, where $H(s)$ is the Hessian at
$\theta_\star + s\delta$.

A *rule* measures $\varphi''$ at points $s_i$ in $[0, 1]$ with shares $w_i \ge 0$ that sum to 1:
$Q = \sum_iw_i\varphi''(s_i)$. *Gauss's rule* of $n$ nodes, $Q_n$, is the one that is exact for all polynomials of
degree up to $2n - 1$ under the weight $2(1 - s)$.

## Assumptions

- (a) $\varphi$ is twice continuously differentiable.
- (b) $|\varphi^{(2n+2)}| \le M$ on $[0, 1]$.
- (c) The Hessian is $\rho$-Lipschitz on the segment; any rule.

## Statement

**(a)** With $H' = \int_0^1 2(1 - s)H(s)\,ds$ there is no remainder:

$$
D = g\cdot\delta + \tfrac12\,\delta\cdot H'\delta .
$$

**(b)** Gauss's rule misses little of a smooth loss:

$$
\bigl|D - g\cdot\delta - \tfrac12Q_n\bigr| \le \frac M{(2n)!\;2(n + 1)\binom{2n + 1}n^2} :
$$

$M / 72$ for one node, which is at $s = \tfrac13$; $M / 14400$ for two.

**(c)** Any rule, with $F(s) = 1 - (1 - s)^2$ and $F_Q$ the share of the rule up to $s$:

$$
\bigl|D - g\cdot\delta - \tfrac12Q\bigr| \le \tfrac{\rho}{2}\|\delta\|^3\,W , \qquad W = \int_0^1 |F(s) - F_Q(s)|\,ds .
$$

The Hessian at the start alone has $W = \tfrac13$, T1's $\rho / 6$; Gauss's single node has $W = \tfrac{16}{81}$, so
that one Hessian at a third of the way is worth 1.7 at the start.

## Proof

**(a)** is Taylor's formula $D = \varphi'(0) + \int_0^1 (1 - s)\,\varphi''(s)\,ds$.

**(b)** Let $f = \varphi''$ and let $p$ be the polynomial of degree $2n - 1$ that agrees with $f$ and $f'$ at the $n$
nodes (Hermite's interpolation). With $\pi(s) = \prod_i(s - s_i)$,

$$
f(s) - p(s) = \frac{f^{(2n)}(x)}{(2n)!}\,\pi(s)^2 \quad\text{for some } x = x(s) .
$$

The rule is exact on $p$ and agrees on $p$ and $f$, so the error of $\tfrac12Q_n$ is $\int_0^1 (1 - s)(f - p)\,ds$, at
most $\tfrac M{(2n)!}\int_0^1 (1 - s)\,\pi^2\,ds$. $\pi$ is the monic polynomial orthogonal under $1 - s$. The Jacobi
polynomial on $[-1, 1]$ for the weight $1 - x$ has the squared norm $2 / (n + 1)$ and the leading coefficient
$\binom{2n + 1}n / 2^n$, so that $x = 2s - 1$ gives

$$
\int_0^1 (1 - s)\,\pi^2\,ds = \frac1{2(n + 1)\binom{2n + 1}n^2} .
$$

**(c)** The error is half of $\int_0^1 \varphi''\,d(F - F_Q)$. Integrating by parts, with $F = F_Q$ at both ends, it
is half of $-\int_0^1 (F - F_Q)\,d\varphi''$, and $\varphi''$ has slope at most $\rho\|\delta\|^3$. ∎

## Tight

- (b) $\varphi = s^{2n+2}$, whose derivative of that order is constant.
- (c) $\varphi''$ that rises with slope $\rho$ where $F < F_Q$ and falls where $F > F_Q$.

## Needed

- (b) Smoothness: $(s - \tfrac13)_+^3$ has no fourth derivative; with $M = 0$ from either side of $\tfrac13$ it is
  missed.
- (c) A Lipschitz Hessian: $\varphi'' = 1$ just at the node is measured and weighs nothing. The weight: an unweighted
  mean of $H(s)$ is wrong by $\tfrac1{12}\varphi'''$ already for cubics; it is exact for the gradient's change instead
  ([T5](test_t05_refresh.py)).
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from theory.instances import DIMENSIONS, SEEDS, equal, holds, loss, reached, scales, unit, violated
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.quadrature import quadrature_error, rough_quadrature_error, rule_distance
from toymdrl.bounds.taylor import taylor_remainder

NODES = st.integers(1, 5)


def gauss(nodes: int) -> tuple[Array, Array]:
    """Points and shares of Gauss's rule for the weight 2 (1 - s), from its recurrence (Golub and Welsch)."""
    k = np.arange(nodes)
    diagonal = -1 / ((2 * k + 1) * (2 * k + 3))
    k = k[1:]
    beside = np.sqrt(k * (k + 1)) / (2 * k + 1)
    points, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return (points + 1) / 2, vectors[0] ** 2


@given(nodes=NODES, seed=SEEDS)
def test_the_rule_is_gausss(nodes: int, seed: int) -> None:
    points, shares = gauss(nodes)
    coefficients = default_rng(seed).standard_normal(2 * nodes)
    powers = np.arange(2 * nodes)
    mean = coefficients @ (2 / ((powers + 1) * (powers + 2)))  # int 2 (1 - s) s^k = 2 / ((k + 1)(k + 2))
    equal(shares @ np.polynomial.polynomial.polyval(points, coefficients), mean)


@given(seed=SEEDS, d=DIMENSIONS, step=scales(1e-2, 3.0))
def test_a_the_averaged_form_is_exact(seed: int, d: int, step: float) -> None:
    generator = default_rng(seed)
    there, delta, star = loss(generator, d), step * unit(generator, d), generator.standard_normal(d)
    points, shares = gauss(24)
    form = sum(w * (delta @ there.hessian(star + s * delta) @ delta) for s, w in zip(points, shares, strict=True))
    damage, scale = there(star + delta) - there(star), abs(there(star)) + abs(there(star + delta))
    equal(damage, there.gradient(star) @ delta + form / 2, rel=1e-7, scale=1e3 * scale)


@given(nodes=NODES, rate=scales(0.1, 3.0), phase=st.floats(0, 6.3))
def test_b_holds(nodes: int, rate: float, phase: float) -> None:
    points, shares = gauss(nodes)
    # phi = sin(rate s + phase): every derivative of order k is at most rate^k.
    rest = np.sin(rate + phase) - np.sin(phase) - rate * np.cos(phase)
    form = shares @ (-(rate**2) * np.sin(rate * points + phase))
    holds(abs(rest - form / 2), quadrature_error(rate ** (2 * nodes + 2), nodes))


@pytest.mark.parametrize("nodes", range(1, 5))
def test_b_is_tight(nodes: int) -> None:
    points, shares = gauss(nodes)
    order = 2 * nodes + 2
    form = shares @ (order * (order - 1) * points ** (order - 2))
    top = float(np.prod(np.arange(1, order + 1)))  # of s^order
    reached(float(1 - form / 2), float(quadrature_error(top, nodes)), rel=1e-6)


def test_b_by_hand() -> None:
    equal(quadrature_error(1.0, 1), 1 / 72)
    equal(quadrature_error(1.0, 2), 1 / 14400)


@given(seed=SEEDS, d=DIMENSIONS, step=scales(1e-2, 3.0), nodes=NODES)
def test_c_holds_for_any_rule(seed: int, d: int, step: float, nodes: int) -> None:
    generator = default_rng(seed)
    there, delta, star = loss(generator, d), step * unit(generator, d), generator.standard_normal(d)
    rest = there(star + delta) - there(star) - there.gradient(star) @ delta
    for points, shares in (
        gauss(nodes),
        (np.sort(generator.uniform(0, 1, nodes)), generator.dirichlet(np.ones(nodes))),
    ):
        form = sum(w * (delta @ there.hessian(star + s * delta) @ delta) for s, w in zip(points, shares, strict=True))
        scale = abs(there(star)) + abs(there(star + delta))
        holds(abs(rest - form / 2), rough_quadrature_error(there.rho, step, points, shares), scale)


@given(seed=SEEDS, nodes=NODES, rho=scales(0.1, 10))
def test_c_is_tight(seed: int, nodes: int, rho: float) -> None:
    generator = default_rng(seed)
    for points, shares in (
        gauss(nodes),
        (np.sort(generator.uniform(0, 1, nodes)), generator.dirichlet(np.ones(nodes))),
    ):
        # phi'' with slope rho times the sign of F_Q - F, on a grid so fine that sums are integrals.
        grid = (np.arange(200_000) + 0.5) / 200_000
        gap = shares @ (points[:, None] <= grid) - (1 - (1 - grid) ** 2)
        curvature = rho * np.cumsum(np.sign(gap)) / len(grid)
        rest, form = np.mean((1 - grid) * curvature), shares @ np.interp(points, grid, curvature)
        reached(float(abs(rest - form / 2)), float(rough_quadrature_error(rho, 1.0, points, shares)), rel=1e-3)


def test_c_by_hand() -> None:
    equal(rule_distance([0.0], [1.0]), 1 / 3)
    equal(rule_distance([1 / 3], [1.0]), 16 / 81)
    equal(rough_quadrature_error(2.0, 3.0, [0.0], [1.0]), taylor_remainder(2.0, 3.0))


def test_b_needs_a_smooth_path() -> None:
    points, shares = gauss(1)
    form = shares @ (6 * np.maximum(points - 1 / 3, 0))  # phi = (s - 1/3)_+^3: its fourth derivative is 0 but at 1/3
    violated(float((2 / 3) ** 3 - form / 2), float(quadrature_error(0.0, 1)) + 1e-3, by=100)


def test_c_needs_a_lipschitz_hessian() -> None:
    points, shares = gauss(1)
    form = shares @ np.where(np.abs(points - 1 / 3) < 1e-9, 1.0, 0.0)  # 1 at the node alone: the damage is 0
    violated(float(form / 2), float(rough_quadrature_error(0.0, 1.0, points, shares)) + 1e-3, by=100)


def test_the_weight_is_needed() -> None:
    points, shares = np.polynomial.legendre.leggauss(4)
    mean = shares / 2 @ (6 * (points + 1) / 2)  # phi = s^3
    violated(float(abs(1 - mean / 2)), float(quadrature_error(0.0, 4)) + 6 / 12 - 1e-9, by=1)
