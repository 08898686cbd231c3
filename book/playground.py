"""The site's playground: three runs that the committed results choose, packed once, and the page made of them.

    toymdrl run --threads 1 --seed 10     # and the others that `chosen` names
    python -m book.playground runs        # packs them into book/playground/

The packed runs are kept with the book, 2.5 MB each; the page is made when the site is built.
"""

import sys
from pathlib import Path

import numpy as np

from book.chapters import BOOK
from toymdrl import catalogue, rows
from toymdrl.claims import seeds
from toymdrl.files import write_atomically
from toymdrl.playground.page import page
from toymdrl.playground.write import content_of
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.machine import prepare
from toymdrl.runs.plan import headline

FOLDER = BOOK / "playground"
NAMES = ("typical", "mild", "strong")
"""The first is shown first."""


def chosen() -> list[int]:
    """Seeds whose later training cost Math the least, about the mean, and the most, of the project's ten."""
    here = catalogue.folder()
    assert here
    lost = {row["setting"]["seed"]: row["lost"] for row in rows.read(here, seeds.NAME).rows}
    mean = float(np.mean(list(lost.values())))
    middle = min(lost, key=lambda seed: abs(lost[seed] - mean))
    return [min(lost, key=lost.__getitem__), middle, max(lost, key=lost.__getitem__)]


def lost(run: RunDirectory) -> float:
    """Points that the later training cost the harmed domain."""
    head = headline(run.config)
    assert head
    scores = {entry.checkpoint: entry.scores[head.domain] for entry in run.checkpoints}
    return scores[head.own] - scores[head.end]


def built() -> str:
    """The page."""
    return page([(FOLDER / f"{name}.json").read_text(encoding="utf-8") for name in NAMES])


def main(runs: Path) -> None:
    """Pack the runs from the folder where they lie.

    On another machine a seed trains otherwise, so they are named by what they lost here.
    """
    found = [RunDirectory.open(next(runs.glob(f"laptop-*-seed{seed}"))) for seed in chosen()]
    mild, typical, strong = sorted(found, key=lost)
    for name, run in zip(NAMES, (typical, mild, strong), strict=True):
        title = f"{name}: seed {run.config.seed}"
        prepare(run.config)
        with run.lock():
            packed = content_of(run, title, lambda total: lambda: None)
        write_atomically(FOLDER / f"{name}.json", packed)
        print(title)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
