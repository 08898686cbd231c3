"""Training-free repair: put a few coordinates of the update back (C11; T7).

A score ranks the coordinates of the update by how much of the damage they seem to carry, on prompts that the results
below do not use; the highest are set back to what they were at the harmed domain's checkpoint.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from toymdrl.analysis.damage import share_undone
from toymdrl.bounds.rollback import damped_share
from toymdrl.curvature import Hessian, Loss, value
from toymdrl.parameters import at_parameters

BUDGETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares of all coordinates that are put back."""
RANDOM_SETS = 2
CURVATURE, FISHER, SIGNED, MAGNITUDE, RANDOM = "curvature", "fisher", "signed", "magnitude", "random"
DAMPED, NEURONS, EQUAL_NORM, SHRINK = "damped", "neurons", "random, equal norm", "shrink"
NAMES = {
    CURVATURE: "|δ·Hδ|",
    FISHER: "Fisher · δ²",
    SIGNED: "signed δ·Hδ",
    MAGNITUDE: "|δ|",
    RANDOM: "random coordinates",
    DAMPED: "|δ·Hδ|, damped",
    NEURONS: "whole neurons by |δ·Hδ|",
    EQUAL_NORM: "random, equal norm",
    SHRINK: "whole update shrunk, equal norm",
}


@dataclass(frozen=True)
class Trial:
    """One rolled-back model."""

    method: str
    """A key of NAMES."""
    budget: float
    """Share of all coordinates put back; of the controls of equal norm, the budget of the set they compare with."""
    norm_share: float
    """Squared norm put back, as a share of the update's."""
    recovered: float
    """Damage undone on unseen prompts, as a share of it; 0 where there was none."""
    changes: dict[str, float]
    """What it changes of every domain's loss, on unseen prompts (negative: better); empty where not measured."""
    tuning: float | None
    """Mean of those changes on other prompts, which may choose a budget; None where not measured."""


@dataclass(frozen=True)
class Rollback:
    """Rollbacks of one update for one earlier domain."""

    earlier: str
    later: str
    damage: float
    changed: int
    """Coordinates that the update changed at all."""
    coordinates: int
    trials: tuple[Trial, ...]

    def recovered(self, method: str, budget: float) -> float:
        """Mean share of the damage that a method undoes at a budget."""
        return float(np.mean([t.recovered for t in self.trials if (t.method, t.budget) == (method, budget)]))

    def best(self, method: str = CURVATURE) -> Trial:
        """The method's trial at the budget with the best mean change over all domains on the tuning prompts."""
        tuned = [(trial.tuning, trial) for trial in self.trials if trial.method == method and trial.tuning is not None]
        return min(tuned, key=lambda pair: pair[0])[1]


def top_coordinates(score: Tensor, count: int) -> Tensor:
    """Indices of the `count` highest scores, (count,)."""
    return score.topk(count).indices


def restricted(delta: Tensor, indices: Tensor) -> Tensor:
    """The update on some coordinates, 0 elsewhere, (coordinates,)."""
    part = torch.zeros_like(delta)
    part[indices] = delta[indices]
    return part


