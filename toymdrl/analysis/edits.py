"""How sparse are the edits of RL, and do domains edit the same neurons? (C3, C4; T10)

"Sparse" depends on what counts as unchanged. The paper's threshold, and storage in a coarser number format, are both
applied; T10 says that what decides is the size of the drift relative to the format's spacing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from toymdrl.bounds.storage import lost_below

PAPER_ABSOLUTE, PAPER_RELATIVE = 1e-7, 1e-3
"""The paper counts a parameter as unchanged if it moved by less than both."""
THRESHOLDS = tuple(10.0**power for power in range(-9, 1))
"""Relative changes |delta| / |weight| at which the share of smaller ones is taken."""
FORMATS = {
    "float32": (torch.float32, 23),
    "bfloat16": (torch.bfloat16, 7),
    "float8 e4m3": (torch.float8_e4m3fn, 3),
    "float8 e5m2": (torch.float8_e5m2, 2),
}
"""Storage formats, each with its explicit mantissa bits."""
TOP = 0.1
"""Share of neurons that count as most changed (C4), as in the paper."""


@dataclass(frozen=True)
class Edit:
    """What one training changed."""

    domain: str
    norm: float
    weight_norm: float
    unchanged_paper: float
    """Share of parameters below the paper's two thresholds."""
    below: tuple[float, ...]
    """Share with a relative change below each of THRESHOLDS."""
    unchanged: dict[str, float]
    """Share whose stored value is the same before and after, by format."""
    drift: dict[str, float]
    """Median of |delta| / (threshold under which a change is lost, T10a), by format, weights rounded to it."""
    lost: dict[str, float]
    """Share that T10(a) says is lost if the weights were on the format's grid before, by format."""


@dataclass(frozen=True)
class Overlap:
    """Top-changed neurons of two domains."""

    one: str
    other: str
    jaccard: float


@dataclass(frozen=True)
class Edits:
    """Edits of several trainings from one base."""

    edits: tuple[Edit, ...]
    overlaps: tuple[Overlap, ...]
    jaccard_chance: float
    """Expected Jaccard index of two random sets of that many neurons, to first order."""

    @property
    def mean_jaccard(self) -> float:
        """Over pairs."""
        return float(np.mean([each.jaccard for each in self.overlaps]))


def jaccard(one: Tensor, other: Tensor) -> float:
    """|intersection| / |union| of two sets given as boolean masks."""
    # Two empty sets share nothing.
    union = (one | other).sum()
    return float((one & other).sum() / union) if union else 0.0


def chance_jaccard(share: float) -> float:
    """Jaccard index of two independent sets that each hold this share: share^2 / (2 share - share^2)."""
    return share / (2 - share)


def top_mask(score: Tensor, share: float) -> Tensor:
    """The highest `share` of scores as a mask; scores of 0, which may be more than are left, are never in it."""
    mask = torch.zeros(len(score), dtype=torch.bool, device=score.device)
    mask[score.topk(max(1, round(share * len(score)))).indices] = True
    return mask & (score > 0)


def neuron_norms(delta: Tensor, neurons: Tensor) -> Tensor:
    """Norm of the edit of each neuron's gate row, up row and down column together, (neurons,)."""
    return delta[neurons].norm(dim=1)


def measure_edit(name: str, before: Tensor, after: Tensor) -> Edit:
    """Measure one edit, from parameter vectors (coordinates,).

    Example:
        >>> import torch
        >>> from toymdrl import measure_edit
        >>> before = torch.tensor([1.0, 1.0])
        >>> edit = measure_edit("math", before, before + torch.tensor([0.001, 0.02]))
        >>> edit.unchanged["float32"], edit.unchanged["bfloat16"]
        (0.0, 0.5)
    """
    delta = after - before
    moved, size = delta.abs(), before.abs()
    # A weight of zero moves by any share: by the smallest normal number instead.
    relative = moved / size.clamp(min=torch.finfo(size.dtype).tiny)
    unchanged, drift, lost = {}, {}, {}
    for kind, (dtype, mantissa) in FORMATS.items():
        # Training in float32, stored in the format: is the stored number another one?
        stored = before.to(dtype).to(before.dtype)
        unchanged[kind] = float((stored == after.to(dtype).to(before.dtype)).double().mean())
        normal = stored.abs() >= torch.finfo(dtype).tiny  # T10 is about normal numbers of the format
        # T10(a): a change below this share of the format's spacing is rounded away.
        margin = lost_below(stored[normal].double().cpu().numpy(), delta[normal].cpu().numpy(), mantissa)
        ratio = moved[normal].double().cpu().numpy() / margin
        drift[kind], lost[kind] = float(np.median(ratio)), float(np.mean(ratio < 1))
    return Edit(
        domain=name,
        norm=float(delta.norm()),
        weight_norm=float(before.norm()),
        unchanged_paper=float(((moved < PAPER_ABSOLUTE) & (relative < PAPER_RELATIVE)).double().mean()),
        below=tuple(float((relative < threshold).double().mean()) for threshold in THRESHOLDS),
        unchanged=unchanged,
        drift=drift,
        lost=lost,
    )


def measure(before: Tensor, after: Mapping[str, Tensor], neurons: Tensor) -> Edits:
    """Compare several trainings from one base.

    Args:
        before: the base, (coordinates,).
        after: parameters after each training, (coordinates,), by domain.
        neurons: coordinates of each MLP neuron, (neurons, each), see parameters.neurons.
    """
    tops = {name: top_mask(neuron_norms(each - before, neurons), TOP) for name, each in after.items()}
    return Edits(
        edits=tuple(measure_edit(name, before, each) for name, each in after.items()),
        overlaps=tuple(Overlap(one, two, jaccard(tops[one], tops[two])) for one, two in combinations(after, 2)),
        jaccard_chance=chance_jaccard(TOP),
    )
