"""What do a few sampled policy-gradient steps on the harmed domain move, and who pays? (C10; T6)

T5 is about gradient descent on the exact loss. Here is the refresh as it is done in practice: its distance from the
harmed domain's checkpoint inside and outside the conflict subspace, and what every domain gains, step by step. The
control: as many steps on the same domain from its own checkpoint, where nothing is to be repaired.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from toymdrl.style import FAINT, INK, STYLE, colour, title


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
    e, u = now - own, now - before
    within = float((basis.T @ e).norm())
    moved = float(u.norm())
    return Step(
        steps=steps,
        inside=within,
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


def figure(result: Refresh) -> Figure:
    """Distances inside and outside the subspace; what every domain gains; the gain beside the control."""
    steps = [step.steps for step in result.path]
    with rc_context(STYLE):
        drawn = Figure(figsize=(12, 3.8))
        left, middle, right = drawn.subplots(1, 3, width_ratios=(1.1, 1.1, 0.8), gridspec_kw={"wspace": 0.28})
        first = result.path[0]
        for label, name, tone, line in (
            (f"inside {result.size} conflict directions", "inside", colour(result.harmed), "o-"),
            ("outside", "outside", INK, "o--"),
        ):
            values = [getattr(step, name) / getattr(first, name) for step in result.path]
            left.plot(steps, values, line, color=tone, linewidth=2, markersize=4.5, label=label)
        left.set(title=f"distance from {title(result.harmed)}'s checkpoint", xlabel="refresh step", ylim=(0, 1.15))
        left.set_ylabel("share of the distance at step 0")
        left.legend(frameon=False, fontsize=8.5)
        for name in first.gains:
            gains = [step.gains[name] for step in result.path]
            width = 2.4 if name == result.harmed else 1.4
            middle.plot(steps, gains, "o-", color=colour(name), linewidth=width, markersize=4.5, label=title(name))
        middle.axhline(result.damage, color=FAINT, linestyle=":", linewidth=1.2)
        middle.text(0, result.damage, "lost before", ha="left", va="bottom", color=FAINT, fontsize=8.5)
        middle.set(title="points gained", xlabel="refresh step")
        middle.legend(frameon=False, fontsize=8.5)
        same = min(result.path, key=lambda step: abs(step.steps - result.further.steps))
        bars = {"refresh": same.gains[result.harmed], "control": result.further.gains[result.harmed]}
        right.bar(list(bars), list(bars.values()), color=[colour(result.harmed), FAINT], width=0.55)
        for place, gain in enumerate(bars.values()):
            right.text(place, max(gain, 0), f"{gain:+.1f}", ha="center", va="bottom", color=INK)
        right.axhline(0, color=FAINT, linewidth=0.8)
        right.set(
            title=f"{title(result.harmed)}, {result.further.steps} steps", xlabel="control: from its own checkpoint"
        )
        right.tick_params(axis="x", labelcolor=INK)
        for axes in (left, middle):
            axes.set_xticks(steps)
    return drawn
