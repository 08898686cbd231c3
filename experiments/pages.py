"""REPRODUCTION.md, its figures and the README's table from the committed results: python -m experiments.pages."""

import re
from pathlib import Path

from experiments import literature
from toymdrl import catalogue, rows
from toymdrl.claims.paper import PAPER
from toymdrl.files import write_atomically
from toymdrl.study import claims, questions
from toymdrl.study.asking import draw
from toymdrl.study.page import page, pilot

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
_TABLE = re.compile(r"(<!-- claims -->\n).*?(<!-- end of claims -->)", re.S)


def table() -> str:
    """The claims, as in REPRODUCTION.md."""
    return "\n".join(claims.summary(list(PAPER), rows.read(HERE, claims.NAME).rows, pilot("laptop"))) + "\n"


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
    text = README.read_text(encoding="utf-8")
    write_atomically(README, _TABLE.sub(lambda match: match[1] + table() + match[2], text))


if __name__ == "__main__":
    main()
