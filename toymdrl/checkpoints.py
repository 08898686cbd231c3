"""Checkpoints of a model of one's own: safetensors files that fit together, and a module's vector from one of them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from toymdrl.parameters import flatten


class CheckpointError(ValueError):
    """Files that cannot be read or do not fit; the message is one line that says what to give instead."""


def read_checkpoints(paths: Sequence[Path | str]) -> list[dict[str, Tensor]]:
    """The tensors of several safetensors files, as float32, by name, all in the first one's order.

    Raises:
        CheckpointError: a file cannot be read, or has other tensors or shapes than the first.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from safetensors.torch import save_file
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "a.safetensors"
        ...     save_file({"w": torch.ones(2, dtype=torch.float16)}, file)
        ...     (found,) = read_checkpoints([file])
        >>> found["w"]
        tensor([1., 1.])
    """
    found: list[dict[str, Tensor]] = []
    for path in paths:
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{path} cannot be read as safetensors ({error}); give a .safetensors file"
            ) from error
        first = found[0] if found else tensors
        if wrong := sorted(set(first) ^ set(tensors)):
            where = path if wrong[0] in tensors else paths[0]
            raise CheckpointError(f"tensor {wrong[0]!r} is in {where} alone; give checkpoints of one model")
        for name, tensor in tensors.items():
            if tensor.shape != first[name].shape:
                shapes = f"{tuple(first[name].shape)} in {paths[0]}, {tuple(tensor.shape)} in {path}"
                raise CheckpointError(f"tensor {name!r} has shape {shapes}; give checkpoints of one model")
        found.append({name: tensors[name].float() for name in first})
    return found


def as_vector(module: nn.Module, tensors: dict[str, Tensor]) -> Tensor:
    """A checkpoint's values of a module's trainable parameters, in their order, (coordinates,).

    Raises:
        CheckpointError: a parameter is missing, or of another shape.

    Example:
        >>> as_vector(nn.Linear(2, 1), {"weight": torch.ones(1, 2), "bias": torch.zeros(1)})
        tensor([1., 1., 0.])
    """
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
