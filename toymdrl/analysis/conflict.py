"""Does the harm live in a few directions? The conflict subspace of one domain's Hessian (C8; T4).

The subspace is spanned by the Hessian's eigenvectors of largest |eigenvalue| at the domain's own checkpoint, on
prompts that the scores below do not use. It never sees the update that is projected off it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from toymdrl.analysis.damage import share_undone
from toymdrl.curvature import Eigenpairs, Loss, value
from toymdrl.parameters import at_parameters

SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Dimensions of the subspaces tried."""
PATH = (0.25, 0.5, 0.75, 1.0)
RANDOM_SUBSPACES = 3


@dataclass(frozen=True)
class Removal:
    """The update projected off one subspace; shares are of the damage or of the update's squared norm."""

    what: str
    size: int
    norm_share: float
    """||P delta||^2 / ||delta||^2."""
    recovered: float
    """Damage undone, as a share of it; 0 where there was none."""


@dataclass(frozen=True)
class Conflict:
    """What one domain's conflict subspace holds of one update."""

    earlier: str
    later: str
    coordinates: int
    damage: float
    eigenvalues: tuple[float, ...]
    worst_residual: float
    """Largest ||H v - lambda v|| / |lambda|."""
    products: int
    quadratic: float
    """delta.H delta / 2, on the prompts of H."""
    positive: tuple[float, ...]
    """Part of `quadratic` from positive eigenvalues among the first k, for k in SIZES."""
    negative: tuple[float, ...]
    """The same from negative ones."""
    removals: tuple[Removal, ...]
    """By the conflict subspace ("top"), shrinking the update by the same norm ("shrink"), and controls."""
    along: tuple[float, ...]
    """Damage of s delta for s in PATH."""
    along_without: tuple[float, ...]
    """The same for the update off the largest subspace."""
    halves_overlap: float
    """||P_1 P_2||_F^2 / k of the subspaces of two halves of the prompts, 0 to 1."""
    halves_size: int
    halves_chance: float
    """Overlap of random subspaces."""

    def recovered(self, what: str, size: int) -> float:
        """Mean share of the damage that one kind of removal undoes."""
        return float(np.mean([each.recovered for each in self.removals if (each.what, each.size) == (what, size)]))


def project(basis: Tensor, vector: Tensor) -> Tensor:
    """P v for orthonormal columns, (coordinates,)."""
    return basis @ (basis.T @ vector)


def random_basis(like: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Orthonormal columns spanning a uniformly random subspace, (coordinates of `like`, size), in its dtype."""
    # On the CPU: a seed draws the same subspace on every device.
    normal = torch.randn(len(like), size, generator=generator, dtype=like.dtype)
    return torch.linalg.qr(normal.to(like.device))[0]


def overlap(one: Tensor, two: Tensor) -> float:
    """||P_1 P_2||_F^2 / k of two bases of k orthonormal columns: 1 if they span the same, k / coordinates by chance."""
    return float((one.T @ two).square().sum()) / one.shape[1]


def _split(pairs: Eigenpairs, delta: Tensor, size: int) -> tuple[float, float]:
    """Quadratic form of the first eigenpairs, from positive and from negative eigenvalues."""
    # In the eigenbasis the quadratic form is a sum over pairs: eigenvalue times squared component, over two.
    held = pairs.values[:size] * (pairs.vectors[:, :size].T @ delta).double().cpu().numpy() ** 2 / 2
    return float(held[held > 0].sum()), float(held[held < 0].sum())


def measure(
    module: nn.Module,
    loss: Loss,
    start: Tensor,
    delta: Tensor,
    *,
    pairs: Eigenpairs,
    residuals: np.ndarray,
    quadratic: float,
    halves: tuple[Tensor, Tensor],
    others: Mapping[str, Tensor],
    generator: torch.Generator,
    earlier: str = "",
    later: str = "",
) -> Conflict:
    """Project an update off an earlier domain's conflict subspace, and off others for comparison.

    Args:
        module: whose parameters; left as found.
        loss: the earlier domain's, on prompts that `pairs` did not see.
        start: the earlier domain's checkpoint, (coordinates,).
        delta: the update, (coordinates,).
        pairs: top eigenpairs of that domain's Hessian at `start`.
        residuals: ||H v - lambda v|| of each pair, (pairs,).
        quadratic: delta.H delta / 2 with the same Hessian.
        halves: bases from two halves of the prompts, (coordinates, k) each.
        others: bases to compare with, by name, none chosen by looking at `delta`.
        generator: draws the random subspaces.
        earlier: name of the domain harmed.
        later: name of the update.
    """

    def damage(update: Tensor) -> float:
        with at_parameters(module, start + update):
            return value(module, loss) - before

    with at_parameters(module, start):
        before = value(module, loss)
    # The damage that all removals are measured against.
    whole = damage(delta)

    def undone(rest: Tensor) -> float:
        return share_undone(whole - damage(rest), whole, before)

    sizes = [size for size in SIZES if size <= pairs.vectors.shape[1]]

    def removal(what: str, basis: Tensor) -> Removal:
        held = project(basis, delta)
        return Removal(what, basis.shape[1], float(held.norm() / delta.norm()) ** 2, undone(delta - held))

    removals = []
    # The first columns of a random basis are a random basis.
    bases = [random_basis(delta, sizes[-1], generator) for _ in range(RANDOM_SUBSPACES)]
    for size in sizes:
        top = removal("top", pairs.vectors[:, :size])
        # As long a piece taken out, but along the update itself: what any shortening would do.
        shrunk = undone((1 - top.norm_share**0.5) * delta)
        removals += [top, Removal("shrink", size, top.norm_share, shrunk)]
        removals += [removal("random", basis[:, :size]) for basis in bases]
        removals += [removal(name, basis[:, :size]) for name, basis in others.items() if size <= basis.shape[1]]
    # Along the path the largest subspace alone is followed: two lines in the figure.
    rest = delta - project(pairs.vectors[:, : sizes[-1]], delta)
    split = [_split(pairs, delta, size) for size in sizes]
    return Conflict(
        earlier=earlier,
        later=later,
        coordinates=len(delta),
        damage=whole,
        eigenvalues=tuple(float(each) for each in pairs.values),
        worst_residual=float(np.max(residuals / np.abs(pairs.values))),
        products=pairs.products,
        quadratic=quadratic,
        positive=tuple(up for up, _ in split),
        negative=tuple(down for _, down in split),
        removals=tuple(removals),
        along=tuple(damage(s * delta) for s in PATH),
        along_without=tuple(damage(s * rest) for s in PATH),
        halves_overlap=overlap(*halves),
        halves_size=halves[0].shape[1],
        halves_chance=halves[0].shape[1] / len(delta),
    )


def principal_directions(updates: Sequence[Tensor]) -> Tensor:
    """Orthonormal basis of the span of a few updates, largest first, (coordinates, updates)."""
    return torch.linalg.svd(torch.stack(list(updates), dim=1), full_matrices=False)[0]
