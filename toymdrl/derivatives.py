"""Value, gradient and Hessian product of any scalar loss of any torch module's parameters; knows nothing of RL.

A loss is a function of the module. It returns a scalar, or yields several that sum to it, each from a forward pass of
its own: chunks of the data, so that memory does not grow with it. Vectors are flat, in the order of
`parameters.trainable`.

On a GPU a product of a small model is thousands of small operations, and launching them costs more than doing them. A
`FixedLoss` promises that they are always the same; they are then recorded once and replayed.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from toymdrl.effort import spend
from toymdrl.parameters import flatten, read_parameters, trainable_parameters
from toymdrl.replay import Replay, records

Loss = Callable[[Any], Tensor | Iterable[Tensor]]
"""Of a module: a scalar with graph, or several that sum to the loss."""


class CurvatureError(ValueError):
    """A loss or module that has no curvature to speak of; the message says what to do."""


class FixedLoss:
    """A loss that does the same operations on the same tensors wherever the parameters are, and draws nothing.

    On a GPU its value, gradient and Hessian products are recorded at first use, and replayed wherever the parameters
    are from then on; see replay.py for what such a loss may not do. Elsewhere it is a loss like any other.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from toymdrl import gradient
        >>> from toymdrl.curvature import FixedLoss
        >>> bowl = nn.Linear(2, 1, bias=False)
        >>> _ = nn.init.ones_(bowl.weight)
        >>> gradient(bowl, FixedLoss(lambda module: module.weight.square().sum() / 2))
        tensor([1., 1.])
    """

    def __init__(self, loss: Loss) -> None:
        self._loss = loss
        self._recorded: _Recorded | None = None

    def __call__(self, module: Any) -> Tensor | Iterable[Tensor]:
        """As the loss that it was made of."""
        return self._loss(module)

    def recorded(self, module: nn.Module) -> "_Recorded | None":
        """Its replays for this module; None where nothing is recorded."""
        if not records(trainable_parameters(module)[0].device):
            return None
        if self._recorded is None or not self._recorded.serves(module):
            self._recorded = _Recorded(module, self._loss)
        return self._recorded


class _Recorded:
    """Value, gradient and Hessian products of one loss of one module on a GPU."""

    def __init__(self, module: nn.Module, loss: Loss) -> None:
        self._module, self._loss = module, loss
        self._places = self._where(module)
        self._vector = torch.zeros_like(read_parameters(module))
        device = self._vector.device
        self._value = Replay(self._sum, device)
        self._gradient = Replay(self._slope, device)
        self._product = Replay(self._bend, device)

    @staticmethod
    def _where(module: nn.Module) -> list[int]:
        return [parameter.data_ptr() for parameter in trainable_parameters(module)]

    def serves(self, module: nn.Module) -> bool:
        """Whether this is the module, its parameters still in the memory that the recordings read."""
        return module is self._module and self._places == self._where(module)

    def value(self) -> float:
        """The loss."""
        return float(self._value())

    def gradient(self) -> Tensor:
        """Its gradient, (coordinates,)."""
        return self._gradient().clone()

    def product(self, vector: Tensor) -> Tensor:
        """H v, (coordinates,)."""
        # A recording reads this memory: the vector must come to it.
        self._vector.copy_(vector)
        return self._product().clone()

    @torch.no_grad()
    def _sum(self) -> Tensor:
        return torch.stack([part.double() for part in parts(self._loss, self._module)]).sum()

    def _slope(self) -> Tensor:
        return _total_gradient(self._module, self._loss)

    def _bend(self) -> Tensor:
        return _product_in_chunks(self._module, self._loss, self._vector)


def parts(loss: Loss, module: nn.Module) -> Iterator[Tensor]:
    """The scalars that sum to a loss.

    Raises:
        CurvatureError: it is no function.
    """
    if not callable(loss):
        raise CurvatureError("the loss must be a function of the module: lambda module: …")
    value = loss(module)
    if isinstance(value, Tensor):
        yield value
        return
    if isinstance(value, Mapping) or hasattr(value, "loss") or not isinstance(value, Iterable):
        raise CurvatureError(f"the loss returned {_named(value)}; return a scalar tensor{_such_as(value)}")
    empty = True
    for part in value:
        if not isinstance(part, Tensor):
            raise CurvatureError(f"the loss yielded {_named(part)}; yield scalar tensors{_such_as(part)}")
        empty = False
        yield part
    # An iterator that was made outside of the loss is used up after the first evaluation: a zero would be a lie.
    if empty:
        raise CurvatureError("the loss yielded nothing; make its data anew in each call, not an iterator outside of it")


def _named(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _such_as(value: object) -> str:
    """What to return instead, where that can be seen."""
    if isinstance(value, Mapping) and "loss" in value:
        return ': its ["loss"]'
    if hasattr(value, "loss"):
        return ": its .loss"
    if isinstance(value, float | int):
        return ", without .item() or float()"
    return ""


@torch.no_grad()
def value(module: nn.Module, loss: Loss) -> float:
    """The loss, without graph.

    Raises:
        CurvatureError: it is not finite.
    """
    spend(values=1)
    if isinstance(loss, FixedLoss) and (recorded := loss.recorded(module)):
        return recorded.value()
    with undisturbed(module):
        total = sum(float(part) for part in parts(loss, module))
    if not math.isfinite(total):
        raise CurvatureError(f"the loss is {total}; look at the data and the weights that give it")
    return total


def check(module: nn.Module, loss: Loss) -> None:
    """Refuse a loss that dropout makes random.

    Raises:
        CurvatureError: the module is in train mode, and two evaluations differ.
    """
    if isinstance(loss, FixedLoss) or not any(each.training for each in module.modules()):
        return
    with torch.no_grad(), undisturbed(module, draws=True):
        before = torch.get_rng_state()
        one = next(parts(loss, module))
        drew = not torch.equal(before, torch.get_rng_state())
        two = next(parts(loss, module))
    if not one.dim() and not bool(torch.isfinite(one)):
        raise CurvatureError(f"the loss is {float(one)}; look at the data and the weights that give it")
    if drew or not torch.equal(one, two):
        raise CurvatureError("two evaluations of the loss differ (dropout in train mode?); call module.eval() first")


@contextmanager
def undisturbed(module: nn.Module, *, draws: bool = False) -> Iterator[None]:
    """Evaluate losses within: buffers, such as running statistics, are left as found, and nothing may be drawn.

    Args:
        module: whose buffers.
        draws: let it draw from torch's random numbers, as dropout does.

    Raises:
        CurvatureError: it drew, so that its derivatives would be those of another function each time.
    """
    state = torch.get_rng_state()
    buffers = list(module.buffers())
    kept = [buffer.data for buffer in buffers]
    # The loss writes on copies. They are put away by moving the data, not by writing: a kept graph may hold the buffer,
    # and would refuse one that was written.
    for buffer, own in zip(buffers, kept, strict=True):
        buffer.data = own.clone()
    try:
        yield
    finally:
        for buffer, own in zip(buffers, kept, strict=True):
            buffer.data = own
    if not draws and not torch.equal(state, torch.get_rng_state()):
        raise CurvatureError(
            "the loss draws random numbers (dropout that eval() does not stop?); draw them outside of it"
        )


def gradient_of(part: Tensor, module: nn.Module, *, create_graph: bool = False) -> Tensor:
    """Gradient of one scalar, (coordinates,).

    Raises:
        CurvatureError: it is no scalar, no function of the parameters, or not finite.
    """
    advice = "the loss must be a scalar computed from the module's parameters, without detach or no_grad"
    if part.dim():
        raise CurvatureError(f"{advice}; it has shape {tuple(part.shape)}: take its mean")
    if not part.requires_grad:
        raise CurvatureError(advice)
    if not part.is_cuda and not bool(torch.isfinite(part)):  # a GPU would have to be waited for
        raise CurvatureError(f"the loss is {float(part.detach())}; look at the data and the weights that give it")
    parameters = trainable_parameters(module)
    # Some parameters may not enter this part: their slope is zero, unless none enters.
    pieces = torch.autograd.grad(part, parameters, create_graph=create_graph, allow_unused=True)
    if all(piece is None for piece in pieces):
        raise CurvatureError(advice)
    return flatten([torch.zeros_like(p) if g is None else g for p, g in zip(parameters, pieces, strict=True)])


def second(slope: Tensor, module: nn.Module, *, retain_graph: bool) -> Tensor:
    """Gradient of a first derivative, (coordinates,).

    Raises:
        CurvatureError: a kernel has no second derivative, or the parameters have changed since its graph was built.
    """
    try:
        pieces = torch.autograd.grad(
            slope, trainable_parameters(module), retain_graph=retain_graph, materialize_grads=True
        )
    except RuntimeError as error:
        # The kept graph remembers which values it was built of.
        if "inplace operation" in str(error):
            raise CurvatureError(
                "the parameters have been written since this Hessian was made (moving them and back counts, as "
                "at_parameters and decompose_damage do); make a new one where they are now, or with keep_graph=False"
            ) from error
        if "double backward" in str(error) or hasattr(module, "_orig_mod"):
            raise CurvatureError("a compiled module has no second derivative; give module._orig_mod") from error
        if "derivative" not in str(error):
            raise
        raise CurvatureError(f"a kernel of this module has no second derivative; {_without_fused(module)}") from error
    return flatten(pieces)


def _without_fused(module: nn.Module) -> str:
    """How to have a module without fused attention, which is what lacks a second derivative most likely."""
    if any(type(each).__module__.startswith("transformers.") for each in module.modules()):
        return 'load the Hugging Face model with attn_implementation="eager"'
    return (
        "fused attention, most likely: evaluate the loss within torch.nn.attention.sdpa_kernel("
        "torch.nn.attention.SDPBackend.MATH)"
    )


def gradient(module: nn.Module, loss: Loss) -> Tensor:
    """Gradient of the loss, (coordinates,).

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from toymdrl import gradient
        >>> bowl = nn.Linear(2, 1, bias=False)
        >>> _ = nn.init.ones_(bowl.weight)
        >>> gradient(bowl, lambda module: (module.weight.square() * torch.tensor([1.0, 3.0])).sum() / 2)
        tensor([1., 3.])
    """
    spend(gradients=1)
    if isinstance(loss, FixedLoss) and (recorded := loss.recorded(module)):
        return recorded.gradient()
    check(module, loss)
    return total_gradient(module, loss)


def total_gradient(module: nn.Module, loss: Loss) -> Tensor:
    """Gradient of the loss, its parts one after another, (coordinates,)."""
    with undisturbed(module):
        return _total_gradient(module, loss)


def _total_gradient(module: nn.Module, loss: Loss) -> Tensor:
    total = torch.zeros_like(read_parameters(module))
    for part in parts(loss, module):
        total += gradient_of(part, module)
    return total


def product_in_chunks(module: nn.Module, loss: Loss, vector: Tensor) -> Tensor:
    """H v, with the graph of one part of the loss at a time, (coordinates,)."""
    with undisturbed(module):
        return _product_in_chunks(module, loss, vector)


def _product_in_chunks(module: nn.Module, loss: Loss, vector: Tensor) -> Tensor:
    total = torch.zeros_like(vector)
    for part in parts(loss, module):
        slope = gradient_of(part, module, create_graph=True)
        if slope.requires_grad:  # a loss linear in the parameters has a gradient without graph
            total += second(slope @ vector, module, retain_graph=False)
    return total
