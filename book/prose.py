"""Sentences of a chapter held against its cells: a number in prose that no cell bears out fails the build.

A hidden cell, tagged `[prose, remove-cell]`, says of a phrase of the text what makes it true:

    says("99.8 % of the squared length", 100 * share)        # as printed
    says("Math loses about ten points", lost, 8, 12)         # within bounds
    says("QA harms Math most", lost["qa"] == max(lost.values()))
    defines("50 steps at a learning rate of 0.001")          # the set-up's, or the paper's: nothing to check
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from book.chapters import cells

_WORD = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|seventy|"
    "eighty|ninety|hundred|half"
)
_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?")
_RESULT = re.compile(rf"\d[\d,]*\.\d+|(?:\d[\d,]*|\b(?:{_WORD}))\s*(?:%|(?:per cent|points?|times)\b)", re.I)
_ELSEWHERE = (
    # What is no prose, and numbers that are names; each is left out of the search for results.
    re.compile(r"^```.*?^```", re.M | re.S),
    re.compile(r"\$\$.*?\$\$|\$[^$]+\$", re.S),
    re.compile(r"`[^`]+`"),
    re.compile(r"^:::+\{admonition\} (?:Exercise|Explore).*$", re.M),
    re.compile(r"^:::\{(?:solution|drawing)\}.*$", re.M),
    re.compile(r"^\*\d+ minutes.*$", re.M),
    re.compile(r"^\|.*\n(?=\|[-: |]+\|$)", re.M),
    re.compile(r"\]\([^)]*\)"),
    re.compile(r"https?:\S+"),
    re.compile(r"arXiv:?\s*\d{4}\.\d{5}", re.I),
    re.compile(r"(?:chapters?|exercises?|sections?|claims?|python|figures?)\s+\d+(?:\.\d+)?", re.I),
)


class Untrue(AssertionError):
    """A sentence that the chapter's own cells contradict. A notebook shows its one line."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [str(self)]


def says(phrase: str, value: Any, low: float | None = None, high: float | None = None) -> None:
    """Hold a phrase of the text against what the cells found.

    Args:
        phrase: word for word as in the chapter.
        value: whether it is so; or the number that it speaks of, in its unit.
        low: the least value for which the phrase is true; without bounds, the phrase's one number must be the value,
            to as many places as it is printed with.
        high: the greatest.

    Raises:
        Untrue: it is not so.
        ValueError: there are no bounds, and not just one number in the phrase.
    """
    found = value.item() if hasattr(value, "item") else value
    if isinstance(found, bool):
        true, wanted = found, "true"
    elif low is None and high is None:
        number, digits = _printed(phrase)
        # As rounding prints it; the last bit of the half may go either way.
        true, wanted = abs(found - number) <= 0.5 * 10**-digits + 1e-9, f"{number:.{digits}f} when rounded"
    else:
        bottom, top = float("-inf") if low is None else low, float("inf") if high is None else high
        true, wanted = bottom <= found <= top, f"from {bottom:g} to {top:g}"
    if not true:
        shown = found if isinstance(found, bool) else f"{found:.6g}"
        raise Untrue(f"the text says {phrase!r}, but the cells give {shown}; it must be {wanted}")


def defines(phrase: str) -> None:
    """A phrase whose numbers are constants of the set-up or another's: word for word as in the chapter."""


def _printed(phrase: str) -> tuple[float, int]:
    """The one number of a phrase, and its decimal places."""
    numbers = _NUMBER.findall(phrase)
    if len(numbers) != 1:
        raise ValueError(f"{phrase!r} has {len(numbers)} numbers: give low and high, or a phrase with one number")
    text = numbers[0].replace("−", "-").replace(",", "")
    return float(text), len(text.partition(".")[2])


def faults(chapter: Path) -> list[str]:
    """What no cell answers for: results in a chapter's prose outside every phrase, and phrases that are not its own."""
    text = "\n\n".join(cell.text for cell in cells(chapter) if not cell.code)
    prose = text
    for pattern in _ELSEWHERE:
        prose = pattern.sub(_masked, prose)
    text, prose = " ".join(text.split()), " ".join(prose.split())
    found, covered = [], []
    for phrase in phrases(chapter):
        places = [match.span() for match in re.finditer(re.escape(phrase), text)]
        covered += places
        if not places:
            found.append(f"says {phrase!r}, which is not in its text")
    for match in _RESULT.finditer(prose):
        if not any(start <= match.start() and match.end() <= end for start, end in covered):
            around = text[max(0, match.start() - 40) : match.end() + 40]
            found.append(f"{match[0]!r} is checked by no cell: …{around}…")
    return found


def phrases(chapter: Path) -> Iterator[str]:
    """Every phrase that a chapter's cells say or define, its whitespace as one blank.

    Raises:
        ValueError: a phrase that is not written out.
    """
    for cell in cells(chapter):
        if "prose" not in cell.tags:
            continue
        for node in ast.walk(ast.parse(cell.text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("says", "defines"):
                phrase = node.args[0]
                if not (isinstance(phrase, ast.Constant) and isinstance(phrase.value, str)):
                    raise ValueError(f"{chapter.name}: write the phrase out: {ast.unparse(node)}")
                yield " ".join(phrase.value.split())


def _masked(match: re.Match[str]) -> str:
    """As many characters, and as many lines, with no number in them."""
    return re.sub(r"\S", "_", match[0])
