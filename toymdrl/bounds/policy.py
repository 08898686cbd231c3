"""T11: policies: divergences and rewards of softmaxes; z is a change of their logits."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays
from toymdrl.bounds.taylor import taylor_remainder


def kl_remainder(logits: ArrayLike) -> Array:
    """T11(b): |KL(new || old) - z.Fz/2| <= sqrt(6)/27 ||z||^3 for a change z of a softmax's logits, F at the old."""
    (z,) = arrays(logits)
    return np.sqrt(6) / 27 * z**3


def kl_remainder_of_spread(spread: ArrayLike) -> Array:
    """T11(b): the same from max z - min z, which a shift of all logits leaves alone."""
    (s,) = arrays(spread)
    return s**3 / (18 * np.sqrt(3))


def reversed_kl_remainder(logits: ArrayLike) -> Array:
    """T11(b): |KL(old || new) - z.Fz/2|, F at the old."""
    return kl_remainder(logits) / 2


def kl_bound(logits: ArrayLike) -> Array:
    """T11(c): KL of two softmaxes, either way, from the norm of the change of the logits."""
    (z,) = arrays(logits)
    return z**2 / 4


def convex_damage(first: ArrayLike, curvature: ArrayLike, rho: ArrayLike, step: ArrayLike) -> Array:
    """T11(d), T11(f): D is at most this, from g.delta and a quadratic form that bounds delta.H delta from above.

    Args:
        first: g.delta.
        curvature: A_max delta.F delta, or delta.H_+ delta with H's positive part.
        rho: Lipschitz constant of the Hessian.
        step: ||delta||.
    """
    one, two = arrays(first, curvature)
    return one + two / 2 + taylor_remainder(rho, step)


def tabular_rho(spread: ArrayLike) -> Array:
    """T11(d): a Lipschitz constant of the Hessian of J as a function of the logits, spread = max r - min r."""
    (s,) = arrays(spread)
    return 5 * np.sqrt(2) / 4 * s


def reward_change(spread: ArrayLike, kl: ArrayLike) -> Array:
    """T11(d): |change of the expected reward| <= (max r - min r) sqrt(KL / 2)."""
    s, k = arrays(spread, kl)
    return s * np.sqrt(k / 2)


def sampling_noise(largest: ArrayLike, samples: ArrayLike, fisher: ArrayLike) -> Array:
    """T11(e): variance inside S of a policy gradient from so many samples: what T5(f) calls sigma_S^2.

    Args:
        largest: max |r - b|, b the baseline.
        samples: N.
        fisher: trace of P F P; for a direction v, v.F v.
    """
    a, n, f = arrays(largest, samples, fisher)
    return a**2 / n * f
