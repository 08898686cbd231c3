"""A cohort's runs get the files that each would get alone, and an interruption costs one stage."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.tiny_run import TINY, Interrupted, Interrupter
from toymdrl.parameters import read_parameters
from toymdrl.policy.model import DivergenceError, ModelConfig, Policy
from toymdrl.runs import cohort, pipeline
from toymdrl.runs.config import PRESETS, RunConfig
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.pipeline import StageDivergedError
from toymdrl.runs.plan import BASE, everything, stages
from toymdrl.runs.progress import Observer
from toymdrl.study import asking, claims
from toymdrl.study.stage import config_of, seeds_of, train_together
from toymdrl.study.tasks import Task
from toymdrl.training.draws import STEPS_A_BLOCK, demonstrations
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
    return {entry.checkpoint.name: read_parameters(run.load_policy(entry.checkpoint)) for entry in run.checkpoints}


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
            assert entry.scores == pytest.approx(own.scores, abs=1e-2)
        for line, own_line in zip(run.logged(), alone.logged(), strict=True):
            del line["seconds"], own_line["seconds"]
            scores, own_scores = line.pop("scores", {}), own_line.pop("scores", {})
            assert scores == pytest.approx(own_scores, abs=1e-2)
            assert (line.pop("stage"), line.pop("step")) == (own_line.pop("stage"), own_line.pop("step"))
            assert line == pytest.approx(own_line, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("stop", [Interrupter(30), Interrupter(61), Interrupter(63), Interrupter(checkpoint=BASE.name)])
def test_an_interruption_costs_one_stage(stop: Observer, together: list[RunDirectory], tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        cohort.execute(runs(tmp_path), stages(CONFIG), stop)
    again = runs(tmp_path)
    cohort.execute(again, stages(CONFIG), Observer())
    for run, whole in zip(again, together, strict=True):
        assert run.checkpoints == whole.checkpoints
        steps, whole_steps = ([(line["stage"], line["step"]) for line in each.logged()] for each in (run, whole))
        assert steps == whole_steps


def test_a_run_that_is_further_on_waits_for_the_others(tmp_path: Path) -> None:
    first, *others = runs(tmp_path)
    pipeline.execute(first, stages(CONFIG)[:2], Observer())
    before = first.checkpoints
    cohort.execute([first, *others], stages(CONFIG), Observer())
    assert first.checkpoints[: len(before)] == before
    assert [[entry.checkpoint.name for entry in run.checkpoints] for run in others] == [
        [entry.checkpoint.name for entry in first.checkpoints]
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
    assert [[entry.checkpoint.name for entry in run.checkpoints] for run in these] == [[BASE.name]] * len(SEEDS)


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


def never(crew: cohort._Crew) -> None:
    """A device that is done whenever it is asked: nothing is written meanwhile."""


def one_run(crew: cohort._Crew) -> None:
    """A device that is done as soon as one run's files are written."""
    if crew._unwritten and next(crew._unwritten[0], crew) is crew:
        crew._unwritten.popleft()


def test_what_was_trained_is_written_before_a_divergence_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cohort._Crew, "_write_meanwhile", never)
    sound, looked = cohort.by_member, 0

    def diverging(scored: torch.Tensor) -> cohort.Scores:
        """Not finite at the fourth look, which is the refresh's second."""
        nonlocal looked
        looked += 1
        return sound(scored if looked < 4 else scored * float("nan"))

    monkeypatch.setattr(cohort, "by_member", diverging)
    these = runs(tmp_path)
    with pytest.raises(StageDivergedError, match=r"^refresh-cw after step 3"):
        cohort.execute(these, stages(CONFIG), Observer())
    for run in these:
        again = RunDirectory.open(run.path)
        assert [entry.checkpoint.name for entry in again.checkpoints] == [BASE.name, "cw", "refresh-cw-1"]
        assert not again.keep_sound_checkpoints()


@pytest.mark.parametrize("writes", [never, one_run])
@pytest.mark.parametrize("steps", [30, 61, 63, 65])
def test_an_interruption_before_files_are_written_leaves_runs_that_go_on(
    writes: Callable[[cohort._Crew], None],
    steps: int,
    together: list[RunDirectory],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(cohort._Crew, "_write_meanwhile", writes)
        with pytest.raises(Interrupted):
            cohort.execute(runs(tmp_path), stages(CONFIG), Interrupter(steps))
    again = runs(tmp_path)
    cohort.execute(again, stages(CONFIG), Observer())
    for run, whole in zip(again, together, strict=True):
        assert run.checkpoints == whole.checkpoints


def test_processes_draw_what_one_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    config = WarmStartConfig(steps=STEPS_A_BLOCK + 20, batch=8)
    before = torch.get_rng_state()
    alone, shared = (list(demonstrations(config, SEEDS, in_processes=each)) for each in (False, True))
    assert [len(block[0]) for block in alone] == [STEPS_A_BLOCK, 20]
    for one, other in zip(alone, shared, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert torch.equal(before, torch.get_rng_state())


def test_a_seed_that_diverges_leaves_the_others_to_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def diverges(*_: object) -> None:
        raise StageDivergedError("qa after step 3: the losses are [nan]")

    monkeypatch.setattr(asking, "train_together", diverges)
    tasks = [Task.of(claims.QUESTION, setting) for setting in seeds_of("smoke", range(2))]
    asking._train_together(config_of(tasks[0].setting), tasks, tmp_path)
    assert "qa after step 3: the losses are [nan]; going on seed by seed" in capsys.readouterr().out
