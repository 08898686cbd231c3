r"""T5. Contraction by a refresh (C9).

*In words:* a refresh shrinks the error inside a sharp subspace at the rate of its least curvature, down to a floor
that is set by what leaks in from outside, by the slope at A's checkpoint and by the drift of the curvature.

Here are (a) to (d) and (i). (e) to (h), on the size of the leak, noise and the loss, are in
[the second part](test_t05_noise.py).

## Setting

$\theta_\star$ is A's checkpoint, $\delta$ all that later training added, $\theta_0 = \theta_\star + \delta$. $L$ is
A's loss, $g$ and $H$ are its gradient and Hessian at $\theta_\star$. The refresh is
$\theta_{t+1} = \theta_t - \alpha\nabla L(\theta_t)$. Its error is $e_t = \theta_t - \theta_\star$, so that
$e_0 = \delta$.

$S$ is a subspace, $P$ the orthogonal projector onto it, $Q = I - P$. Inside and outside the error has the lengths
$p_t = \|Pe_t\|$ and $q_t = \|Qe_t\|$. On $S$, $\mu \preceq H \preceq L_S$: $\mu\|x\|^2 \le x\cdot Hx \le L_S\|x\|^2$.
$\text{leak} = \|PHQ\|$, the spectral norm. $\nu$ is the largest $|1 - \alpha\lambda|$ over the eigenvalues $\lambda$
of $H$ compressed to the complement of $S$.

## Assumptions

- $0 < \alpha \le 2 / (\mu + L_S)$, where $\mu + L_S > 0$; in (c) $\mu > 0$.
- The Hessian of $L$ is $\rho$-Lipschitz on a convex region that holds $\theta_\star$ and, in (a), $\theta_t$, in (c)
  and (d) all $\theta_s$ for $s < t$.

More is said where it is needed.

## Statement

**(a)** *One step.*

$$
p_{t+1} \le (1 - \alpha\mu)\,p_t + \alpha\bigl(\text{leak}\,q_t + \|Pg\| + \tfrac{\rho}{2}\|e_t\|^2\bigr) .
$$

Instead of $\text{leak}\,q_t$ and $\tfrac{\rho}{2}\|e_t\|^2$ one may take $\|PHQe_t\|$ and
$\|P(\nabla L(\theta_t) - g - He_t)\|$.

**(b)** *Comparison.* From $\bar p_0 = p_0$ and $\bar q_0 = q_0$ let

$$
\begin{aligned}
\bar p_{t+1} &= (1 - \alpha\mu)\,\bar p_t
  + \alpha\bigl(\text{leak}\,\bar q_t + \|Pg\| + \tfrac{\rho}{2}(\bar p_t^2 + \bar q_t^2)\bigr), \\
\bar q_{t+1} &= \nu\,\bar q_t
  + \alpha\bigl(\text{leak}\,\bar p_t + \|Qg\| + \tfrac{\rho}{2}(\bar p_t^2 + \bar q_t^2)\bigr) .
\end{aligned}
$$

If the region holds the balls around $\theta_\star$ whose squared radii are $\bar p_s^2 + \bar q_s^2$ for $s < t$,
then $p_t \le \bar p_t$ and $q_t \le \bar q_t$: nothing need be known of the path in advance.

**(c)** *Closed form.* Let

$$
f(m, c) = (1 - \alpha m)^t\,p_0 + \bigl(1 - (1 - \alpha m)^t\bigr)\frac cm .
$$

If $q_s \le q$ and $\|e_s\| \le R$ for all $s < t$, then
$p_t \le f\bigl(\mu,\ \text{leak}\,q + \|Pg\| + \tfrac{\rho}{2}R^2\bigr)$.

If $L$ is convex, $g = 0$, and $\alpha \le 2 / l$ for a Lipschitz constant $l$ of the gradient, $\|\delta\|$ may be
taken for both $q$ and $R$.

If $q_s \le q$ for all $s < t$, $c = \text{leak}\,q + \|Pg\| + \tfrac{\rho}{2}q^2$, $m = \mu - \tfrac{\rho}{2}p_0 > 0$
and $c \le mp_0$, then $p_t \le f(m, c)$: the drift of the curvature slows the rate instead.

**(d)** *Relative leakage.* If $\text{leak}\,q_s + \|Pg\| + \tfrac{\rho}{2}\|e_s\|^2 \le \kappa p_s$ for all $s < t$,
then

$$
p_t \le \bigl(1 - \alpha(\mu - \kappa)\bigr)^t\,p_0 :
$$

a contraction if $\kappa < \mu$. It ends when $p_s$ comes down to the floor, the left side over $\kappa$.

**(i)** *Averaged Hessian.* Let $H_t = \int_0^1 \nabla^2L(\theta_\star + se_t)\,ds$. If for every $s < t$,
$\mu \preceq H_s \preceq L_S$ on $S$, $\|PH_sQ\| \le \text{leak}$, and $\nu$ bounds $|1 - \alpha\lambda|$ for $H_s$,
then (a) to (d) hold with $\rho = 0$: no remainder is left. It is enough that

$$
\begin{aligned}
(1 - \alpha\mu)\,p_s &\ge \|P(I - \alpha H_s)Pe_s\|, & \text{leak}\,q_s &\ge \|PH_sQe_s\|, \\
\nu\,q_s &\ge \|Q(I - \alpha H_s)Qe_s\|, & \text{back}\,p_s &\ge \|QH_sPe_s\|,
\end{aligned}
$$

with $\text{back}\,\bar p_t$ for $\text{leak}\,\bar p_t$ in the second line of (b): no condition on $\alpha$.

## Proof

**(a)** The gradient at $\theta_t$ is $\nabla L(\theta_t) = g + He_t + r$ with
$\|r\| \le \int_0^1 \rho s\|e_t\|^2\,ds = \tfrac{\rho}{2}\|e_t\|^2$. So the error inside $S$ becomes

$$
Pe_{t+1} = P(I - \alpha H)Pe_t - \alpha PHQe_t - \alpha Pg - \alpha Pr .
$$

On $S$, $I - \alpha H$ has eigenvalues from $1 - \alpha L_S$ to $1 - \alpha\mu$. They are of size at most
$1 - \alpha\mu$, as $\alpha L_S - 1 \le 1 - \alpha\mu$ by the step condition.

**(b)** Likewise, as $\|QHP\| = \|PHQ\|$,

$$
q_{t+1} \le \nu q_t + \alpha\bigl(\text{leak}\,p_t + \|Qg\| + \tfrac{\rho}{2}(p_t^2 + q_t^2)\bigr) .
$$

Both right sides grow with $p_t$ and with $q_t$. So if $p_t \le \bar p_t$ and $q_t \le \bar q_t$, the same is true of
$t + 1$, as $\theta_t$ lies in the ball of the region.

**(c)** (a) says $p_{s+1} \le (1 - \alpha\mu)p_s + \alpha c$ with a constant $c$, and $0 \le 1 - \alpha\mu < 1$.
Iterated, with the sum of $\alpha(1 - \alpha\mu)^s$ over $s < t$, this is $f(\mu, c)$.

*Convex:* as $g = 0$, $e_{s+1} = (I - \alpha H_s)e_s$ with $H_s$ of (i), $0 \preceq H_s \preceq l$; so $\|e_s\|$ never
grows.

*Last:* while $p_s \le p_0$, $\|e_s\|^2 = p_s^2 + q_s^2 \le p_0p_s + q^2$. So (a) gives
$p_{s+1} \le (1 - \alpha m)p_s + \alpha c$, which is at most $p_0$ as $c \le mp_0$. By induction this holds for all
$s < t$.

**(d)** Put the assumption into (a), and iterate.

**(i)** $\nabla L(\theta_t) = g + H_te_t$, exactly: integrate the gradient's derivative along the segment. So the
proofs of (a) to (d) go through with $H_t$ for $H$ and $r = 0$, and use of $H_t$ only what it does to $Pe_t$ and to
$Qe_t$. ∎

## Tight

- (a) $H = [\mu, -\text{leak}; -\text{leak}, h]$, $g = (-a, -b)$, less
  $\tfrac{\rho}{6}\operatorname{Re}\bigl(w(x + iy)^3\bigr)$ with $|w| = 1$. The Hessian of that cubic has norm
  $\rho\,|x + iy|$, and $w$ can be chosen such that its gradient at $\delta$ lies along $S$: all terms at once. So do
  (b) and both forms of (c) in one step, $q$ with $w$ along the complement.
- (b) For all $t$ if $\rho = 0$.
- (c) A slope, for all $t$; a stationary point of the loss of (a), where $p_t$ stays at the floor.
- (d) An eigenvector of $H$.
- (i) $\tfrac\mu2x^2 - \tfrac{\rho}{6}x^3$; and in space, with $\text{leak} = 0$ but $\text{back} > 0$.

## Needed

- (a) The leak: $H = [1, -0.5; -0.5, 1]$, $\delta = (0, 1)$, $\alpha = \tfrac12$. The slope:
  $\tfrac12x^2 + \tfrac1{10}x$, $\delta = 0$. $\rho$: $\tfrac12x^2 - \tfrac16x^3$; on the whole segment:
  $\tfrac12x^2 - \max(0, x - 1)^3$. The step: $H = \operatorname{diag}(1, 10)$, $\alpha = 0.19 > \tfrac2{11}$. $\mu$:
  a flat $L$ has no $\mu$ but 0.
- (b) Balls in the region: as (a). $\nu$, the leak back and $\|Qg\|$: they make $q$ grow.
- (c) $q$ and $R$ of the whole path: $H = [1, -0.3; -0.3, 0]$ from $(1, 0)$ starts with $q = 0$, but $p_{200} = 245$.
  The same $H$ breaks the convex form, as do a slope and $\alpha > 2 / l$. $c \le mp_0$:
  $\tfrac12x^2 - 0.6x - \tfrac16x^3$ from 0 has no minimum.
- (d) All $s < t$: $\tfrac12x^2 - \tfrac1{10}x$ from 1.
- (i) The average: with the Hessian at $\theta_\star$ $\tfrac12x^2 - \tfrac16x^3$ contracts by less, with that at
  $\theta_t$ $\tfrac12x^2 + \tfrac16x^3$ does.

## Note

A fixed preconditioner $C \succ 0$, $\theta_{t+1} = \theta_t - \alpha C\nabla L(\theta_t)$, is the refresh above for
the parameters $C^{-1/2}\theta$: $H$ becomes $C^{1/2}HC^{1/2}$, and $S$, $P$ and the norms are those of the new
parameters.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng
from numpy.typing import ArrayLike

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
    reached,
    scales,
    subspace,
    symmetric,
    unit,
    violated,
)
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.refresh import paper_contraction, refresh_closed, refresh_path, refresh_step
from toymdrl.bounds.taylor import gradient_remainder

STEPS = 6
LEAKS, SLOPES, BENDS, SIZES = scales(1e-3, 0.5), scales(1e-4, 0.3), scales(1e-3, 1), scales(1e-2, 1)
SHARES = st.floats(0.05, 1.0)
"""alpha, of the largest one allowed."""
AXIS = Split(np.eye(2)[:, :1], np.eye(2)[:, 1:])
"""The first axis of the plane."""


def descend(gradient: Callable[[Array], Array], start: ArrayLike, alpha: float, steps: int) -> Array:
    """e_0, ..., e_steps, (steps + 1, d); the gradient is a function of e."""
    path = [np.asarray(start, dtype=np.float64)]
    for _ in range(steps):
        path.append(path[-1] - alpha * gradient(path[-1]))
    return np.array(path)


def linear(h: Array, *slope: float) -> Callable[[Array], Array]:
    """The gradient slope + He of a quadratic."""
    return lambda e: np.asarray(h @ e + np.array(slope or 0.0))


def factor(split: Split, h: Array, alpha: float) -> float:
    """nu."""
    return float(np.abs(1 - alpha * np.linalg.eigvalsh(split.outside.T @ h @ split.outside)).max())


def lengths(split: Split, errors: Array) -> Array:
    """p_t and q_t, (2, steps + 1)."""
    return np.array([np.linalg.norm(errors @ basis, axis=1) for basis in (split.inside, split.outside)])


def floor(leak: float, q: ArrayLike, slope: float, rho: float, radius: ArrayLike) -> Array:
    """leak q + ||P g|| + rho/2 R^2."""
    return leak * np.asarray(q) + slope + gradient_remainder(rho, radius)


class Refresh:
    """A refresh and T5's constants for it."""

    def __init__(self, there: Smooth, star: Array, split: Split, delta: Array, alpha: float, steps: int = STEPS):
        self.there, self.star, self.split, self.alpha, self.rho = there, star, split, alpha, there.rho
        self.g, self.h = there.gradient(star), there.hessian(star)
        self.mu, self.upper = split.curvature(self.h)
        _, self.leak, self.h_perp = split.blocks(self.h)
        self.nu = factor(split, self.h, alpha)
        self.slope_in, self.slope_out = split.norms(self.g)
        self.e = descend(lambda e: there.gradient(star + e), delta, alpha, steps)
        self.t, self.radius = np.arange(steps + 1), np.linalg.norm(self.e, axis=1)
        self.p, self.q = lengths(split, self.e)

    def comparison(self) -> tuple[Array, Array]:
        """(b)."""
        constants = {"alpha": self.alpha, "mu": self.mu, "nu": self.nu, "leak": self.leak, "rho": self.rho}
        slopes = {"slope_in": self.slope_in, "slope_out": self.slope_out}
        return refresh_path(self.p[0], self.q[0], len(self.e) - 1, **constants, **slopes)

    def floor(self, q: ArrayLike, radius: ArrayLike) -> Array:
        """(c)'s, for these q and R."""
        return floor(self.leak, q, self.slope_in, self.rho, radius)

    def closed(self, bound: ArrayLike) -> Array:
        """(c), for a floor."""
        return refresh_closed(self.p[0], self.alpha, self.mu, bound, self.t)


