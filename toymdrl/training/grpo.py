"""GRPO: group-relative policy optimisation, one update at a time; no I/O.

Departures from the GRPO of DeepSeekMath (arXiv 2402.03300):
1. An answer's loss is the sum over its tokens, not their mean, which favours long wrong answers and is no policy
   gradient.
2. The advantage is reward minus group mean; dividing by the group's standard deviation ("zscore") is an option.
3. The KL penalty has the gradient of KL(policy || reference). DeepSeekMath's estimator k3, used as a loss, has on
   policy the gradient of KL(reference || policy). Ours is exact over the vocabulary at every visited prefix, and
   charges each token for the divergence of the tokens that follow it.
   With several updates per rollout the penalty stays that of the sampling policy's prefixes, and only the charge for
   later tokens is clipped with the ratio: the gradient is exact on the first update.
4. The reference is the policy at the start of the stage; theirs is reset once an outer iteration.
5. The reward is checked by a program; there is no reward model.
6. By default each rollout serves one update: the clipped ratio is 1 up to rounding and the gradient is on policy.

Departures from the paper's runs, or choices on which its abstract is silent:
7. A policy of 0.17 million parameters, not 4 billion, and answers of up to four tokens, whose expected reward is known
   exactly.
8. The learning rate falls linearly to zero within a stage, so that each checkpoint is near-stationary, which the theory
   assumes.
9. A fresh optimiser for every stage.

With advantage "mean", one update and no clipping of the gradient, the expected gradient of the loss is
-(G - 1)/G grad J + beta grad KL for groups of G answers; tests/test_grpo.py checks it against enumeration.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from toymdrl.policy.model import DivergenceError, Policy
from toymdrl.policy.rollout import Rollout, answer_log_policy


@dataclass(frozen=True)
class GRPOConfig:
    """One stage of RL.

    Example:
        >>> from toymdrl import GRPOConfig
        >>> from toymdrl.training.grpo import learning_rate
        >>> config = GRPOConfig(steps=100, learning_rate=1e-3)
        >>> [round(learning_rate(config, step), 5) for step in (0, 50, 99)]
        [0.001, 0.0005, 1e-05]
    """

    steps: int = 50
    prompts: int = 32
    """Prompts a step; a domain with fewer training prompts (CW has 64) uses all of them."""
    group: int = 8
    learning_rate: float = 2e-3
    anneal: bool = True
    """Lower the learning rate linearly to zero over the steps."""
    kl: float = 0.1
    """Weight beta of KL(policy || policy at the start of the stage)."""
    advantage: Literal["mean", "zscore"] = "mean"
    updates: int = 1
    """Updates per rollout."""
    clip: float = 0.2
    """The policy ratio's gradient is cut outside 1 - clip to 1 + clip."""
    gradient_norm: float = 1.0
    """Largest norm of the gradient of one update."""


def learning_rate(config: GRPOConfig, step: int) -> float:
    """The rate of one step, counted from 0."""
    return config.learning_rate * ((1 - step / config.steps) if config.anneal else 1.0)


@dataclass(frozen=True)
class Metrics:
    """What one update did; all means over answers unless said otherwise."""

    reward: float
    flat_groups: float
    """Share of groups whose answers all earn the same: they give no signal, whatever the loss says."""
    entropy: float
    """Nats per answer token."""
    kl: float
    """KL(policy || reference) in nats per answer, 0 without a KL term."""
    gradient_norm: float
    """Before clipping."""
    clipped: float
    """Share of answer tokens whose ratio is outside the clip range."""
    loss: float


