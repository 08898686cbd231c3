r"""T16. Drift and diffusion: how much of the damage is noise (C1, C7; the placebo; ours)

*In words:* a later training's update is random, and what its scatter costs an earlier domain comes on top of what its
mean costs. Averaging copies lowers the one and leaves the other; rewards that say nothing leave the scatter alone.

## Setting

$L_A$ has gradient $g$ and Hessian $H$ at $\theta_\star$. Later training adds a random update $\delta$ (its prompts and
samples are random) with mean $m$ and covariance $C$; $D = L_A(\theta_\star + \delta) - L_A(\theta_\star)$. *Drift* is
$g\cdot m + \tfrac12m\cdot Hm$, *diffusion* is $\tfrac12\operatorname{tr}(HC)$.

In (d), B's training is $u_{t+1} = u_t - \eta_tM(g_B + H_Bu_t + \xi_t)$ from $u_0 = 0$, with a symmetric positive
definite $M$ and noise $\xi_t$ of mean 0 and covariance $\Sigma$; $\delta$ is $u$ after the last step.

## Assumptions

- (a): the Hessian of $L_A$ is $\rho$-Lipschitz, and $\mathbb E\,\|\delta\|^3 < \infty$.
- (b), (c): $\delta_1, \dots, \delta_R$ are independent copies of $\delta$.
- (d): the $\xi_t$ are uncorrelated in time, and $M$ does not depend on them. For the bounds,
  $0 \preceq \eta_tM^{1/2}H_BM^{1/2} \preceq I$.
- (e): given the answers, every order of the advantages is equally likely.
- (f): $H \succeq 0$, not 0.

## Statement

**(a)** $|\mathbb E D - \text{drift} - \text{diffusion}| \le \tfrac\rho6\,\mathbb E\,\|\delta\|^3$.

**(b)** *Averages.* The mean of $K$ copies has the same drift and $1/K$ of the diffusion. If $H \succeq 0$, and $L_A$ is
quadratic, the mean of any updates costs A no more than they do on average, whatever they are.

**(c)** *From copies.* With $f_{ij} = \delta_i\cdot H\delta_j$,

$$
U = \frac1{2R(R - 1)}\sum_{i \ne j}f_{ij} , \qquad V = \frac1{2R}\sum_if_{ii} - U
$$

have the means $\tfrac12m\cdot Hm$ and $\tfrac12\operatorname{tr}(HC)$, for any $H$ and any $\delta$ with second
moments, and

$$
\operatorname{Var}U = \frac{m\cdot HCHm}R + \frac{\operatorname{tr}(HCHC)}{2R(R - 1)} .
$$

**(d)** *In time.* One step takes $(m, C)$ to $(Km - \eta Mg_B,\ KCK^\top + \eta^2M\Sigma M^\top)$, $K = I - \eta MH_B$,
exactly. If $H_B = 0$, second-order drift is proportional to $(\sum_t\eta_t)^2$ and diffusion to $\sum_t\eta_t^2$: to
stretch a probe like its drift overestimates its noise. With B's curvature both are held back,

$$
\text{diffusion} \le \tfrac12\max(\lambda, 0)\operatorname{tr}(M\Sigma)\sum_t\eta_t^2
$$

and

$$
\|m\|_{M^{-1}} \le \min\Bigl(\|g_B\|_M\sum_t\eta_t,\ \|u_\star\|_{M^{-1}}\Bigr) ,
$$

$\lambda$ the largest eigenvalue of $M^{1/2}HM^{1/2}$, and $u_\star$ any solution of $H_Bu_\star = -g_B$.

**(e)** *Rewards that say nothing.* A group of $G$ answers with scores $s_i = \nabla\log\pi(a_i\mid x)$ has the gradient
$\hat g = \tfrac1G\sum_iA_is_i$. If its advantages are a random order of fixed numbers with mean 0 and mean square $v$,
then, given the answers,

$$
\mathbb E\,\hat g = 0 , \qquad \operatorname{Cov}\hat g = \frac vG\hat S , \qquad
\hat S = \frac1{G - 1}\sum_i(s_i - \bar s)(s_i - \bar s)^\top .
$$

Over answers the mean of $\hat S$ is the prompt's Fisher matrix. So a fixed-$M$ stage on such rewards, where $H_B = 0$,
has no drift, and a diffusion that its answers' scores decide, in A's curvature.

**(f)** *Alignment.* The diffusion is $a$ times that of isotropic noise of as much trace,

$$
a = \frac{d\operatorname{tr}(HC)}{\operatorname{tr}H\operatorname{tr}C}
\le \frac{d\,\lambda_{\max}(H)}{\operatorname{tr}H} .
$$

**(g)** *Batches.* In (d), $k$ times as many independent prompts a step make $\Sigma$, and with it the diffusion, $k$
times as small. A step that does not change when its gradient is scaled (its sign; Adam with $\epsilon \to 0$) makes
noise alone as large as ever, where the mean gradient is 0 and its distribution keeps its shape.

## Proof

**(a)** T1(a) for every $\delta$, and $\mathbb E\,\delta\cdot H\delta = m\cdot Hm + \operatorname{tr}(HC)$.

**(b)** The covariance of a mean of $K$ copies is $C/K$. A quadratic with $H \succeq 0$ is convex: Jensen.

**(c)** For $i \ne j$ independence gives $\mathbb E f_{ij} = m\cdot Hm$; $\mathbb E f_{ii}$ is as in (a). Two pairs
without a common member are uncorrelated. With one, $\operatorname{Cov}(f_{ij}, f_{ik}) = \operatorname{Var}(\delta_i
\cdot Hm) = m\cdot HCHm = q$; a pair with itself, $\mathbb E f_{ij}^2 - (m\cdot Hm)^2 = \operatorname{tr}(HCHC) + 2q$,
as $\mathbb E\,\delta\delta^\top = C + mm^\top$. An ordered sum over pairs counts each pair twice, and each has
$2(R - 2)$ neighbours: $\operatorname{Var}U = \frac{1}{4R^2(R-1)^2}\bigl(2R(R-1)(t + 2q) + 4R(R-1)(R-2)q\bigr)$ with
$t = \operatorname{tr}(HCHC)$, which is the right side.

**(d)** $u_t$ and $\xi_t$ are uncorrelated. If $H_B = 0$, $m = -\sum\eta_tMg_B$ and
$C = \sum\eta_t^2M\Sigma M^\top$. Put $w = M^{-1/2}u$: a step is $w - \eta(M^{1/2}H_BM^{1/2})w - \eta M^{1/2}g_B$ and
noise, and $I - \eta M^{1/2}H_BM^{1/2}$ lies between 0 and $I$. So each step's noise, once added, does not grow:
$\operatorname{tr}(M^{-1}C) \le \operatorname{tr}(M\Sigma)\sum\eta_t^2$; and $\operatorname{tr}(HC) =
\operatorname{tr}(M^{1/2}HM^{1/2}\,M^{-1/2}CM^{-1/2}) \le \lambda\operatorname{tr}(M^{-1}C)$. The mean of $w$ grows by
$\eta_t\|g_B\|_M$ at most. And with $w_\star = M^{-1/2}u_\star$, a fixed point, $w_t = (I - \Pi)w_\star$, $\Pi$ a
product of commuting matrices between 0 and $I$.

**(e)** $\mathbb E A_iA_j = -v/(G - 1)$ for $i \ne j$, as the numbers sum to 0. Expand
$\tfrac1{G^2}\sum_{ij}\mathbb E[A_iA_j]s_is_j^\top$. Scores have mean 0 over answers.

**(f)** $\operatorname{tr}(HC) \le \lambda_{\max}(H)\operatorname{tr}C$.

**(g)** The covariance of a mean. ∎

## Tight

- (a) Quadratics, and $\tfrac\rho6|x|^3$.
- (c) Exact.
- (d) $H_B = 0$ and noise along the top eigenvector of $M^{1/2}HM^{1/2}$: diffusion reaches its bound; $H_B = 0$ or a
  long training in one direction: so does the mean.
- (e) Exact given the answers.
- (f) $C$ on the top eigenvector.

## Needed

- Independent copies, in (c): copies of one random stream report no diffusion.
- $H \succeq 0$, in (b): on a saddle an average can lose what scatter gained.
- Noise uncorrelated in time, in (d): the same noise in every step grows like drift.
- $M$ that does not depend on the noise, in (d) and (g): steps of one sign have a scatter that no batch lowers.
- $0 \preceq \eta M^{1/2}H_BM^{1/2} \preceq I$: a concave B blows noise up.
- Advantages independent of the scores, in (e): true rewards have drift.
"""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng

