"""Gradient, Hessian and Fisher products of any scalar loss of any torch module's parameters; knows nothing of RL.

A loss is a function of the module. It returns a scalar, or yields several that sum to it, each from a forward pass of
its own: chunks of the data, so that memory does not grow with it. Two ways to a Hessian-vector product:

- `keep_graph=True`: the gradient's graph is built once and every product walks back through it: about two gradients a
  product, memory in proportion to the data;
- `keep_graph=False`: each product builds and frees one chunk's graph after another: about four gradients, memory of one
  chunk.

On a GPU a product of a small model is thousands of small operations, and launching them costs more than doing them. A
`FixedLoss` promises that they are always the same; they are then recorded once and replayed, and both ways are one.

Vectors are flat, in the order of `parameters.trainable`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.special import roots_jacobi
from torch import Tensor, nn

from toymdrl.parameters import at, flatten, read, trainable
from toymdrl.replay import Replay

Loss = Callable[[Any], Tensor | Iterable[Tensor]]
"""Of a module: a scalar with graph, or several that sum to the loss."""


SMALLEST_KRYLOV_SPACE = 10
"""Lanczos vectors for the smallest problems; twice the pairs for others."""


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
        if trainable(module)[0].device.type != "cuda":
            return None
        if self._recorded is None or not self._recorded.serves(module):
            self._recorded = _Recorded(module, self._loss)
        return self._recorded


class _Recorded:
    """Value, gradient and Hessian products of one loss of one module on a GPU."""

    def __init__(self, module: nn.Module, loss: Loss) -> None:
        self._module, self._loss = module, loss
        self._places = self._where(module)
        self._vector = torch.zeros_like(read(module))
        device = self._vector.device
        self._value = Replay(self._sum, device)
        self._gradient = Replay(self._slope, device)
        self._product = Replay(self._bend, device)

    @staticmethod
    def _where(module: nn.Module) -> list[int]:
        return [parameter.data_ptr() for parameter in trainable(module)]

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
    yield from (value,) if isinstance(value, Tensor) else value


@torch.no_grad()
def value(module: nn.Module, loss: Loss) -> float:
    """The loss, without graph."""
    if isinstance(loss, FixedLoss) and (recorded := loss.recorded(module)):
        return recorded.value()
    return sum(float(part) for part in parts(loss, module))


def check(module: nn.Module, loss: Loss) -> None:
    """Refuse a random loss.

    Raises:
        CurvatureError: the module is in train mode and has dropout.
    """
    if isinstance(loss, FixedLoss) or not any(each.training for each in module.modules()):
        return
    with torch.no_grad():
        one, two = next(parts(loss, module)), next(parts(loss, module))
    if not torch.equal(one, two):
        raise CurvatureError("two evaluations of the loss differ (dropout in train mode?); call module.eval() first")


def _gradient(part: Tensor, module: nn.Module, *, create_graph: bool = False) -> Tensor:
    advice = "the loss must be a scalar computed from the module's parameters, without detach or no_grad"
    if part.dim():
        raise CurvatureError(f"{advice}; it has shape {tuple(part.shape)}: take its mean")
    if not part.requires_grad:
        raise CurvatureError(advice)
    parameters = trainable(module)
    pieces = torch.autograd.grad(part, parameters, create_graph=create_graph, allow_unused=True)
    if all(piece is None for piece in pieces):
        raise CurvatureError(advice)
    return flatten([torch.zeros_like(p) if g is None else g for p, g in zip(parameters, pieces, strict=True)])


def _second(slope: Tensor, module: nn.Module, *, retain_graph: bool) -> Tensor:
    """Gradient of a first derivative."""
    try:
        pieces = torch.autograd.grad(slope, trainable(module), retain_graph=retain_graph, materialize_grads=True)
    except RuntimeError as error:
        if "inplace operation" in str(error):
            raise CurvatureError("the parameters have changed since; make a new Hessian where they are now") from error
        if "derivative" not in str(error):
            raise
        raise CurvatureError(
            "a kernel of this module has no second derivative (fused attention, most likely); load a Hugging Face "
            'model with attn_implementation="eager"'
        ) from error
    return flatten(pieces)


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
    if isinstance(loss, FixedLoss) and (recorded := loss.recorded(module)):
        return recorded.gradient()
    check(module, loss)
    return _total_gradient(module, loss)


def _total_gradient(module: nn.Module, loss: Loss) -> Tensor:
    total = torch.zeros_like(read(module))
    for part in parts(loss, module):
        total += _gradient(part, module)
    return total


def _product_in_chunks(module: nn.Module, loss: Loss, vector: Tensor) -> Tensor:
    """H v, with the graph of one part of the loss at a time."""
    total = torch.zeros_like(vector)
    for part in parts(loss, module):
        slope = _gradient(part, module, create_graph=True)
        if slope.requires_grad:  # a loss linear in the parameters has a gradient without graph
            total += _second(slope @ vector, module, retain_graph=False)
    return total


class Hessian:
    """The Hessian of a loss at the parameters that the module has now, as an operator on flat vectors.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from toymdrl import Hessian
        >>> bowl = nn.Linear(2, 1, bias=False)
        >>> hessian = Hessian(bowl, lambda module: (module.weight.square() * torch.tensor([1.0, 3.0])).sum() / 2)
        >>> hessian @ torch.tensor([1.0, 1.0])
        tensor([1., 3.])
    """

    def __init__(self, module: nn.Module, loss: Loss, *, keep_graph: bool = True) -> None:
        """With `keep_graph`, build the gradient's graph now, for all products."""
        check(module, loss)
        self.module = module
        self.size = sum(parameter.numel() for parameter in trainable(module))
        self._loss = loss
        self._recorded = loss.recorded(module) if isinstance(loss, FixedLoss) else None
        keep_graph = keep_graph and not self._recorded
        self._graph = [_gradient(p, module, create_graph=True) for p in parts(loss, module)] if keep_graph else None

    @property
    def gradient(self) -> Tensor:
        """Gradient of the loss, (coordinates,); at no cost if the graph was kept."""
        if self._graph is None:
            return gradient(self.module, self._loss)
        return torch.stack([each.detach() for each in self._graph]).sum(dim=0)

    def __matmul__(self, vector: Tensor) -> Tensor:
        """H v, (coordinates,); for a block (coordinates, vectors) each column's.

        Raises:
            CurvatureError: no such vector.
        """
        if not isinstance(vector, Tensor) or vector.shape[:1] != (self.size,) or vector.dim() > 2:
            given = f"{type(vector).__name__} of shape {tuple(getattr(vector, 'shape', ()))}"
            raise CurvatureError(f"a tensor of {self.size} coordinates is needed, not {given}")
        if vector.dim() == 2:
            return torch.stack([self @ column for column in vector.unbind(1)], dim=1)
        if self._recorded:
            return self._recorded.product(vector)
        if self._graph is None:
            return _product_in_chunks(self.module, self._loss, vector)
        total = torch.zeros_like(vector)
        for each in self._graph:
            if each.requires_grad:
                total += _second(each @ vector, self.module, retain_graph=True)
        return total


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """Eigenpairs of largest absolute value, in descending order of it."""

    values: np.ndarray
    """(pairs,), float64."""
    vectors: Tensor
    """Orthonormal columns, (coordinates, pairs)."""
    products: int
    """Hessian-vector products spent."""


