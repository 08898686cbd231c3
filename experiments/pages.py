"""REPRODUCTION.md, its figures and the README's table from the committed results: python -m experiments.pages."""

import re
from pathlib import Path

from experiments import claims
from experiments.reproduce import CLAIMS, HERE, draw, page, pilot, read_rows
from toymdrl.claims import PAPER
from toymdrl.cli import QUESTIONS
from toymdrl.files import write_atomically

README = Path(__file__).parents[1] / "README.md"
_TABLE = re.compile(r"(<!-- claims -->\n).*?(<!-- end of claims -->)", re.S)


def table() -> str:
    """The claims, as in REPRODUCTION.md."""
    return "\n".join(claims.summary(list(PAPER), read_rows(HERE, CLAIMS), pilot("laptop"))) + "\n"


def main() -> None:
    """Draw the figures, write both pages."""
    for name in (CLAIMS, *QUESTIONS):
        if rows := read_rows(HERE, name):
            draw(name, rows, HERE)
    write_atomically(HERE / "REPRODUCTION.md", "\n".join(page(HERE, list(PAPER))) + "\n")
    text = README.read_text(encoding="utf-8")
    write_atomically(README, _TABLE.sub(lambda match: match[1] + table() + match[2], text))


if __name__ == "__main__":
    main()
