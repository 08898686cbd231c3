"""Is a run typical? Its numbers beside those of the project's own seeds, whose results ship with the package."""

from dataclasses import dataclass, replace
from typing import Any

from toymdrl import catalogue, rows
from toymdrl.claims.base import Claim, Outcome
from toymdrl.claims.paper import told
from toymdrl.evidence import Interval, Row, interval
from toymdrl.runs.config import PRESETS, RunConfig

NAME = "claims"
"""Of the result file with the claims' numbers, a row a seed."""


@dataclass(frozen=True)
class Typical:
    """One number of a run among the seeds'."""

    what: str
    here: float
    mean: Interval
    """Over the seeds."""
    least: float
    most: float
    """Of the seeds."""

    @property
    def place(self) -> str:
        """Where the run lies, in words."""
        if self.here > self.most:
            return "above all"
        return "below all" if self.here < self.least else "within"

    @property
    def usual(self) -> bool:
        """Whether it is between two of the seeds."""
        return self.least <= self.here <= self.most

    def number(self, value: float) -> str:
        """With as many digits as the seeds' mean is told with."""
        return f"{value:.{self.mean.digits}f}".replace("-", "−")


@dataclass(frozen=True)
class Seeds:
    """All seeds, and a run among them."""

    numbers: tuple[int, ...]
    claims: dict[str, Typical]
    """By claim: the number of its first rule, the one that the paper states."""


def typical(outcome: Outcome) -> Seeds | None:
    """A run among the project's seeds; None if these had other settings, or are not there."""
    here = catalogue.folder()
    found = rows.read(here, NAME) if here else rows.NOTHING
    if not found.rows or not _alike(outcome.config, found.rows[0]["setting"]["preset"]):
        return None
    claims: dict[str, Typical] = {}
    for claim in told(outcome):
        claims |= _among(claim, outcome, found.rows)
    return Seeds(tuple(found.seeds), claims)


def _alike(config: RunConfig, preset: str) -> bool:
    """Whether a config is a preset's but for its seed and threads."""
    usual = PRESETS[preset]
    return replace(config, seed=usual.seed, threads=usual.threads) == usual


def _among(claim: Claim[Any, Any], outcome: Outcome, seeds: tuple[Row, ...]) -> dict[str, Typical]:
    """A claim's first number by its key; nothing where the run has none."""
    first = claim.rules[0]
    number = claim.numbers(outcome).get(first.key)
    if number is None:
        return {}
    values = [float(row[first.key]) for row in seeds]
    return {claim.key: Typical(first.what, float(number), interval(values), min(values), max(values))}
