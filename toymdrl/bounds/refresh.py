"""T5: refresh by gradient descent with a step size 0 < alpha <= 2 / (mu + upper)."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays
from toymdrl.bounds.subspace import localisation_error
from toymdrl.bounds.taylor import taylor_remainder


def paper_contraction(p0: ArrayLike, alpha: ArrayLike, mu: ArrayLike, steps: ArrayLike) -> Array:
    """The paper's Theorem 1, (1 - alpha mu)^t p_0: true if S is H-invariant, P g = 0 and L_A is quadratic (T5)."""
    start, a, m, t = arrays(p0, alpha, mu, steps)
    return (1 - a * m) ** t * start


def refresh_step(
    p: ArrayLike, alpha: ArrayLike, mu: ArrayLike, leaked: ArrayLike, slope: ArrayLike, drift: ArrayLike
) -> Array:
    """T5(a): p after a step is at most (1 - alpha mu) p + alpha (leaked + slope + drift).

    Args:
        p: ||P e_t||, or a bound of it.
        alpha: step size.
        mu: least curvature on S.
        leaked: leak q, or ||P H Q e_t|| as measured.
        slope: ||P g||.
        drift: rho/2 ||e_t||^2, or ||P (grad L_A(theta_t) - g - H e_t)|| as measured.
    """
    now, a, m, out, g, r = arrays(p, alpha, mu, leaked, slope, drift)
    return (1 - a * m) * now + a * (out + g + r)


def refresh_path(
    p0: float,
    q0: float,
    steps: int,
    *,
    alpha: float,
    mu: float,
    nu: float,
    leak: float,
    slope_in: float,
    slope_out: float,
    rho: float,
    leak_back: float | None = None,
) -> tuple[Array, Array]:
    """T5(b): bounds of p_t and of q_t for t = 0 … steps, (steps + 1,) each.

    Args:
        p0: ||P delta||.
        q0: ||Q delta||.
        steps: how many.
        alpha: step size.
        mu: least curvature on S.
        nu: max |1 - alpha lambda| over the eigenvalues of H compressed to S's complement.
        leak: ||P H Q||.
        slope_in: ||P g||.
        slope_out: ||Q g||.
        rho: Lipschitz constant of the Hessian.
        leak_back: ||Q H P||; by symmetry that of `leak`, unless each was measured along its own direction.
    """
    back = leak if leak_back is None else leak_back
    p, q = [p0], [q0]
    for _ in range(steps):
        drift = rho / 2 * (p[-1] ** 2 + q[-1] ** 2)
        inside = float(refresh_step(p[-1], alpha, mu, leak * q[-1], slope_in, drift))
        q.append(nu * q[-1] + alpha * (back * p[-1] + slope_out + drift))
        p.append(inside)
    return np.array(p), np.array(q)


def refresh_closed(p0: ArrayLike, alpha: ArrayLike, mu: ArrayLike, floor: ArrayLike, steps: ArrayLike) -> Array:
    """T5(c): (1 - alpha mu)^t p_0 + (1 - (1 - alpha mu)^t) floor / mu, floor = leak q + ||Pg|| + rho/2 R^2."""
    m, f = arrays(mu, floor)
    shrunk = paper_contraction(1.0, alpha, mu, steps)
    return shrunk * np.asarray(p0, dtype=np.float64) + (1 - shrunk) * f / m


def leak_of_angle(spread: ArrayLike, angle: ArrayLike) -> Array:
    """T5(e): leak of an S at this largest angle from an invariant subspace; spread = lambda_max - lambda_min."""
    s, phi = arrays(spread, angle)
    return s * np.minimum(0.5, np.sin(phi))


def leak_of_blocks(inside: ArrayLike, h_perp: ArrayLike) -> Array:
    """T5(e): leak if H >= 0; inside = ||P H P||."""
    i, o = arrays(inside, h_perp)
    return np.sqrt(i * o)


def noise_floor(alpha: ArrayLike, mu: ArrayLike, variance: ArrayLike) -> Array:
    """T5(f): what gradient noise of this variance inside S adds to the root mean square of p_t, for any t."""
    a, m, v = arrays(alpha, mu, variance)
    return np.sqrt(a * v / (m * (2 - a * m)))


