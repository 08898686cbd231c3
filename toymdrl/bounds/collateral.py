"""T6: what a refresh of A does to another domain C, from theta_0 with displacement u."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays
from toymdrl.bounds.subspace import localisation_error
from toymdrl.bounds.taylor import taylor_remainder


def displacement(gained: ArrayLike, alpha: ArrayLike, smooth: ArrayLike, steps: ArrayLike) -> Array:
    """T6(a): ||u|| is at most this after steps that gained so much on A; `smooth` >= ||H||, alpha < 2/smooth."""
    d, a, s, t = arrays(gained, alpha, smooth, steps)
    return np.sqrt(t * a / (1 - a * s / 2) * d)


def collateral(
    u_in: ArrayLike,
    u_out: ArrayLike,
    *,
    slope_in: ArrayLike,
    slope_out: ArrayLike,
    inside: ArrayLike,
    across: ArrayLike,
    outside: ArrayLike,
    rho: ArrayLike,
) -> Array:
    """T6(b): |L_C(theta_0 + u) - L_C(theta_0)| is at most this.

    Args:
        u_in: ||P u||.
        u_out: ||Q u||.
        slope_in: ||P g_C||.
        slope_out: ||Q g_C||.
        inside: ||P H_C P||.
        across: ||P H_C Q||.
        outside: ||Q H_C Q||.
        rho: Lipschitz constant of C's Hessian.
    """
    i, o, gi, go, hi = arrays(u_in, u_out, slope_in, slope_out, inside)
    quadratic = hi / 2 * i**2 + localisation_error(across, outside, i, o)
    return gi * i + go * o + quadratic + taylor_remainder(rho, np.hypot(i, o))


def gain_range(slope: ArrayLike) -> tuple[Array, Array]:
    """T6(c): range of what A gains by a refresh of a quadratic, from slope = g0.u."""
    (s,) = arrays(slope)
    return np.abs(s) / 2, np.abs(s)


def least_gain(mu: ArrayLike, u: ArrayLike) -> Array:
    """T6(c): what A gains is at least this, from ||u||."""
    m, n = arrays(mu, u)
    return m / 2 * n**2


def selectivity(gained: ArrayLike, slope_in: ArrayLike, inside: ArrayLike, mu: ArrayLike, rho: ArrayLike) -> Array:
    """T6(c): gained / |change of C| is at least this, for a quadratic L_A and a displacement inside an invariant S."""
    d, g, h, m, r = arrays(gained, slope_in, inside, mu, rho)
    return 1 / (g * np.sqrt(2 / (m * d)) + h / m + r / 6 * (2 / m) ** 1.5 * np.sqrt(d))


def partial_refresh(share: ArrayLike, h_a: ArrayLike, h_b: ArrayLike, p: ArrayLike) -> Array:
    """T6(d): gain of -(L_A + L_B) by undoing a share of P delta, B stationary; most at h_a / (h_a + h_b)."""
    s, a, b, n = arrays(share, h_a, h_b, p)
    return n**2 / 2 * (a * (2 * s - s**2) - b * s**2)


def best_refresh_steps(h_a: ArrayLike, h_b: ArrayLike, alpha: ArrayLike) -> Array:
    """T6(d): after how many steps of gradient descent on A that share is undone."""
    a, b, rate = arrays(h_a, h_b, alpha)
    return np.log(b / (a + b)) / np.log(1 - rate * a)


def noise_collateral(alpha: ArrayLike, steps: ArrayLike, curvature: ArrayLike) -> Array:
    """T6(e): what gradient noise of covariance Sigma outside S adds to C's expected loss; curvature = tr(H_C Sigma)."""
    a, t, h = arrays(alpha, steps, curvature)
    return a**2 / 2 * t * h