def coupled(generator: Generator, split: Split, inside: Array, outside: Array, leak: float) -> Array:
    """A symmetric matrix with these eigenvalues on S and on the complement, and ||P H Q|| = leak."""
    i, o = split.inside, split.outside
    between = generator.standard_normal((len(inside), len(outside)))
    between *= leak / norm(between, 2)
    across = i @ between @ o.T
    return i @ symmetric(generator, inside) @ i.T + o @ symmetric(generator, outside) @ o.T + across + across.T


def drawn(
    generator: Generator, d: int, *, leak: float, slope: float, bend: float, size: float, share: float
) -> Refresh:
    """A refresh near a checkpoint: positive on S, indefinite outside, neither stationary nor quadratic."""
    k = int(generator.integers(1, d))
    split, star = subspace(generator, d, k), generator.standard_normal(d)
    h = coupled(generator, split, generator.uniform(0.2, 2, k), generator.uniform(-0.3, 1, d - k), leak)
    there = loss(generator, d, bend=bend)
    there = replace(there, h=there.h + h - there.hessian(star))
    there = replace(there, g=there.g + slope * unit(generator, d) - there.gradient(star))
    return Refresh(there, star, split, size * unit(generator, d), share * 2 / sum(split.curvature(h)))


def anyhow(generator: Generator, slope: float = 0.1, bend: float = 0.3) -> Refresh:
    """The same of random scales."""
    sizes = {"leak": log_uniform(generator, 1e-3, 0.5), "slope": log_uniform(generator, slope / 1e3, slope)}
    sizes |= {"bend": log_uniform(generator, bend / 1e3, bend), "size": log_uniform(generator, 0.1, 1)}
    return drawn(generator, int(generator.integers(2, 7)), **sizes, share=generator.uniform(0.05, 1))


