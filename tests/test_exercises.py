"""The course's exercises: the course's own answers are right, nothing else is, and each wrong answer gets one line."""

import ast
import inspect
import sys
from collections.abc import Iterator
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from book.chapters import chapters, exercises
from tests.mutate import _breaks, _source_with
from tests.wrong_answers import SURVIVORS, WRONG
from toymdrl.course.exercises import EXERCISES, exercise
from toymdrl.course.exercises.base import Exercise, array, number, numbers, tensor
from toymdrl.course.verdict import judge

IMPORTS = "import math\n\nimport numpy as np\nimport torch\n"
NUMBERS = [each.number for each in EXERCISES]


def answer(this: Exercise, code: str) -> Any:
    """What code leaves under the exercise's name, run among the imports that every chapter has."""
    names: dict[str, Any] = {}
    exec(compile(IMPORTS + code, "an answer", "exec"), names)
    return names[this.name]


@pytest.mark.parametrize("which", NUMBERS)
def test_the_courses_own_answer_is_right_and_has_hints(which: str) -> None:
    this = exercise(which)
    found = judge(this, this.own)
    assert found.kind == "right", found.advice
    assert len(this.hints) >= 2


@pytest.mark.parametrize("which", NUMBERS)
def test_a_wrong_answer_gets_one_line_that_helps(which: str) -> None:
    this = exercise(which)
    for code, advice in WRONG[which]:
        found = judge(this, answer(this, code))
        assert found.kind in ("wrong", "crashed"), code
        assert advice in found.advice, f"{code}\n{found.advice}"
        assert "\n" not in found.advice


def mutants(this: Exercise) -> Iterator[tuple[str, str]]:
    """Every way to break the course's own answer in one place, and its source then."""
    tree = ast.parse(inspect.getsource(this.solution))
    for node, how, become in _breaks(tree):
        yield f"{this.number}: {how} {ast.unparse(node)}", _source_with(tree, node, become)


@pytest.mark.parametrize("which", NUMBERS)
def test_no_mutant_of_the_courses_own_answer_is_right(which: str) -> None:
    this = exercise(which)
    survived = []
    for name, source in mutants(this):
        names = dict(vars(sys.modules[this.solution.__module__]))
        exec(compile(source, "a mutant", "exec"), names)
        try:
            mutant = names[this.name]() if this.value else names[this.name]
        except Exception:
            continue
        if judge(this, mutant).kind == "right":
            survived.append(name)
    assert sorted(survived) == sorted(name for name in SURVIVORS if name.startswith(f"{which}: "))


def test_wrong_answers_are_of_exercises_that_there_are() -> None:
    assert sorted(WRONG) == sorted(NUMBERS)
    for numbered in WRONG.values():
        assert numbered


def test_every_exercise_of_a_chapter_has_its_module_and_the_other_way_round() -> None:
    found = [each for chapter in chapters() for each in exercises(chapter)]
    assert sorted(each.number for each in found) == sorted(NUMBERS)
    for each in found:
        this = exercise(each.number)
        (defined,) = ast.parse(each.blank).body
        if isinstance(defined, ast.FunctionDef):
            assert defined.name == this.name
            assert [argument.arg for argument in defined.args.args] == list(inspect.signature(this.solution).parameters)
        assert each.check == f'{this.name} = check("{each.number}", {this.name})'


@pytest.mark.parametrize("blank", [None, ..., lambda x: None, lambda x: ...])
def test_blank_is_blank(blank: Any) -> None:
    found = judge(exercise("3.1"), blank)
    assert found.kind == "blank"
    assert found.answer is exercise("3.1").own


def test_not_implemented_is_blank_too() -> None:
    def later(rewards: Any) -> Any:
        raise NotImplementedError

    assert judge(exercise("3.1"), later).kind == "blank"


@pytest.mark.parametrize("raised", [ZeroDivisionError("no"), SystemExit(3), RecursionError("deep"), AssertionError()])
def test_whatever_an_answer_raises_it_has_crashed(raised: BaseException) -> None:
    def broken(rewards: Any) -> Any:
        raise raised

    found = judge(exercise("3.1"), broken)
    assert found.kind == "crashed"
    assert type(raised).__name__ in found.advice
    assert "raise raised" in found.advice  # the line of the reader's own code


def test_numbers_come_in_many_types() -> None:
    for each in (
        2,
        2.0,
        np.float32(2),
        np.array(2.0),
        np.array([2.0]),
        torch.tensor(2.0),
        torch.tensor([2.0]),
        True + 1,
    ):
        assert number(each) == 2.0
    assert numbers((torch.tensor(1.0, requires_grad=True), np.float64(2))) == (1.0, 2.0)
    assert torch.equal(tensor([[1, 2]]), torch.tensor([[1, 2]]))
    assert array(torch.ones(2, requires_grad=True)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("make", "given", "advice"),
    [
        (number, torch.ones(3), "one number, not"),
        (number, "two", "of type str"),
        (number, None, "`return` missing"),
        (numbers, 3.0, "several numbers"),
        (tensor, "abc", "a tensor, not"),
        (array, object(), "an array of numbers, not"),
    ],
)
def test_what_is_no_number_is_told_so(make: Any, given: Any, advice: str) -> None:
    with pytest.raises(AssertionError, match=advice):
        make(given)


def test_a_notebook_shows_one_line_and_no_traceback() -> None:
    """In a real kernel, as a learner sees it: every recorded wrong answer to every exercise."""
    cells = [f"{IMPORTS}\nfrom toymdrl.course import check, hint, solution"]
    expected = []
    for which, wrongs in WRONG.items():
        for code, advice in wrongs:
            cells.append(f'{code}\ncheck("{which}", {exercise(which).name})')
            expected.append(advice)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, allow_errors=True, timeout=120, kernel_name="python3").execute()
    for cell, advice in zip(notebook.cells[1:], expected, strict=True):
        (shown,) = cell.outputs
        assert shown.ename == "Wrong", cell.source
        (line,) = shown.traceback
        assert advice in line
        assert "\n" not in line
