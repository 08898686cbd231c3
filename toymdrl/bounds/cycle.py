"""T8: a cycle of refreshes with weights w_i, F = sum w_i L_i."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import arrays


def cycle_error(alpha: float, smooth: float, largest: float, weights: ArrayLike) -> float:
    """T8(a): ||cycle(theta) - theta + alpha grad F||; `smooth` bounds every ||H_i||, `largest` every ||g_i||."""
    (w,) = arrays(weights)
    growth = np.expm1(alpha * smooth) / (alpha * smooth)
    return float(growth / 2 * alpha**2 * smooth * largest * (1 - np.sum(w**2)))


def cycle_error_second(alpha: float, smooth: float, largest: float, rho: float) -> float:
    """T8(b): ||cycle(theta) - theta + alpha grad F - alpha^2 C||, C = sum_{j<i} w_i w_j H_i g_j."""
    growth = np.expm1(alpha * smooth) / (alpha * smooth)
    return float(alpha**3 / 6 * (growth * smooth**2 * largest + growth**2 * rho * largest**2))


def cycle_change(alpha: float, smooth: float, slope: float, error: float) -> float:
    """T8(c): F(cycle(theta)) - F(theta) is at most this; slope = ||grad F||, error = T8(a)'s, alpha smooth <= 1."""
    return -alpha * (1 - alpha * smooth / 2) * slope**2 + slope * error + smooth / 2 * error**2
