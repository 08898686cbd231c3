"""Notebooks that agree with their sources."""

import json
from pathlib import Path

import pytest

from book.chapters import chapters, exercises
from book.measure import with_ratio
from book.notebooks import NOTEBOOKS, notebook, plain

CHAPTERS = {chapter.stem: chapter for chapter in chapters()}


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
