"""`toymdrl audit`: what several trainings from one base changed, weight by weight, in memory that does not grow.

For each training: edit norm, share of weights unchanged by threshold and number format (C3, T10). For each pair: cosine
of the edits (C2, T3), Jaccard index of the most changed MLP neurons (C4), each beside its chance level; all over the
model and by layer. Reads checkpoints of Llama, Qwen and other models with gate/up/down MLPs; without such, no neurons.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from toymdrl.analysis.edits import (
    FORMATS,
    PAPER_ABSOLUTE,
    PAPER_RELATIVE,
    THRESHOLDS,
    TOP,
    jaccard,
    top_mask,
)
from toymdrl.checkpoints.shards import DTYPES, CheckpointError, Place
from toymdrl.checkpoints.view import alike, common_rows
from toymdrl.parameters import MLP_WEIGHT

_LAYER = re.compile(r"(?P<stack>.*?\b(?:layers?|blocks?|h))\.(?P<number>\d+)\.")
REST = "rest"
"""What belongs to no layer: embeddings, the last norm, the head."""
WHOLE = ""
"""Stands for the whole model where a layer would be named."""
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
class _Counts:
    """The same under way, chunk by chunk: numbers of weights instead of shares."""

    weights: int = 0
    squared: float = 0.0
    base_squared: float = 0.0
    unchanged: dict[str, float] = field(default_factory=dict)
    below: list[float] = field(default_factory=lambda: [0.0] * len(THRESHOLDS))

    def add(self, other: "_Counts") -> None:
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


@dataclass(frozen=True)
class Pair:
    """Two trainings, over a layer or the model."""

    cosine: float
    chance_cosine: float
    """Standard deviation of the cosine if every coordinate's product had a random sign."""
    jaccard: float | None
    """Of the most changed TOP of the model's neurons, those of this layer; 0 if none changed, None without MLPs."""
    chance_jaccard: float | None
    """Expected if each training's had been drawn at random among the layer's neurons, to first order."""


@dataclass(frozen=True)
class Audit:
    """Everything, by layer; WHOLE is the model."""

    edits: dict[str, dict[str, Edit]]
    """By training, then layer."""
    pairs: dict[tuple[str, str], dict[str, Pair]]
    skipped: tuple[str, ...]
    """Tensors whose numbers are not of a floating-point format that is read."""
    notes: tuple[str, ...] = ()
    """What was counted once, cut or left out, and which number formats met."""


def layers_of(names: Iterable[str]) -> dict[str, str]:
    """The layer of each tensor; with its stack's name where there are several, as encoder and decoder."""
    found = {name: _LAYER.match(name) for name in names}
    several = len({each["stack"] for each in found.values() if each}) > 1
    return {
        name: f"{each['stack'] if several else 'layer'} {each['number']}" if each else REST
        for name, each in found.items()
    }


def _counts(before: Tensor, after: Tensor) -> _Counts:
    """Counts over a chunk of weights as they are stored, (weights,) each."""
    # Differences of bfloat16 weights would be rounded in bfloat16.
    precise = torch.float64 if torch.float64 in (before.dtype, after.dtype) else torch.float32
    one, two = before.to(precise), after.to(precise)
    moved, size = (two - one).abs(), one.abs()
    relative = moved / size.clamp(min=torch.finfo(precise).tiny)
    found = _Counts(len(one), float(moved.double().square().sum()), float(size.double().square().sum()))
    found.unchanged[STORED] = float((one == two).sum())
    found.unchanged[BY_THE_PAPER] = float(((moved < PAPER_ABSOLUTE) & (relative < PAPER_RELATIVE)).sum())
    for name, (dtype, _) in FORMATS.items():
        found.unchanged[name] = float((one.to(dtype).to(precise) == two.to(dtype).to(precise)).sum())
    found.below = [float((relative < threshold).sum()) for threshold in THRESHOLDS]
    return found


