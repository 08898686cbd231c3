"""The site's playground: three runs that the committed results choose, packed once, and the page made of them.

    toymdrl run --seed 10 (and the others that `chosen` names), then
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

FOLDER = BOOK / "playground"
NAMES = ("typical", "mild", "strong")
"""The first is shown first."""


def chosen() -> dict[str, int]:
    """Seeds by name: whose later training costs Math about the mean, the least and the most, of the project's ten."""
    here = catalogue.folder()
    assert here
    lost = {row["setting"]["seed"]: row["lost"] for row in rows.read(here, seeds.NAME).rows}
    mean = float(np.mean(list(lost.values())))
    typical = min(lost, key=lambda seed: abs(lost[seed] - mean))
    return dict(zip(NAMES, (typical, min(lost, key=lost.__getitem__), max(lost, key=lost.__getitem__)), strict=True))


def built() -> str:
    """The page."""
    return page([(FOLDER / f"{name}.json").read_text(encoding="utf-8") for name in NAMES])


def main(runs: Path) -> None:
    """Pack the runs from the folder where they lie."""
    for name, seed in chosen().items():
        run = RunDirectory.open(next(runs.glob(f"laptop-*-seed{seed}")))
        with run.lock():
            packed = content_of(run, f"{name}: seed {seed}", lambda total: lambda: None)
        write_atomically(FOLDER / f"{name}.json", packed)
        print(f"packed {run.path} as the {name} run")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
