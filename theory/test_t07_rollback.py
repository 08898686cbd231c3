r"""T7. Rollback of coordinates (C11).

*In words:* what undoing a set of coordinates recovers is not the damage that the set did: the curvature between what
is undone and what stays decides, and can turn a repair into harm. A damped rollback never hurts, to second order.

## Setting

$\theta_\star$ is A's checkpoint, $\delta$ all that later training added, $\theta_0 = \theta_\star + \delta$. $L$ is
A's loss, $g$ and $H$ are its gradient and Hessian at $\theta_\star$, $g_0$ and $H_0$ those at $\theta_0$. $M$ is a
set of $k$ of the $d$ coordinates, $m$ is $\delta$ with the coordinates outside of $M$ set to zero, $n = \delta - m$.

Rollback of $M$ goes from $\theta_0$ to $\theta_0 - m = \theta_\star + n$. It recovers
$R(M) = L(\theta_0) - L(\theta_0 - m)$. The damage is $D = L(\theta_0) - L(\theta_\star)$. With
$K_{ij} = H_{ij}\delta_i\delta_j$, the score of a coordinate is $s_i = g_i\delta_i + \tfrac12K_{ii}$. If
$H \succeq 0$, $\|x\|_H = \sqrt{x\cdot Hx}$.

## Assumptions

- (a) and (c): the Hessian of $L$ is $\rho$-Lipschitz on the segment from $\theta_0$ to $\theta_0 - m$, and for the
  first line of (a) on the triangle of these and $\theta_\star$.
- (b) and (d) to (f): $L$ is quadratic.

## Statement

**(a)** *The cross term.*

$$
\bigl|R - g\cdot m - \tfrac12\,m\cdot Hm - m\cdot Hn\bigr| \le \tfrac{\rho}{6}\bigl(\|m\|^3 + 3\|m\|\,\|n\|^2\bigr) .
$$

From $\theta_0$,

$$
\begin{aligned}
\bigl|R - g_0\cdot m + \tfrac12\,m\cdot H_0m\bigr| &\le \tfrac{\rho}{6}\|m\|^3 , \\
\bigl|R - \tfrac12(g_0 + \nabla L(\theta_0 - m))\cdot m\bigr| &\le \tfrac{\rho}{12}\|m\|^3 .
\end{aligned}
$$

For a quadratic these are 0, and $R(M) + R(M^c) = D + m\cdot Hn$: the recovered shares of damage are not additive.

**(b)** *When it helps.* If $g = 0$ and $H \succeq 0$, $R = \tfrac12(\|\delta\|_H^2 - \|n\|_H^2)$, so $R \ge 0$ if and
only if $\|n\|_H \le \|\delta\|_H$. Also

$$
\|m\|_H\bigl(\tfrac12\|m\|_H - \|n\|_H\bigr) \le R \le \|m\|_H\bigl(\tfrac12\|m\|_H + \|n\|_H\bigr) :
$$

$R \ge 0$ if $\|m\|_H \ge 2\|n\|_H$. If $m\cdot Hn \ge 0$, as for a block-diagonal $H$, $R \ge \tfrac12\|m\|_H^2$.

**(c)** *Damped rollback.* Let $a = g_0\cdot m$, $b = m\cdot H_0m$ and undo the share

$$
u = \begin{cases}
0 & \text{if } a \le 0, \\
\min(1, a / b) & \text{if } a, b > 0, \\
1 & \text{if } a > 0 \ge b.
\end{cases}
$$

Then

$$
L(\theta_0) - L(\theta_0 - um) \ge ua - \tfrac12u^2b - \tfrac{\rho}{6}u^3\|m\|^3 ,
$$

and $ua - \tfrac12u^2b \ge \tfrac12ua \ge 0$. So for a quadratic it never hurts. It recovers $a^2 / (2b)$ if
$0 < a \le b$; and if $a > 0$ or $b \ge 0$, no other share in $[0, 1]$ recovers more.

**(d)** *Diagonal $H$:* $R(M) = \sum_{i \in M}s_i$, so $M$ of the $k$ largest scores is best among sets of $k$. With a
price $\lambda$ on what another domain B loses, B stationary at $\theta_0$ with diagonal curvature $h^B$, and A with
$g = 0$ and curvature $h^A$:

$$
R(M) - \lambda\bigl(L_B(\theta_0 - m) - L_B(\theta_0)\bigr)
= \tfrac12\sum_{i \in M}(h_i^A - \lambda h_i^B)\,\delta_i^2 ,
$$

largest for $M = \{i : h_i^A > \lambda h_i^B\}$.

**(e)** *Greedy.* If $s_i \ge 0$ and $K_{ij} \ge 0$ for all $i \ne j$, then $R$ is monotone and submodular with
$R(\emptyset) = 0$. Adding $k$ times the coordinate that raises $R$ most gives at least
$1 - (1 - \tfrac1k)^k > 1 - \tfrac1e$ of the largest $R$ over sets of $k$. If $g = 0$, $s_i \ge 0$ says $H_{ii} \ge 0$
where $\delta_i \ne 0$; $H \succeq 0$ is enough for it, but not needed.

**(f)** *Random control.* Let $M$ be uniform among sets of $k$ of $d \ge 2$ coordinates, $p = k / d$,
$T = \sum_iK_{ii}$, $O = \sum_{i \ne j}K_{ij}$. Then

$$
\mathbb E\,R = p\Bigl(g\cdot\delta + \frac{T + O}2 + \frac{d - k}{d - 1}\,\frac O2\Bigr) .
$$

If $g = 0$ and $D > 0$,

$$
\frac{\mathbb E\,R}D = p\Bigl(1 + \frac{d - k}{d - 1}\,w\Bigr) , \qquad w = \frac O{T + O} :
$$

$p$ for a diagonal $H$, $1 - (1 - p)^2$ if all $K_{ij}$ are equal. For a diagonal $H$ the variance of $R$ is
$k(d - k) / (d - 1)$ times the (population) variance of the scores.

## Proof

**(a)** $R = \int_0^1 m\cdot\nabla L(\theta_\star + n + tm)\,dt$, and $\nabla L(\theta_\star + x) = g + Hx + r(x)$,
where $r(x)$ is the integral of $(\nabla^2L(\theta_\star + tx) - H)\,x$ and so of size at most
$\int_0^1 \rho t\|x\|^2\,dt = \tfrac{\rho}{2}\|x\|^2$. The first terms integrate to
$g\cdot m + m\cdot Hn + \tfrac12\,m\cdot Hm$. As $m\cdot n = 0$, $\|n + tm\|^2 = \|n\|^2 + t^2\|m\|^2$, so the rest is
at most $\tfrac{\rho}{2}\|m\|\,(\|n\|^2 + \tfrac13\|m\|^2)$.

For the other two, $f(t) = L(\theta_0 - tm)$ has $|f''(t) - f''(u)| \le \rho\,|t - u|\,\|m\|^3$. By parts,

$$
\begin{aligned}
f(1) - f(0) - f'(0) - \tfrac12f''(0) &= \int_0^1 (1 - t)\bigl(f''(t) - f''(0)\bigr)dt , \\
f(1) - f(0) - \tfrac12(f'(0) + f'(1)) &= \int_0^1 (\tfrac12 - t)\bigl(f''(t) - f''(\tfrac12)\bigr)dt ,
\end{aligned}
$$

where the integral of $(1 - t)\,t$ is $\tfrac16$ and that of $(\tfrac12 - t)^2$ is $\tfrac1{12}$. For a quadratic, add
up the first line for $m$ and for $n$, and compare with
$D = g\cdot\delta + \tfrac12\,m\cdot Hm + \tfrac12\,n\cdot Hn + m\cdot Hn$.

**(b)** With $g = 0$, $L(\theta_\star + x) - L(\theta_\star) = \tfrac12\|x\|_H^2$; take $x = \delta$ and $x = n$. From
(a), $R = \tfrac12\|m\|_H^2 + m\cdot Hn$; and $|m\cdot Hn| \le \|m\|_H\|n\|_H$ (Cauchy and Schwarz).

**(c)** The first claim is (a) with the step $-um$. If $a, b > 0$ then $ub \le a$, so
$ua - \tfrac12u^2b \ge \tfrac12ua$, with equality if $u = a / b$; if $a > 0 \ge b$ it is at least $ua$. As a function
of $x$ in $[0, 1]$, $xa - \tfrac12x^2b$ has slope $a - xb$. For $a, b > 0$ it is largest at $a / b$, or at 1 if that
is beyond; for $a > 0 \ge b$ it rises; for $a \le 0 \le b$ it falls.

**(d)** $K_{ij} = 0$ for $i \ne j$, and for the sum over $i$ in $M$ of $s_i$ any set of the $k$ largest is best. Going
from $\theta_0$ by $-m$ changes B's loss by the sum over $M$ of $\tfrac12h_i^B\delta_i^2$; A recovers that of
$\tfrac12h_i^A\delta_i^2$.

**(e)** From (a) and by symmetry, $R(M) = \sum_{i \in M}s_i$ plus the sum of $K_{ij}$ over the pairs $\{i, j\}$ that
$M$ meets. Adding $i$ to $M$ raises $R$ by $s_i$ plus the sum of $K_{ij}$ over all $j$ neither $i$ nor in $M$. It is
not negative ($R$ is monotone), and can only fall as $M$ grows ($R$ is submodular).

Let $O$ be a best set, $M_t$ the greedy set after $t$ steps. What $i$ alone adds to $M_t$ is at most what greedy's
choice adds, so

$$
R(O) \le R(M_t \cup O) \le R(M_t) + k\bigl(R(M_{t+1}) - R(M_t)\bigr) :
$$

the second step adds the members of $O$ one by one, each at what it alone adds to $M_t$ or less. So the gap
$R(O) - R(M_t)$ shrinks to $1 - \tfrac1k$ of itself or less with every step, and after $k$ steps it is at most
$(1 - \tfrac1k)^kR(O)$. (Nemhauser, Wolsey and Fisher.)

**(f)** $i$ is in $M$ with probability $p$; $i$ and $j$ are with probability $p\,\tfrac{k - 1}{d - 1}$; $i$ is and $j$
is not with probability $p\,\tfrac{d - k}{d - 1}$. So

$$
\mathbb E\,m\cdot Hm = pT + p\,\tfrac{k - 1}{d - 1}\,O , \qquad \mathbb E\,m\cdot Hn = p\,\tfrac{d - k}{d - 1}\,O ;
$$

put these into (a). The ratio is $\mathbb E\,R$ by $D = \tfrac12(T + O)$; if all $K_{ij}$ are equal,
$w = (d - 1) / d$.

With $c_i = 1$ if $i$ is in $M$, else 0, the variance of $\sum_ic_is_i$ may be had from scores of mean 0:
$\operatorname{Var}c_i = p(1 - p)$ and $\operatorname{Cov}(c_i, c_j) = -p(1 - p) / (d - 1)$. So it is
$p(1 - p)\bigl(1 + \tfrac1{d - 1}\bigr)\sum_is_i^2$, as $\sum_{i \ne j}s_is_j = -\sum_is_i^2$. ∎

## Tight

- (a) $\tfrac{\rho}{6}\|x\|^3$ with $n = 0$; and, to leading order as $\|m\| / \|n\| \to 0$,
  $\tfrac{\rho}{2}xy^2 - \tfrac{\rho}{6}x^3$ with $m$ along $x$ and $n$ along $y$. $\tfrac{\rho}{6}x^3$ for the lines
  from $\theta_0$.
- (b) $H = [1, \pm1; \pm1, 1]$, both sides.
- (c) $-ax + \tfrac b2x^2 + \tfrac{\rho}{6}x^3$, $m = -1$.
- (d), (f) Exact.
- (e) $k$ coordinates $v_t$ and $k$ coordinates $o_j$, all $K$ between $v_t$ and $o_j$ equal to
  $(1 - \tfrac1k)^{t - 1} / k$, and $s = (1 - \tfrac1k)^k$ for the $o_j$, 0 for the $v_t$: greedy takes all $v_t$ and
  has $1 - (1 - \tfrac1k)^k$ of what the $o_j$ have.

## Needed

- (a) A Lipschitz Hessian: $|x|^{5/2}$. The cross term: $H = [1, -c; -c, 1]$, $\delta = (1, 1)$: rollback of one
  coordinate takes the damage from $1 - c$ to $\tfrac12$; it hurts if $c > \tfrac12$, by a ratio without limit. The
  gradient: $-x$. $\|n\|$: the second tight case of (a). Coordinates, or $m\cdot n = 0$: $x^3$ at $m = n$.
- (b) $H \succeq 0$: $\operatorname{diag}(-1, 1)$. $g = 0$: $-x + \tfrac12x^2$. A quadratic: $\tfrac12x^2 - x^3$. The
  factor 2: $H = [1, -1; -1, 1]$ at $\|m\|_H = 1.5\|n\|_H$. $m\cdot Hn \ge 0$: the cross term.
- (c) Damping: full rollback hurts in the same case. $a > 0$ or $b \ge 0$: $a = -0.1$, $b = -1$, where all of $m$
  recovers 0.4. $\rho$: $-x + \tfrac12x^2 + 5x^3$.
- (d) Magnitude is not the score: $\delta = (1, 0.5)$, $h = (0.01, 1)$. A diagonal $H$: $[1, c; c, 1]$. B stationary:
  a slope of B.
- (e) $K_{ij} \ge 0$: $K = [1, -0.9, 0; -0.9, 1, 0; 0, 0, 0.02]$, $k = 2$: greedy takes the third first and ends below
  0, the first two recover 0.1. $s_i \ge 0$, thus $g = 0$ where $H \succeq 0$ only is known: $s = (-1.4, -0.5, -0.5)$,
  $K = 1$ between the first and the others.
- (f) Uniform sets: the largest score taken always. Among the $d$ coordinates counted: with coordinates that $\delta$
  left alone among them the control is weaker, so draw it from those that changed. A quadratic: $x^3$ in each
  coordinate. Random rollback can hurt, too: $\mathbb E\,R / D = -4$ for the cross term with $c = 0.9$.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from theory.instances import (
    DIMENSIONS,
    SEEDS,
    Accept,
    Smooth,
    equal,
    holds,
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
from toymdrl.bounds.rollback import (
    best_rollback,
    damped_gain,
    damped_share,
    greedy_share,
    random_rollback,
    random_rollback_variance,
    rollback_gain,
    rollback_range,
    rollback_remainder,
    rollback_scores,
)
from toymdrl.bounds.taylor import taylor_remainder, trapezoid_remainder

SIZES = scales(0.1, 10.0)


def subsets(d: int) -> Array:
    """All sets of d coordinates: row b has the bits of b, (2^d, d)."""
    return (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(np.float64)


def recovered(there: Smooth, delta: Array) -> Array:
    """R of all sets, (2^d,); theta* is 0."""
    return np.array([there(delta) - there(delta - m) for m in subsets(len(delta)) * delta])


def greedy(gains: Array, d: int, k: int) -> float:
    """R of the set that greedy choice of k coordinates ends with; the first of several best ones."""
    chosen = 0
    for _ in range(k):
        chosen = max((chosen | 1 << i for i in range(d) if not chosen >> i & 1), key=lambda b: float(gains[b]))
    return float(gains[chosen])


def best(gains: Array, d: int, k: int) -> float:
    """Largest R of a set of k coordinates."""
    return float(gains[subsets(d).sum(axis=1) == k].max())


def coupled(c: float) -> Array:
    """[1, c; c, 1]."""
    return np.array([[1, c], [c, 1]])


def short(back: float, low: float, by: float) -> None:
    """R falls short of what is claimed: the lower bound is false."""
    assert back <= low - by, f"{back} > {low} - {by}"


@given(seed=SEEDS, d=DIMENSIONS, p=scales(1e-2, 3), q=scales(1e-2, 3), bend=scales(1e-2, 3.0))
def test_a_holds(seed: int, d: int, p: float, q: float, bend: float) -> None:
    generator = default_rng(seed)
    there, star, k = loss(generator, d, bend=bend), generator.standard_normal(d), int(generator.integers(1, d))
    m = np.concatenate([p * unit(generator, k), np.zeros(d - k)])
    n = np.concatenate([np.zeros(k), q * unit(generator, d - k)])
    start, end, h = star + m + n, star + n, there.hessian(star)
    gain = rollback_gain(there.gradient(star) @ m, m @ h @ m, m @ h @ n)
    back, slope, curvature = there(start) - there(end), there.gradient(start), float(m @ there.hessian(start) @ m)
    scale = abs(there(start)) + abs(there(end)) + abs(float(gain)) + abs(curvature)
    holds(abs(back - gain), rollback_remainder(there.rho, p, q), scale)
    holds(abs(back - slope @ m + curvature / 2), taylor_remainder(there.rho, p), scale)
    mean = (slope + there.gradient(end)) @ m / 2
    holds(abs(back - mean), trapezoid_remainder(there.rho, p), scale)


@given(seed=SEEDS, d=DIMENSIONS)
def test_a_is_exact_for_quadratics_and_shares_are_not_additive(seed: int, d: int) -> None:
    generator = default_rng(seed)
    h, g, delta = symmetric(generator, generator.uniform(-1, 2, d)), *generator.standard_normal((2, d))
    gains = recovered(quadratic(h, g), delta)
    m = subsets(d) * delta
    cross = np.einsum("bi,ij,bj->b", m, h, delta - m)
    equal(gains, rollback_gain(m @ g, np.einsum("bi,ij,bj->b", m, h, m), cross), scale=100)
    equal(
        gains + gains[::-1], g @ delta + delta @ h @ delta / 2 + cross, scale=100
    )  # the complement's bits are flipped


@given(rho=SIZES, x=SIZES, y=SIZES)
def test_a_is_tight(rho: float, x: float, y: float) -> None:
    cubic, slope = rho / 6 * x**3, rho / 2 * x**2
    reached(cubic, float(rollback_remainder(rho, x, 0.0)))
    reached(abs(cubic - slope * x + rho * x * x**2 / 2), float(taylor_remainder(rho, x)))
    reached(abs(cubic - slope * x / 2), float(trapezoid_remainder(rho, x)))
    small = 1e-5 * y  # of [[-x, y], [y, x]], times rho the Hessian, the norm is that of (x, y)
    reached(rho / 2 * small * y**2 - rho / 6 * small**3, float(rollback_remainder(rho, small, y)))


def test_b_holds(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 6))
        h, delta = symmetric(generator, generator.uniform(0, 2, d)), generator.standard_normal(d)
        m = np.where(np.arange(d) < d // 2, delta, 0)
        n, there = delta - m, quadratic(h)
        back, within, rest, cross = there(delta) - there(n), m @ h @ m, n @ h @ n, m @ h @ n
        low, high = rollback_range(within, rest)
        holds([float(low), back], [back, float(high)])
        equal(back, (delta @ h @ delta - rest) / 2, scale=100)
        assert (back >= 0) == (rest <= delta @ h @ delta)
        if accept.met(bool(cross >= 0 or within >= 4 * rest)):
            holds(0, back)
            holds(rollback_range(within, 0)[0] if cross >= 0 else low, back)


@given(x=SIZES, y=SIZES)
def test_b_is_tight(x: float, y: float) -> None:
    low, high = rollback_range((3 * x + y) ** 2, x**2)
    delta = np.array([3 * x + y, x])
    reached(float(recovered(quadratic(coupled(1.0)), delta)[1]), float(high))
    reached(float(low), float(recovered(quadratic(coupled(-1.0)), delta)[1]))
    reached(float(rollback_range(x**2, 0)[0]), float(recovered(quadratic(coupled(0.0)), delta)[2]))


def test_c_holds(accept: Accept) -> None:
    shares = np.linspace(0, 1, 21)
    for generator in accept:
        d = int(generator.integers(2, 6))
        there, delta = loss(generator, d), generator.standard_normal(d)
        m = np.where(np.arange(d) < d // 2, delta, 0)
        a, b = float(there.gradient(delta) @ m), float(m @ there.hessian(delta) @ m)
        share, gain = float(damped_share(a, b)), float(damped_gain(a, b))
        back, rest = there(delta) - there(delta - share * m), float(taylor_remainder(there.rho, share * norm(m)))
        holds([gain - rest, share * a / 2], [back, gain], scale=abs(there(delta)) + rest)
        assert 0 <= share <= 1
        if accept.met(a > 0 or b >= 0):
            holds(shares * a - shares**2 * b / 2, gain)


@given(rho=SIZES, a=SIZES, b=SIZES)
def test_c_is_tight(rho: float, a: float, b: float) -> None:
    for curvature in (b, -b):
        share, gain = float(damped_share(a, curvature)), float(damped_gain(a, curvature))
        back = a * share - curvature / 2 * share**2 - rho / 6 * share**3
        equal(gain - taylor_remainder(rho, share), back, scale=100)
        reached(a * share - curvature / 2 * share**2, gain)
    least = float(damped_gain(min(a, b), b))
    reached(float(damped_share(min(a, b), b)) * min(a, b) / 2, least)
    reached(least, min(a, b) ** 2 / (2 * b))
    equal([damped_share(a, b), damped_share(a, -b), damped_share(-a, b)], [min(1, a / b), 1, 0])


@given(seed=SEEDS, d=DIMENSIONS, price=scales(1e-1, 1e1))
def test_d_is_exact(seed: int, d: int, price: float) -> None:
    generator = default_rng(seed)
    h, g, delta, h_b = generator.standard_normal((4, d))
    gains = recovered(quadratic(np.diag(h), g), delta)
    scores = rollback_scores(g, h, delta)
    lost = price * np.array([m**2 @ h_b / 2 for m in subsets(d) * delta])
    net, priced = recovered(quadratic(np.diag(h)), delta) - lost, rollback_scores(0, h - price * h_b, delta)
    for k in range(1, d + 1):
        equal(best(gains, d, k), best_rollback(scores, k), scale=100)
        equal(best(net, d, k), best_rollback(priced, k), scale=1000)
    assert np.array_equal(subsets(d)[net.argmax()], h > price * h_b)


def test_e_holds(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 6))
        signs, h = generator.choice([-1.0, 1.0], d), np.abs(symmetric(generator, generator.standard_normal(d)))
        delta = signs * np.abs(generator.standard_normal(d))
        h, g = h * np.outer(signs, signs), 0.1 * generator.standard_normal(d)
        np.fill_diagonal(h, generator.uniform(-0.1, 1) * np.diag(h))
        if accept.met(rollback_scores(g, np.diag(h), delta).min() >= 0):
            gains = recovered(quadratic(h, g), delta)
            for k in range(1, d):
                holds(greedy_share(k) * best(gains, d, k), greedy(gains, d, k))


@given(k=st.integers(1, 4), size=SIZES)
def test_e_is_tight(k: int, size: float) -> None:
    shrink = (1 - 1 / k) ** np.arange(k)
    across = np.repeat(shrink[:, None], k, axis=1) / k
    own = np.diag(np.full(k, 2 * (1 - 1 / k) ** k))  # a score is half of K_ii
    h = np.block([[np.zeros((k, k)), across], [across.T, own * (1 - 1e-8)]])  # so that ties go to the first k
    gains = recovered(quadratic(h), np.full(2 * k, size))
    reached(greedy(gains, 2 * k, k), float(greedy_share(k)) * best(gains, 2 * k, k), rel=1e-7)
    assert greedy_share(k) > 1 - 1 / np.e


@given(seed=SEEDS, d=DIMENSIONS)
def test_f_is_exact(seed: int, d: int) -> None:
    generator = default_rng(seed)
    h, g, delta = symmetric(generator, generator.uniform(-1, 2, d)), *generator.standard_normal((2, d))
    gains, alone = recovered(quadratic(h, g), delta), recovered(quadratic(np.diag(np.diag(h)), g), delta)
    coherent, count = recovered(quadratic(np.ones((d, d))), np.ones(d)), subsets(d).sum(axis=1)
    diagonal = float(np.diag(h) @ delta**2)
    scores = rollback_scores(g, np.diag(h), delta)
    for k in range(d + 1):
        of, p = count == k, k / d
        mean = random_rollback(p, d, float(g @ delta), diagonal, float(delta @ h @ delta) - diagonal)
        equal(gains[of].mean(), mean, scale=100)
        equal(alone[of].mean(), random_rollback(p, d, float(g @ delta), diagonal, 0), scale=100)
        equal(alone[of].var(), random_rollback_variance(scores, k), scale=100)
        equal(coherent[of].mean() / (d**2 / 2), 2 * random_rollback(p, d, 0, 1 / d, (d - 1) / d))  # T + O = 1
        equal(coherent[of].mean() / (d**2 / 2), 1 - (1 - p) ** 2)


def test_a_a_lipschitz_hessian_is_needed() -> None:
    for rho in (1.0, 10.0, 100.0):
        x = 0.1 / rho**2  # L = 4/15 |x|^(5/2), with slope 2/3 x^(3/2) and curvature x^(1/2)
        violated(4 / 15 * x**2.5, float(rollback_remainder(rho, x, 0.0)), by=5)
        violated(abs(4 / 15 - 2 / 3 + 1 / 2) * x**2.5, float(taylor_remainder(rho, x)), by=1.8)
        violated(abs(4 / 15 - 2 / 6) * x**2.5, float(trapezoid_remainder(rho, x)), by=2)


def test_a_every_term_is_needed() -> None:
    back = float(recovered(quadratic(coupled(-0.9)), np.ones(2))[1])
    equal(back, rollback_gain(0, 1, -0.9))
    violated(abs(back - float(rollback_gain(0, 1, 0))), float(rollback_remainder(0, 1, 1)), by=10)
    back = float(recovered(quadratic(np.zeros((1, 1)), np.array([-1.0])), np.ones(1))[1])
    violated(abs(back - float(rollback_gain(0, 0, 0))), float(rollback_remainder(0, 1, 0)), by=10)
    violated(0.1 / 2 - 0.1**3 / 6, float(rollback_remainder(1, 0.1, 0)), by=100)  # rho = 1, ||n|| = 1


def test_a_coordinates_are_needed() -> None:
    violated((2**3 - 1) / 6, float(rollback_remainder(1, 1, 1)), by=1.7)  # x^3 / 6, m and n along x


def test_a_and_b_the_cross_term_decides_and_rollback_can_hurt() -> None:
    for c in (0.4, 0.6, 0.9, 0.999):
        there = quadratic(coupled(-c))
        back, before = float(recovered(there, np.ones(2))[1]), there(np.ones(2))
        assert (back < 0) == (c > 1 / 2)
        equal(before - back, 1 / 2)
    violated(before - back, before, by=100)


def test_b_every_assumption_is_needed() -> None:
    floor = float(rollback_range(1, 0)[0])
    short(float(recovered(quadratic(np.diag([-1.0, 1])), np.ones(2))[1]), 0, by=0.4)  # H >= 0, although m.Hn = 0
    short(float(recovered(quadratic(np.eye(1), np.array([-1.0])), np.ones(1))[1]), floor, by=0.9)  # g = 0
    short(1 / 2 - 1, floor, by=0.9)  # a quadratic, not x^2 / 2 - x^3
    short(float(recovered(quadratic(coupled(-0.9)), np.ones(2))[1]), floor, by=0.8)  # m.Hn >= 0
    short(float(recovered(quadratic(coupled(-1.0)), np.array([1.5, 1]))[1]), 0, by=0.3)  # ||m||_H >= 2 ||n||_H


def test_c_damping_and_its_assumptions_are_needed() -> None:
    there, m = quadratic(coupled(-0.9)), np.array([1.0, 0])
    a, b = float(there.gradient(np.ones(2)) @ m), 1.0
    gain = float(damped_gain(a, b))
    equal(there(np.ones(2)) - there(np.ones(2) - damped_share(a, b) * m), gain)
    short(float(recovered(there, np.ones(2))[1]), gain, by=0.4)  # undamped
    violated(-0.1 + 1 / 2, float(damped_gain(-0.1, -1.0)), by=10)  # neither a > 0 nor b >= 0
    share = float(damped_share(1.0, 1.0))
    short(share - share**2 / 2 - 5 * share**3, float(damped_gain(1.0, 1.0)), by=4)  # rho


def test_d_the_score_a_diagonal_hessian_and_a_stationary_b_are_needed() -> None:
    delta, h = np.array([1, 0.5]), np.array([0.01, 1])
    scores = rollback_scores(0, h, delta)
    violated(float(best_rollback(scores, 1)), float(scores[np.argmax(np.abs(delta))]), by=20)
    gains = recovered(quadratic(coupled(0.9)), np.ones(2))
    violated(best(gains, 2, 1), float(best_rollback(rollback_scores(0, np.ones(2), np.ones(2)), 1)), by=2)
    rises = -10 + 0.5 / 2  # B has slope 10 along delta at theta_0, and curvature 0.5: rollback helps it
    violated(1 / 2 - rises, float(best_rollback(rollback_scores(0, [1 - 0.5], [1.0]), 1)), by=10)


def test_e_both_assumptions_are_needed() -> None:
    opposed = np.array([[1, -0.9, 0], [-0.9, 1, 0], [0, 0, 0.02]])
    assert np.linalg.eigvalsh(opposed).min() > 0
    gains = recovered(quadratic(opposed), np.ones(3))
    violated(-greedy(gains, 3, 2), float(greedy_share(2)) * best(gains, 3, 2), by=5)
    together = np.array([[2.0, 1, 1], [1, 2, 0], [1, 0, 2]])
    assert np.linalg.eigvalsh(together).min() > 0
    gains = recovered(quadratic(together, np.array([-2.4, -1.5, -1.5])), np.ones(3))
    violated(float(greedy_share(2)) * best(gains, 3, 2), greedy(gains, 3, 2), by=7)


def test_f_every_assumption_is_needed() -> None:
    uniform = float(random_rollback(1 / 2, 2, 0, 10, 0))
    violated(9 / 2, uniform, by=1.7)  # K = diag(1, 9), the second one always
    violated(1 / 2, float(random_rollback(1 / 4, 4, 0, 2, 0)), by=2)  # one of two that changed, of four in all
    violated(1.0, float(random_rollback(1 / 2, 2, 0, 0, 0)), by=10)  # x^3 + y^3
    gains = recovered(quadratic(coupled(-0.9)), np.ones(2))
    equal(gains[1:3].mean() / gains[3], -4)
    equal(2 * random_rollback(1 / 2, 2, 0, 10, -9), -4)