@given(seed=SEEDS, d=DIMENSIONS, leak=LEAKS, slope=SLOPES, bend=BENDS, size=SIZES, share=SHARES)
def test_a_b_and_c_hold(seed: int, d: int, leak: float, slope: float, bend: float, size: float, share: float) -> None:
    r = drawn(default_rng(seed), d, leak=leak, slope=slope, bend=bend, size=size, share=share)
    before, p, q, radius = r.e[:-1], r.p[:-1], r.q[:-1], r.radius[:-1]
    remainder = gradient_remainder(r.rho, radius)
    holds(r.p[1:], refresh_step(p, r.alpha, r.mu, r.leak * q, r.slope_in, remainder))  # (a)
    bent = np.array([r.there.gradient(r.star + e) - r.g - r.h @ e for e in before])
    leaked, drift = (np.linalg.norm(x @ r.split.inside, axis=1) for x in (before @ r.split.q @ r.h, bent))
    holds(r.p[1:], refresh_step(p, r.alpha, r.mu, leaked, r.slope_in, drift))
    p_most, q_most = r.comparison()
    holds([r.p, r.q], [p_most, q_most])  # (b)
    most = r.floor(np.maximum.accumulate(q), np.maximum.accumulate(radius))
    holds(r.p, r.closed(np.append(0, most)))  # (c); for t = 0 the floor has no part


