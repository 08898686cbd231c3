r"""T5, continued. The size of the leak, noise, the loss, and a refresh without a subspace (C9).

*In words:* the leak is nothing only for a subspace that the Hessian maps into itself; noise in the gradient adds a
floor of its own; and what happens to the error happens to the loss.

Here are (e) to (h). (a) to (d) and (i) are in [the first part](test_t05_refresh.py).

## Setting

$\theta_\star$ is A's checkpoint and $\delta$ all that later training added. $L$ is A's loss, $g$ and $H$ are its
gradient and Hessian at $\theta_\star$. The refresh is $\theta_{t+1} = \theta_t - \alpha\nabla L(\theta_t)$ from
$\theta_0 = \theta_\star + \delta$; $e_t = \theta_t - \theta_\star$.

$S$ is a subspace, $P$ the orthogonal projector onto it, $Q = I - P$, $p_t = \|Pe_t\|$ and $q_t = \|Qe_t\|$. On $S$,
$\mu \preceq H \preceq L_S$: $\mu\|x\|^2 \le x\cdot Hx \le L_S\|x\|^2$. In spectral norms, $\text{leak} = \|PHQ\|$ and
$h_\perp = \|QHQ\|$. $\mathbb E$ is a mean over noise, and $\operatorname{rms}(x) = \sqrt{\mathbb E\,\|x\|^2}$.

## Assumptions

- (f) and (g): $0 < \alpha \le 2 / (\mu + L_S)$, $\mu > 0$, and the Hessian of $L$ is $\rho$-Lipschitz on the segments
  from $\theta_\star$ to all $\theta_s$ that are met.
- (h): the gradient of $L$ is $l$-Lipschitz.

More is said where it is needed.

## Statement

**(e)** *The leak* is 0 if and only if $HS$ lies in $S$. If $0 < \alpha \le 2 / (\mu + L_S)$, only then the paper's
$p_t \le (1 - \alpha\mu)^tp_0$ is true of a quadratic with $g = 0$ for all $\delta$. If the largest principal angle
between $S$ and an $H$-invariant subspace of equal dimension is $\phi$,

$$
\text{leak} \le (\lambda_{\max} - \lambda_{\min})\,\min(\tfrac12, \sin\phi) ,
$$

$\lambda_{\max}$ and $\lambda_{\min}$ the extreme eigenvalues of $H$. If $H \succeq 0$,
$\text{leak}^2 \le \|PHP\|\,h_\perp$.

**(f)** *Noise.* Let $\theta_{t+1} = \theta_t - \alpha(\nabla L(\theta_t) + \xi_t)$, where given
$\theta_0, \dots, \theta_t$ the noise $\xi_t$ has mean 0 and $\mathbb E\,\|P\xi_t\|^2 \le v$. With
$p_t = \operatorname{rms}(Pe_t)$, $q_t = \operatorname{rms}(Qe_t)$ and $m_t = \sqrt{\mathbb E\,\|e_t\|^4}$,

$$
p_{t+1}^2
\le \Bigl((1 - \alpha\mu)p_t + \alpha\,\text{leak}\,q_t + \alpha\|Pg\| + \tfrac{\alpha\rho}2m_t\Bigr)^2 + \alpha^2v .
$$

Put $r = (1 - \alpha\mu)^t$ and $n^2 = \dfrac{\alpha v}{\mu(2 - \alpha\mu)}(1 - r^2)$. If $q_s \le q$ and $m_s \le m$
for all $s < t$,

$$
p_t \le rp_0 + \frac{1 - r}\mu\Bigl(\text{leak}\,q + \|Pg\| + \tfrac{\rho}{2}m\Bigr) + n .
$$

For a quadratic with $\text{leak} = 0$ and $Pg = 0$, $p_t^2 \le r^2p_0^2 + n^2$.

**(g)** *Loss.* If $p_t \le \bar p$ and $q_t \le \bar q$ (numbers that T5(b) gives), and
$\bar e^2 = \bar p^2 + \bar q^2$, then

$$
L(\theta_t) - L(\theta_\star)
\le \|g\|\bar e + \tfrac12L_S\bar p^2 + \text{leak}\,\bar p\bar q + \tfrac12h_\perp\bar q^2 + \tfrac{\rho}{6}\bar e^3 .
$$

For a quadratic with $g = 0$ and $\delta = \sum_i c_iv_i$ in the eigenvectors of $H$, at any $\alpha$,

$$
L(\theta_0) - L(\theta_t) = \tfrac12\sum_i \lambda_ic_i^2\bigl(1 - (1 - \alpha\lambda_i)^{2t}\bigr) .
$$

If $\text{leak} = 0$ and $\alpha H \preceq 2$, this is at least
$\tfrac12\bigl(1 - (1 - \alpha\mu)^{2t}\bigr)\,P\delta\cdot HP\delta$.

**(h)** *No subspace.* Let $G_t = L(\theta_t) - \inf L$, and $\tfrac12\|\nabla L(\theta_s)\|^2 \ge \mu G_s$ for all
$s < t$, $\mu > 0$. If $0 < \alpha < 2 / l$,

$$
G_t \le \bigl(1 - 2\alpha\mu(1 - \tfrac12\alpha l)\bigr)^t\,G_0 .
$$

If $\alpha \le 1 / l$, $G_t \le (1 - \alpha\mu)^tG_0$.

## Proof

**(e)** If $x$ is in $S$, $Hx$ is in $S$ if and only if $QHx = 0$; and $QHP$ is the transpose of $PHQ$. For a
quadratic with $g = 0$,

$$
Pe_{t+1} = P(I - \alpha H)Pe_t - \alpha PHQe_t ,
$$

and on $S$ the eigenvalues of $I - \alpha H$ lie between $1 - \alpha L_S \ge -(1 - \alpha\mu)$ and $1 - \alpha\mu$:
the paper's form, if $\text{leak} = 0$. Else take $\delta$ in the complement of $S$ with $PH\delta \ne 0$: $p_0 = 0$,
but $p_1 = \alpha\|PH\delta\| > 0$.

As $PQ = 0$, a multiple of $I$ may be subtracted from $H$, so that
$\|H\| = \tfrac12(\lambda_{\max} - \lambda_{\min}) =: w$; so $\text{leak} \le w$. Let $P'$ project onto the invariant
subspace. It commutes with $H$, so

$$
PHQ = PP'\,H\,P'Q + P(I - P')\,H\,(I - P')Q ,
$$

and $\|P'Q\| = \|P(I - P')\| = \sin\phi$ as the dimensions are equal; so $\text{leak} \le 2w\sin\phi$. For
$H \succeq 0$, $|x\cdot Hy|^2 \le (x\cdot Hx)(y\cdot Hy)$ (Cauchy and Schwarz); take $x$ in $S$ and $y$ in the
complement.

**(f)** $\nabla L(\theta_t) = g + He_t + r$ with $\|r\| \le \int_0^1 \rho s\|e_t\|^2\,ds$. So
$Pe_{t+1} = x - \alpha P\xi_t$, where $x$, known at $t$, has norm at most

$$
(1 - \alpha\mu)\|Pe_t\| + \alpha\,\text{leak}\,\|Qe_t\| + \alpha\|Pg\| + \tfrac{\alpha\rho}2\|e_t\|^2 .
$$

As $\mathbb E\,x\cdot P\xi_t = 0$, $p_{t+1}^2 = \operatorname{rms}(x)^2 + \alpha^2\,\mathbb E\,\|P\xi_t\|^2$; and
$\operatorname{rms}$ obeys the triangle inequality (Minkowski).

For the second claim let $c = \text{leak}\,q + \|Pg\| + \tfrac{\rho}{2}m$, $a_0 = p_0$, $b_0 = 0$ and

$$
a_{s+1} = (1 - \alpha\mu)a_s + \alpha c , \qquad b_{s+1}^2 = (1 - \alpha\mu)^2b_s^2 + \alpha^2v :
$$

geometric sums, whose ends are the terms of the claim, $b_t = n$. If $p_s \le a_s + b_s$, then

$$
p_{s+1}^2 \le \bigl(a_{s+1} + (1 - \alpha\mu)b_s\bigr)^2 + \alpha^2v \le (a_{s+1} + b_{s+1})^2 ,
$$

as $(1 - \alpha\mu)b_s \le b_{s+1}$. In the last case the first claim is
$p_{t+1}^2 \le (1 - \alpha\mu)^2p_t^2 + \alpha^2v$: another geometric sum.

**(g)** With $e = e_t$, $L(\theta_t) - L(\theta_\star) \le g\cdot e + \tfrac12\,e\cdot He + \tfrac{\rho}{6}\|e\|^3$
(Taylor's formula), $e\cdot He \le L_Sp_t^2 + 2\,\text{leak}\,p_tq_t + h_\perp q_t^2$, and all of it grows with $p_t$
and $q_t$. For a quadratic $c_i$ becomes $(1 - \alpha\lambda_i)^tc_i$. If $\text{leak} = 0$, the eigenvectors can be
chosen in $S$ and in its complement only. In $S$, $\lambda_i > 0$ and $|1 - \alpha\lambda_i| \le 1 - \alpha\mu$.
Elsewhere $|1 - \alpha\lambda_i|$ is at most 1 if $\lambda_i \ge 0$, and more if not: the term is not negative either
way.

**(h)** For an $l$-Lipschitz gradient

$$
L(x - \alpha\nabla L(x)) \le L(x) - \alpha(1 - \tfrac12\alpha l)\,\|\nabla L(x)\|^2 ,
$$

as the slope of $L$ on the way is at most that at $x$ plus $l$ times the distance gone. So
$G_{t+1} \le G_t - 2\alpha(1 - \tfrac12\alpha l)\mu G_t$. The last claim: $1 - \tfrac12\alpha l \ge \tfrac12$. ∎

## Tight

- (e) Lines in the plane: at 45 degrees, at small angles, and $H$ of rank one.
- (f) One step: $H = [\mu, -\text{leak}; -\text{leak}, h]$ with a slope and
  $\tfrac{\rho}{6}\operatorname{Re}\bigl(w(x + iy)^3\bigr)$, $w$ such that all pull one way, and noise $\pm\xi$. A
  slope alone, noise alone: the second claim. $H = \mu P$: the last.
- (g) $H = [L_S, \text{leak}; \text{leak}, h]$, a slope along $e$ and $\tfrac{\rho}{6}\|x\|^3$. The second line is
  exact; for the third, $H = \mu P$.
- (h) $\tfrac l2x^2$ for all $t$ and $\alpha$; for $\mu < l$ a slope that one step of $1 / l$ follows to a ledge above
  the minimum.

## Needed

- (e) Equal dimension: the plane holds every line. $H \succeq 0$: $[1, -0.3; -0.3, 0]$.
- (f) Mean 0 given the past, not only on average: the same sign for ever. $v$ for every step. The mean of $\|e\|^4$:
  rare large noise. In the last form $\text{leak} = 0$, $Pg = 0$ and a quadratic: without any noise they fail.
- (g) Each term. $\text{leak} = 0$: $H = [1, -1; -1, 1]$, $\delta = (1, 1)$. $\alpha H \preceq 2$:
  $\operatorname{diag}(1, 10)$, $\alpha = \tfrac12$.
- (h) A gradient that dominates: the top of a hill stays where it is. $\alpha$: $\operatorname{diag}(1, 0.1)$ from
  $(1, 0)$. A Lipschitz gradient: $|x|^{3/2}$.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from theory.instances import (
    DIMENSIONS,
    SEEDS,
    Accept,
    Split,
    equal,
    holds,
    norm,
    orthogonal,
    quadratic,
    reached,
    scales,
    subspace,
    symmetric,
    unit,
    violated,
)
from theory.test_t05_refresh import (
    AXIS,
    BENDS,
    INDEFINITE,
    LEAKS,
    SHARES,
    SIZES,
    SLOPES,
    STEPS,
    Refresh,
    coupled,
    descend,
    drawn,
    linear,
    step,
)
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.refresh import (
    gradient_dominated,
    leak_of_angle,
    leak_of_blocks,
    least_recovered,
    noisy_closed,
    noisy_contraction,
    noisy_step,
    paper_contraction,
    recovered_loss,
    refreshed_loss,
    smooth_descent,
)
from toymdrl.bounds.taylor import gradient_remainder

# (e)


@given(seed=SEEDS, d=DIMENSIONS, tilt=scales(1e-4, 10), share=SHARES)
def test_e_holds(seed: int, d: int, tilt: float, share: float) -> None:
    generator = default_rng(seed)
    v, values, k = orthogonal(generator, d), generator.uniform(0.1, 2, d), int(generator.integers(1, d))
    h, there = v * values @ v.T, quadratic(v * values @ v.T)
    basis = np.linalg.qr(v[:, :k] + tilt * generator.standard_normal((d, k)), mode="complete")[0]
    split, invariant = Split(basis[:, :k], basis[:, k:]), Split(v[:, :k], v[:, k:])
    angle = np.arcsin(min(1.0, norm(v[:, k:].T @ split.inside, 2)))
    inside, leak, h_perp = split.blocks(h)
    holds(leak, leak_of_angle(np.ptp(values), angle))
    holds(leak, leak_of_blocks(inside, h_perp))
    # The paper's form is true if S is invariant, and else not for this delta.
    r = Refresh(there, np.zeros(d), invariant, unit(generator, d), share * 2 / sum(invariant.curvature(h)))
    holds([r.leak, *r.p], [0.0, *paper_contraction(r.p[0], r.alpha, r.mu, r.t)], r.radius.max())
    outside = split.outside @ np.linalg.svd(split.inside.T @ h @ split.outside)[2][0]
    r = Refresh(there, np.zeros(d), split, outside, share * 2 / sum(split.curvature(h)))
    equal(r.p[1], r.alpha * leak, rel=1e-6)
    violated(r.p[1], float(paper_contraction(r.p[0], r.alpha, r.mu, 1)), by=1e3)


@given(spread=SIZES, phi=scales(1e-5, 1e-4), a=SIZES, b=SIZES)
def test_e_is_tight(spread: float, phi: float, a: float, b: float) -> None:
    for angle in (phi, np.pi / 4):
        x, y = np.cos(angle), np.sin(angle)
        rotated = Split(np.array([[x], [y]]), np.array([[-y], [x]]))
        _, leak, _ = rotated.blocks(np.diag([spread, 0.0]))
        reached(leak, float(leak_of_angle(spread, angle)), rel=1e-7)
    inside, leak, h_perp = AXIS.blocks(np.outer([a, b], [a, b]))
    reached(leak, float(leak_of_blocks(inside, h_perp)))


def test_e_equal_dimensions_and_a_positive_hessian_are_needed() -> None:
    rotated = Split(np.array([[1.0], [1]]) / np.sqrt(2), np.array([[-1.0], [1]]) / np.sqrt(2))
    violated(rotated.blocks(np.diag([1.0, 0]))[1], float(leak_of_angle(1, 0)), by=1e9)  # in the plane: angle 0
    inside, leak, h_perp = AXIS.blocks(INDEFINITE)
    violated(leak, float(leak_of_blocks(inside, h_perp)), by=1e9)


# (f)


def noisy(
    gradient: Callable[[Array], Array], start: Array, alpha: float, noise: Callable[[], Array], steps: int = STEPS
) -> Iterator[tuple[Array, Array]]:
    """All paths, each step's noise being +- what `noise` draws, another one on every path: e_t, (2^t, d), and noise."""
    now = np.array([start])
    for _ in range(steps):
        xi = np.array([noise() for _ in now])
        yield now, xi
        moved = now - alpha * np.array([gradient(e) for e in now])
        now = np.concatenate([moved - alpha * xi, moved + alpha * xi])
    yield now, np.zeros_like(now)


