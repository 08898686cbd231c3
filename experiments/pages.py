"""REPRODUCTION.md, its figures and README's table and list from the committed results: python -m experiments.pages."""

import re
from pathlib import Path

from experiments import literature, surprises
from toymdrl import catalogue, rows
from toymdrl.claims.paper import PAPER
from toymdrl.files import write_atomically
from toymdrl.study import claims, questions
from toymdrl.study.asking import draw
from toymdrl.study.page import page

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
NEWCOMERS = ("C1", "C2", "C3", "C10")
"""The claims that README shows: the harm, the riddle, one that does not hold, the repair."""
_PARTS = re.compile(r"(<!-- (claims|surprises) -->\n).*?(<!-- end of \2 -->)", re.S)


def parts() -> dict[str, str]:
    """What README has of the results, by name."""
    table = claims.summary(list(NEWCOMERS), rows.read(HERE, claims.NAME).rows, None)
    found = {name: rows.read(HERE, name).rows for name in catalogue.names()}
    return {"claims": "\n".join(table) + "\n", "surprises": "\n".join(surprises.lines(found)) + "\n"}


def readme(text: str) -> str:
    """README with its parts as the results have them."""
    found = parts()
    return _PARTS.sub(lambda match: match[1] + found[match[2]] + match[3], text)


def reproduction() -> str:
    """The page, with what can be said of our own seeds alone: who asks others draws others."""
    lines = page(HERE, list(PAPER), read_afterwards=True)
    found = {name: rows.read(HERE, name).rows for name in catalogue.names()}
    lines += ["", "## Beside the literature", "", *literature.lines(found)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Draw the figures, write both pages."""
    for name in catalogue.names():
        if found := rows.read(HERE, name).rows:
            draw(questions.load(questions.file_of(name)), found, HERE)
    write_atomically(HERE / "REPRODUCTION.md", reproduction())
    write_atomically(README, readme(README.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
