"""A cohort's runs get the files that each would get alone, and an interruption costs one stage."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments.stage import config_of, seeds_of, train_together
from tests.tiny_run import TINY, Interrupted, Interrupter
from toymdrl.parameters import read
from toymdrl.policy.model import DivergenceError, ModelConfig, Policy
from toymdrl.runs import cohort, pipeline
from toymdrl.runs.config import PRESETS, RunConfig
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.pipeline import BASE, Observer, StageDivergedError, everything, stages
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.population import Population
from toymdrl.training.pretrain import WarmStartConfig

# Warm enough to earn rewards in CW: without any, gradients are rounding errors, which Adam makes large.
CONFIG = replace(
    TINY,
    order=("cw",),
    model=ModelConfig(layers=1, width=16, heads=2, neurons=16),
    warm_start=WarmStartConfig(steps=60, batch=64),
    grpo=GRPOConfig(steps=2, prompts=16),
    refresh=GRPOConfig(steps=3, prompts=16, anneal=False),
)
SEEDS = (3, 4, 5)


def runs(out: Path, config: RunConfig = CONFIG) -> list[RunDirectory]:
    return [RunDirectory.create(out, replace(config, seed=seed)) for seed in SEEDS]


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    return {entry["name"]: read(pipeline.load_policy(run, entry["name"])) for entry in run.checkpoints}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> list[RunDirectory]:
    found = runs(tmp_path_factory.mktemp("together"))
    cohort.execute(found, stages(CONFIG), Observer())
    return found


def test_every_run_is_as_alone(together: list[RunDirectory], tmp_path: Path) -> None:
    for run, alone in zip(together, runs(tmp_path), strict=True):
        pipeline.execute(alone, stages(alone.config), Observer())
        torch.testing.assert_close(weights(run), weights(alone), rtol=1e-4, atol=1e-4)
        for entry, own in zip(run.checkpoints, alone.checkpoints, strict=True):
            assert entry["scores"] == pytest.approx(own["scores"], abs=1e-2)
        for line, own_line in zip(run.metrics.lines(), alone.metrics.lines(), strict=True):
            del line["seconds"], own_line["seconds"]
            scores, own_scores = line.pop("scores", {}), own_line.pop("scores", {})
            assert scores == pytest.approx(own_scores, abs=1e-2)
            assert (line.pop("stage"), line.pop("step")) == (own_line.pop("stage"), own_line.pop("step"))
            if line.keys() != own_line.keys():  # a warm start alone does not log its gradient's norm
                del line["gradient_norm"]
            assert line == pytest.approx(own_line, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("stop", [Interrupter(30), Interrupter(61), Interrupter(63), Interrupter(checkpoint=BASE)])
def test_an_interruption_costs_one_stage(stop: Observer, together: list[RunDirectory], tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        cohort.execute(runs(tmp_path), stages(CONFIG), stop)
    again = runs(tmp_path)
    cohort.execute(again, stages(CONFIG), Observer())
    for run, whole in zip(again, together, strict=True):
        assert run.checkpoints == whole.checkpoints
        steps, whole_steps = ([(line["stage"], line["step"]) for line in each.metrics.lines()] for each in (run, whole))
        assert steps == whole_steps


def test_a_run_that_is_further_on_waits_for_the_others(tmp_path: Path) -> None:
    first, *others = runs(tmp_path)
    pipeline.execute(first, stages(CONFIG)[:2], Observer())
    before = list(first.checkpoints)
    cohort.execute([first, *others], stages(CONFIG), Observer())
    assert first.checkpoints[: len(before)] == before
    assert [[entry["name"] for entry in run.checkpoints] for run in others] == [
        [entry["name"] for entry in first.checkpoints]
    ] * len(others)


def test_runs_that_differ_in_more_than_their_seed_are_refused(tmp_path: Path) -> None:
    one, two = (RunDirectory.create(tmp_path, each) for each in (CONFIG, replace(CONFIG, evaluate_every=3)))
    with pytest.raises(ValueError, match="one by one"):
        cohort.execute([one, two], stages(CONFIG), Observer())


def test_a_loss_that_is_not_finite_stops_the_cohort_and_keeps_what_was_done(tmp_path: Path) -> None:
    wild = replace(CONFIG, grpo=replace(CONFIG.grpo, learning_rate=1e20, steps=50))
    these = runs(tmp_path, wild)
    with pytest.raises(StageDivergedError, match=r"^cw after step \d+: .*lower --lr"):
        cohort.execute(these, stages(wild), Observer())
    assert [[entry["name"] for entry in run.checkpoints] for run in these] == [[BASE]] * len(SEEDS)


def test_a_score_that_is_not_finite_is_none() -> None:
    policies = [Policy(CONFIG.model), Policy(CONFIG.model)]
    with torch.no_grad():
        policies[1].head.weight.fill_(float("nan"))
    with pytest.raises(DivergenceError, match="scores"):
        cohort.by_member(cohort.scoring(Population(policies))())


def test_the_runs_of_settings_are_trained_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "smoke", CONFIG)
    settings = seeds_of("smoke", range(3, 5), device="cpu")
    train_together(settings, tmp_path, Observer())
    begun = Interrupter()
    for setting in settings:
        run = RunDirectory.create(tmp_path / "runs", config_of(setting))
        with run.lock():
            cohort.train(run, everything(run.config), begun)
    assert begun.steps == 10**9  # nothing was left to do


def test_files_of_earlier_stages_are_written_before_a_divergence_is_told(tmp_path: Path) -> None:
    wild = replace(CONFIG, refresh=replace(CONFIG.refresh, learning_rate=1e20))
    these = runs(tmp_path, wild)
    with pytest.raises(StageDivergedError, match=r"^refresh-cw after step \d+"):
        cohort.execute(these, stages(wild), Observer())
    for run in these:
        again = RunDirectory.open(run.path)
        names = [entry["name"] for entry in again.checkpoints]
        assert names[:2] == [BASE, "cw"]
        assert not again.keep_sound_checkpoints()
