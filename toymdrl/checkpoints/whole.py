"""Checkpoints of a model of one's own, whole in memory, and a module's vector from one of them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from toymdrl.checkpoints.shards import CheckpointError, alike, files
from toymdrl.parameters import flatten, trainable_parameters


def read_checkpoints(paths: Sequence[Path | str]) -> list[dict[str, Tensor]]:
    """The tensors of several checkpoints, as float32, by name, all in the first one's order.

    Args:
        paths: safetensors files, or folders of shards.

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
    names = list(alike(paths)[0]) if paths else []
    found: list[dict[str, Tensor]] = []
    for path in paths:
        tensors: dict[str, Tensor] = {}
        for file in files(Path(path)):
            tensors |= load_file(file)
        found.append({name: tensors[name].float() for name in names})
    return found


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
    pieces = []
    for name, weight in module.named_parameters():
        if weight.requires_grad:
            if name not in tensors or tensors[name].shape != weight.shape:
                has = f"of shape {tuple(tensors[name].shape)}" if name in tensors else "missing"
                wanted = tuple(weight.shape)
                raise CheckpointError(
                    f"parameter {name!r} of shape {wanted} is {has} in the checkpoint; give one of this model"
                )
            pieces.append(tensors[name].to(weight))
    with torch.no_grad():
        return flatten(pieces)
