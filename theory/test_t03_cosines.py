r"""T3. What a cosine of gradients says about damage, and what it hides (C2).

*In words:* the angle between two domains' gradients bounds no damage. What reveals it is the gradient after the
damage.

## Setting

$L_A$ and $L_B$ are two domains' losses, $g_A$ and $g_B$ their gradients at $\theta_\star$, and
$\varepsilon = \|g_A\|$. A step of length $t$ on B is $\delta = -t\,g_B / \|g_B\|$. It does A the damage
$D = L_A(\theta_\star + \delta) - L_A(\theta_\star)$.

In (b) and (c), $x$ and $y$ are any vectors that are not 0, $S$ is a subspace of $k < d$ dimensions, $P$ the
orthogonal projector onto it and $Q = I - P$. The shares of $x$ and $y$ in $S$ are $a = \|Px\| / \|x\|$ and
$b = \|Py\| / \|y\|$. ${\cos_S} = \cos(Px, Py)$ and ${\cos_Q} = \cos(Qx, Qy)$, where a cosine with 0 may be any
number.

In (d), $\delta$ is any update, $g$ and $g_0$ are the gradients of $L_A$ at $\theta_\star$ and at
$\theta_\star + \delta$, $H$ is its Hessian at $\theta_\star$ and $D_2 = \tfrac12\,\delta\cdot H\delta$.

## Assumptions

- (a): $\delta\cdot H'\delta \le h\|\delta\|^2$ for the Hessian $H'$ of $L_A$ anywhere on the step.
- (c): $Qy / \|Qy\|$ is uniform on the unit sphere of the complement, which has $n = d - k \ge 1$ dimensions. $Px$,
  $Qx$, $Py$ and $\|Qy\|$ are fixed.
- (d), first line: the Hessian of $L_A$ is $\rho$-Lipschitz on the segment. Second line: $L_A$ is quadratic, $g = 0$,
  $H = PHP$, $P\delta$ is not 0, and $\mu\|x\|^2 \le x\cdot Hx \le L_S\|x\|^2$ for $x$ in $S$, with $\mu > 0$.

## Statement

**(a)** If $\cos(g_A, g_B) = -c$, then

$$
D \le \tfrac h2t^2 + c\,\varepsilon t .
$$

In every $d \ge 2$, for every $c$ in $[-1, 1]$ and all $\varepsilon, h, t > 0$, there are $L_A$ and $L_B$ that reach
it. So no function of the cosine, of $\varepsilon$ and of $t$ bounds damage: orthogonal gradients ($c = 0$) allow
$\tfrac h2t^2$ with any $h$, and parallel ones ($c = -1$) harm each other too once $t > 2\varepsilon / h$.

**(b)** *Dilution.* A cosine is made of one inside $S$ and one outside,

$$
\cos(x, y) = ab{\cos_S} + \sqrt{(1 - a^2)(1 - b^2)}\,{\cos_Q} ,
$$

so

$$
|\cos(x, y) - ab{\cos_S}| \le \sqrt{(1 - a^2)(1 - b^2)} .
$$

If $Qx$ and $Qy$ are orthogonal, $|\cos(x, y)| \le ab$. For $k$ coordinates and vectors of constant magnitude, $ab$ is
$k / d$ if both have all $d$ coordinates, and $\sqrt{k / d}$ if one has those $k$ alone.

**(c)** *Chance.* $\cos(x, y) - ab{\cos_S}$ has mean 0 and mean square $(1 - a^2)(1 - b^2) / n$, and for
$0 \le \tau < 1$

$$
\Pr(|{\cos_Q}| > \tau) \le (1 - \tau^2)^{(n - 1)/2} \le e^{-(n - 1)\tau^2/2} .
$$

With $k = 0$: the root mean square of $\cos(x, y)$ is $d^{-1/2}$.

**(d)** What does reveal damage is the gradient after it:

$$
|g_0\cdot\delta - g\cdot\delta - 2D_2| \le \tfrac{\rho}{2}\|\delta\|^3 ,
$$

$$
\cos(g_0, \delta) \ge \frac{\|P\delta\|}{\|\delta\|}\,\frac{2\sqrt{\mu L_S}}{\mu + L_S} .
$$

## Proof

**(a)** By Taylor's formula, with the Hessian at $\theta_\star + s\delta$,

$$
D = g_A\cdot\delta + \int_0^1 (1 - s)\,\delta\cdot H'(\theta_\star + s\delta)\,\delta\,ds .
$$

The integral is at most $\tfrac h2t^2$, and $g_A\cdot\delta = -t\,\|g_A\|\cos(g_A, g_B) = c\,\varepsilon t$. It is
reached by

$$
L_A = \varepsilon\bigl(c\,x_1 + \sqrt{1 - c^2}\,x_2\bigr) + \tfrac h2x_1^2 , \qquad L_B = -x_1 :
$$

the step is $t$ along $x_1$, and $D = \tfrac h2t^2 + c\,\varepsilon t$.

**(b)** $P$ is orthogonal, so the product splits:

$$
x\cdot y = Px\cdot Py + Qx\cdot Qy = \|Px\|\,\|Py\|{\cos_S} + \|Qx\|\,\|Qy\|\cos_Q .
$$

Divide by $\|x\|\,\|y\|$, and use $\|Qx\|^2 = \|x\|^2 - \|Px\|^2$. The inequalities are $|{\cos_Q}| \le 1$; then
${\cos_Q} = 0$ and $|{\cos_S}| \le 1$. The shares: $k$ of $d$ equal squares are $k / d$ of their sum.

**(c)** Let $u$ be the unit vector along $Qx$ and $v$ the random one along $Qy$, in coordinates of the complement:
${\cos_Q} = u\cdot v$. Mirroring a coordinate or swapping two leaves the distribution of $v$ as it is. So
$\mathbb E\,v_i = 0$, $\mathbb E\,v_iv_j = 0$ for $i \ne j$, and the $\mathbb E\,v_i^2$ are equal, with sum 1. Thus
$\mathbb E\,u\cdot v = 0$ and $\mathbb E\,(u\cdot v)^2 = \sum_i u_i^2 / n = 1 / n$; now use (b).

For the tail let $n \ge 2$, as for $n = 1$ it says $\Pr \le 1$. On the unit sphere one coordinate has a density
proportional to $(1 - r^2)^{(n - 3)/2}$. Put $r^2 = \tau^2 + (1 - \tau^2)w^2$, for which
$1 - r^2 = (1 - \tau^2)(1 - w^2)$ and $dr = (1 - \tau^2)\tfrac wr\,dw$:

$$
\int_\tau^1 (1 - r^2)^{\frac{n - 3}2}dr
= (1 - \tau^2)^{\frac{n - 1}2}\int_0^1 (1 - w^2)^{\frac{n - 3}2}\,\tfrac wr\,dw .
$$

As $w \le r$, the last integral is at most its value for $\tau = 0$, where $w = r$ and the probability is 1. Finally
$1 - z \le e^{-z}$.

**(d)** Integrate the gradient's derivative along the step:

$$
g_0\cdot\delta - g\cdot\delta - \delta\cdot H\delta
= \int_0^1 \delta\cdot\bigl(H(\theta_\star + s\delta) - H\bigr)\delta\,ds ,
$$

of size at most $\rho\|\delta\|^3 \int_0^1 s\,ds$.

For the second line put $x = P\delta$. Then $g_0 = H\delta = Hx$, and $g_0\cdot\delta = x\cdot Hx$ as $Hx$ is in $S$.
On $S$ every eigenvalue $\lambda$ of $H$ has $(\lambda - \mu)(L_S - \lambda) \ge 0$, so
$x\cdot(H - \mu)(L_S - H)x \ge 0$, that is

$$
(\mu + L_S)\,x\cdot Hx \ge \|Hx\|^2 + \mu L_S\|x\|^2 \ge 2\sqrt{\mu L_S}\,\|Hx\|\,\|x\| ,
$$

where the last step is $r^2 + s^2 \ge 2rs$. Divide by $(\mu + L_S)\,\|Hx\|\,\|\delta\|$. ∎

## Tight

- (a) The losses of the proof.
- (b) Complement parts that are parallel, of either sign; in the orthogonal case parallel parts in $S$.
- (c) The variance is exact. The tail is reached at $\tau = 0$ and for $n = 1$, and its power of $1 - \tau^2$ as
  $\tau \to 1$.
- (d) $\tfrac{\rho}{6}x^3$; $H = \operatorname{diag}(\mu, L_S)$ and $\delta$ in $S$ along $(\sqrt{L_S}, \sqrt\mu)$.

## Needed

- (a) A bound of the curvature. A step along $-g_B$: Adam's first is along $-\operatorname{sign}(g_B)$, which has a
  slope on A though $g_A$ and $g_B$ are orthogonal.
- (b) Control of the complement: $x = (1, 3)$ and $y = (-1, 3)$ have ${\cos_S} = -1$ but $\cos = 0.8$, the other sign.
  $Qx$ and $Qy$ orthogonal: the same. An orthogonal projector: $[1, 1; 0, 0]$.
- (c) A uniform direction: $Qy$ along $Qx$; along one of $n$ axes. Independence: $y = x$, both uniform.
- (d) First line: the slope $g$, $-x$; a Lipschitz Hessian, $|x|^{5/2}$, on the whole segment, $\max(0, x - 1)^3$.
- (d) Second line: $\mu > 0$, $\operatorname{diag}(1, -2)$; no leak, $[1, 1; 1, 1]$; a flat complement,
  $\operatorname{diag}(1, 100)$; $g = 0$, $-x + \tfrac12x^2$; a quadratic, $\tfrac12x^2 - x^3$.

## Note

Let two gradients of constant magnitude be opposed on $k$ of $d$ coordinates and independent elsewhere. Their cosine
is $-k / d$ up to chance of about $d^{-1/2}$: a conflict on fewer than $\sqrt d$ coordinates cannot be seen in it.
"""

