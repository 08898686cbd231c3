"""Losses whose constants are known, subspaces, scales, and what it means to hold, to be reached and to be violated.

Every theorem's tests draw from here. numpy only, float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.random import Generator, default_rng
from numpy.typing import ArrayLike

from toymdrl.bounds.arrays import Array

SEEDS = st.integers(0, 2**32 - 1)
DIMENSIONS = st.integers(2, 8)
LOG_COSH_THIRD = 4 / (3 * np.sqrt(3))
"""Largest |third derivative| of log cosh."""
MOST_DRAWS = 1000
"""Draws an accepted one: with fewer accepted, a statement is as good as vacuous."""


def scales(low: float, high: float) -> st.SearchStrategy[float]:
    """Log-uniform numbers from `low` to `high`."""
    return st.floats(np.log10(low), np.log10(high)).map(lambda exponent: float(10**exponent))


def log_uniform(generator: Generator, low: float, high: float) -> float:
    """The same from a numpy generator."""
    return float(10 ** generator.uniform(np.log10(low), np.log10(high)))


# What is asserted


def holds(left: ArrayLike, right: ArrayLike, scale: float = 1.0) -> None:
    """left <= right up to rounding.

    A difference of two float64 losses of size `scale` carries about 1e-15 of it as rounding error, a sum of some tens
    of terms ten times that; 1e-11 leaves room for larger terms that cancel. Right sides are products of a few factors:
    1e-9 of them is more than their rounding, and far less than what the tests of tightness tell apart.
    """
    low, high = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    slack = high + 1e-9 * np.abs(high) + 1e-11 * max(1.0, abs(scale))
    assert np.all(low <= slack), f"{low} > {high}"


def equal(left: ArrayLike, right: ArrayLike, rel: float = 1e-9, scale: float = 1.0) -> None:
    """left = right to a relative error, and to the rounding of differences of losses of size `scale`."""
    np.testing.assert_allclose(np.asarray(left), np.asarray(right), rtol=rel, atol=1e-13 * max(1.0, abs(scale)))


def reached(left: float, right: float, rel: float = 1e-9) -> None:
    """left = right, so that 0.99 of the right side is too little: the inequality cannot be had any smaller."""
    equal(left, right, rel)
    assert left > 0.99 * right if right > 0 else left > 1.01 * right


def violated(left: float, right: float, by: float) -> None:
    """left > right by a factor: what the theorem says is false without the assumption that was dropped."""
    assert left > 0
    assert left >= by * right, f"{left} < {by} x {right}"


class Accept:
    """Draws of a conditional statement until enough of them meet its hypothesis.

    for generator in accept:
        instance = ...
        if accept.met(hypothesis):
            holds(...)
    """

    def __init__(self, wanted: int, seed: int | None) -> None:
        """Ask for so many; the same ones every time for a given seed."""
        self.wanted, self.accepted, self.drawn = wanted, 0, 0
        self._generator = default_rng(seed)

    def __iter__(self) -> Iterator[Generator]:
        """Random generators, one a draw.

        Raises:
            AssertionError: the hypothesis is hardly ever met.
        """
        while self.accepted < self.wanted:
            assert self.drawn < MOST_DRAWS * self.wanted, f"{self.accepted} of {self.drawn} draws met the hypothesis"
            self.drawn += 1
            yield self._generator

    def met(self, hypothesis: bool | np.bool_) -> bool:
        """Whether this draw meets the hypothesis; counted."""
        self.accepted += bool(hypothesis)
        return bool(hypothesis)

    @property
    def rate(self) -> float:
        """Share of the draws that were accepted."""
        return self.accepted / max(1, self.drawn)


# Linear algebra


def norm(x: Array, order: int | None = None) -> float:
    """Euclidean norm of a vector; spectral norm of a matrix with order 2."""
    return float(np.linalg.norm(x, order))


def unit(generator: Generator, d: int) -> Array:
    """A uniformly random unit vector, (d,)."""
    x = generator.standard_normal(d)
    return x / norm(x)


def orthogonal(generator: Generator, d: int) -> Array:
    """A Haar-random orthogonal matrix, (d, d)."""
    q, r = np.linalg.qr(generator.standard_normal((d, d)))
    return q * np.sign(np.diag(r))


def symmetric(generator: Generator, eigenvalues: ArrayLike) -> Array:
    """A symmetric matrix with these eigenvalues and random eigenvectors, (d, d)."""
    values = np.asarray(eigenvalues, dtype=np.float64)
    basis = orthogonal(generator, len(values))
    return basis * values @ basis.T


@dataclass(frozen=True)
class Split:
    """A subspace S and its complement."""

    inside: Array
    """Orthonormal basis of S, (d, k)."""
    outside: Array
    """Orthonormal basis of its complement, (d, d - k)."""

    @property
    def p(self) -> Array:
        """The projector onto S, (d, d)."""
        return self.inside @ self.inside.T

    @property
    def q(self) -> Array:
        """The projector onto the complement, (d, d)."""
        return self.outside @ self.outside.T

    def norms(self, x: Array) -> tuple[float, float]:
        """||P x||, ||Q x||."""
        return norm(self.inside.T @ x), norm(self.outside.T @ x)

    def blocks(self, h: Array) -> tuple[float, float, float]:
        """||P H P||, ||P H Q||, ||Q H Q||."""
        i, o = self.inside, self.outside
        return norm(i.T @ h @ i, 2), norm(i.T @ h @ o, 2), norm(o.T @ h @ o, 2)

    def curvature(self, h: Array) -> tuple[float, float]:
        """Least and largest eigenvalue of H on S: mu and L_S."""
        values = np.linalg.eigvalsh(self.inside.T @ h @ self.inside)
        return float(values[0]), float(values[-1])


def subspace(generator: Generator, d: int, k: int) -> Split:
    """A random subspace of dimension k < d."""
    basis = orthogonal(generator, d)
    return Split(basis[:, :k], basis[:, k:])


# Losses


@dataclass(frozen=True)
class Smooth:
    """L(x) = g.x + x.Hx/2 + sum_j c_j phi(a_j.x + s_j): in general neither convex nor quadratic, with known constants.

    phi is u^3/6 with all s_j = 0, whose Hessian's slope is constant; or log cosh, which is bounded.
    """

    g: Array
    """(d,)."""
    h: Array
    """(d, d)."""
    c: Array
    """(terms,)."""
    a: Array
    """(terms, d)."""
    s: Array
    """(terms,)."""
    cubic: bool

    @property
    def rho(self) -> float:
        """A Lipschitz constant of the Hessian everywhere."""
        third = 1.0 if self.cubic else LOG_COSH_THIRD
        return third * float(np.abs(self.c) @ np.linalg.norm(self.a, axis=1) ** 3)

    @property
    def smooth(self) -> float:
        """A Lipschitz constant of the gradient everywhere; infinite for cubic terms."""
        bend = float(np.abs(self.c) @ np.linalg.norm(self.a, axis=1) ** 2)
        return norm(self.h, 2) + (np.inf if self.cubic and bend else bend)

    def __call__(self, x: Array) -> float:
        """The loss at x, (d,)."""
        u = self.a @ x + self.s
        bent = u**3 / 6 if self.cubic else np.logaddexp(u, -u)
        return float(self.g @ x + x @ self.h @ x / 2 + self.c @ bent)

    def gradient(self, x: Array) -> Array:
        """(d,)."""
        u = self.a @ x + self.s
        return self.g + self.h @ x + self.a.T @ (self.c * (u**2 / 2 if self.cubic else np.tanh(u)))

    def hessian(self, x: Array) -> Array:
        """(d, d)."""
        u = self.a @ x + self.s
        return self.h + self.a.T * (self.c * (u if self.cubic else 1 / np.cosh(u) ** 2)) @ self.a


def loss(generator: Generator, d: int, *, bend: float = 1.0, slope: float = 0.1, cubic: bool | None = None) -> Smooth:
    """A random loss of d parameters, indefinite.

    Args:
        generator: draws it.
        d: parameters.
        bend: scale of what is not quadratic; 0 for a quadratic.
        slope: scale of the gradient's linear part.
        cubic: which phi; None draws it.
    """
    cubic = bool(generator.integers(2)) if cubic is None else cubic
    terms = 3
    return Smooth(
        g=slope * generator.standard_normal(d),
        h=symmetric(generator, generator.uniform(-1, 2, d)),
        c=bend * generator.standard_normal(terms),
        a=generator.standard_normal((terms, d)) / np.sqrt(d),
        s=np.zeros(terms) if cubic else generator.standard_normal(terms),
        cubic=cubic,
    )


def quadratic(h: Array, g: Array | None = None) -> Smooth:
    """g.x + x.Hx/2."""
    d = len(h)
    none = np.zeros(0)
    return Smooth(np.zeros(d) if g is None else g, h, none, np.zeros((0, d)), none, cubic=True)
