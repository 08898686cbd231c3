"""Whatever damages a run's files, or kills it: it ends as if nothing had happened, or says what to do."""

import json
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.tiny_run import TINY, Interrupted, Interrupter, content, finish, make_quick
from toymdrl.files import CorruptFile, load_tensors, save_tensors
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.plan import checkpoint_named


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """An uninterrupted run."""
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        return content(finish(tmp_path_factory.mktemp("whole")))


@pytest.mark.parametrize("name", ["base", "math", "qa", "refresh-math-1", "refresh-qa-3"])
@pytest.mark.parametrize("damage", ["truncated", "emptied", "removed", "flipped", "exchanged"])
def test_a_damaged_checkpoint_is_named_and_made_again(
    name: str, damage: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    run = finish(tmp_path)
    file = run.checkpoint_file(checkpoint_named(name))
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
            file.write_bytes(other.checkpoint_file(checkpoint_named(name)).read_bytes())
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
    # Nothing that is sound is done again; lines of a log can be had again by training only.
    assert begun[0] == ("math" if file == "metrics.jsonl" else "qa")
    assert str(path) in observer.warnings[0]
    if file == "metrics.jsonl":  # but for the warm start's own, which a run that takes it from a cache has not either
        whole = dict(whole)
        mine, theirs = (
            [line for line in json.loads(files.pop("metrics")) if line["stage"] != "base"] for files in (after, whole)
        )
        assert mine == theirs
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


@pytest.mark.parametrize("step", ['"3"', "1.5", "NaN", 100_000 * "[" + 100_000 * "]"])
def test_a_log_entry_of_another_type_costs_work_not_truth(step: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    results = finish(tmp_path).path / "results.json"
    text = results.read_text()
    results.write_text(text.replace('"step": 4', f'"step": {step}', 1))
    assert content(finish(tmp_path)) == whole


def test_leftovers_of_a_kill_are_removed(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, TINY)
    leftover = run.path / "checkpoints" / "base.safetensors.writing-123"
    leftover.parent.mkdir()
    leftover.write_bytes(b"half")
    with run.lock():
        assert not leftover.exists()


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


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """A real process, killed outright and started again each time: it ends with the bytes of one left in peace.

    Five times; test_faults.py, run by hand, does it fifty.
    """
    script = (
        "import sys; from toymdrl.runs import pipeline; pipeline.SAVE_SECONDS = 0.2\n"
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
    while kills < 3:
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


def test_a_lost_history_of_sessions_is_said(tmp_path: Path) -> None:
    run = finish(tmp_path)
    run.record_session()
    assert not run.damage
    (run.path / "provenance.json").write_text("{")
    run.record_session()
    assert "where earlier sessions ran is lost" in run.damage[0]
    assert len(json.loads((run.path / "provenance.json").read_text())["sessions"]) == 1
