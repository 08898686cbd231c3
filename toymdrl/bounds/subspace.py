"""T4: how much of the damage a subspace holds."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays
from toymdrl.bounds.taylor import taylor_remainder


def localisation_error(leak: ArrayLike, h_perp: ArrayLike, p: ArrayLike, q: ArrayLike) -> Array:
    """T4(a), T4(e): |D2 - (P delta).H(P delta)/2| <= leak p q + h_perp q^2 / 2."""
    e, h, one, two = arrays(leak, h_perp, p, q)
    return e * one * two + h / 2 * two**2


def localised_damage_error(
    eps_g: ArrayLike, leak: ArrayLike, h_perp: ArrayLike, rho: ArrayLike, p: ArrayLike, q: ArrayLike
) -> Array:
    """T4(a): |D - (P delta).H(P delta)/2| is at most this."""
    e, one, two = arrays(eps_g, p, q)
    n = np.hypot(one, two)
    return e * n + localisation_error(leak, h_perp, p, q) + taylor_remainder(rho, n)


def split_range(inside: ArrayLike, outside: ArrayLike) -> tuple[Array, Array]:
    """T4(b): range of D2, for H >= 0, from the quadratic forms of P delta and of Q delta."""
    a, c = (np.sqrt(each) for each in arrays(inside, outside))
    return (a - c) ** 2, (a + c) ** 2


def best_subspace_error(eigenvalues: ArrayLike, k: int) -> float:
    """T4(c): min ||H - PHP|| over subspaces of k dimensions: the next largest |eigenvalue|."""
    sizes = np.sort(np.abs(np.asarray(eigenvalues, dtype=np.float64)))[::-1]
    return float(sizes[k])


def least_tail(eigenvalues: ArrayLike, k: int) -> Array:
    """T4(d): min E||Q delta||^2 over subspaces of k dimensions, from the eigenvalues of E delta delta^T."""
    (values,) = arrays(eigenvalues)
    return np.sort(values)[..., : values.shape[-1] - k].sum(axis=-1)


def least_damage_tail(eigenvalues: ArrayLike, k: int) -> Array:
    """T4(d): min E||delta - Pi delta||_H^2 / 2, Pi H-orthogonal, from the eigenvalues of H E delta delta^T.

    T4(f): the least D2 that k coordinates leave out, from all h_i delta_i^2, for a diagonal H >= 0.
    """
    return least_tail(eigenvalues, k) / 2
