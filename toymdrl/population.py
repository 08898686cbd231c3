"""Many seeds at once: policies of one shape trained as one batched program, each as if it were alone.

A tiny model leaves a GPU idle; several, stacked, keep it busy. Every member has its own weights, prompts, random stream
and gradient clipping, so its result is that of its own run, up to the rounding of batched products.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from toymdrl import grpo, pretrain
from toymdrl.domains import DOMAINS, problems
from toymdrl.forest import chain
from toymdrl.grpo import GRPOConfig, Metrics
from toymdrl.model import DivergenceError, ModelConfig, Policy
from toymdrl.pretrain import WarmStartConfig
from toymdrl.rollout import Rollout, answer_log_policy, choose, decode, grade
from toymdrl.streams import stream
from toymdrl.training import BETAS, Rate, copy_policy

Logs = list[dict[str, float]]
"""What a step did, one entry a member."""


class _Task(nn.Module):
    """`work` of a policy as a module, which functional_call can run with any member's weights."""

    def __init__(self, policy: Policy, work: Callable[..., Any]) -> None:
        super().__init__()
        self.policy = policy
        self.work = work

    def forward(self, *inputs: Tensor) -> Any:
        return self.work(self.policy, *inputs)


class Population:
    """Policies of one shape and on one device, their weights stacked."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        """Copies of the policies."""
        self._shape = copy_policy(policies[0])
        stacked, _ = stack_module_state(list(policies))
        self.weights = {name: each.detach().clone() for name, each in stacked.items()}
        """Parameters by name, each (members, …)."""
        self.device = policies[0].head.weight.device

    def __len__(self) -> int:
        return len(self.weights["head.weight"])

    def each(self, work: Callable[..., Any], *inputs: Tensor) -> Any:
        """What `work(policy, *inputs)` gives for every member, as one batched program.

        Args:
            work: makes a tensor, or a tuple or dict of them, from a policy and its share of the inputs.
            inputs: (members, …) each.

        Returns:
            As `work` does, each tensor (members, …), with a graph if the weights require a gradient.
        """
        task = _Task(self._shape, work)

        def one(weights: dict[str, Tensor], *inputs: Tensor) -> Any:
            return functional_call(task, {f"policy.{name}": weight for name, weight in weights.items()}, inputs)

        return vmap(one)(self.weights, *inputs)

    def policies(self) -> list[Policy]:
        """The members as they are now."""
        found = []
        for index in range(len(self)):
            policy = copy_policy(self._shape).requires_grad_(True)
            policy.load_state_dict({name: weight[index].detach() for name, weight in self.weights.items()})
            found.append(policy)
        return found


Work = Callable[[torch.optim.Optimizer], Logs]
"""One step: updates every member, returns what to log."""


class PopulationTraining:
    """A stage of every member under way: call `advance` until `step` reaches `steps`; see `training.Training`."""

    def __init__(
        self, population: Population, work: Work, rate: Rate, steps: int, *, weight_decay: float = 0.0
    ) -> None:
        self.population = population
        self.steps = steps
        self.step = 0
        self._work = work
        self._rate = rate
        weights = [weight.requires_grad_() for weight in population.weights.values()]
        self._optimiser = torch.optim.AdamW(weights, lr=0.0, betas=BETAS, weight_decay=weight_decay, fused=True)

    def advance(self) -> Logs:
        """Take one step.

        Raises:
            DivergenceError: a member's logits, loss or gradient is not finite; the update that it belongs to has been
                made for none.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate(self.step)
        logs = self._work(self._optimiser)
        self.step += 1
        return logs


def _update(population: Population, optimiser: torch.optim.Optimizer, losses: Tensor, most: float) -> list[float]:
    """One gradient step of every member on its loss, its gradient scaled to a norm of at most `most`.

    Returns:
        Each member's gradient norm before scaling, as clip_grad_norm_ gives for one.
    """
    optimiser.zero_grad(set_to_none=True)
    losses.sum().backward()
    slopes = [weight.grad for weight in population.weights.values() if weight.grad is not None]
    norms = torch.stack([slope.flatten(1).norm(dim=1) for slope in slopes]).norm(dim=0)
    if not math.isfinite(float(norms.sum() + losses.detach().sum())):
        raise DivergenceError(f"the losses are {losses.tolist()} and their gradients' norms {norms.tolist()}")
    scale = (most / (norms + 1e-6)).clamp(max=1.0)
    for slope in slopes:
        slope.mul_(scale.view(-1, *(1 for _ in slope.shape[1:])))
    optimiser.step()
    return norms.tolist()