def rms(x: Array) -> float:
    """Root mean square of the norms of the rows."""
    return float(np.sqrt(np.mean(np.sum(x**2, axis=-1))))


@given(seed=SEEDS, d=DIMENSIONS, leak=LEAKS, slope=SLOPES, bend=BENDS, size=SIZES, share=SHARES, noise=scales(1e-2, 1))
def test_f_holds(
    seed: int, d: int, leak: float, slope: float, bend: float, size: float, share: float, noise: float
) -> None:
    generator = default_rng(seed)
    r = drawn(generator, d, leak=leak, slope=slope, bend=bend, size=size, share=share)

    def drawn_noise() -> Array:
        return noise * generator.uniform() * unit(generator, d)

    errors, noises = zip(*noisy(lambda e: r.there.gradient(r.star + e), r.e[0], r.alpha, drawn_noise), strict=True)
    p, q = np.array([[rms(e @ basis) for e in errors] for basis in (r.split.inside, r.split.outside)])
    radius = np.array([np.mean(np.sum(e**2, axis=1) ** 2) ** 0.25 for e in errors])  # the root of m_t
    variance = max(np.sum((xi @ r.split.inside) ** 2, axis=1).max() for xi in noises)
    remainder = gradient_remainder(r.rho, radius[:-1])
    holds(p[1:], noisy_step(p[:-1], r.alpha, r.mu, r.leak * q[:-1], r.slope_in, remainder, variance))
    most = r.floor(np.maximum.accumulate(q[:-1]), np.maximum.accumulate(radius[:-1]))
    holds(p, noisy_closed(p[0], r.alpha, r.mu, np.append(0, most), variance, r.t))


