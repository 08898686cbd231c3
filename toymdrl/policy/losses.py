"""The losses that the analysis takes derivatives of: expected reward in points, on the first problems of a split."""

from collections.abc import Iterator
from functools import cache

from torch import Tensor

from toymdrl.derivatives import FixedLoss, Loss
from toymdrl.domains import DOMAINS, Domain, Problems, Split, problems
from toymdrl.policy.exact import ExpectedReward, kl_parts
from toymdrl.policy.model import Policy

CHEAP = 256
"""Candidate answers of a problem that cost no more than its prompt; one with more of them counts as several."""


@cache
def cost(domain: Domain) -> int:
    """How many problems' work one problem of a domain is: 16 for CW, which has 4,096 candidates, 1 for the others."""
    facts = problems(domain, "train").facts[:1]
    return max(1, domain.candidates(facts).shape[1] // CHEAP)


@cache
def first_problems(key: str, split: Split, prompts: int) -> Problems:
    """The first problems of a split, as many as cost what so many prompts do: train to fit to, eval to score on."""
    domain = DOMAINS[key]
    return problems(domain, split).subset(slice(max(1, prompts // cost(domain)) if cost(domain) > 1 else prompts))


def reward_loss(objective: ExpectedReward) -> FixedLoss:
    """The loss -100 J, in points."""
    return FixedLoss(lambda policy: (-100 * part for part in objective.parts(policy)))


def regularised_loss(these: Problems, reference: Policy, kl: float) -> Loss:
    """The loss 100 (-J + kl KL(policy || reference)), in points."""
    objective = ExpectedReward(these)

    def loss(policy: Policy) -> Iterator[Tensor]:
        for part in objective.parts(policy):
            yield -100 * part
        for part in kl_parts(policy, reference, these):
            yield 100 * kl * part

    return loss
