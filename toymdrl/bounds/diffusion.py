"""T16: how much of the expected damage is drift, and how much is noise."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array, arrays


def drift(gradient: ArrayLike, hessian: ArrayLike, mean: ArrayLike) -> float:
    """T16(a): the damage of the mean update, to second order.

    Args:
        gradient: (d,).
        hessian: (d, d).
        mean: (d,).
    """
    g, h, m = arrays(gradient, hessian, mean)
    return float(g @ m + m @ h @ m / 2)


def diffusion(hessian: ArrayLike, covariance: ArrayLike, copies: int = 1) -> float:
    """T16(a), (b): what noise adds to the expected damage of the mean of so many independent updates.

    Args:
        hessian: (d, d).
        covariance: of one update, (d, d).
        copies: K.
    """
    h, c = arrays(hessian, covariance)
    return float(np.sum(h * c) / (2 * copies))


def split_error(rho: ArrayLike, third_moment: ArrayLike) -> Array:
    """T16(a): how far drift and diffusion can be from the expected damage, by E||delta||^3."""
    r, m = arrays(rho, third_moment)
    return r / 6 * m


def split(forms: ArrayLike) -> tuple[float, float]:
    """T16(c): unbiased second order of the drift, and diffusion, from independent updates.

    Args:
        forms: delta_i . H delta_j, (updates, updates).

    Raises:
        ValueError: fewer than two updates.
    """
    (f,) = arrays(forms)
    count = len(f)
    if count < 2:
        raise ValueError("the split takes two independent updates or more")
    own = float(np.trace(f)) / (2 * count)
    between = (float(np.sum(f)) - float(np.trace(f))) / (2 * count * (count - 1))
    return between, own - between


def split_variance(slope: ArrayLike, spread: ArrayLike, copies: int) -> Array:
    """T16(c): variance of the estimated drift.

    Args:
        slope: m.HCHm, m the mean update and C its covariance.
        spread: tr(HCHC).
        copies: R.
    """
    q, t = arrays(slope, spread)
    return q / copies + t / (2 * copies * (copies - 1))


def moments(
    rates: Iterable[float], preconditioner: ArrayLike, gradient: ArrayLike, curvature: ArrayLike, noise: ArrayLike
) -> tuple[Array, Array]:
    """T16(d): mean (d,) and covariance (d, d) of u after steps u -= rate M (g_B + H_B u + xi) from 0.

    Args:
        rates: of each step.
        preconditioner: M, (d, d).
        gradient: g_B, (d,).
        curvature: H_B, (d, d).
        noise: covariance of xi, (d, d).
    """
    m, g, h, s = arrays(preconditioner, gradient, curvature, noise)
    mean, covariance = np.zeros(len(g)), np.zeros((len(g), len(g)))
    for rate in rates:
        kept = np.eye(len(g)) - rate * m @ h
        mean = kept @ mean - rate * m @ g
        covariance = kept @ covariance @ kept.T + rate**2 * m @ s @ m.T
    return mean, covariance


def stretch(rates: ArrayLike, probe: ArrayLike) -> tuple[float, float]:
    """T16(d): by which factors the second-order drift, and the diffusion, of a probe grow to those of a longer stage.

    Args:
        rates: of the stage's steps, (steps,).
        probe: of the probe's, (steps,).
    """
    long, short = arrays(rates, probe)
    return float((long.sum() / short.sum()) ** 2), float((long**2).sum() / (short**2).sum())


def most_diffusion(sharpest: ArrayLike, rates: ArrayLike, noise: ArrayLike) -> Array:
    """T16(d): diffusion, where B's own curvature holds the noise back.

    Args:
        sharpest: the largest eigenvalue of M^(1/2) H M^(1/2).
        rates: of the steps, (steps,).
        noise: tr(M Sigma).
    """
    top, steps, trace = arrays(sharpest, rates, noise)
    return np.maximum(top, 0) * np.sum(steps**2) * trace / 2


def most_drift(rates: ArrayLike, slope: ArrayLike, away: ArrayLike) -> Array:
    """T16(d): length of the mean update in M^-1.

    Args:
        rates: of the steps, (steps,).
        slope: ||g_B|| in M.
        away: length in M^-1 of a way from the start to a minimum of B's quadratic.
    """
    steps, g, far = arrays(rates, slope, away)
    return np.minimum(np.sum(steps) * g, far)


def shuffled_noise(scores: ArrayLike, square: float) -> Array:
    """T16(e): covariance of a group's gradient under shuffled advantages, (d, d).

    Args:
        scores: gradient of each answer's log-probability, (answers, d).
        square: mean square of the centred advantages.
    """
    (s,) = arrays(scores)
    centred = s - s.mean(axis=0)
    return square / len(s) * centred.T @ centred / (len(s) - 1)


def alignment(hessian: ArrayLike, covariance: ArrayLike) -> float:
    """T16(f): diffusion as a multiple of that of isotropic noise of the same trace; both matrices (d, d)."""
    h, c = arrays(hessian, covariance)
    return float(len(h) * np.sum(h * c) / (np.trace(h) * np.trace(c)))