@given(seed=SEEDS, d=DIMENSIONS, slope=SLOPES, share=SHARES, noise=scales(1e-2, 10))
def test_f_holds_for_an_invariant_subspace(seed: int, d: int, slope: float, share: float, noise: float) -> None:
    generator = default_rng(seed)
    k = int(generator.integers(1, d))
    split, inside = subspace(generator, d, k), generator.uniform(0.2, 2, k)
    h = coupled(generator, split, inside, generator.uniform(-0.3, 1, d - k), 0.0)
    g, alpha = slope * split.q @ unit(generator, d), share * 2 / (inside.min() + inside.max())
    paths = noisy(linear(h, *g), unit(generator, d), alpha, lambda: noise * unit(generator, d))
    errors, noises = zip(*paths, strict=True)
    variance = max(np.sum((xi @ split.inside) ** 2, axis=1).max() for xi in noises)
    p = [rms(e @ split.inside) for e in errors]
    holds(p, noisy_contraction(p[0], alpha, inside.min(), variance, np.arange(STEPS + 1)))


@given(mu=SIZES, leak=SIZES, a=SIZES, rho=SIZES, x=SIZES, y=SIZES, share=SHARES, noise=SIZES)
def test_f_one_step_is_tight(
    mu: float, leak: float, a: float, rho: float, x: float, y: float, share: float, noise: float
) -> None:
    delta, alpha = np.array([x, y]), share / mu
    moved = step(delta, np.array([[mu, -leak], [-leak, 1]]), np.array([-a, 0]), rho, alpha)[0]
    drift = gradient_remainder(rho, norm(delta))
    bound = noisy_step(x, alpha, mu, leak * y, a, drift, noise**2)
    reached(rms(np.array([[moved - alpha * noise], [moved + alpha * noise]])), float(bound))


