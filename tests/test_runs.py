"""Run directories: same seed, same bytes; whatever interrupts or damages a run, it ends as if nothing had happened."""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from toymdrl import pipeline
from toymdrl.claims import claims
from toymdrl.config import PRESETS, RunConfig
from toymdrl.domains import DOMAINS
from toymdrl.files import CorruptFile, digest, load_tensors, save_tensors
from toymdrl.grpo import GRPOConfig
from toymdrl.model import ModelConfig, Policy
from toymdrl.pipeline import BASE, Observer, Stage, StageDivergedError, execute, stages, warm_start_file
from toymdrl.pretrain import WarmStartConfig
from toymdrl.runs import RunDirectory, RunError
from toymdrl.training import Training, reinforce, warm_start

TINY = RunConfig(
    preset="smoke",
    order=("math", "qa"),
    threads=1,
    model=ModelConfig(layers=1, width=8, heads=1, neurons=8),
    warm_start=WarmStartConfig(steps=6, batch=8),
    grpo=GRPOConfig(steps=4, prompts=2, group=4, updates=2),
    refresh=GRPOConfig(steps=3, prompts=2, group=4, anneal=False),
    refresh_steps=(1, 3),
)


class Interrupted(Exception):
    """Stands for a kill."""


class Interrupter(Observer):
    """Stops a run after so many steps; remembers warnings."""

    def __init__(self, steps: int = 10**9, checkpoint: str = "") -> None:
        self.steps = steps
        self.at = checkpoint
        self.warnings: list[str] = []

    def checkpoint(self, name: str, scores: dict[str, float]) -> None:
        if name == self.at:
            raise Interrupted

    def step(self, stage: Stage, metrics: dict[str, float]) -> None:
        self.steps -= 1
        if self.steps == 0:
            raise Interrupted

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save after every step; score by a cheap stand-in that still depends on every weight."""
    monkeypatch.setattr(pipeline, "SAVE_SECONDS", -1.0)

    def evaluate(policy: Policy) -> dict[str, float]:
        total = sum(float(weight.detach().double().square().sum()) for weight in policy.parameters())
        return {key: total + index for index, key in enumerate(DOMAINS)}

    monkeypatch.setattr(pipeline, "evaluate", evaluate)


def finish(out: Path, config: RunConfig = TINY, observer: Observer | None = None) -> RunDirectory:
    run = RunDirectory.create(out, config)
    with run.lock():
        execute(run, stages(config), observer or Observer())
        run.write_results(claims(config, run.checkpoints, None))
    return run


def content(run: RunDirectory) -> dict[str, bytes]:
    """Bytes of all results, and of the log without its clock."""
    files = {path.name: path.read_bytes() for path in (run.path / "checkpoints").iterdir()}
    files["results.json"] = (run.path / "results.json").read_bytes()
    lines = [{k: v for k, v in line.items() if k != "seconds"} for line in run.metrics()]
    files["metrics"] = json.dumps(lines).encode()
    return files


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """An uninterrupted run."""
    with pytest.MonkeyPatch.context() as patch:
        quick.__wrapped__(patch)  # type: ignore[attr-defined]
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


@pytest.mark.parametrize("name", ["base", "math", "qa", "refresh-math-1", "refresh-qa-3"])
@pytest.mark.parametrize("damage", ["truncated", "emptied", "removed", "flipped", "exchanged"])
def test_a_damaged_checkpoint_is_named_and_made_again(
    name: str, damage: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    run = finish(tmp_path)
    file = run.checkpoint_file(name)
    data = bytearray(file.read_bytes())
    match damage:
        case "truncated":
            file.write_bytes(data[: len(data) // 2])
        case "emptied":
            file.write_bytes(b"")
        case "removed":
            file.unlink()
        case "flipped":
            data[-5] ^= 16
            file.write_bytes(data)
        case "exchanged":
            other = finish(tmp_path, replace(TINY, seed=1))
            file.write_bytes(other.checkpoint_file(name).read_bytes())
    observer = Interrupter()
    assert content(finish(tmp_path, observer=observer)) == whole
    (warning,) = observer.warnings
    assert str(file) in warning


@pytest.mark.parametrize("file", ["progress.safetensors", "results.json", "metrics.jsonl"])
@pytest.mark.parametrize("rest", [0, 10, 200])
def test_other_damaged_files_cost_work_not_truth(file: str, rest: int, whole: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        finish(tmp_path, observer=Interrupter(12))
    path = next(tmp_path.glob(f"smoke-*/{file}"))
    path.write_bytes(path.read_bytes()[:rest])
    observer = Interrupter()
    begun: list[str] = []
    observer.begin = lambda stage, step: begun.append(stage.name)  # type: ignore[method-assign]
    after = content(finish(tmp_path, observer=observer))
    assert begun[0] == "qa"  # nothing that is sound is done again
    if file != "metrics.jsonl":
        assert str(path) in observer.warnings[0]
    if file == "metrics.jsonl":
        after.pop("metrics")  # what was logged before is gone; nothing else is
        assert after == {name: data for name, data in whole.items() if name != "metrics"}
    else:
        assert after == whole


def test_the_state_of_another_run_is_not_taken_for_ones_own(whole: dict[str, bytes], tmp_path: Path) -> None:
    for config in (TINY, replace(TINY, seed=1)):
        with pytest.raises(Interrupted):
            finish(tmp_path, config, Interrupter(9))
    mine, other = (tmp_path / RunDirectory.name(config) for config in (TINY, replace(TINY, seed=1)))
    (mine / "progress.safetensors").write_bytes((other / "progress.safetensors").read_bytes())
    observer = Interrupter()
    assert content(finish(tmp_path, observer=observer)) == whole
    assert "another run's" in observer.warnings[0]


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


def test_leftovers_of_a_kill_are_removed(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, TINY)
    leftover = run.path / "checkpoints" / "base.safetensors.writing-123"
    leftover.parent.mkdir()
    leftover.write_bytes(b"half")
    with run.lock():
        assert not leftover.exists()


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


def test_tensors_survive_a_round_trip_and_damage_is_seen(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(3), "b": torch.tensor(1.5), "c": torch.zeros(0, dtype=torch.uint8)}
    stored = save_tensors(tmp_path / "t.safetensors", tensors, {"step": 3})
    loaded, about, again = load_tensors(tmp_path / "t.safetensors")
    assert about == {"step": 3}
    assert again == stored
    assert all(torch.equal(tensors[name], loaded[name]) for name in tensors)
    data = (tmp_path / "t.safetensors").read_bytes()
    for place in range(8, len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        (tmp_path / "t.safetensors").write_bytes(changed)
        with pytest.raises(CorruptFile):
            load_tensors(tmp_path / "t.safetensors")


def test_stages_of_the_presets() -> None:
    plan = stages(PRESETS["laptop"])
    assert [stage.name for stage in plan][:5] == ["base", "code", "math", "qa", "cw"]
    assert [(stage.name, stage.start) for stage in plan][5:] == [
        (f"refresh-{key}", "cw") for key in ("code", "math", "qa", "cw")
    ]
    assert all(max(stage.keeps) == stage.steps for config in PRESETS.values() for stage in stages(config))


def test_killed_at_ten_random_moments(tmp_path: Path) -> None:
    """A real process, killed outright and started again each time: it ends with the bytes of one left in peace."""
    script = (
        "import sys; from toymdrl import pipeline; pipeline.SAVE_SECONDS = 0.2\n"
        "from toymdrl.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    setting = [
        "run",
        "--preset",
        "smoke",
        "--order",
        "math",
        "qa",
        "--threads",
        "1",
        "--no-analysis",
        "--quiet",
        "--out",
    ]

    def start(out: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", script, *setting, str(tmp_path / out)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def outcome(out: str) -> dict[str, bytes]:
        return content(RunDirectory.open(next((tmp_path / out).glob("smoke-*"))))

    began = time.monotonic()
    assert start("whole").wait(timeout=300) == 0
    duration = time.monotonic() - began
    moments = random.Random(0)
    kills = attempts = 0
    while kills < 10:
        process = start(f"killed-{attempts}")
        try:
            process.wait(timeout=moments.uniform(0.1, 0.9) * duration)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        else:
            assert process.returncode == 0
            assert outcome(f"killed-{attempts}") == outcome("whole")
            attempts += 1
    assert start(f"killed-{attempts}").wait(timeout=300) == 0
    assert outcome(f"killed-{attempts}") == outcome("whole")