from theory.instances import (
    DIMENSIONS,
    SEEDS,
    equal,
    holds,
    log_uniform,
    norm,
    orthogonal,
    reached,
    scales,
    symmetric,
    violated,
)
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.diffusion import (
    alignment,
    diffusion,
    drift,
    moments,
    most_diffusion,
    most_drift,
    shuffled_noise,
    split,
    split_error,
    split_variance,
    stretch,
)


def lottery(generator: Generator, d: int, outcomes: int) -> tuple[Array, Array, Array, Array]:
    """A random vector of few outcomes: (outcomes, d), their probabilities, its mean and its covariance."""
    values, chances = generator.standard_normal((outcomes, d)), generator.dirichlet(np.ones(outcomes))
    mean = chances @ values
    return values, chances, mean, (values - mean).T * chances @ (values - mean)


def root(matrix: Array) -> Array:
    """The symmetric square root of a positive definite matrix."""
    values, basis = np.linalg.eigh(matrix)
    return basis * np.sqrt(values) @ basis.T


@given(seed=SEEDS, d=DIMENSIONS, size=scales(1e-2, 5), rho=st.floats(0.1, 3))
def test_a_holds(seed: int, d: int, size: float, rho: float) -> None:
    generator = default_rng(seed)
    values, chances, mean, covariance = lottery(generator, d, 6)
    values, mean, covariance = size * values, size * mean, size**2 * covariance
    g, h = generator.standard_normal(d), symmetric(generator, generator.uniform(-2, 2, d))
    # A quadratic and |n.x|^3 rho / 6 for a unit n: its Hessian is rho-Lipschitz.
    n = orthogonal(generator, d)[0]
    damage = values @ g + np.einsum("ki,ij,kj->k", values, h, values) / 2 + rho / 6 * np.abs(values @ n) ** 3
    told = drift(g, h, mean) + diffusion(h, covariance)
    cubes = chances @ np.linalg.norm(values, axis=1) ** 3
    holds(abs(chances @ damage - told), float(split_error(rho, cubes)), scale=float(np.abs(damage).max()))