import numpy as np
import pytest
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
    log_uniform,
    loss,
    norm,
    orthogonal,
    quadratic,
    reached,
    scales,
    subspace,
    unit,
    violated,
)
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.cosines import (
    chance_cosine,
    chance_tail,
    damage_at_cosine,
    diluted_cosine,
    dilution,
    dilution_variance,
    revealed_cosine,
    revealed_slope_remainder,
)

STEPS = scales(1e-2, 5.0)
SIZES = scales(0.1, 10.0)
SHARES = st.floats(0.05, 0.95)
COSINES = st.floats(-1.0, 1.0)
DRAWS = 40_000
AXIS = Split(np.eye(2)[:, :1], np.eye(2)[:, 1:])
"""The first axis of the plane."""


def cosine(x: Array, y: Array) -> float:
    """cos(x, y)."""
    return float(x @ y) / (norm(x) * norm(y))


def parts(s: Split, x: Array, y: Array) -> tuple[float, float, float, float]:
    """a, b, cos_S, cos_Q."""
    (px, qx), (py, qy) = s.norms(x), s.norms(y)
    inside, outside = (s.inside.T @ x) @ (s.inside.T @ y), (s.outside.T @ x) @ (s.outside.T @ y)
    return px / norm(x), py / norm(y), float(inside) / (px * py), float(outside) / (qx * qy)


