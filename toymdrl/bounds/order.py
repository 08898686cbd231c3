"""T14: rollback then refresh, or refresh then rollback; quadratic L_A, g = 0, H >= 0."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays


def refreshed_last(damage: ArrayLike, alpha: ArrayLike, least: ArrayLike, most: ArrayLike, steps: ArrayLike) -> Array:
    """T14(a): damage after rollback and then a refresh is at most this.

    Args:
        damage: after the rollback alone.
        alpha: step size, at most 2/most.
        least: smallest eigenvalue of H that is not 0.
        most: largest.
        steps: of the refresh.
    """
    d, a, low, high, t = arrays(damage, alpha, least, most, steps)
    return np.maximum(np.abs(1 - a * low), np.abs(1 - a * high)) ** (2 * t) * d


def order_gap(alpha: ArrayLike, steps: ArrayLike, most: ArrayLike, coupling: ArrayLike, step: ArrayLike) -> Array:
    """T14(c): |sqrt(damage of one order) - sqrt(damage of the other)| is at most this; coupling = ||H_MN||."""
    a, t, high, c, n = arrays(alpha, steps, most, coupling, step)
    return np.sqrt(high / 2) * t * a * c * n


def order_difference(alpha: ArrayLike, across: ArrayLike, along: ArrayLike, bent: ArrayLike) -> Array:
    """T14(d): damage with rollback last minus damage with refresh last, after one step: exact.

    Args:
        alpha: step size.
        across: ||(H n)_M||^2.
        along: (H n)_N . (H m)_N.
        bent: v.H v - w.H w, v = H delta on N and 0 on M, w = H n.
    """
    a, one, other, rest = arrays(alpha, across, along, bent)
    return a * (one - other) + a**2 / 2 * rest
