"""T10: what number formats and Adam let through."""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays


def lost_below(weight: ArrayLike, delta: ArrayLike, mantissa: int) -> Array:
    """T10(a): the threshold under which |delta| vanishes on storing weight + delta.

    Args:
        weight: a normal number of the format.
        delta: its sign matters at powers of two.
        mantissa: explicit bits of the format: 7 in bfloat16, 3 in float8 e4m3, 2 in e5m2, 23 in float32.
    """
    w, d = arrays(weight, delta)
    fraction, exponent = np.frexp(np.abs(w))
    spacing = np.ldexp(1.0, exponent - 1 - mantissa)
    inward = (fraction == 0.5) & (np.sign(d) == -np.sign(w))
    return np.where(inward, spacing / 4, spacing / 2)


def adam_step(beta1: float, beta2: float) -> float:
    """T10(d): an Adam step moves no weight by more than this times the learning rate, beta1^2 < beta2."""
    gamma = beta1**2 / beta2
    return float((1 - beta1) / np.sqrt((1 - beta2) * (1 - gamma)))
