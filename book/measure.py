"""How long chapters compute, as a multiple of `toymdrl run --preset smoke --threads 1` just before and after.

python -m book.measure 03_grpo    # into the chapter and its notebook; without a name, into all

Seconds are another machine's business. A ratio of two runs on one machine within minutes is nearly the reader's too.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbclient
import nbformat

from book.chapters import chapters
from book.notebooks import NOTEBOOKS
from book.notebooks import main as write_notebooks

_LINE = re.compile(r"· (?:\d+ s of computing|computes as long as [\d.]+ smoke runs?) ·")


def smoke() -> float:
    """Wall time of the whole experiment at its smallest, as from the command line."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--preset", "smoke", "--threads", "1", "--quiet", "--out", folder]
        subprocess.run([sys.executable, "-m", "toymdrl", "run", *options], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def seconds(notebook: Path) -> float:
    """Wall time of all cells, exercises blank, the kernel's start included."""
    began = time.monotonic()
    place = {"metadata": {"path": str(notebook.parent)}}
    nbclient.NotebookClient(nbformat.read(notebook, as_version=4), timeout=600, resources=place).execute()
    return time.monotonic() - began


def with_ratio(text: str, ratio: float) -> str:
    """A chapter's text with its number of smoke runs in the second line: to the half below ten, then whole.

    Raises:
        ValueError: it has no such line.
    """
    runs = round(ratio) if ratio >= 10 else max(0.5, round(2 * ratio) / 2)
    words = f"· computes as long as {runs:g} smoke run{'s' * (runs != 1)} ·"
    changed, found = _LINE.subn(words, text, count=1)
    if not found:
        raise ValueError("the chapter has no line `*… minutes · computes as long as … smoke runs · needs …*`")
    return changed


def main() -> None:
    """Measure and write."""
    known = {chapter.stem: chapter for chapter in chapters()}
    parser = argparse.ArgumentParser(description="How long chapters compute, in smoke runs.")
    parser.add_argument("chapter", nargs="*", choices=[[], *known], help="such as 03_grpo; without one, all")
    given = parser.parse_args()
    write_notebooks()
    before = smoke()
    for stem in given.chapter or known:
        took, after = seconds(NOTEBOOKS / f"{stem}.ipynb"), smoke()
        ratio = took / ((before + after) / 2)
        print(f"{stem:<20} {took:6.1f} s, smoke runs {before:.1f} and {after:.1f} s: {ratio:.2f}", flush=True)
        text = known[stem].read_text(encoding="utf-8")
        known[stem].write_text(with_ratio(text, ratio), encoding="utf-8", newline="\n")
        before = after
    write_notebooks()


if __name__ == "__main__":
    main()
