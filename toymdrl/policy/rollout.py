"""Sampling: a group of answers to each prompt at temperature 1, with exact log-probabilities and rewards.

The policy that samples is the policy that is trained: no top-k, no temperature. Each prompt is read once for its whole
group; decoding appends one forest column a member and step, on top of the cached ones.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from toymdrl.domains import Problems
from toymdrl.domains.vocab import EOS, PAD
from toymdrl.policy.forest import group_forest
from toymdrl.policy.model import Cache, DivergenceError, Policy


@dataclass(frozen=True, eq=False)
class Rollout:
    """A batch of groups, on policy at the time of sampling."""

    prompts: Tensor
    """Tokens (prompts, prompt_length)."""
    answers: Tensor
    """Tokens (prompts, group, answer_length), PAD after EOS."""
    mask: Tensor
    """1.0 on answer tokens, EOS included, 0.0 on PAD, (prompts, group, answer_length)."""
    logprobs: Tensor
    """Log-probability of each token when it was sampled, 0 on PAD, (prompts, group, answer_length)."""
    rewards: Tensor
    """(prompts, group)"""


def choose(these: Problems, count: int, generator: torch.Generator) -> Tensor:
    """Rows of the problems to ask in one step: `count` different ones, or all if there are fewer; int64."""
    return torch.randperm(len(these), generator=generator)[:count]


def decode(policy: Policy, prompts: Tensor, levels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Answers drawn by inverting the distribution function of each token, which takes one random number a token.

    Args:
        policy: the one that samples; no gradient is needed.
        prompts: (prompts, prompt_length).
        levels: uniform in [0, 1), (prompts, group, answer_length).

    Returns:
        Tokens, mask and log-probabilities as in Rollout.
    """
    cache, prompt = Cache(), prompts.shape[1]
    forest = group_forest(prompt, *levels.shape[1:])
    logits = policy(prompts, forest, first=prompt - 1, cache=cache).expand(-1, levels.shape[1], -1)
    open_ = torch.ones_like(levels[..., 0], dtype=torch.bool)
    tokens, masks, logprobs = [], [], []
    for step, level in enumerate(levels.unbind(-1), start=1):
        log_policy = logits.log_softmax(dim=-1)
        # The distribution function; its last value is 1 only up to rounding, so the level is scaled to it.
        below = log_policy.exp().cumsum(dim=-1)
        drawn = (below <= level.unsqueeze(-1) * below[..., -1:]).sum(dim=-1)
        logprob = log_policy.gather(-1, drawn.unsqueeze(-1)).squeeze(-1)
        tokens.append(torch.where(open_, drawn, PAD))
        masks.append(open_)
        logprobs.append(torch.where(open_, logprob, 0.0))
        # The end marker is an answer's own token; what follows it is padding.
        open_ = open_ & (drawn != EOS)
        if step < levels.shape[-1]:
            logits = policy(tokens[-1], forest, cache=cache)
    return torch.stack(tokens, dim=-1), torch.stack(masks, dim=-1).to(levels.dtype), torch.stack(logprobs, dim=-1)


def grade(these: Problems, answers: Tensor) -> Tensor:
    """Rewards of answers (problems, group, answer_length), (problems, group), on the answers' device.

    They are graded on the problems' device.
    """
    facts = these.facts.unsqueeze(1).expand(-1, answers.shape[1], -1).flatten(0, 1)
    rewards = these.domain.reward(facts, answers.flatten(0, 1).to(facts.device))
    return rewards.view(answers.shape[:2]).to(answers.device)


@torch.no_grad()
def sample(policy: Policy, these: Problems, group: int, generator: torch.Generator) -> Rollout:
    """Sample and grade `group` answers to each of the problems.

    Problems and generator are on the CPU, wherever the policy is: a seed draws the same on every device.

    Raises:
        DivergenceError: the policy's logits are not finite.
    """
    device, domain = policy.head.weight.device, these.domain
    levels = torch.rand(len(these), group, domain.answer_length, generator=generator)
    prompts = these.prompts.to(device)
    answers, mask, logprobs = decode(policy, prompts, levels.to(device))
    if not math.isfinite(float(logprobs.sum())):
        raise DivergenceError("the policy's logits are not finite")
    return Rollout(prompts, answers, mask, logprobs, grade(these, answers))


def answer_log_policy(policy: Policy, prompts: Tensor, answers: Tensor) -> Tensor:
    """Log-probabilities of every token at every answer position, differentiable.

    Args:
        policy: the one whose log-probabilities they are.
        prompts: (prompts, prompt_length).
        answers: (prompts, group, answer_length).

    Returns:
        (prompts, group, answer_length, vocabulary).
    """
    _, group, length = answers.shape
    prompt = prompts.shape[1]
    forest = group_forest(prompt, group, length)
    inputs = answers[:, :, :-1].transpose(1, 2).flatten(1)
    logits = policy(torch.cat([prompts, inputs], dim=1), forest, first=prompt - 1)
    log_policy = logits.log_softmax(dim=-1)
    opening = log_policy[:, :1].expand(-1, group, -1)
    by_step = torch.cat([opening, log_policy[:, 1:]], dim=1).unflatten(1, (length, group))
    return by_step.transpose(1, 2)
