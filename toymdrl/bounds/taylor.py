"""T1, T2 and T12: Taylor's expansion of damage, where its second order dominates, and how to measure it."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays


def taylor_remainder(rho: ArrayLike, step: ArrayLike) -> Array:
    """T1(a), T12(a): |D - g.delta - D2| <= rho/6 ||delta||^3."""
    r, n = arrays(rho, step)
    return r * n**3 / 6


def gradient_remainder(rho: ArrayLike, step: ArrayLike) -> Array:
    """T1(c): ||grad L_A(theta* + e) - g - H e|| <= rho/2 ||e||^2."""
    r, n = arrays(rho, step)
    return r * n**2 / 2


def trapezoid_remainder(rho: ArrayLike, step: ArrayLike) -> Array:
    """T1(d): |D - (g + g0).delta / 2| <= rho/12 ||delta||^3, g0 the gradient at theta* + delta."""
    return taylor_remainder(rho, step) / 2


def damage_range(
    eps_g: ArrayLike, least: ArrayLike, most: ArrayLike, rho: ArrayLike, step: ArrayLike
) -> tuple[Array, Array]:
    """T1(b): lower and upper bound of D from the extreme eigenvalues `least` and `most` of H."""
    e, low, high, n = arrays(eps_g, least, most, step)
    slack = e * n + taylor_remainder(rho, n)
    return low * n**2 / 2 - slack, high * n**2 / 2 + slack


def dominance(first: ArrayLike, second: ArrayLike, remainder: ArrayLike) -> Array:
    """T2(b): the least eta for which |D - D2| <= eta D2 is certain; infinite where D2 <= 0.

    Below 1 it certifies that second-order damage dominates: (1 - eta) D2 <= D <= (1 + eta) D2.

    Args:
        first: g.delta.
        second: D2.
        remainder: a bound of |D - g.delta - D2|, such as T1(a)'s.
    """
    one, two, rest = arrays(first, second, remainder)
    positive = two > 0
    return np.where(positive, (np.abs(one) + rest) / np.where(positive, two, 1.0), np.inf)


def second_order_share(eta: ArrayLike) -> Array:
    """T2(a): D2 is at least this share of D, eta as of `dominance`."""
    (e,) = arrays(eta)
    return 1 / (1 + e)


def second_order_range(eta: ArrayLike, second: ArrayLike) -> tuple[Array, Array]:
    """T2(b): range of D, eta as of `dominance`, second = D2 > 0."""
    e, two = arrays(eta, second)
    return (1 - e) * two, (1 + e) * two


def dominance_window(eta: float, kappa: float, eps_g: float, rho: float) -> tuple[float, float] | None:
    """T2(c): between which ||delta|| T2(b) holds, if delta.H delta >= kappa ||delta||^2; None if nowhere."""
    half = eta * kappa / 2
    root = half**2 - 2 * rho * eps_g / 3
    if root < 0:
        return None
    # The smaller root in the form that does not cancel.
    low = 2 * eps_g / (half + root**0.5)
    return low, 3 / rho * (half + root**0.5) if rho > 0 else float("inf")


def over_recovery(eps_g: ArrayLike, rho: ArrayLike, step: ArrayLike) -> Array:
    """T2(d): if H >= 0, L_A(theta*) - L_A(theta* + e) is at most this: more is further training, not recovery."""
    e, n = arrays(eps_g, step)
    return e * n + taylor_remainder(rho, n)


def difference_quotient_error(rho: ArrayLike, h: ArrayLike) -> Array:
    """T12(b): error of (grad L(theta + h v) - grad L(theta - h v)) / 2h as H v, for ||v|| = 1."""
    r, width = arrays(rho, h)
    return r * width / 2
