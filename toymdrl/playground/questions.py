"""The prompts that a page asks, the answers that earn something, and what a typed prompt must look like.

A page's score is `policy.exact`'s, of fewer prompts: 100 x the mean over prompts of the sum of reward x probability.
"""

from collections.abc import Iterable
from typing import get_args

import numpy as np
import torch

from toymdrl.domains import DOMAINS, Domain, Problems, Split, graded_candidates, problems
from toymdrl.domains.vocab import EOS, PAD, TOKENS
from toymdrl.playground.payload import Manifest, Payload, whole

PROMPTS = 128
COLUMNS = 3072
"""At most so many prompts of a domain, and so many tokens to be read in all: what a browser reads in half a second."""


def asked(domain: Domain) -> Problems:
    """The first problems of the eval split, as many as can be scored while one looks."""
    return problems(domain, "eval").subset(slice(min(PROMPTS, max(1, COLUMNS // columns(domain)))))


def columns(domain: Domain) -> int:
    """Tokens that are read to score a prompt."""
    answers = domain.candidates(problems(domain, "eval").facts[:1])[0]
    # What answers begin with alike is read once, as in policy/forest.py; their last token is only predicted.
    begun = [len(answers[:, :length].unique(dim=0)) for length in range(1, domain.answer_length)]
    return domain.prompt_length + sum(begun)


def slots(domain: Domain) -> list[list[int]]:
    """The tokens that stand at each place of a domain's prompts."""
    every = torch.cat([problems(domain, split).prompts for split in get_args(Split)])
    return [column.unique().tolist() for column in every.unbind(1)]


class PackedQuestions(Payload):
    """What a page must know of every domain."""

    def __init__(self, domains: Iterable[Domain] = DOMAINS.values()) -> None:
        super().__init__()
        told = [self._domain(domain) for domain in domains]
        self.manifest = {"tokens": TOKENS, "pad": PAD, "eos": EOS, "domains": told}

    def _domain(self, domain: Domain) -> Manifest:
        these = asked(domain)
        answers, rewards = graded_candidates(these)
        # Few rewards are distinct: a list of those, and for each answer a place in it.
        levels, index = np.unique(rewards.numpy(), return_inverse=True)
        return {
            "key": domain.key,
            "title": domain.title,
            "answerLength": domain.answer_length,
            "slots": slots(domain),
            "unseen": len(problems(domain, "eval")),
            "columns": len(these) * columns(domain),
            "prompts": self.add(whole(these.prompts.numpy())),
            "answers": self.add(whole(answers.numpy())),
            "levels": levels.tolist(),
            "rewards": self.add(whole(index.reshape(rewards.shape))),
        }
