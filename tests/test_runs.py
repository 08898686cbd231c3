"""Run directories: same seed, same bytes; whatever interrupts or damages a run, it ends as if nothing had happened."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny_run import TINY, Interrupted, Interrupter, content, finish, make_quick
from toymdrl.domains import DOMAINS
from toymdrl.files import digest
from toymdrl.policy.model import ModelConfig
from toymdrl.runs.config import PRESETS
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.pipeline import StageDivergedError, warm_start_file
from toymdrl.runs.plan import BASE, Checkpoint, checkpoint_named, controls, stages
from toymdrl.runs.results import RunError
from toymdrl.training.baseline import RunningBaseline
from toymdrl.training.grpo import GRPO
from toymdrl.training.pretrain import WarmStartConfig
from toymdrl.training.stage import Training, rl_stage, warm_start

KEYS = st.sampled_from(list(DOMAINS))
SHARES = st.sampled_from([0.0005, 0.001, 0.01, 0.05, 0.2])


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


@given(stop=st.integers(0, 5), kind=st.sampled_from([None, GRPO, RunningBaseline]))
def test_training_restored_anywhere_goes_on_identically(stop: int, kind: type[GRPO] | None) -> None:
    def begin() -> Training:
        start = warm_start(TINY.model, TINY.warm_start, 0)
        if kind is None:
            return start
        return rl_stage(start.policy, "math", replace(TINY.grpo, steps=6), 0, "test", kind)

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
    assert BASE.name not in begun
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
    assert [entry.checkpoint.name for entry in run.checkpoints] == ["base"]
    run.load_checkpoint(BASE)


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
    domains = ("code", "math", "qa", "cw")
    plan = stages(PRESETS["laptop"])
    assert [stage.name for stage in plan][:5] == ["base", *domains]
    end = Checkpoint("stage", "cw")
    assert [(stage.name, stage.start) for stage in plan][5:] == [(f"refresh-{key}", end) for key in domains]
    others = controls(PRESETS["laptop"])
    assert [(stage.name, stage.start) for stage in others][:4] == [(f"expert-{key}", BASE) for key in domains]
    (further,) = others[4:]
    assert (further.name, further.start) == ("further-math", Checkpoint("stage", "math"))
    assert dict(further.checkpoints()) == {3: Checkpoint("further", "math", steps=3)}
    assert further.settings == PRESETS["laptop"].refresh
    assert not controls(replace(PRESETS["laptop"], order=("qa",)))


KINDS = st.one_of(
    st.just(BASE),
    st.builds(lambda key: Checkpoint("stage", key), KEYS),
    st.builds(lambda key: Checkpoint("expert", key), KEYS),
    st.builds(lambda key, steps: Checkpoint("refresh", key, steps=steps), KEYS, st.integers(1)),
    st.builds(lambda key, steps: Checkpoint("further", key, steps=steps), KEYS, st.integers(1)),
    st.builds(lambda key, share: Checkpoint("rollback", key, share=share), KEYS, SHARES),
)


@given(KINDS, KINDS)
def test_a_checkpoints_name_tells_it_from_all_others(one: Checkpoint, other: Checkpoint) -> None:
    assert checkpoint_named(one.name) == one
    assert (one.name == other.name) == (one == other)


@pytest.mark.parametrize("name", ["", "a-", "refresh-3", "expert-math-3", "refresh-math-03", "further-math"])
def test_a_name_of_no_checkpoint_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no checkpoint is called"):
        checkpoint_named(name)