def tail(tau: float, n: int) -> float:
    """How likely |v_1| > tau is for v uniform on the unit sphere of n dimensions: v_1 = cos(angle)."""
    if n == 1:
        return 1.0
    nodes, weights = np.polynomial.legendre.leggauss(64)
    within, half = (end / 2 * weights @ np.sin(end / 2 * (nodes + 1)) ** (n - 2) for end in (np.arccos(tau), np.pi / 2))
    return float(within / half)


@given(seed=SEEDS, d=DIMENSIONS, t=STEPS, bend=scales(1e-2, 3.0))
def test_a_holds(seed: int, d: int, t: float, bend: float) -> None:
    generator = default_rng(seed)
    ours, theirs = (loss(generator, d, bend=bend, cubic=False) for _ in range(2))
    star = generator.standard_normal(d)
    one, other = ours.gradient(star), theirs.gradient(star)
    after = star - t * other / norm(other)
    most = damage_at_cosine(-cosine(one, other), norm(one), ours.smooth, t)
    holds(ours(after) - ours(star), most, abs(ours(star)) + abs(ours(after)))


@given(seed=SEEDS, d=DIMENSIONS, c=COSINES, eps=scales(1e-6, 1e-1), h=scales(1, 100), t=scales(0.5, 5))
def test_a_is_tight_at_every_cosine(seed: int, d: int, c: float, eps: float, h: float, t: float) -> None:
    along, across = orthogonal(default_rng(seed), d).T[:2]
    ours = quadratic(h * np.outer(along, along), eps * (c * along + np.sqrt(1 - c**2) * across))
    one, other = ours.gradient(np.zeros(d)), -along
    equal([norm(one), cosine(one, other)], [eps, -c], scale=1e3)
    reached(ours(-t * other), float(damage_at_cosine(c, eps, h, t)))


