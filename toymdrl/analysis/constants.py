"""The constants that theorems need and no other analysis measures, and what the theorems then bound, both measured.

theta* is the harmed domain's checkpoint, theta_0 = theta* + delta where all training ended. A Lipschitz constant of the
Hessian cannot be measured from a few points: each `rho` is the worst that was met at those that its theorem names.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from toymdrl.bounds.collateral import collateral as collateral_bound
from toymdrl.bounds.order import order_difference
from toymdrl.bounds.rollback import damped_gain, damped_share, rollback_gain
from toymdrl.bounds.stopping import short_refresh
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


@dataclass(frozen=True)
class Collateral:
    """What a refresh does to another domain, for T6(b)."""

    other: str
    change: float
    """L_C(theta_0 + u) - L_C(theta_0)."""
    bound: float
    """T6(b)'s."""
    slope_in: float
    """||P g_C||."""
    slope_out: float
    inside: float
    """||P H_C P||."""
    across: float
    """||P H_C Q||."""
    outside: float
    """||H_C||, which bounds ||Q H_C Q||."""
    rho: float
    """Of C's Hessian, as met along u."""
    u_in: float
    """||P u||."""
    u_out: float


@dataclass(frozen=True)
class Undone:
    """Rolling back some coordinates, m, for T7, and before or after a refresh step, for T14."""

    m: float
    """||m||."""
    n: float
    """||delta - m||."""
    eps_g: float
    """||g|| at theta*."""
    rho: float
    """Largest 2 ||grad L(theta* + x) - g - H x|| / ||x||^2 for x from n to delta, at 0, 1/2 and 1 of m."""
    recovered: float
    predicted: float
    """g.m + m.Hm / 2 + m.Hn."""
    damped: float
    """The share of m that T7(c) undoes, from gradient and Hessian at theta_0."""
    damped_predicted: float
    damped_recovered: float
    alpha: float
    """Step size of the refresh step."""
    last: float
    """Damage with the rollback last, less that with the refresh last."""
    last_predicted: float
    """The same by T14(d)."""


@dataclass(frozen=True)
class Joint:
    """One refresh step on the harmed domain, and the total of all domains, for T15(c)."""

    limit: float
    """Step size up to which it helps the total of quadratics."""
    below: float
    """Change of the total at half of it."""
    above: float
    """At twice."""


