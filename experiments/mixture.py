"""GRPO on several domains in every step: joint training, replay, and whatever combines their gradients another way."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from toymdrl.domains import DOMAINS, problems
from toymdrl.parameters import flatten, trainable, unflatten
from toymdrl.policy.model import DivergenceError, Policy
from toymdrl.policy.rollout import answer_log_policy, choose, sample
from toymdrl.streams import stream
from toymdrl.training import grpo
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.stage import Training, copy_policy

Combine = Callable[[Tensor, torch.Generator], Tensor]
"""Gradients of the domains' losses, weighted by their prompts, (domains, coordinates), to one, (coordinates,)."""


def total(gradients: Tensor, _: torch.Generator) -> Tensor:
    """The gradient of the mean loss over all prompts."""
    return gradients.sum(dim=0)


def mix(
    policy: Policy,
    prompts: Mapping[str, int],
    config: GRPOConfig,
    seed: int,
    purpose: str,
    combine: Combine = total,
) -> Training:
    """GRPO on several domains at once, from `policy`, which is trained in place.

    With one domain and `total` it is `training.reinforce` to the last bit. One update a rollout.

    Args:
        policy: where to start, and the KL term's reference.
        prompts: how many of each domain's a step asks; replaces config.prompts.
        config: the rest of the stage.
        seed: the run's seed.
        purpose: tells this stage's random stream from others.
        combine: makes one gradient of the domains'.
    """
    generator = stream(seed, *prompts, purpose, "rollout")
    reference = copy_policy(policy)
    pools = {key: problems(DOMAINS[key], "train") for key in prompts}
    parameters = trainable(policy)

    def gradient(key: str, generator: torch.Generator) -> Tensor:
        chosen = pools[key].subset(choose(pools[key], prompts[key], generator))
        rollout = sample(policy, chosen, config.group, generator)
        with torch.no_grad():
            log_reference = answer_log_policy(reference, rollout.prompts, rollout.answers)
        log_policy = answer_log_policy(policy, rollout.prompts, rollout.answers)
        loss = grpo.loss(log_policy, rollout, config, log_reference) * (prompts[key] / sum(prompts.values()))
        return flatten(torch.autograd.grad(loss, parameters))

    def work(optimiser: torch.optim.Optimizer, generator: torch.Generator) -> dict[str, float]:
        combined = combine(torch.stack([gradient(key, generator) for key in prompts]), generator)
        for parameter, piece in zip(parameters, unflatten(combined, parameters), strict=True):
            parameter.grad = piece
        norm = torch.nn.utils.clip_grad_norm_(parameters, config.gradient_norm)
        if not bool(torch.isfinite(norm)):
            raise DivergenceError(f"the gradient's norm is {float(norm)}")
        optimiser.step()
        return {"gradient_norm": float(norm)}

    return Training(policy, work, lambda step: grpo.learning_rate(config, step), config.steps, generator)
