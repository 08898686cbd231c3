"""Many seeds at once: policies of one shape trained as one batched program, each as if it were alone.

A tiny model leaves a GPU idle; several, stacked, keep it busy. Every member has its own weights, prompts, random stream
and gradient clipping, so its result is that of its own run, up to the rounding of batched products.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from toymdrl import grpo
from toymdrl.domains import DOMAINS, problems
from toymdrl.grpo import GRPOConfig
from toymdrl.model import DivergenceError, Policy
from toymdrl.rollout import Forward, Rollout, answer_log_policy, decode, grade
from toymdrl.streams import stream
from toymdrl.training import BETAS, copy_policy

Weights = dict[str, Tensor]
"""Parameters by name, each (members, …)."""


class Population:
    """GRPO on one domain for several policies; the population's `training.reinforce`."""

    def __init__(
        self, policies: Sequence[Policy], domain: str, config: GRPOConfig, seeds: Sequence[int], purpose: str
    ) -> None:
        """Start from copies of the policies.

        Args:
            policies: one a member, of one shape and on one device.
            domain: a key of DOMAINS.
            config: steps, rates and the rest; the same for all.
            seeds: of each member's run.
            purpose: tells this stage's random streams from those of other stages on the same domain.
        """
        self.step, self.config = 0, config
        self._shape = copy_policy(policies[0])
        stacked, _ = stack_module_state(list(policies))
        self.weights: Weights = {name: each.detach().clone().requires_grad_() for name, each in stacked.items()}
        self._reference = {name: each.detach().clone() for name, each in stacked.items()}
        device = policies[0].head.weight.device
        self._generators = [stream(seed, domain, purpose, "rollout", device=device) for seed in seeds]
        self._train = problems(DOMAINS[domain], "train")
        self._optimiser = torch.optim.AdamW(self.weights.values(), lr=0.0, betas=BETAS, weight_decay=0.0, fused=True)

    def _member(self, weights: Weights) -> Forward:
        """One member's forward pass."""
        return lambda *inputs, **options: functional_call(self._shape, weights, inputs, options)

    def members(self) -> list[Policy]:
        """The policies as they are now."""
        found = []
        for index in range(len(self._generators)):
            policy = copy_policy(self._shape).requires_grad_(True)
            policy.load_state_dict({name: weight[index].detach().clone() for name, weight in self.weights.items()})
            found.append(policy)
        return found

    @torch.no_grad()
    def _sample(self) -> tuple[Tensor, ...]:
        """Prompts, answers, mask, log-probabilities and rewards, (members, prompts, …) each."""
        device = self._generators[0].device
        length, group = self._train.domain.answer_length, self.config.group
        drawn = []
        for generator in self._generators:
            rows = torch.randperm(len(self._train), generator=generator, device=device)[: self.config.prompts].cpu()
            these = self._train.subset(rows)
            drawn.append((these, torch.rand(len(these), group, length, generator=generator, device=device)))
        prompts = torch.stack([these.prompts for these, _ in drawn]).to(device)
        levels = torch.stack([level for _, level in drawn])
        run = vmap(lambda weights, prompt, level: decode(self._member(weights), prompt, level))
        answers, mask, logprobs = run(self.weights, prompts, levels)
        if not math.isfinite(float(logprobs.sum())):
            raise DivergenceError("a member's logits are not finite")
        rewards = torch.stack([grade(these, answer) for (these, _), answer in zip(drawn, answers, strict=True)])
        return prompts, answers, mask, logprobs, rewards

    def advance(self) -> Tensor:
        """Take one step; the mean reward of each member, (members,).

        Raises:
            DivergenceError: a member's logits, loss or gradient is not finite; no member has been updated.
        """
        config = self.config
        for settings in self._optimiser.param_groups:
            settings["lr"] = grpo.learning_rate(config, self.step)
        batch = self._sample()

        def one(weights: Weights, prompts: Tensor, answers: Tensor) -> Tensor:
            return answer_log_policy(self._member(weights), prompts, answers)

        log_policy: Callable[..., Tensor] = vmap(one)
        log_reference = None
        if config.kl > 0:
            with torch.no_grad():
                log_reference = log_policy(self._reference, batch[0], batch[1])

        def loss(log_policy: Tensor, log_reference: Tensor | None, *parts: Tensor) -> Tensor:
            return grpo.loss(log_policy, Rollout(*parts), config, log_reference)

        for _ in range(config.updates):
            dims = (0, None if log_reference is None else 0, *(0 for _ in batch))
            losses = vmap(loss, in_dims=dims)(log_policy(self.weights, batch[0], batch[1]), log_reference, *batch)
            self._optimiser.zero_grad(set_to_none=True)
            losses.sum().backward()
            self._clip(losses)
            self._optimiser.step()
        self.step += 1
        return batch[-1].mean(dim=(1, 2))

    def _clip(self, losses: Tensor) -> None:
        """Scale each member's gradient to the largest norm that is allowed, as clip_grad_norm_ does for one."""
        slopes = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        norms = torch.stack([slope.flatten(1).norm(dim=1) for slope in slopes]).norm(dim=0)
        if not math.isfinite(float(norms.sum() + losses.detach().sum())):
            raise DivergenceError(f"the losses are {losses.tolist()} and their gradients' norms {norms.tolist()}")
        scale = (self.config.gradient_norm / (norms + 1e-6)).clamp(max=1.0)
        for slope in slopes:
            slope.mul_(scale.view(-1, *(1 for _ in slope.shape[1:])))
