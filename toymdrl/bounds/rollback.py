"""T7: rollback of coordinates; m = delta on the set, n = delta elsewhere."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays


def rollback_remainder(rho: ArrayLike, m: ArrayLike, n: ArrayLike) -> Array:
    """T7(a): |R - g.m - m.Hm/2 - m.Hn| for the recovered loss R, from the norms of m and n."""
    r, inside, rest = arrays(rho, m, n)
    return r / 6 * (inside**3 + 3 * inside * rest**2)


def rollback_gain(first: ArrayLike, within: ArrayLike, cross: ArrayLike) -> Array:
    """T7(a): the recovered loss R of a quadratic, from g.m, m.Hm and m.Hn."""
    one, inside, both = arrays(first, within, cross)
    return one + inside / 2 + both


def rollback_range(within: ArrayLike, rest: ArrayLike) -> tuple[Array, Array]:
    """T7(b): range of R for a quadratic with g = 0 and H >= 0, from the quadratic forms m.Hm and n.Hn."""
    a, c = (np.sqrt(each) for each in arrays(within, rest))
    return a * (a / 2 - c), a * (a / 2 + c)


def damped_share(slope: ArrayLike, curvature: ArrayLike) -> Array:
    """T7(c): the share of m to undo, g0.m / m.Hm, at most 1; 0 where g0.m <= 0."""
    g, h = arrays(slope, curvature)
    wanted = np.where(h > 0, g / np.where(h > 0, h, 1.0), 1.0)
    return np.where(g > 0, np.clip(wanted, 0.0, 1.0), 0.0)


def damped_gain(slope: ArrayLike, curvature: ArrayLike) -> Array:
    """T7(c): the loss of a quadratic that undoing the damped share of m recovers; never negative."""
    g, h = arrays(slope, curvature)
    share = damped_share(g, h)
    return share * g - share**2 * h / 2


def rollback_scores(gradient: ArrayLike, diagonal: ArrayLike, delta: ArrayLike) -> Array:
    """T7(d), T7(e): what undoing a coordinate alone recovers if no other changed: g_i delta_i + H_ii delta_i^2 / 2."""
    g, h, d = arrays(gradient, diagonal, delta)
    return g * d + h / 2 * d**2


def best_rollback(scores: ArrayLike, k: int) -> Array:
    """T7(d): largest R over sets of k coordinates, for a diagonal H, from the scores of the coordinates."""
    (each,) = arrays(scores)
    return np.sort(each)[..., each.shape[-1] - k :].sum(axis=-1)


def greedy_share(k: ArrayLike) -> Array:
    """T7(e): share of the largest R over sets of k coordinates that greedy choice is sure of; above 1 - 1/e."""
    (count,) = arrays(k)
    return 1 - (1 - 1 / count) ** count


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


def random_rollback_variance(scores: ArrayLike, k: int) -> Array:
    """T7(f): variance of what undoing k random coordinates recovers, for a diagonal H, from the scores."""
    (each,) = arrays(scores)
    d = each.shape[-1]
    return k * (d - k) / (d - 1) * each.var(axis=-1)
