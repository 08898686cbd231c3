"""T15: after how many refresh steps the domains' total is best."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays
from toymdrl.bounds.collateral import best_refresh_steps


def refresh_gain(a: ArrayLike, b: ArrayLike, c: ArrayLike, alpha: float, steps: ArrayLike) -> Array:
    """T15(a): what t steps on A gain for A and lose for B, in total.

    Args:
        a: A's curvatures in common eigenvectors, (directions,).
        b: B's, (directions,).
        c: coordinates of delta there, (directions,).
        alpha: step size.
        steps: t, any shape.
    """
    curved, price, d = arrays(a, b, c)
    left = (1 - alpha * curved) ** np.asarray(steps, dtype=np.float64)[..., None]
    return np.sum(d**2 / 2 * (curved * (1 - left**2) - price * (1 - left) ** 2), axis=-1)


def best_stopping_range(a: ArrayLike, b: ArrayLike, alpha: float) -> tuple[float, float]:
    """T15(b): between which numbers of steps the best one lies, 0 < alpha a < 1 and b > 0."""
    steps = best_refresh_steps(a, b, alpha)
    return float(np.min(steps)), float(np.max(steps))


def short_refresh(slope: ArrayLike, curvature: ArrayLike) -> Array:
    """T15(c): up to which step size one step on A helps the total of quadratics.

    Args:
        slope: g.(g + g_B), the gradients of A and of B where the refresh starts.
        curvature: g.(H_A + H_B) g.
    """
    s, h = arrays(slope, curvature)
    bent = np.where(h > 0, h, 1.0)
    return np.where(s <= 0, 0.0, np.where(h > 0, 2 * s / bent, np.inf))
