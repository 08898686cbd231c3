"""Curvature of any scalar loss of any torch module: Hessian and Fisher products, eigenpairs; knows nothing of RL.

Losses, and their values and gradients, are those of derivatives.py. Two ways to a Hessian-vector product:

- `keep_graph=True`: the gradient's graph is built once and every product walks back through it: about two gradients a
  product, memory in proportion to the data;
- `keep_graph=False`: each product builds and frees one chunk's graph after another: about four gradients, memory of one
  chunk.

On a GPU the products of a `FixedLoss` are replays of the second way.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from scipy.special import roots_jacobi
from torch import Tensor, nn

from toymdrl.derivatives import (
    CurvatureError,
    FixedLoss,
    Loss,
    check,
    gradient,
    gradient_of,
    parts,
    product_in_chunks,
    second,
    undisturbed,
    value,
)
from toymdrl.effort import spend
from toymdrl.parameters import at_parameters, flatten, precision, read_parameters, trainable_parameters

# What a measurement needs beside curvature comes from the same place.
__all__ = [
    "CurvatureError",
    "Eigenpairs",
    "FixedLoss",
    "Hessian",
    "Loss",
    "SegmentHessian",
    "check",
    "fisher_diagonal",
    "fisher_product",
    "gradient",
    "parts",
    "path_quadrature",
    "residuals",
    "top_eigenpairs",
    "value",
]

SYMMETRY = 0.03
"""Largest difference of u.Hv and v.Hu, as a share of what each is by chance: three times what bfloat16 comes to."""
SMALLEST_KRYLOV_SPACE = 10
"""Lanczos vectors for the smallest problems; twice the pairs for others."""


class Operator(Protocol):
    """A symmetric matrix of the module's coordinates, known by its products."""

    module: nn.Module
    size: int
    """Coordinates."""

    def __matmul__(self, vector: Tensor) -> Tensor:
        """The product with a vector (coordinates,), or with each column of a block (coordinates, vectors)."""


