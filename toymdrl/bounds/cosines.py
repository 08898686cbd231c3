"""T3: what a cosine of gradients says, and what it hides."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays


def damage_at_cosine(cosine: ArrayLike, eps_g: ArrayLike, curvature: ArrayLike, length: ArrayLike) -> Array:
    """T3(a): the damage that a step of this length on B does to some A with cos(g_A, g_B) = -cosine."""
    c, e, h, t = arrays(cosine, eps_g, curvature, length)
    return h / 2 * t**2 + c * e * t


def dilution(a: ArrayLike, b: ArrayLike, cosine: ArrayLike) -> tuple[Array, Array]:
    """T3(b): least and greatest cos(x, y), given ||Px||/||x|| = a, ||Py||/||y|| = b and cos(Px, Py)."""
    one, two, c = arrays(a, b, cosine)
    slack = np.sqrt((1 - one**2) * (1 - two**2))
    return one * two * c - slack, one * two * c + slack


def dilution_variance(a: ArrayLike, b: ArrayLike, complement: int) -> Array:
    """T3(c): E (cos - ab cos_S)^2 if one complement part points anywhere in `complement` dimensions alike."""
    one, two = arrays(a, b)
    return (1 - one**2) * (1 - two**2) / complement


def chance_cosine(dimensions: int) -> float:
    """T3(c) without subspace: root mean square cosine of two vectors of which one points anywhere alike."""
    return float(dimensions) ** -0.5


def revealed_cosine(share: ArrayLike, mu: ArrayLike, upper: ArrayLike) -> Array:
    """T3(d): least cos(grad L_A(theta* + delta), delta) for a quadratic, g = 0, H = PHP; share = p/||delta||."""
    s, low, high = arrays(share, mu, upper)
    return s * 2 * np.sqrt(low * high) / (low + high)