@given(size=scales(1e-2, 5), rho=st.floats(0.1, 3), chance=st.floats(0.05, 0.95))
def test_a_is_tight_for_a_cube(size: float, rho: float, chance: float) -> None:
    # Two outcomes of one sign, in one dimension, and nothing but the cube.
    x = np.array([size, 2 * size])
    chances = np.array([chance, 1 - chance])
    damage = chances @ (rho / 6 * x**3)
    reached(float(damage), float(split_error(rho, chances @ x**3)))


@given(seed=SEEDS, d=DIMENSIONS, copies=st.integers(1, 4))
def test_b_an_average_keeps_the_drift_and_a_part_of_the_diffusion(seed: int, d: int, copies: int) -> None:
    generator = default_rng(seed)
    values, chances, mean, covariance = lottery(generator, d, 3)
    g, h = generator.standard_normal(d), symmetric(generator, generator.uniform(-2, 2, d))
    # Every combination of outcomes of the copies.
    draws = np.stack(np.meshgrid(*[np.arange(3)] * copies, indexing="ij"), axis=-1).reshape(-1, copies)
    average, chance = values[draws].mean(axis=1), chances[draws].prod(axis=1)
    damage = average @ g + np.einsum("ki,ij,kj->k", average, h, average) / 2
    equal(chance @ damage, drift(g, h, mean) + diffusion(h, covariance, copies), scale=100)


