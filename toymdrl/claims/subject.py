"""A run as its analyses see it: checkpoints as flat vectors, exact losses in points, prompts to fit to or score on."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from toymdrl.analysis.rollback import restricted, top_coordinates
from toymdrl.analysis.spectrum import kept_eigenpairs
from toymdrl.curvature import Eigenpairs, Hessian, fisher_diagonal
from toymdrl.derivatives import FixedLoss
from toymdrl.domains import DOMAINS, Problems
from toymdrl.neurons import neuron_coordinates
from toymdrl.parameters import at_parameters, read_parameters, write_parameters
from toymdrl.policy.exact import ExpectedReward
from toymdrl.policy.losses import cost, first_problems, reward_loss
from toymdrl.policy.model import Policy, copy_policy
from toymdrl.policy.rollout import answer_log_policy, sample
from toymdrl.runs.config import RunConfig
from toymdrl.runs.directory import RunDirectory, code
from toymdrl.runs.plan import BASE, Checkpoint, Headline
from toymdrl.sourcecode import source_digest
from toymdrl.streams import stream

SOURCES = ("parameters.py", "neurons.py", "derivatives.py", "curvature.py", "bounds", "claims/subject.py")
"""The source files, besides a run's own and an analysis' own, that decide what an analysis finds."""
ALL_LATER = "all"
"""Stands for all later domains together where a single one would be named."""


class Subject:
    """A run's checkpoints as vectors, and what several analyses need of them."""

    def __init__(
        self,
        config: RunConfig,
        headline: Headline,
        policies: Mapping[Checkpoint, Policy],
        scores: Mapping[Checkpoint, dict[str, float]],
        *,
        key: str,
        eigenpairs_file: Callable[[str], Path],
    ) -> None:
        """A run that has trained everything that is asked of it; see `of`.

        Args:
            config: the run's.
            headline: the loss that is analysed.
            policies: the trained checkpoints, of the run's device.
            scores: points by domain.
            key: tells these checkpoints and the code that analyses them from others.
            eigenpairs_file: where eigenpairs are kept, by a name.
        """
        self.config = config
        self.headline = headline
        self.scores = scores
        self.key = key
        self._eigenpairs_file = eigenpairs_file
        self.order = config.order
        self.harmed = headline.domain
        self.later = ALL_LATER if len(headline.later) > 1 else headline.later[0]
        self.prompts, self.pairs = config.analysis.prompts, config.analysis.pairs
        self.policy = policies[BASE]
        """The module that all losses are taken of: `at_parameters` puts it where it is wanted."""
        self.vectors = {checkpoint: read_parameters(policy) for checkpoint, policy in policies.items()}
        self.start = self.vectors[headline.own]
        """The harmed domain's own checkpoint, (coordinates,)."""
        self.delta = self.vectors[headline.end] - self.start
        """What all later stages added, (coordinates,)."""
        self.losses = {domain: self.unseen_loss(domain) for domain in self.order}

    @classmethod
    def of(cls, run: RunDirectory, headline: Headline) -> "Subject":
        """The subject of a run on disk that has trained everything that is asked of it.

        Raises:
            CorruptFile: a checkpoint's file is damaged.
        """
        # A rolled-back model is made by an analysis: it is no part of what the analyses look at.
        trained = [entry for entry in run.checkpoints if entry.checkpoint.kind != "rollback"]
        used = [(entry.checkpoint.name, entry.sha256) for entry in trained]
        content = json.dumps([code(), source_digest(SOURCES), headline.domain, used])
        return cls(
            run.config,
            headline,
            {entry.checkpoint: run.load_policy(entry.checkpoint) for entry in trained},
            {entry.checkpoint: entry.scores for entry in trained},
            key=hashlib.sha256(content.encode()).hexdigest(),
            eigenpairs_file=run.eigenpairs_file,
        )

    @cached_property
    def edits(self) -> dict[str, Tensor]:
        """What each domain's training alone changed, (coordinates,) each."""
        # From the same start: what its own training moves, undisturbed by an order.
        return {domain: self.vectors[Checkpoint("expert", domain)] - self.vectors[BASE] for domain in self.order}

    def policy_at(self, checkpoint: Checkpoint) -> Policy:
        """A frozen policy of its own with a checkpoint's weights."""
        policy = copy_policy(self.policy)
        write_parameters(policy.requires_grad_(True), self.vectors[checkpoint])
        return policy.requires_grad_(False)

    def fit_problems(self, domain: str, share: float = 1.0) -> Problems:
        """A share of the prompts that may be fitted to: they are of the train split."""
        return first_problems(domain, "train", int(share * self.prompts))

    def fit_loss(self, domain: str, share: float = 1.0) -> FixedLoss:
        """A domain's loss in points on `fit_problems`."""
        return reward_loss(ExpectedReward(self.fit_problems(domain, share)))

    def unseen_loss(self, domain: str, share: float = 1.0) -> FixedLoss:
        """A domain's loss in points on a share of the prompts that nothing is fitted to: they are of the eval split."""
        return reward_loss(ExpectedReward(first_problems(domain, "eval", int(share * self.prompts))))

    def stream(self, purpose: str) -> torch.Generator:
        """A random stream of this run's."""
        return stream(self.config.seed, "analysis", purpose)

    @cached_property
    def neurons(self) -> Tensor:
        """Coordinates of each MLP neuron, (neurons, each)."""
        shapes = {name: weight.shape for name, weight in self.policy.named_parameters()}
        return neuron_coordinates(shapes).to(self.start.device)

    @cached_property
    def product(self) -> Tensor:
        """H delta of the harmed domain's loss on its train prompts, (coordinates,)."""
        with at_parameters(self.policy, self.start):
            return Hessian(self.policy, self.fit_loss(self.harmed), keep_graph=False) @ self.delta

    def rolled_back(self, share: float) -> Tensor:
        """The update on the share of coordinates of largest |delta * H delta|, 0 elsewhere, (coordinates,).

        Subtracted from the end it is the training-free repair of C11.
        """
        score = (self.delta * self.product).abs()
        return restricted(self.delta, top_coordinates(score, int(share * len(score))))

    @cached_property
    def fisher(self) -> Tensor:
        """Diagonal Fisher of the harmed domain at its checkpoint, from one sampled answer a prompt, (coordinates,)."""
        these = self.fit_problems(self.harmed, 1 / 2)

        def logprobs(policy: Policy) -> Iterator[Tensor]:
            # The Fisher's expectation is over the policy's own answers, not the right ones.
            rollout = sample(policy, these, 1, self.stream("fisher"))
            for row in range(len(these)):
                one = slice(row, row + 1)
                log_policy = answer_log_policy(policy, rollout.prompts[one], rollout.answers[one])
                tokens = log_policy.gather(-1, rollout.answers[one].unsqueeze(-1)).squeeze(-1)
                yield (tokens * rollout.mask[one]).sum()

        with at_parameters(self.policy, self.start):
            return fisher_diagonal(self.policy, logprobs)

    def eigenpairs(self, name: str, these: Problems, pairs: int, tolerance: float) -> Eigenpairs:
        """Top eigenpairs of the Hessian at the harmed domain's checkpoint on some problems, kept on disk."""
        file, loss = self._eigenpairs_file(name), reward_loss(ExpectedReward(these))
        return kept_eigenpairs(file, self.key, self.policy, loss, self.start, pairs, tolerance)

    @cached_property
    def spectrum(self) -> Eigenpairs:
        """The harmed domain's conflict subspace, from its train prompts."""
        return self.eigenpairs(self.harmed, self.fit_problems(self.harmed), self.pairs, 1e-3)

    def halves(self) -> tuple[Tensor, Tensor]:
        """Conflict subspaces from two halves of the train prompts, (coordinates, pairs / 2) each."""
        these = self.fit_problems(self.harmed)
        middle = len(these) // 2
        first, second = these.subset(slice(middle)), these.subset(slice(middle, None))
        one = self.eigenpairs(f"{self.harmed}-half-1", first, self.pairs // 2, 1e-2)
        two = self.eigenpairs(f"{self.harmed}-half-2", second, self.pairs // 2, 1e-2)
        return one.vectors, two.vectors

    def others(self) -> list[str]:
        """Domains whose conflict subspaces the harmed one's is compared with: one cheap one, and costly ones if asked.

        A later domain rather than an earlier one. Costly are those whose problems have many candidate answers (CW).
        """
        candidates = [domain for domain in (*self.headline.later, *self.order) if domain != self.harmed]
        cheap = [domain for domain in candidates if cost(DOMAINS[domain]) == 1]
        costly = [domain for domain in self.order if domain in candidates and domain not in cheap]
        return cheap[:1] + (costly if self.config.analysis.cw else [])
