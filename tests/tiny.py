"""A domain and a policy small enough to enumerate everything about them."""

from itertools import product

import torch
from torch import Tensor

from toymdrl.domains import Problems
from toymdrl.domains.vocab import EOS, PAD
from toymdrl.policy.forest import chain
from toymdrl.policy.model import ModelConfig, Policy
from toymdrl.streams import stream

VOCABULARY = 6
"""PAD, EOS and four symbols."""


class Sums:
    """Two symbols in, two out: full reward for their order turned round, half for the first one alone."""

    key = "sums"
    title = "Sums"
    prompt_length = 2
    answer_length = 2
    held_out = 4

    def population(self, generator: torch.Generator) -> Tensor:
        return torch.cartesian_prod(torch.arange(2, 6), torch.arange(2, 6))

    def render(self, facts: Tensor) -> Tensor:
        return facts

    def demonstrate(self, facts: Tensor, generator: torch.Generator) -> Tensor:
        return facts.flip(1)

    def reward(self, facts: Tensor, answers: Tensor) -> Tensor:
        full = (answers == facts.flip(1)).all(dim=1)
        half = (answers[:, 0] == facts[:, 0]) & (answers[:, 1] == EOS)
        return full.float() + 0.5 * half.float()

    def candidates(self, facts: Tensor) -> Tensor:
        short = torch.stack([facts[:, 0], torch.full_like(facts[:, 0], EOS)], dim=1)
        return torch.stack([facts.flip(1), short], dim=1)


def sums(rows: int = 4) -> Problems:
    """Some problems of the tiny domain."""
    facts = Sums().population(torch.Generator())[:rows]
    return Problems(Sums(), "train", facts, facts)


def policy(seed: int = 0, *, double: bool = True) -> Policy:
    """A policy with about 500 parameters."""
    config = ModelConfig(layers=2, width=8, heads=2, neurons=8, positions=4, vocabulary=VOCABULARY)
    made = Policy(config, stream("tiny", seed))
    return made.double() if double else made


def every_answer(length: int) -> list[tuple[int, ...]]:
    """All answers over the tiny vocabulary, cut after EOS, without padding."""
    answers: set[tuple[int, ...]] = set()
    for tokens in product(range(VOCABULARY), repeat=length):
        cut = tokens.index(EOS) + 1 if EOS in tokens else length
        answers.add(tokens[:cut])
    return sorted(answers)


def answer_logprob(model: Policy, prompt: Tensor, answer: tuple[int, ...]) -> Tensor:
    """Log-probability of one answer by one plain causal pass: the slow, obvious way."""
    tokens = torch.cat([prompt, torch.tensor(answer)]).unsqueeze(0)
    logits = model(tokens, chain(tokens.shape[1]).to(model.head.weight))[0]
    log_policy = logits.log_softmax(dim=-1)
    places = range(len(prompt) - 1, tokens.shape[1] - 1)
    return torch.stack([log_policy[place, token] for place, token in zip(places, answer, strict=True)]).sum()


def padded(answer: tuple[int, ...], length: int) -> Tensor:
    """An answer as rewards read it, (1, length)."""
    return torch.tensor([*answer, *[PAD] * (length - len(answer))]).unsqueeze(0)
