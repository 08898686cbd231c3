"""Notebooks that agree with their sources; and, in chapters whose exercises have no module yet, every exercise."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

from book.chapters import Exercise, cells, chapters, exercises
from book.measure import with_ratio
from book.notebooks import NOTEBOOKS, notebook, plain

CHAPTERS = {chapter.stem: chapter for chapter in chapters()}
WRONG = {
    # by exercise: a typical wrong answer, and a part of the message that should help
    "9.1": ("def spacing(w):\n    return abs(w) * 2.0**-7", "same from one power of two"),
    "9.2": (
        "def unchanged(before, after):\n    return float(((after - before).bfloat16() == 0).double().mean())",
        "compare what is *stored*",
    ),
    "9.3": ("def frozen_from(step):\n    return step / 512", "solve it for"),
    "10.1": (
        "def interval(values):\n"
        "    half = 1.96 * np.std(values, ddof=1) / len(values) ** 0.5\n"
        "    return np.mean(values), np.mean(values) - half, np.mean(values) + half",
        "1.96 is for large samples",
    ),
    "10.2": (
        "def sign_flip(differences):\n"
        "    signs = list(product((1, -1), repeat=len(differences)))\n"
        "    return np.mean([np.mean(np.multiply(s, differences)) >= np.mean(differences) - 1e-12 for s in signs])",
        "two-sided",
    ),
    "10.3": (
        'def verdict(values, above):\n    return "met" if np.mean(values) > above else "not met"',
        "nobody knows yet",
    ),
    "10.4": ("def holm(p):\n    return [min(1.0, len(p) * each) for each in p]", "the next one by one less"),
    "11.1": (
        'claim = {"claim": "B harms A at second order", "measured": "the loss of A in nats",\n'
        '         "control": "a random step of that length", "band": lambda actual, first, second: True}',
        "the band must say so",
    ),
    "11.2": (
        "def undone_by_top(module, after_a, after_b, k):\n"
        "    return 1 - off_the_top(module, after_a, after_b, k)\n"
        "def off_the_top(module, after_a, after_b, k):\n"
        "    return 0.0",
        "one minus it",
    ),
}


def unconverted(stem: str) -> list[Exercise]:
    """A chapter's exercises that hold their own answers; the others are in test_exercises.py."""
    return [exercise for exercise in exercises(CHAPTERS[stem]) if exercise.solution]


@pytest.fixture(scope="module")
def names(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a chapter's set-up cells define."""
    mpl.use("Agg")
    defined: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells(CHAPTERS[request.param]):
        if "setup" in cell.tags:
            exec(compile(cell.text, request.param, "exec"), defined)
    return defined


def answered(exercise: Exercise, names: dict[str, Any], *code: str) -> str:
    """What some cells print after a chapter's set-up."""
    defined, printed = dict(names), io.StringIO()
    with contextlib.redirect_stdout(printed):
        for each in code:
            exec(compile(each, f"exercise {exercise.number}", "exec"), defined)
    return printed.getvalue()


@pytest.mark.parametrize("names", [stem for stem in CHAPTERS if unconverted(stem)], indirect=True)
def test_exercises_blank_solved_and_wrong(names: dict[str, Any], request: pytest.FixtureRequest) -> None:
    for exercise in unconverted(request.node.callspec.params["names"]):
        assert "is blank" in answered(exercise, names, exercise.blank, exercise.check)
        right = f"Exercise {exercise.number}: right."
        assert right in answered(exercise, names, exercise.blank, exercise.check, exercise.solution)
        pasted = re.sub(r"^\w+ = check\(.*\)$", "", exercise.solution, flags=re.M)
        if "def " in pasted:
            assert right in answered(exercise, names, pasted, exercise.check)
        wrong, hint = WRONG[exercise.number]
        with pytest.raises(AssertionError, match=f"Exercise {exercise.number}") as error:
            answered(exercise, names, wrong, exercise.check)
        assert hint in str(error.value)


@pytest.mark.parametrize("stem", CHAPTERS)
def test_a_chapter_numbers_its_exercises(stem: str) -> None:
    numbers = [exercise.number for exercise in exercises(CHAPTERS[stem])]
    assert len(numbers) >= 2
    assert numbers == [f"{int(stem[:2])}.{index}" for index in range(1, len(numbers) + 1)]


@pytest.mark.parametrize("stem", CHAPTERS)
def test_the_notebook_is_the_source(stem: str) -> None:
    made = notebook(CHAPTERS[stem])
    assert (NOTEBOOKS / f"{stem}.ipynb").read_text(encoding="utf-8") == made, "run `python -m book.notebooks`"
    assert '"outputs": [\n' not in made


def test_boxes_and_links_become_plain_markdown() -> None:
    text = ":::{admonition} T1\n:class: theorem\nSee [this](../theory/a.py) and [2](02_transformer.md).\n:::"
    assert plain(text) == "> **T1**\n>\n> See [this](../../theory/a.py) and [2](02_transformer.ipynb)."
    folded = plain(":::{dropdown} Answer\nNo.\n:::")
    assert folded == "<details><summary><b>Answer</b></summary>\n\nNo.\n\n</details>"
    assert plain("::::{dropdown} Answer\n:::{dropdown} In it\nNo.\n:::\n::::").count("</details>") == 2


def test_directives_become_lines() -> None:
    assert plain(":::{solution} 3.1\n:::").startswith('*Stuck? `hint("3.1")` gives a first step')
    assert plain(":::{drawing} compass\n:::") == "(`compass??` shows how this is drawn.)"
    assert plain("{.small}\n*Checked by `a.py`.*") == "*Checked by `a.py`.*"


def test_notebooks_hold_no_answers_and_no_checks_of_the_text(tmp_path: Path) -> None:
    chapter = tmp_path / "99_test.md"
    cell = "```{code-cell} python\n:tags: [%s]\n%s\n```\n"
    text = (cell % ("prose, remove-cell", "says('x', 1)"), cell % ("check, remove-output", 'a = check("3.1", a)'))
    chapter.write_text("\n".join([*text, ":::{solution} 3.1\n:::"]), encoding="utf-8")
    made = json.loads(notebook(chapter))["cells"]
    assert [each["cell_type"] for each in made] == ["code", "markdown"]
    assert made[0]["source"] == ['a = check("3.1", a)']
    assert "jupyter" not in made[0]["metadata"]


def test_a_ratio_is_written_into_the_second_line() -> None:
    for line in (
        "*35 minutes · 42 s of computing · needs x*",
        "*35 minutes · computes as long as 1 smoke run · needs x*",
    ):
        assert with_ratio(line, 3.8) == "*35 minutes · computes as long as 4 smoke runs · needs x*"
        assert with_ratio(line, 0.9) == "*35 minutes · computes as long as 1 smoke run · needs x*"
        assert "as 12 smoke runs" in with_ratio(line, 12.4)
    with pytest.raises(ValueError, match="smoke runs"):
        with_ratio("35 minutes", 1)


def test_the_chapters_leave_no_markup_in_the_notebooks() -> None:
    for stem in CHAPTERS:
        text = (NOTEBOOKS / f"{stem}.ipynb").read_text(encoding="utf-8")
        assert ":::" not in text
        assert "{admonition}" not in text
        assert "{.small}" not in text