def warm_start(
    model: ModelConfig, config: WarmStartConfig, seeds: Sequence[int], device: str = "cpu"
) -> PopulationTraining:
    """The population's `training.warm_start`: one member a seed."""
    population = Population([Policy(model, stream(seed, "init")).to(device) for seed in seeds])
    generators = [stream(seed, "demonstrations") for seed in seeds]
    layout = chain(pretrain.columns()).to(population.weights["head.weight"])

    def loss(policy: Policy, inputs: Tensor, targets: Tensor) -> Tensor:
        return pretrain.loss(policy, inputs, targets, layout)

    def work(optimiser: torch.optim.Optimizer) -> Logs:
        drawn = zip(*(pretrain.demonstrations(config.batch, generator) for generator in generators), strict=True)
        losses = population.each(loss, *(torch.stack(part).to(device) for part in drawn))
        _update(population, optimiser, losses, pretrain.GRADIENT_NORM)
        return [{"loss": value} for value in losses.tolist()]

    def rate(step: int) -> float:
        return pretrain.learning_rate(config, step)

    return PopulationTraining(population, work, rate, config.steps, weight_decay=config.weight_decay)


def reinforce(
    policies: Sequence[Policy], domain: str, config: GRPOConfig, seeds: Sequence[int], purpose: str
) -> PopulationTraining:
    """The population's `training.reinforce`, from copies of the policies: a member each, with the seed of its run.

    Args:
        policies: where to start; of one shape and on one device.
        domain: a key of DOMAINS.
        config: steps, rates and the rest; the same for all.
        seeds: of each member's run.
        purpose: tells this stage's random streams from those of other stages on the same domain.
    """
    population = Population(policies)
    reference = Population(policies) if config.kl > 0 else None
    device = population.device
    generators = [stream(seed, domain, purpose, "rollout", device=device) for seed in seeds]
    train = problems(DOMAINS[domain], "train")
    shape = (config.group, train.domain.answer_length)

    @torch.no_grad()
    def sample() -> list[Tensor]:
        """The parts of a Rollout, (members, …) each; the reference's log-probabilities follow if there is a KL term."""
        rows, levels = [], []
        for generator in generators:
            rows.append(choose(train, config.prompts, generator))
            levels.append(torch.rand(len(rows[-1]), *shape, generator=generator, device=device))
        these = train.subset(torch.cat(rows))
        prompts = these.prompts.to(device).unflatten(0, (len(population), -1))
        answers, mask, logprobs = population.each(decode, prompts, torch.stack(levels))
        if not math.isfinite(float(logprobs.sum())):
            raise DivergenceError("a member's logits are not finite")
        rewards = grade(these, answers.flatten(0, 1)).unflatten(0, (len(population), -1))
        parts = [prompts, answers, mask, logprobs, rewards]
        return [*parts, reference.each(answer_log_policy, prompts, answers)] if reference else parts

    def objective(policy: Policy, *parts: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """A member's loss and what there is to log."""
        rollout, log_reference = Rollout(*parts[:5]), parts[5] if reference else None
        log_policy = answer_log_policy(policy, rollout.prompts, rollout.answers)
        measured = grpo.measure(log_policy.detach(), rollout, config, log_reference)
        return grpo.loss(log_policy, rollout, config, log_reference), measured

    def work(optimiser: torch.optim.Optimizer) -> Logs:
        parts = sample()
        for _ in range(config.updates):
            losses, measured = population.each(objective, *parts)
            found = {"gradient_norm": _update(population, optimiser, losses, config.gradient_norm)}
            found |= {"loss": losses.tolist(), **{name: each.tolist() for name, each in measured.items()}}
        return [asdict(Metrics(**dict(zip(found, each, strict=True)))) for each in zip(*found.values(), strict=True)]

    def rate(step: int) -> float:
        return grpo.learning_rate(config, step)

    return PopulationTraining(population, work, rate, config.steps)
