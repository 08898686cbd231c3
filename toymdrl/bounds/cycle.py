"""T8: a cycle of refreshes with weights w_i, F = sum w_i L_i."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import arrays


def cycle_error(alpha: float, smooth: float, largest: float, weights: ArrayLike) -> float:
    """T8(a): ||cycle(theta) - theta + alpha grad F||; `smooth` bounds every ||H_i||, `largest` every ||g_i||."""
    (w,) = arrays(weights)
    growth = np.expm1(alpha * smooth) / (alpha * smooth)
    return float(growth / 2 * alpha**2 * smooth * largest * (1 - np.sum(w**2)))


def cycle_error_sharp(alpha: float, smooth: float, largest: float, weights: ArrayLike) -> float:
    """T8(a): the same, least possible: largest / smooth (prod_i (1 + alpha w_i smooth) - 1 - alpha smooth)."""
    moved = error = 0.0
    for weight in arrays(weights)[0]:  # not by that formula, which cancels for small alpha
        error += alpha * weight * smooth * moved
        moved += alpha * weight * (largest + smooth * moved)
    return float(error)


def cycle_error_second(alpha: float, smooth: float, largest: float, rho: float) -> float:
    """T8(b): ||cycle(theta) - theta + alpha grad F - alpha^2 C||, C = sum_{j<i} w_i w_j H_i g_j."""
    growth = np.expm1(alpha * smooth) / (alpha * smooth)
    return float(alpha**3 / 6 * (growth * smooth**2 * largest + growth**2 * rho * largest**2))


def cycle_change(alpha: float, smooth: float, slope: float, error: float) -> float:
    """T8(c): F(cycle(theta)) - F(theta) is at most this; slope = ||grad F||, error = T8(a)'s, alpha smooth <= 2."""
    return -alpha * (1 - alpha * smooth / 2) * slope**2 + slope * error + smooth / 2 * error**2


def descent_slope(alpha: float, smooth: float, error: float) -> float:
    """T8(c): F falls wherever ||grad F|| is more than this; error = T8(a)'s, alpha smooth < 2."""
    pace = alpha * smooth
    return float(error / alpha * (1 + np.sqrt(1 + pace * (2 - pace))) / (2 - pace))


def recency_bias(alpha: float, smooth: float, largest: float, weights: ArrayLike, least: float) -> float:
    """T8(d): distance of a fixed point of the cycle from F's minimum, for quadratics; infinite if nothing is known.

    Args:
        alpha: step size.
        smooth: bounds every ||H_i||.
        largest: bounds every gradient's norm at F's minimum.
        weights: w_i.
        least: smallest eigenvalue of F's Hessian, positive.
    """
    pull = cycle_error_sharp(alpha, smooth, 1.0, weights) / (alpha * least)
    return pull * largest / (1 - pull * smooth) if pull * smooth < 1 else float("inf")


def recency_bias_second(alpha: float, smooth: float, reach: float, weights: ArrayLike, least: float) -> float:
    """T8(d): the same distance, from F's minimum + alpha times F's Hessian^-1 C.

    Args:
        alpha: step size.
        smooth: bounds every ||H_i||.
        reach: bounds the distance from F's minimum of every point where the cycle takes a gradient, but the last.
        weights: w_i.
        least: smallest eigenvalue of F's Hessian, positive.
    """
    (w,) = arrays(weights)
    return float(alpha * smooth**2 * (1 - np.sum(w**2)) / (2 * least) * reach)
