"""T3: what a cosine of gradients says, and what it hides."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays
from toymdrl.bounds.taylor import taylor_remainder


def damage_at_cosine(cosine: ArrayLike, eps_g: ArrayLike, curvature: ArrayLike, length: ArrayLike) -> Array:
    """T3(a): most damage of a step of this length along -g_B, cos(g_A, g_B) = -cosine; some A and B reach it.

    Args:
        cosine: of -g_A and g_B: positive if they conflict.
        eps_g: ||g_A||.
        curvature: at least delta.H delta / ||delta||^2, H the Hessian of A's loss anywhere on the step.
        length: ||delta||.
    """
    c, e, h, t = arrays(cosine, eps_g, curvature, length)
    return h / 2 * t**2 + c * e * t


def diluted_cosine(a: ArrayLike, b: ArrayLike, inside: ArrayLike, outside: ArrayLike) -> Array:
    """T3(b): cos(x, y), exact, given ||Px||/||x|| = a, ||Py||/||y|| = b, cos(Px, Py) and cos(Qx, Qy)."""
    one, two, c, rest = arrays(a, b, inside, outside)
    return one * two * c + np.sqrt((1 - one**2) * (1 - two**2)) * rest


def dilution(a: ArrayLike, b: ArrayLike, cosine: ArrayLike) -> tuple[Array, Array]:
    """T3(b): least and greatest cos(x, y), given ||Px||/||x|| = a, ||Py||/||y|| = b and cos(Px, Py)."""
    return diluted_cosine(a, b, cosine, -1), diluted_cosine(a, b, cosine, 1)


def dilution_variance(a: ArrayLike, b: ArrayLike, complement: int) -> Array:
    """T3(c): E (cos - ab cos_S)^2 if one complement part points anywhere in `complement` dimensions alike."""
    one, two = arrays(a, b)
    return (1 - one**2) * (1 - two**2) / complement


def chance_cosine(dimensions: int) -> float:
    """T3(c) without subspace: root mean square cosine of two vectors of which one points anywhere alike."""
    return float(dimensions) ** -0.5


def chance_tail(tau: ArrayLike, dimensions: int) -> Array:
    """T3(c): the |cosine| of two vectors is above tau < 1 no more likely than this, if one points anywhere alike."""
    (t,) = arrays(tau)
    return (1 - t**2) ** ((dimensions - 1) / 2)


def revealed_slope_remainder(rho: ArrayLike, step: ArrayLike) -> Array:
    """T3(d): |g0.delta - g.delta - 2 D2| <= rho/2 ||delta||^3, g0 the gradient at theta* + delta."""
    return 3 * taylor_remainder(rho, step)


def revealed_cosine(share: ArrayLike, mu: ArrayLike, upper: ArrayLike) -> Array:
    """T3(d): least cos(grad L_A(theta* + delta), delta) for a quadratic, g = 0, H = PHP; share = p/||delta||."""
    s, low, high = arrays(share, mu, upper)
    return s * 2 * np.sqrt(low * high) / (low + high)
