"""A module's parameters as one flat vector, and back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def trainable_parameters(module: nn.Module) -> list[nn.Parameter]:
    """The parameters a loss is differentiated by, in a fixed order.

    Raises:
        ValueError: there is none.

    Example:
        >>> from torch import nn
        >>> from toymdrl import trainable_parameters
        >>> module = nn.Linear(2, 1)
        >>> _ = module.bias.requires_grad_(False)
        >>> [tuple(weight.shape) for weight in trainable_parameters(module)]
        [(1, 2)]
    """
    found = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not found:
        raise ValueError("no parameter requires a gradient; call module.requires_grad_(True) first")
    return found


def precision(tensors: Sequence[Tensor]) -> torch.dtype:
    """The number format of a vector of such tensors: the widest among them, but never less than float32.

    In half precision a sum over millions of coordinates is rounded away.
    """
    found = torch.float32
    for tensor in tensors:
        found = torch.promote_types(found, tensor.dtype)
    return found


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors one after another as one vector, (coordinates,), in their `precision`."""
    dtype = precision(tensors)
    return torch.cat([tensor.reshape(-1).to(dtype) for tensor in tensors])


def unflatten(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Pieces of a vector in the shapes of `like`.

    Raises:
        ValueError: the sizes do not agree.
    """
    sizes = [tensor.numel() for tensor in like]
    if vector.shape != (sum(sizes),):
        raise ValueError(f"a vector of {sum(sizes)} coordinates is needed, not one of shape {tuple(vector.shape)}")
    return [piece.view_as(tensor) for piece, tensor in zip(vector.split(sizes), like, strict=True)]


@torch.no_grad()
def read_parameters(module: nn.Module) -> Tensor:
    """A copy of the parameters, (coordinates,).

    Example:
        >>> from torch import nn
        >>> from toymdrl import read_parameters
        >>> read_parameters(nn.Linear(2, 1)).shape
        torch.Size([3])
    """
    return flatten([parameter.detach() for parameter in trainable_parameters(module)]).clone()


@torch.no_grad()
def write_parameters(module: nn.Module, vector: Tensor) -> None:
    """Overwrite the parameters by a vector (coordinates,).

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from toymdrl import write_parameters
        >>> module = nn.Linear(2, 1)
        >>> write_parameters(module, torch.tensor([1.0, 2.0, 3.0]))
        >>> module.bias.item()
        3.0
    """
    parameters = trainable_parameters(module)
    for parameter, piece in zip(parameters, unflatten(vector, parameters), strict=True):
        parameter.copy_(piece)


@contextmanager
def at_parameters(module: nn.Module, vector: Tensor) -> Iterator[None]:
    """The module with other parameters, (coordinates,), for a while.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from toymdrl import at_parameters, read_parameters, write_parameters
        >>> module = nn.Linear(1, 1)
        >>> write_parameters(module, torch.zeros(2))
        >>> with at_parameters(module, read_parameters(module) + 1):
        ...     inside = read_parameters(module)
        >>> inside, read_parameters(module)
        (tensor([1., 1.]), tensor([0., 0.]))
    """
    before = read_parameters(module)
    write_parameters(module, vector)
    try:
        yield
    finally:
        write_parameters(module, before)
