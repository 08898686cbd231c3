"""Run directories: same seed, same bytes; whatever interrupts or damages a run, it ends as if nothing had happened."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny_run import TINY, Interrupted, Interrupter, content, finish, make_quick
from toymdrl.files import digest
from toymdrl.policy.model import ModelConfig
from toymdrl.runs.config import PRESETS
from toymdrl.runs.directory import RunDirectory, RunError
from toymdrl.runs.pipeline import (
    BASE,
    StageDivergedError,
    controls,
    everything,
    stage_config,
    stages,
    warm_start_file,
)
from toymdrl.training.pretrain import WarmStartConfig
from toymdrl.training.stage import Training, reinforce, warm_start


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """An uninterrupted run."""
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        return content(finish(tmp_path_factory.mktemp("whole")))


def test_the_same_seed_gives_the_same_bytes(whole: dict[str, bytes], tmp_path: Path) -> None:
    assert content(finish(tmp_path)) == whole
    other = content(finish(tmp_path, replace(TINY, seed=1)))
    assert other["base.safetensors"] != whole["base.safetensors"]
    assert other.keys() == whole.keys()


@pytest.mark.parametrize("stop", [1, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 20])
def test_a_run_stopped_after_any_step_ends_with_the_same_bytes(
    stop: int, whole: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        finish(tmp_path, observer=Interrupter(stop))
    assert content(finish(tmp_path)) == whole


@pytest.mark.parametrize("name", ["base", "math", "refresh-math-1", "refresh-qa-3"])
def test_a_run_stopped_right_after_a_checkpoint_ends_with_the_same_bytes(
    name: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        finish(tmp_path, observer=Interrupter(checkpoint=name))
    assert content(finish(tmp_path)) == whole


@pytest.mark.parametrize("write", range(1, 30, 2))
def test_a_run_stopped_before_any_write_ends_with_the_same_bytes(
    write: int, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = write
    replace_file = os.replace

    def fragile(*arguments: Path) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Interrupted
        replace_file(*arguments)

    monkeypatch.setattr(os, "replace", fragile)
    with pytest.raises(Interrupted):
        finish(tmp_path)
    assert content(finish(tmp_path)) == whole


@given(stop=st.integers(0, 5), kind=st.sampled_from(["warm start", "math"]))
def test_training_restored_anywhere_goes_on_identically(stop: int, kind: str) -> None:
    def begin() -> Training:
        start = warm_start(TINY.model, TINY.warm_start, 0)
        return (
            start if kind == "warm start" else reinforce(start.policy, "math", replace(TINY.grpo, steps=6), 0, "test")
        )

    through, before, after = begin(), begin(), begin()
    for _ in range(6):
        through.advance()
    for _ in range(stop):
        before.advance()
    after.restore({name: tensor.clone() for name, tensor in before.state().items()}, stop)
    while after.step < 6:
        after.advance()
    one, two = through.state(), after.state()
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_does_the_same_work(tmp_path: Path) -> None:
    config = replace(TINY, device="cuda")
    with pytest.raises(Interrupted):
        finish(tmp_path, config, Interrupter(9))
    assert len(finish(tmp_path, config).checkpoints) == 7


def test_a_warm_start_is_paid_for_once(tmp_path: Path) -> None:
    first = finish(tmp_path)
    longer = replace(TINY, grpo=replace(TINY.grpo, steps=5))
    observer = Interrupter()
    observer.begin = lambda stage, step: begun.append(stage.name)  # type: ignore[method-assign]
    begun: list[str] = []
    second = finish(tmp_path, longer, observer)
    assert BASE not in begun
    assert digest(second.load_checkpoint(BASE), {}) == digest(first.load_checkpoint(BASE), {})
    cached = warm_start_file(TINY, tmp_path)
    cached.write_bytes(cached.read_bytes()[:-1])
    third = finish(tmp_path, replace(TINY, grpo=replace(TINY.grpo, steps=3)))
    assert digest(third.load_checkpoint(BASE), {}) == digest(first.load_checkpoint(BASE), {})


def test_a_warm_start_is_another_ones_if_anything_differs(tmp_path: Path) -> None:
    changes = [{"seed": 1}, {"threads": 2}, {"warm_start": WarmStartConfig(steps=7, batch=8)}, {"model": ModelConfig()}]
    names = {warm_start_file(replace(TINY, **change), tmp_path) for change in [{}, *changes]}  # type: ignore[arg-type]
    assert len(names) == 5
    assert warm_start_file(replace(TINY, order=("qa",)), tmp_path) in names


def test_a_loss_that_is_not_finite_names_the_step(tmp_path: Path) -> None:
    with pytest.raises(StageDivergedError, match=r"math after step \d: .*last good state kept is .*lower --lr"):
        finish(tmp_path, replace(TINY, grpo=replace(TINY.grpo, learning_rate=1e30, anneal=False)))
    run = RunDirectory.open(next(tmp_path.glob("smoke-*")))
    assert [entry["name"] for entry in run.checkpoints] == ["base"]
    run.load_checkpoint("base")


def test_a_run_is_not_mixed_with_another_config_or_version(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        finish(tmp_path, observer=Interrupter(9))
    path = next(tmp_path.glob("smoke-*"))
    config = (path / "config.json").read_text()
    (path / "config.json").write_text(config.replace('"updates": 2', '"updates": 1'))
    with pytest.raises(RunError, match="was changed after the run began"):
        RunDirectory.open(path)
    (path / "config.json").write_text(config)
    results = (path / "results.json").read_text()
    (path / "results.json").write_text(results.replace('"schema": 1', '"schema": 2'))
    with pytest.raises(RunError, match="use the version that wrote it"):
        RunDirectory.open(path)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, TINY)
    with run.lock(), pytest.raises(RunError, match="another process"), RunDirectory.open(run.path).lock():
        pass
    with run.lock():
        pass


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no run"):
        RunDirectory.open(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunError, match="cannot be used"):
        RunDirectory.open(tmp_path)


def test_stages_of_the_presets() -> None:
    plan = stages(PRESETS["laptop"])
    assert [stage.name for stage in plan][:5] == ["base", "code", "math", "qa", "cw"]
    assert [(stage.name, stage.start) for stage in plan][5:] == [
        (f"refresh-{key}", "cw") for key in ("code", "math", "qa", "cw")
    ]
    others = controls(PRESETS["laptop"])
    assert [(stage.name, stage.start) for stage in others][:4] == [
        (f"expert-{key}", "base") for key in ("code", "math", "qa", "cw")
    ]
    (further,) = others[4:]
    assert (further.name, further.start, further.keeps) == ("further-math", "math", {3: "further-math-3"})
    assert stage_config(PRESETS["laptop"], further) == PRESETS["laptop"].refresh
    assert not controls(replace(PRESETS["laptop"], order=("qa",)))
    assert all(max(stage.keeps) == stage.steps for config in PRESETS.values() for stage in everything(config))
