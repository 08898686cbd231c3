"""Checkpoints of a model of one's own, whole in memory, and a module's vector from one of them."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from toymdrl.checkpoints.names import matched
from toymdrl.checkpoints.shards import CheckpointError, Place
from toymdrl.checkpoints.view import alike, same_shapes
from toymdrl.parameters import flatten, trainable_parameters


def read_checkpoints(paths: Sequence[Path | str]) -> list[dict[str, Tensor]]:
    """The tensors of several checkpoints, as float32, by name, all in the first one's order.

    Args:
        paths: safetensors files, or folders of shards; after the first also LoRA adapters of it, which are merged.

    Raises:
        CheckpointError: one cannot be read, or has other tensors or shapes than the first.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import torch
        >>> from safetensors.torch import save_file
        >>> from toymdrl import read_checkpoints
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "a.safetensors"
        ...     save_file({"w": torch.ones(2, dtype=torch.float16)}, file)
        ...     (found,) = read_checkpoints([file])
        >>> found["w"]
        tensor([1., 1.])
    """
    if isinstance(paths, str | Path):
        raise CheckpointError(f"give a list of checkpoints, such as [{str(paths)!r}]")
    if not paths:
        return []
    together = alike(paths)
    same_shapes(paths, together)
    found: list[dict[str, Tensor]] = []
    for places in together.tensors:
        tensors = {name: _whole(place) for name, place in places.items()}
        for first, copies in together.copies.items():
            tensors |= dict.fromkeys(copies, tensors[first])
        found.append(tensors)
    return found


def _whole(place: Place) -> Tensor:
    parts = [place.read(part).float() for part in place.chunks()]
    return torch.cat(parts).view(place.shape) if parts else torch.zeros(place.shape)


def as_vector(module: nn.Module, tensors: dict[str, Tensor]) -> Tensor:
    """A checkpoint's values of a module's trainable parameters, in their order, (coordinates,).

    Raises:
        CheckpointError: a parameter is missing, or of another shape.
        ValueError: the module has no trainable parameter.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from toymdrl import as_vector
        >>> as_vector(nn.Linear(2, 1), {"weight": torch.ones(1, 2), "bias": torch.zeros(1)})
        tensor([1., 1., 0.])
    """
    trainable_parameters(module)  # refuses a frozen module
    names = _names(module)
    own = matched([each for several in names for each in several], tensors.keys())
    pieces = []
    for several, weight in zip(names, trainable_parameters(module), strict=True):
        name = next((each for each in several if each in own), None)
        if name is None:
            raise CheckpointError(
                f"parameter {several[0]!r} of shape {tuple(weight.shape)} is missing in the checkpoint, which has "
                f"{_example(tensors, several[0])}; give one of this model, or if transformers renamed it on saving, "
                "save it with save_pretrained(..., save_original_format=False)"
            )
        stored = tensors[own[name]]
        if stored.shape != weight.shape:
            raise CheckpointError(
                f"parameter {name!r} of shape {tuple(weight.shape)} is of shape {tuple(stored.shape)} in the "
                "checkpoint; give one of this model"
            )
        pieces.append(stored.to(weight))
    with torch.no_grad():
        return flatten(pieces)


def _names(module: nn.Module) -> list[list[str]]:
    """All names of every trainable parameter: one that is shared has several."""
    found: dict[int, list[str]] = {id(parameter): [] for parameter in trainable_parameters(module)}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if id(parameter) in found:
            found[id(parameter)].append(name)
    return list(found.values())


def _example(tensors: dict[str, Tensor], wanted: str) -> str:
    """A name of the checkpoint that is most like one that is wanted."""
    nearest = difflib.get_close_matches(wanted, list(tensors), n=1, cutoff=0.0)
    return repr(nearest[0]) if nearest else "nothing"