def top_eigenpairs(
    hessian: Hessian, pairs: int, *, tolerance: float = 1e-3, which: Literal["LM", "SA"] = "LM"
) -> Eigenpairs:
    """The `pairs` eigenpairs of largest |eigenvalue|, by Lanczos from a fixed start vector.

    Args:
        hessian: the operator.
        pairs: how many; fewer than coordinates.
        tolerance: residual, relative to the eigenvalue, at which to stop; `residuals` measures what was reached.
        which: "LM", or "SA" for the smallest eigenvalues, negative ones first.

    Raises:
        CurvatureError: no such number of pairs.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from toymdrl import Hessian, top_eigenpairs
        >>> bowl = nn.Linear(4, 1, bias=False)
        >>> curved = torch.tensor([1.0, -8.0, 3.0, 0.5])
        >>> found = top_eigenpairs(Hessian(bowl, lambda module: (module.weight.square() * curved).sum() / 2), 2)
        >>> found.values.round(2)
        array([-8.,  3.])
    """
    if not 0 < pairs < hessian.size:
        raise CurvatureError(f"{pairs} pairs of {hessian.size} coordinates; take 1 to {hessian.size - 1}")
    weight = trainable(hessian.module)[0]
    dtype = np.float64 if weight.dtype == torch.float64 else np.float32
    spent = 0

    def product(vector: np.ndarray) -> np.ndarray:
        nonlocal spent
        spent += 1
        ours = torch.from_numpy(np.ascontiguousarray(vector.reshape(-1), dtype=dtype)).to(weight)
        return (hessian @ ours).cpu().numpy().astype(dtype)

    operator = LinearOperator((hessian.size, hessian.size), matvec=product, dtype=dtype)
    start = np.random.default_rng(0).standard_normal(hessian.size).astype(dtype)
    find: Any = eigsh  # the stubs know no operator that it takes
    space = min(hessian.size, max(2 * pairs + 1, SMALLEST_KRYLOV_SPACE))
    values, vectors = find(operator, k=pairs, which=which, v0=start, tol=tolerance, ncv=space)
    order = np.argsort(-np.abs(values))
    # Lanczos vectors are orthogonal up to rounding only; QR keeps their order and makes them so.
    basis, _ = np.linalg.qr(vectors[:, order].astype(np.float64))
    return Eigenpairs(values[order].astype(np.float64), torch.from_numpy(basis.astype(dtype)).to(weight), spent)


