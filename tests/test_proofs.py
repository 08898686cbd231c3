"""Every theorem of theory/ states, proves and breaks what it says, in Markdown that the site can show as a page."""

import re
from pathlib import Path

import pytest

from book import proofs
from book.chapters import BOOK

THEOREMS = {theorem.name: theorem for theorem in proofs.theorems()}
LINK = re.compile(r"\]\(([^)#]+)\)")
each = pytest.mark.parametrize("name", THEOREMS)


def parts(text: str) -> set[str]:
    """The parts that a section begins: a, b …"""
    return set(re.findall(r"^\*\*\((\w)\)\*\*", text, re.M))


def test_the_index_has_every_theorem() -> None:
    there = {file.stem.removeprefix("test_") for file in proofs.THEORY.glob("test_t*.py")}
    assert list(THEOREMS) == list(dict.fromkeys(THEOREMS))
    assert set(THEOREMS) == there


@each
def test_a_theorem_is_said_in_words_stated_proved_reached_and_broken(name: str) -> None:
    sections = THEOREMS[name].sections()
    assert sections[""].startswith("*In words:* ")
    headings = [heading for heading in sections if heading not in {"Assumption", "Assumptions", "Note"}]
    assert headings == ["", "Setting", "Statement", "Proof", "Tight", "Needed"]
    assert sections["Proof"].endswith("∎")


@each
def test_every_part_of_a_statement_is_proved(name: str) -> None:
    sections = THEOREMS[name].sections()
    assert parts(sections["Statement"]) == parts(sections["Proof"]) != set()


@each
def test_no_formula_is_left_open(name: str) -> None:
    paragraphs = THEOREMS[name].text.replace("$$", "§").split("\n\n")
    for paragraph in paragraphs:
        assert paragraph.count("$") % 2 == 0, paragraph
        assert paragraph.count("§") in {0, 2}, paragraph  # a formula of its own is a paragraph of its own
        assert "§" not in paragraph or paragraph.strip().startswith("§\n"), paragraph


@each
def test_a_page_holds_all_of_it_and_leads_on(name: str, tmp_path: Path) -> None:
    theorem = THEOREMS[name]
    page = proofs.page(theorem)
    for heading, text in theorem.sections().items():
        assert heading in page
        assert parts(text) <= parts(page)
    assert f"literalinclude}} ../../theory/{theorem.file.name}" in page
    code = theorem.file.read_text(encoding="utf-8").splitlines()[theorem.tests - 1 :]
    assert "import" in code[0]  # what is folded below begins behind the docstring
    proofs.write(tmp_path)
    for target in LINK.findall(page):
        place = tmp_path / target if not target.startswith("..") else BOOK / target.removeprefix("../")
        assert place.exists(), target
    for chapter in proofs.users(theorem):
        assert f"](../{chapter.name})" in page


def test_chapters_and_index_lead_to_pages() -> None:
    found = set()
    for file in BOOK.glob("*.md"):
        text = proofs.led(file.read_text(encoding="utf-8"))
        assert "](../theory/test_t" not in text
        found |= set(re.findall(r"\]\(proofs/(\w+)\.md\)", text))
    assert found
    assert found <= set(THEOREMS)


def test_pages_of_theorems_that_are_gone_go(tmp_path: Path) -> None:
    (tmp_path / "t99_gone.md").touch()
    proofs.write(tmp_path)
    assert {page.stem for page in tmp_path.iterdir()} == set(THEOREMS)
    before = {page: page.stat().st_mtime_ns for page in tmp_path.iterdir()}
    proofs.write(tmp_path)  # what has not changed is not written: sphinx reads by time
    assert before == {page: page.stat().st_mtime_ns for page in tmp_path.iterdir()}


def test_a_matrix_is_drawn_and_an_interval_is_not() -> None:
    drawn = proofs._MATRIX.sub(proofs._matrix, "$[1, c; c, 1]$ for $c$ in $[0, 1]$; and [T1](a.md); $x$")
    matrix = r"\left[\begin{smallmatrix}1 &  c \\  c &  1\end{smallmatrix}\right]"
    assert drawn == f"${matrix}$ for $c$ in $[0, 1]$; and [T1](a.md); $x$"


def test_a_title_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "test_t99_x.py"
    file.write_text('"""Some theorem."""\n', encoding="utf-8")
    with pytest.raises(ValueError, match="begin it with"):
        proofs.read(file)