class Hessian:
    """The Hessian of a loss at the parameters that the module has now, as an operator on flat vectors.

    Make a new one where they have changed: with the graph kept a product refuses; otherwise, and on a GPU for a
    `FixedLoss`, it is the Hessian where they are then.

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
        self.size = sum(parameter.numel() for parameter in trainable_parameters(module))
        self._loss = loss
        self._recorded = loss.recorded(module) if isinstance(loss, FixedLoss) else None
        parameters = trainable_parameters(module)
        self._like = torch.zeros(0, dtype=precision(parameters), device=parameters[0].device)
        # A fixed loss is ours: what it promises is tested where it is made.
        self._symmetric = isinstance(loss, FixedLoss)
        # A recording keeps its own memory; a graph beside it would only double that.
        keep_graph = keep_graph and not self._recorded
        self._graph: list[Tensor] | None = None
        if keep_graph:
            spend(gradients=1)
            with undisturbed(module):
                self._graph = [gradient_of(part, module, create_graph=True) for part in parts(loss, module)]

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
        if not vector.is_floating_point():
            raise CurvatureError(f"a vector of floating-point numbers is needed, not of {vector.dtype}")
        # In the gradient's format, where the module is; the product comes back in the vector's own.
        ours = vector.to(self._like)
        product = self._product(ours)
        if not self._symmetric:
            self._check_symmetry(ours, product)
        return product.to(vector)

    def _check_symmetry(self, vector: Tensor, product: Tensor) -> None:
        """Refuse an operator that is no Hessian: once, for one further product.

        A kernel whose second derivative is wrong, or a loss that is another function each time, gives products that are
        those of no symmetric matrix.

        Raises:
            CurvatureError: u.Hv is not v.Hu for a random u.
        """
        self._symmetric = True
        generator = torch.Generator().manual_seed(0)
        u = torch.randn(self.size, generator=generator, dtype=torch.float64).to(self._like)
        bent = self._product(u)
        one, other = float(u.double() @ product.double()), float(vector.double() @ bent.double())
        # A random u meets a vector at its length over the root of the dimension, whatever the number of coordinates.
        lengths = float(u.norm()) * float(product.norm()) + float(vector.norm()) * float(bent.norm())
        scale = lengths / self.size**0.5
        if not abs(one - other) <= SYMMETRY * scale:
            raise CurvatureError(
                f"the products are those of no symmetric matrix (u.Hv = {one:.4g}, v.Hu = {other:.4g}): the loss is "
                "random though the module is in eval mode, or a kernel has a wrong second derivative; draw random "
                "numbers outside of the loss, and do without fused kernels"
            )

    def _product(self, vector: Tensor) -> Tensor:
        spend(products=1)
        if self._recorded:
            return self._recorded.product(vector)
        if self._graph is None:
            return product_in_chunks(self.module, self._loss, vector)
        total = torch.zeros_like(vector)
        # A part that is linear in the parameters has a gradient without graph, and no curvature.
        for each in self._graph:
            if each.requires_grad:
                total += second(each @ vector, self.module, retain_graph=True)
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
    hessian: Operator, pairs: int, *, tolerance: float = 1e-3, which: Literal["LM", "SA"] = "LM"
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
    weights = trainable_parameters(hessian.module)
    like = torch.zeros(0, dtype=precision(weights), device=weights[0].device)
    dtype = np.float64 if like.dtype == torch.float64 else np.float32
    spent = 0

    def product(vector: np.ndarray) -> np.ndarray:
        nonlocal spent
        spent += 1
        ours = torch.from_numpy(np.ascontiguousarray(vector.reshape(-1), dtype=dtype)).to(like)
        return (hessian @ ours).cpu().numpy().astype(dtype)

    # ARPACK works on the CPU, in numpy: vectors go there and back, products stay here.
    operator = LinearOperator((hessian.size, hessian.size), matvec=product, dtype=dtype)
    # A fixed start: the same loss gives the same eigenpairs, to the last bit.
    start = np.random.default_rng(0).standard_normal(hessian.size).astype(dtype)
    find: Any = eigsh  # the stubs know no operator that it takes
    # ARPACK's own choice, but never more vectors than there are coordinates.
    space = min(hessian.size, max(2 * pairs + 1, SMALLEST_KRYLOV_SPACE))
    try:
        values, vectors = find(operator, k=pairs, which=which, v0=start, tol=tolerance, ncv=space)
    except ArpackError:
        # ARPACK knows no zero matrix: it calls the first product a zero start vector.
        if np.any(product(start)):
            raise
        basis = np.linalg.qr(np.random.default_rng(0).standard_normal((hessian.size, pairs)))[0]
        return Eigenpairs(np.zeros(pairs), torch.from_numpy(basis.astype(dtype)).to(like), spent)
    order = np.argsort(-np.abs(values))
    # Lanczos vectors are orthogonal up to rounding only; QR keeps their order and makes them so.
    basis, _ = np.linalg.qr(vectors[:, order].astype(np.float64))
    return Eigenpairs(values[order].astype(np.float64), torch.from_numpy(basis.astype(dtype)).to(like), spent)


def residuals(hessian: Operator, pairs: Eigenpairs) -> np.ndarray:
    """||H v - lambda v|| of each pair, (pairs,), for one product a pair."""
    errors = [
        float((hessian @ vector - value * vector).norm())
        for value, vector in zip(pairs.values, pairs.vectors.unbind(1), strict=True)
    ]
    return np.array(errors)


def path_quadrature(nodes: int, power: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Gauss points s in (0, 1) and shares, summing to 1, for the weight (1 - s)^power: exact to degree 2 nodes - 1."""
    # On (-1, 1) with the weight (1 - x)^power: moved to (0, 1).
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
        self.module, self._loss = module, loss
        self.size = len(step)
        points, self._shares = path_quadrature(nodes, power)
        self._places = [start + float(s) * step for s in points]

    def __matmul__(self, vector: Tensor) -> Tensor:
        """H v, (coordinates,); for a block (coordinates, vectors) each column's."""
        total = torch.zeros_like(vector)
        for place, share in zip(self._places, self._shares, strict=True):
            with at_parameters(self.module, place):
                total += float(share) * (Hessian(self.module, self._loss, keep_graph=False) @ vector)
        return total


def fisher_product(module: nn.Module, logprobs: Loss, weights: Iterable[Tensor], vector: Tensor) -> Tensor:
    """F v for F = sum_i w_i s_i s_i^T with the scores s_i = grad log p_i, (coordinates,).

    Args:
        module: whose parameters.
        logprobs: like a loss, but of vectors of log-probabilities.
        weights: a vector of weights for each of them: 1 / n for n samples, probabilities for an exact sum.
        vector: (coordinates,).
    """
    parameters = trainable_parameters(module)
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

    Raises:
        CurvatureError: it yields several samples' together, or nothing.

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
    spend(gradients=1)
    total, samples = torch.zeros_like(read_parameters(module)), 0
    for logp in parts(logprobs, module):
        # One sample at a time: a square of a mean is not the mean of squares.
        if logp.dim():
            raise CurvatureError(
                f"log-probabilities of shape {tuple(logp.shape)} together; yield each sample's as a scalar, from a "
                "forward pass of its own (their mean would give the square of a mean, not the mean of squares)"
            )
        total += gradient_of(logp, module).square()
        samples += 1
    return total / samples
