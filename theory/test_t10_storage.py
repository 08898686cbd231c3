r"""T10. Number formats and apparent sparsity; how far Adam moves a weight (C3).

*In words:* a number format forgets changes of a weight below about half its spacing, so a stored update looks sparse;
a copy of higher precision remembers them, and Adam's steps are bounded.

## Setting

*Formats.* A format has $k$ explicit mantissa bits, so its normal numbers are $\pm2^E(1 + j\,2^{-k})$,
$j = 0, \dots, 2^k - 1$. Storing $x$ means $\operatorname{RN}(x)$, the nearest of them, of two equally near ones that
with an even $j$. bfloat16 has $k = 7$, float8 e4m3 has 3, e5m2 has 2. $w$ is such a number, $2^E \le |w| < 2^{E+1}$,
and the spacing above it is $2^{E-k}$. Exponents are in range throughout, and $|w|$ is not the least normal number,
below which numbers are no denser.

*Adam* with learning rate $\eta$ keeps

$$
m \leftarrow \beta_1m + (1 - \beta_1)\,g , \qquad v \leftarrow \beta_2v + (1 - \beta_2)\,g^2 ,
$$

and in step $t$ moves a weight by $\eta\,\dfrac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)}}$. Its epsilon, which
makes steps smaller, and weight decay are left out.

## Assumptions

- (b) Every step is stored in the format, without a more precise copy.
- (c) A precise copy is kept, which starts on the grid; in the second part its residual is uniform in the cell of $w$
  instead, $w$ not a power of two.
- (d) $\beta_1^2 < \beta_2$.

## Statement

**(a)** Let $\tau = 2^{E-k-1}$, but half of that if $|w| = 2^E$ and $\delta$ points to zero. Then
$\operatorname{RN}(w + \delta) = w$ if $|\delta| < \tau$, not if $|\delta| > \tau$, and if $|\delta| = \tau$ iff $j$
is even. So $|\delta| \le 2^{-(k+2)}|w|$ is always lost and $|\delta| > 2^{-(k+1)}|w|$ always survives; between the
two the mantissa decides.

**(b)** If no step exceeds $s$, no weight of size $2^{k+2}s$ or more ever changes, in any number of steps.

**(c)** With a drift $\delta$ of the precise copy, the share of weights whose stored value changes lies between those
with $|\delta| > 2^{-(k+1)}|w|$ and with $|\delta| > 2^{-(k+2)}|w|$. The latter is at most the mean of
$\min\bigl(1,\ 2^{k+2}|\delta| / |w|\bigr)$. With a uniform residual, the stored value is unchanged with probability
$\max\bigl(0,\ 1 - |\delta| / 2^{E-k}\bigr)$.

**(d)** With $\gamma = \beta_1^2 / \beta_2$, a step moves no weight by more than $\eta c$, where

$$
c = \frac{1 - \beta_1}{\sqrt{(1 - \beta_2)(1 - \gamma)}} ,
$$

and step $t$ moves none by more than $\eta$ times

$$
c\,\frac{\sqrt{(1 - \gamma^t)(1 - \beta_2^t)}}{1 - \beta_1^t} \le c ,
$$

of which the left side is 1 for $t = 1$.

**(e)** Storing $\theta_\star + \delta$, $\theta_\star$ on the grid, is a rollback with rounding:

$$
\operatorname{RN}(\theta_\star + \delta) - \theta_\star = \delta - \delta_M + r ,
$$

$M$ the coordinates that are lost, $r = 0$ on $M$ and $|r_i| \le \tfrac u{1 + u}\,|\theta_{\star,i} + \delta_i|$
elsewhere, $u = 2^{-(k+1)}$. What it costs or gains is [T7](test_t07_rollback.py)'s.

## Proof

**(a)** The middle between $w$ and its neighbours is half a spacing away: $2^{E-k-1}$, and half of that towards zero
from $2^E$, as the numbers below are twice as dense. The last sentence is $|w| < 2^{E+1}$ and $|w| \ge 2^E$:
$|\delta| = 2^{-(k+2)}|w|$ is less than $\tau$ unless $|w| = 2^E$, whose $j = 0$ is even.

**(b)** $s \le 2^{-(k+2)}|w|$: lost by (a), so the next step meets the same $w$.

**(c)** (a), weight by weight; $\min(1, x)$ is at least 1 where $x > 1$ and at least 0 elsewhere, which is Markov's
inequality. The cell of $w$ is an interval of one spacing, and a uniform point of it stays inside with that
probability.

**(d)** By Cauchy and Schwarz

$$
\begin{aligned}
m^2 &= \Bigl((1 - \beta_1)\sum_{j < t}\beta_1^j\,g_{t-j}\Bigr)^2 \\
&\le (1 - \beta_1)^2\sum_{j < t}\Bigl(\frac{\beta_1^2}{\beta_2}\Bigr)^j\sum_{j < t}\beta_2^j\,g_{t-j}^2 \\
&= (1 - \beta_1)^2\,\frac{1 - \gamma^t}{1 - \gamma}\,\frac v{1 - \beta_2} .
\end{aligned}
$$

Divide, with the corrections. For $x = \gamma^t$ and $y = \beta_2^t$, where $\sqrt{xy} = \beta_1^t$,
$(1 - x)(1 - y) \le (1 - \sqrt{xy})^2$: so it is at most $c$.

**(e)** On $M$, stored and old value agree. Elsewhere the error is at most half a spacing, $2^{E-k-1} = u\,2^E$, and
if it is not less than that, $|x| \ge 2^E + u\,2^E$; error$/|x|$ is largest at that midpoint, $\tfrac u{1 + u}$. ∎

## Tight

- (a) For every mantissa, sign and exponent; both relative shares.
- (b) A power of two, towards zero.
- (c) Powers of two; exact on average.
- (d) Gradients in proportion to $(\beta_1 / \beta_2)^{t-i}$, in each step $t$.
- (e) $\theta_\star + \delta = 1 + u$.

## Needed

- (a) "Half a unit, relative" is no rule: a relative change of $1.5 \times 2^{-9}$ is lost at 1 and survives at
  1.9921875 in bfloat16. The nearest number: rounding towards zero loses nearly a whole spacing outwards, and nothing
  inwards. Rounding once: by way of float32 a $\delta$ just above $\tau$ is lost. Normal numbers, and not the least:
  float16 at $2^{-24}$ and at $2^{-14}$.
- (b) No precise copy: with one, 400 coherent steps change every weight, without it 2 %.
- (c) Its start on the grid, or a uniform residual: at the edge of a cell any drift shows.
- (d) $\beta_1^2 < \beta_2$: for $(0.9, 0.5)$ steps grow without limit; and the often quoted
  $(1 - \beta_1) / \sqrt{1 - \beta_2}$ is exceeded.
- (e) Rounding: $r$ is not 0. A $\theta_\star$ on the grid: else what is stored differs from it without any $\delta$.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng
from numpy.typing import ArrayLike

from theory.instances import SEEDS, equal, holds, reached, scales, violated
from toymdrl.bounds.arrays import Array
from toymdrl.bounds.storage import (
    adam_step,
    adam_step_at,
    changed_range,
    frozen_above,
    lost_below,
    relative_thresholds,
    rounding_error,
    unchanged_chance,
)

FORMATS = {"bfloat16": 7, "float8 e4m3": 3, "float8 e5m2": 2}
BFLOAT16 = 7
BITS = st.sampled_from(sorted(FORMATS.values()))


def store(x: ArrayLike, mantissa: int) -> Array:
    """RN(x), exact in float64."""
    fraction, exponent = np.frexp(np.asarray(x, dtype=np.float64))
    return np.ldexp(np.rint(np.ldexp(fraction, mantissa + 1)), exponent - mantissa - 1)


def grid(mantissa: int) -> Array:
    """Every mantissa, both signs, several exponents."""
    ones = 1 + np.arange(2**mantissa) / 2**mantissa
    return np.concatenate([sign * 2.0**e * ones for sign in (-1, 1) for e in (-20, -7, -1, 0, 3)])


@pytest.mark.parametrize("mantissa", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("outward", [True, False])
def test_a_is_exact_for_every_mantissa(mantissa: int, outward: bool) -> None:
    w = grid(mantissa)
    sign = np.sign(w) if outward else -np.sign(w)
    tau = lost_below(w, sign, mantissa)
    np.testing.assert_array_equal(store(w, mantissa), w)
    np.testing.assert_array_equal(store(w + sign * tau * (1 - 1e-9), mantissa), w)
    assert np.all(store(w + sign * tau * (1 + 1e-9), mantissa) != w)
    last = np.ldexp(np.frexp(np.abs(w))[0], mantissa + 1) % 2
    np.testing.assert_array_equal(store(w + sign * tau, mantissa) == w, last == 0)


@given(seed=SEEDS, mantissa=BITS, share=scales(0.05, 1))
def test_a_relative_thresholds_hold(seed: int, mantissa: int, share: float) -> None:
    w = grid(mantissa)
    sign = default_rng(seed).choice([-1.0, 1.0], len(w))
    lost, kept = relative_thresholds(mantissa)
    np.testing.assert_array_equal(store(w + sign * share * lost * np.abs(w), mantissa), w)
    np.testing.assert_array_equal(store(w + sign * lost * np.abs(w), mantissa), w)
    assert np.all(store(w + sign * kept / share * 1.000001 * np.abs(w), mantissa) != w)


@pytest.mark.parametrize("mantissa", FORMATS.values(), ids=FORMATS)
def test_a_relative_thresholds_are_tight(mantissa: int) -> None:
    lost, kept = relative_thresholds(mantissa)
    assert store(1 - 1.001 * lost, mantissa) != 1
    assert store(1 + 0.999 * kept, mantissa) == 1
    reached(kept, float(lost_below(1.0, 1.0, mantissa)))
    reached(lost, float(lost_below(1.0, -1.0, mantissa)))


def trained(w: Array, steps: Array, mantissa: int, master: bool) -> Array:
    """Stored weights after some steps, each stored or kept precisely."""
    for step in steps:
        w = w + step if master else store(w + step, mantissa)
    return store(w, mantissa)


@given(seed=SEEDS, mantissa=BITS, size=scales(1e-6, 1e-2), count=st.integers(1, 60))
def test_b_large_weights_are_frozen(seed: int, mantissa: int, size: float, count: int) -> None:
    generator = default_rng(seed)
    w = store(np.exp2(generator.uniform(-20, 4, 300)) * generator.choice([-1.0, 1.0], 300), mantissa)
    steps = size * generator.uniform(-1, 1, (count, 300))
    steps[generator.integers(count)] = size * generator.choice([-1.0, 1.0], 300)
    frozen = np.abs(w) >= frozen_above(size, mantissa)
    assert frozen.any()
    np.testing.assert_array_equal(trained(w, steps, mantissa, master=False)[frozen], w[frozen])


@pytest.mark.parametrize("mantissa", FORMATS.values(), ids=FORMATS)
def test_b_is_tight_at_powers_of_two(mantissa: int) -> None:
    size = 1.001 / float(frozen_above(1.0, mantissa))
    assert store(1.0 - size, mantissa) != 1  # a weight of 0.999 times the bound
    assert store(1.0 - size / 1.002, mantissa) == 1


@given(seed=SEEDS, mantissa=BITS, scale=scales(1e-4, 1))
def test_c_holds(seed: int, mantissa: int, scale: float) -> None:
    generator = default_rng(seed)
    w = store(generator.standard_normal(500), mantissa)
    delta = scale * generator.standard_normal(500) * np.abs(generator.standard_normal(500))
    low, high, markov = changed_range(w, delta, mantissa)
    changed = float(np.mean(store(w + delta, mantissa) != w))
    holds([low, changed, high], [changed, high, markov])


def test_c_is_tight() -> None:
    lost, kept = relative_thresholds(BFLOAT16)
    w = np.exp2(np.arange(-5.0, 5.0))
    for delta, expected in ((-1.001 * lost * w, 1), (0.999 * kept * w, 0)):
        low, high, markov = changed_range(w, delta, BFLOAT16)
        changed = float(np.mean(store(w + delta, BFLOAT16) != w))
        assert changed == expected == (high if expected else low)
        assert markov == 1
    delta = 1.001 * kept * w
    reached(float(np.mean(store(w + delta, BFLOAT16) != w)), changed_range(w, delta, BFLOAT16)[0])
    # Markov's part: all drifts 0 or exactly at the threshold.
    half = np.where(np.arange(10) < 5, 0.0, lost * w)
    reached(0.5, changed_range(w, half, BFLOAT16)[2])


@given(seed=SEEDS, mantissa=BITS, share=st.floats(0.01, 1.5))
def test_c_a_uniform_residual_flips_in_proportion(seed: int, mantissa: int, share: float) -> None:
    w = 1 + 2.0**-mantissa  # no power of two
    spacing, count = 2.0**-mantissa, 4001
    copies = w + spacing * ((np.arange(count) + 0.5) / count - 0.5)
    sign = default_rng(seed).choice([-1.0, 1.0])
    unchanged = np.mean(store(copies + sign * share * spacing, mantissa) == w)
    equal(unchanged, unchanged_chance(w, sign * share * spacing, mantissa), rel=0, scale=1e13 / 2000)


def adam(gradients: Array, beta1: float, beta2: float) -> Array:
    """Size of each step, in learning rates."""
    m = v = 0.0
    sizes = []
    for t, g in enumerate(gradients, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        sizes.append(abs(m / (1 - beta1**t)) / np.sqrt(v / (1 - beta2**t)))
    return np.array(sizes)


@given(seed=SEEDS, beta1=st.floats(0, 0.95), slack=scales(1e-3, 0.5), count=st.integers(1, 60))
def test_d_holds(seed: int, beta1: float, slack: float, count: int) -> None:
    beta2 = beta1**2 + slack * (1 - beta1**2)
    generator = default_rng(seed)
    gradients = generator.standard_normal(count) * np.exp(3 * generator.standard_normal(count))
    most = np.array([adam_step_at(beta1, beta2, t) for t in range(1, count + 1)])
    holds(adam(gradients, beta1, beta2), most)
    holds(most, adam_step(beta1, beta2))
    equal(most[0], 1)


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.9, 0.95), (0.5, 0.9)])
@pytest.mark.parametrize("t", [1, 2, 20, 400])
def test_d_is_tight_in_every_step(beta1: float, beta2: float, t: int) -> None:
    gradients = (beta1 / beta2) ** (t - np.arange(1.0, t + 1))
    reached(float(adam(gradients, beta1, beta2)[-1]), adam_step_at(beta1, beta2, t), rel=1e-8)
    reached(adam_step_at(beta1, beta2, 10**5), adam_step(beta1, beta2))


@given(seed=SEEDS, mantissa=BITS, scale=scales(1e-4, 1))
def test_e_storage_is_a_rollback_with_rounding(seed: int, mantissa: int, scale: float) -> None:
    generator = default_rng(seed)
    star = store(generator.standard_normal(300), mantissa)
    delta = scale * generator.standard_normal(300)
    lost = np.abs(delta) < lost_below(star, delta, mantissa)
    rest = store(star + delta, mantissa) - star - np.where(lost, 0, delta)
    assert not rest[lost].any()
    holds(np.abs(rest), rounding_error(star + delta, mantissa))
    equal(unchanged_chance(star, 0.0, mantissa), 1)


@pytest.mark.parametrize("mantissa", FORMATS.values(), ids=FORMATS)
def test_e_is_tight_at_a_midpoint(mantissa: int) -> None:
    x = 1 + relative_thresholds(mantissa)[1]
    reached(abs(float(store(x, mantissa)) - x), float(rounding_error(x, mantissa)))


def test_half_a_unit_relative_is_no_rule() -> None:
    share = 1.5 * relative_thresholds(BFLOAT16)[0]
    assert store(1 * (1 + share), BFLOAT16) == 1
    assert store(1.9921875 * (1 + share), BFLOAT16) != 1.9921875


def test_normal_numbers_and_one_rounding_to_the_nearest_are_needed_in_a() -> None:
    def lost_by(kind: type[np.floating], w: float, delta: float) -> bool:
        return bool(kind(w + delta) == kind(w))

    tau = float(lost_below(1.0, 1.0, BFLOAT16))
    delta = tau + 2.0**-30
    assert store(1 + delta, BFLOAT16) != 1
    assert store(np.float32(1 + delta), BFLOAT16) == 1  # it was a tie by then
    spacing = 2 * tau
    assert np.floor((1 + 1.9 * tau) / spacing) * spacing == 1  # towards zero
    assert np.floor((1 - 1e-6 * tau) / spacing) * spacing != 1
    assert lost_by(np.float16, 2.0**-24, 0.4 * 2.0**-24)  # the least positive number, not a normal one
    violated(0.4 * 2.0**-24, float(lost_below(2.0**-24, 1.0, 10)), by=100)
    assert lost_by(np.float16, 2.0**-14, -0.4 * 2.0**-24)  # the least normal number
    violated(0.4 * 2.0**-24, float(lost_below(2.0**-14, -1.0, 10)), by=1.5)


@pytest.mark.parametrize(("kind", "mantissa"), [(np.float16, 10), (np.float32, 23)])
def test_storing_agrees_with_the_formats_that_numpy_has(kind: type[np.floating], mantissa: int) -> None:
    x = default_rng(0).standard_normal(10_000)
    np.testing.assert_array_equal(store(x, mantissa), x.astype(kind))


def test_a_checkpoint_on_the_grid_is_needed_in_e() -> None:
    star = 1 + float(lost_below(1.0, 1.0, BFLOAT16)) / 2
    violated(abs(float(store(star, BFLOAT16)) - star), 0.0, by=1)  # delta = 0, and r would be 0


def test_no_precise_copy_is_needed_in_b() -> None:
    generator, size = default_rng(0), 1e-6
    w = store(0.02 * generator.standard_normal(20_000), BFLOAT16)
    steps = np.full((400, 1), size) * generator.choice([-1.0, 1.0], len(w))  # every weight keeps its direction
    bound = float(np.mean(np.abs(w) < frozen_above(size, BFLOAT16)))
    changed = {master: float(np.mean(trained(w, steps, BFLOAT16, master) != w)) for master in (False, True)}
    holds(changed[False], bound)
    violated(changed[True], bound, by=30)


def test_a_start_on_the_grid_is_needed_in_c() -> None:
    edge = 1 + 0.5 * 2.0**-BFLOAT16 * (1 - 1e-9)  # stored as 1, at the edge of its cell
    drift = 1e-6
    assert store(edge, BFLOAT16) == 1
    changed = float(store(edge + drift, BFLOAT16) != 1)
    violated(changed, changed_range(1.0, drift, BFLOAT16)[2], by=100)
    violated(changed, 1 - float(unchanged_chance(1.0, drift, BFLOAT16)), by=100)


def test_betas_are_needed_in_d() -> None:
    for count in (20, 40, 80):
        gradients = 1.8 ** (count - np.arange(1.0, count + 1))
        violated(float(adam(gradients, 0.9, 0.5)[-1]), 1.2 ** (count / 4), by=1)
    quoted = (1 - 0.9) / np.sqrt(1 - 0.999)
    violated(adam_step_at(0.9, 0.999, 400), quoted, by=1.3)