@given(mu=SIZES, x=SIZES, a=SIZES, share=SHARES, noise=SIZES, steps=st.integers(1, 6))
def test_f_is_tight_for_all_t(mu: float, x: float, a: float, share: float, noise: float, steps: int) -> None:
    alpha = share / mu

    def root(start: float, slope: float, noise: float) -> float:
        gradient, xi = linear(np.array([[mu]]), slope), np.array([noise])
        return rms(list(noisy(gradient, np.array([start]), alpha, lambda: xi, steps))[-1][0])

    reached(root(x, 0, noise), float(noisy_contraction(x, alpha, mu, noise**2, steps)))
    reached(root(0, 0, noise), float(noisy_closed(0, alpha, mu, 0, noise**2, steps)))
    reached(root(x, -a, 0), float(noisy_closed(x, alpha, mu, a, 0, steps)))


def test_f_a_mean_of_zero_given_the_past_and_its_variance_are_needed() -> None:
    leaning = descend(lambda e: e + 1, 0.0, 0.1, 60)[-1]  # or - 1 for ever: the mean of the two is 0
    for bound in (noisy_contraction(0, 0.1, 1, 1, 60), noisy_closed(0, 0.1, 1, 0, 1, 60)):
        violated(abs(float(leaning)), float(bound), by=4)
    second = noisy_step(0.1, 0.1, 1, 0, 0, 0, 1)  # after noise of 1, noise of 10
    violated(float(np.hypot(0.9 * 0.1, 0.1 * 10)), float(second), by=5)


