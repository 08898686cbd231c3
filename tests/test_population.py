"""A population is many single runs at once: every member ends where its own run does."""

import copy
from dataclasses import replace
from functools import cache

import pytest
import torch

from toymdrl.grpo import GRPOConfig
from toymdrl.model import DivergenceError, ModelConfig, Policy
from toymdrl.parameters import read
from toymdrl.population import Population
from toymdrl.pretrain import WarmStartConfig
from toymdrl.training import Training, reinforce, warm_start

SEEDS = (3, 4, 5)
CONFIG = GRPOConfig(steps=4, prompts=8, group=4)


@cache
def warm(seed: int) -> Training:
    """Knows enough to earn rewards: without any, gradients are rounding errors, which Adam makes large."""
    training = warm_start(ModelConfig(layers=1, width=16, heads=2, neurons=16), WarmStartConfig(60, 64), seed)
    for _ in range(training.steps):
        training.advance()
    return training


def start(seed: int) -> Policy:
    return copy.deepcopy(warm(seed).policy).double()


def starts() -> list[Policy]:
    return [start(seed) for seed in SEEDS]


@pytest.mark.parametrize(
    "config",
    [CONFIG, replace(CONFIG, kl=0.0, anneal=False), replace(CONFIG, updates=2, gradient_norm=0.01, advantage="zscore")],
    ids=["preset", "no reference", "clipped"],
)
def test_every_member_equals_its_own_run(config: GRPOConfig) -> None:
    population = Population(starts(), "cw", config, SEEDS, "test")
    alone = [reinforce(policy, "cw", config, seed, "test") for policy, seed in zip(starts(), SEEDS, strict=True)]
    for _ in range(config.steps):
        rewards = population.advance()
        single = torch.tensor([each.advance()["reward"] for each in alone], dtype=rewards.dtype)
        torch.testing.assert_close(rewards, single)
        assert single.all()
    for member, each in zip(population.members(), alone, strict=True):
        torch.testing.assert_close(read(member), read(each.policy), rtol=1e-6, atol=1e-9)


def test_members_are_trained_apart() -> None:
    together = Population(starts(), "cw", CONFIG, SEEDS, "test")
    changed = starts()
    changed[0] = start(99)
    other = Population(changed, "cw", CONFIG, SEEDS, "test")
    for _ in range(CONFIG.steps):
        together.advance()
        other.advance()
    for index, (one, two) in enumerate(zip(together.members(), other.members(), strict=True)):
        assert torch.equal(read(one), read(two)) == (index > 0)


def test_a_member_that_diverges_stops_all_before_an_update() -> None:
    bad = starts()
    broken = copy.deepcopy(bad[1])
    with torch.no_grad():
        broken.head.weight.fill_(float("nan"))
    bad[1] = broken
    population = Population(bad, "cw", CONFIG, SEEDS, "test")
    before = [weight.clone() for weight in population.weights.values()]
    with pytest.raises(DivergenceError, match="not finite"):
        population.advance()
    for old, new in zip(before, population.weights.values(), strict=True):
        torch.testing.assert_close(old, new, equal_nan=True)
