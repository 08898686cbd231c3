r"""T11. What is special about policies: damage as a divergence, Fisher information, sampling noise (C7; C9 for $\mu$).

*In words:* for a policy that is the best under a KL penalty, damage is exactly a KL divergence, and the Fisher matrix
is the curvature. Without the penalty the expected reward still moves by no more than the root of half the divergence,
times the rewards' range.

## Setting

A policy $\pi$ gives each of the $n$ answers to a prompt a probability, a softmax of logits $f(\theta)$. A whole
answer is one action, $r$ its reward, $J = \mathbb E\,r$ the expected reward, $A = r - \mathbb E\,r$ the advantage.
$s = \nabla\log\pi$ is the score and $F = \mathbb E[ss^{\mathsf T}]$ the Fisher matrix, both with respect to $\theta$,
or to the logits where $z$ stands: $z = f(\theta + \delta) - f(\theta)$ is a change of the logits. There
$F = \operatorname{diag}(\pi) - \pi\pi^{\mathsf T}$, so $z\cdot Fz = \operatorname{Var}_\pi(z)$. Over several prompts
all of this is averaged.

$\mathrm{KL}(p\,\|\,q) = \sum p\log(p / q)$. The policy is *tabular* if $\theta$ is the logits, *log-linear* if $f$ is
linear in $\theta$. The loss is $L_A = -J + \beta\,\mathrm{KL}(\pi\,\|\,\pi_{\text{ref}})$ with a fixed policy
$\pi_{\text{ref}}$ where it is regularised, $L_A = -J$ where it is not. $D$, $g$ and $H$ are as in
[T1](test_t01_taylor.py).

## Statement

**(a)** Let $\pi_\star$ be the policy at $\theta_\star$. If it is $\pi_{\text{ref}}\,e^{r/\beta}$, normalised, for
every prompt, then for any parametrisation and any $\delta$

$$
D = \beta\,\mathrm{KL}(\pi_{\theta_\star + \delta}\,\|\,\pi_\star) .
$$

So $g = 0$, $H = \beta F \succeq 0$, and [T5](test_t05_refresh.py)'s $\mu$ is
$\beta\,\lambda_{\min}(PFP \text{ on } S)$.

**(b)** For a softmax, with $F$ at the old logits,

$$
\bigl|\mathrm{KL}(\text{new}\,\|\,\text{old}) - \tfrac12\,z\cdot Fz\bigr|
\le \frac{(\max z - \min z)^3}{18\sqrt3} \le \frac{\sqrt6}{27}\|z\|^3 ,
$$

and $|\mathrm{KL}(\text{old}\,\|\,\text{new}) - \tfrac12\,z\cdot Fz|$ is at most half of that.

**(c)** $\mathrm{KL} \le \tfrac14\|z\|^2$, either way.

**(d)** Let $L_A = -J$. As a function of the logits its Hessian is $-\mathbb E[A\,ss^{\mathsf T}]$, so
$|z\cdot Hz| \le A_{\max}\,z\cdot Fz$ with $A_{\max} = \max|A|$, and it is Lipschitz with
$\rho \le \tfrac54\sqrt2\,(\max r - \min r)$:

$$
D \le g\cdot z + \tfrac12A_{\max}\,z\cdot Fz + \tfrac{\rho}{6}\|z\|^3 .
$$

For any two policies $|D| \le (\max r - \min r)\sqrt{\mathrm{KL} / 2}$.

**(e)** The mean of $N$ on-policy samples of $(r - b)s$, $b$ a constant, has a covariance of at most
$\tfrac1N\max|r - b|^2\,F$ (the difference is positive semidefinite). So [T5](test_t05_noise.py)(f) may use
$\tfrac1N\max|r - b|^2\operatorname{tr}(PFP)$ for its $v$.

**(f)** For any loss with a $\rho$-Lipschitz Hessian,

$$
D \le g\cdot\delta + \tfrac12\,\delta\cdot H_+\delta + \tfrac{\rho}{6}\|\delta\|^3 ,
$$

$H_+$ the positive part of $H$. An upper bound only.

## Proof

**(a)** With $Z$ the normaliser, $\log\pi_\star = \log\pi_{\text{ref}} + r / \beta - \log Z$. So for every $\pi$

$$
L_A = -J + \beta\,\mathbb E_\pi\log\frac\pi{\pi_{\text{ref}}}
= \beta\,\mathbb E_\pi\log\frac\pi{\pi_\star} - \beta\log Z ,
$$

$\beta\,\mathrm{KL}(\pi\,\|\,\pi_\star)$ and a constant. KL is least, 0, at $\pi = \pi_\star$, and its Hessian there
is $F$.

**(b)** Let $\pi_s$ have the logits $f + sz$, and $a(s) = \log\sum e^{f + sz}$. Then $a' = \mathbb E_s\,z$,
$a'' = \operatorname{Var}_s z$, and $a'''$ is the third central moment of $z$. Both divergences are integrals of
$a''$:

$$
\begin{aligned}
\mathrm{KL}(\pi_1\,\|\,\pi_0) &= a'(1) - (a(1) - a(0)) = \int_0^1 s\,a''(s)\,ds , \\
\mathrm{KL}(\pi_0\,\|\,\pi_1) &= (a(1) - a(0)) - a'(0) = \int_0^1 (1 - s)\,a''(s)\,ds .
\end{aligned}
$$

A variable within a range $R$ has a third central moment of at most $R^3 / (6\sqrt3)$ in size (two values with
probabilities $\tfrac12 \pm \tfrac16\sqrt3$). So $|a''(s) - a''(0)| \le s\,R^3 / (6\sqrt3)$, and
$\int s^2 = \tfrac13$, $\int (1 - s)\,s = \tfrac16$. Last, $R \le \sqrt2\,\|z\|$, as $(x - y)^2 \le 2(x^2 + y^2)$.

**(c)** $\int_0^1 s\,a''\,ds \le \tfrac12\max a''$, and a variance is at most $\tfrac14R^2 \le \tfrac12\|z\|^2$.

**(d)** $\nabla\log\pi(i) = e_i - \pi$, so the Hessian of $\log\pi(i)$ is $-F$ for every answer, and that of $J$ is
$\mathbb E[A(ss^{\mathsf T} - F)] = \mathbb E[A\,ss^{\mathsf T}]$ as $\mathbb E\,A = 0$.

Along $u$, $\|u\| = 1$, with $v = u - \mathbb E\,u$: $|v| \le \sqrt2$, $\sigma^2 = \mathbb E\,v^2 \le \tfrac12$, and
the third derivative of $J$ is $\mathbb E[A(v^3 - 3\sigma^2v)]$, of size at most

$$
(\max r - \min r)(\sqrt2\,\sigma^2 + 3\sigma^3) \le (\max r - \min r)\,\tfrac54\sqrt2 ;
$$

a symmetric tensor is largest along one direction thrice (Banach). The proof of [T1](test_t01_taylor.py)(b) gives $D$.
Last, $|\mathbb E_p\,r - \mathbb E_q\,r| \le \tfrac12(\max r - \min r)\sum|p - q|$ and Pinsker's inequality,
$\sum|p - q| \le \sqrt{2\,\mathrm{KL}}$.

**(e)** The covariance is $\tfrac1N\bigl(\mathbb E[(r - b)^2ss^{\mathsf T}] - \nabla J\,\nabla J^{\mathsf T}\bigr)$;
drop what is subtracted.

**(f)** is T1(a) with $H \preceq H_+$. ∎

## Tight

- (a) Exact.
- (b) Two answers of probability $\tfrac12 \pm \tfrac16\sqrt3$, $z$ along $(1, -1)$, to leading order.
- (c), and the last line of (d): two even answers.
- (d) Four even answers with the scalar feature $(1, -1, 0, 0)$ and rewards $(-1, -1, 1, 1)$, to leading order. $\rho$
  in (d) is not tight: two even answers have $\tfrac14\sqrt2$, the most that a search found.
- (e) Feature $(1, 1, -1, -1)$, rewards $(1, -1, 1, -1)$.
- (f) One positive curvature with a slope and a cubic.

## Needed

- (a) Realisability: even answers with features $(1, 0, -1)$ and rewards $(1, -2, 1)$ are stationary at 0, and damage
  is a seventieth of the divergence at $\theta = 2$. A regulariser, for $\mu$: without it $J$ has no maximum, and a
  policy that is $1 - \varepsilon$ sure has Fisher eigenvalues of order $\varepsilon$.
- (b) The cubic term: $\tfrac12\,z\cdot Fz$ alone is wrong.
- (c) No converse: $z = (1, 1)$ changes nothing.
- (d) Log-linear logits or the logits themselves: with $f = (\theta^2, -\theta^2)$ the Hessian at 0 is $0 = F$, the
  second derivative of $J$ is not.
- (e) On-policy samples; a constant baseline.
- (f) From below it says nothing: $H = \operatorname{diag}(1, -2)$.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng

from theory.instances import SEEDS, equal, holds, norm, reached, scales, subspace, violated
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.policy import (
    convex_damage,
    kl_bound,
    kl_remainder,
    kl_remainder_of_spread,
    reversed_kl_remainder,
    reward_change,
    sampling_noise,
    tabular_rho,
)
from toymdrl.bounds.taylor import taylor_remainder

ANSWERS = st.integers(2, 6)
STEPS = scales(1e-2, 3.0)


def softmax(logits: Array) -> Array:
    """Probabilities, (…, answers)."""
    grown = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return grown / grown.sum(axis=-1, keepdims=True)


def kl(p: Array, q: Array) -> float:
    """KL(p || q), averaged over prompts."""
    return float(np.mean(np.sum(p * np.log(p / q), axis=-1)))


def fisher(pi: Array) -> Array:
    """Of the logits, (answers, answers)."""
    return np.diag(pi) - np.outer(pi, pi)


class Policy:
    """Log-linear in a few parameters that all prompts share."""

    def __init__(self, generator: Generator, answers: int, prompts: int = 3, d: int = 3) -> None:
        self.features = generator.standard_normal((prompts, answers, d))
        self.theta = generator.standard_normal(d)

    def __call__(self, theta: Array) -> Array:
        """(prompts, answers)."""
        return softmax(self.features @ theta)

    def fisher(self, theta: Array) -> Array:
        """Of the parameters, averaged over prompts, (d, d)."""
        pairs = zip(self.features, self(theta), strict=True)
        return np.mean([f.T @ fisher(pi) @ f for f, pi in pairs], axis=0)


@given(seed=SEEDS, answers=ANSWERS, beta=scales(0.03, 3), step=STEPS)
def test_a_damage_is_a_divergence(seed: int, answers: int, beta: float, step: float) -> None:
    generator = default_rng(seed)
    policy = Policy(generator, answers)
    star = policy(policy.theta)
    reference = softmax(generator.standard_normal(star.shape))
    rewards = beta * np.log(star / reference) + generator.standard_normal((len(star), 1))

    def loss(theta: Array) -> float:
        pi = policy(theta)
        return beta * kl(pi, reference) - float(np.mean(np.sum(pi * rewards, axis=-1)))

    delta = step * generator.standard_normal(3)
    there = policy(policy.theta + delta)
    scale = 1 + float(np.abs(rewards).max()) + beta * float(np.abs(np.log(there)).max())
    equal(loss(policy.theta + delta) - loss(policy.theta), beta * kl(there, star), scale=100 * scale)
    # To second order that is beta delta.F delta / 2: g = 0 and H = beta F.
    small = 1e-3 * delta / norm(delta)
    form = float(small @ policy.fisher(policy.theta) @ small)
    spread = float(np.max(np.ptp(policy.features @ small, axis=-1)))
    holds(abs(kl(policy(policy.theta + small), star) - form / 2), kl_remainder_of_spread(spread), 1e-3)


@given(seed=SEEDS, answers=ANSWERS, step=STEPS)
def test_b_and_c_hold(seed: int, answers: int, step: float) -> None:
    generator = default_rng(seed)
    logits, z = 2 * generator.standard_normal(answers), step * generator.standard_normal(answers)
    old, new = softmax(logits), softmax(logits + z)
    form, size = float(z @ fisher(old) @ z) / 2, norm(z)
    holds(abs(kl(new, old) - form), kl_remainder(size), size**2)
    holds(abs(kl(new, old) - form), kl_remainder_of_spread(np.ptp(z)), size**2)
    holds(abs(kl(old, new) - form), reversed_kl_remainder(size), size**2)
    holds([kl(new, old), kl(old, new)], kl_bound(size), size**2)


def test_b_is_tight_to_leading_order() -> None:
    for p in (0.5 - np.sqrt(3) / 6, 0.5 + np.sqrt(3) / 6):
        old, z = np.array([p, 1 - p]), np.array([1e-3, -1e-3])
        new, form = softmax(np.log(old) + z), float(z @ fisher(old) @ z) / 2
        reached(abs(kl(new, old) - form), float(kl_remainder(norm(z))), rel=5e-3)
        reached(abs(kl(new, old) - form), float(kl_remainder_of_spread(np.ptp(z))), rel=5e-3)
        reached(abs(kl(old, new) - form), float(reversed_kl_remainder(norm(z))), rel=5e-3)


def test_c_is_tight_to_leading_order_and_has_no_converse() -> None:
    even, z = np.array([0.5, 0.5]), np.array([1e-3, -1e-3])
    reached(kl(softmax(z), even), float(kl_bound(norm(z))), rel=1e-5)
    reached(kl(even, softmax(z)), float(kl_bound(norm(z))), rel=1e-5)
    assert kl(softmax(np.array([5.0, 5.0])), even) == 0 < float(kl_bound(norm(np.array([5.0, 5.0]))))


@given(seed=SEEDS, answers=ANSWERS, step=STEPS, reward=scales(0.1, 10))
def test_d_holds(seed: int, answers: int, step: float, reward: float) -> None:
    generator = default_rng(seed)
    logits, r = 2 * generator.standard_normal(answers), reward * generator.standard_normal(answers)
    z = step * generator.standard_normal(answers)
    pi, new = softmax(logits), softmax(logits + z)
    advantage, scores, spread = r - pi @ r, np.eye(answers) - pi, float(np.ptp(r))
    gradient = -(pi * advantage) @ scores
    hessian = -(scores.T * (pi * advantage)) @ scores
    form, most, rho = float(z @ fisher(pi) @ z), float(np.abs(advantage).max()), tabular_rho(spread)
    damage = float(pi @ r - new @ r)
    holds(abs(z @ hessian @ z), most * form, reward * norm(z) ** 2)
    holds(damage, convex_damage(gradient @ z, most * form, rho, norm(z)), reward)
    holds(abs(damage), reward_change(spread, kl(new, pi)), reward)
    holds(abs(damage), reward_change(spread, kl(pi, new)), reward)
    # rho bounds T1's remainder; and the Hessian is that of J, by central differences of the gradient.
    holds(abs(damage - gradient @ z - z @ hessian @ z / 2), taylor_remainder(rho, norm(z)), reward)
    h, v = 1e-5, z / norm(z)
    ahead, behind = softmax(logits + h * v), softmax(logits - h * v)
    slopes = [-(p * (r - p @ r)) @ (np.eye(answers) - p) for p in (ahead, behind)]
    equal((slopes[0] - slopes[1]) / (2 * h), hessian @ v, rel=1e-5, scale=1e6 * reward)


def test_d_is_tight_to_leading_order() -> None:
    z, pi, r = 1e-3 * np.array([1.0, -1, 0, 0]), np.full(4, 0.25), np.array([-1.0, -1, 1, 1])
    form, damage = float(z @ fisher(pi) @ z), float(pi @ r - softmax(z) @ r)
    reached(damage, float(convex_damage(0.0, form, 0.0, norm(z))), rel=1e-5)  # A_max = 1, g = 0
    even, best = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    new = softmax(z[:2])
    reached(abs(float((new - even) @ best)), float(reward_change(1.0, kl(new, even))), rel=1e-5)
    # The best constant known for rho: two even answers reach sqrt(2)/4 of the spread, a fifth of what is proved.
    u, h = np.array([1.0, -1]) / np.sqrt(2), 1e-2
    third = sum(c * float(softmax(k * h * u) @ best) for k, c in ((2, 0.5), (1, -1), (-1, 1), (-2, -0.5))) / h**3
    equal(abs(third), np.sqrt(2) / 4, rel=1e-3)
    assert abs(third) < float(tabular_rho(1.0)) / 4.9


@given(seed=SEEDS, answers=ANSWERS, samples=st.integers(1, 50), baseline=scales(1e-2, 3))
def test_e_holds(seed: int, answers: int, samples: int, baseline: float) -> None:
    generator = default_rng(seed)
    pi, r = softmax(generator.standard_normal(answers)), generator.standard_normal(answers)
    features, split = generator.standard_normal((answers, 4)), subspace(generator, 4, 2)
    scores = features - pi @ features
    terms = (r - baseline)[:, None] * scores
    mean = pi @ terms
    covariance = (terms.T * pi @ terms - np.outer(mean, mean)) / samples
    information, largest = scores.T * pi @ scores, float(np.abs(r - baseline).max())
    for v in np.eye(4):
        holds(v @ covariance @ v, sampling_noise(largest, samples, v @ information @ v))
    rest = largest**2 / samples * information - covariance
    holds(0.0, np.linalg.eigvalsh(rest).min(), norm(information, 2))
    inside = np.trace(split.p @ information @ split.p)
    holds(np.trace(split.p @ covariance @ split.p), sampling_noise(largest, samples, inside), norm(terms))


def test_e_is_tight() -> None:
    feature, r = np.array([1.0, 1, -1, -1]), np.array([1.0, -1, 1, -1])
    terms = r * feature  # the scores are the features: they have mean 0
    reached(float(np.var(terms)) / 7, float(sampling_noise(1.0, 7, np.mean(feature**2))))


@given(seed=SEEDS, d=st.integers(2, 6), step=STEPS, rho=scales(1e-2, 3))
def test_f_holds(seed: int, d: int, step: float, rho: float) -> None:
    generator = default_rng(seed)
    values, basis = generator.uniform(-2, 2, d), np.linalg.qr(generator.standard_normal((d, d)))[0]
    g, delta = generator.standard_normal(d), step * generator.standard_normal(d)
    damage = g @ delta + delta @ (basis * values @ basis.T) @ delta / 2 - rho / 6 * norm(delta) ** 3
    positive = delta @ (basis * np.maximum(values, 0) @ basis.T) @ delta
    holds(damage, convex_damage(g @ delta, positive, rho, norm(delta)), norm(delta) ** 2)


@given(slope=scales(1e-2, 3), h=scales(1e-2, 3), rho=scales(1e-2, 3), x=STEPS)
def test_f_is_tight(slope: float, h: float, rho: float, x: float) -> None:
    damage = slope * x + h / 2 * x**2 + rho / 6 * x**3
    reached(damage, float(convex_damage(slope * x, h * x**2, rho, x)))


def test_realisability_is_needed() -> None:
    features, r, even = np.array([1.0, 0, -1]), np.array([1.0, -2, 1]), np.full(3, 1 / 3)
    assert abs(even @ ((r - even @ r) * features)) < 1e-15  # g = 0: KL(pi || even) is stationary there too
    there = softmax(2.0 * features)
    damage = kl(there, even) - float(there @ r - even @ r)
    violated(kl(there, even), damage, by=50)


def test_a_regulariser_is_needed_for_curvature() -> None:
    sure = np.array([0.99, 0.005, 0.005])
    equal(np.linalg.eigvalsh(fisher(sure))[1:], [0.005, 0.01485])
    # Without one there is no maximum to be near: J grows along a ray for ever.
    r, direction = np.array([1.0, 0.3, -1.0]), np.array([1.0, 0, 0])
    rewards = [softmax(t * direction) @ r for t in range(20)]
    assert np.all(np.diff(rewards) > 0)


def test_the_cubic_term_is_needed() -> None:
    p, z = np.array([0.2, 0.8]), np.array([1.0, -1.0])
    form = float(z @ fisher(p) @ z) / 2
    violated(abs(kl(softmax(np.log(p) + z), p) - form), float(kl_remainder(0.0)), by=10)


def test_logits_that_bend_are_beyond_d() -> None:
    r, t = np.array([0.0, 1.0]), 1e-2
    damage = 0.5 - float(softmax(np.array([t**2, -(t**2)])) @ r)
    information = 0.0  # the logits do not move to first order
    violated(damage, float(convex_damage(0.0, information, 0.0, t)), by=10)


def test_on_policy_samples_and_a_constant_baseline_are_needed() -> None:
    pi, feature = np.array([0.01, 0.99]), np.array([1.0, -1.0])
    scores = feature - pi @ feature
    information = float(pi @ scores**2)
    elsewhere = np.array([0.5, 0.5])
    off_policy = float(elsewhere @ scores**2 - (elsewhere @ scores) ** 2)
    violated(off_policy, float(sampling_noise(1.0, 1, information)), by=10)
    # A baseline that knows the answer: r - b is 1 in size wherever b is the mean, but not what is averaged.
    r, baseline = np.array([1.0, 1.0]), np.array([-3.0, 1.0])
    terms = (r - baseline) * scores
    noise = float(pi @ terms**2 - (pi @ terms) ** 2)
    violated(noise, float(sampling_noise(np.abs(r - pi @ baseline).max(), 1, information)), by=10)


def test_f_is_one_sided() -> None:
    h, delta = np.diag([1.0, -2.0]), np.array([0.5, 1.0])
    damage = delta @ h @ delta / 2
    equal(damage, -0.875)
    violated(-damage, float(convex_damage(0.0, delta[0] ** 2, 0.0, norm(delta))), by=5)