def advantages(rewards: Tensor, kind: str) -> Tensor:
    """Group-relative advantages: (prompts, group) to the same; zero in a group of equal rewards.

    Raises:
        ValueError: a kind other than "mean" and "zscore".
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    if kind == "mean":
        return centred
    if kind == "zscore":
        return centred / (rewards.std(dim=1, keepdim=True) + 1e-4)
    raise ValueError(f'unknown advantage {kind!r}; choose "mean" or "zscore"')


def divergence(log_policy: Tensor, log_reference: Tensor) -> Tensor:
    """KL(policy || reference) of the next token, (…, vocabulary) to (…)."""
    return (log_policy.exp() * (log_policy - log_reference)).sum(dim=-1)


def loss(log_policy: Tensor, rollout: Rollout, config: GRPOConfig, log_reference: Tensor | None = None) -> Tensor:
    """The clipped surrogate plus the KL penalty, averaged over answers.

    Args:
        log_policy: (prompts, group, answer_length, vocabulary), with graph, see answer_log_policy.
        rollout: what was sampled.
        config: advantage, clip and kl are used.
        log_reference: like log_policy, without graph; needed if config.kl > 0, unused otherwise.

    Raises:
        ValueError: config.kl > 0 without log_reference.
    """
    logprobs = log_policy.gather(-1, rollout.answers.unsqueeze(-1)).squeeze(-1)
    ratio = ((logprobs - rollout.logprobs) * rollout.mask).exp()
    signal = advantages(rollout.rewards, config.advantage).unsqueeze(-1).expand_as(ratio)
    penalty = torch.zeros_like(ratio)
    if config.kl > 0:
        if log_reference is None:
            raise ValueError("a KL weight needs the reference's log-probabilities")
        penalty = divergence(log_policy, log_reference) * rollout.mask
        # A token also steers into what follows: its share of the gradient is the divergence of the later tokens.
        to_go = penalty.detach().flip(-1).cumsum(-1).flip(-1) - penalty.detach()
        signal = signal - config.kl * to_go
    surrogate = torch.minimum(ratio * signal, ratio.clamp(1 - config.clip, 1 + config.clip) * signal) * rollout.mask
    return (config.kl * penalty - surrogate).sum(dim=-1).mean()


def measure(
    log_policy: Tensor, rollout: Rollout, config: GRPOConfig, log_reference: Tensor | None = None
) -> dict[str, Tensor]:
    """The metrics of an update that can be read from what its loss is made of, scalars; arguments as in `loss`."""
    tokens = rollout.mask.sum()
    ratio = (log_policy.gather(-1, rollout.answers.unsqueeze(-1)).squeeze(-1) - rollout.logprobs).exp()
    spread = rollout.rewards.amax(dim=1) - rollout.rewards.amin(dim=1)
    entropy = -(log_policy.exp() * log_policy).sum(dim=-1) * rollout.mask
    kl = torch.zeros_like(rollout.rewards)
    if log_reference is not None:
        kl = (divergence(log_policy, log_reference) * rollout.mask).sum(dim=-1)
    return {
        "reward": rollout.rewards.mean(),
        "flat_groups": (spread == 0).float().mean(),
        "entropy": entropy.sum() / tokens,
        "kl": kl.mean(),
        "clipped": (((ratio - 1).abs() > config.clip) * rollout.mask).sum() / tokens,
    }


def update(
    policy: Policy, optimiser: torch.optim.Optimizer, rollout: Rollout, config: GRPOConfig, reference: Policy | None
) -> Metrics:
    """One gradient step on a rollout.

    Raises:
        DivergenceError: the loss or its gradient is not finite; the policy has not been updated.
        ValueError: config.kl > 0 without a reference.
    """
    log_reference = None
    if config.kl > 0 and reference is not None:
        with torch.no_grad():
            log_reference = answer_log_policy(reference, rollout.prompts, rollout.answers)
    log_policy = answer_log_policy(policy, rollout.prompts, rollout.answers)
    objective = loss(log_policy, rollout, config, log_reference)
    optimiser.zero_grad(set_to_none=True)
    objective.backward()
    norm = float(torch.nn.utils.clip_grad_norm_(policy.parameters(), config.gradient_norm))
    value = float(objective.detach())
    if not (math.isfinite(norm) and math.isfinite(value)):
        raise DivergenceError(f"the loss is {value} and its gradient's norm {norm}")
    optimiser.step()
    with torch.no_grad():
        found = measure(log_policy, rollout, config, log_reference)
    return Metrics(**{name: float(each) for name, each in found.items()}, gradient_norm=norm, loss=value)
