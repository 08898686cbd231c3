"""T10: what number formats and Adam let through.

`mantissa` is the number of explicit bits: 7 in bfloat16, 3 in float8 e4m3, 2 in e5m2, 23 in float32.
"""

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays


def _spacing(weight: Array, mantissa: int) -> Array:
    """Distance to the next larger number of the format."""
    _, exponent = np.frexp(np.abs(weight))
    return np.ldexp(1.0, exponent - 1 - mantissa)


def lost_below(weight: ArrayLike, delta: ArrayLike, mantissa: int) -> Array:
    """T10(a): the threshold under which |delta| vanishes on storing weight + delta.

    Args:
        weight: a normal number of the format.
        delta: its sign matters at powers of two.
        mantissa: explicit bits of the format.
    """
    w, d = arrays(weight, delta)
    fraction, _ = np.frexp(np.abs(w))
    spacing = _spacing(w, mantissa)
    inward = (fraction == 0.5) & (np.sign(d) == -np.sign(w))
    return np.where(inward, spacing / 4, spacing / 2)


def relative_thresholds(mantissa: int) -> tuple[float, float]:
    """T10(a): the shares of |weight| up to which a change is always lost, and above which it always survives."""
    return 2.0 ** -(mantissa + 2), 2.0 ** -(mantissa + 1)


def frozen_above(step: ArrayLike, mantissa: int) -> Array:
    """T10(b): weights of this size and more never change if no step exceeds `step` and each is stored in the format."""
    (s,) = arrays(step)
    return s / relative_thresholds(mantissa)[0]


def changed_range(weight: ArrayLike, delta: ArrayLike, mantissa: int) -> tuple[float, float, float]:
    """T10(c): least and greatest share of weights that look changed, from a precise copy; and the Markov bound.

    Args:
        weight: on the format's grid, (weights,).
        delta: total drift of the precise copy, (weights,).
        mantissa: explicit bits of the format.
    """
    w, d = (np.abs(each) for each in arrays(weight, delta))
    lost, kept = relative_thresholds(mantissa)
    return float(np.mean(d > kept * w)), float(np.mean(d > lost * w)), float(np.mean(np.minimum(1, d / (lost * w))))


def unchanged_chance(weight: ArrayLike, delta: ArrayLike, mantissa: int) -> Array:
    """T10(c): chance that a weight looks unchanged if its precise copy is anywhere in its cell alike."""
    w, d = arrays(weight, delta)
    return np.maximum(0.0, 1 - np.abs(d) / _spacing(w, mantissa))


def adam_step(beta1: float, beta2: float) -> float:
    """T10(d): an Adam step moves no weight by more than this times the learning rate, beta1^2 < beta2."""
    gamma = beta1**2 / beta2
    return float((1 - beta1) / np.sqrt((1 - beta2) * (1 - gamma)))


def adam_step_at(beta1: float, beta2: float, step: int) -> float:
    """T10(d): the same for the step of this number, the first being 1."""
    gamma = beta1**2 / beta2
    shape = np.sqrt((1 - gamma**step) * (1 - beta2**step)) / (1 - beta1**step)
    return float(adam_step(beta1, beta2) * shape)


def rounding_error(value: ArrayLike, mantissa: int) -> Array:
    """T10(e): |stored value - value| is at most this."""
    (x,) = arrays(value)
    unit = relative_thresholds(mantissa)[1]
    return unit / (1 + unit) * np.abs(x)
