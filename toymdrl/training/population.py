"""Many seeds at once: policies of one shape trained as one batched program, each as if it were alone.

A tiny model leaves a GPU idle; several, stacked, keep it busy. Every member has its own weights, prompts, random stream
and gradient clipping, so its result is that of its own run, up to the rounding of batched products.

A step is a fixed sequence of operations on tensors that stay where they are, so that a GPU can replay it (replay.py):
what is random is drawn ahead of it, what there is to log stays on the device until it is asked for, and a
step that is not finite is skipped there, as torch's gradient scaler skips one, and found out afterwards.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from toymdrl.domains import domain_called, problems
from toymdrl.policy.model import DivergenceError, ModelConfig, Policy, copy_policy
from toymdrl.replay import Replay
from toymdrl.streams import stream
from toymdrl.training.draws import Block, ahead, demonstrations
from toymdrl.training.grpo import GRPO, GRPOConfig
from toymdrl.training.objective import Objective, take_step
from toymdrl.training.pretrain import WarmStart, WarmStartConfig
from toymdrl.training.stage import BETAS

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


def stacked(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Each member's parameters, by name, as one tensor a name, (members, …)."""
    return {name: torch.stack([each[name].detach() for each in members]) for name in members[0]}


class Population:
    """Policies of one shape and on one device, their weights stacked."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        """Copies of the policies."""
        self._shape = copy_policy(policies[0])
        self.weights = stacked([dict(policy.named_parameters()) for policy in policies])
        """Parameters by name, each (members, …)."""
        self.device = policies[0].head.weight.device

    def __len__(self) -> int:
        return len(self.weights["head.weight"])

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Overwrite the weights in place by others of the same names and shapes, on any device."""
        for name, weight in self.weights.items():
            weight.copy_(weights[name])

    def copy(self) -> dict[str, Tensor]:
        """The weights as they are now."""
        return {name: weight.detach().clone() for name, weight in self.weights.items()}

    @property
    def members(self) -> tuple[int, ...]:
        """The leading dimension of all its tensors."""
        return (len(self),)

    def frozen(self) -> "Population":
        """A population of its own with the weights as they are now."""
        other = copy.copy(self)
        other.weights = self.copy()
        return other

    def each(self, work: Callable[..., Any], *inputs: Tensor) -> Any:
        """What `work(policy, *inputs)` gives for every member, as one batched program.

        Args:
            work: makes a tensor, or a tuple or dict of them, from a policy and its share of the inputs.
            inputs: (members, …) each.

        Returns:
            As `work` does, each tensor (members, …), with a graph if the weights require a gradient.
        """
        task = _Task(self._shape, work)

        # vmap gives this one member's weights and inputs; a module call needs them under the module's names.
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


