"""The project's own questions: where their files are, and what they are called; without torch, for `--help`."""

import ast
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from toymdrl.sourcecode import PACKAGE

LAST = 1000
"""The place on the page of a question that names none."""
INSTALLED = "share/toymdrl/experiments"
"""Where an installed package has the project's questions and their results, see pyproject.toml."""


@cache
def folder() -> Path | None:
    """The project's own questions: experiments/ in a checkout, else where they were installed; None if nowhere."""
    beside = PACKAGE.parent / "experiments"
    if (beside / "results" / "claims.json").is_file():
        return beside
    try:
        files = distribution("toymdrl").files or []
    except PackageNotFoundError:
        return None
    for file in files:
        if file.parent.as_posix().endswith(INSTALLED) and file.suffix == ".py":
            return Path(str(file.locate())).resolve().parent
    return None


def _place(file: Path) -> int | None:
    """A question's place on the page, without running it; None if the file is no question."""
    constants: dict[str, object] = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            constants[node.targets[0].id] = value.value if isinstance(value, ast.Constant) else None
    if "TITLE" not in constants:
        return None
    place = constants.get("PLACE")
    return place if isinstance(place, int) else LAST


@cache
def names() -> tuple[str, ...]:
    """The project's own questions, in the order of the page."""
    here = folder()
    found = []
    for file in sorted(here.glob("*.py")) if here else []:
        place = _place(file)
        if place is not None:
            found.append((place, file.stem))
    return tuple(name for _, name in sorted(found))
