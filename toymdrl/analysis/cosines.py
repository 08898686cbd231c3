"""Are the gradients and edits of different domains orthogonal, and what does a cosine hide? (C2; T3)

Each cosine stands beside its chance level, 1/sqrt(dimensions). A cosine over all coordinates weighs what two vectors
share inside a small subspace by how much of each lies there (T3b): where that is little, it stays small even if they
are aligned inside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from torch import Tensor, nn

from toymdrl.bounds.cosines import chance_cosine, diluted_cosine
from toymdrl.curvature import Loss, gradient
from toymdrl.parameters import at_parameters


@dataclass(frozen=True)
class Cosine:
    """One cosine of two domains' vectors."""

    where: str
    """The checkpoint of two gradients; "edits" for two edits."""
    one: str
    other: str
    cosine: float


@dataclass(frozen=True)
class Dilution:
    """T3(b): cos = a b cos_S + sqrt((1 - a^2)(1 - b^2)) cos_outside."""

    one: str
    other: str
    cosine: float
    a: float
    """||P x|| / ||x||."""
    b: float
    inside: float
    """cos(P x, P y)."""
    outside: float

    @property
    def error(self) -> float:
        """How far the identity is from closing: rounding."""
        return self.cosine - float(diluted_cosine(self.a, self.b, self.inside, self.outside))


@dataclass(frozen=True)
class Cosines:
    """All pairs."""

    chance: float
    gradients: tuple[Cosine, ...]
    edits: tuple[Cosine, ...]
    subspace_size: int
    chance_inside: float
    dilution: tuple[Dilution, ...]
    """In the harmed domain's conflict subspace: its gradient at its checkpoint with others' gradients there and with
    later updates; its edit with others' edits."""

    @property
    def largest(self) -> float:
        """Largest |cosine| of two gradients."""
        return max(abs(each.cosine) for each in self.gradients)


def cosine(x: Tensor, y: Tensor) -> float:
    """Cosine of two vectors; 0 if one vanishes."""
    size = float(x.norm()) * float(y.norm())
    return float(x @ y) / size if size > 0 else 0.0


def dilute(one: str, other: str, x: Tensor, y: Tensor, basis: Tensor) -> Dilution:
    """Split a cosine into what is inside the span of orthonormal columns and what is outside."""
    # Orthonormal columns: the projection needs no solve.
    px, py = basis @ (basis.T @ x), basis @ (basis.T @ y)
    return Dilution(
        one=one,
        other=other,
        cosine=cosine(x, y),
        a=float(px.norm() / x.norm()),
        b=float(py.norm() / y.norm()),
        inside=cosine(px, py),
        outside=cosine(x - px, y - py),
    )


def measure(
    module: nn.Module,
    losses: Mapping[str, Loss],
    places: Mapping[str, Tensor],
    edits: Mapping[str, Tensor],
    *,
    harmed: str,
    updates: Mapping[str, Tensor],
    basis: Tensor,
) -> Cosines:
    """Cosines between domains' gradients at several checkpoints, and between their edits.

    Args:
        module: whose parameters; left as found.
        losses: each domain's.
        places: checkpoints, (coordinates,) each, by name.
        edits: what each domain's own training changed, (coordinates,) each.
        harmed: the domain, and the checkpoint in `places`, that `basis` belongs to.
        updates: later updates, (coordinates,) each, by name.
        basis: its conflict subspace, (coordinates, k).
    """
    found: list[Cosine] = []
    at_harmed: dict[str, Tensor] = {}
    for where, place in places.items():
        with at_parameters(module, place):
            # On prompts that no training saw, as all losses here are.
            gradients = {name: gradient(module, loss) for name, loss in losses.items()}
        found += [Cosine(where, a, b, cosine(gradients[a], gradients[b])) for a, b in combinations(losses, 2)]
        # The subspace is this domain's at its own checkpoint: only there do inside and outside mean anything.
        if where == harmed:
            at_harmed = gradients
    slope = at_harmed[harmed]
    vectors = {f"gradient of {name}": each for name, each in at_harmed.items() if name != harmed}
    vectors |= {f"update of {name}": each for name, each in updates.items()}
    dilution = [dilute(f"gradient of {harmed}", name, slope, each, basis) for name, each in vectors.items()]
    # Edits start at the base, gradients at the checkpoint: each is compared with its own kind.
    others = (name for name in edits if name != harmed)
    dilution += [dilute(f"edit of {harmed}", f"edit of {name}", edits[harmed], edits[name], basis) for name in others]
    return Cosines(
        chance=chance_cosine(len(slope)),
        gradients=tuple(found),
        edits=tuple(Cosine("edits", a, b, cosine(edits[a], edits[b])) for a, b in combinations(edits, 2)),
        subspace_size=basis.shape[1],
        chance_inside=chance_cosine(basis.shape[1]),
        dilution=tuple(dilution),
    )