def noisy_step(
    p: ArrayLike,
    alpha: ArrayLike,
    mu: ArrayLike,
    leaked: ArrayLike,
    slope: ArrayLike,
    drift: ArrayLike,
    variance: ArrayLike,
) -> Array:
    """T5(f): the root mean square of p after a step with gradient noise is at most this.

    Args:
        p: root mean square of ||P e_t||.
        alpha: step size.
        mu: least curvature on S.
        leaked: leak times the root mean square of ||Q e_t||.
        slope: ||P g||.
        drift: rho/2 times the root of the mean of ||e_t||^4.
        variance: mean square of the noise inside S.
    """
    a, v = arrays(alpha, variance)
    return np.hypot(refresh_step(p, alpha, mu, leaked, slope, drift), a * np.sqrt(v))


def noisy_contraction(p0: ArrayLike, alpha: ArrayLike, mu: ArrayLike, variance: ArrayLike, steps: ArrayLike) -> Array:
    """T5(f): the root mean square of p_t if L_A is quadratic, S is H-invariant and P g = 0."""
    shrunk = paper_contraction(1.0, alpha, mu, steps)
    spread = noise_floor(alpha, mu, variance) * np.sqrt(1 - shrunk**2)
    return np.hypot(paper_contraction(p0, alpha, mu, steps), spread)


def noisy_closed(
    p0: ArrayLike, alpha: ArrayLike, mu: ArrayLike, floor: ArrayLike, variance: ArrayLike, steps: ArrayLike
) -> Array:
    """T5(f): the root mean square of p_t; floor = leak q + ||Pg|| + rho/2 m, from the largest root means met."""
    return refresh_closed(p0, alpha, mu, floor, steps) + noisy_contraction(0.0, alpha, mu, variance, steps)


def refreshed_loss(
    p: ArrayLike, q: ArrayLike, *, eps_g: float, upper: float, leak: float, h_perp: float, rho: float
) -> Array:
    """T5(g): L_A(theta_t) - L_A(theta*) is at most this, from bounds of p_t and q_t."""
    one, two = arrays(p, q)
    n = np.hypot(one, two)
    return eps_g * n + upper / 2 * one**2 + localisation_error(leak, h_perp, one, two) + taylor_remainder(rho, n)


def recovered_loss(eigenvalues: ArrayLike, coordinates: ArrayLike, alpha: float, steps: int) -> float:
    """T5(g): the loss that t steps recover on a quadratic with g = 0; coordinates of delta in the eigenbasis."""
    value, c = arrays(eigenvalues, coordinates)
    return float(np.sum(value * c**2 * (1 - (1 - alpha * value) ** (2 * steps))) / 2)


def least_recovered(inside: ArrayLike, alpha: ArrayLike, mu: ArrayLike, steps: ArrayLike) -> Array:
    """T5(g): t steps recover at least this on a quadratic with g = 0, S invariant and alpha H <= 2.

    Args:
        inside: (P delta).H(P delta) / 2.
        alpha: step size.
        mu: least curvature on S.
        steps: how many.
    """
    i, t = arrays(inside, steps)
    return i - paper_contraction(i, alpha, mu, 2 * t)


def gradient_dominated(gap: ArrayLike, alpha: ArrayLike, mu: ArrayLike, steps: ArrayLike) -> Array:
    """T5(h): L_A(theta_t) - inf L_A <= (1 - alpha mu)^t gap, if ||grad L_A||^2 / 2 >= mu (L_A - inf L_A)."""
    return paper_contraction(gap, alpha, mu, steps)


def smooth_descent(gap: ArrayLike, alpha: ArrayLike, mu: ArrayLike, smooth: ArrayLike, steps: ArrayLike) -> Array:
    """T5(h): the same, from a Lipschitz constant of the gradient, for every alpha below 2/smooth."""
    start, a, m, s, t = arrays(gap, alpha, mu, smooth, steps)
    return (1 - 2 * a * m * (1 - a * s / 2)) ** t * start
