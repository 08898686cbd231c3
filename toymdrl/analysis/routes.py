"""Which neurons do domains share, and does the direction of an update there decide harm or help? (C5, C6; T9)

Domain B's training helps or harms domain A. The paper reads which from the direction of B's update on the neurons
active for both; T9(b) says that the direction must also outweigh the curvature: B helps if -g_A.delta_B > delta_B.H_A
delta_B / 2. Both are measured, on the shared neurons and on all coordinates. T9(a): what two trainings do together,
beyond the sum of what each does alone, is delta_A.H delta_B.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from toymdrl.analysis.cosines import cosine
from toymdrl.analysis.edits import Overlap, chance_jaccard, jaccard, top_mask
from toymdrl.curvature import Hessian, Loss, value
from toymdrl.parameters import at_parameters

ACTIVE = 0.25
"""Share of neurons that count as active for a domain: those of highest mean |activation|."""


@dataclass(frozen=True)
class Transfer:
    """What training B does to A, from the base."""

    harmed: str
    """A."""
    trained: str
    """B."""
    gained: float
    """-(L_A(base + delta_B) - L_A(base)): points gained by A, negative for harm."""
    shared: float
    """-g_A.delta_B on neurons active for both: the first-order gain there."""
    elsewhere: float
    """The same on all other neurons."""
    whole: float
    """The same on all coordinates."""
    shared_curved: float
    """`shared` less delta_B.H_A delta_B / 2 of the same part of the update."""
    whole_curved: float
    """`whole` less delta_B.H_A delta_B / 2."""
    edit_cosine: float
    """cos(delta_A, delta_B) on neurons active for both."""
    interaction: float
    """L_A(b + delta_A + delta_B) - L_A(b + delta_A) - L_A(b + delta_B) + L_A(b)."""
    interaction_predicted: float
    """T9(a): delta_A.H delta_B, H of L_A at the base."""


@dataclass(frozen=True)
class Routes:
    """Shared activity and transfer of every ordered pair of domains."""

    active: float
    overlaps: tuple[Overlap, ...]
    chance: float
    transfers: tuple[Transfer, ...]

    def rank_correlation(self, kind: str) -> float | None:
        """Spearman's, over ordered pairs, of what `kind` predicts with what was gained; None if it is undefined."""
        gained = [each.gained for each in self.transfers]
        return _spearman([getattr(each, kind) for each in self.transfers], gained)

    def sign_agreement(self, kind: str) -> float:
        """Share of ordered pairs in which the predicted sign is right."""
        return float(np.mean([getattr(each, kind) * each.gained > 0 for each in self.transfers]))

    @property
    def interaction_correlation(self) -> float | None:
        """Spearman's, of predicted with observed interactions."""
        predicted = [each.interaction_predicted for each in self.transfers]
        return _spearman(predicted, [each.interaction for each in self.transfers])


def _spearman(one: list[float], other: list[float]) -> float | None:
    # Two points are always in order, and equal values are in none.
    if len(one) < 3 or len(set(one)) == 1 or len(set(other)) == 1:
        return None
    return float(spearmanr(one, other).statistic)


@torch.no_grad()
def activity(module: nn.Module, forward: Callable[[nn.Module], object]) -> Tensor:
    """Mean |activation| of every MLP neuron while `forward` runs the module, (neurons,), in the order of `neurons`.

    Raises:
        ValueError: no submodule called down or down_proj was run.
    """
    sums: dict[str, list[Tensor]] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            sums.setdefault(name, []).append(inputs[0].abs().flatten(0, -2).mean(dim=0))

        return hook

    # What enters an MLP's down projection are its neurons' activations.
    downs = [(name, part) for name, part in module.named_modules() if name.rsplit(".")[-1] in ("down", "down_proj")]
    handles = [part.register_forward_pre_hook(watch(name)) for name, part in downs]
    try:
        forward(module)
    finally:
        for handle in handles:
            handle.remove()
    if not sums:
        raise ValueError("no submodule down or down_proj was run: neurons are defined for gate/up/down MLPs only")
    return torch.cat([torch.stack(each).mean(dim=0) for each in sums.values()])


def measure(
    module: nn.Module,
    losses: Mapping[str, Loss],
    base: Tensor,
    edits: Mapping[str, Tensor],
    *,
    activities: Mapping[str, Tensor],
    neurons: Tensor,
) -> Routes:
    """Compare every ordered pair of domains at the base.

    Args:
        module: whose parameters; left as found.
        losses: each domain's, in points.
        base: where every edit starts, (coordinates,).
        edits: what each domain's own training changed, (coordinates,) each.
        activities: of each domain at the base, (neurons,) each, see `activity`.
        neurons: coordinates of each neuron, (neurons, each).
    """
    routes = {name: top_mask(each, ACTIVE) for name, each in activities.items()}

    def losses_at(name: str, places: Mapping[str, Tensor]) -> dict[str, float]:
        found = {}
        for key, place in places.items():
            with at_parameters(module, place):
                found[key] = value(module, losses[name])
        return found

    transfers = []
    for a in losses:
        with at_parameters(module, base):
            hessian = Hessian(module, losses[a])
            # All that A's Hessian is asked is asked while its graph is there.
            slope, bent = hessian.gradient, hessian @ edits[a]
            forms = {}
            for b in (name for name in losses if name != a):
                part = torch.zeros_like(base)
                both = neurons[routes[a] & routes[b]].flatten()
                # B's update on the neurons that both use, and nothing elsewhere.
                part[both] = edits[b][both]
                forms[b] = [float(each @ (hessian @ each)) / 2 for each in (part, edits[b])]
            del hessian  # the graph is large
        alone = losses_at(a, {"base": base} | {b: base + edits[b] for b in losses})
        # Both updates on the base: what they do beyond the sum of each alone is the interaction.
        together = losses_at(a, {b: base + edits[a] + edits[b] for b in losses if b != a})
        for b in together:
            both = neurons[routes[a] & routes[b]].flatten()
            others = neurons[~(routes[a] & routes[b])].flatten()
            first_shared, first = -float(slope[both] @ edits[b][both]), -float(slope @ edits[b])
            transfers.append(
                Transfer(
                    harmed=a,
                    trained=b,
                    gained=alone["base"] - alone[b],
                    shared=first_shared,
                    elsewhere=-float(slope[others] @ edits[b][others]),
                    whole=first,
                    shared_curved=first_shared - forms[b][0],
                    whole_curved=first - forms[b][1],
                    edit_cosine=cosine(edits[a][both], edits[b][both]),
                    interaction=together[b] - alone[a] - alone[b] + alone["base"],
                    interaction_predicted=float(bent @ edits[b]),
                )
            )
    return Routes(
        active=ACTIVE,
        overlaps=tuple(Overlap(a, b, jaccard(routes[a], routes[b])) for a, b in combinations(losses, 2)),
        chance=chance_jaccard(ACTIVE),
        transfers=tuple(sorted(transfers, key=lambda t: list(permutations(losses, 2)).index((t.harmed, t.trained)))),
    )
