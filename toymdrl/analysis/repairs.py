"""What theorems say of repairs, and what comes of them: collateral, rollback, order, stopping (T6, T7, T14, T15).

theta* is the harmed domain's checkpoint, theta_0 = theta* + delta where all training ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from toymdrl.analysis.expansion import drift, value_at
from toymdrl.bounds.collateral import collateral as collateral_bound
from toymdrl.bounds.order import order_difference
from toymdrl.bounds.rollback import damped_gain, damped_share, rollback_gain
from toymdrl.bounds.stopping import short_refresh
from toymdrl.curvature import Hessian, Loss, gradient, top_eigenpairs, value
from toymdrl.parameters import at_parameters


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
        "rho": drift(module, loss, start, u, bent, (0.5, 1.0))[1],
    }
    u_in, u_out = float((basis.T @ u).norm()), float((u - basis @ (basis.T @ u)).norm())
    return Collateral(
        other=other,
        change=value_at(module, loss, start + u) - level,
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

    def drift_at(share: float) -> float:
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
    one, other = (value_at(module, loss, start + e) - level for e in (rolled_last, refreshed_last))
    across, along = float((bent_n * ~kept) @ bent_n), float((bent_n * kept) @ bent_m)
    return Undone(
        m=float(m.norm()),
        n=float(n.norm()),
        eps_g=float(g.norm()),
        rho=max(drift_at(0.0), drift_at(0.5), drift_at(1.0)),
        recovered=after - value_at(module, loss, start + n),
        predicted=float(rollback_gain(float(g @ m), float(m @ bent_m), float(m @ bent_n))),
        damped=damped,
        damped_predicted=float(damped_gain(pull, bent_end)),
        damped_recovered=after - value_at(module, loss, start + delta - damped * m),
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
        return sum(value_at(module, loss, start - step * g) for loss in losses.values())

    before = sums(0.0)
    # Where the step always helps, or never, there is no place to try.
    finite = limit if 0 < limit < float("inf") else 0.0
    return Joint(limit=limit, below=sums(finite / 2) - before, above=sums(2 * finite) - before)
