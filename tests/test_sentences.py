"""Sentences held against cells: what holds passes, what does not gives one line; no result goes unchecked."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from book.chapters import REPORT, chapters
from book.prose import Untrue, defines, faults, says

CHAPTERS = {chapter.stem: chapter for chapter in (*chapters(), REPORT)}


@given(st.floats(-1e4, 1e4), st.integers(0, 3))
def test_a_number_as_rounding_prints_it_is_true(value: float, digits: int) -> None:
    says(f"Math loses {value:.{digits}f} points", value)


@given(st.floats(-1e4, 1e4), st.integers(0, 3), st.sampled_from([-1, 1]))
def test_a_number_one_digit_off_is_untrue(value: float, digits: int, sign: int) -> None:
    printed = round(value, digits) + sign * 2 * 10.0**-digits
    with pytest.raises(Untrue, match="the cells give"):
        says(f"Math loses {printed:.{digits}f} points", value)


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(-100, 100))
def test_bounds(value: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    if low <= value <= high:
        says("about ten points", value, low, high)
    else:
        with pytest.raises(Untrue):
            says("about ten points", value, low, high)


@pytest.mark.parametrize("value", [True, np.True_, torch.tensor(True)])
def test_what_is_so_may_be_said(value: object) -> None:
    says("QA harms Math most", value)


@pytest.mark.parametrize("value", [False, np.False_, torch.tensor(False)])
def test_what_is_not_so_may_not(value: object) -> None:
    with pytest.raises(Untrue, match="QA harms Math most"):
        says("QA harms Math most", value)


def test_one_number_however_it_is_written() -> None:
    says("a 166,208-dimensional loss", torch.tensor(166208))
    says("−2.5 points", np.float32(-2.5))
    defines("50 steps")
    with pytest.raises(Untrue):
        says("about 2 points", float("nan"), 0, 4)
    with pytest.raises(ValueError, match="2 numbers"):
        says("3 steps undo 91 % of it", 91.0)


def chapter(folder: Path, text: str, code: str) -> Path:
    """A chapter of one sentence and one hidden cell."""
    file = folder / "99_test.md"
    file.write_text(f"{text}\n\n```{{code-cell}} python\n:tags: [prose, remove-cell]\n{code}\n```\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "text",
    [
        "Math loses\n9.8 points.",
        "It undoes 91 % of it.",
        "It costs 3 points.",
        "It costs ten points.",
        "It is three\ntimes as long.",
        "Half per cent of it, and five per cent of that.",
        "The factor is 0.87.",
        "| a | b |\n|---|---|\n| Math | 9.8 |",
    ],
)
def test_a_result_that_no_cell_answers_for_is_found(tmp_path: Path, text: str) -> None:
    (fault, *_) = faults(chapter(tmp_path, text, "x = 1"))
    assert "is checked by no cell" in fault


@pytest.mark.parametrize(
    "text",
    [
        "Take $x = 0.5$, `clip = 0.2` and\n\n$$\n1.5\n$$",
        "[arXiv 2606.02398](https://arxiv.org/abs/2606.02398), arXiv 2402.03300",
        "*35 minutes · computes as long as 4.5 smoke runs · needs nothing*",
        ":::{admonition} Exercise 3.1 · easy · 3 minutes\nSee Exercise 3.3 and chapter 4.\n:::",
        ":::{solution} 3.1\n:::",
        "```sh\npip install x==1.2\n```",
        "| a 0.5 | b |\n|---|---|\n| Math | QA |",
        "After 3 steps, 128 prompts each.",
    ],
)
def test_what_is_no_result_needs_no_cell(tmp_path: Path, text: str) -> None:
    assert faults(chapter(tmp_path, text, "x = 1")) == []


def test_a_phrase_covers_its_results_across_lines_and_markup(tmp_path: Path) -> None:
    text = "Math loses\n*9.8* points, and takes 0.001 as a rate."
    assert faults(chapter(tmp_path, text, 'says("loses *9.8* points", 9.8)\ndefines("0.001 as a rate")')) == []
    (fault,) = faults(chapter(tmp_path, "It is so.", 'says("It is not so", True)'))
    assert "not in its text" in fault
    with pytest.raises(ValueError, match="write the phrase out"):
        faults(chapter(tmp_path, text, 'says(f"{x}", 1)'))


@pytest.mark.parametrize("stem", CHAPTERS)
def test_every_result_in_a_chapter_or_the_report_is_borne_out_by_a_cell(stem: str) -> None:
    assert faults(CHAPTERS[stem]) == []