@given(seed=SEEDS, d=DIMENSIONS, one=scales(1e-2, 1e2), other=scales(1e-2, 1e2))
def test_b_is_exact_and_its_range_holds(seed: int, d: int, one: float, other: float) -> None:
    generator = default_rng(seed)
    s, (x, y) = subspace(generator, d, int(generator.integers(1, d))), generator.standard_normal((2, d))
    x, y = s.p @ x + one * s.q @ x, s.p @ y + other * s.q @ y
    a, b, inside, outside = parts(s, x, y)
    equal(cosine(x, y), diluted_cosine(a, b, inside, outside))
    low, high = dilution(a, b, inside)
    holds([float(low), cosine(x, y)], [cosine(x, y), float(high)])


@given(seed=SEEDS, a=SHARES, b=SHARES)
def test_b_is_tight_for_parallel_complements(seed: int, a: float, b: float) -> None:
    generator = default_rng(seed)
    s, u, v = subspace(generator, 4, 2), unit(generator, 2), unit(generator, 2)
    rest = s.outside @ unit(generator, 2)
    x, y = a * s.inside @ u + np.sqrt(1 - a**2) * rest, b * s.inside @ v
    low, high = dilution(a, b, u @ v)
    reached(cosine(x, y + np.sqrt(1 - b**2) * rest), float(high))
    reached(float(low), cosine(x, y - np.sqrt(1 - b**2) * rest))


@given(seed=SEEDS, d=st.integers(3, 8), a=SHARES, b=SHARES)
def test_b_with_orthogonal_complements_holds_and_is_tight(seed: int, d: int, a: float, b: float) -> None:
    generator = default_rng(seed)
    s, u = subspace(generator, d, d - 2), unit(generator, d - 2)
    most = float(diluted_cosine(a, b, 1, 0))
    x = a * s.inside @ u + np.sqrt(1 - a**2) * s.outside[:, 0]
    rest = np.sqrt(1 - b**2) * s.outside[:, 1]
    holds(abs(cosine(x, b * s.inside @ unit(generator, d - 2) + rest)), most)
    reached(cosine(x, b * s.inside @ u + rest), most)


@given(seed=SEEDS, d=DIMENSIONS, size=SIZES)
def test_b_is_known_for_constant_magnitudes(seed: int, d: int, size: float) -> None:
    generator = default_rng(seed)
    k = int(generator.integers(1, d))
    s = Split(np.eye(d)[:, :k], np.eye(d)[:, k:])
    x, y = size * generator.choice([-1.0, 1.0], (2, d))
    a, b = s.norms(x)[0] / norm(x), s.norms(y)[0] / norm(y)
    equal(diluted_cosine(a, b, 1, 0), k / d)
    equal(diluted_cosine(a, 1, 1, 0), np.sqrt(k / d))