def test_f_the_fourth_moment_is_needed() -> None:
    e, weights = np.array([10, -10 / 99]), np.array([0.01, 0.99])  # mean 0
    then = e - (e - e**2 / 2)  # x^2/2 - x^3/6, alpha = 1
    p, then_p = (float(np.sqrt(weights @ x**2)) for x in (e, then))
    m = float(np.sqrt(weights @ e**4))
    violated(then_p, float(noisy_step(p, 1, 1, 0, 0, p**2 / 2, 0)), by=9)
    reached(then_p, float(noisy_step(p, 1, 1, 0, 0, m / 2, 0)))


def test_f_an_invariant_subspace_no_slope_and_a_quadratic_are_needed() -> None:
    def claimed(p: float) -> float:
        return float(noisy_contraction(p, 0.5, 1, 0, 1))

    violated(0.5 * 0.5, claimed(0), by=1e9)  # H = [1, -.5; -.5, 1] from (0, 1)
    violated(0.5 * 0.1, claimed(0), by=1e9)  # x^2/2 + x/10 from 0
    violated(1 - 0.5 * (1 - 1 / 2), claimed(1), by=1.4)  # x^2/2 - x^3/6 from 1


# (g)


@given(seed=SEEDS, d=DIMENSIONS, leak=LEAKS, slope=SLOPES, bend=BENDS, size=SIZES, share=SHARES)
def test_g_holds(seed: int, d: int, leak: float, slope: float, bend: float, size: float, share: float) -> None:
    r = drawn(default_rng(seed), d, leak=leak, slope=slope, bend=bend, size=size, share=share)
    losses = np.array([r.there(r.star + e) for e in r.e])
    constants = {"eps_g": norm(r.g), "upper": r.upper, "leak": r.leak, "h_perp": r.h_perp, "rho": r.rho}
    for p, q in ((r.p, r.q), r.comparison()):
        holds(losses - r.there(r.star), refreshed_loss(p, q, **constants), np.abs(losses).max())


