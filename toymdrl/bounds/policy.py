"""T11: policies: divergences and rewards of softmaxes."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays


def kl_remainder(logits: ArrayLike) -> Array:
    """T11(b): |KL(new || old) - z.Fz/2| <= sqrt(6)/27 ||z||^3 for a change z of a softmax's logits, F at the old."""
    (z,) = arrays(logits)
    return np.sqrt(6) / 27 * z**3


def kl_bound(logits: ArrayLike) -> Array:
    """T11(c): KL of two softmaxes, either way, from the norm of the change of the logits."""
    (z,) = arrays(logits)
    return z**2 / 4


def reward_change(spread: ArrayLike, kl: ArrayLike) -> Array:
    """T11(d): |change of the expected reward| <= (max r - min r) sqrt(KL / 2)."""
    s, k = arrays(spread, kl)
    return s * np.sqrt(k / 2)
