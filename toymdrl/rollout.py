"""Sampling: a group of answers to each prompt at temperature 1, with exact log-probabilities and rewards.

The policy that samples is the policy that is trained: no top-k, no temperature. Each prompt is read once for its whole
group; decoding appends one forest column a member and step, on top of the cached ones.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from toymdrl.domains import Problems
from toymdrl.forest import group_forest
from toymdrl.model import Cache, DivergenceError, Policy
from toymdrl.vocab import EOS, PAD


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


@torch.no_grad()
def sample(policy: Policy, these: Problems, group: int, generator: torch.Generator) -> Rollout:
    """Sample and grade `group` answers to each of the problems.

    The generator must be on the policy's device; problems are on the CPU, where answers are graded.

    Raises:
        DivergenceError: the policy's logits are not finite.
    """
    device = policy.head.weight.device
    domain, count = these.domain, len(these)
    length = domain.answer_length
    forest = group_forest(domain.prompt_length, group, length).to(policy.head.weight)
    prompts = these.prompts.to(device)
    cache = Cache()
    logits = policy(prompts, forest, first=domain.prompt_length - 1, cache=cache).expand(-1, group, -1)
    open_ = torch.ones(count, group, dtype=torch.bool, device=device)
    tokens, masks, logprobs = [], [], []
    for step in range(length):
        if not math.isfinite(float(logits.sum())):
            raise DivergenceError("the policy's logits are not finite")
        log_policy = logits.log_softmax(dim=-1)
        drawn = torch.multinomial(log_policy.exp().flatten(0, 1), 1, generator=generator).view(count, group)
        logprob = log_policy.gather(-1, drawn.unsqueeze(-1)).squeeze(-1)
        tokens.append(torch.where(open_, drawn, PAD))
        masks.append(open_)
        logprobs.append(torch.where(open_, logprob, 0.0))
        open_ = open_ & (drawn != EOS)
        if step + 1 < length:
            logits = policy(tokens[-1], forest, cache=cache)
    answers = torch.stack(tokens, dim=2)
    facts = these.facts.repeat_interleave(group, dim=0)
    rewards = domain.reward(facts, answers.flatten(0, 1).cpu()).view(count, group).to(device)
    mask = torch.stack(masks, dim=2).to(rewards.dtype)
    return Rollout(prompts, answers, mask, torch.stack(logprobs, dim=2), rewards)


def answer_log_policy(policy: Policy, prompts: Tensor, answers: Tensor) -> Tensor:
    """Log-probabilities of every token at every answer position, differentiable.

    Args:
        prompts: (prompts, prompt_length).
        answers: (prompts, group, answer_length).

    Returns:
        (prompts, group, answer_length, vocabulary).
    """
    _, group, length = answers.shape
    prompt = prompts.shape[1]
    forest = group_forest(prompt, group, length).to(policy.head.weight)
    inputs = answers[:, :, :-1].transpose(1, 2).flatten(1)
    logits = policy(torch.cat([prompts, inputs], dim=1), forest, first=prompt - 1)
    log_policy = logits.log_softmax(dim=-1)
    opening = log_policy[:, :1].expand(-1, group, -1)
    by_step = torch.cat([opening, log_policy[:, 1:]], dim=1).unflatten(1, (length, group))
    return by_step.transpose(1, 2)
