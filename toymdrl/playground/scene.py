"""A run as a page shows it: its policies, the plane, which coordinates a rollback puts back, and what is known already.

All scores are those of the prompts that the page asks, so that what is drawn beforehand and what the browser computes
are the same numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline
from torch import Tensor

from toymdrl.analysis import plane
from toymdrl.analysis.rollback import CURVATURE, MAGNITUDE, RANDOM, SIGNED
from toymdrl.claims.subject import Subject
from toymdrl.domains import DOMAINS
from toymdrl.parameters import at_parameters, trainable_parameters, unflatten
from toymdrl.playground.pack import PackedRun, Weights
from toymdrl.playground.questions import asked
from toymdrl.policy.exact import ExpectedReward, exact_score
from toymdrl.policy.scores import weights
from toymdrl.runs.plan import BASE, Checkpoint

A = tuple(round(-1 + 0.25 * step, 2) for step in range(11))
B = tuple(round(-2 + 0.5 * step, 1) for step in range(11))
"""Where every score is computed; wide enough for a share s of the whole update, (s, s), from -1 to 1.5."""
S = tuple(round(-1 + 0.1 * step, 1) for step in range(26))
"""Shares of the whole update."""
FINE = 5
"""So many points of the drawn lattice, a cubic spline's, to a step of that one."""
SHARES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2)
"""Of the coordinates, put back."""
STEPS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
"""Lengths of a random step, in units of LONGER ||P delta||."""
HUNDREDTHS = 100
"""Of a point: what the drawn lattice is packed in."""
INSIDE, SIGNS = "inside", "signs"
"""The vector P delta; a random step's direction, a sign a coordinate."""
Scores = dict[str, float]


@dataclass(frozen=True)
class Spot:
    """A checkpoint as the plane shows it."""

    checkpoint: Checkpoint
    a: float
    b: float
    away: float
    """Distance from the plane."""
    scores: Scores


@dataclass(frozen=True)
class Scene:
    """What the page draws and tells of a run, and its packed policies."""

    subject: Subject
    packed: PackedRun
    inside: float
    """Length of the update's part inside the conflict subspace."""
    fine: tuple[NDArray[np.float64], NDArray[np.float64]]
    """a and b of the drawn lattice."""
    lattice: dict[str, NDArray[np.float64]]
    """Of each domain, (b, a)."""
    line: dict[float, Scores]
    """Of the whole update, by the share s that is taken."""
    spots: tuple[Spot, ...]
    """In the order of training, refreshes last."""
    rolled_back: dict[str, tuple[Scores, ...]]
    """By how the coordinates were chosen: at each of SHARES."""
    random: tuple[Scores, ...]
    """At each of STEPS."""

    def spot(self, checkpoint: Checkpoint) -> Spot:
        """A checkpoint's."""
        return next(spot for spot in self.spots if spot.checkpoint == checkpoint)

    def at(self, a: float, b: float) -> Scores:
        """Every domain's score at a point of the drawn lattice."""
        column, row = int(np.abs(self.fine[0] - a).argmin()), int(np.abs(self.fine[1] - b).argmin())
        return {domain: float(values[row, column]) for domain, values in self.lattice.items()}


def evaluations(subject: Subject) -> int:
    """How often all scores are computed for a scene."""
    return len(A) * len(B) + len(S) + len(_shown(subject)) + 4 * len(SHARES) + len(STEPS)


