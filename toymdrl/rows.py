"""What was measured, on disk: the rows of each question, with the command, commit and versions that made them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toymdrl.evidence import Row
from toymdrl.files import write_atomically
from toymdrl.settings import ConfigError


@dataclass(frozen=True)
class Asked:
    """A question's result file."""

    command: str
    """That wrote it."""
    provenance: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def seeds(self) -> list[int]:
        """All seeds, in order."""
        return sorted({row["setting"]["seed"] for row in self.rows})


NOTHING = Asked("", {}, ())
"""Of a question that has not been asked."""


def result_file(out: Path, name: str) -> Path:
    """Where a question's rows are."""
    return out / "results" / f"{name}.json"


def read(out: Path, name: str) -> Asked:
    """What a question's file holds; NOTHING if it has not been asked.

    Raises:
        ConfigError: the file is damaged.
    """
    file = result_file(out, name)
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return Asked(stored["command"], stored["provenance"], tuple(stored["rows"]))
    except FileNotFoundError:
        return NOTHING
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} is damaged; remove it and give the command again") from error


def write(out: Path, name: str, command: str, provenance: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Write a question's file."""
    stored = {"command": command, "provenance": provenance, "rows": rows}
    write_atomically(result_file(out, name), json.dumps(stored, indent=1) + "\n")
