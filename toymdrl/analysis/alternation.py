"""Is a cycle of short refreshes a descent step on all domains together? (C12; T8)

A cycle takes one exact gradient step on each domain in turn. T8 says that it equals a step on the average loss up to
second order, and that what the order of the domains changes is a Lie bracket; which domain that favours is measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor, nn

from toymdrl.bounds.cycle import cycle_error
from toymdrl.curvature import Hessian, Loss, gradient, top_eigenpairs, value
from toymdrl.parameters import at_parameters

CYCLES = 4


@dataclass(frozen=True)
class Alternation:
    """Cycles of exact gradient steps, every domain of equal weight, from one checkpoint."""

    domains: tuple[str, ...]
    """In the order of the forward cycle."""
    alpha: float
    """Step size of a cycle; each domain's step is alpha / domains."""
    smooth: float
    """Largest |curvature| of any domain at the start."""
    step: float
    """||alpha grad F||, F the average loss."""
    deviation: float
    """||cycle - (theta - alpha grad F)||, measured."""
    deviation_bound: float
    """T8(a), with the largest curvature at the start in place of the way's."""
    swap: float
    """||forward - reversed cycle||, measured."""
    swap_predicted: float
    """The norm of T8(b)'s Lie brackets."""
    swap_error: float
    """||measured - predicted|| / ||measured|| of that difference."""
    forward: dict[str, tuple[float, ...]]
    """Each domain's loss after 0 … cycles, forward order."""
    reversed: dict[str, tuple[float, ...]]
    pareto: tuple[float, ...]
    """min over weights of ||sum_i lambda_i g_i|| after 0 … cycles, forward order: 0 at a Pareto-stationary point."""

    def gain(self, name: str, *, reverse: bool = False) -> float:
        """What a domain's loss falls by over all cycles."""
        series = (self.reversed if reverse else self.forward)[name]
        return series[0] - series[-1]

    @property
    def recency(self) -> float:
        """What a domain gains by coming last instead of first: the mean of the first and the last one's difference."""
        first, last = self.domains[0], self.domains[-1]
        late = self.gain(first, reverse=True) + self.gain(last)
        return (late - self.gain(first) - self.gain(last, reverse=True)) / 2


def pareto_measure(gradients: Tensor) -> float:
    """min over the simplex of ||sum_i lambda_i g_i||, from rows g_i, (domains, coordinates)."""
    # The norm needs the gradients' inner products alone: a matrix of domains by domains.
    gram = (gradients.double() @ gradients.double().T).cpu().numpy()
    count = len(gram)
    # To numbers around 1, whatever the loss's unit, so that the penalty below is heavy and not too heavy.
    scale = float(np.trace(gram)) / count or 1.0
    # ||R w||^2 with R^T R = gram, plus a heavy penalty for weights that do not sum to 1: a non-negative least squares.
    values, vectors = np.linalg.eigh(gram / scale)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    system = np.vstack([root, np.full((1, count), 1e4)])
    weights, _ = nnls(system, np.append(np.zeros(count), 1e4))
    # The penalty leaves a sum of 1 up to its rounding.
    weights = weights / weights.sum()
    return float(np.sqrt(max(weights @ gram @ weights, 0.0)))


def _cycle(module: nn.Module, losses: Mapping[str, Loss], order: tuple[str, ...], start: Tensor, rate: float) -> Tensor:
    """One gradient step on each domain in turn."""
    theta = start
    for name in order:
        with at_parameters(module, theta):
            theta = theta - rate * gradient(module, losses[name])
    return theta


def measure(
    module: nn.Module,
    losses: Mapping[str, Loss],
    start: Tensor,
    *,
    unseen: Mapping[str, Loss] | None = None,
    cycles: int = CYCLES,
) -> Alternation:
    """Cycles in both orders from one point.

    Args:
        module: whose parameters; left as found.
        losses: each domain's, in the order of the forward cycle.
        start: parameters, (coordinates,).
        unseen: each domain's loss on prompts to score on; None to score on those of the steps.
        cycles: how many.
    """
    order = tuple(losses)
    count = len(order)
    gradients, products, sizes = [], [], []
    with at_parameters(module, start):
        gradients = [gradient(module, losses[name]) for name in order]
        # One graph at a time: each is as large as all of its domain's prompts.
        for name in order:
            hessian = Hessian(module, losses[name])
            products.append([hessian @ g for g in gradients])
            # 5 % is enough for a step size.
            sizes.append(abs(float(top_eigenpairs(hessian, 1, tolerance=0.05).values[0])))
    smooth, weight = max(sizes), 1 / count
    # T8 wants steps below 1 / smooth; this is the largest such cycle, so the bound is put to the test.
    alpha = 1 / smooth
    mean = torch.stack(gradients).mean(dim=0)
    # T8(b): forward minus reversed is alpha^2 times the sum over j < i of w_i w_j (H_i g_j - H_j g_i).
    bracket = torch.stack([products[i][j] - products[j][i] for j, i in combinations(range(count), 2)]).sum(dim=0)
    predicted = alpha**2 * weight**2 * bracket

    # What is told of the path is scored on prompts that no step has used.
    def losses_at(theta: Tensor) -> list[float]:
        with at_parameters(module, theta):
            return [value(module, (unseen or losses)[name]) for name in order]

    def run(sequence: tuple[str, ...]) -> list[Tensor]:
        places = [start]
        for _ in range(cycles):
            places.append(_cycle(module, losses, sequence, places[-1], alpha * weight))
        return places

    def pareto(theta: Tensor) -> float:
        with at_parameters(module, theta):
            return pareto_measure(torch.stack([gradient(module, losses[name]) for name in order]))

    there, back = run(order), run(order[::-1])
    seen = [np.array([losses_at(theta) for theta in places]).T.tolist() for places in (there, back)]
    swap = there[1] - back[1]
    largest = max(float(g.norm()) for g in gradients)
    error = cycle_error(alpha, smooth, largest, [weight] * count)
    return Alternation(
        domains=order,
        alpha=alpha,
        smooth=smooth,
        step=float(alpha * mean.norm()),
        deviation=float((there[1] - start + alpha * mean).norm()),
        deviation_bound=error,
        swap=float(swap.norm()),
        swap_predicted=float(predicted.norm()),
        swap_error=float((swap - predicted).norm() / swap.norm()),
        forward=dict(zip(order, map(tuple, seen[0]), strict=True)),
        reversed=dict(zip(order, map(tuple, seen[1]), strict=True)),
        pareto=tuple(pareto(theta) for theta in there),
    )
