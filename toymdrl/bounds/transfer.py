"""T9: two updates, and whether one helps the other's domain."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toymdrl.bounds.arrays import Array, arrays
from toymdrl.bounds.taylor import taylor_remainder


def interaction_remainder(rho: ArrayLike, a: ArrayLike, b: ArrayLike) -> Array:
    """T9(a): |interaction - delta_A.H delta_B| <= rho/2 ||delta_A|| ||delta_B|| (||delta_A|| + ||delta_B||)."""
    r, one, two = arrays(rho, a, b)
    return r / 2 * one * two * (one + two)


def helps(slope: ArrayLike, curvature: ArrayLike, rho: ArrayLike, step: ArrayLike) -> NDArray[np.bool_]:
    """T9(b): whether an update b helps A for certain: -g.b > b.Hb/2 + rho/6 ||b||^3, slope = g.b, curvature = b.Hb."""
    g, h = arrays(slope, curvature)
    return -g > h / 2 + taylor_remainder(rho, step)
