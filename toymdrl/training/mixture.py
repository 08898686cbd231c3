"""GRPO on several domains in every step: joint training, replay, and whatever combines their gradients another way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from toymdrl.domains import domain_called, problems
from toymdrl.parameters import flatten, read_parameters, unflatten
from toymdrl.policy.model import Policy
from toymdrl.streams import stream
from toymdrl.training import grpo
from toymdrl.training.grpo import GRPO, GRPOConfig
from toymdrl.training.objective import Learner, Parts
from toymdrl.training.stage import Alone, Training

Combine = Callable[[Tensor, torch.Generator], Tensor]
"""Gradients of the domains' losses, weighted by their prompts, (domains, coordinates), to one, (coordinates,)."""


def total(gradients: Tensor, _: torch.Generator) -> Tensor:
    """The gradient of the mean loss over all prompts."""
    return gradients.sum(dim=0)


def pcgrad(gradients: Tensor, generator: torch.Generator) -> Tensor:
    """Each domain's gradient less its projections on those that it conflicts with, summed (arXiv 2001.06782)."""
    from torchjd.aggregation import PCGrad  # noqa: PLC0415 (an extra, which the other arms do without)

    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng():  # the library draws its order of projections from the global stream
        torch.manual_seed(seed)
        return PCGrad()(gradients)


def anchored(weight: float, fisher: Tensor, own: Tensor, policy: Policy) -> Combine:
    """The mean gradient plus EWC's (arXiv 1612.00796)."""
    return lambda gradients, _: total(gradients, _) + weight * fisher * (read_parameters(policy) - own)


class Mixture:
    """An objective of one loss a domain, each weighted by its share of the prompts."""

    updates = 1
    weight_decay = 0.0

    def __init__(self, prompts: Mapping[str, int], config: GRPOConfig, learner: Learner) -> None:
        """The learner as it is now is every KL term's reference.

        Args:
            prompts: how many of each domain's a step asks; replaces config.prompts.
            config: the rest of the stage.
            learner: who will learn.
        """
        self._config = config
        self.steps, self.gradient_norm = config.steps, config.gradient_norm
        self._weights = [count / sum(prompts.values()) for count in prompts.values()]
        self._domains = []
        for domain, count in prompts.items():
            self._domains.append(
                GRPO(problems(domain_called(domain), "train"), replace(config, prompts=count), learner)
            )

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        return grpo.learning_rate(self._config, step)

    def draw(self, generator: torch.Generator) -> Parts:
        """What each domain draws, one after the other."""
        return tuple(part for domain in self._domains for part in domain.draw(generator))

    def play(self, learner: Learner, *drawn: Tensor) -> Parts:
        """What each domain plays, one after the other."""
        played: list[Tensor] = []
        for domain, own in zip(self._domains, self._shares(drawn), strict=True):
            played += domain.play(learner, *own)
        return tuple(played)

    def loss(self, policy: Policy, *played: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Each domain's loss; of what a domain logs nothing is told, since it would be of one domain alone."""
        losses = []
        for domain, weight, own in zip(self._domains, self._weights, self._shares(played), strict=True):
            losses.append(domain.loss(policy, *own)[0] * weight)
        return losses, {}

    def _shares(self, parts: Parts) -> list[Parts]:
        """All domains' parts, domain by domain: each has as many."""
        each = len(parts) // len(self._domains)
        return [parts[start : start + each] for start in range(0, len(parts), each)]

    def state(self) -> dict[str, Tensor]:
        """None."""
        return {}


def mix(
    policy: Policy,
    prompts: Mapping[str, int],
    config: GRPOConfig,
    seed: int,
    purpose: str,
    combine: Combine = total,
) -> Training:
    """GRPO on several domains at once, from `policy`, which is trained in place.

    With one domain and `total` it is `stage.rl_stage` to the last bit. One update a rollout.

    Args:
        policy: where to start, and the KL term's reference.
        prompts: how many of each domain's a step asks; replaces config.prompts.
        config: the rest of the stage.
        seed: the run's seed.
        purpose: tells this stage's random stream from others.
        combine: makes one gradient of the domains'.
    """

    def differentiate(losses: Sequence[Tensor], parameters: Sequence[nn.Parameter], generator: torch.Generator) -> None:
        # Each domain's apart: projections and penalties are about single gradients.
        gradients = [flatten(torch.autograd.grad(loss, parameters)) for loss in losses]
        combined = combine(torch.stack(gradients), generator)
        for parameter, piece in zip(parameters, unflatten(combined, parameters), strict=True):
            parameter.grad = piece

    return Training(
        policy,
        Mixture(prompts, config, Alone(policy)),
        stream(seed, *prompts, purpose, "rollout"),
        differentiate=differentiate,
    )
