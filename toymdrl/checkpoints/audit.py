"""`toymdrl audit`: what several trainings from one base changed, weight by weight, in memory that does not grow.

For each training: edit norm, share of weights unchanged by threshold and number format (C3, T10). For each pair: cosine
of the edits (C2, T3), Jaccard index of the most changed MLP neurons (C4), each beside its chance level; all over the
model and by layer. Where an MLP's neurons are not known, a note says why.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from toymdrl.analysis.edits import TOP, jaccard, top_mask
from toymdrl.checkpoints.adapters import Merged
from toymdrl.checkpoints.edit import Counts, Edit, counts_of, rounded_likewise, without_the_place
from toymdrl.checkpoints.shards import DTYPES, CheckpointError, Place
from toymdrl.checkpoints.view import alike, common_rows
from toymdrl.neurons import Mlp, mlps

_LAYER = re.compile(r"(?P<stack>.*?\b(?:layers?|blocks?|h))\.(?P<number>\d+)\.")
REST = "rest"
"""What belongs to no layer: embeddings, the last norm, the head."""
WHOLE = ""
"""Stands for the whole model where a layer would be named."""


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


def _formats(first: Mapping[str, Place], others: Mapping[str, Mapping[str, Place]]) -> list[str]:
    """Which number formats meet, where they are not the same."""
    found = []
    for name, tensors in others.items():
        met = set()
        for key, place in tensors.items():
            # An adapter's update is exact: it has not been rounded to any format.
            if first[key].dtype != place.dtype and not isinstance(place, Merged):
                met.add((first[key].dtype, place.dtype))
        for one, other in sorted(met):
            how = "the base is rounded likewise" if _coarser(other, one) else "the base is taken as it is"
            found.append(f"{name} is stored as {other} where the base is {one}: {how}")
    return found


def _without_neurons(reasons: Sequence[str]) -> list[str]:
    """Why MLPs are left out of the top neurons: one for all, since a model's layers are alike."""
    more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return [f"left out of the top neurons: {reasons[0]}{more}"] if reasons else []


def _coarser(one: str, other: str) -> bool:
    """Whether a format cannot hold all numbers of another."""
    if one not in DTYPES or other not in DTYPES:
        return False
    # Not by torch's promotion, which knows no eight-bit formats.
    mine, its = torch.finfo(DTYPES[one]), torch.finfo(DTYPES[other])
    return mine.eps > its.eps or mine.max < its.max


