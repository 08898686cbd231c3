"""The course's run, checkpoint by checkpoint, and training from any policy in a line.

The checkpoints that come with the package are those of `toymdrl run --threads 1`, the laptop preset on seed 0: the same
numbers as in its report. Shipped, they are the same on every machine; trained anew elsewhere, the last bits of the
first sums differ, and after a thousand steps the weights do. A file holds its own SHA-256. All are made by

    python -m toymdrl.course train
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from toymdrl.domains import domain_called
from toymdrl.files import load_tensors
from toymdrl.policy.model import Policy, copy_policy
from toymdrl.policy.scores import evaluate
from toymdrl.runs.config import PRESETS
from toymdrl.runs.machine import prepare
from toymdrl.settings import ConfigError
from toymdrl.streams import stream
from toymdrl.training.grpo import GRPO, GRPOConfig
from toymdrl.training.stage import rl_stage

LAPTOP = replace(PRESETS["laptop"], threads=1)
"""The course's run. One thread: two would wait for whatever runs beside the notebook, and add in another order."""
RUN = Path(__file__).parent / "run"
Signal = Callable[[Tensor], Tensor]
"""Advantages (prompts, group) of rewards (prompts, group)."""


def warm_start() -> Policy:
    """A copy of the policy before any RL; sets torch to one thread.

    Raises:
        CorruptFile: the package's file is damaged.
    """
    return _checkpoint("base")


def after(domain: str) -> Policy:
    """A copy of the course's policy after a domain's stage, in the order Code, Math, QA, CW; sets torch to one thread.

    Args:
        domain: "code", "math", "qa" or "cw".

    Raises:
        ConfigError: there is no such domain.
        CorruptFile: the package's file is damaged.
    """
    if domain_called(domain).key not in LAPTOP.order:
        raise ConfigError(f"the course's run has no stage of {domain!r}; choose from {', '.join(LAPTOP.order)}")
    return _checkpoint(domain)


def _checkpoint(name: str) -> Policy:
    prepare(LAPTOP)
    policy = Policy(LAPTOP.model, stream("course"))
    with torch.no_grad():
        for key, weight in load_tensors(RUN / f"{name}.safetensors")[0].items():
            policy.get_parameter(key)[: len(weight)] = weight  # a token added since keeps the row drawn for it
    return policy


def scores(policy: Policy) -> dict[str, float]:
    """100 x exact expected reward on unseen prompts, by domain."""
    return evaluate(policy)


def train(
    start: Policy,
    domain: str,
    *,
    steps: int = LAPTOP.grpo.steps,
    learning_rate: float = LAPTOP.grpo.learning_rate,
    seed: int = LAPTOP.seed,
    kl: float = LAPTOP.grpo.kl,
    signal: Signal | None = None,
    watch: Callable[[Policy], None] | None = None,
    every: int = 1,
) -> Policy:
    """A copy of a policy after one stage of GRPO, by default the laptop preset's.

    Args:
        start: left as it is.
        domain: "math", "code", "qa" or "cw".
        steps: GRPO steps; the learning rate falls linearly to zero over them.
        learning_rate: its peak.
        seed: another seed, another stage.
        kl: weight of the penalty that keeps the policy near `start`.
        signal: advantages of your own, from the rewards of each batch of answers.
        watch: called with the policy after every `every` steps.
        every: see `watch`.
    """
    config = replace(LAPTOP.grpo, steps=steps, learning_rate=learning_rate, kl=kl)
    return _advanced(start, domain, config, seed, "stage", watch, every, _following(signal) if signal else GRPO)


def refresh(
    start: Policy,
    domain: str,
    *,
    steps: int = 3,
    seed: int = LAPTOP.seed,
    watch: Callable[[Policy], None] | None = None,
) -> Policy:
    """A copy of a policy after a short refresh of a domain: few steps, 128 prompts each, at a constant rate."""
    return _advanced(start, domain, replace(LAPTOP.refresh, steps=steps), seed, "refresh", watch, 1)


def _following(signal: Signal) -> type[GRPO]:
    """GRPO that follows other advantages."""

    class Following(GRPO):
        def signal(self, rewards: Tensor) -> Tensor:
            return signal(rewards)

    return Following


def _advanced(
    start: Policy,
    domain: str,
    config: GRPOConfig,
    seed: int,
    purpose: str,
    watch: Callable[[Policy], None] | None,
    every: int,
    objective: type[GRPO] = GRPO,
) -> Policy:
    stage = rl_stage(copy_policy(start).requires_grad_(True), domain, config, seed, purpose, objective)
    return stage.finish(lambda policy: watch(policy) if watch and stage.step % every == 0 else None)