@given(seed=SEEDS, d=DIMENSIONS, count=st.integers(1, 6))
def test_b_an_average_never_costs_more_in_a_bowl(seed: int, d: int, count: int) -> None:
    generator = default_rng(seed)
    updates, g = generator.standard_cauchy((count, d)), generator.standard_normal(d)
    h = symmetric(generator, generator.uniform(0, 2, d))
    damage = updates @ g + np.einsum("ki,ij,kj->k", updates, h, updates) / 2
    mean = updates.mean(axis=0)
    holds(drift(g, h, mean), float(damage.mean()), scale=float(np.abs(damage).max()))


@given(seed=SEEDS, d=st.integers(1, 4), copies=st.integers(2, 4))
def test_c_is_unbiased_with_the_variance_that_is_said(seed: int, d: int, copies: int) -> None:
    generator = default_rng(seed)
    values, chances, mean, covariance = lottery(generator, d, 3)
    h = symmetric(generator, generator.uniform(-2, 2, d))
    forms = values @ h @ values.T
    draws = np.stack(np.meshgrid(*[np.arange(3)] * copies, indexing="ij"), axis=-1).reshape(-1, copies)
    chance = chances[draws].prod(axis=1)
    found = np.array([split(forms[np.ix_(each, each)]) for each in draws])
    equal(chance @ found[:, 0], mean @ h @ mean / 2, scale=100)
    equal(chance @ found[:, 1], diffusion(h, covariance), scale=100)
    variance = chance @ (found[:, 0] - chance @ found[:, 0]) ** 2
    slope, spread = mean @ h @ covariance @ h @ mean, np.trace(h @ covariance @ h @ covariance)
    equal(variance, split_variance(slope, spread, copies), rel=1e-7, scale=1e3)


def test_c_takes_two_copies() -> None:
    with pytest.raises(ValueError, match="two independent updates"):
        split([[1.0]])


@given(seed=SEEDS, d=st.integers(1, 3), steps=st.integers(1, 3))
def test_d_is_exact(seed: int, d: int, steps: int) -> None:
    generator = default_rng(seed)
    m, h_b = symmetric(generator, generator.uniform(0.2, 2, d)), symmetric(generator, generator.uniform(-1, 2, d))
    g_b, rates = generator.standard_normal(d), generator.uniform(0.05, 0.5, steps)
    values, chances, middle, noise = lottery(generator, d, 3)
    values = values - middle
    # Every sequence of outcomes of the noise.
    draws = np.stack(np.meshgrid(*[np.arange(3)] * steps, indexing="ij"), axis=-1).reshape(-1, steps)
    chance, u = chances[draws].prod(axis=1), np.zeros((len(draws), d))
    for step, rate in enumerate(rates):
        u = u - rate * (g_b + u @ h_b + values[draws[:, step]]) @ m
    mean, covariance = moments(rates, m, g_b, h_b, noise)
    equal(mean, chance @ u, scale=100)
    equal(covariance, (u - mean).T * chance @ (u - mean), scale=100)


@given(seed=SEEDS, d=DIMENSIONS, probe=st.integers(1, 9), steps=st.integers(1, 60))
def test_d_without_curvature_drift_and_noise_stretch_differently(seed: int, d: int, probe: int, steps: int) -> None:
    generator = default_rng(seed)
    m, sigma = (symmetric(generator, generator.uniform(0.2, 2, d)) for _ in range(2))
    h, g_b = symmetric(generator, generator.uniform(0, 2, d)), generator.standard_normal(d)
    long, short = np.linspace(1, 0.1, steps), np.full(probe, 0.7)
    (far, wide), (near, narrow) = (moments(rates, m, g_b, np.zeros((d, d)), sigma) for rates in (long, short))
    of_drift, of_noise = stretch(long, short)
    equal(far @ h @ far, of_drift * near @ h @ near)
    equal(diffusion(h, wide), of_noise * diffusion(h, narrow))


