"""What do a few sampled policy-gradient steps on the harmed domain move, and who pays? (C10; T6)

T5 is about gradient descent on the exact loss. Here is the refresh as it is done in practice: its distance from the
harmed domain's checkpoint inside and outside the conflict subspace, and what every domain gains, step by step. The
control: as many steps on the same domain from its own checkpoint, where nothing is to be repaired.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """The refreshed model after so many steps; 0 for before."""

    steps: int
    inside: float
    """||P (theta_t - theta_A*)||, P onto the harmed domain's conflict subspace."""
    outside: float
    """||Q (theta_t - theta_A*)||."""
    moved_share: float
    """||P u||^2 / ||u||^2 of the displacement u = theta_t - theta_0; 0 at the start."""
    gains: dict[str, float]
    """Points that every domain gained since step 0."""


@dataclass(frozen=True)
class Refresh:
    """A refresh of one domain."""

    harmed: str
    damage: float
    """Points it had lost."""
    size: int
    """Dimensions of the conflict subspace."""
    coordinates: int
    path: tuple[Step, ...]
    further: Step
    """The control: the same from the domain's own checkpoint, theta_A*."""

    def recovery(self, step: Step) -> float:
        """Share of the damage won back; 0 where there was none."""
        return step.gains[self.harmed] / self.damage if self.damage > 0 else 0.0

    def collateral(self, step: Step) -> float:
        """Mean size of the other domains' changes, in points."""
        others = [abs(gain) for name, gain in step.gains.items() if name != self.harmed]
        return sum(others) / len(others)

    def selectivity(self, step: Step) -> float | None:
        """T6's gain per collateral; None where nothing else moved."""
        cost = self.collateral(step)
        return step.gains[self.harmed] / cost if cost > 0 else None


def _step(
    steps: int,
    now: Tensor,
    before: Tensor,
    own: Tensor,
    basis: Tensor,
    scores: Mapping[str, float],
    was: Mapping[str, float],
) -> Step:
    # Where it is from the harmed domain's checkpoint, and what the refresh has moved.
    e, u = now - own, now - before
    within = float((basis.T @ e).norm())
    moved = float(u.norm())
    return Step(
        steps=steps,
        inside=within,
        # By Pythagoras, and never below zero for rounding.
        outside=max(float(e.norm()) ** 2 - within**2, 0.0) ** 0.5,
        moved_share=(float((basis.T @ u).norm()) / moved) ** 2 if moved else 0.0,
        gains={name: scores[name] - was[name] for name in scores},
    )


def measure(
    own: Tensor,
    path: Mapping[int, tuple[Tensor, Mapping[str, float]]],
    further: tuple[int, Tensor, Mapping[str, float]],
    own_scores: Mapping[str, float],
    *,
    basis: Tensor,
    harmed: str,
) -> Refresh:
    """Compare the checkpoints of a refresh with the harmed domain's own.

    Args:
        own: the harmed domain's checkpoint theta_A*, (coordinates,).
        path: parameters (coordinates,) and every domain's score in points after 0, 1, … steps of the refresh.
        further: how many steps, and the same, for the control.
        own_scores: every domain's score at `own`.
        basis: the harmed domain's conflict subspace, orthonormal columns (coordinates, k).
        harmed: the domain.
    """
    start, before = path[0]
    steps, there, then = further
    return Refresh(
        harmed=harmed,
        damage=own_scores[harmed] - before[harmed],
        size=basis.shape[1],
        coordinates=len(own),
        path=tuple(_step(count, now, start, own, basis, scores, before) for count, (now, scores) in path.items()),
        further=_step(steps, there, own, own, basis, then, own_scores),
    )
