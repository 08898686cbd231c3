"""Checkpoints of one model side by side: which tensors correspond, what is a copy, what is left out and why."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from toymdrl.checkpoints.adapters import MERGE, is_adapter, on_its_base
from toymdrl.checkpoints.names import COMPUTED, SCALED, bare, matched
from toymdrl.checkpoints.shards import CheckpointError, Place, places

GLANCE = 64
"""Numbers that are looked at first where two tensors may be copies."""
Tensors = dict[str, Place]


@dataclass(frozen=True)
class Alike:
    """Several checkpoints' tensors under one name each."""

    tensors: tuple[Tensors, ...]
    """Of each checkpoint, in the first one's order."""
    copies: Mapping[str, tuple[str, ...]]
    """Other names under which a checkpoint or several store a tensor again, equal wherever they do: tied weights."""
    notes: tuple[str, ...]
    """What was left out or counted once, for the user."""


def view(path: Path | str) -> Tensors:
    """Every tensor of a checkpoint by its bare name.

    Raises:
        CheckpointError: it cannot be read, is quantised, or two tensors have one bare name.
    """
    if is_adapter(path):
        raise CheckpointError(f"{path} is a LoRA adapter, which is nothing without its base; {MERGE}")
    found: Tensors = {}
    for name, place in places(path).items():
        if SCALED.fullmatch(name):
            raise CheckpointError(
                f"{path} holds quantised weights ({name!r} has their scales or blocks), which mean nothing one by one; "
                "give the weights before quantisation, or save them dequantised"
            )
        own = bare(name)
        if own in found:
            raise CheckpointError(f"{path} holds {own!r} twice, once wrapped; give a checkpoint of one model")
        found[own] = place
    return found


def alike(paths: Sequence[Path | str]) -> Alike:
    """Checkpoints of one model, tensor by tensor.

    Raises:
        CheckpointError: they are not of one model.
    """
    renamed = _under_one_name(paths)
    every = set(renamed[0]).intersection(*renamed[1:])
    copies: dict[str, tuple[str, ...]] = {}
    notes = [f"{path} is a LoRA adapter: what it makes of the base is compared" for path in paths if is_adapter(path)]
    for path, tensors in zip(paths, renamed, strict=True):
        for name in [name for name in tensors if name not in every]:
            if COMPUTED.fullmatch(name):
                notes.append(f"{name} of {path} is computed anew when a model is loaded: left out")
                continue
            first = _original(path, tensors, name, every)
            copies[first] = tuple(dict.fromkeys((*copies.get(first, ()), name)))
            notes.append(f"{name} of {path} is a copy of {first}: counted once")
    kept = [{name: tensors[name] for name in renamed[0] if name in every} for tensors in renamed]
    for first, others in _copies(kept).items():
        copies[first] = (*copies.get(first, ()), *others)
        notes += [f"{name} is a copy of {first} in every checkpoint: counted once" for name in others]
    computed = [name for name in kept[0] if COMPUTED.fullmatch(name)]
    notes += [f"{name} is computed anew when a model is loaded: left out" for name in computed]
    gone = {*computed, *(name for others in copies.values() for name in others)}
    once = tuple({name: place for name, place in tensors.items() if name not in gone} for tensors in kept)
    return Alike(once, copies, tuple(notes))


def _under_one_name(paths: Sequence[Path | str]) -> list[Tensors]:
    """Each checkpoint's tensors by the first one's names; those that it lacks by their own.

    Raises:
        CheckpointError: they have no name in common.
    """
    if is_adapter(paths[0]):
        raise CheckpointError(f"{paths[0]} is a LoRA adapter; give the base that it was made of first")
    first = view(paths[0])
    others = [on_its_base(path, first) if is_adapter(path) else view(path) for path in paths[1:]]
    renamed = [first]
    for path, other in zip(paths[1:], others, strict=True):
        own = matched(first.keys(), other.keys())
        if not own:
            raise CheckpointError(_strangers(paths[0], first, path, other))
        left = {name: place for name, place in other.items() if name not in own.values()}
        renamed.append({name: other[called] for name, called in own.items()} | left)
    return renamed


