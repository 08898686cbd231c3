"""results.json as values: the checkpoints of a run with their scores, and its claims. Other programs read it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toymdrl.domains import DOMAINS
from toymdrl.files import CorruptFile
from toymdrl.plain import from_plain
from toymdrl.runs.config import RunConfig, to_json
from toymdrl.runs.plan import Checkpoint, checkpoint_named

SCHEMA = 1


class RunError(ValueError):
    """A run directory that cannot be used; the message is one line that says what to do instead."""


@dataclass(frozen=True)
class Logged:
    """The lines of metrics.jsonl that led to a checkpoint."""

    stage: str
    step: int
    sha256: str


@dataclass(frozen=True)
class Scored:
    """A checkpoint with its scores."""

    checkpoint: Checkpoint
    scores: dict[str, float]
    """100 x exact expected reward on unseen prompts, by domain."""
    average: float
    sha256: str
    log: Logged | None
    """None where this run may have trained no step for it: the warm start, a rollback."""


@dataclass(frozen=True)
class _Entry:
    """`Scored` as it is written: a checkpoint by its name."""

    name: str
    scores: dict[str, float]
    average: float
    sha256: str
    log: Logged | None


@dataclass(frozen=True)
class _File:
    """The whole file."""

    schema: int
    complete: bool
    code: str
    config: dict[str, Any]
    checkpoints: tuple[_Entry, ...]
    claims: dict[str, Any]


@dataclass(frozen=True)
class Results:
    """What results.json holds."""

    complete: bool
    code: str
    """What the run's numbers depend on besides its config."""
    config: dict[str, Any]
    """In JSON types."""
    checkpoints: tuple[Scored, ...]
    claims: dict[str, Any]
    """In JSON types, by key; see claims/paper.py."""


def results_text(config: RunConfig, code: str, checkpoints: Sequence[Scored], claims: Mapping[str, Any] | None) -> str:
    """The file's text; with claims, the run is complete."""
    entries = []
    for each in checkpoints:
        entries.append(asdict(_Entry(each.checkpoint.name, each.scores, each.average, each.sha256, each.log)))
    content = {
        "schema": SCHEMA,
        "complete": claims is not None,
        "code": code,
        "config": to_json(config),
        "checkpoints": entries,
        "claims": claims or {},
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def read_results(path: Path) -> Results:
    """The content of a results.json.

    Raises:
        CorruptFile: missing, or not of the form that `results_text` gives.
        RunError: written by another version of this package.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        schema = data["schema"]
        # Before anything else: another schema may have another form.
        if type(schema) is int and schema != SCHEMA:
            raise RunError(f"{path} has schema {schema}, this version reads {SCHEMA}; use the version that wrote it")
        stored = from_plain(_File, data)
        checkpoints = tuple(_scored(entry) for entry in stored.checkpoints)
    except RunError:
        raise
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptFile(f"{path} cannot be used ({type(error).__name__}: {error})") from error
    return Results(stored.complete, stored.code, stored.config, checkpoints, stored.claims)


def _scored(entry: _Entry) -> Scored:
    for domain in DOMAINS:
        if domain not in entry.scores:
            raise ValueError(f"no scores of {domain}, a domain added since; `toymdrl resume` trains again")
    if not all(math.isfinite(number) for number in (entry.average, *entry.scores.values())):
        raise ValueError(f"a score of {entry.name} is not finite")
    return Scored(checkpoint_named(entry.name), entry.scores, entry.average, entry.sha256, entry.log)
