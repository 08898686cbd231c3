"""A chapter's source as cells: what the notebooks are made of, and what the tests run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BOOK = Path(__file__).parent
INCLUDED = {
    "reproduction": "experiments/REPRODUCTION.md",
    "benchmarks": "experiments/BENCH.md",
    "theory": "theory/README.md",
    "domains": "toymdrl/domains/README.md",
}
"""The site's pages that are written elsewhere in the repository."""
REPORT = BOOK / "capstone.md"
"""The model report: a page that is executed as a chapter is, without exercises."""
_CODE = re.compile(r"^```\{code-cell\} python\n(?::tags: \[(?P<tags>[^\]]*)\]\n)?(?P<code>.*?)^```$", re.M | re.S)
_PREDICT = re.compile(r"^:::\{admonition\} Predict\n:class: predict\n(?P<question>.*?)^:::$", re.M | re.S)
_FRONT = re.compile(r"\A---\n.*?^---\n", re.M | re.S)


@dataclass(frozen=True)
class Cell:
    """A stretch of text, or code with its tags."""

    text: str
    code: bool
    tags: tuple[str, ...] = ()


def chapters() -> list[Path]:
    """The sources, in order."""
    return sorted(BOOK.glob("[0-9][0-9]_*.md"))


def cells(chapter: Path) -> Iterator[Cell]:
    """A source's cells, without its front matter."""
    source = _FRONT.sub("", chapter.read_text(encoding="utf-8"))
    place = 0
    for match in _CODE.finditer(source):
        if text := source[place : match.start()].strip():
            yield Cell(text, code=False)
        tags = tuple(tag.strip() for tag in (match["tags"] or "").split(",") if tag.strip())
        yield Cell(match["code"].rstrip(), code=True, tags=tags)
        place = match.end()
    if text := source[place:].strip():
        yield Cell(text, code=False)


def heading(chapter: Path) -> str:
    """A chapter's number and title."""
    found = re.search(r"^# (.*)$", chapter.read_text(encoding="utf-8"), re.M)
    return found[1] if found else chapter.stem


def predictions(chapter: Path) -> Iterator[str]:
    """The texts of its Predict boxes."""
    for match in _PREDICT.finditer(chapter.read_text(encoding="utf-8")):
        yield match["question"].strip()


@dataclass(frozen=True)
class Exercise:
    """The cells of an exercise."""

    number: str
    blank: str
    check: str


def exercises(chapter: Path) -> list[Exercise]:
    """A chapter's exercises.

    Raises:
        ValueError: an exercise without a check.
    """
    found: dict[str, list[str]] = {"exercise": [], "check": []}
    for cell in cells(chapter):
        for tag in found.keys() & set(cell.tags):
            found[tag].append(cell.text)
    if len(found["exercise"]) != len(found["check"]):
        raise ValueError(f"{chapter.name}: " + ", ".join(f"{len(each)} {tag}s" for tag, each in found.items()))
    numbers = [re.findall(r'check\(\s*"([\d.]+)"', check)[0] for check in found["check"]]
    return [Exercise(*each) for each in zip(numbers, found["exercise"], found["check"], strict=True)]
