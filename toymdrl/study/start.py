"""Where the arms of a comparison begin: a seed's run at Math's checkpoint, and the stages that lead on from there."""

from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from toymdrl.claims.subject import Subject
from toymdrl.parameters import at_parameters
from toymdrl.policy.model import Policy, copy_policy
from toymdrl.policy.scores import evaluate
from toymdrl.runs.config import RunConfig
from toymdrl.runs.directory import RunDirectory
from toymdrl.study.questions import Setting
from toymdrl.study.stage import config_of, subject_of, train
from toymdrl.training.mixture import Combine, mix, total


def trainable_copy(policy: Policy) -> Policy:
    """A copy that can be trained in place."""
    return copy_policy(policy).requires_grad_(True)


@dataclass(frozen=True)
class Start:
    """A seed's run, at Math's checkpoint."""

    setting: Setting
    run: RunDirectory

    @cached_property
    def config(self) -> RunConfig:
        """The run's."""
        return config_of(self.setting)

    @cached_property
    def subject(self) -> Subject:
        """The run as vectors."""
        return subject_of(self.run)

    @cached_property
    def math(self) -> Policy:
        """Math's checkpoint; not to be changed."""
        return self.run.load_policy(self.subject.headline.own)

    @cached_property
    def last(self) -> Policy:
        """The end of the plain sequence; not to be changed."""
        return self.run.load_policy(self.subject.headline.end)

    @cached_property
    def end(self) -> Tensor:
        """The same as a vector, (coordinates,)."""
        return self.subject.start + self.subject.delta

    def scores_at(self, vector: Tensor) -> dict[str, float]:
        """Points by domain of a model given by its parameters, (coordinates,)."""
        with at_parameters(self.last, vector):
            return evaluate(self.last)

    def stages(self, *, steps: int | None = None, kl: float | None = None) -> Policy:
        """The later stages with another length or KL weight; None for the run's own."""
        grpo = self.config.grpo
        stage = replace(grpo, steps=steps or grpo.steps, kl=grpo.kl if kl is None else kl)
        policy = self.math
        for domain in self.subject.headline.later:
            policy = train(policy, domain, stage, self.setting, "stage")
        return policy

    def mixed(self, policy: Policy, prompts: dict[str, int], steps: int, combine: Combine = total) -> Policy:
        """A stage of several domains from a policy, which is trained in place.

        Args:
            policy: where it begins.
            prompts: how many of each domain a step asks.
            steps: how many.
            combine: makes one gradient of the domains'.
        """
        stage = replace(self.config.grpo, steps=steps)
        return mix(policy, prompts, stage, self.setting["seed"], "rival", combine).finish()

    def refreshed(self, policy: Policy, steps: int) -> Policy:
        """A copy after so many refresh steps on the harmed domain, Math."""
        short = replace(self.config.refresh, steps=steps)
        return train(policy, self.subject.harmed, short, self.setting, "refresh")
