"""Run every notebook as a reader would, exercises blank, and write its seconds into its chapter.

python -m book.measure          # on two idle cores; some minutes
"""

import re
import time
from pathlib import Path

import nbclient
import nbformat

from book.chapters import chapters
from book.notebooks import NOTEBOOKS
from book.notebooks import main as write_notebooks

_LINE = re.compile(r"· \d+ s of computing ·")


def seconds(notebook: Path) -> float:
    """Wall time of all cells, the kernel's start included."""
    began = time.monotonic()
    nbclient.NotebookClient(
        nbformat.read(notebook, as_version=4), timeout=300, resources={"metadata": {"path": str(notebook.parent)}}
    ).execute()
    return time.monotonic() - began


def main() -> None:
    """Measure and write."""
    write_notebooks()
    total = 0.0
    for chapter in chapters():
        took = seconds(NOTEBOOKS / f"{chapter.stem}.ipynb")
        total += took
        print(f"{chapter.stem:<20} {took:5.1f} s", flush=True)
        text = chapter.read_text(encoding="utf-8")
        chapter.write_text(_LINE.sub(f"· {round(took)} s of computing ·", text), encoding="utf-8")
    print(f"{'all':<20} {total:5.1f} s")
    write_notebooks()


if __name__ == "__main__":
    main()
