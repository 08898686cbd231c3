"""A population is many single runs at once: every member ends where its own run does."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch

from toymdrl import grpo, population, training
from toymdrl.grpo import GRPOConfig
from toymdrl.model import DivergenceError, ModelConfig, Policy
from toymdrl.parameters import read
from toymdrl.population import PopulationTraining
from toymdrl.pretrain import WarmStartConfig
from toymdrl.training import Training, reinforce

SEEDS = (3, 4, 5)
CONFIG = GRPOConfig(steps=4, prompts=8, group=4)
MODEL = ModelConfig(layers=1, width=16, heads=2, neurons=16)
WARM_START = WarmStartConfig(60, 64)


@cache
def warm(seed: int) -> Training:
    """Knows enough to earn rewards: without any, gradients are rounding errors, which Adam makes large."""
    stage = training.warm_start(MODEL, WARM_START, seed)
    for _ in range(stage.steps):
        stage.advance()
    return stage


def start(seed: int) -> Policy:
    return copy.deepcopy(warm(seed).policy).double()


def starts() -> list[Policy]:
    return [start(seed) for seed in SEEDS]


def together(policies: Sequence[Policy], config: GRPOConfig = CONFIG) -> PopulationTraining:
    return population.reinforce(policies, "cw", config, SEEDS, "test")


@pytest.mark.parametrize(
    "config",
    [CONFIG, replace(CONFIG, kl=0.0, anneal=False), replace(CONFIG, updates=2, gradient_norm=0.01, advantage="zscore")],
    ids=["preset", "no reference", "clipped"],
)
def test_every_member_equals_its_own_run(config: GRPOConfig) -> None:
    all_ = together(starts(), config)
    alone = [reinforce(policy, "cw", config, seed, "test") for policy, seed in zip(starts(), SEEDS, strict=True)]
    for _ in range(config.steps):
        for ours, theirs in zip(all_.advance(), [each.advance() for each in alone], strict=True):
            assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)
            assert theirs["reward"] > 0
    for member, each in zip(all_.population.policies(), alone, strict=True):
        torch.testing.assert_close(read(member), read(each.policy), rtol=1e-6, atol=1e-9)


def test_every_warm_start_equals_its_own() -> None:
    all_ = population.warm_start(MODEL, WARM_START, SEEDS)
    first = all_.advance()
    for seed, member, log in zip(SEEDS, all_.population.policies(), first, strict=True):
        alone = training.warm_start(MODEL, WARM_START, seed)
        assert log == pytest.approx(alone.advance(), rel=1e-5)
        # Adam's first step is a rate's length in the direction of each slope's sign, which rounding decides near zero.
        near = (read(member) - read(alone.policy)).abs() < 1e-5
        assert near.float().mean() > 0.99
    while all_.step < all_.steps:
        last = all_.advance()
    assert all(log["loss"] < 0.7 * before["loss"] for log, before in zip(last, first, strict=True))


def test_members_are_trained_apart() -> None:
    changed = starts()
    changed[0] = start(99)
    one, two = together(starts()), together(changed)
    for _ in range(CONFIG.steps):
        one.advance()
        two.advance()
    for index, (mine, other) in enumerate(zip(one.population.policies(), two.population.policies(), strict=True)):
        assert torch.equal(read(mine), read(other)) == (index > 0)


def test_a_member_that_diverges_stops_all_before_an_update() -> None:
    bad = starts()
    with torch.no_grad():
        bad[1].head.weight.fill_(float("nan"))
    stage = together(bad)
    before = {name: weight.detach().clone() for name, weight in stage.population.weights.items()}
    with pytest.raises(DivergenceError, match="not finite"):
        stage.advance()
    for name, weight in stage.population.weights.items():
        torch.testing.assert_close(before[name], weight, equal_nan=True)


def test_a_loss_that_is_not_finite_stops_all_before_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = together(starts())
    before = {name: weight.detach().clone() for name, weight in stage.population.weights.items()}
    sound = grpo.loss
    monkeypatch.setattr(grpo, "loss", lambda *arguments: sound(*arguments) * float("inf"))
    with pytest.raises(DivergenceError, match="gradients' norms"):
        stage.advance()
    assert all(torch.equal(weight, stage.population.weights[name]) for name, weight in before.items())