def rounded_likewise(before: Tensor, after: Tensor) -> Tensor:
    """The base as it would have been stored in the training's format: rounding is not training.

    Unchanged where the training's format is as fine as the base's.
    """
    if before.dtype == after.dtype or torch.promote_types(before.dtype, after.dtype) == after.dtype:
        return before
    return before.to(after.dtype)


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


def _formats(first: Mapping[str, Place], others: Mapping[str, Mapping[str, Place]]) -> list[str]:
    """Which number formats meet, where they are not the same."""
    found = []
    for name, tensors in others.items():
        met = sorted(
            {(first[key].dtype, place.dtype) for key, place in tensors.items() if first[key].dtype != place.dtype}
        )
        for one, other in met:
            how = "the base is rounded likewise" if _coarser(other, one) else "the base is taken as it is"
            found.append(f"{name} is stored as {other} where the base is {one}: {how}")
    return found


def _coarser(one: str, other: str) -> bool:
    if one not in DTYPES or other not in DTYPES:
        return False
    return torch.promote_types(DTYPES[one], DTYPES[other]) != DTYPES[one]


class _Neurons:
    """Squared edit norm of every MLP neuron: its rows of gate and up, its column of down."""

    def __init__(self) -> None:
        self._by_mlp: dict[str, dict[str, np.ndarray]] = {}
        """By MLP, then tensor."""
        self._layers: dict[str, str] = {}

    def add(self, name: str, layer: str, place: Place, part: slice, delta: Tensor) -> None:
        """Count a chunk of whole rows in."""
        found = MLP_WEIGHT.fullmatch(name)
        if not found or len(place.shape) != 2:
            return
        self._layers[found["mlp"]] = layer
        rows = delta.double().square().view(-1, place.row)
        count = place.shape[1] if found["part"] == "down" else place.shape[0]
        total = self._by_mlp.setdefault(found["mlp"], {}).setdefault(name, np.zeros(count))
        # A neuron is a row of gate and of up, and a column of down.
        if found["part"] == "down":
            total += rows.sum(dim=0).numpy()
        else:
            total[part.start // place.row : part.stop // place.row] += rows.sum(dim=1).numpy()

    def top(self) -> dict[str, Tensor]:
        """Which neurons are among the most changed of the model, by layer; WHOLE holds all."""
        whole = {mlp: total for mlp, parts in self._by_mlp.items() if (total := _of_neurons(parts)) is not None}
        if not whole:
            return {}
        mask = top_mask(torch.from_numpy(np.concatenate(list(whole.values()))), TOP)
        pieces = dict(zip(whole, mask.split([len(each) for each in whole.values()]), strict=True))
        found = {WHOLE: mask}
        for name, piece in pieces.items():
            layer = self._layers[name]
            found[layer] = torch.cat([found[layer], piece]) if layer in found else piece
        return found


def _of_neurons(parts: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The sum of an MLP's gate, up and down; None if these are not all there.

    What has another length than its down is no part of it, as a router called gate; a lone down beside a fused gate_up,
    or a low-rank pair called up and down, makes no neurons.
    """
    kinds = {name: str(MLP_WEIGHT.fullmatch(name)["part"]) for name in parts}  # type: ignore[index]
    lengths = [len(parts[name]) for name, kind in kinds.items() if kind == "down"]
    fits = [name for name in parts if [len(parts[name])] == lengths]
    if sorted(kinds[name] for name in fits) != ["down", "gate", "up"]:
        return None
    return np.sum([parts[name] for name in fits], axis=0)


def audit_checkpoints(
    base: Path | str, others: Mapping[str, Path | str], progress: Callable[[int], object] = lambda _: None
) -> Audit:
    """Compare several trainings with the base that they all began from.

    Args:
        base: a safetensors file, or a folder of shards.
        others: checkpoints trained from it, by name; at least one.
        progress: called with the number of weights done since the last call.

    Raises:
        CheckpointError: a file cannot be read, they are not of one model, or a weight is not finite.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import torch
        >>> from safetensors.torch import save_file
        >>> from toymdrl import audit_checkpoints
        >>> with TemporaryDirectory() as folder:
        ...     base, math = (Path(folder) / f"{name}.safetensors" for name in ("base", "math"))
        ...     save_file({"w": torch.ones(4)}, base)
        ...     save_file({"w": torch.tensor([1.0, 1.0, 1.0, 3.0])}, math)
        ...     found = audit_checkpoints(base, {"math": math})
        >>> found.edits["math"][""].unchanged["as stored"], found.edits["math"][""].squared
        (0.75, 4.0)
    """
    names = list(others)
    if not names:
        raise CheckpointError(f"nothing to compare {base} with; give one checkpoint or more that were trained from it")
    paths = [base, *others.values()]
    found_alike = common_rows(paths, alike(paths))
    first, *rest = found_alike.tensors
    counts: dict[str, dict[str, _Counts]] = {name: {WHOLE: _Counts()} for name in names}
    dots: dict[tuple[str, str], dict[str, np.ndarray]] = {pair: {WHOLE: np.zeros(2)} for pair in combinations(names, 2)}
    neurons, skipped = {name: _Neurons() for name in names}, []
    layers = layers_of(first)
    for tensor, place in first.items():
        also = [each[tensor] for each in rest]
        # Integers and packed formats: position ids, quantised weights.
        if any(each.dtype not in DTYPES for each in (place, *also)):
            skipped.append(tensor)
            continue
        layer = layers[tensor]
        for part in place.chunks():
            before = place.read(part)
            deltas = {}
            for name, each in zip(names, also, strict=True):
                after = each.read(part)
                origin = rounded_likewise(before, after)
                found = _counts(origin, after)
                # A nan would make every number of the audit one.
                if not np.isfinite(found.squared + found.base_squared):
                    raise CheckpointError(f"{tensor!r} of {base} or of {name} holds numbers that are not finite")
                counts[name][WHOLE].add(found)
                counts[name].setdefault(layer, _Counts()).add(found)
                deltas[name] = after.double() - origin.double()
                if origin is not before:
                    deltas[name] = without_the_place(deltas[name], before, origin)
                neurons[name].add(tensor, layer, place, part, deltas[name])
            # The cosine needs the sum of products; what it would be by chance, the sum of their squares.
            for (one, two), by_layer in dots.items():
                products = deltas[one] * deltas[two]
                dot = np.array([float(products.sum()), float(products.square().sum())])
                by_layer[WHOLE] = by_layer[WHOLE] + dot
                by_layer[layer] = by_layer.get(layer, np.zeros(2)) + dot
            progress(part.stop - part.start)
    if not counts[names[0]][WHOLE].weights:
        raise CheckpointError(f"{base} holds no floating-point weights; give a checkpoint of a model")
    tops = {name: each.top() for name, each in neurons.items()}
    edits: dict[str, dict[str, Edit]] = {}
    for name, of_layers in counts.items():
        edits[name] = {layer: each.edit() for layer, each in of_layers.items()}
    pairs: dict[tuple[str, str], dict[str, Pair]] = {}
    for (one, two), sums in dots.items():
        pairs[one, two] = {}
        for layer, dot in sums.items():
            top = tops[one].get(layer), tops[two].get(layer)
            pairs[one, two][layer] = _pair(edits[one][layer], edits[two][layer], dot, *top)
    notes = [*found_alike.notes, *_formats(first, dict(zip(names, rest, strict=True)))]
    return Audit(edits, pairs, tuple(skipped), tuple(notes))


def _pair(a: Edit, b: Edit, dot: np.ndarray, top_a: Tensor | None, top_b: Tensor | None) -> Pair:
    """Of two edits, from the sum of their coordinates' products and that of the products' squares."""
    length = (a.squared * b.squared) ** 0.5 or 1.0
    shared = chance = None
    if top_a is not None and top_b is not None:
        shared, p, q = jaccard(top_a, top_b), float(top_a.double().mean()), float(top_b.double().mean())
        chance = p * q / (p + q - p * q) if p + q else 0.0
    return Pair(float(dot[0]) / length, float(dot[1]) ** 0.5 / length, shared, chance)
