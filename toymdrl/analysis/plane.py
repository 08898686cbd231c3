"""The plane through a harmed domain's checkpoint that says why its loss comes back: every loss in it, and the way.

A later update delta is taken apart by the harmed domain's conflict subspace, P delta inside and Q delta outside. The
two span a plane, whose point (a, b) is start + a Q delta + b P delta: the checkpoint lies at (0, 0), the end of the
later training at (1, 1). Other checkpoints are seen by their orthogonal projection on the plane, and each says how far
off the plane it lies and what every loss is at the checkpoint and at its projection.

Losses are taken on a coarse lattice, whole numbers of a and b among its points; what is drawn between is a cubic
spline's. The plane is chosen with delta in hand, though its subspace is not. Its controls: what the same checkpoints do
in planes with random subspaces of as many directions, and what a random step costs that is far longer than P delta.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from toymdrl.analysis.conflict import project, random_basis
from toymdrl.curvature import Loss, value
from toymdrl.parameters import at_parameters

A = tuple(round(-0.25 + 0.25 * step, 2) for step in range(8))
B = tuple(round(-2 + 0.5 * step, 1) for step in range(11))
"""The lattice."""
STRETCH = 3.0
"""So many times P delta are taken alone; on the lattice."""
NOTHING = 1e-5
"""A part of the update that is a smaller share of its length is rounding."""
LONGER = 8.0
"""A random step is so many times as long."""
RANDOM_STEPS = 3
RANDOM_SUBSPACES = 3


@dataclass(frozen=True)
class Place:
    """A checkpoint and its projection on the plane."""

    domain: str
    """Trained last."""
    steps: int
    """Of the refresh; 0 of the training before it."""
    a: float
    b: float
    away: float
    """Distance from the plane."""
    losses: dict[str, float]
    """Of every domain, at the checkpoint."""
    projected: dict[str, float]
    """The same at its projection."""


@dataclass(frozen=True)
class Elsewhere:
    """A plane of the same kind with a random subspace of as many directions."""

    inside: float
    """||P delta||."""
    a: tuple[float, ...]
    b: tuple[float, ...]
    """Of each of the refresh's checkpoints."""


@dataclass(frozen=True)
class Plane:
    """The plane, and ways seen in it."""

    harmed: str
    later: str
    size: int
    """Dimensions of the conflict subspace."""
    coordinates: int
    outside: float
    """||Q delta||, the length of a step of 1 in a."""
    inside: float
    """||P delta||, the length of a step of 1 in b."""
    a: tuple[float, ...]
    b: tuple[float, ...]
    losses: dict[str, tuple[tuple[float, ...], ...]]
    """Of each domain, the harmed one first: a row for each b, in it a number for each a."""
    training: tuple[Place, ...]
    """From (0, 0) to (1, 1)."""
    refresh: tuple[Place, ...]
    """After ever more steps; empty if there was none."""
    random_planes: tuple[Elsewhere, ...]
    """Empty if there was no refresh."""
    random_costs: tuple[float, ...]
    """What the harmed domain's loss rises by at random steps LONGER times as long as STRETCH P delta."""

    @property
    def share_inside(self) -> float:
        """||P delta||^2 / ||delta||^2."""
        return self.inside**2 / (self.inside**2 + self.outside**2)

    @property
    def others(self) -> tuple[str, ...]:
        """All domains but the harmed one."""
        return tuple(name for name in self.losses if name != self.harmed)

    def at(self, name: str, a: float, b: float) -> float:
        """A domain's loss at a point of the lattice."""
        return self.losses[name][self.b.index(b)][self.a.index(a)]

    def along_a(self, name: str) -> float:
        """What Q delta alone changes a loss by."""
        return self.at(name, 1, 0) - self.at(name, 0, 0)

    def along_b(self, name: str) -> float:
        """What P delta changes a loss by, after Q delta: where the refresh goes back."""
        return self.at(name, 1, 1) - self.at(name, 1, 0)

    def stretched(self, name: str) -> float:
        """What STRETCH P delta alone changes a loss by."""
        return self.at(name, 0, STRETCH) - self.at(name, 0, 0)

    def curvature(self, name: str) -> tuple[float, float]:
        """A loss's curvature at (0, 0) along Q delta and along P delta, steps as long: second differences."""
        step_a, step_b = self.a[1] - self.a[0], self.b[1] - self.b[0]
        bent_a = self.at(name, step_a, 0) + self.at(name, -step_a, 0) - 2 * self.at(name, 0, 0)
        bent_b = self.at(name, 0, step_b) + self.at(name, 0, -step_b) - 2 * self.at(name, 0, 0)
        return bent_a / (step_a * self.outside) ** 2, bent_b / (step_b * self.inside) ** 2


