"""Write the notebooks from the chapters' sources: the same text and cells, in plain Markdown, without outputs.

python -m book.notebooks                              # book/notebooks/*.ipynb
python -m book.notebooks --without-solutions FOLDER   # to hand out
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from book.chapters import BOOK, INCLUDED, Cell, cells, chapters

NOTEBOOKS = BOOK / "notebooks"
_BOX = re.compile(
    r"^:::\{(?P<kind>admonition|dropdown)\} (?P<title>.*?)\n(?::class: (?P<class>\w+)\n)?(?P<body>.*?)^:::$",
    re.M | re.S,
)
_LINK = re.compile(r"\]\((?!https?:|#)(?P<target>[^)]+)\)")


def _box(match: re.Match[str]) -> str:
    """A box as a quotation, a folded one as <details>."""
    title, body = match["title"], match["body"].strip()
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


def plain(text: str) -> str:
    """MyST as Markdown that any notebook shows."""
    return _LINK.sub(_link, _BOX.sub(_box, text))


def _cell(index: int, cell: Cell) -> dict[str, Any]:
    kind = "code" if cell.code else "markdown"
    text = cell.text if cell.code else plain(cell.text)
    if "solution" in cell.tags:
        kind, text = "markdown", f"<details><summary><b>Solution</b></summary>\n\n```python\n{text}\n```\n\n</details>"
    made: dict[str, Any] = {"cell_type": kind, "id": f"cell-{index:02}", "metadata": {}}
    made["source"] = text.splitlines(keepends=True)
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
        made["metadata"] = {"tags": list(cell.tags)} if cell.tags else {}
        if "check" in cell.tags:  # folded: it holds hints and the course's own answer
            made["metadata"]["jupyter"] = {"source_hidden": True}
    return made


def notebook(chapter: Path, *, solutions: bool = True) -> str:
    """The notebook of a chapter as JSON text, the same bytes every time."""
    kept = [cell for cell in cells(chapter) if solutions or "solution" not in cell.tags]
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
    parser = argparse.ArgumentParser(description="Write the notebooks from the chapters' sources.")
    parser.add_argument("--without-solutions", type=Path, metavar="FOLDER", help="write them there, to hand out")
    folder = parser.parse_args().without_solutions
    for chapter in chapters():
        target = (folder or NOTEBOOKS) / f"{chapter.stem}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(notebook(chapter, solutions=folder is None), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