@given(seed=SEEDS, d=DIMENSIONS, steps=st.integers(1, 40), flat=st.booleans())
def test_d_bs_curvature_holds_both_back(seed: int, d: int, steps: int, flat: bool) -> None:
    generator = default_rng(seed)
    m = symmetric(generator, generator.uniform(0.2, 2, d))
    half = root(m)
    bent = generator.uniform(0, 1, d)
    bent[0] = 0 if flat else bent[0]
    h_b = np.linalg.inv(half) @ symmetric(generator, bent) @ np.linalg.inv(half)
    u_star = generator.standard_normal(d)
    g_b, sigma = -h_b @ u_star, symmetric(generator, generator.uniform(0, 2, d))
    h, rates = symmetric(generator, generator.uniform(-2, 2, d)), generator.uniform(0.05, 1, steps)
    mean, covariance = moments(rates, m, g_b, h_b, sigma)
    sharpest = np.linalg.eigvalsh(half @ h @ half)[-1]
    holds(diffusion(h, covariance), float(most_diffusion(sharpest, rates, np.trace(m @ sigma))), scale=100)
    slope, away = norm(half @ g_b), norm(np.linalg.inv(half) @ u_star)
    holds(norm(np.linalg.inv(half) @ mean), float(most_drift(rates, slope, away)), scale=100)


@given(seed=SEEDS, d=DIMENSIONS, steps=st.integers(1, 40))
def test_d_is_tight_without_curvature_of_b(seed: int, d: int, steps: int) -> None:
    generator = default_rng(seed)
    m, h = symmetric(generator, generator.uniform(0.2, 2, d)), symmetric(generator, generator.uniform(0.1, 2, d))
    half, rates, flat = root(m), generator.uniform(0.05, 1, steps), np.zeros((d, d))
    values, basis = np.linalg.eigh(half @ h @ half)
    along = np.linalg.inv(half) @ basis[:, -1]
    g_b = generator.standard_normal(d)
    mean, covariance = moments(rates, m, g_b, flat, np.outer(along, along))
    reached(diffusion(h, covariance), float(most_diffusion(values[-1], rates, along @ m @ along)))
    reached(norm(np.linalg.inv(half) @ mean), float(most_drift(rates, norm(half @ g_b), np.inf)))


def test_d_is_tight_for_a_long_training() -> None:
    mean, _ = moments([0.5] * 100, [[1.0]], [-2.0], [[1.0]], [[0.0]])
    reached(float(mean[0]), float(most_drift([0.5] * 100, 2.0, 2.0)))


@given(seed=SEEDS, d=DIMENSIONS, group=st.integers(2, 5))
def test_e_is_exact_over_all_orders(seed: int, d: int, group: int) -> None:
    generator = default_rng(seed)
    scores, advantages = generator.standard_normal((group, d)), generator.standard_normal(group)
    advantages -= advantages.mean()
    gradients = np.array([order @ scores / group for order in permutations(advantages)])
    equal(gradients.mean(axis=0), np.zeros(d), scale=100)
    told = shuffled_noise(scores, float(np.mean(advantages**2)))
    equal(gradients.T @ gradients / len(gradients), told, scale=100)


@given(seed=SEEDS, actions=st.integers(2, 5))
def test_e_over_answers_it_is_the_fisher_matrix(seed: int, actions: int) -> None:
    """All groups of two answers of a softmax, exactly."""
    generator = default_rng(seed)
    chances = generator.dirichlet(np.ones(actions))
    scores = np.eye(actions) - chances
    total = np.zeros((actions, actions))
    for one in range(actions):
        for two in range(actions):
            total += chances[one] * chances[two] * shuffled_noise(scores[[one, two]], 1.0)
    equal(total, (scores.T * chances @ scores) / 2, scale=100)