def quartic(g: Array, h: Array, c: float, a: Array, e: Array) -> Array:
    """The gradient of g.e + e.He/2 + c (a.e)^4 / 24."""
    return np.asarray(g + h @ e + c / 6 * (a @ e) ** 3 * a)


def test_b_holds_while_the_balls_are_in_the_region(accept: Accept) -> None:
    for generator in accept:
        d, k, reach = 4, 2, 1.0
        split, a = subspace(generator, d, k), generator.standard_normal(d)
        inside, outside = generator.uniform(0.2, 2, k), generator.uniform(-0.3, 1, d - k)
        h = coupled(generator, split, inside, outside, log_uniform(generator, 1e-2, 0.5))
        c, g = log_uniform(generator, 1e-3, 1), log_uniform(generator, 1e-3, 0.1) * unit(generator, d)
        alpha, start = generator.uniform(0.05, 2) / sum(split.curvature(h)), 0.8 * unit(generator, d)
        constants = {"mu": inside.min(), "leak": split.blocks(h)[1], "nu": factor(split, h, alpha)}
        slopes = dict(zip(("slope_in", "slope_out"), split.norms(g), strict=True))
        rho = reach * c * norm(a) ** 4  # no further from theta* than `reach`
        p, q = split.norms(start)
        path = refresh_path(p, q, STEPS, alpha=alpha, rho=rho, **constants, **slopes)
        if accept.met(np.hypot(*path)[:-1].max() <= reach):
            errors = descend(partial(quartic, g, h, c, a), start, alpha, STEPS)
            holds(lengths(split, errors), path)