def scene(subject: Subject, progress: Callable[[], object]) -> Scene | None:
    """Compute everything; None where the update's two parts span no plane.

    Args:
        subject: an analysed run.
        progress: called after each of `evaluations`.
    """
    spanned = plane.axes(subject.spectrum.vectors, subject.delta)
    if spanned is None:
        return None
    q, p = spanned
    objectives = {domain: ExpectedReward(asked(DOMAINS[domain])) for domain in subject.order}

    @torch.no_grad()
    def scores(where: Tensor) -> Scores:
        with at_parameters(subject.policy, where):
            found = {domain: exact_score(subject.policy, objective) for domain, objective in objectives.items()}
        progress()
        return found

    start = subject.start
    coarse = [[scores(start + a * q + b * p) for a in A] for b in B]
    fine = np.linspace(A[0], A[-1], FINE * (len(A) - 1) + 1), np.linspace(B[0], B[-1], FINE * (len(B) - 1) + 1)
    lattice = {}
    for domain in subject.order:
        spline = RectBivariateSpline(B, A, [[at[domain] for at in row] for row in coarse])
        lattice[domain] = np.clip(spline(fine[1], fine[0]), 0, 100)
    line = {s: scores(start + s * subject.delta) for s in S}
    spots = []
    for checkpoint in _shown(subject):
        there = subject.vectors[checkpoint]
        spots.append(Spot(checkpoint, *plane.coordinates_of(there - start, q, p), scores(there)))
    levels = {name: _levels(order) for name, order in _orders(subject).items()}
    end = start + subject.delta
    rolled_back = {}
    for name, level in levels.items():
        sets = [torch.from_numpy(level <= share).to(start.device) for share in range(len(SHARES))]
        rolled_back[name] = tuple(scores(torch.where(chosen, start, end)) for chosen in sets)
    signs = torch.randint(2, (len(start),), generator=subject.stream("playground steps")) * 2 - 1
    unit = signs.to(start) / len(start) ** 0.5
    length = plane.LONGER * float(p.norm())
    random = tuple(scores(start + step * length * unit) for step in STEPS)
    return Scene(
        subject=subject,
        packed=_packed(subject, p, levels, signs, lattice),
        inside=float(p.norm()),
        fine=fine,
        lattice=lattice,
        line=line,
        spots=tuple(spots),
        rolled_back=rolled_back,
        random=random,
    )


def _shown(subject: Subject) -> list[Checkpoint]:
    """The checkpoints of a page, in the order of training."""
    trained = [BASE, *(Checkpoint("stage", domain) for domain in subject.order)]
    refreshed = [Checkpoint("refresh", subject.harmed, steps=steps) for steps in subject.config.refresh_steps]
    return [*trained, *refreshed]


def _orders(subject: Subject) -> dict[str, Tensor]:
    """How much a coordinate is to be put back, (coordinates,), by a key of `analysis.rollback.NAMES`."""
    terms = subject.delta * subject.product
    return {
        CURVATURE: terms.abs(),
        SIGNED: terms,
        MAGNITUDE: subject.delta.abs(),
        RANDOM: torch.rand(len(terms), generator=subject.stream("playground rollback")),
    }


def _levels(order: Tensor) -> NDArray[np.uint8]:
    """For each coordinate the first of SHARES that puts it back, as its place there; beyond the last if none does."""
    ranked = order.cpu().argsort(descending=True)
    levels = np.full(len(order), len(SHARES), dtype=np.uint8)
    for place in reversed(range(len(SHARES))):
        levels[ranked[: int(SHARES[place] * len(order))].numpy()] = place
    return levels


def _named(subject: Subject, vector: Tensor) -> Weights:
    """A vector as parameters by name."""
    parts = unflatten(vector.cpu(), trainable_parameters(subject.policy))
    return dict(zip(weights(subject.policy), parts, strict=True))


def _packed(
    subject: Subject,
    p: Tensor,
    levels: dict[str, NDArray[np.uint8]],
    signs: Tensor,
    lattice: dict[str, NDArray[np.float64]],
) -> PackedRun:
    """What the browser computes with."""
    checkpoints = {each.name: _named(subject, subject.vectors[each]) for each in _shown(subject)}
    own = subject.headline.own.name
    packed = PackedRun(subject.config.model, checkpoints, own, {INSIDE: _named(subject, p)})
    packed.manifest["levels"] = {name: packed.add(level) for name, level in levels.items()}
    packed.manifest[SIGNS] = packed.add(np.packbits(signs.numpy() > 0))
    whole = {domain: (HUNDREDTHS * values).round().astype(np.uint16) for domain, values in lattice.items()}
    packed.manifest["lattice"] = {domain: packed.add(values) for domain, values in whole.items()}
    return packed