def axes(basis: Tensor, delta: Tensor) -> tuple[Tensor, Tensor] | None:
    """Q delta and P delta, (coordinates,) each; None where one of them is nothing, so that there is no plane.

    Args:
        basis: orthonormal columns, (coordinates, k).
        delta: the update, (coordinates,).
    """
    p = project(basis, delta)
    q = delta - p
    shorter = min(float(p.norm()), float(q.norm()))
    return (q, p) if shorter > NOTHING * float(delta.norm()) else None


def coordinates_of(vector: Tensor, q: Tensor, p: Tensor) -> tuple[float, float, float]:
    """(a, b) of a vector's orthogonal projection on the span of two orthogonal vectors, and its distance from it."""
    a, b = float(vector @ q) / float(q @ q), float(vector @ p) / float(p @ p)
    return a, b, float((vector - a * q - b * p).norm())


def measure(
    module: nn.Module,
    losses: Mapping[str, Loss],
    start: Tensor,
    training: Mapping[str, Tensor],
    refresh: Mapping[int, Tensor],
    *,
    basis: Tensor,
    generator: torch.Generator,
    harmed: str,
    later: str = "",
) -> Plane:
    """Look at every domain's loss in the plane, and at where checkpoints lie.

    Args:
        module: whose parameters; left as found.
        losses: each domain's, on prompts that `basis` was not made of.
        start: the harmed domain's checkpoint, (coordinates,).
        training: the checkpoints after it, (coordinates,) each, by the domain trained; the update ends at the last.
        refresh: checkpoints of a refresh from there, (coordinates,) each, by steps, in order; may be empty.
        basis: the harmed domain's conflict subspace, orthonormal columns (coordinates, k).
        generator: draws the random subspaces and steps.
        harmed: the domain, a key of `losses`.
        later: name of the update.

    Raises:
        ValueError: the update has no part inside, or none outside: there is no plane; see `axes`.
    """
    delta = list(training.values())[-1] - start
    spanned = axes(basis, delta)
    if spanned is None:
        raise ValueError("the update lies inside the conflict subspace, or outside it; the two parts span no plane")
    q, p = spanned

    def everywhere(where: Tensor) -> dict[str, float]:
        with at_parameters(module, where):
            return {name: value(module, loss) for name, loss in losses.items()}

    def place(domain: str, steps: int, there: Tensor) -> Place:
        a, b, away = coordinates_of(there - start, q, p)
        return Place(domain, steps, a, b, away, everywhere(there), everywhere(start + a * q + b * p))

    lattice = [[everywhere(start + a * q + b * p) for a in A] for b in B]
    before = lattice[B.index(0)][A.index(0)][harmed]
    costs = []
    for _ in range(RANDOM_STEPS):
        drawn = torch.randn(delta.shape, generator=generator, dtype=delta.dtype).to(delta.device)
        with at_parameters(module, start + drawn * (LONGER * STRETCH * p.norm() / drawn.norm())):
            costs.append(value(module, losses[harmed]) - before)
    # Where no refresh is to be seen, they have nothing to show.
    bases = [random_basis(delta, basis.shape[1], generator) for _ in range(RANDOM_SUBSPACES if refresh else 0)]
    random = [_elsewhere(each, delta, [there - start for there in refresh.values()]) for each in bases]
    return Plane(
        harmed=harmed,
        later=later,
        size=basis.shape[1],
        coordinates=len(delta),
        outside=float(q.norm()),
        inside=float(p.norm()),
        a=A,
        b=B,
        losses={name: tuple(tuple(at[name] for at in row) for row in lattice) for name in losses},
        training=tuple(place(domain, 0, there) for domain, there in {harmed: start, **training}.items()),
        refresh=tuple(place(harmed, steps, there) for steps, there in refresh.items()),
        random_planes=tuple(random),
        random_costs=tuple(costs),
    )


def _elsewhere(basis: Tensor, delta: Tensor, refresh: Sequence[Tensor]) -> Elsewhere:
    p = project(basis, delta)
    seen = [coordinates_of(each, delta - p, p) for each in refresh]
    return Elsewhere(float(p.norm()), tuple(a for a, _, _ in seen), tuple(b for _, b, _ in seen))