class _Neurons:
    """Squared edit norm of every MLP neuron, over all that its activation passes through."""

    def __init__(self, found: Sequence[Mlp], layers: Mapping[str, str]) -> None:
        self._total = {mlp.name: np.zeros(mlp.neurons) for mlp in found}
        self._layers = {mlp.name: layers[mlp.parts[0].tensor] for mlp in found}
        self._parts = {part.tensor: (mlp, part) for mlp in found for part in mlp.parts}

    def add(self, name: str, place: Place, part: slice, delta: Tensor) -> None:
        """Count a chunk in: whole rows of a matrix, whole experts of several."""
        if name not in self._parts:
            return
        mlp, of = self._parts[name]
        columns, total = place.shape[-1], self._total[mlp.name]
        squared = delta.double().square()
        if of.rows:
            rows = squared.view(-1, columns).sum(dim=1).numpy()
            first, experts = part.start // columns, place.shape[0] if len(place.shape) == 3 else 1
            # Row r of an expert is of its neuron r, or, in the second half, of the one that many rows above.
            where = np.arange(first, first + len(rows))
            expert, row = np.divmod(where, prod(place.shape[:-1]) // experts)
            each = mlp.neurons // experts
            np.add.at(total, expert * each + row % each, rows)
        elif len(place.shape) == 2:
            total += squared.view(-1, columns).sum(dim=0).numpy()
        else:
            sums = squared.view(-1, place.shape[1], columns).sum(dim=1).flatten().numpy()
            first = part.start // place.row * columns
            total[first : first + len(sums)] += sums

    def top(self) -> dict[str, Tensor]:
        """Which neurons are among the most changed of the model, by layer; WHOLE holds all."""
        if not self._total:
            return {}
        mask = top_mask(torch.from_numpy(np.concatenate(list(self._total.values()))), TOP)
        pieces = mask.split([len(each) for each in self._total.values()])
        found = {WHOLE: mask}
        for name, piece in zip(self._total, pieces, strict=True):
            layer = self._layers[name]
            found[layer] = torch.cat([found[layer], piece]) if layer in found else piece
        return found


def audit_checkpoints(
    base: Path | str, others: Mapping[str, Path | str], progress: Callable[[int], object] = lambda _: None
) -> Audit:
    """Compare several trainings with the base that they all began from.

    Args:
        base: a safetensors file, or a folder of shards.
        others: checkpoints trained from it, or LoRA adapters of it, by name; at least one.
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
    counts: dict[str, dict[str, Counts]] = {name: {WHOLE: Counts()} for name in names}
    dots: dict[tuple[str, str], dict[str, np.ndarray]] = {pair: {WHOLE: np.zeros(2)} for pair in combinations(names, 2)}
    layers, skipped = layers_of(first), []
    of_mlps, reasons = mlps({tensor: place.shape for tensor, place in first.items()})
    neurons = {name: _Neurons(of_mlps, layers) for name in names}
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
                found = counts_of(origin, after)
                # A nan would make every number of the audit one.
                if not np.isfinite(found.squared + found.base_squared):
                    raise CheckpointError(f"{tensor!r} of {base} or of {name} holds numbers that are not finite")
                counts[name][WHOLE].add(found)
                counts[name].setdefault(layer, Counts()).add(found)
                deltas[name] = after.double() - origin.double()
                if origin is not before:
                    deltas[name] = without_the_place(deltas[name], before, origin)
                neurons[name].add(tensor, place, part, deltas[name])
            # The cosine needs the sum of products; what it would be by chance, the sum of their squares.
            for (one, two), by_layer in dots.items():
                products = deltas[one] * deltas[two]
                dot = np.array([float(products.sum()), float(products.square().sum())])
                by_layer[WHOLE] = by_layer[WHOLE] + dot
                by_layer[layer] = by_layer.get(layer, np.zeros(2)) + dot
            progress(part.stop - part.start)
    if not counts[names[0]][WHOLE].weights:
        raise CheckpointError(f"{base} holds no floating-point weights; give a checkpoint of a model")
    edits: dict[str, dict[str, Edit]] = {}
    for name, of_layers in counts.items():
        edits[name] = {layer: each.edit() for layer, each in of_layers.items()}
    pairs = _pairs(edits, dots, {name: each.top() for name, each in neurons.items()})
    notes = [*found_alike.notes, *_formats(first, dict(zip(names, rest, strict=True)))]
    if pairs:
        notes += _without_neurons(reasons)
    return Audit(edits, pairs, tuple(skipped), tuple(notes))


def _pairs(
    edits: Mapping[str, Mapping[str, Edit]],
    dots: Mapping[tuple[str, str], Mapping[str, np.ndarray]],
    tops: Mapping[str, Mapping[str, Tensor]],
) -> dict[tuple[str, str], dict[str, Pair]]:
    """Every two trainings, by layer."""
    pairs: dict[tuple[str, str], dict[str, Pair]] = {}
    for (one, two), sums in dots.items():
        pairs[one, two] = {}
        for layer, dot in sums.items():
            top = tops[one].get(layer), tops[two].get(layer)
            pairs[one, two][layer] = _pair(edits[one][layer], edits[two][layer], dot, *top)
    return pairs


def _pair(a: Edit, b: Edit, dot: np.ndarray, top_a: Tensor | None, top_b: Tensor | None) -> Pair:
    """Of two edits, from the sum of their coordinates' products and that of the products' squares."""
    length = (a.squared * b.squared) ** 0.5 or 1.0
    shared = chance = None
    if top_a is not None and top_b is not None:
        shared, p, q = jaccard(top_a, top_b), float(top_a.double().mean()), float(top_b.double().mean())
        chance = p * q / (p + q - p * q) if p + q else 0.0
    return Pair(float(dot[0]) / length, float(dot[1]) ** 0.5 / length, shared, chance)
