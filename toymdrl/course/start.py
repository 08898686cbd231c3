"""The policy that every chapter starts from, and training from there in a line.

The warm start that comes with the package is checkpoint `base` of `toymdrl run`, laptop preset, seed 0. Its file holds
its own SHA-256, and is made anew, in half a minute, by

    python -m toymdrl.course
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from toymdrl.files import load_tensors
from toymdrl.policy.model import Policy, copy_policy
from toymdrl.policy.scores import evaluate
from toymdrl.runs.config import PRESETS
from toymdrl.runs.machine import prepare
from toymdrl.streams import stream
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.stage import rl_stage

LAPTOP = PRESETS["laptop"]
FILE = Path(__file__).parent / "warm-start.safetensors"


def warm_start() -> Policy:
    """A copy of the policy before any RL; sets torch to one thread.

    So the course's numbers repeat, and no browser or call beside it makes two threads wait for each other.

    Raises:
        CorruptFile: the package's file is damaged.
    """
    prepare(replace(LAPTOP, threads=1))
    policy = Policy(LAPTOP.model, stream("course"))
    with torch.no_grad():
        for name, weight in load_tensors(FILE)[0].items():
            policy.get_parameter(name)[: len(weight)] = weight  # a token added since keeps the row drawn for it
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
    seed: int = 0,
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
        watch: called with the policy after every `every` steps.
        every: see `watch`.
    """
    config = replace(LAPTOP.grpo, steps=steps, learning_rate=learning_rate)
    return _advanced(start, domain, config, seed, "stage", watch, every)


def refresh(
    start: Policy, domain: str, *, steps: int = 3, seed: int = 0, watch: Callable[[Policy], None] | None = None
) -> Policy:
    """A copy of a policy after a short refresh of a domain: few steps, 128 prompts each, at a constant rate."""
    return _advanced(start, domain, replace(LAPTOP.refresh, steps=steps), seed, "refresh", watch, 1)


def _advanced(
    start: Policy,
    domain: str,
    config: GRPOConfig,
    seed: int,
    purpose: str,
    watch: Callable[[Policy], None] | None,
    every: int,
) -> Policy:
    stage = rl_stage(copy_policy(start).requires_grad_(True), domain, config, seed, purpose)
    return stage.finish(lambda policy: watch(policy) if watch and stage.step % every == 0 else None)
