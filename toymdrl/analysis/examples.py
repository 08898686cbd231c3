"""What a model answers: the most probable of all its answers, and prompts whose answer tips.

Of any model that writes token after token: it comes as a function from tokens to the next one's log-probabilities.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NextToken = Callable[[Tensor], Tensor]
"""Tokens (rows, time) to log-probabilities of the token after them, (rows, vocabulary)."""
ROUNDING = 1e-4
"""Log-probabilities of one prefix, computed beside different others, differ by less."""


@dataclass(frozen=True)
class Said:
    """A checkpoint's most probable answer to a prompt."""

    checkpoint: str
    answer: str
    probability: float
    reward: float


@dataclass(frozen=True)
class Example:
    """A prompt, and what checkpoint after checkpoint answers."""

    domain: str
    prompt: str
    right: str | None
    """The one answer of full reward; None if there are several."""
    alike: int
    """Prompts that go as this one was chosen to go; 0 if none does, and it is merely the first."""
    looked_at: int
    said: tuple[Said, ...]


@dataclass(frozen=True)
class Examples:
    """Of the harmed domain first, then of those trained after it."""

    examples: tuple[Example, ...]


@torch.no_grad()
def most_probable(next_token: NextToken, prompts: Tensor, length: int, end: int) -> tuple[Tensor, Tensor]:
    """The most probable answer to each prompt, of all sequences of tokens; exact.

    A prefix is at least as probable as every answer that begins with it. So a prefix less probable than the greedy
    answer can be dropped; of probability p the greedy answer leaves at most 1 / p prefixes of each length.

    Args:
        next_token: the model.
        prompts: (prompts, time).
        length: most tokens of an answer.
        end: the token that ends an answer before that.

    Returns:
        Tokens (prompts, length), filled up with `end`, and probabilities (prompts,).
    """
    floor = _greedy(next_token, prompts, length, end) - ROUNDING
    answers = torch.full((len(prompts), length), end, device=prompts.device)
    best = torch.full_like(floor, -torch.inf)
    # Open prefixes of all prompts in one list: which prompt, its answer so far, that one's log-probability.
    rows, written, logprobs = torch.arange(len(prompts), device=prompts.device), prompts[:, :0], torch.zeros_like(floor)
    for step in range(1, length + 1):
        longer = logprobs[:, None] + next_token(torch.cat([prompts[rows], written], dim=1))
        prefix, token = (longer >= floor[rows, None]).nonzero(as_tuple=True)
        rows, logprobs = rows[prefix], longer[prefix, token]
        written = torch.cat([written[prefix], token[:, None]], dim=1)
        done = (token == end) | (step == length)
        for place in done.nonzero().flatten().tolist():
            row = int(rows[place])
            if logprobs[place] > best[row]:
                best[row] = logprobs[place]
                answers[row, :step] = written[place]
        rows, written, logprobs = rows[~done], written[~done], logprobs[~done]
        if not len(rows):
            break
    return answers, best.exp()


def _greedy(next_token: NextToken, prompts: Tensor, length: int, end: int) -> Tensor:
    """Log-probability of the answer that takes the most probable token at every step, (prompts,)."""
    tokens, total = prompts, torch.zeros(len(prompts), device=prompts.device)
    going_on = torch.ones(len(prompts), dtype=torch.bool, device=prompts.device)
    for _ in range(length):
        logprob, token = next_token(tokens).max(dim=-1)
        total = total + torch.where(going_on, logprob, 0.0)
        going_on = going_on & (token != end)
        tokens = torch.cat([tokens, token[:, None]], dim=1)
    return total


def first_to_tip(right: Sequence[Tensor], pattern: Sequence[bool]) -> tuple[int, int]:
    """The first prompt whose answers are right and wrong as the pattern says, and how many there are of the kind.

    Args:
        right: a checkpoint each, whether its answers are right, (prompts,).
        pattern: a checkpoint each.

    Returns:
        0 and 0 if no prompt goes like that.
    """
    goes = torch.ones_like(right[0], dtype=torch.bool)
    for found, wanted in zip(right, pattern, strict=True):
        goes = goes & (found == wanted)
    alike = int(goes.sum())
    return (int(goes.nonzero()[0]) if alike else 0), alike
