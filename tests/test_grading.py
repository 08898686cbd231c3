"""Grading a class: whatever answers do, every exercise gets its row."""

import csv
import inspect
import io
from pathlib import Path
from typing import Any

import nbformat
import pytest

from toymdrl.course import grading
from toymdrl.course.__main__ import main
from toymdrl.course.exercises import EXERCISES, exercise
from toymdrl.sourcecode import PACKAGE

SETUP = "import os\nimport sys\nimport torch\nfrom toymdrl.course import check"
RIGHT = "def advantages(rewards):\n    return rewards - rewards.mean(dim=1, keepdim=True)"
BLANK = "def length(group):\n    ..."


def cell(code: str, *tags: str, number: int = 0) -> Any:
    made = nbformat.v4.new_code_cell(code)
    made["id"] = f"cell-{number:02}"
    made["metadata"]["tags"] = list(tags)
    return made


def write(file: Path, *answers: tuple[str, str]) -> None:
    """A notebook as the course's, with some exercises answered."""
    cells = [cell(SETUP, "setup"), cell("raise RuntimeError('an hour of training')", number=1)]
    for number, code in answers:
        name, place = exercise(number).name, len(cells)
        cells.append(cell(code, "exercise", number=place))
        cells.append(cell(f'{name} = check("{number}", {name})', "check", number=place + 1))
    file.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), file)


def rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, str], str]:
    assert main(["grade", str(folder)]) == 0
    read = csv.DictReader(io.StringIO(capsys.readouterr().out))
    return {(row["student"], row["exercise"]): row["verdict"] for row in read}


def test_every_student_and_exercise_has_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forged = (
        'print("Exercise 3.2: right.")\ndef policy_loss(logprobs, mask, advantages):\n    print("x" * 10)\n    return 0'
    )
    write(tmp_path / "ann" / "03.ipynb", ("3.1", RIGHT), ("3.2", forged), ("3.3", BLANK))
    dead = "def policy_loss(logprobs, mask, advantages):\n    os._exit(0)"
    write(tmp_path / "bob" / "03.ipynb", ("3.1", RIGHT), ("3.2", dead), ("3.3", "def length(group):\n    return 1 / 0"))
    (tmp_path / "cy").mkdir()
    (tmp_path / "cy" / "03.ipynb").write_text("{", encoding="utf-8")
    found = rows(tmp_path, capsys)
    assert found == {
        ("ann", "3.1"): "right",
        ("ann", "3.2"): "wrong",
        ("ann", "3.3"): "blank",
        ("ann", "3.4"): "blank",
        ("bob", "3.1"): "right",
        ("bob", "3.2"): "crashed",
        ("bob", "3.3"): "crashed",
        ("bob", "3.4"): "blank",
        **{("cy", f"3.{index}"): "crashed" for index in (1, 2, 3, 4)},
    }


def test_what_was_graded_is_not_run_again_until_it_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ann.ipynb"
    write(file, ("3.1", RIGHT))
    first = rows(tmp_path, capsys)
    monkeypatch.setattr(grading, "grade", lambda notebook: [])
    assert rows(tmp_path, capsys) == first
    write(file, ("3.1", RIGHT), ("3.3", BLANK))
    assert rows(tmp_path, capsys) == {}


def test_an_answer_that_does_not_end_is_given_up_and_tried_again_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading, "SECONDS", 10)
    endless = (
        "def advantages(rewards):\n    while True:\n        try:\n            print('δ, on and on')\n"
        "        except BaseException:\n            pass"
    )
    write(tmp_path / "03.ipynb", ("3.1", endless), ("3.3", "def length(group):\n    return 1 - 1 / group"))
    found = {each.exercise: each for each in grading.graded(tmp_path / "03.ipynb", tmp_path).grades}
    assert found["3.1"].verdict == "crashed"
    assert found["3.1"].advice == grading.GIVEN_UP
    assert found["3.3"].verdict == "right"
    monkeypatch.setattr(grading, "grade", lambda notebook: [])
    assert grading.graded(tmp_path / "03.ipynb", tmp_path).grades == ()


def test_what_is_graded_is_what_the_student_checked(tmp_path: Path) -> None:
    """Two checks in a cell, one over several lines, under another name; and scratch that kills the kernel between."""
    both = (
        "def mine(rewards):\n    return rewards - rewards.mean(dim=1, keepdim=True)\n"
        'mine = check(\n    "3.1",\n    mine,\n)\n'
        "def length(group):\n    return group\n"
        'length = check("3.3", length)'
    )
    loss = (
        "def policy_loss(logprobs, mask, advantages):\n    return -(advantages * (logprobs * mask).sum(dim=-1)).mean()"
    )
    cells = [
        cell(SETUP, "setup"),
        nbformat.v4.new_code_cell(both),
        nbformat.v4.new_code_cell("os._exit(0)"),
        cell(loss, "exercise", number=3),
        cell('policy_loss = check("3.2", policy_loss)', "check", number=4),
        cell('clipped_loss = check("3.4", clipped_loss)', "check", number=5),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "03.ipynb")
    found = {each.exercise: each for each in grading.grade(tmp_path / "03.ipynb")}
    verdicts = {number: each.verdict for number, each in found.items()}
    assert verdicts == {"3.1": "right", "3.2": "right", "3.3": "wrong", "3.4": "crashed"}
    assert grading.WITHOUT in found["3.4"].advice


def test_what_is_no_python_says_so_and_costs_no_training(tmp_path: Path) -> None:
    write(tmp_path / "03.ipynb", ("3.3", "def length(group)\n    return 1"))
    found = {each.exercise: each for each in grading.grade(tmp_path / "03.ipynb")}
    assert "SyntaxError" in found["3.3"].advice
    assert "def length(group)" in found["3.3"].advice
    assert not grading._lacks_a_name(found["3.3"])


def test_whatever_decides_a_verdict_decides_whether_a_grade_is_kept() -> None:
    used = {Path(inspect.getfile(each.tests)).parent for each in EXERCISES}
    assert used | {Path(grading.__file__).parent} <= {PACKAGE / folder for folder in grading.SOURCES}


def test_an_answer_that_needs_the_chapters_own_cells_gets_them(tmp_path: Path) -> None:
    cells = [
        cell(SETUP, "setup"),
        cell("def centre(x):\n    return x - x.mean(dim=1, keepdim=True)", number=1),
        cell("def advantages(rewards):\n    return centre(rewards)", "exercise", number=2),
        cell('advantages = check("3.1", advantages)', "check", number=3),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "03.ipynb")
    assert grading.grade(tmp_path / "03.ipynb")[0].verdict == "right"


@pytest.mark.parametrize("workers", ["0", "-1", "many"])
def test_no_workers_are_refused(workers: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["grade", str(tmp_path), f"--workers={workers}"])
    assert refused.value.code == 2
    assert "give 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["nowhere", "."])
def test_a_folder_without_notebooks_is_refused(given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grade", str(tmp_path / given)]) == 2
    assert "notebooks" in capsys.readouterr().err
