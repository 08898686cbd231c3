"""What stands behind a run's bars: every domain's score at the end of the training, over the project's own seeds."""

from dataclasses import replace

from toymdrl import catalogue, rows
from toymdrl.evidence import Interval, interval
from toymdrl.runs.config import PRESETS, RunConfig

QUESTION, ARM = "rivals", "sequence"
"""The question, and the arm of it, whose rows hold all scores at the end of a run."""


def ends(config: RunConfig) -> dict[str, Interval]:
    """By domain; empty if those seeds had other settings, or are not there."""
    here = catalogue.folder()
    found = rows.read(here, QUESTION).rows if here else ()
    ended = [row[ARM] for row in found if ARM in row and _alike(config, row["setting"]["preset"])]
    return {domain: interval([row[domain] for row in ended]) for domain in (ended[0] if ended else ())}


def _alike(config: RunConfig, preset: str) -> bool:
    usual = PRESETS[preset]
    return replace(config, seed=usual.seed, threads=usual.threads) == usual