@given(seed=SEEDS, d=DIMENSIONS)
def test_f_isotropic_noise_is_the_unit_and_the_top_eigenvector_the_most(seed: int, d: int) -> None:
    generator = default_rng(seed)
    values = generator.uniform(0.1, 2, d)
    h = symmetric(generator, values)
    most = d * values.max() / values.sum()
    equal(alignment(h, log_uniform(generator, 1e-3, 1e3) * np.eye(d)), 1.0)
    holds(alignment(h, symmetric(generator, generator.uniform(0, 2, d))), most)
    top = np.linalg.eigh(h)[1][:, -1]
    reached(alignment(h, np.outer(top, top)), float(most))


@given(seed=SEEDS, d=DIMENSIONS, larger=st.integers(2, 16))
def test_g_a_larger_batch_lowers_the_diffusion(seed: int, d: int, larger: int) -> None:
    generator = default_rng(seed)
    m, sigma = (symmetric(generator, generator.uniform(0.2, 2, d)) for _ in range(2))
    h, h_b = (symmetric(generator, generator.uniform(0, 0.5, d)) for _ in range(2))
    _, small = moments([0.3] * 7, m, np.ones(d), h_b, sigma)
    _, large = moments([0.3] * 7, m, np.ones(d), h_b, sigma / larger)
    equal(diffusion(h, large), diffusion(h, small) / larger)


def test_b_needs_a_bowl() -> None:
    # A saddle: scatter along its second axis gains, and the mean of (0, 1) and (0, -1) does not.
    h = np.diag([1.0, -2.0])
    assert drift([0, 0], h, [0, 0]) > np.mean([drift([0, 0], h, [0, y]) for y in (1, -1)])
    assert diffusion(h, np.eye(2)) < 0


def test_c_needs_independent_copies() -> None:
    # Two copies of one stream: all is called drift, although the mean update is nothing.
    forms = np.ones((2, 2))
    assert split(forms) == (0.5, 0.0)


def test_d_needs_noise_that_forgets() -> None:
    # One draw of +1 or -1, the same in each of ten steps: its scatter is a hundred times one step's, not ten times.
    noise, u = np.array([1.0, -1.0]), np.zeros(2)
    for _ in range(10):
        u = u - noise
    _, told = moments([1.0] * 10, [[1.0]], [0.0], [[0.0]], [[1.0]])
    violated(float(np.mean(u**2)), float(told[0, 0]), by=10)


def test_d_needs_a_bs_bowl() -> None:
    # On a hill of B noise grows: with H_B = -1 and rate 1, fourfold in variance a step.
    _, covariance = moments([1.0] * 10, [[1.0]], [0.0], [[-1.0]], [[1.0]])
    assert diffusion([[1.0]], covariance) > 1e4 * float(most_diffusion(1.0, [1.0] * 10, 1.0))


def test_g_needs_steps_that_shrink_with_the_noise() -> None:
    # Steps of one sign: the mean of k draws of +1 or -1, k odd, has a sign of variance 1, whatever k is.
    for batch in (1, 3, 9):
        sums = np.array([0])
        for _ in range(batch):
            sums = np.concatenate([sums + 1, sums - 1])
        assert np.mean(np.sign(sums)) == 0
        assert np.mean(np.sign(sums) ** 2) == 1
        equal(np.mean((sums / batch) ** 2), 1 / batch)


def test_e_needs_advantages_that_are_independent_of_the_scores() -> None:
    # Reward for the answer whose score is 1: its gradient has a mean.
    scores, advantages = np.array([[1.0], [-1.0]]), np.array([0.5, -0.5])
    assert float((advantages @ scores / 2)[0]) > 0