def residuals(hessian: Hessian, pairs: Eigenpairs) -> np.ndarray:
    """||H v - lambda v|| of each pair, (pairs,), for one product a pair."""
    errors = [
        float((hessian @ vector - value * vector).norm())
        for value, vector in zip(pairs.values, pairs.vectors.unbind(1), strict=True)
    ]
    return np.array(errors)


def path_quadrature(nodes: int, power: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Gauss points s in (0, 1) and shares, summing to 1, for the weight (1 - s)^power: exact to degree 2 nodes - 1."""
    points, shares = roots_jacobi(nodes, power, 0)
    return (points + 1) / 2, shares / shares.sum()


class SegmentHessian:
    """The Hessian averaged along start + s step, s from 0 to 1, as an operator on flat vectors.

    With the weight 2 (1 - s), power 1, it makes Taylor's second-order formula exact: the loss changes by g.step +
    step.(H step) / 2, g the gradient at the start. With the weight 1, power 0, the gradient changes by H step (T1, T5).
    """

    def __init__(
        self, module: nn.Module, loss: Loss, start: Tensor, step: Tensor, *, nodes: int = 4, power: int = 1
    ) -> None:
        """Average over the points of `path_quadrature`; memory of one chunk of the loss."""
        self._module, self._loss = module, loss
        points, self._shares = path_quadrature(nodes, power)
        self._places = [start + float(s) * step for s in points]

    def __matmul__(self, vector: Tensor) -> Tensor:
        """H v, (coordinates,); for a block (coordinates, vectors) each column's."""
        total = torch.zeros_like(vector)
        for place, share in zip(self._places, self._shares, strict=True):
            with at(self._module, place):
                total += float(share) * (Hessian(self._module, self._loss, keep_graph=False) @ vector)
        return total


def fisher_product(module: nn.Module, logprobs: Loss, weights: Iterable[Tensor], vector: Tensor) -> Tensor:
    """F v for F = sum_i w_i s_i s_i^T with the scores s_i = grad log p_i, (coordinates,).

    Args:
        module: whose parameters.
        logprobs: like a loss, but of vectors of log-probabilities.
        weights: a vector of weights for each of them: 1 / n for n samples, probabilities for an exact sum.
        vector: (coordinates,).
    """
    parameters = trainable(module)
    total = torch.zeros_like(vector)
    for logp, weight in zip(parts(logprobs, module), weights, strict=True):
        # J v: differentiate J^T u, which is linear in u, by u. Then J^T (w * J v).
        dummy = torch.zeros_like(logp, requires_grad=True)
        pulled = torch.autograd.grad(logp, parameters, dummy, create_graph=True, materialize_grads=True)
        pushed = torch.autograd.grad(flatten(pulled) @ vector, dummy, retain_graph=True)[0]
        total += flatten(torch.autograd.grad(logp, parameters, weight * pushed, materialize_grads=True))
    return total


def fisher_diagonal(module: nn.Module, logprobs: Loss) -> Tensor:
    """Diagonal of the Fisher matrix: the mean squared gradient of sampled log-probabilities, (coordinates,).

    Args:
        module: whose parameters.
        logprobs: yields the log-probability of each sample, as a scalar with a graph of its own.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from toymdrl import fisher_diagonal
        >>> coin = nn.Linear(1, 2, bias=False)
        >>> _ = nn.init.zeros_(coin.weight)
        >>> def logprobs(module):  # heads once, tails once
        ...     for side in (0, 1):
        ...         yield module(torch.ones(1)).log_softmax(-1)[side]
        >>> fisher_diagonal(coin, logprobs)
        tensor([0.2500, 0.2500])
    """
    total, samples = torch.zeros_like(read(module)), 0
    for logp in parts(logprobs, module):
        total += _gradient(logp, module).square()
        samples += 1
    return total / samples
