"""What one training changed of some weights, chunk by chunk: how much, and how many of them not at all (C3, T10)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from toymdrl.analysis.edits import FORMATS, PAPER_ABSOLUTE, PAPER_RELATIVE, THRESHOLDS

PLACES = 16
"""Places between two stored numbers that are told apart."""
STORED, BY_THE_PAPER = "as stored", "the paper's thresholds"
"""Ways to count a weight as unchanged that are no number format."""


@dataclass(frozen=True)
class Edit:
    """What one training changed, of a layer or of the model."""

    weights: int
    squared: float
    """||delta||^2."""
    base_squared: float
    """||base||^2."""
    unchanged: dict[str, float]
    """Share of weights that are unchanged: as stored, by the paper's thresholds, stored in a coarser format."""
    below: list[float]
    """Share of weights with a relative change below each of THRESHOLDS."""


@dataclass
class Counts:
    """The same under way, chunk by chunk: numbers of weights instead of shares."""

    weights: int = 0
    squared: float = 0.0
    base_squared: float = 0.0
    unchanged: dict[str, float] = field(default_factory=dict)
    below: list[float] = field(default_factory=lambda: [0.0] * len(THRESHOLDS))

    def add(self, other: "Counts") -> None:
        """Count another part's weights in."""
        self.weights += other.weights
        self.squared += other.squared
        self.base_squared += other.base_squared
        for key, count in other.unchanged.items():
            self.unchanged[key] = self.unchanged.get(key, 0.0) + count
        self.below = [a + b for a, b in zip(self.below, other.below, strict=True)]

    def edit(self) -> Edit:
        """As shares."""
        whole = max(1, self.weights)
        unchanged = {key: count / whole for key, count in self.unchanged.items()}
        below = [count / whole for count in self.below]
        return Edit(self.weights, self.squared, self.base_squared, unchanged, below)


def counts_of(before: Tensor, after: Tensor) -> Counts:
    """Counts over a chunk of weights as they are stored, (weights,) each."""
    # Differences of bfloat16 weights would be rounded in bfloat16.
    precise = torch.float64 if torch.float64 in (before.dtype, after.dtype) else torch.float32
    one, two = before.to(precise), after.to(precise)
    moved, size = (two - one).abs(), one.abs()
    relative = moved / size.clamp(min=torch.finfo(precise).tiny)
    found = Counts(len(one), float(moved.double().square().sum()), float(size.double().square().sum()))
    found.unchanged[STORED] = float((one == two).sum())
    found.unchanged[BY_THE_PAPER] = float(((moved < PAPER_ABSOLUTE) & (relative < PAPER_RELATIVE)).sum())
    for name, (dtype, _) in FORMATS.items():
        found.unchanged[name] = float((one.to(dtype).to(precise) == two.to(dtype).to(precise)).sum())
    found.below = [float((relative < threshold).sum()) for threshold in THRESHOLDS]
    return found


def rounded_likewise(before: Tensor, after: Tensor) -> Tensor:
    """The base as it would have been stored in the training's format: rounding is not training.

    Unchanged where the training's format can hold all that the base holds.
    """
    if before.dtype == after.dtype:
        return before
    rounded = before.to(after.dtype)
    # A finer format loses nothing, nor does a base that was once stored as coarsely: no edit is seen through rounding.
    return before if torch.equal(rounded.double(), before.double()) else rounded


def without_the_place(delta: Tensor, base: Tensor, rounded: Tensor) -> Tensor:
    """An edit seen through rounding, without what the base's place between two stored numbers predicts of it.

    A small change shows only where the base is near the middle between two numbers, and then always towards the nearer
    of the other side: two trainings that share nothing would agree there. What weights of like place and size do on
    average is taken out; a direction that two trainings share does not depend on the place, and stays.

    Args:
        delta: the edit of the rounded base, (weights,).
        base: as it is, (weights,).
        rounded: as it would be stored, (weights,).
    """
    power = torch.frexp(rounded.float()).exponent.long()
    spacing = torch.finfo(rounded.dtype).eps * 2.0 ** (power.double() - 1)
    # From half a spacing below the stored number to half a spacing above, apart for each power of two.
    place = ((base.double() - rounded.double()) / spacing + 0.5).clamp(0, 1 - 1e-9)
    bins = (power - power.min()) * PLACES + (place * PLACES).long()
    count = torch.bincount(bins).clamp(min=1)
    mean = torch.bincount(bins, weights=delta) / count
    return delta - mean[bins]
