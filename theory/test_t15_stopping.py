r"""T15. After how many refresh steps is the domains' total best? (C10; T6(d) for many directions; ours)

*In words:* each direction of the curvature has a best number of steps, and the best for the total lies between the
least and the greatest of these.

## Setting

$\theta_0 = \theta_\star + \delta$. A refresh of A takes gradient steps of size $\alpha$ on $L_A$ from $\theta_0$,
after $t$ of which $\theta_t = \theta_0 + u_t$. $L_A$ is quadratic with minimum $\theta_\star$ and Hessian $H_A$;
$L_B$ stands for all that others may lose, with Hessian $H_B$. In total the refresh gains

$$
F(t) = (L_A + L_B)(\theta_0) - (L_A + L_B)(\theta_t) .
$$

## Assumptions

- (a), (b): $H_A$ and $H_B$ are diagonal in common eigenvectors, with eigenvalues $a_i > 0$ and $b_i$; $c_i$ are the
  coordinates of $\delta$ there; B is stationary at $\theta_0$, as it is right after its own training.
- (b): $b_i > 0$ and $0 < \alpha a_i < 1$.
- (c): $L_A$ and $L_B$ are any quadratics, at any point.

## Statement

**(a)** With $x_i = (1 - \alpha a_i)^t$,

$$
F(t) = \tfrac12\sum_ic_i^2\bigl(a_i(1 - x_i^2) - b_i(1 - x_i)^2\bigr) .
$$

**(b)** Every best $t$ lies between the least and the greatest of

$$
t_i = \ln\frac{b_i}{a_i + b_i} \Big/ \ln(1 - \alpha a_i) ,
$$

where direction $i$ has undone the share $a_i / (a_i + b_i)$ of its damage; for whole steps, between the whole numbers
around them. If $b_i$ is a constant times $a_i$, steep directions are done early: short refreshes repair the conflict
subspace first.

**(c)** Let $g$ and $g_B$ be the gradients of A and of B where a step starts. If $g\cdot(g + g_B) > 0$, the step
changes the total for the better iff

$$
\alpha < \frac{2\,g\cdot(g + g_B)}{g\cdot(H_A + H_B)\,g} ,
$$

and for every $\alpha$ if the denominator is not positive. If $g\cdot(g + g_B) \le 0$, no short step does, and no step
at all if the denominator is not negative. So a refresh should stop at the first step that does not: this needs two
gradients and one Hessian-vector product, and no knowledge of $\theta_\star$.

## Proof

**(a)** Coordinate $i$ of $\theta_t - \theta_\star$ is $c_ix_i$, so A gains $\tfrac12a_ic_i^2(1 - x_i^2)$. That of
$u_t$ is $c_i(x_i - 1)$, so B loses $\tfrac12b_ic_i^2(1 - x_i)^2$.

**(b)** As a function of $x$ in $(0, 1]$, $a(1 - x^2) - b(1 - x)^2$ has the slope $2(b - (a + b)x)$: it rises as $x$
falls to $b / (a + b)$ and falls beyond. $x_i$ falls with $t$. Before the least $t_i$ every term rises, after the
greatest every term falls.

**(c)** The total changes by $-\alpha\,g\cdot(g + g_B) + \tfrac12\alpha^2\,g\cdot(H_A + H_B)\,g$. ∎

## Tight

- (b) One direction, where both ends are the best $t$.
- (c) At the bound the total does not change.

## Needed

- B stationary, in (b): a slope of B moves the best $t$ out of the range.
- $\alpha a < 1$: beyond it $x_i$ changes sign, and the first step can overshoot to a loss.
- Quadratics, in (c): with a cubic term the bound errs.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from theory.instances import DIMENSIONS, SEEDS, Accept, equal, log_uniform, orthogonal, scales, symmetric
from toymdrl.bounds.collateral import best_refresh_steps
from toymdrl.bounds.stopping import best_stopping_range, refresh_gain, short_refresh


@given(seed=SEEDS, d=DIMENSIONS, size=scales(1e-2, 5), pace=st.floats(0.01, 0.99), steps=st.integers(0, 30))
def test_a_is_exact(seed: int, d: int, size: float, pace: float, steps: int) -> None:
    generator = default_rng(seed)
    a, b, basis = generator.uniform(0.05, 2, d), generator.uniform(-1, 3, d), orthogonal(generator, d)
    c, alpha = size * generator.standard_normal(d), pace / a.max()
    h_a, h_b, delta = basis * a @ basis.T, basis * b @ basis.T, basis @ c
    e = delta
    for _ in range(steps):
        e = e - alpha * h_a @ e
    u = e - delta
    gain = delta @ h_a @ delta / 2 - e @ h_a @ e / 2 - u @ h_b @ u / 2
    equal(refresh_gain(a, b, c, alpha, steps), gain, scale=100 * float(delta @ delta) * 4)


def test_b_the_best_number_of_steps_is_in_the_range(accept: Accept) -> None:
    grid = np.arange(0, 400)
    for generator in accept:
        d = int(generator.integers(1, 9))
        a, b, c = generator.uniform(0.1, 1, d), generator.uniform(0.1, 3, d), generator.standard_normal(d)
        alpha = log_uniform(generator, 0.05, 0.9)
        low, high = best_stopping_range(a, b, alpha)
        if accept.met(high < grid[-1] - 1):
            gains = refresh_gain(a, b, c, alpha, grid)
            best = int(gains.argmax())
            assert np.floor(low + 1e-9) <= best <= np.ceil(high - 1e-9)


@given(a=st.floats(0.05, 1), b=st.floats(0.05, 3), alpha=st.floats(0.05, 0.9))
def test_b_is_tight_in_one_direction(a: float, b: float, alpha: float) -> None:
    low, high = best_stopping_range([a], [b], alpha)
    equal(low, high)
    around = refresh_gain([a], [b], [1.0], alpha, [0.9 * low, 0.99 * low, low, 1.01 * low, 1.1 * low])
    assert around.argmax() == 2
    equal(1 - (1 - alpha * a) ** low, a / (a + b))


def test_b_steep_directions_are_done_first() -> None:
    a = np.linspace(0.1, 1, 10)
    assert (np.diff(best_refresh_steps(a, 0.7 * a, 0.5)) < 0).all()


@given(seed=SEEDS, d=DIMENSIONS, size=scales(1e-2, 5), factor=st.floats(0.1, 1.9))
def test_c_tells_help_from_harm_and_is_tight(seed: int, d: int, size: float, factor: float) -> None:
    generator = default_rng(seed)
    h_a, h_b = (symmetric(generator, generator.uniform(-0.5, 2, d)) for _ in range(2))
    g, g_b = size * generator.standard_normal(d), size * generator.standard_normal(d)
    slope, form = float(g @ (g + g_b)), float(g @ (h_a + h_b) @ g)

    def change(alpha: float) -> float:
        return -alpha * slope + alpha**2 / 2 * form

    most = float(short_refresh(slope, form))
    if slope <= 0:
        assert most == 0
        assert form <= 0 or change(0.1) > 0
    elif form <= 0:
        assert most == np.inf
        assert change(factor) < 0
    else:
        assert (change(factor * most) < 0) == (factor < 1) or abs(factor - 1) < 1e-9
        equal(change(most), 0, scale=100 * most * slope)


def test_b_needs_a_stationary_other_domain() -> None:
    # One direction, a = b = 1, alpha = 0.1, delta = 1; B also gains 2 for each unit that is undone.
    steps = np.arange(0, 200)
    gains = refresh_gain([1.0], [1.0], [1.0], 0.1, steps) + 2 * (1 - 0.9**steps)
    assert gains.argmax() > 10 * best_stopping_range([1.0], [1.0], 0.1)[1]


def test_b_needs_a_small_step() -> None:
    # a = 1, b = 3, alpha = 1.9: the first step overshoots to x = -0.9 and loses, whatever any formula of ln says.
    assert refresh_gain([1.0], [3.0], [1.0], 1.9, 1) < -1


def test_c_needs_quadratics() -> None:
    # L_A = x + 10 x^3 from 0, where its Hessian is 0: no step size is said to harm, yet a step of 1 does not help.
    most = short_refresh(1.0, 0.0)
    assert most == np.inf
    x = -1.0
    assert x + 10 * abs(x) ** 3 > 0