@given(seed=SEEDS, d=DIMENSIONS, a=SHARES, b=SHARES)
def test_c_the_variance_is_exact(seed: int, d: int, a: float, b: float) -> None:
    generator = default_rng(seed)
    k = int(generator.integers(1, d))
    s, n = subspace(generator, d, k), d - k
    u, v = unit(generator, k), unit(generator, k)
    x = a * s.inside @ u + np.sqrt(1 - a**2) * s.outside @ unit(generator, n)
    # The axes of a basis, both ways, have the mean and the second moments of all directions alike.
    axes = np.concatenate([basis := orthogonal(generator, n), -basis])
    excess = np.array([cosine(x, b * s.inside @ v + np.sqrt(1 - b**2) * s.outside @ each) for each in axes])
    excess -= diluted_cosine(a, b, u @ v, 0)
    equal(np.mean(excess), 0)
    equal(np.mean(excess**2), dilution_variance(a, b, n))
    whole = [cosine(x, each) for each in orthogonal(generator, d)]
    equal(np.sqrt(np.mean(np.square(whole))), chance_cosine(d))


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_c_holds_for_drawn_directions(n: int) -> None:
    generator = default_rng(n)
    draws = generator.standard_normal((DRAWS, n))
    found = draws @ unit(generator, n) / np.linalg.norm(draws, axis=1)
    for values, expected in ((found, 0.0), (found**2, float(dilution_variance(0, 0, n)))):
        assert abs(np.mean(values) - expected) <= 5 * np.std(values) / np.sqrt(DRAWS) + 1e-12
    for tau in (0.1, 0.5, 0.9):
        share, exact = float(np.mean(np.abs(found) > tau)), tail(tau, n)
        error = 5 * np.sqrt(exact * (1 - exact) / DRAWS) + 1e-12
        assert abs(share - exact) <= error
        assert share <= chance_tail(tau, n) + error


@given(tau=st.floats(0, 0.999), n=st.integers(1, 60))
def test_c_the_tail_holds(tau: float, n: int) -> None:
    holds(tail(tau, n), chance_tail(tau, n))


@given(tau=st.floats(0, 0.999), n=st.integers(1, 60))
def test_c_the_tail_is_tight(tau: float, n: int) -> None:
    reached(tail(0, n), float(chance_tail(0, n)))
    reached(tail(tau, 1), float(chance_tail(tau, 1)))
    ends = np.sqrt([1 - 1e-6, 1 - 1e-8])
    power, known = (np.log(each[0] / each[1]) for each in ([tail(x, n) for x in ends], chance_tail(ends, n)))
    equal(power, known, rel=1e-5)


@given(seed=SEEDS, d=DIMENSIONS, step=STEPS, bend=scales(1e-2, 3.0))
def test_d_the_slope_afterwards_holds(seed: int, d: int, step: float, bend: float) -> None:
    generator = default_rng(seed)
    there, star, delta = loss(generator, d, bend=bend), generator.standard_normal(d), step * unit(generator, d)
    before, after = float(there.gradient(star) @ delta), float(there.gradient(star + delta) @ delta)
    twice = float(delta @ there.hessian(star) @ delta)
    scale = abs(before) + abs(after) + abs(twice)
    holds(abs(after - before - twice), revealed_slope_remainder(there.rho, step), scale)


@given(rho=SIZES, x=STEPS)
def test_d_the_slope_afterwards_is_tight(rho: float, x: float) -> None:
    reached(rho / 2 * x**2 * x, float(revealed_slope_remainder(rho, x)))


def test_d_the_cosine_holds(accept: Accept) -> None:
    for generator in accept:
        d = int(generator.integers(2, 7))
        k = int(generator.integers(1, d))
        s, values = subspace(generator, d, k), 10 ** generator.uniform(-2, 1, k) - 0.02
        if accept.met(values.min() > 0):
            h, delta = s.inside * values @ s.inside.T, generator.standard_normal(d)
            delta = s.p @ delta + log_uniform(generator, 1e-2, 1e2) * s.q @ delta
            share = s.norms(delta)[0] / norm(delta)
            holds(revealed_cosine(share, values.min(), values.max()), cosine(h @ delta, delta))


@given(seed=SEEDS, mu=SIZES, more=SIZES, share=SHARES)
def test_d_the_cosine_is_tight(seed: int, mu: float, more: float, share: float) -> None:
    s, upper = subspace(default_rng(seed), 3, 2), mu + more
    h = s.inside * [mu, upper] @ s.inside.T
    within = s.inside @ np.sqrt([upper, mu]) / np.sqrt(mu + upper)
    delta = share * within + np.sqrt(1 - share**2) * s.outside[:, 0]
    reached(float(revealed_cosine(share, mu, upper)), cosine(h @ delta, delta))