class PopulationTraining:
    """A stage of every member under way: call `advance` until `step` reaches `steps`; see `stage.Training`."""

    def __init__(
        self,
        population: Population,
        objective: Objective,
        draws: Iterator[Block],
    ) -> None:
        """A fresh optimiser on the population's weights; `draws` yields blocks for all steps."""
        self.population = population
        self.steps = objective.steps
        self.step = 0
        self.diverged: DivergenceError | None = None
        """What was not finite, once `logs` has met it."""
        device = population.device
        self._objective = objective
        self._blocks = draws
        self._drawn = 0
        self._draws: list[Tensor] = []
        """Of all steps, where the device can read them, (steps, members, …) each; filled up to `_drawn`."""
        self._rates = torch.tensor([objective.rate(step) for step in range(self.steps)], device=device)
        self._rate = torch.zeros((), device=device)
        self._now = torch.zeros(1, dtype=torch.int64, device=device)
        """The step under way, where the device can read it."""
        self._skip = torch.zeros((), device=device)
        """1.0 once something was not finite: no update is made from then on."""
        self._logs: dict[str, Tensor] = {}
        """(steps, members) each."""
        weights = [weight.requires_grad_() for weight in population.weights.values()]
        self._optimiser = torch.optim.AdamW(
            weights,
            lr=self._rate,
            betas=BETAS,
            weight_decay=objective.weight_decay,
            fused=True,
            capturable=device.type == "cuda",
        )
        # What torch.amp.GradScaler sets: a fused optimiser makes no update where it is 1.
        self._optimiser.found_inf = self._skip  # type: ignore[attr-defined]
        self._advance = Replay(self._take_step, device)

    def advance(self) -> None:
        """Take one step; on a GPU, without waiting for it."""
        if self.step == self._drawn:
            self._draw()
        self._advance()
        self.step += 1

    def _draw(self) -> None:
        """Bring the next block of draws to the device."""
        block = next(self._blocks)
        if not self._draws:
            sizes = [(self.steps, *part.shape[1:]) for part in block]
            device = self.population.device
            self._draws = [part.new_zeros(size, device=device) for part, size in zip(block, sizes, strict=True)]
        # Into memory that stays where it is: a recorded step reads it by its own counter.
        rows = slice(self._drawn, self._drawn + len(block[0]))
        for whole, part in zip(self._draws, block, strict=True):
            whole[rows] = part.to(whole.device)
        self._drawn = rows.stop

    def logs(self, since: int = 0) -> list[Logs]:
        """What each step after `since` did; waits for the device.

        They end before the first step in which a member's loss or gradient was not finite, if there is one: that update
        and all later ones were made for no member. `diverged` then tells what was found.
        """
        names = list(self._logs)
        tables = torch.stack([self._logs[name][since : self.step] for name in names]).tolist()
        found: list[Logs] = []
        for columns in zip(*tables, strict=True):
            now = dict(zip(names, columns, strict=True))
            if not all(map(math.isfinite, (*now["loss"], *now["gradient_norm"]))):
                text = f"the losses are {now['loss']} and their gradients' norms {now['gradient_norm']}"
                self.diverged = DivergenceError(text)
                break
            found.append([dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)])
        return found

    def _take_step(self) -> None:
        self._rate.copy_(self._rates.index_select(0, self._now)[0])
        drawn = tuple(each.index_select(0, self._now)[0] for each in self._draws)
        for name, values in take_step(self._objective, self.population, self._descend, drawn).items():
            if name not in self._logs:
                self._logs[name] = values.new_zeros(self.steps, len(values))
            self._logs[name].index_copy_(0, self._now, values.detach().unsqueeze(0))
        self._now += 1

    def _descend(self, losses: Tensor) -> Tensor:
        """One update of every member on its loss, (members,); each one's gradient norm before clipping, (members,)."""
        weights = list(self.population.weights.values())
        # Members share no weight: the gradient of the sum is each one's own.
        slopes = torch.autograd.grad(losses.sum(), weights)
        norms = torch.stack([slope.flatten(1).norm(dim=1) for slope in slopes]).norm(dim=0)
        finite = (norms.isfinite() & losses.detach().isfinite()).all()
        # Once 1, always 1: all later steps are skipped too.
        self._skip.copy_(torch.maximum(self._skip, (~finite).to(self._skip)))
        # As clip_grad_norm_ does for one.
        scale = (self._objective.gradient_norm / (norms + 1e-6)).clamp(max=1.0)
        for weight, slope in zip(weights, slopes, strict=True):
            # A fused optimiser reads a gradient in its weight's memory layout, whatever its own strides are.
            weight.grad = slope.contiguous().mul_(scale.view(-1, *(1 for _ in slope.shape[1:])))
        self._optimiser.step()
        return norms


def warm_start(
    population: Population, model: ModelConfig, config: WarmStartConfig, seeds: Sequence[int]
) -> PopulationTraining:
    """The population's `stage.warm_start`: its weights are overwritten by fresh ones, one member a seed."""
    population.load(stacked([dict(Policy(model, stream(seed, "init")).named_parameters()) for seed in seeds]))
    return PopulationTraining(
        population,
        WarmStart(config, population.weights["head.weight"]),
        demonstrations(config, seeds, in_processes=population.device.type == "cuda"),
    )


def rl_stage(
    population: Population,
    domain: str,
    config: GRPOConfig,
    seeds: Sequence[int],
    purpose: str,
    objective: type[GRPO] = GRPO,
) -> PopulationTraining:
    """The population's `stage.rl_stage`: trained in place, each member with the seed of its run.

    Args:
        population: where to start.
        domain: a key of DOMAINS.
        config: steps, rates and the rest; the same for all.
        seeds: of each member's run.
        purpose: tells this stage's random streams from those of other stages on the same domain.
        objective: GRPO, or what is built on it.
    """
    asked = objective(problems(domain_called(domain), "train"), config, population)
    generators = [stream(seed, domain, purpose, "rollout") for seed in seeds]
    return PopulationTraining(
        population,
        asked,
        ahead(asked, config.steps, generators),
    )