def test_c_holds_for_a_convex_loss(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 5))
        values, bend = generator.uniform(-0.1, 2, d), log_uniform(generator, 1e-2, 1)
        if not accept.met(values.min() >= 0):
            continue
        there = loss(generator, d, bend=bend, cubic=False)
        there = replace(there, h=symmetric(generator, values), c=np.abs(there.c))
        star, split = generator.standard_normal(d), subspace(generator, d, d // 2)
        there = replace(there, g=there.g - there.gradient(star))
        most = 2 / max(there.smooth, sum(split.curvature(there.hessian(star))))
        delta = log_uniform(generator, 1e-2, 3) * unit(generator, d)
        r = Refresh(there, star, split, delta, most * generator.uniform(0.05, 1))
        holds(r.radius, norm(delta))
        holds(r.p, r.closed(r.floor(norm(delta), norm(delta))))


def test_c_the_slower_rate_holds(accept: Accept) -> None:
    for generator in accept:
        r = anyhow(generator)
        q, rate = r.q[:-1].max(), r.mu - r.rho / 2 * r.p[0]
        bound = r.floor(q, q)
        if accept.met(rate > 0 and bound <= rate * r.p[0]):
            holds(r.p, refresh_closed(r.p[0], r.alpha, rate, bound, r.t))


def test_d_holds(accept: Accept) -> None:
    for generator in accept:
        r = anyhow(generator, bend=0.1)
        kappa = float((r.floor(r.q, r.radius)[:-1] / r.p[:-1]).max())
        if accept.met(kappa < r.mu):
            holds(r.p, paper_contraction(r.p[0], r.alpha, r.mu - kappa, r.t))


def averaged(r: Refresh, e: Array) -> Array:
    """H_t: the mean of phi'' from u to v is (phi'(v) - phi'(u)) / (v - u)."""
    a, u = r.there.a, r.there.a @ r.star + r.there.s
    v = u + a @ e
    if r.there.cubic:
        mean = (u + v) / 2
    else:
        apart = np.abs(v - u) > 1e-5  # the middle is as good where it is not
        mean = np.where(apart, (np.tanh(v) - np.tanh(u)) / np.where(apart, v - u, 1), 1 - np.tanh((u + v) / 2) ** 2)
    return r.there.h + a.T * (r.there.c * mean) @ a


def test_i_holds(accept: Accept) -> None:
    for generator in accept:
        r = anyhow(generator, bend=3.0)
        hs, s = [averaged(r, e) for e in r.e[:-1]], r.split
        slopes_met = np.array([r.there.gradient(r.star + e) for e in r.e[:-1]])
        equal([r.g + h @ e for h, e in zip(hs, r.e, strict=False)], slopes_met, scale=1e4 * r.radius.max())
        mus, uppers = zip(*[s.curvature(h) for h in hs], strict=True)
        mu, leaks = min(mus), np.array([s.blocks(h)[1] for h in hs])
        nu, slopes = max(factor(s, h, r.alpha) for h in hs), {"slope_in": r.slope_in, "slope_out": r.slope_out}
        if accept.met(mu > 0 and r.alpha * (mu + max(uppers)) <= 2):
            p, q = r.p[:-1], r.q[:-1]
            holds(r.p[1:], refresh_step(p, r.alpha, mu, leaks * q, r.slope_in, 0))
            constants = {"alpha": r.alpha, "mu": mu, "leak": leaks.max(), "nu": nu, "rho": 0.0}
            holds([r.p, r.q], refresh_path(r.p[0], r.q[0], STEPS, **constants, **slopes))
            bound = floor(leaks.max(), q.max(), r.slope_in, 0, 0)
            holds(r.p, refresh_closed(r.p[0], r.alpha, mu, bound, r.t))
            kappa = ((leaks * q + r.slope_in) / p).max()
            holds(r.p, paper_contraction(r.p[0], r.alpha, mu - kappa, r.t))


def met(r: Refresh, h: Array, e: Array) -> dict[str, float]:
    """What an averaged Hessian does to the two parts of e."""
    s, x, y = r.split, r.split.p @ e, r.split.q @ e
    (held, back), (leaked, kept) = s.norms(x - r.alpha * h @ x), s.norms(y - r.alpha * h @ y)
    p, q, a = norm(x), norm(y), r.alpha
    return {"mu": (1 - held / p) / a, "leak": leaked / a / q, "nu": kept / q, "leak_back": back / a / p}


@given(seed=SEEDS, d=DIMENSIONS, leak=LEAKS, slope=SLOPES, bend=scales(1e-3, 3), size=SIZES, share=st.floats(0.05, 2))
def test_i_holds_along_each_direction(
    seed: int, d: int, leak: float, slope: float, bend: float, size: float, share: float
) -> None:
    r = drawn(default_rng(seed), d, leak=leak, slope=slope, bend=bend, size=size, share=share)
    assume(min((r.p / r.radius).min(), (r.q / r.radius).min()) > 1e-3)  # else they are not measured well
    each = [met(r, averaged(r, e), e) for e in r.e[:-1]]
    mu, leaks, nu, back = (np.array([m[name] for m in each]) for name in ("mu", "leak", "nu", "leak_back"))
    holds(r.p[1:], refresh_step(r.p[:-1], r.alpha, mu, leaks * r.q[:-1], r.slope_in, 0), r.radius.max())
    constants = {"mu": mu.min(), "leak": leaks.max(), "nu": nu.max(), "leak_back": back.max(), "rho": 0.0}
    slopes = {"slope_in": r.slope_in, "slope_out": r.slope_out}
    path = refresh_path(r.p[0], r.q[0], STEPS, alpha=r.alpha, **constants, **slopes)
    holds([r.p, r.q], path, r.radius.max())
    if mu.min() > 0:
        bound = (leaks * r.q[:-1]).max() + r.slope_in
        holds(r.p, refresh_closed(r.p[0], r.alpha, mu.min(), bound, r.t))


def step(delta: Array, h: Array, slope: Array, rho: float, alpha: float, along: complex = 1) -> Array:
    """e_1 for slope.e + e.He/2 - rho/6 Re(w (x + iy)^3), w such that the last term pulls along this axis at delta."""
    z = complex(*delta)
    w = np.conj(along * z**2) / abs(z) ** 2
    pull = np.conj(w * z**2)  # the gradient of Re(w z^3) / 3, of size |z|^2 as for every w of size 1
    return np.asarray(delta - alpha * (h @ delta + slope - rho / 2 * np.array([pull.real, pull.imag])))


@given(mu=SIZES, leak=SIZES, a=SIZES, rho=SIZES, x=SIZES, y=SIZES, share=SHARES)
def test_a_b_and_c_are_tight_in_one_step(
    mu: float, leak: float, a: float, rho: float, x: float, y: float, share: float
) -> None:
    alpha, delta, slope = share / mu, np.array([x, y]), np.array([-a, -3 * a])
    for bend in (-1, 0, 1):  # of the complement
        h = np.array([[mu, -leak], [-leak, bend * mu]])
        p, q = (step(delta, h, slope, rho, alpha, along)[i] for i, along in enumerate((1, 1j)))
        reached(p, float(refresh_step(x, alpha, mu, leak * y, a, gradient_remainder(rho, norm(delta)))))
        reached(p, float(refresh_closed(x, alpha, mu, floor(leak, y, a, rho, norm(delta)), 1)))
        constants = {"mu": mu, "leak": leak, "nu": factor(AXIS, h, alpha), "slope_in": a, "slope_out": 3 * a}
        p_most, q_most = refresh_path(x, y, 1, alpha=alpha, rho=rho, **constants)
        reached(p, p_most[1])
        reached(q, q_most[1])
        # The slower rate: c <= m p_0 with these.
        a2, leak2, rho2, y2 = 0.1 * mu * x, 0.2 * mu, 0.2 * mu / x, 0.5 * x
        h = np.array([[mu, -leak2], [-leak2, bend * mu]])
        rate, bound = mu - rho2 / 2 * x, floor(leak2, y2, a2, rho2, y2)
        assert bound <= rate * x
        p = step(np.array([x, y2]), h, np.array([-a2, 0]), rho2, alpha)[0]
        reached(p, float(refresh_closed(x, alpha, rate, bound, 1)))


@given(mu=SIZES, leak=SIZES, a=SIZES, share=SHARES, bend=st.floats(-1, 1), steps=st.integers(0, 8))
def test_b_c_and_d_are_tight_for_all_t(mu: float, leak: float, a: float, share: float, bend: float, steps: int) -> None:
    alpha, h = share / mu, np.array([[mu, -leak], [-leak, bend * mu]])
    path = descend(linear(h, -a, -2 * a), [1.0, 2.0], alpha, steps)
    constants = {"mu": mu, "leak": leak, "nu": factor(AXIS, h, alpha), "slope_in": a, "slope_out": 2 * a, "rho": 0.0}
    equal(path.T, refresh_path(1, 2, steps, alpha=alpha, **constants))  # (b)
    x = descend(lambda e: mu * e - a, 1.0, alpha, steps)[-1]
    reached(float(x), float(refresh_closed(1, alpha, mu, a, steps)))  # (c)
    values, vectors = np.linalg.eigh(h)
    p, q = np.abs(vectors[:, 0])
    last = descend(linear(h), [p, q], alpha, steps)[-1]
    reached(last[0], float(paper_contraction(p, alpha, mu - leak * q / p, steps)), rel=1e-7)  # (d)
    equal(values[0], mu - leak * q / p, rel=1e-7, scale=1e3 * mu)


@given(leak=SIZES, a=SIZES, rho=SIZES, x=SIZES, y=SIZES, share=SHARES, steps=st.integers(0, 30))
def test_c_is_tight_at_the_floor(
    leak: float, a: float, rho: float, x: float, y: float, share: float, steps: int
) -> None:
    delta = np.array([x, y])
    bound = float(floor(leak, y, a, rho, norm(delta)))
    mu, h_perp = bound / x, 1.0
    h, slope = np.array([[mu, -leak], [-leak, h_perp]]), np.array([-a, leak * x - h_perp * y])
    equal(step(delta, h, slope, rho, share / mu), delta)  # stationary, so that p_t = x
    reached(x, float(refresh_closed(x, share / mu, mu, bound, steps)))


@given(mu=SIZES, drift=SHARES, x=SIZES, q=SIZES, back=SIZES, nu=SIZES, share=SHARES)
def test_i_is_tight(mu: float, drift: float, x: float, q: float, back: float, nu: float, share: float) -> None:
    alpha, rho = share / mu, drift * mu / x
    moved = x - alpha * (mu * x - rho / 2 * x**2)
    reached(moved, float(refresh_step(x, alpha, mu - rho / 2 * x, 0, 0, 0)))
    h = np.array([[mu, -back, 0], [-back, 0, -nu / alpha], [0, -nu / alpha, 1 / alpha]])
    e = np.array([x, 0, q])
    p_most, q_most = refresh_path(
        x, q, 1, alpha=alpha, mu=mu, nu=nu, leak=0, slope_in=0, slope_out=0, rho=0, leak_back=back
    )
    last = e - alpha * h @ e
    equal(last, [p_most[1], q_most[1], 0], scale=10 * q)
    reached(last[1], q_most[1])


COUPLED = np.array([[1.0, -0.5], [-0.5, 1]])
INDEFINITE = np.array([[1.0, -0.3], [-0.3, 0]])


def test_a_and_the_papers_form_every_assumption_is_needed() -> None:
    def claimed(p: float, alpha: float = 0.5, mu: float = 1.0) -> float:
        return float(refresh_step(p, alpha, mu, 0, 0, 0))

    equal(claimed(1), paper_contraction(1, 0.5, 1, 1))
    violated(descend(linear(COUPLED), [0.0, 1.0], 0.5, 1)[1, 0], claimed(0), by=1e9)  # the leak
    violated(abs(0 - 0.5 * 0.1), claimed(0), by=1e9)  # the slope: x^2/2 + x/10
    violated(1 - 0.5 * (1 - 1 / 2), claimed(1), by=1.4)  # rho: x^2/2 - x^3/6
    violated(2 - 0.5 * (2 - 3), claimed(2), by=2.4)  # rho on the whole segment: x^2/2 - max(0, x - 1)^3
    violated(abs(1 - 0.19 * 10), claimed(1, alpha=0.19), by=1.1)  # the step: H = diag(1, 10), alpha > 2/11
    violated(1.0, claimed(1, mu=0.5), by=1.3)  # mu: a flat L


def test_b_what_makes_the_complement_grow_is_needed() -> None:
    def claimed(p: float, q: float, nu: float) -> float:
        constants = {"leak": 0.0, "slope_in": 0.0, "slope_out": 0.0, "rho": 0.0}
        return float(refresh_path(p, q, 1, alpha=0.5, mu=1.0, nu=nu, **constants)[1][1])

    violated(1 + 0.5, claimed(0, 1, nu=0.5), by=2.9)  # H = diag(1, -1) has nu = 3/2, not |1 - alpha|
    violated(0.5 * 0.5, claimed(1, 0, nu=0.5), by=1e9)  # H = [1, -.5; -.5, 1]
    violated(0.5, claimed(0, 0, nu=0.5), by=1e9)  # y^2/2 - y


def test_c_bounds_of_the_whole_path_are_needed() -> None:
    p = descend(linear(INDEFINITE), [1.0, 0.0], 0.5, 200)[-1, 0]
    equal(p, 245, rel=0.01)
    violated(p, float(refresh_closed(1, 0.5, 1, floor(0.3, 0, 0, 0, 1), 200)), by=1e6)


def test_c_a_convex_loss_a_minimum_and_short_steps_are_needed() -> None:
    def claimed(leak: float, delta: float, steps: int) -> float:
        return float(refresh_closed(0, 0.5, 1, floor(leak, delta, 0, 0, delta), steps))

    p = descend(linear(INDEFINITE), [0.0, 1.0], 0.5, 200)[-1, 0]
    violated(p, claimed(0.3, 1, 200), by=100)
    p = descend(linear(COUPLED, 0, -1), [0.0, 0.01], 0.5, 20)[-1, 0]
    violated(p, claimed(0.5, 0.01, 20), by=100)
    h = np.array([[1, -0.1], [-0.1, 10]])
    p = abs(descend(linear(h), [0.0, 1.0], 0.5, 9)[-1, 0])
    violated(p, claimed(0.1, 1, 9), by=1e4)


def test_c_a_floor_below_the_start_is_needed_for_the_slower_rate() -> None:
    x = float(descend(lambda e: e - 0.6 - e**2 / 2, 0.0, 0.5, 25)[-1])
    violated(x, float(refresh_closed(0, 0.5, 1, 0.6, 25)), by=2)


def test_d_the_relative_bound_is_needed_on_the_whole_path() -> None:
    x = float(descend(lambda e: e - 0.1, 1.0, 0.5, 30)[-1])
    violated(x, float(paper_contraction(1, 0.5, 1 - 0.1, 30)), by=1e6)


def test_i_the_average_is_needed() -> None:
    violated(1 - 0.4 * (1 - 1 / 2), float(refresh_step(1, 0.4, 1, 0, 0, 0)), by=1.3)
    violated(1 - 0.4 * (1 + 1 / 2), float(refresh_step(1, 0.4, 2, 0, 0, 0)), by=1.9)
