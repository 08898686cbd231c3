"""What every table shows of a policy: exact expected reward on the unseen problems of every domain, in points."""

import math
from functools import cache

from torch import Tensor

from toymdrl.domains import DOMAINS, problems
from toymdrl.policy.exact import ExpectedReward, exact_score
from toymdrl.policy.model import DivergenceError, Policy


@cache
def scoreboard() -> dict[str, ExpectedReward]:
    """The exact expected reward on the eval split of every domain."""
    return {key: ExpectedReward(problems(domain, "eval")) for key, domain in DOMAINS.items()}


def evaluate(policy: Policy) -> dict[str, float]:
    """Scores of a policy on unseen prompts, 100 x exact expected reward, by domain.

    Raises:
        DivergenceError: a score is not finite.
    """
    scores = {key: exact_score(policy, objective) for key, objective in scoreboard().items()}
    if not all(math.isfinite(value) for value in scores.values()):
        raise DivergenceError(f"the scores are {scores}")
    return scores


def weights(policy: Policy) -> dict[str, Tensor]:
    """A policy's parameters by name."""
    return {name: weight.detach() for name, weight in policy.named_parameters()}
