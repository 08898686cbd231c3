"""Tasks are done once, survive lost workers, and are measured anew when what they depend on changes."""

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from experiments import placebo, stage, tasks
from experiments.stage import seeds_of
from experiments.tasks import Task, TasksFailed, key_of, perform_all
from toymdrl.runs.config import PRESETS

TASKS = [Task.of("placebo", setting) for setting in placebo.settings("smoke", range(2))]


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tasks done in this process, one after the other."""
    out = tmp_path_factory.mktemp("tasks")
    for task in TASKS:
        task.perform(out)
    return out


def rows(out: Path) -> list[object]:
    return [task.row(out) for task in TASKS]


def kill_one_of(workers: list[int]) -> None:
    os.kill(workers[0], signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


def test_a_task_is_not_done_twice(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {file: file.stat().st_mtime_ns for file in (done / "rows").rglob("*.json")}
    assert len(before) == len(TASKS)
    assert all(task.perform(done) is not None for task in TASKS)
    assert before == {file: file.stat().st_mtime_ns for file in (done / "rows").rglob("*.json")}


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": "another", "row": {}}'])
def test_a_damaged_row_is_none(done: Path, tmp_path: Path, damage: str) -> None:
    file = TASKS[0].file(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text(TASKS[0].file(done).read_text())
    assert TASKS[0].row(tmp_path) == TASKS[0].row(done)
    file.write_text(damage)
    assert TASKS[0].row(tmp_path) is None


def test_a_key_depends_on_the_setting_and_on_all_that_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    key = TASKS[0].key
    assert key == key_of("placebo", dict(TASKS[0].setting))
    assert len({task.key for task in TASKS}) == len(TASKS)

    def run_of(setting: stage.Setting, out: Path) -> None:
        """Another text under the same name."""

    run_of.__module__ = "experiments.stage"
    monkeypatch.setattr(placebo, "run_of", run_of)
    assert key_of("placebo", TASKS[0].setting) != key


def test_a_key_depends_on_constants_and_presets_and_not_on_what_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    (setting,) = seeds_of("smoke", range(1))
    key = key_of("prediction", setting)
    module: ModuleType = tasks.question("prediction")
    monkeypatch.setattr(module, "page", lambda rows: [])
    assert key_of("prediction", setting) == key
    monkeypatch.setattr(module, "PROBE", 6)
    changed = key_of("prediction", setting)
    assert changed != key
    smoke = PRESETS["smoke"]
    monkeypatch.setitem(PRESETS, "smoke", replace(smoke, grpo=replace(smoke.grpo, steps=5)))
    assert key_of("prediction", setting) != changed


def test_a_task_of_other_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="sources have changed"):
        Task("placebo", TASKS[0].setting, "another key").perform(tmp_path)


def test_a_task_that_fails_leaves_the_others_done(done: Path, tmp_path: Path) -> None:
    broken = Task("placebo", TASKS[0].setting, "another key")
    finished: list[Task] = []
    with pytest.raises(TasksFailed, match="1 of 2 tasks failed, the first in placebo"):
        finished.extend(perform_all([broken, TASKS[1]], tmp_path, 1, None))
    assert TASKS[1].row(tmp_path) == TASKS[1].row(done)


def test_a_killed_worker_costs_nothing_that_was_done(done: Path, tmp_path: Path) -> None:
    finished: list[Task] = []
    for task in perform_all(TASKS, tmp_path, 2, None):
        if not finished:
            kill_one_of([child.pid for child in multiprocessing.active_children() if child.pid])
        finished.append(task)
    assert sorted(task.key for task in finished) == sorted(task.key for task in TASKS)
    assert rows(tmp_path) == rows(done)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    distributed = pytest.importorskip("dask.distributed")
    monkeypatch.setenv("PYTHONPATH", str(Path(tasks.__file__).parents[1]))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def test_a_dask_cluster_that_loses_a_worker_finds_the_same(done: Path, tmp_path: Path, cluster: str) -> None:
    distributed = pytest.importorskip("dask.distributed")
    finished: list[Task] = []
    written: dict[Path, int] = {}
    with distributed.Client(cluster) as client:
        for task in perform_all(TASKS, tmp_path, 1, cluster):
            if not finished:
                written = {file: file.stat().st_mtime_ns for file in (tmp_path / "rows").rglob("*.json")}
                kill_one_of(list(client.run(os.getpid).values()))
            finished.append(task)
    assert len(finished) == len(TASKS)
    assert rows(tmp_path) == rows(done)
    assert written
    assert all(file.stat().st_mtime_ns == then for file, then in written.items())


def test_rows_hold_their_setting_and_time(done: Path) -> None:
    stored = json.loads(TASKS[0].file(done).read_text())
    assert stored["setting"] == TASKS[0].setting
    assert stored["seconds"] > 0
