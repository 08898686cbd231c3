"""Damage of later training to an earlier domain, and what gradient and Hessian say of it (C1, C7; T1, T2).

Damage is a difference of losses, so in the loss's unit; `toymdrl run` gives losses in points of 100 x expected reward.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from torch import Tensor, nn

from toymdrl.bounds.taylor import dominance, taylor_remainder
from toymdrl.curvature import Hessian, Loss, gradient, path_quadrature, value
from toymdrl.parameters import at_parameters

PATH = (0.25, 0.5, 0.75, 1.0)
"""Shares of the update at which the actual damage is also measured."""
NODES = (4, 8, 16)
"""Points of the path at which the curvature is measured: few, or more where few do not close the identity."""
CLOSED = 0.01
"""Share of the damage that it may miss by."""
ROUNDING = 1e-5
"""Damage below this share of the loss's level (or of 1) is none: float32 evaluates no loss more closely."""


def share_undone(undone: float, damage: float, level: float) -> float:
    """Which share of a damage was undone; 0 where there was none to undo.

    Args:
        undone: in the loss's unit.
        damage: what there was to undo.
        level: the loss at which the damage began.
    """
    return undone / damage if damage > ROUNDING * max(1.0, abs(level)) else 0.0


@dataclass(frozen=True)
class Decomposition:
    """The damage of one update to one loss."""

    earlier: str
    later: str
    norm: float
    """||delta||."""
    along: tuple[float, ...]
    """Actual damage of s delta for s in PATH; the last is the damage."""
    first: float
    """g.delta, g at the start."""
    second: float
    """delta.H delta / 2, H at the start."""
    averaged: float
    """delta.H delta / 2 with H averaged along the path with weight 2 (1 - s): with `first`, exactly the damage."""
    trapezoid: float
    """(g + g0).delta / 2, g0 at the end: no Hessian needed."""
    nodes: tuple[float, ...]
    """s = 0 and the quadrature's points."""
    curvatures: tuple[float, ...]
    """delta.H(s) delta at each of `nodes`."""
    remainder: float
    """rho/6 ||delta||^3 of T1(a), rho the greatest slope of the curvature seen along the path."""
    eta: float | None
    """T2(b)'s certificate: below 1, second-order damage dominates for certain (given rho); None if `second` is none."""

    @property
    def actual(self) -> float:
        """The damage."""
        return self.along[-1]

    @property
    def predicted(self) -> float:
        """First plus second order, from the start alone."""
        return self.first + self.second

    @property
    def closure(self) -> float:
        """Error of the exact form, from quadrature and rounding only."""
        return self.first + self.averaged - self.actual


@dataclass(frozen=True)
class Damage:
    """Every earlier/later pair."""

    pairs: tuple[Decomposition, ...]


def decompose_damage(
    module: nn.Module, loss: Loss, start: Tensor, updates: Mapping[str, Tensor], *, earlier: str
) -> tuple[Decomposition, ...]:
    """Take the damage of each update to one loss apart.

    Args:
        module: whose parameters; left as found.
        loss: the earlier domain's.
        start: parameters at the end of its training, (coordinates,).
        updates: what was added later, each (coordinates,), by name.
        earlier: the earlier domain's name.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from toymdrl import decompose_damage
        >>> module = nn.Linear(1, 1, bias=False)  # its loss below is w + 3 w^2
        >>> loss = lambda module: (module.weight + 3 * module.weight.square()).sum()
        >>> (pair,) = decompose_damage(module, loss, torch.tensor([0.0]), {"B": torch.tensor([2.0])}, earlier="A")
        >>> round(pair.first, 3), round(pair.second, 3), round(pair.actual, 3)
        (2.0, 12.0, 14.0)
    """
    with at_parameters(module, start):
        before = value(module, loss)
        slope = gradient(module, loss)
    none = ROUNDING * max(1.0, abs(before))
    # The second order of each update, at the start, where T1 and T2 take it.
    bent = {name: _curvature_along(module, loss, start, delta) for name, delta in updates.items()}
    found = []
    for name, delta in updates.items():
        along = []
        for s in PATH:
            with at_parameters(module, start + s * delta):
                along.append(value(module, loss) - before)
        with at_parameters(module, start + delta):
            end = gradient(module, loss)
        norm, first = float(delta.norm()), float(slope @ delta)
        # The curvature on the way, at few points or more, until first order plus its average is the damage.
        for count in NODES:
            nodes, shares = path_quadrature(count)
            curvatures = [_curvature_along(module, loss, start + float(s) * delta, delta) for s in nodes]
            averaged = float(np.dot(shares, curvatures)) / 2
            if abs(first + averaged - along[-1]) <= max(CLOSED * abs(along[-1]), none):
                break
        # |phi''(s) - phi''(0)| <= rho s ||delta||^3 is all that T1's proof needs, so rho along delta is enough.
        steepest = max(abs(c - bent[name]) / s for s, c in zip(nodes, curvatures, strict=True))
        rho = steepest / norm**3 if norm else 0.0
        remainder = float(taylor_remainder(rho, norm))
        eta = float(dominance(first, bent[name] / 2, remainder))
        found.append(
            Decomposition(
                earlier=earlier,
                later=name,
                norm=norm,
                along=tuple(along),
                first=first,
                second=bent[name] / 2,
                averaged=averaged,
                trapezoid=float((slope + end) @ delta) / 2,
                nodes=(0.0, *(float(s) for s in nodes)),
                curvatures=(bent[name], *curvatures),
                remainder=remainder,
                # A certificate is about harm by curvature: where there is none, there is nothing to certify.
                eta=eta if np.isfinite(eta) and bent[name] / 2 > none else None,
            )
        )
    return tuple(found)


def _curvature_along(module: nn.Module, loss: Loss, where: Tensor, delta: Tensor) -> float:
    """delta.H delta with H at `where`."""
    with at_parameters(module, where):
        return float(delta @ (Hessian(module, loss, keep_graph=False) @ delta))


def updates_after(order: tuple[str, ...], stages: Mapping[str, Tensor], earlier: str) -> dict[str, Tensor]:
    """What each later stage added, by its domain; and, if there are several, what all together did, as "all".

    Args:
        order: the domains as trained.
        stages: parameters after each one's stage, (coordinates,) each.
        earlier: the domain harmed.
    """
    later = order[order.index(earlier) :]
    found = {after: stages[after] - stages[before] for before, after in pairwise(later)}
    if len(found) > 1:
        found["all"] = stages[later[-1]] - stages[earlier]
    return found


def measure(
    module: nn.Module, losses: Mapping[str, Loss], order: tuple[str, ...], stages: Mapping[str, Tensor]
) -> Damage:
    """Every later stage's update, and all of them together, put on top of each earlier domain's checkpoint.

    For the next stage, and for all together, that is what happened in the run; for a stage further on it is the paper's
    D_{B->A}: the update of B alone on A's checkpoint.

    Args:
        module: whose parameters.
        losses: each domain's, in points.
        order: the domains as trained.
        stages: parameters after each one's stage, (coordinates,) each.
    """
    pairs = [
        decompose_damage(
            module, losses[earlier], stages[earlier], updates_after(order, stages, earlier), earlier=earlier
        )
        for earlier in order[:-1]
    ]
    return Damage(tuple(pair for each in pairs for pair in each))
