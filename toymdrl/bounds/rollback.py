"""T7: rollback of coordinates; m = delta on the set, n = delta elsewhere."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays


def rollback_remainder(rho: ArrayLike, m: ArrayLike, n: ArrayLike) -> Array:
    """T7(a): |R - g.m - m.Hm/2 - m.Hn| for the recovered loss R, from the norms of m and n."""
    r, inside, rest = arrays(rho, m, n)
    return r / 6 * (inside**3 + 3 * inside * rest**2)


def damped_share(slope: ArrayLike, curvature: ArrayLike) -> Array:
    """T7(c): the share of m to undo, g0.m / m.Hm, at most 1; 0 where g0.m <= 0."""
    g, h = arrays(slope, curvature)
    wanted = np.where(h > 0, g / np.where(h > 0, h, 1.0), 1.0)
    return np.where(g > 0, np.clip(wanted, 0.0, 1.0), 0.0)


def random_rollback(share: ArrayLike, coordinates: int, first: float, diagonal: float, rest: float) -> Array:
    """T7(f): mean loss recovered by undoing a random share p of the coordinates, for a quadratic.

    Args:
        share: p.
        coordinates: how many are eligible.
        first: g.delta.
        diagonal: T = sum_i H_ii delta_i^2.
        rest: O = delta.H delta - T.
    """
    (p,) = arrays(share)
    spread = coordinates * (1 - p) / (coordinates - 1)
    return p * (first + (diagonal + rest) / 2 + spread * rest / 2)
