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


def transfer_change(pull: ArrayLike, curvature: ArrayLike) -> Array:
    """T9(b), T9(c): change of a quadratic L_A by an update b from error e, from pull = -e.Hb and curvature = b.Hb."""
    wanted, h = arrays(pull, curvature)
    return h / 2 - wanted


def helpful_cosine(error: ArrayLike, update: ArrayLike) -> Array:
    """T9(b): the cosine of -e and b above which b helps A, from ||e||_H and ||b||_H; all three in A's curvature."""
    e, b = arrays(error, update)
    return b / (2 * e)


def joint_damage(one: ArrayLike, other: ArrayLike, interaction: ArrayLike) -> Array:
    """T9(d): damage of two updates together from that of each and delta_B.H delta_C, for a quadratic."""
    first, second, both = arrays(one, other, interaction)
    return first + second + both


def shapley_share(own: ArrayLike, interaction: ArrayLike) -> Array:
    """T9(d): a stage's Shapley share of the damage of all, from its own damage and delta_B.H(all others)."""
    alone, both = arrays(own, interaction)
    return alone + both / 2
