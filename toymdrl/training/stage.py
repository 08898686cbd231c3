"""One stage of training under way: a policy, its optimiser, its random stream and how far it has come.

Everything that decides the future of a stage is in `state`, so that a stage stopped after any step and restored from
there ends with the same bytes.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from toymdrl.domains import domain_called, problems
from toymdrl.policy.model import DivergenceError, ModelConfig, Policy, copy_policy
from toymdrl.streams import stream
from toymdrl.training.grpo import GRPO, GRPOConfig
from toymdrl.training.objective import Objective, take_step, whole
from toymdrl.training.pretrain import WarmStart, WarmStartConfig

BETAS = (0.9, 0.95)
Differentiate = Callable[[Any, Sequence[nn.Parameter], torch.Generator], None]
"""Leaves in every parameter's `grad` what the optimiser is to follow, from what the objective's loss gave."""


class Alone:
    """One policy as a learner."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    @property
    def device(self) -> torch.device:
        """Where the policy is."""
        return self.policy.head.weight.device

    @property
    def members(self) -> tuple[int, ...]:
        """None: a policy's own tensors have no leading dimension."""
        return ()

    def each(self, work: Callable[..., Any], *inputs: Tensor) -> Any:
        """`work` of the policy."""
        return work(self.policy, *inputs)

    def frozen(self) -> Self:
        """A copy as it is now."""
        return type(self)(copy_policy(self.policy))


def backward(loss: Tensor, parameters: Sequence[nn.Parameter], generator: torch.Generator) -> None:
    """The gradient of a loss."""
    for parameter in parameters:
        parameter.grad = None
    loss.backward()


class Training:
    """A stage: call `advance` until `step` reaches `steps`."""

    def __init__(
        self,
        policy: Policy,
        objective: Objective,
        generator: torch.Generator,
        *,
        differentiate: Differentiate = backward,
    ) -> None:
        """A fresh optimiser on a policy that is trained in place.

        Args:
            policy: where to start.
            objective: of every step.
            generator: of the stage's own random stream.
            differentiate: for an objective of several losses.
        """
        self.policy = policy
        self.steps = objective.steps
        self.step = 0
        self._objective = objective
        self._generator = generator
        self._differentiate = differentiate
        self._learner = Alone(policy)
        self._parameters = list(policy.parameters())
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr=0.0, betas=BETAS, weight_decay=objective.weight_decay, fused=True
        )

    def advance(self) -> dict[str, float]:
        """Take one step; what it did, for the log.

        Raises:
            DivergenceError: a loss or gradient that is not finite; the update it belongs to has not been made.
        """
        # torch's schedulers keep a state of their own; a rate that is a function of the step needs none.
        for group in self._optimiser.param_groups:
            group["lr"] = self._objective.rate(self.step)
        drawn = self._objective.draw(self._generator)
        logged = take_step(self._objective, self._learner, self._descend, drawn)
        self.step += 1
        return {name: float(value) for name, value in logged.items()}

    def _descend(self, losses: Any) -> Tensor:
        self._differentiate(losses, self._parameters, self._generator)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._objective.gradient_norm)
        value = float(whole(losses))
        if not (math.isfinite(norm) and math.isfinite(value)):
            raise DivergenceError(f"the loss is {value} and its gradient's norm {float(norm)}")
        self._optimiser.step()
        return norm

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
        """Weights, optimiser moments, generator and what the objective keeps, on the CPU.

        Raises:
            DivergenceError: a weight is not finite.
        """
        if not all(bool(torch.isfinite(weight).all()) for weight in self.policy.parameters()):
            raise DivergenceError("a weight is not finite")
        tensors = {f"policy.{name}": weight.detach() for name, weight in self.policy.named_parameters()}
        for name, weight in self.policy.named_parameters():
            for key, value in self._optimiser.state.get(weight, {}).items():
                tensors[f"optimiser.{name}.{key}"] = value
        for name, value in self._objective.state().items():
            tensors[f"objective.{name}"] = value
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
            for name, value in self._objective.state().items():
                value.copy_(tensors[f"objective.{name}"])
        self._generator.set_state(tensors["generator"])
        self.step = step


def warm_start(model: ModelConfig, config: WarmStartConfig, seed: int, device: str = "cpu") -> Training:
    """Supervised training of a fresh policy on imperfect demonstrations of every domain."""
    policy = Policy(model, stream(seed, "init")).to(device)
    return Training(
        policy,
        WarmStart(config, policy.head.weight),
        stream(seed, "demonstrations"),
    )


def rl_stage(
    policy: Policy, domain: str, config: GRPOConfig, seed: int, purpose: str, objective: type[GRPO] = GRPO
) -> Training:
    """Reinforcement learning on one domain, from `policy`, which is trained in place.

    Args:
        policy: where to start.
        domain: a key of DOMAINS.
        config: steps, rates and the rest.
        seed: the run's seed.
        purpose: tells this stage's random stream from those of other stages on the same domain.
        objective: GRPO, or what is built on it.

    Example:
        >>> from toymdrl import GRPOConfig, rl_stage
        >>> from toymdrl.course import scores, warm_start
        >>> stage = rl_stage(warm_start(), "math", GRPOConfig(steps=3), seed=0, purpose="example")
        >>> while stage.step < stage.steps:
        ...     metrics = stage.advance()
        >>> scores(stage.policy)["math"] > scores(warm_start())["math"]
        True
    """
    return Training(
        policy,
        objective(problems(domain_called(domain), "train"), config, Alone(policy)),
        stream(seed, domain, purpose, "rollout"),
    )
