"""The committed results over seeds, which come with the package."""

import json
from typing import Any

from toymdrl.analysis.plane import Plane
from toymdrl.catalogue import folder
from toymdrl.plain import from_plain


def rows(question: str) -> list[dict[str, Any]]:
    """What `toymdrl reproduce` measured: a dictionary a seed or setting.

    Args:
        question: "claims" or another file of experiments/results.

    Raises:
        FileNotFoundError: there is no such question, or the package came without its results.
    """
    here = folder()
    if here is None:
        raise FileNotFoundError("the committed results are not there; install toymdrl from its wheel or a checkout")
    files = {file.stem: file for file in sorted((here / "results").glob("*.json"))}
    if question not in files:
        raise FileNotFoundError(f"no results of {question!r}; choose from {', '.join(files)}")
    found: list[dict[str, Any]] = json.loads(files[question].read_text(encoding="utf-8"))["rows"]
    return found


def plane() -> Plane:
    """The plane of `toymdrl run --threads 1`, seed 0: what `toymdrl.claims.plane.figure` draws.

    Raises:
        FileNotFoundError: the package came without its results.
    """
    return from_plain(Plane, rows("plane-pilot")[0]["plane"])