def _random_sets(delta: Tensor, count: int, norm: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Changed coordinates drawn at random: `count` of them, and as many as reach a norm."""
    # Putting a coordinate back that never moved would be no rollback.
    eligible = delta.nonzero().squeeze(1)
    # On the CPU: a seed draws the same sets on every device.
    shuffled = eligible[torch.randperm(len(eligible), generator=generator).to(delta.device)]
    # How many it takes to remove as much length: a fair control for scores that favour large changes.
    enough = int((delta[shuffled].square().cumsum(0) < norm**2).sum()) + 1
    return restricted(delta, shuffled[:count]), restricted(delta, shuffled[:enough])


def _damped(module: nn.Module, loss: Loss, end: Tensor, parts: dict[float, Tensor]) -> dict[float, Tensor]:
    """T7(c): each part times the share of it that the slope and curvature at the end say to undo."""
    with at_parameters(module, end):
        hessian = Hessian(module, loss)
        slope = hessian.gradient
        return {
            budget: part * float(damped_share(float(slope @ part), float(part @ (hessian @ part))))
            for budget, part in parts.items()
        }


def _by_neuron(score: Tensor, neurons: Tensor, delta: Tensor, budget: float) -> Tensor:
    """The update on the neurons of the highest mean score that fit the budget."""
    best = top_coordinates(score[neurons].sum(dim=1), min(int(budget * len(delta)) // neurons.shape[1], len(neurons)))
    return restricted(delta, neurons[best].flatten())


def measure(
    module: nn.Module,
    fit: Loss,
    losses: Mapping[str, Loss],
    tuning: Mapping[str, Loss],
    start: Tensor,
    delta: Tensor,
    *,
    product: Tensor,
    fisher: Tensor | None,
    neurons: Tensor | None,
    generator: torch.Generator,
    earlier: str,
    later: str = "",
) -> Rollback:
    """Put coordinates of an update back by several scores and budgets.

    Args:
        module: whose parameters; left as found.
        fit: the earlier domain's loss on the prompts that choose the coordinates.
        losses: every domain's loss on unseen prompts; must hold `earlier`.
        tuning: every domain's loss on other prompts, which choose the best budget.
        start: the earlier domain's checkpoint, (coordinates,).
        delta: the update, (coordinates,).
        product: H delta of `fit` at `start`, (coordinates,).
        fisher: diagonal Fisher at `start`, (coordinates,); None to leave its score out.
        neurons: coordinates of each MLP neuron, (neurons, each); None to leave them out.
        generator: draws the random sets.
        earlier: the domain harmed.
        later: name of the update.
    """
    end = start + delta
    total = len(delta)

    def scores(where: Tensor, names: Mapping[str, Loss]) -> dict[str, float]:
        with at_parameters(module, where):
            return {name: value(module, loss) for name, loss in names.items()}

    # The damage that all trials are measured against.
    before, after = scores(start, {earlier: losses[earlier]})[earlier], scores(end, losses)
    damage, untuned = after[earlier] - before, scores(end, tuning)

    def trial(method: str, budget: float, part: Tensor, *, everywhere: bool = False) -> Trial:
        now = scores(end - part, losses if everywhere else {earlier: losses[earlier]})
        changes = {name: now[name] - after[name] for name in now} if everywhere else {}
        tuned = None
        if everywhere:
            there = scores(end - part, tuning)
            tuned = sum(there[name] - untuned[name] for name in there) / len(there)
        recovered = share_undone(after[earlier] - now[earlier], damage, before)
        return Trial(method, budget, float(part.norm() / delta.norm()) ** 2, recovered, changes, tuned)

    # T7: coordinate i takes delta_i (H delta)_i of twice the quadratic form.
    terms = delta * product
    rankings = {CURVATURE: terms.abs()}
    if fisher is not None:
        rankings[FISHER] = fisher * delta.square()
    rankings |= {SIGNED: terms, MAGNITUDE: delta.abs()}
    trials = []
    parts: dict[float, Tensor] = {}
    for budget in BUDGETS:
        # Every score at this budget, then controls of as many coordinates and of as much length.
        count = max(1, int(budget * total))
        for method, ranking in rankings.items():
            part = restricted(delta, top_coordinates(ranking, count))
            trials.append(trial(method, budget, part, everywhere=method == CURVATURE))
            if method == CURVATURE:
                parts[budget] = part
        norm = float(parts[budget].norm())
        for _ in range(RANDOM_SETS):
            alike, as_long = _random_sets(delta, count, norm, generator)
            trials += [trial(RANDOM, budget, alike), trial(EQUAL_NORM, budget, as_long)]
        trials.append(trial(SHRINK, budget, delta * (norm / float(delta.norm())), everywhere=True))
        # Below one neuron's worth of coordinates there is nothing to put back.
        if neurons is not None and count >= neurons.shape[1]:
            trials.append(trial(NEURONS, budget, _by_neuron(terms.abs(), neurons, delta, budget)))
    for budget, part in _damped(module, fit, end, parts).items():
        trials.append(trial(DAMPED, budget, part))
    return Rollback(
        earlier=earlier,
        later=later,
        damage=damage,
        changed=int((delta != 0).sum()),
        coordinates=total,
        trials=tuple(trials),
    )
