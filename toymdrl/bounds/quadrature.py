"""T13: the exact second-order form, and what its few-point quadrature misses."""

from math import comb, factorial

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays


def quadrature_error(top: ArrayLike, nodes: int) -> Array:
    """T13(b): |D - g.delta - Q_n / 2| for Gauss's rule of n nodes.

    Args:
        top: a bound of |phi^(2n + 2)| on [0, 1], phi(s) = L(theta* + s delta).
        nodes: n.
    """
    (m,) = arrays(top)
    return m / (factorial(2 * nodes) * 2 * (nodes + 1) * comb(2 * nodes + 1, nodes) ** 2)


def rule_distance(points: ArrayLike, shares: ArrayLike) -> float:
    """Wasserstein distance of a rule on [0, 1] from the density 2 (1 - s): the area between distribution functions.

    Args:
        points: where the curvature is measured, ascending, (nodes,).
        shares: their weights, which sum to 1, (nodes,).
    """
    s, w = arrays(points, shares)
    edges, heights = np.concatenate([[0.0], s, [1.0]]), np.concatenate([[0.0], np.cumsum(w)])
    area = 0.0
    for low, high, height in zip(edges[:-1], edges[1:], heights, strict=True):
        # 1 - (1 - s)^2 crosses the height once at most: split there.
        cross = float(np.clip(1 - np.sqrt(max(0.0, 1 - height)), low, high))
        for a, b in ((low, cross), (cross, high)):
            area += abs((b - a) * (1 - height) - ((1 - a) ** 3 - (1 - b) ** 3) / 3)
    return area


def rough_quadrature_error(rho: ArrayLike, step: ArrayLike, points: ArrayLike, shares: ArrayLike) -> Array:
    """T13(c): the same error where the Hessian is only rho-Lipschitz: rho/2 ||delta||^3 times `rule_distance`."""
    r, n = arrays(rho, step)
    return r / 2 * n**3 * rule_distance(points, shares)