def _drift(
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


def _value(module: nn.Module, loss: Loss, where: Tensor) -> float:
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
    rho, rho_along = _drift(module, loss, start, delta, bent, PLACES)
    return Taylor(
        norm=float(delta.norm()),
        eps_g=float(g.norm()),
        damage=after - level,
        mirrored=_value(module, loss, start - delta) - level,
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


def collateral(module: nn.Module, loss: Loss, start: Tensor, u: Tensor, basis: Tensor, *, other: str) -> Collateral:
    """What moving by u from theta_0 does to another domain's loss.

    Args:
        module: whose parameters; left as found.
        loss: the other domain's.
        start: theta_0, (coordinates,).
        u: the refresh, (coordinates,).
        basis: of the harmed domain's conflict subspace, (coordinates, pairs).
        other: the other domain's name.
    """
    with at_parameters(module, start):
        hessian = Hessian(module, loss)
        g, bent, image = hessian.gradient, hessian @ u, hessian @ basis
        largest = float(abs(top_eigenpairs(hessian, 1, tolerance=0.05).values[0]))
        level = value(module, loss)
        del hessian
    # P H P in the subspace's own coordinates; what is left of the image leaks out of it.
    inner = basis.T @ image
    constants = {
        "slope_in": float((basis.T @ g).norm()),
        "slope_out": float((g - basis @ (basis.T @ g)).norm()),
        "inside": float(torch.linalg.matrix_norm(inner, 2)),
        "across": float(torch.linalg.matrix_norm(image - basis @ inner, 2)),
        "outside": largest,
        "rho": _drift(module, loss, start, u, bent, (0.5, 1.0))[1],
    }
    u_in, u_out = float((basis.T @ u).norm()), float((u - basis @ (basis.T @ u)).norm())
    return Collateral(
        other=other,
        change=_value(module, loss, start + u) - level,
        bound=float(collateral_bound(u_in, u_out, **constants)),
        u_in=u_in,
        u_out=u_out,
        **constants,
    )


def undone(module: nn.Module, loss: Loss, start: Tensor, delta: Tensor, m: Tensor, alpha: float) -> Undone:
    """A rollback alone, damped, and in both orders with one exact refresh step.

    Args:
        module: whose parameters; left as found.
        loss: the harmed domain's.
        start: theta*, (coordinates,).
        delta: (coordinates,).
        m: delta on the coordinates put back, 0 elsewhere, (coordinates,).
        alpha: step size of the refresh.
    """
    n, kept = delta - m, m == 0

    def drift(share: float) -> float:
        x = n + share * m
        with at_parameters(module, start + x):
            rest = gradient(module, loss) - g - bent_n - share * bent_m
        return 2 * float(rest.norm()) / float(x.norm()) ** 2

    with at_parameters(module, start):
        hessian = Hessian(module, loss)
        g, bent_m, bent_n = hessian.gradient, hessian @ m, hessian @ n
        # T14(d) is about g = 0: what the gradient adds to the refresh step is part of what it misses.
        # T14(d)'s curvature term compares two points a step apart.
        v = (bent_m + bent_n) * kept
        bent = float(v @ (hessian @ v) - bent_n @ (hessian @ bent_n))
        level = value(module, loss)
        del hessian
    with at_parameters(module, start + delta):
        slope = gradient(module, loss)
        bent_end = float(m @ (Hessian(module, loss, keep_graph=False) @ m))
        after = value(module, loss)
    # T7(c): how far back along m the slope and curvature at the end say to go.
    pull = float(slope @ m)
    damped = float(damped_share(pull, bent_end))
    with at_parameters(module, start + n):
        refreshed_last = n - alpha * gradient(module, loss)
    # First the step, then the coordinates put back; above, the other way round.
    rolled_last = (delta - alpha * slope) * kept
    one, other = (_value(module, loss, start + e) - level for e in (rolled_last, refreshed_last))
    across, along = float((bent_n * ~kept) @ bent_n), float((bent_n * kept) @ bent_m)
    return Undone(
        m=float(m.norm()),
        n=float(n.norm()),
        eps_g=float(g.norm()),
        rho=max(drift(0.0), drift(0.5), drift(1.0)),
        recovered=after - _value(module, loss, start + n),
        predicted=float(rollback_gain(float(g @ m), float(m @ bent_m), float(m @ bent_n))),
        damped=damped,
        damped_predicted=float(damped_gain(pull, bent_end)),
        damped_recovered=after - _value(module, loss, start + delta - damped * m),
        alpha=alpha,
        last=one - other,
        last_predicted=float(order_difference(alpha, across, along, bent)),
    )


def joint(module: nn.Module, losses: Mapping[str, Loss], harmed: str, start: Tensor) -> Joint:
    """One step on the harmed domain from theta_0, and the total of all.

    Args:
        module: whose parameters; left as found.
        losses: every domain's, whose sum is the total.
        harmed: the domain of the step.
        start: theta_0, (coordinates,).
    """
    with at_parameters(module, start):
        slopes = {name: gradient(module, loss) for name, loss in losses.items()}
        g = slopes[harmed]
        bent = sum(float(g @ (Hessian(module, loss, keep_graph=False) @ g)) for loss in losses.values())
    total = float(g @ torch.stack(list(slopes.values())).sum(dim=0))
    limit = float(short_refresh(total, bent))

    def sums(step: float) -> float:
        return sum(_value(module, loss, start - step * g) for loss in losses.values())

    before = sums(0.0)
    # Where the step always helps, or never, there is no place to try.
    finite = limit if 0 < limit < float("inf") else 0.0
    return Joint(limit=limit, below=sums(finite / 2) - before, above=sums(2 * finite) - before)
