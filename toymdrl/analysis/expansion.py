"""The terms and constants of an update's expansion that theorems need and no other analysis measures (T1, T4, T12).

theta* is the harmed domain's checkpoint. A Lipschitz constant of the Hessian cannot be measured from a few points: each
`rho` is the worst that was met at those that its theorem names.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from toymdrl.curvature import Hessian, Loss, gradient, top_eigenpairs, value
from toymdrl.parameters import at_parameters

PLACES = (-1.0, -0.5, 0.5, 1.0)
"""Shares of an update at which the drift of the Hessian is measured."""


@dataclass(frozen=True)
class Taylor:
    """Taylor's terms of one update, for T1 and T12."""

    norm: float
    """||delta||."""
    eps_g: float
    """||g|| at theta*."""
    damage: float
    mirrored: float
    """Damage of -delta."""
    first: float
    """g.delta."""
    second: float
    """delta.H delta / 2."""
    gradient_rest: float
    """||grad L(theta* + delta) - g - H delta||."""
    rho: float
    """Largest ||(H(s) - H(0)) delta|| / (|s| ||delta||^2) over s in PLACES."""
    rho_along: float
    """Largest |delta.(H(s) - H(0)) delta| / (|s| ||delta||^3): all that T1(a) and what follows from it need."""
    most: float
    """Largest |eigenvalue| of H."""


@dataclass(frozen=True)
class Localised:
    """How much of an update's second order a subspace holds, for T4."""

    second: float
    """delta.H delta / 2."""
    p: float
    """||P delta||."""
    q: float
    inside: float
    """P delta.H P delta / 2."""
    outside: float
    """Q delta.H Q delta / 2."""
    leak: float
    """||P H Q||."""
    h_perp: float
    """||Q H Q||: at most the least |eigenvalue| that the subspace has."""
    least: float
    """The least eigenvalue, roughly; below 0, H is not positive semidefinite."""


def drift(
    module: nn.Module, loss: Loss, start: Tensor, step: Tensor, bent: Tensor, places: tuple[float, ...]
) -> tuple[float, float]:
    """Largest ||(H(s) - H(0)) step|| / (|s| ||step||^2), and largest |step.(H(s) - H(0)) step| / (|s| ||step||^3)."""
    norm, whole, along = float(step.norm()), [], []
    for s in places:
        with at_parameters(module, start + s * step):
            change = Hessian(module, loss, keep_graph=False) @ step - bent
        whole.append(float(change.norm()) / abs(s) / norm**2)
        along.append(abs(float(change @ step)) / abs(s) / norm**3)
    return max(whole), max(along)


def value_at(module: nn.Module, loss: Loss, where: Tensor) -> float:
    """The loss with the parameters elsewhere, (coordinates,)."""
    with at_parameters(module, where):
        return value(module, loss)


def taylor(module: nn.Module, loss: Loss, start: Tensor, delta: Tensor) -> Taylor:
    """Terms and constants of an update.

    Args:
        module: whose parameters; left as found.
        loss: the harmed domain's.
        start: theta*, (coordinates,).
        delta: (coordinates,).
    """
    with at_parameters(module, start):
        hessian = Hessian(module, loss)
        g, bent = hessian.gradient, hessian @ delta
        # This one stands in a bound, so it must be close.
        most = float(abs(top_eigenpairs(hessian, 1, tolerance=0.01).values[0]))
        level = value(module, loss)
        del hessian  # the graph is large
    with at_parameters(module, start + delta):
        end, after = gradient(module, loss), value(module, loss)
    # Before and behind the start: T12 mirrors the update.
    rho, rho_along = drift(module, loss, start, delta, bent, PLACES)
    return Taylor(
        norm=float(delta.norm()),
        eps_g=float(g.norm()),
        damage=after - level,
        mirrored=value_at(module, loss, start - delta) - level,
        first=float(g @ delta),
        second=float(delta @ bent) / 2,
        gradient_rest=float((end - g - bent).norm()),
        rho=rho,
        rho_along=rho_along,
        most=most,
    )


def localised(
    module: nn.Module, loss: Loss, start: Tensor, delta: Tensor, values: np.ndarray, basis: Tensor
) -> Localised:
    """What the subspace of the largest |eigenvalues| holds.

    Args:
        module: whose parameters; left as found.
        loss: the harmed domain's, of which the eigenpairs are.
        start: theta*, (coordinates,).
        delta: (coordinates,).
        values: largest |eigenvalues| of the Hessian at theta*, (pairs,).
        basis: their eigenvectors, (coordinates, pairs).
    """
    with at_parameters(module, start):
        hessian = Hessian(module, loss)
        bent, image = hessian @ delta, hessian @ basis
        least = float(top_eigenpairs(hessian, 1, tolerance=0.1, which="SA").values[0])
        del hessian
    # P delta, and H P delta from the basis' images: no further product.
    within = basis @ (basis.T @ delta)
    bent_within = image @ (basis.T @ delta)
    beyond, bent_beyond = delta - within, bent - bent_within
    return Localised(
        second=float(delta @ bent) / 2,
        p=float(within.norm()),
        q=float(beyond.norm()),
        inside=float(within @ bent_within) / 2,
        outside=float(beyond @ bent_beyond) / 2,
        leak=float(torch.linalg.matrix_norm(image - basis @ (basis.T @ image), 2)),
        h_perp=float(np.abs(values).min()),
        least=least,
    )
