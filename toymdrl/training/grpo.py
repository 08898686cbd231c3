"""GRPO: group-relative policy optimisation, as an objective.

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

With one update and no clipping of the gradient, the expected gradient of the loss is -c grad J + beta grad KL. With
advantage "mean" c is (G - 1)/G for groups of G answers, since an answer is part of the mean that it is compared with;
with "rloo", where it is not (arXiv 2402.14740), c is 1. tests/test_grpo.py checks both against enumeration.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from toymdrl.domains import Problems
from toymdrl.policy.model import Policy
from toymdrl.policy.rollout import Rollout, answer_log_policy, choose, decode, grade
from toymdrl.settings import ConfigError, at_least
from toymdrl.training.objective import Learner, Parts

Advantage = Literal["mean", "zscore", "rloo"]


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
    advantage: Advantage = "mean"
    """What an answer's reward is compared with: the mean of its group; the same over the group's standard deviation;
    or the mean of the group's other answers."""
    updates: int = 1
    """Updates per rollout."""
    clip: float = 0.2
    """The policy ratio's gradient is cut outside 1 - clip to 1 + clip."""
    gradient_norm: float = 1.0
    """Largest norm of the gradient of one update."""

    def __post_init__(self) -> None:
        """Refuse what no stage can have.

        Raises:
            ConfigError: what, and what to use instead.
        """
        at_least(self, {"steps": 1, "prompts": 1, "group": 2, "updates": 1})
        at_least(self, {"learning_rate": 0, "kl": 0, "clip": 0, "gradient_norm": 0})
        if self.advantage not in get_args(Advantage):
            raise ConfigError(f"unknown advantage {self.advantage!r}; choose from {', '.join(get_args(Advantage))}")


def learning_rate(config: GRPOConfig, step: int) -> float:
    """The rate of one step, counted from 0."""
    return config.learning_rate * ((1 - step / config.steps) if config.anneal else 1.0)


def advantages(rewards: Tensor, kind: str) -> Tensor:
    """Group-relative advantages: (…, prompts, group) to the same; zero in a group of equal rewards.

    Raises:
        ValueError: a kind other than those of Advantage.
    """
    centred = rewards - rewards.mean(dim=-1, keepdim=True)
    match kind:
        case "mean":
            return centred
        case "zscore":
            return centred / (rewards.std(dim=-1, keepdim=True) + 1e-4)
        case "rloo":
            # Reward less the mean of the others is the centred reward times G / (G - 1).
            group = rewards.shape[-1]
            return centred * (group / (group - 1))
    raise ValueError(f'unknown advantage {kind!r}; choose "mean", "zscore" or "rloo"')


def divergence(log_policy: Tensor, log_reference: Tensor) -> Tensor:
    """KL(policy || reference) of the next token, (…, vocabulary) to (…)."""
    return (log_policy.exp() * (log_policy - log_reference)).sum(dim=-1)


def loss(
    log_policy: Tensor, rollout: Rollout, signal: Tensor, config: GRPOConfig, log_reference: Tensor | None = None
) -> Tensor:
    """The clipped surrogate plus the KL penalty, averaged over answers.

    Args:
        log_policy: (prompts, group, answer_length, vocabulary), with graph, see answer_log_policy.
        rollout: what was sampled.
        signal: advantages, (prompts, group).
        config: clip and kl are used.
        log_reference: like log_policy, without graph; needed if config.kl > 0, unused otherwise.

    Raises:
        ValueError: config.kl > 0 without log_reference.
    """
    logprobs = log_policy.gather(-1, rollout.answers.unsqueeze(-1)).squeeze(-1)
    # 1 on the first update of a rollout: the policy that learns is the one that sampled.
    ratio = ((logprobs - rollout.logprobs) * rollout.mask).exp()
    signal = signal.unsqueeze(-1).expand_as(ratio)
    penalty = torch.zeros_like(ratio)
    if config.kl > 0:
        if log_reference is None:
            raise ValueError("a KL weight needs the reference's log-probabilities")
        penalty = divergence(log_policy, log_reference) * rollout.mask
        # A token also steers into what follows: its share of the gradient is the divergence of the later tokens.
        to_go = penalty.detach().flip(-1).cumsum(-1).flip(-1) - penalty.detach()
        signal = signal - config.kl * to_go
    # Pessimistic: where clipping would raise the gain, it is not clipped.
    gain = torch.minimum(ratio * signal, ratio.clamp(1 - config.clip, 1 + config.clip) * signal) * rollout.mask
    return (config.kl * penalty - gain).sum(dim=-1).mean()