def same_shapes(paths: Sequence[Path | str], found: Alike) -> None:
    """Refuse tensors of different shapes.

    Raises:
        CheckpointError: which, and where.
    """
    for path, tensors in zip(paths, found.tensors, strict=True):
        for name, place in tensors.items():
            wanted = found.tensors[0][name].shape
            if place.shape != wanted:
                shapes = f"{wanted} in {paths[0]}, {place.shape} in {path}"
                raise CheckpointError(f"tensor {name!r} has shape {shapes}; give checkpoints of one model")


def common_rows(paths: Sequence[Path | str], found: Alike) -> Alike:
    """The same, vocabularies of different length cut to their common rows.

    Raises:
        CheckpointError: tensors differ in shape, and not as a vocabulary that grew does: in one number of rows alone.
    """
    lengths = set()
    for name, first in found.tensors[0].items():
        shapes = {tensors[name].shape for tensors in found.tensors}
        if len(shapes) > 1:
            if len({shape[1:] for shape in shapes}) > 1 or not first.shape:
                same_shapes(paths, found)
            lengths.add(tuple(tensors[name].shape[0] for tensors in found.tensors))
    if len(lengths) > 1:
        same_shapes(paths, found)
    if not lengths:
        return found
    rows = min(next(iter(lengths)))
    notes, cut = list(found.notes), [dict(tensors) for tensors in found.tensors]
    for name in found.tensors[0]:
        if len({tensors[name].shape for tensors in found.tensors}) > 1:
            notes.append(f"{name} has vocabularies of different length: its first {rows:,} rows are compared")
            for tensors in cut:
                tensors[name] = tensors[name].first_rows(rows)
    return Alike(tuple(cut), found.copies, tuple(notes))


def equal(one: Place, other: Place) -> bool:
    """Whether two tensors hold the same bytes."""
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    return all(torch.equal(_bytes(one, part), _bytes(other, part)) for part in one.chunks())


def _bytes(place: Place, part: slice) -> torch.Tensor:
    return place.read(part).view(torch.uint8)


def _copies(kept: Sequence[Tensors]) -> dict[str, tuple[str, ...]]:
    """Tensors that are equal in every checkpoint, by the first of their names.

    Norms and biases may well be equal by chance, being set to ones and zeros: a vector of one number is no copy.
    """
    alike_at_a_glance: dict[tuple[object, ...], list[str]] = {}
    for name, place in kept[0].items():
        if place.size and place.is_read and (len(place.shape) >= 2 or not _is_constant(place)):
            glance = bytes(_bytes(place, slice(0, min(GLANCE, place.size))).tolist())
            alike_at_a_glance.setdefault((place.shape, place.dtype, glance), []).append(name)
    found: dict[str, tuple[str, ...]] = {}
    for names in alike_at_a_glance.values():
        first, *others = names
        copies = [other for other in others if all(equal(tensors[first], tensors[other]) for tensors in kept)]
        # A matrix that no training has moved may be a fresh one of zeros, as several are.
        moved = any(not equal(kept[0][first], tensors[first]) for tensors in kept[1:]) or len(kept) == 1
        if copies and moved:
            found[first] = tuple(copies)
    return found


def _is_constant(place: Place) -> bool:
    """Whether a vector holds one number alone."""
    numbers = place.read(slice(0, place.size))
    return bool((numbers == numbers[0]).all())


def _original(path: Path | str, tensors: Tensors, name: str, every: set[str]) -> str:
    """What a tensor that not all checkpoints have is a copy of.

    Raises:
        CheckpointError: of none.
    """
    for other in sorted(every):
        if other in tensors and equal(tensors[name], tensors[other]):
            return other
    raise CheckpointError(
        f"tensor {name!r} is in {path} alone, and is no copy of another there; give checkpoints of one model"
        + (", all saved with tied weights or all without" if name.endswith("lm_head.weight") else "")
    )


def _strangers(one: Path | str, first: Tensors, other: Path | str, second: Tensors) -> str:
    return (
        f"no name of {one} is in {other}: {next(iter(first), 'nothing')!r} there, {next(iter(second), 'nothing')!r} "
        "here; give checkpoints of one model that the same library saved"
    )


def says_tied(path: Path | str) -> bool:
    """Whether a folder's config.json ties the embeddings."""
    try:
        config = json.loads((Path(path) / "config.json").read_text(encoding="utf-8"))
        return bool(config.get("tie_word_embeddings", config.get("text_config", {}).get("tie_word_embeddings", False)))
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