@given(seed=SEEDS, d=DIMENSIONS, leak=LEAKS, steps=st.integers(0, 9), alpha=st.floats(0.05, 1.5))
def test_g_the_recovered_loss_is_exact(seed: int, d: int, leak: float, steps: int, alpha: float) -> None:
    generator = default_rng(seed)
    h, delta = symmetric(generator, generator.uniform(-0.3, 2, d)), unit(generator, d)
    last = descend(linear(h), delta, alpha, steps)[-1]
    values, vectors = np.linalg.eigh(h)
    recovered = (delta @ h @ delta - last @ h @ last) / 2
    equal(recovered_loss(values, vectors.T @ delta, alpha, steps), recovered, scale=100 * last @ last)


def test_g_the_least_recovered_loss_holds(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 5))
        k = int(generator.integers(1, d))
        split = subspace(generator, d, k)
        inside, outside = generator.uniform(0.2, 2, k), generator.uniform(-1, 4, d - k)
        alpha = generator.uniform(0.05, 2) / (inside.min() + inside.max())
        if accept.met(alpha * outside.max() <= 2):
            h, delta = coupled(generator, split, inside, outside, 0.0), unit(generator, d)
            last = descend(linear(h), delta, alpha, STEPS)[-1]
            within = split.p @ delta
            bound = least_recovered(within @ h @ within / 2, alpha, inside.min(), STEPS)
            holds(bound, (delta @ h @ delta - last @ h @ last) / 2)


@given(eps=SIZES, upper=SIZES, leak=SIZES, h_perp=SIZES, rho=SIZES, p=SIZES, q=SIZES)
def test_g_is_tight(eps: float, upper: float, leak: float, h_perp: float, rho: float, p: float, q: float) -> None:
    h, e = np.array([[upper, leak], [leak, h_perp]]), np.array([p, q])
    value = eps * norm(e) + e @ h @ e / 2 + rho / 6 * norm(e) ** 3
    constants = {"eps_g": eps, "upper": upper, "leak": leak, "h_perp": h_perp, "rho": rho}
    reached(float(value), float(refreshed_loss(p, q, **constants)))


@given(mu=SIZES, x=SIZES, share=SHARES, steps=st.integers(1, 9))
def test_g_the_least_recovered_loss_is_tight(mu: float, x: float, share: float, steps: int) -> None:
    inside, last = mu / 2 * x**2, float(descend(lambda e: mu * e, x, share / mu, steps)[-1])
    reached(inside - mu / 2 * last**2, float(least_recovered(inside, share / mu, mu, steps)))


