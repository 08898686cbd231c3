"""One stage of training under way: a policy, its optimiser, its random stream and how far it has come.

Everything that decides the future of a stage is in `state`, so that a stage stopped after any step and restored from
there ends with the same bytes.
"""

import copy
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor

from toymdrl.domains import DOMAINS, problems
from toymdrl.policy.forest import chain
from toymdrl.policy.model import DivergenceError, ModelConfig, Policy
from toymdrl.policy.rollout import choose, sample
from toymdrl.streams import stream
from toymdrl.training import grpo, pretrain
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.pretrain import WarmStartConfig

BETAS = (0.9, 0.95)

Rate = Callable[[int], float]
"""Learning rate of a step, counted from 0."""
Work = Callable[[torch.optim.Optimizer, torch.Generator], dict[str, float]]
"""One step: updates the policy, returns what to log."""


class Training:
    """A stage: call `advance` until `step` reaches `steps`."""

    def __init__(
        self,
        policy: Policy,
        work: Work,
        rate: Rate,
        steps: int,
        generator: torch.Generator,
        *,
        weight_decay: float = 0.0,
    ) -> None:
        self.policy = policy
        self.steps = steps
        self.step = 0
        self._work = work
        self._rate = rate
        self._generator = generator
        self._optimiser = torch.optim.AdamW(
            policy.parameters(), lr=0.0, betas=BETAS, weight_decay=weight_decay, fused=True
        )

    def advance(self) -> dict[str, float]:
        """Take one step; what it did, for the log.

        Raises:
            DivergenceError: a loss or gradient that is not finite; the update it belongs to has not been made.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate(self.step)
        metrics = self._work(self._optimiser, self._generator)
        self.step += 1
        return metrics

    def finish(self, after: Callable[[Policy], None] | None = None) -> Policy:
        """Take all steps that are left; the policy.

        Args:
            after: called with the policy behind each step, which it may change.
        """
        while self.step < self.steps:
            self.advance()
            if after:
                after(self.policy)
        return self.policy

    def state(self) -> dict[str, Tensor]:
        """Weights, optimiser moments and generator state, on the CPU.

        Raises:
            DivergenceError: a weight is not finite.
        """
        if not all(bool(torch.isfinite(weight).all()) for weight in self.policy.parameters()):
            raise DivergenceError("a weight is not finite")
        tensors = {f"policy.{name}": weight.detach() for name, weight in self.policy.named_parameters()}
        for name, weight in self.policy.named_parameters():
            for key, value in self._optimiser.state.get(weight, {}).items():
                tensors[f"optimiser.{name}.{key}"] = value
        tensors["generator"] = self._generator.get_state()
        return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Continue from what `state` returned after `step` steps."""
        with torch.no_grad():
            for name, weight in self.policy.named_parameters():
                weight.copy_(tensors[f"policy.{name}"])
                prefix = f"optimiser.{name}."
                moments = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
                if moments:
                    # The step count stays where the optimiser keeps it: beside the weight.
                    self._optimiser.state[weight] = {k: v.to(weight.device) for k, v in moments.items()}
        self._generator.set_state(tensors["generator"])
        self.step = step


def copy_policy(policy: Policy) -> Policy:
    """A frozen copy, as a KL reference."""
    return copy.deepcopy(policy).requires_grad_(False)


def warm_start(model: ModelConfig, config: WarmStartConfig, seed: int, device: str = "cpu") -> Training:
    """Supervised training of a fresh policy on imperfect demonstrations of every domain."""
    policy = Policy(model, stream(seed, "init")).to(device)
    generator = stream(seed, "demonstrations")
    layout = chain(pretrain.columns()).to(policy.head.weight)

    def work(optimiser: torch.optim.Optimizer, generator: torch.Generator) -> dict[str, float]:
        inputs, targets = pretrain.demonstrations(config.batch, generator)
        return {"loss": pretrain.update(policy, optimiser, inputs.to(device), targets.to(device), layout)}

    def rate(step: int) -> float:
        return pretrain.learning_rate(config, step)

    return Training(policy, work, rate, config.steps, generator, weight_decay=config.weight_decay)


def reinforce(policy: Policy, domain: str, config: GRPOConfig, seed: int, purpose: str) -> Training:
    """GRPO on one domain, from `policy`, which is trained in place.

    Args:
        policy: where to start.
        domain: a key of DOMAINS.
        config: steps, rates and the rest.
        seed: the run's seed.
        purpose: tells this stage's random stream from those of other stages on the same domain.

    Example:
        >>> from toymdrl import GRPOConfig, reinforce
        >>> from toymdrl.course import scores, warm_start
        >>> stage = reinforce(warm_start(), "math", GRPOConfig(steps=3), seed=0, purpose="example")
        >>> while stage.step < stage.steps:
        ...     metrics = stage.advance()
        >>> scores(stage.policy)["math"] > scores(warm_start())["math"]
        True
    """
    generator = stream(seed, domain, purpose, "rollout")
    train = problems(DOMAINS[domain], "train")
    reference = copy_policy(policy) if config.kl > 0 else None

    def work(optimiser: torch.optim.Optimizer, generator: torch.Generator) -> dict[str, float]:
        rollout = sample(policy, train.subset(choose(train, config.prompts, generator)), config.group, generator)
        for _ in range(config.updates):
            metrics = grpo.update(policy, optimiser, rollout, config, reference)
        return asdict(metrics)

    def rate(step: int) -> float:
        return grpo.learning_rate(config, step)

    return Training(policy, work, rate, config.steps, generator)
