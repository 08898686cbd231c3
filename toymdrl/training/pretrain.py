"""The warm start: short supervised training on imperfect demonstrations of all domains at once.

It makes the base policy that RL then sharpens: one that already knows a good deal about every domain, and errs as its
demonstrators do.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from toymdrl.domains import DOMAINS, problems
from toymdrl.domains.vocab import PAD
from toymdrl.policy.forest import Forest, chain
from toymdrl.policy.model import Policy
from toymdrl.settings import at_least
from toymdrl.training.objective import Learner, Parts

GRADIENT_NORM = 1.0
"""Largest norm of the gradient of one step."""


@dataclass(frozen=True)
class WarmStartConfig:
    """Supervised steps before RL."""

    steps: int = 1200
    batch: int = 256
    """Demonstrations a step, the same number of every domain."""
    learning_rate: float = 6e-3
    """The peak: reached after a tenth of the steps, then lowered to zero along a cosine."""
    weight_decay: float = 0.1
    """Without it, one seed in eight had not learnt to add when the steps were over."""

    def __post_init__(self) -> None:
        """Refuse what no warm start can have.

        Raises:
            ConfigError: what, and what to use instead.
        """
        at_least(self, {"steps": 1, "batch": len(DOMAINS), "learning_rate": 0, "weight_decay": 0}, "warm-start ")


def learning_rate(config: WarmStartConfig, step: int) -> float:
    """The rate of one step, counted from 0."""
    # A tenth of the steps up, the rest down along half a cosine.
    rise = max(1, config.steps // 10)
    if step < rise:
        return config.learning_rate * (step + 1) / rise
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / (config.steps - rise)))


def demonstrations(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Prompts with answers, an equal number of each domain, from the demo split.

    Returns:
        Inputs (batch, columns) and the tokens that follow them (batch, columns), PAD where nothing is to be learnt:
        in the prompt, and after the answer.
    """
    share = batch // len(DOMAINS)
    rows = []
    for domain in DOMAINS.values():
        split = problems(domain, "demo")
        chosen = torch.randint(len(split), (share,), generator=generator)
        answers = domain.demonstrate(split.facts[chosen], generator)
        rows.append((split.prompts[chosen], answers))
    width = columns() + 1
    # All domains in one batch, padded to the longest: the only padded batch there is.
    sequences = torch.full((share * len(rows), width), PAD)
    targets = torch.full((share * len(rows), width), PAD)
    for index, (prompts, answers) in enumerate(rows):
        mine = slice(index * share, (index + 1) * share)
        start, stop = prompts.shape[1], prompts.shape[1] + answers.shape[1]
        sequences[mine, :start] = prompts
        sequences[mine, start:stop] = targets[mine, start:stop] = answers
    return sequences[:, :-1], targets[:, 1:]


FIRST_ANSWER = min(domain.prompt_length for domain in DOMAINS.values()) - 1
"""The first column that any domain's answer is predicted from."""


def columns() -> int:
    """Width of a batch of demonstrations: the longest prompt and answer, less the last token."""
    return max(domain.prompt_length + domain.answer_length for domain in DOMAINS.values()) - 1


def loss(policy: Policy, inputs: Tensor, targets: Tensor, layout: Forest) -> Tensor:
    """Cross-entropy on `demonstrations`, a scalar in nats per answer token."""
    logits = policy(inputs, layout, first=FIRST_ANSWER)
    return F.cross_entropy(logits.flatten(0, 1), targets[:, FIRST_ANSWER:].flatten(), ignore_index=PAD)


class WarmStart:
    """Demonstrations of every domain, and how badly the policy foretells them: an objective."""

    updates = 1
    gradient_norm = GRADIENT_NORM

    def __init__(self, config: WarmStartConfig, weight: Tensor) -> None:
        """`weight` is one of the learner's: the layout is laid where it is, in its type."""
        self._config = config
        self.steps, self.weight_decay = config.steps, config.weight_decay
        self._layout = chain(columns()).to(weight)

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        return learning_rate(self._config, step)

    def draw(self, generator: torch.Generator) -> Parts:
        """`demonstrations`."""
        return demonstrations(self._config.batch, generator)

    def play(self, learner: Learner, *drawn: Tensor) -> Parts:
        """The same, where the learner is; drawn ahead they are bytes."""
        inputs, targets = drawn
        return inputs.to(learner.device).long(), targets.to(learner.device).long()

    def loss(self, policy: Policy, *played: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and nothing else to log."""
        inputs, targets = played
        return loss(policy, inputs, targets, self._layout), {}

    def state(self) -> dict[str, Tensor]:
        """None."""
        return {}