def test_g_every_term_and_assumption_is_needed() -> None:
    zero = dict.fromkeys(("eps_g", "upper", "leak", "h_perp", "rho"), 0.0)
    for name, value in {"eps_g": 2**0.5, "upper": 0.5, "leak": 1.0, "h_perp": 0.5, "rho": 2**1.5 / 6}.items():
        reached(value, float(refreshed_loss(1, 1, **zero | {name: 1.0})))  # at (1, 1), each term alone
        violated(value, float(refreshed_loss(1, 1, **zero)), by=1e9)
    least = float(least_recovered(0.5, 0.5, 1, 4))
    for h in ([[1, -1], [-1, 1]], [[1, 0], [0, 10]]):  # leak = 0; alpha H <= 2
        values, vectors = np.linalg.eigh(h)
        assert recovered_loss(values, vectors.T @ np.ones(2), 0.5, 4) <= least - 0.49


# (h)


def slope_of(w: Array, b: float, y: Array) -> Array:
    """The gradient of sum_i w_i (y_i^2 + b sin(y_i)^2), which is not convex if b > 1; at most 2 + 2 b steep a w_i."""
    return np.asarray(w * (2 * y + b * np.sin(2 * y)))


def test_h_holds(accept: Accept) -> None:
    for generator in accept:
        d, b = int(generator.integers(2, 6)), generator.uniform(0, 8)
        w, x = 10 ** generator.uniform(-1, 1, d), 3 * generator.standard_normal(d)
        w[0], smooth = 0, w.max() * (2 + 2 * b)  # a flat direction, so that the minimum is no point
        share = generator.uniform(0.05, 1.95)
        y = descend(partial(slope_of, w, b), x, share / smooth, STEPS)
        gaps = (y**2 + b * np.sin(y) ** 2) @ w
        slopes = np.array([norm(slope_of(w, b, each)) for each in y])
        mu = (slopes**2 / 2 / gaps)[:-1].min()
        if accept.met(mu > 1e-3 * smooth):
            t = np.arange(STEPS + 1)
            holds(gaps, smooth_descent(gaps[0], share / smooth, mu, smooth, t), gaps[0])
            if share <= 1:
                holds(gaps, gradient_dominated(gaps[0], share / smooth, mu, t), gaps[0])


@given(steep=SIZES, x=SIZES, share=st.floats(0.05, 0.95), steps=st.integers(0, 9), width=SIZES)
def test_h_is_tight(steep: float, x: float, share: float, steps: int, width: float) -> None:
    for alpha in (share / steep, (2 - share) / steep):
        last = float(descend(lambda e: steep * e, x, alpha, steps)[-1])
        reached(steep / 2 * last**2, float(smooth_descent(steep / 2 * x**2, alpha, steep, steep, steps)))
    # steep x^2/2 if x >= 0; it goes on down as -steep x^2/2 to -width, and up again: the minimum is -steep width^2.
    before, after = steep / 2 * x**2 + steep * width**2, steep * width**2
    mu = (steep * x) ** 2 / 2 / before
    reached(after, float(gradient_dominated(before, 1 / steep, mu, 1)), rel=1e-7)
    reached(after, float(smooth_descent(before, 1 / steep, mu, steep, 1)), rel=1e-7)


def test_h_a_gradient_that_dominates_is_needed() -> None:
    for bound in (gradient_dominated(1, 0.5, 0.5, 20), smooth_descent(1, 0.5, 0.5, 1, 20)):
        violated(1.0, float(bound), by=100)  # the ledge of the last test, at 0


def test_h_short_steps_are_needed() -> None:
    violated((1 - 1.95) ** 2 / 2, float(gradient_dominated(1 / 2, 1.95, 0.1, 1)), by=1.1)
    violated((1 - 2.1) ** 2 / 2, float(smooth_descent(1 / 2, 2.1, 0.1, 1, 1)), by=1.1)


def test_h_a_lipschitz_gradient_is_needed() -> None:
    x, mu = 1e-4, 9 / 8  # (3/2)^2 |x| / 2 >= mu |x|^(3/2) up to 1
    after = abs(x - 0.1 * 1.5 * x**0.5) ** 1.5
    violated(after, float(gradient_dominated(x**1.5, 0.1, mu, 1)), by=50)
    violated(after, float(smooth_descent(x**1.5, 0.1, mu, 10, 1)), by=50)
