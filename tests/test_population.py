"""A population is many single runs at once: every member ends where its own run does."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch

from toymdrl.parameters import read_parameters
from toymdrl.policy.model import DivergenceError, ModelConfig, Policy
from toymdrl.training import grpo, population
from toymdrl.training import stage as training
from toymdrl.training.baseline import RunningBaseline
from toymdrl.training.grpo import GRPO, GRPOConfig
from toymdrl.training.population import Population, PopulationTraining
from toymdrl.training.pretrain import WarmStartConfig
from toymdrl.training.stage import Training, rl_stage

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


def together(
    policies: Sequence[Policy], config: GRPOConfig = CONFIG, objective: type[GRPO] = GRPO
) -> PopulationTraining:
    return population.rl_stage(Population(policies), "cw", config, SEEDS, "test", objective)


def finished(stage: PopulationTraining) -> PopulationTraining:
    while stage.step < stage.steps:
        stage.advance()
    return stage


@pytest.mark.parametrize(
    ("config", "objective"),
    [
        (CONFIG, GRPO),
        (replace(CONFIG, kl=0.0, anneal=False), GRPO),
        (replace(CONFIG, updates=2, gradient_norm=0.01, advantage="zscore"), GRPO),
        (replace(CONFIG, advantage="rloo"), GRPO),
        (CONFIG, RunningBaseline),
    ],
    ids=["preset", "no reference", "clipped", "rloo", "running baseline"],
)
def test_every_member_equals_its_own_run(config: GRPOConfig, objective: type[GRPO]) -> None:
    all_ = together(starts(), config, objective)
    alone = []
    for policy, seed in zip(starts(), SEEDS, strict=True):
        alone.append(rl_stage(policy, "cw", config, seed, "test", objective))
    for logs in finished(all_).logs():
        for ours, theirs in zip(logs, [each.advance() for each in alone], strict=True):
            assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)
            assert theirs["reward"] > 0
    for member, each in zip(all_.population.policies(), alone, strict=True):
        torch.testing.assert_close(read_parameters(member), read_parameters(each.policy), rtol=1e-6, atol=1e-9)


def test_every_warm_start_equals_its_own() -> None:
    all_ = population.warm_start(Population([Policy(MODEL) for _ in SEEDS]), MODEL, WARM_START, SEEDS)
    all_.advance()
    (first,) = all_.logs()
    for seed, member, log in zip(SEEDS, all_.population.policies(), first, strict=True):
        alone = training.warm_start(MODEL, WARM_START, seed)
        assert log == pytest.approx(alone.advance(), rel=1e-5)
        # Adam's first step is a rate's length in the direction of each slope's sign, which rounding decides near zero.
        near = (read_parameters(member) - read_parameters(alone.policy)).abs() < 1e-5
        assert near.float().mean() > 0.99
    (last,) = finished(all_).logs(WARM_START.steps - 1)
    assert all(log["loss"] < 0.7 * before["loss"] for log, before in zip(last, first, strict=True))


def test_members_are_trained_apart() -> None:
    changed = starts()
    changed[0] = start(99)
    one, two = finished(together(starts())), finished(together(changed))
    for index, (mine, other) in enumerate(zip(one.population.policies(), two.population.policies(), strict=True)):
        assert torch.equal(read_parameters(mine), read_parameters(other)) == (index > 0)


def test_a_member_that_diverges_stops_all_before_an_update() -> None:
    bad = starts()
    with torch.no_grad():
        bad[1].head.weight.fill_(float("nan"))
    stage = together(bad)
    before = stage.population.copy()
    assert finished(stage).logs() == []
    assert isinstance(stage.diverged, DivergenceError)
    for name, weight in stage.population.weights.items():
        torch.testing.assert_close(before[name], weight, equal_nan=True)


@pytest.mark.parametrize("bad", [0, 1, 3])
def test_a_loss_that_is_not_finite_stops_all_before_its_update(bad: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = together(starts(), replace(CONFIG, steps=bad, anneal=False)) if bad else None
    stage = together(starts(), replace(CONFIG, anneal=False))
    real = grpo.loss
    for step in range(CONFIG.steps):
        if step == bad:
            monkeypatch.setattr(grpo, "loss", lambda *arguments: real(*arguments) * float("inf"))
        stage.advance()
        monkeypatch.setattr(grpo, "loss", real)  # what comes after is finite again: it must not be taken either
    assert len(stage.logs()) == bad
    assert "gradients' norms" in str(stage.diverged)
    expected = finished(sound).population.weights if sound else population.stacked(parameters(starts()))
    assert all(torch.equal(weight, expected[name]) for name, weight in stage.population.weights.items())


def parameters(policies: Sequence[Policy]) -> list[dict[str, torch.Tensor]]:
    return [dict(policy.named_parameters()) for policy in policies]


def test_logs_go_on_where_they_were_read() -> None:
    stage, whole = together(starts()), finished(together(starts())).logs()
    stage.advance()
    found = stage.logs()
    while stage.step < stage.steps:
        stage.advance()
    assert found + stage.logs(1) == whole
    assert len(whole) == CONFIG.steps