@given(c=COSINES, eps=scales(1e-6, 1e-1))
def test_a_a_bound_of_the_curvature_is_needed(c: float, eps: float) -> None:
    ours = quadratic(np.diag([1e3, 0]), eps * np.array([c, np.sqrt(1 - c**2)]))
    violated(ours(np.array([1.0, 0])), float(damage_at_cosine(c, eps, 1, 1)), by=500)


def test_a_a_step_along_the_gradient_is_needed() -> None:
    one, other = np.array([-0.01, 1.0]), np.array([-1, -0.01])
    delta = -np.sign(other) / np.sqrt(2)
    equal([cosine(one, other), norm(delta)], [0, 1])
    violated(float(one @ delta), 0.7 + float(damage_at_cosine(0, norm(one), 0, 1)), by=1)


def test_b_control_of_the_complement_is_needed() -> None:
    x, y = np.array([1.0, 3]), np.array([-1.0, 3])
    a, b, inside, _ = parts(AXIS, x, y)
    equal([inside, cosine(x, y)], [-1, 0.8])
    violated(abs(cosine(x, y) - float(diluted_cosine(a, b, inside, 0))), 0.0, by=10)
    violated(abs(cosine(x, y)), float(diluted_cosine(a, b, 1, 0)), by=7.9)  # Qx, Qy not orthogonal


def test_b_an_orthogonal_projector_is_needed() -> None:
    p, (x, y) = np.array([[1.0, 1], [0, 0]]), np.eye(2)
    low, _ = dilution(norm(p @ x), norm(p @ y), cosine(p @ x, p @ y))
    violated(float(low), cosine(x, y), by=10)


def test_c_a_uniform_direction_and_independence_are_needed() -> None:
    n = 5
    same = unit(default_rng(0), n)  # fixed, or uniform but the same for both
    violated(cosine(same, same) ** 2, float(dilution_variance(0, 0, n)), by=4.9)
    violated(cosine(same, same), chance_cosine(n), by=2)
    violated(1.0, float(chance_tail(0.9, n)), by=20)
    violated(1 / n, float(chance_tail(0.9, n)), by=5)  # y along one of n axes, one of which is x's


def test_d_the_slope_before_is_needed() -> None:
    violated(1.0, float(revealed_slope_remainder(0, 1)), by=10)  # -x: g0.delta = -1, D2 = 0


def test_d_a_lipschitz_hessian_is_needed_on_the_whole_segment() -> None:
    for rho in (1.0, 10.0, 100.0):
        x = 0.1 / rho**2
        violated(2 / 3 * x**2.5, float(revealed_slope_remainder(rho, x)), by=4)
    violated(3 * (2 - 1) ** 2 * 2, float(revealed_slope_remainder(0, 2)), by=10)  # max(0, x - 1)^3


def test_d_curvature_on_s_and_nothing_else_is_needed() -> None:
    def claimed(delta: Array, upper: float = 1) -> float:
        return float(revealed_cosine(AXIS.norms(delta)[0] / norm(delta), 1, upper))

    saddle, delta = np.diag([1.0, -2]), np.ones(2)  # S is the plane
    assert cosine(saddle @ delta, delta) < -0.3 < 0.9 < revealed_cosine(1, 1, 2)
    leak, delta = np.ones((2, 2)), np.array([1, -0.9])
    violated(claimed(delta), cosine(leak @ delta, delta), by=14)
    bent, delta = np.diag([1.0, 100]), np.array([1, 0.1])
    violated(claimed(delta), cosine(bent @ delta, delta), by=5)


def test_d_a_stationary_start_and_a_quadratic_are_needed() -> None:
    one = np.ones(1)
    for slope in (-1 + 0.5, 1 - 3.0):  # -x + x^2/2 at 1/2, x^2/2 - x^3 at 1
        assert cosine(slope * one, one) == -1
    equal(revealed_cosine(1, 1, 1), 1)
