"""Does the harm live in a few directions? The conflict subspace of one domain's Hessian (C8; T4).

The subspace is spanned by the Hessian's eigenvectors of largest |eigenvalue| at the domain's own checkpoint, on
prompts that the scores below do not use. It never sees the update that is projected off it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor, nn

from toymdrl.analysis.damage import share
from toymdrl.curvature import Eigenpairs, Loss, value
from toymdrl.parameters import at
from toymdrl.style import FAINT, INK, STYLE, colour, title

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
    normal = torch.randn(len(like), size, generator=generator, dtype=like.dtype)
    return torch.linalg.qr(normal.to(like.device))[0]


def overlap(one: Tensor, two: Tensor) -> float:
    """||P_1 P_2||_F^2 / k of two bases of k orthonormal columns: 1 if they span the same, k / coordinates by chance."""
    return float((one.T @ two).square().sum()) / one.shape[1]


def _split(pairs: Eigenpairs, delta: Tensor, size: int) -> tuple[float, float]:
    """Quadratic form of the first eigenpairs, from positive and from negative eigenvalues."""
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
        with at(module, start + update):
            return value(module, loss) - before

    with at(module, start):
        before = value(module, loss)
    whole = damage(delta)

    def undone(rest: Tensor) -> float:
        return share(whole - damage(rest), whole, before)

    sizes = [size for size in SIZES if size <= pairs.vectors.shape[1]]

    def removal(what: str, basis: Tensor) -> Removal:
        held = project(basis, delta)
        return Removal(what, basis.shape[1], float(held.norm() / delta.norm()) ** 2, undone(delta - held))

    removals = []
    # The first columns of a random basis are a random basis.
    bases = [random_basis(delta, sizes[-1], generator) for _ in range(RANDOM_SUBSPACES)]
    for size in sizes:
        top = removal("top", pairs.vectors[:, :size])
        shrunk = undone((1 - top.norm_share**0.5) * delta)
        removals += [top, Removal("shrink", size, top.norm_share, shrunk)]
        removals += [removal("random", basis[:, :size]) for basis in bases]
        removals += [removal(name, basis[:, :size]) for name, basis in others.items() if size <= basis.shape[1]]
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


def figure(result: Conflict) -> Figure:
    """Spectrum; damage undone against the norm taken out; damage along the path with and without the subspace."""
    kinds = list(dict.fromkeys(each.what for each in result.removals))
    looks = {"top": (colour(result.earlier), "o-", 2.4), "shrink": (INK, "--", 1.4), "random": (FAINT, "x", 1.2)}
    names = {"top": "its own conflict subspace", "shrink": "shrinking by the same norm", "random": "random subspaces"}
    with rc_context(STYLE):
        drawn = Figure(figsize=(12.5, 3.9))
        spectrum, undone, path = drawn.subplots(1, 3, width_ratios=(1, 1.35, 1), gridspec_kw={"wspace": 0.28})
        values = np.array(result.eigenvalues)
        tones = [colour(result.earlier) if each > 0 else FAINT for each in values]
        spectrum.bar(range(1, len(values) + 1), np.abs(values), color=tones)
        note = " (grey: < 0)" if (values < 0).any() else ""
        spectrum.set(title=f"largest |eigenvalues|{note}", xlabel=f"of {result.coordinates:,}")
        spares = iter((("#E69F00", "s-", 1.2), ("#009E73", "v-", 1.2), ("#56B4E9", "^-", 1.2)))
        for kind in kinds:
            tone, line, width = looks[kind] if kind in looks else next(spares)
            mine = [each for each in result.removals if each.what == kind]
            mine = sorted(mine, key=lambda each: each.norm_share)
            norms, recovered = [100 * each.norm_share for each in mine], [100 * each.recovered for each in mine]
            undone.plot(norms, recovered, line, color=tone, linewidth=width, label=names.get(kind, kind), markersize=4)
        for each in result.removals:
            if each.what == "top":
                where = (100 * each.norm_share, 100 * each.recovered)
                undone.annotate(
                    f"{each.size}", where, xytext=(-3, 6), textcoords="offset points", fontsize=8, color=INK
                )
        undone.set(xscale="log", title="% of the damage undone (unseen prompts)")
        undone.set_xlabel("% of the update's squared norm taken out\nnumbers: directions taken out")
        undone.legend(frameon=False, fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=3)
        undone.set_ylim(top=1.15 * max(100 * each.recovered for each in result.removals))
        path.plot([0, *PATH], [0, *result.along], "o-", color=colour(result.earlier), label="whole update")
        size = max(each.size for each in result.removals)
        path.plot([0, *PATH], [0, *result.along_without], "o--", color=INK, label=f"off {size} directions")
        path.set(title=f"{title(result.earlier)}: damage on the way", xlabel="share s of the update")
        path.legend(frameon=False)
    return drawn
