"""Write the notebooks from the chapters' sources: the same text and cells, in plain Markdown, without outputs.

python -m book.notebooks     # book/notebooks/*.ipynb
"""

import json
import re
from pathlib import Path
from typing import Any

from book.chapters import BOOK, INCLUDED, Cell, cells, chapters

NOTEBOOKS = BOOK / "notebooks"
_BOX = re.compile(
    r"^(?P<fence>:{3,})\{(?P<kind>admonition|dropdown)\} (?P<title>.*?)\n(?::class: (?P<class>\w+)\n)?"
    r"(?P<body>.*?)^(?P=fence)$",
    re.M | re.S,
)
_LINK = re.compile(r"\]\((?!https?:|#)(?P<target>[^)]+)\)")
_ANSWER = re.compile(r"^:::\{solution\} (?P<number>[\d.]+)\n:::$", re.M)
_DRAWING = re.compile(r"^:::\{drawing\} (?P<name>\w+)\n:::$", re.M)
_SMALL = re.compile(r"^\{\.small\}\n", re.M)


def _box(match: re.Match[str]) -> str:
    """A box as a quotation, a folded one as <details>."""
    title, body = match["title"], _BOX.sub(_box, match["body"].strip())
    if match["kind"] == "dropdown":
        return f"<details><summary><b>{title}</b></summary>\n\n{body}\n\n</details>"
    return "\n".join(f"> {line}".rstrip() for line in (f"**{title}**", "", *body.split("\n")))


def _link(match: re.Match[str]) -> str:
    """A link seen from book/notebooks; chapters become notebooks, and what the site includes is where it is written."""
    target = match["target"]
    if place := INCLUDED.get(target.removesuffix(".md")):
        return f"](../../{place})"
    if re.fullmatch(r"\d\d_\w+\.md", target):
        return f"]({target.removesuffix('.md')}.ipynb)"
    return f"](../{target})"


def _answer(match: re.Match[str]) -> str:
    """Where a reader who is stuck finds help: hand-outs hold no answers."""
    number = match["number"]
    return (
        f'*Stuck? `hint("{number}")` gives a first step, and the next one each time you run it; '
        f'`solution("{number}")` shows the course\'s own answer.*'
    )


def plain(text: str) -> str:
    """MyST as Markdown that any notebook shows."""
    text = _ANSWER.sub(_answer, text)
    text = _DRAWING.sub(r"(`\g<name>??` shows how this is drawn.)", text)
    return _LINK.sub(_link, _BOX.sub(_box, _SMALL.sub("", text)))


def _cell(index: int, cell: Cell) -> dict[str, Any]:
    kind = "code" if cell.code else "markdown"
    text = cell.text if cell.code else plain(cell.text)
    made: dict[str, Any] = {"cell_type": kind, "id": f"cell-{index:02}", "metadata": {}}
    made["source"] = text.splitlines(keepends=True)
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
        made["metadata"] = {"tags": list(cell.tags)} if cell.tags else {}
    return made


def notebook(chapter: Path) -> str:
    """The notebook of a chapter as JSON text, the same bytes every time."""
    kept = [cell for cell in cells(chapter) if "prose" not in cell.tags]  # checks of the text are the build's business
    content = {
        "cells": [_cell(index, cell) for index, cell in enumerate(kept)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all."""
    NOTEBOOKS.mkdir(exist_ok=True)
    for chapter in chapters():
        target = NOTEBOOKS / f"{chapter.stem}.ipynb"
        target.write_text(notebook(chapter), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
