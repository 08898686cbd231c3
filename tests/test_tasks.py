"""Tasks are done once, survive lost workers, and are measured anew when what they depend on changes."""

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from toymdrl import rows as rows_on_disk
from toymdrl.runs.config import PRESETS
from toymdrl.settings import ConfigError
from toymdrl.sourcecode import PACKAGE
from toymdrl.study.asking import reproduce
from toymdrl.study.page import MEANINGLESS
from toymdrl.study.questions import file_of, load
from toymdrl.study.tasks import Task, TasksFailed, key_of, perform_all

PLACEBO = load(file_of("placebo"))
TASKS = [Task.of(PLACEBO, setting) for setting in PLACEBO.settings("smoke", range(2))]


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
    file = TASKS[0].row_file(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text(TASKS[0].row_file(done).read_text())
    assert TASKS[0].row(tmp_path) == TASKS[0].row(done)
    file.write_text(damage)
    assert TASKS[0].row(tmp_path) is None


MINE = '''"""Does it work?"""
TITLE = "Mine"
SECONDS = 1.0
FACTOR = {"a": 2}
WORDS = "told"

def settings(preset, seeds):
    return [{"preset": preset, "seed": seed} for seed in seeds]

def _double(value):
    """Twice as much."""
    return FACTOR["a"] * value

def measure(setting, out):
    return {"x": _double(setting["seed"])}

def page(rows):
    return [WORDS]
'''


def key_with(tmp_path: Path, old: str, new: str) -> str:
    """The key of a question of one's own with a change in it."""
    assert old in MINE
    file = tmp_path / f"mine{len(list(tmp_path.glob('mine*')))}.py"
    file.write_text(MINE.replace(old, new), encoding="utf-8")
    return key_of(load(file), {"preset": "smoke", "seed": 0})


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Does it work?", "It does.", True),
        ("Twice as much.", "Doubled.", True),
        ('"told"', '"said"', True),
        ("return [WORDS]", "return [WORDS, WORDS]", True),
        ("FACTOR = {", "# why\nFACTOR = {  ", True),
        ('TITLE = "Mine"', 'TITLE = "My own"', True),
        ('{"a": 2}', '{"a": 3}', False),
        ("* value", "+ value", False),
        ('"x"', '"y"', False),
    ],
)
def test_a_key_depends_on_what_is_measured_and_not_on_what_is_told(
    old: str, new: str, same: bool, tmp_path: Path
) -> None:
    unchanged = key_with(tmp_path, "", "")
    assert (key_with(tmp_path, old, new) == unchanged) == same


def test_a_question_of_ones_own_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE, encoding="utf-8")
    out = tmp_path / "out"
    told = reproduce(seeds=range(1, 3), workers=1, chosen=[], asked=[str(file)], out=out, preset="smoke")
    assert told == [MEANINGLESS]
    assert [row["x"] for row in rows_on_disk.read(out, "mine").rows] == [2, 4]
    page = (out / "REPRODUCTION.md").read_text(encoding="utf-8")
    assert "## Mine\n\n*Does it work?*" in page
    assert page.endswith("told\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("x = 1\n", "it lacks TITLE"), ("import nonsense_of_nobody\n", "No module named"), (None, "is not there")],
)
def test_a_file_that_is_no_question_is_refused(text: str | None, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "no_question.py"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=problem):
        reproduce(seeds=range(2), workers=1, chosen=[], asked=[str(file)], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_key_depends_on_the_setting_and_the_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    key, setting = TASKS[0].key, TASKS[0].setting
    assert key == key_of(PLACEBO, dict(setting))
    assert len({task.key for task in TASKS}) == len(TASKS)
    smoke = PRESETS["smoke"]
    monkeypatch.setitem(PRESETS, "smoke", replace(smoke, grpo=replace(smoke.grpo, steps=5)))
    assert key_of(PLACEBO, setting) != key


def test_another_rival_is_measured_alone(tmp_path: Path) -> None:
    """An arm is a function and a line: the rows of all others stay valid."""
    file = file_of("rivals")
    more = tmp_path / "more.py"
    text = file.read_text(encoding="utf-8")
    text = text.replace(
        "@dataclass(frozen=True)\nclass Arm:",
        'def nothing(start: Start) -> Scores:\n    """No repair."""\n    return evaluate(start.last)\n\n\n'
        "@dataclass(frozen=True)\nclass Arm:",
    )
    text = text.replace("ARMS = {\n", 'ARMS = {\n    "nothing": Arm("nothing", nothing),\n')
    more.write_text(text, encoding="utf-8")
    now, then = load(more), load(file)
    before = {json.dumps(setting): key_of(then, setting) for setting in then.settings("smoke", range(2))}
    after = {json.dumps(setting): key_of(now, setting) for setting in now.settings("smoke", range(2))}
    assert {key: after[key] for key in before} == before
    assert [json.loads(key)["arm"] for key in after.keys() - before.keys()] == ["nothing"] * 2


def test_a_task_of_other_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="sources have changed"):
        Task(TASKS[0].file, TASKS[0].setting, "another key").perform(tmp_path)


def test_a_task_that_fails_leaves_the_others_done(done: Path, tmp_path: Path) -> None:
    broken = Task(TASKS[0].file, TASKS[0].setting, "another key")
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
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE.parent))
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
    stored = json.loads(TASKS[0].row_file(done).read_text())
    assert stored["setting"] == TASKS[0].setting
    assert stored["seconds"] > 0
