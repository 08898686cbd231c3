"""A run as the analyses see it: checkpoints as flat vectors, exact losses in points, prompts to fit to or score on."""

import hashlib
import json
from collections.abc import Iterator
from functools import cache, cached_property

import torch
from torch import Tensor

from toymdrl.curvature import Eigenpairs, FixedLoss, Hessian, Loss, fisher_diagonal, top_eigenpairs
from toymdrl.domains import DOMAINS, Problems, Split, problems
from toymdrl.files import CorruptFile, load_tensors, save_tensors
from toymdrl.parameters import at, neurons, read
from toymdrl.policy.exact import ExpectedReward, kl_parts
from toymdrl.policy.model import Policy
from toymdrl.policy.rollout import answer_log_policy, sample
from toymdrl.runs.directory import RunDirectory, code
from toymdrl.runs.pipeline import BASE, load_policy
from toymdrl.runs.provenance import source_digest
from toymdrl.streams import stream

SOURCES = ("parameters.py", "derivatives.py", "curvature.py", "bounds", "analysis", "subject.py", "explain.py")
"""The source files, besides the run's, that decide an analysis."""
CW_SHARE = 16
"""A CW problem is 512 answers: where others take n prompts it takes n / 16."""


def points(objective: ExpectedReward) -> FixedLoss:
    """The loss -100 J, in points."""
    return FixedLoss(lambda policy: (-100 * part for part in objective.parts(policy)))


def regularised(these: Problems, reference: Policy, kl: float) -> Loss:
    """The loss 100 (-J + kl KL(policy || reference)), in points."""
    objective = ExpectedReward(these)

    def loss(policy: Policy) -> Iterator[Tensor]:
        for part in objective.parts(policy):
            yield -100 * part
        for part in kl_parts(policy, reference, these):
            yield 100 * kl * part

    return loss


@cache
def some(key: str, split: Split, prompts: int) -> Problems:
    """The first problems of a split: train to fit to, eval to score on."""
    return problems(DOMAINS[key], split).subset(slice(max(1, prompts // CW_SHARE) if key == "cw" else prompts))


class Subject:
    """A run's checkpoints as vectors, and what several analyses need of them."""

    key: str
    """Of what every analysis is computed from: sources and checkpoints."""

    def __init__(self, run: RunDirectory, harmed: str) -> None:
        self.run = run
        trained = [entry for entry in run.checkpoints if not entry["name"].startswith("rollback-")]
        used = [(entry["name"], entry["sha256"]) for entry in trained]
        content = json.dumps([code(), source_digest(SOURCES), harmed, used])
        self.key = hashlib.sha256(content.encode()).hexdigest()
        self.order = run.config.order
        self.prompts, self.pairs = run.config.analysis.prompts, run.config.analysis.pairs
        self.harmed = harmed
        self.policy = load_policy(run, BASE)
        self.vectors = {entry["name"]: self._vector(entry["name"]) for entry in trained}
        self.losses = {key: self.unseen(key) for key in self.order}
        self.start = self.vectors[harmed]
        self.delta = self.vectors[self.order[-1]] - self.start
        self.later = "all" if self.order.index(harmed) < len(self.order) - 2 else self.order[-1]
        self.edits = {key: self.vectors[f"expert-{key}"] - self.vectors[BASE] for key in self.order}

    def _vector(self, name: str) -> Tensor:
        return read(load_policy(self.run, name))

    def fit(self, key: str, share: float = 1.0) -> Problems:
        """A share of the prompts that may be fitted to."""
        return some(key, "train", int(share * self.prompts))

    def unseen(self, key: str, share: float = 1.0) -> Loss:
        """A domain's loss in points on a share of the prompts that nothing is fitted to."""
        return points(ExpectedReward(some(key, "eval", int(share * self.prompts))))

    def stream(self, purpose: str) -> torch.Generator:
        """A random stream of this run's."""
        return stream(self.run.config.seed, "analysis", purpose)

    @cached_property
    def neurons(self) -> Tensor:
        """Coordinates of each neuron."""
        return neurons({name: weight.shape for name, weight in self.policy.named_parameters()}).to(self.start.device)

    @cached_property
    def product(self) -> Tensor:
        """H delta of the harmed domain's loss on its train prompts."""
        with at(self.policy, self.start):
            return Hessian(self.policy, points(ExpectedReward(self.fit(self.harmed))), keep_graph=False) @ self.delta

    @cached_property
    def fisher(self) -> Tensor:
        """Diagonal Fisher of the harmed domain at its checkpoint, from one sampled answer a prompt, (coordinates,)."""
        these = self.fit(self.harmed, 1 / 2)

        def logprobs(policy: Policy) -> Iterator[Tensor]:
            rollout = sample(policy, these, 1, self.stream("fisher"))
            for row in range(len(these)):
                one = slice(row, row + 1)
                log_policy = answer_log_policy(policy, rollout.prompts[one], rollout.answers[one])
                tokens = log_policy.gather(-1, rollout.answers[one].unsqueeze(-1)).squeeze(-1)
                yield (tokens * rollout.mask[one]).sum()

        with at(self.policy, self.start):
            return fisher_diagonal(self.policy, logprobs)

    def eigenpairs(self, name: str, these: Problems, pairs: int, tolerance: float) -> Eigenpairs:
        """Top eigenpairs of the Hessian at the harmed domain's checkpoint on some problems, kept on disk."""
        file = self.run.path / "analysis" / f"eigenpairs-{name}.safetensors"
        key = self.key
        try:
            stored, about, _ = load_tensors(file)
            if about != {"key": key}:
                raise CorruptFile(f"{file} is of other checkpoints")
            products = int(stored["products"])
        except CorruptFile:
            with at(self.policy, self.start):
                found = top_eigenpairs(Hessian(self.policy, points(ExpectedReward(these))), pairs, tolerance=tolerance)
            products = found.products
            stored = {"values": torch.from_numpy(found.values), "vectors": found.vectors.cpu().contiguous()}
            save_tensors(file, stored | {"products": torch.tensor(products)}, {"key": key})
        return Eigenpairs(stored["values"].numpy(), stored["vectors"].to(self.start), products)

    @cached_property
    def spectrum(self) -> Eigenpairs:
        """The harmed domain's conflict subspace, from its train prompts."""
        return self.eigenpairs(self.harmed, self.fit(self.harmed), self.pairs, 1e-3)

    def halves(self) -> tuple[Tensor, Tensor]:
        """Subspaces from two halves of the train prompts."""
        these = self.fit(self.harmed)
        middle = len(these) // 2
        cuts = (slice(middle), slice(middle, None))
        one, two = (
            self.eigenpairs(f"{self.harmed}-half-{index}", these.subset(cut), self.pairs // 2, 1e-2).vectors
            for index, cut in enumerate(cuts, start=1)
        )
        return one, two

    def others(self) -> list[str]:
        """Domains whose conflict subspaces the harmed one's is compared with: one other, CW only where it is wanted."""
        later = self.order[self.order.index(self.harmed) + 1 :]
        found = [key for key in (*later, *self.order) if key not in {self.harmed, "cw"}][:1]
        return [*found, "cw"] if self.run.config.analysis.cw and "cw" in self.order and self.harmed != "cw" else found