def measure(
    log_policy: Tensor, rollout: Rollout, config: GRPOConfig, log_reference: Tensor | None = None
) -> dict[str, Tensor]:
    """What there is to log of an update, scalars; arguments as in `loss`.

    All are means over answers, but for: flat_groups, the share of groups whose answers all earn the same, which give no
    signal, whatever the loss says; entropy, in nats per answer token; kl, KL(policy || reference) in nats per answer, 0
    without a KL term; clipped, the share of answer tokens whose ratio is outside the clip range.
    """
    tokens = rollout.mask.sum()
    ratio = (log_policy.gather(-1, rollout.answers.unsqueeze(-1)).squeeze(-1) - rollout.logprobs).exp()
    # A group whose answers all earn the same has no advantages, and no gradient.
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


class GRPO:
    """Answers in groups to some problems of one domain, and the loss above of them."""

    def __init__(self, train: Problems, config: GRPOConfig, learner: Learner) -> None:
        """The learner as it is now is the KL term's reference.

        Args:
            train: the problems to choose from.
            config: of the stage.
            learner: who will learn.
        """
        self.config = config
        self._train = train
        self._there = train.to(learner.device)
        self._reference = learner.frozen() if config.kl > 0 else None

    weight_decay = 0.0

    @property
    def steps(self) -> int:
        """Of the stage."""
        return self.config.steps

    @property
    def updates(self) -> int:
        """Updates per rollout."""
        return self.config.updates

    @property
    def gradient_norm(self) -> float:
        """Largest norm of the gradient of one update."""
        return self.config.gradient_norm

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        return learning_rate(self.config, step)

    def draw(self, generator: torch.Generator) -> Parts:
        """Which problems to ask, (prompts,), and the levels that answers are drawn by, see `rollout.decode`."""
        rows = choose(self._train, self.config.prompts, generator)
        shape = (len(rows), self.config.group, self._train.domain.answer_length)
        return rows, torch.rand(shape, generator=generator)

    def play(self, learner: Learner, *drawn: Tensor) -> Parts:
        """The parts of a Rollout, the advantages and, if there is a KL term, the reference's log-probabilities.

        What is drawn, and so all parts, may be of many members: (…, prompts, …).
        """
        rows, levels = (each.to(learner.device) for each in drawn)
        # Rewards are no policy's matter: they are graded in one go, whoever answered.
        asked = self._there.subset(rows.flatten())
        prompts = asked.prompts.unflatten(0, rows.shape)
        answers, mask, logprobs = learner.each(decode, prompts, levels)
        rewards = grade(asked, answers.flatten(0, -3)).unflatten(0, rows.shape)
        played = (prompts, answers, mask, logprobs, rewards, self.signal(rewards))
        if self._reference is None:
            return played
        return *played, self._reference.each(answer_log_policy, prompts, answers)

    def signal(self, rewards: Tensor) -> Tensor:
        """What tells good answers from bad ones: (…, prompts, group) to the same."""
        return advantages(rewards, self.config.advantage)

    def loss(self, policy: Policy, *played: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and `measure`."""
        rollout, signal, log_reference = Rollout(*played[:5]), played[5], played[6] if self._reference else None
        log_policy = answer_log_policy(policy, rollout.prompts, rollout.answers)
        measured = measure(log_policy.detach(), rollout, self.config, log_reference)
        return loss(log_policy, rollout, signal, self.config, log_reference), measured

    def state(self) -> dict[str, Tensor]:
        """None."""
        return {}
