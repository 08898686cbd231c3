"""The bounds of T1 to T12: never broken by random instances, and reached by those that theory/ names as tight."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng
from numpy.typing import ArrayLike

from toymdrl import bounds
from toymdrl.bounds import Array

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.floats(1e-2, 5.0)
D = 6
S, T = slice(0, 2), slice(2, D)  # a subspace and its complement; Hessians are turned at random instead


def _holds(left: ArrayLike, right: ArrayLike, scale: float = 1.0) -> None:
    """left <= right, up to the rounding of differences of losses of this scale."""
    bound = np.asarray(right, dtype=np.float64)
    assert np.all(np.asarray(left) <= bound + 1e-9 * np.abs(bound) + 1e-11 * max(1.0, abs(scale)))


def _equal(left: ArrayLike, right: ArrayLike, rel: float = 1e-9) -> None:
    np.testing.assert_allclose(np.asarray(left), np.asarray(right), rtol=rel, atol=1e-13)


def _norm(x: Array, order: int | None = None) -> float:
    return float(np.linalg.norm(x, order))


def _unit(generator: Generator, d: int = D) -> Array:
    return (x := generator.standard_normal(d)) / _norm(x)


def _symmetric(generator: Generator, values: ArrayLike) -> Array:
    basis = np.linalg.qr(generator.standard_normal((np.size(values),) * 2))[0]
    return basis * np.asarray(values) @ basis.T


class Smooth:
    """g.x + x.Hx/2 + sum_j c_j log cosh(a_j.x + s_j): neither convex nor quadratic, with known constants."""

    def __init__(self, generator: Generator, size: float = 1.0) -> None:
        self.g, self.h = 0.1 * generator.standard_normal(D), _symmetric(generator, generator.uniform(-1, 2, D))
        self.c, self.a, self.s = (size * generator.standard_normal(shape) for shape in ((4,), (4, D), (4,)))
        lengths = np.linalg.norm(self.a, axis=1)
        self.rho = float(np.abs(self.c) @ lengths**3 * 4 / (3 * np.sqrt(3)))
        self.smooth = _norm(self.h, 2) + float(np.abs(self.c) @ lengths**2)

    def __call__(self, x: Array) -> float:
        u = self.a @ x + self.s
        return float(self.g @ x + x @ self.h @ x / 2 + self.c @ np.logaddexp(u, -u))

    def gradient(self, x: Array) -> Array:
        return self.g + self.h @ x + self.a.T @ (self.c * np.tanh(self.a @ x + self.s))

    def hessian(self, x: Array) -> Array:
        return self.h + self.a.T @ np.diag(self.c / np.cosh(self.a @ x + self.s) ** 2) @ self.a


def _blocks(h: Array) -> tuple[float, float, float]:
    return _norm(h[S, S], 2), _norm(h[S, T], 2), _norm(h[T, T], 2)


@given(seed=SEEDS, size=SIZES)
def test_taylor_and_localisation_bounds_hold(seed: int, size: float) -> None:
    generator = default_rng(seed)
    loss, zero, step = Smooth(generator), np.zeros(D), size * _unit(generator)
    g, h, rho, damage, scale = loss.gradient(zero), loss.hessian(zero), loss.rho, loss(step) - loss(zero), loss(step)
    first, second, (values, vectors) = float(g @ step), float(step @ h @ step / 2), np.linalg.eigh(h)
    _holds(abs(damage - first - second), bounds.taylor_remainder(rho, size), scale)
    _holds(_norm(loss.gradient(step) - g - h @ step), bounds.gradient_remainder(rho, size))
    low, high = bounds.damage_range(_norm(g), values[0], values[-1], rho, size)
    _holds([float(low), damage], [damage, float(high)], scale)
    eta = bounds.dominance(first, second, bounds.taylor_remainder(rho, size))
    assert eta == np.inf if second <= 0 else abs(damage - second) <= eta * second * (1 + 1e-9)
    assert damage < 0 or not bounds.helps(first, 2 * second, rho, size)
    other = np.where(np.arange(D) < 2, 0, step)
    m, p, q, (inside, leak, h_perp) = step - other, _norm(step[S]), _norm(step[T]), _blocks(h)
    error = damage - loss(other) + loss(zero) - (g @ m + m @ h @ m / 2 + m @ h @ other)
    _holds(abs(error), bounds.rollback_remainder(rho, p, q), scale)
    error = damage - loss(m) - loss(other) + 2 * loss(zero) - m @ h @ other
    _holds(abs(error), bounds.interaction_remainder(rho, p, q), scale)
    _holds(abs(second - m @ h @ m / 2), bounds.localisation_error(leak, h_perp, p, q))
    _holds(abs(damage - m @ h @ m / 2), bounds.localised_damage_error(_norm(g), leak, h_perp, rho, p, q), scale)
    constants = {"slope_in": _norm(g[S]), "slope_out": _norm(g[T]), "inside": inside, "across": leak}
    _holds(abs(damage), bounds.collateral(p, q, **constants, outside=h_perp, rho=rho), scale)
    form = h @ h / 2
    low, high = bounds.split_range(m @ form @ m, other @ form @ other)
    _holds([low, step @ form @ step], [step @ form @ step, high])
    best = vectors[:, np.argsort(-np.abs(values))[:2]]
    _equal(_norm(h - best @ best.T @ h @ best @ best.T, 2), bounds.best_subspace_error(values, 2))


@given(rho=st.floats(0.1, 9.0), x=SIZES, e=SIZES, h=SIZES)
def test_taylor_and_localisation_bounds_are_reached(rho: float, x: float, e: float, h: float) -> None:
    cubic, slope = rho / 6 * x**3, rho / 2 * x**2  # rho/6 |x|^3 and its derivative
    loss = e * x + h / 2 * x**2 + cubic
    _equal([bounds.taylor_remainder(rho, x), bounds.rollback_remainder(rho, x, 0.0)], cubic)
    _equal([bounds.gradient_remainder(rho, x), bounds.trapezoid_remainder(rho, x)], [slope, slope * x / 2 - cubic])
    _equal(bounds.damage_range(e, -h, h, rho, x), [-loss, loss])
    _equal([bounds.over_recovery(e, rho, x), bounds.difference_quotient_error(rho, x)], [e * x + cubic, slope / x])
    _equal(bounds.interaction_remainder(rho, x, e), rho / 6 * ((x + e) ** 3 - x**3 - e**3), rel=1e-7)
    _equal(bounds.dominance(e * x, h / 2 * x**2, cubic) * h / 2 * x**2, loss - h / 2 * x**2)
    _equal(bounds.collateral(x, 0, slope_in=e, slope_out=1, inside=h, across=1, outside=1, rho=rho), loss)
    _equal(bounds.refreshed_loss(x, 0.0, eps_g=e, upper=h, leak=1.0, h_perp=1.0, rho=rho), loss)
    assert bounds.helps(-e * x, h * x**2, 0.0, x) == (h / 2 * x**2 - e * x < 0)  # without rho necessary, too
    # H = [1, 0.9; 0.9, 1] and delta = (1, 0.1); H = [1, 1; 1, 1] and delta = (1, -2) or (1, 2).
    _equal(bounds.localisation_error(0.9, 1.0, 1.0, 0.1), 0.095)
    _equal(bounds.collateral(1, 0.1, slope_in=0, slope_out=0, inside=1, across=0.9, outside=1, rho=0), 0.595)
    _equal(bounds.split_range(1 / 2, 4 / 2), [(1 - 2) ** 2 / 2, (1 + 2) ** 2 / 2])


@given(eta=st.floats(0.05, 0.95), kappa=SIZES, eps=st.floats(1e-3, 1.0), rho=st.floats(1e-3, 5.0))
def test_second_order_dominates_in_the_window_only(eta: float, kappa: float, eps: float, rho: float) -> None:
    def ratio(x: ArrayLike) -> Array:
        length = np.asarray(x)
        return bounds.dominance(eps * length, kappa * length**2 / 2, bounds.taylor_remainder(rho, length))

    if (window := bounds.dominance_window(eta, kappa, eps, rho)) is None:
        assert ratio(np.geomspace(1e-4, 1e4, 2000)).min() > eta
    else:
        _equal(ratio(window), eta, rel=1e-6)
        assert ratio(np.linspace(*window, 9)).max() <= eta * (1 + 1e-6)
        assert ratio([window[0] / 2, window[1] * 2]).min() > eta
    _equal(bounds.dominance_window(eta, kappa, eps, 0.0) or (), [2 * eps / (eta * kappa), np.inf])


@given(seed=SEEDS, mu=SIZES, more=SIZES, c=st.floats(-1, 1))
def test_cosines_dilute_within_bounds_that_are_reached(seed: int, mu: float, more: float, c: float) -> None:
    generator, upper = default_rng(seed), mu + more
    x, y = _unit(generator), _unit(generator)
    for direction in (y[T], x[T], -x[T]):
        y[T] = direction * _norm(y[T]) / _norm(direction)
        a, b = _norm(x[S]), _norm(y[S])
        low, high = bounds.dilution(a, b, x[S] @ y[S] / (a * b))
        _holds([low, x @ y], [x @ y, high])
    _equal([x @ y, 2 * x[S] @ y[S] - x @ y], [low, high])
    # The axes of a basis have the second moment of all directions alike.
    mean = np.mean((np.linalg.qr(generator.standard_normal((D - 2, D - 2)))[0] @ x[T]) ** 2)
    _equal(bounds.dilution_variance(a, b, D - 2), mean * float(y[T] @ y[T]))
    _equal(bounds.chance_cosine(D - 2) * _norm(x[T]), mean**0.5)
    # L_A = mu (c, sqrt(1 - c^2)).x + upper/2 x_1^2, and L_B = -x_1 wants to go along x_1.
    _equal(bounds.damage_at_cosine(c, mu, upper, more), mu * c * more + upper / 2 * more**2)
    h = np.diag([mu, upper, 0, 0, 0, 0])
    for delta in (_unit(generator), np.array([np.sqrt(upper), np.sqrt(mu), 0, 0, 0, 0])):
        cosine = delta @ h @ delta / (_norm(h @ delta) * _norm(delta))
        revealed = bounds.revealed_cosine(_norm(delta[S]) / _norm(delta), mu, upper)
        _holds(revealed, cosine)
    _equal(revealed, cosine)


@given(seed=SEEDS, mu=st.floats(0.2, 2.0), coupling=st.floats(1e-2, 0.5), size=st.floats(0.01, 1.0))
def test_refresh_bounds_hold_at_every_step(seed: int, mu: float, coupling: float, size: float) -> None:
    generator, zero = default_rng(seed), np.zeros(D)
    h = _symmetric(generator, generator.uniform(-0.3, 1, D))
    h[S, S], h[S, T] = _symmetric(generator, [mu, mu + 1]), h[S, T] * coupling / _norm(h[S, T], 2)
    h[T, S] = h[S, T].T
    loss = Smooth(generator, 0.3)
    loss.h += h - loss.hessian(zero)
    g, rho, e, alpha = loss.gradient(zero), loss.rho, size * _unit(generator), generator.uniform(0.1, 1) / (mu + 0.5)
    (_, leak, h_perp), slope, p0, floor = _blocks(h), _norm(g[S]), _norm(e[S]), 0.0
    nu = np.abs(1 - alpha * np.linalg.eigvalsh(h[T, T])).max()
    constants = {"alpha": alpha, "mu": mu, "nu": nu, "leak": leak, "rho": rho, "slope_in": slope}
    path = bounds.refresh_path(p0, _norm(e[T]), 8, **constants, slope_out=_norm(g[T]))
    for t, (p_most, q_most) in enumerate(zip(*path, strict=True)):
        p, q, drift = _norm(e[S]), _norm(e[T]), rho / 2 * _norm(e) ** 2
        _holds([p, q, p], [p_most, q_most, float(bounds.refresh_closed(p0, alpha, mu, floor, t))])
        bound = bounds.refreshed_loss(p_most, q_most, eps_g=_norm(g), upper=mu + 1, leak=leak, h_perp=h_perp, rho=rho)
        _holds(loss(e) - loss(zero), bound)
        floor = max(floor, leak * q + slope + drift)
        e = e - alpha * loss.gradient(e)
        _holds(_norm(e[S]), bounds.refresh_step(p, alpha, mu, leak * q, slope, drift))


@given(a=st.floats(0.05, 0.9), mu=st.floats(0.2, 1.0), e=st.floats(0.01, 0.2), steps=st.integers(0, 9))
def test_refresh_bounds_are_reached(a: float, mu: float, e: float, steps: int) -> None:
    h, path, ends, linear, y = np.array([[mu, -e], [-e, 1.0]]), [np.array([1.0, 2.0])], np.ones(1), 1.0, 3.0
    for _ in range(steps):
        path.append(path[-1] - a * h @ path[-1])
        linear -= a * (mu * linear - e)
        ends = np.concatenate([(1 - a * mu) * ends - a * sign * e for sign in (1, -1)])  # every path of noise +-e
        y -= a / 8 * (2 * y + 3 * np.sin(2 * y))  # x^2 + 3 sin(x)^2: not convex, dominated with mu = 1/32
    tight = bounds.refresh_path(1, 2, steps, alpha=a, mu=mu, nu=1 - a, leak=e, slope_in=0, slope_out=0, rho=0)
    _equal(tight, np.array(path).T)
    (values, vectors), (first, *_, last) = np.linalg.eigh(h), [*path, path[-1]]
    _equal(bounds.recovered_loss(values, vectors.T @ first, a, steps), (first @ h @ first - last @ h @ last) / 2)
    _equal(bounds.refresh_step(1.0, a, mu, 0.0, 0.0, e / 2), 1 - a * (mu - e / 2))  # mu/2 x^2 - e/6 x^3 from 1
    _equal(bounds.refresh_closed(1.0, a, mu, e, steps), linear)
    x = bounds.paper_contraction(1.0, a, mu, steps)
    _equal([np.mean(ends), np.mean(ends**2)], [x, x**2 + bounds.noise_floor(a, mu, e**2) ** 2 * (1 - x**2)])
    _holds(y**2 + 3 * np.sin(y) ** 2, bounds.gradient_dominated(9 + 3 * np.sin(3) ** 2, a / 8, 1 / 32, steps))
    for phi in (a, e, np.pi / 4):  # a line at this angle to an axis
        leak, bound = mu * np.cos(phi) * np.sin(phi), bounds.leak_of_angle(mu, phi)  # H = diag(mu, 0)
        _holds([leak, bound], [bound, mu * np.sin(phi)])
    _equal(leak, bound)


@given(seed=SEEDS, mu=st.floats(0.2, 2.0), steps=st.integers(1, 20), share=st.floats(0.01, 0.99))
def test_collateral_bounds_of_a_refresh_hold(seed: int, mu: float, steps: int, share: float) -> None:
    generator = default_rng(seed)
    loss, start = Smooth(generator), generator.standard_normal(D)
    x, alpha = start, share * 2 / loss.smooth
    for _ in range(steps):
        x = x - alpha * loss.gradient(x)
    _holds(_norm(x - start), bounds.displacement(loss(start) - loss(x), alpha, loss.smooth, steps))
    _equal(bounds.displacement(mu / 2 * (1 - (1 - share) ** 2), share / mu, mu, 1), share)  # mu/2 x^2 from 1, one step
    # A is curved on S alone, by mu and 2 mu; theta_0 is 0, and `loss` is the other domain.
    delta, curved, zero = generator.standard_normal(2), mu * np.array([1, 2]), np.zeros(D)
    left = (1 - share / (2 * mu) * curved) ** steps * delta
    gained, u = float(curved @ (delta**2 - left**2)) / 2, np.concatenate([left - delta, np.zeros(D - 2)])
    slope, (inside, _, _), changed = _norm(loss.gradient(zero)[S]), _blocks(loss.hessian(zero)), loss(u) - loss(zero)
    _holds(bounds.selectivity(gained, slope, inside, mu, loss.rho) * abs(changed), gained)
    _equal(bounds.selectivity(0.5, 10.0, 0.0, 1.0, 0.0), 0.05)
    # One direction from p, B stationary there: the gain of both, its best share, and the best number of steps.
    h_b, shares = generator.uniform(0.2, 9), np.linspace(0, 1, 1001)
    gains = mu / 2 * (1 - (1 - shares) ** 2) * share**2 - h_b / 2 * (shares * share) ** 2
    _equal(bounds.partial_refresh(shares, mu, h_b, share), gains)
    undone = 1 - (1 - 0.1 * mu) ** bounds.best_refresh_steps(mu, h_b, 0.1)
    assert shares[gains.argmax()] == pytest.approx(undone, abs=1e-3)


@given(seed=SEEDS)
def test_rollback_formulas_match_brute_force(seed: int) -> None:
    generator = default_rng(seed)
    h, g, delta = _symmetric(generator, generator.uniform(0, 2, D)), generator.standard_normal(D), _unit(generator)

    slope, diagonal, grid = g + h @ delta, float(np.diag(h) @ delta**2), np.linspace(0, 1, 101)
    for k in range(D + 1):
        sets = [np.where(np.isin(np.arange(D), each), delta, 0) for each in combinations(range(D), k)]
        mean = np.mean([slope @ m - m @ h @ m / 2 for m in sets])
        rest = float(delta @ h @ delta) - diagonal
        _equal(bounds.random_rollback(k / D, D, float(g @ delta), diagonal, rest), mean)
        first, form = float(slope @ sets[0]), float(sets[0] @ h @ sets[0])
        share = bounds.damped_share(first, form)
        _holds(grid * first - grid**2 * form / 2, share * first - share**2 * form / 2)


@given(seed=SEEDS, domains=st.integers(2, 4), pace=st.floats(0.01, 2.0))
def test_a_cycle_of_refreshes_stays_within_its_errors(seed: int, domains: int, pace: float) -> None:
    generator, zero = default_rng(seed), np.zeros(D)
    losses, w = [Smooth(generator) for _ in range(domains)], generator.dirichlet(np.ones(domains))
    g, h = [each.gradient(zero) for each in losses], [each.hessian(zero) for each in losses]
    smooth, rho = max(each.smooth for each in losses), max(each.rho for each in losses)
    largest, alpha, end, slope = max(map(_norm, g)), pace / smooth, zero, w @ g
    for weight, loss in zip(w, losses, strict=True):
        end = end - alpha * weight * loss.gradient(end)
    error = bounds.cycle_error(alpha, smooth, largest, w)
    _holds(_norm(end + alpha * slope), error)
    second = np.sum([w[i] * w[j] * h[i] @ g[j] for i in range(domains) for j in range(i)], axis=0)
    _holds(_norm(end + alpha * slope - alpha**2 * second), bounds.cycle_error_second(alpha, smooth, largest, rho))
    change = sum(weight * (each(end) - each(zero)) for weight, each in zip(w, losses, strict=True))
    assert pace > 1 or change <= bounds.cycle_change(alpha, smooth, _norm(slope), error) + 1e-11
    # Fifty times x^2/2 from 1 with weight 1/50 and alpha 1/1000, which is small: both errors to leading order.
    after = 1e3 * ((1 - 2e-5) ** 50 - 1 + 1e-3)
    _equal(after, 1e3 * bounds.cycle_error(1e-3, 1.0, 1.0, np.full(50, 0.02)), rel=2e-3)
    _equal(bounds.cycle_change(0.0, 1.0, 1.0, 0.5), (1.5**2 - 1) / 2)  # from 1 to 1.5 by error alone
    _equal(1e6 * (0.49e-3 - after), 1e9 * bounds.cycle_error_second(1e-3, 1.0, 1.0, 0.0), rel=0.1)


@pytest.mark.parametrize(("kind", "mantissa"), [(np.float16, 10), (np.float32, 23)])
def test_changes_below_the_threshold_alone_are_lost_in_storage(kind: type[np.floating], mantissa: int) -> None:
    fractions = 1 + np.arange(0, 2**mantissa, max(1, 2 ** (mantissa - 10))) / 2**mantissa
    for sign, toward, exponent in product((1, -1), (1, -1), (-5, 0, 7)):
        w = sign * np.ldexp(fractions, exponent)
        threshold = bounds.lost_below(w, np.full(w.shape, toward), mantissa)
        assert ((w + toward * threshold * (1 - 1e-6)).astype(kind) == w).all()
        assert ((w + toward * threshold * (1 + 1e-6)).astype(kind) != w).all()


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.9, 0.95), (0.5, 0.9)])
def test_adam_steps_stay_below_a_bound_that_they_reach(beta1: float, beta2: float) -> None:
    ago, bound = np.arange(20_000), bounds.adam_step(beta1, beta2)  # so long that the bias is corrected
    for gradients in (default_rng(0).standard_cauchy(20_000), (beta1 / beta2) ** ago):
        first, second = (1 - beta1) * beta1**ago @ gradients, (1 - beta2) * beta2**ago @ gradients**2
        _holds(abs(first) / second**0.5, bound)
    _equal(first / second**0.5, bound, rel=1e-6)


@given(seed=SEEDS, size=SIZES)
def test_divergences_of_softmaxes_are_bounded_and_the_bounds_reached(seed: int, size: float) -> None:
    def moved(logits: Array, z: Array) -> tuple[Array, float, float, float]:
        old, new = (np.exp(x) / np.exp(x).sum() for x in (logits, logits + z))
        kl = float(new @ np.log(new / old))
        return new - old, kl, float(old @ np.log(old / new)), abs(kl - float(old @ z**2 - (old @ z) ** 2) / 2)

    generator, small = default_rng(seed), np.array([1, -1]) * 1e-3
    reward = generator.standard_normal(5)
    change, kl, reverse, error = moved(2 * generator.standard_normal(5), size * _unit(generator, 5))
    _holds([kl, reverse, error], [bounds.kl_bound(size), bounds.kl_bound(size), bounds.kl_remainder(size)])
    _holds(abs(reward @ change), bounds.reward_change(np.ptp(reward), kl))
    change, kl, _, _ = moved(np.zeros(2), small)
    _equal([kl, change[0]], [bounds.kl_bound(_norm(small)), bounds.reward_change(1.0, kl)], rel=1e-5)
    skewed = moved(np.log(0.5 + np.array([1, -1]) * np.sqrt(3) / 6), small)
    _equal(skewed[3], bounds.kl_remainder(_norm(small)), rel=1e-2)
