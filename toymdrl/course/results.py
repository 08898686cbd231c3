"""The committed results over seeds, which come with a checkout."""

import json
from pathlib import Path
from typing import Any

import toymdrl

FOLDER = Path(toymdrl.__file__).parents[1] / "experiments" / "results"


def rows(question: str) -> list[dict[str, Any]]:
    """What `toymdrl reproduce` measured: a dictionary a seed or setting.

    Args:
        question: "claims" or another file of experiments/results.

    Raises:
        FileNotFoundError: the package was not installed from a checkout, or there is no such question.
    """
    file = FOLDER / f"{question}.json"
    if not file.is_file():
        raise FileNotFoundError(f"{file} is not there; clone the repository and `pip install -e .` it")
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["rows"]
    return found
