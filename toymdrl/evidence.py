"""What the seeds say: intervals, exact tests, verdicts by a rule stated beforehand, and the power to reach one.

The seed is the unit everywhere: numbers of one seed are averaged before they come here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal

import numpy as np
from scipy import stats

Row = dict[str, Any]
"""What was measured in one setting, with the setting itself under "setting"."""
Verdict = Literal["met", "not met", "open"]
MOST_EXACT = 16
"""Seeds whose 2^n sign choices are all tried."""


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and its 95 % Student-t interval."""

    mean: float
    low: float
    high: float

    @property
    def digits(self) -> int:
        """After the point, where the interval is written."""
        size = max(abs(self.low), abs(self.high))
        if size < 0.1:
            return 3
        return 2 if size < 10 else 1

    def __str__(self) -> str:
        digits = self.digits
        return f"{self.mean:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]".replace("-", "−")


def interval(values: Sequence[float]) -> Interval:
    """Mean and 95 % t interval over seeds.

    Raises:
        ValueError: fewer than two seeds.
    """
    if len(values) < 2:
        raise ValueError("an interval needs at least 2 seeds")
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return Interval(mean, mean - half, mean + half)


def sign_flip(differences: Sequence[float]) -> float:
    """Two-sided p of the hypothesis that each seed's difference could as well have had the other sign.

    Exact up to MOST_EXACT seeds, by as many random sign choices beyond; NaN if a difference is not finite.
    """
    drawn = np.asarray(differences, dtype=np.float64)
    if not np.isfinite(drawn).all():
        return float("nan")
    if not drawn.any():
        return 1.0
    # scipy tries all sign choices if there are no more than this, and as many random ones otherwise.
    choices = 2 ** min(len(drawn), MOST_EXACT)
    generator = np.random.default_rng(0)
    found = stats.permutation_test(
        (drawn,), np.mean, permutation_type="samples", n_resamples=choices, rng=generator, batch=2**12
    )
    return float(found.pvalue)


def exchange(one: Sequence[float], other: Sequence[float]) -> float:
    """Two-sided p of the hypothesis that each seed could as well have been in the other set, by their means.

    Exact up to 2^MOST_EXACT ways to divide the seeds, by as many random ones beyond; 1 if a number is not finite.
    """
    if not np.isfinite([*one, *other]).all() or len({*one, *other}) == 1:
        return 1.0

    def apart(x: Any, y: Any, axis: int) -> Any:
        return x.mean(axis=axis) - y.mean(axis=axis)

    generator = np.random.default_rng(0)
    found = stats.permutation_test((one, other), apart, n_resamples=2**MOST_EXACT, rng=generator, batch=2**12)
    return float(found.pvalue)


def cell(text: str) -> str:
    """Text inside a Markdown table."""
    return text.replace("|", "\\|")


def holm(tests: Mapping[str, float]) -> dict[str, float]:
    """P values adjusted for how many there are (Holm 1979), by name."""
    adjusted, least = {}, 0.0
    # From the smallest p on; an adjusted p is never below the one before it.
    for rank, (name, p) in enumerate(sorted(tests.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, (len(tests) - rank) * p))
        adjusted[name] = least
    return adjusted


@dataclass(frozen=True)
class Rule:
    """A band that was fixed before the seeds that it judges were run."""

    claim: str
    """The claim or question it is about."""
    what: str
    key: str
    """Of the measured number in a row."""
    above: float = -inf
    below: float = inf
    every: bool = False
    """Every seed must be inside; else the whole interval of the mean."""
    control: str | None = None
    """Key of the number that it is compared with, seed by seed."""
    versus: str = ""
    """The control in words."""

    def against(self, control: str, versus: str) -> "Rule":
        """The same with a control."""
        return replace(self, control=control, versus=versus)

    @property
    def band(self) -> str:
        """The band in words."""
        if self.above == -inf:
            text = f"< {self.below:g}"
        elif self.below == inf:
            text = f"> {self.above:g}"
        else:
            text = f"{self.above:g} to {self.below:g}"
        return (text + (", every seed" if self.every else "")).replace("-", "−")

    def judge(self, rows: Sequence[Row]) -> Verdict:
        """Met if the interval (or every seed) is inside the band; not met if it is outside; else open."""
        values = [float(row[self.key]) for row in rows]
        # A number that is missing decides nothing, in either direction.
        if not np.isfinite(values).all():
            return "open"
        if self.every:
            return "met" if all(self.above < value < self.below for value in values) else "not met"
        found = interval(values)
        if self.above < found.low and found.high < self.below:
            return "met"
        return "not met" if found.high <= self.above or found.low >= self.below else "open"

    def power(self, pilot: Sequence[Row], seeds: int) -> float | None:
        """Probability that so many seeds meet the band if each is drawn as the pilot's were; None for `every`.

        Normal seeds of the pilot's mean and deviation; of a band with two ends both must be met.
        """
        if self.every:
            return None
        values = [float(row[self.key]) for row in pilot]
        mean, spread = float(np.mean(values)), max(float(np.std(values, ddof=1)), 1e-12)
        # The interval misses an end of the band if the t statistic about it stays below this.
        bar = float(stats.t.ppf(0.975, seeds - 1))
        fails = 0.0
        for end in (mean - self.above, self.below - mean):
            away = end / spread * seeds**0.5
            if away < 20:  # beyond it nobody fails, and scipy's series does
                fails += float(stats.nct.cdf(bar, seeds - 1, away))
        return max(0.0, 1.0 - fails)


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of several rules: met if all are, not met if one is not."""
    if "not met" in verdicts:
        return "not met"
    return "open" if "open" in verdicts else "met"


def rule_table(rules: Sequence[Rule], rows: Sequence[Row]) -> list[str]:
    """Markdown lines: each rule with its interval, control, band, exact p of the difference, and verdict."""
    several = len({rule.claim for rule in rules}) > 1
    lines = [f"|{' |' * several} measured | mean [95 %] | control | p | band | |"]
    lines.append(f"|{'---|' * several}---|---:|---:|---:|---|---|")
    for rule in rules:
        found, control, p = interval([row[rule.key] for row in rows]), "–", "–"
        if rule.control:
            control = f"{interval([row[rule.control] for row in rows])} {rule.versus}"
            p = f"{sign_flip([row[rule.key] - row[rule.control] for row in rows]):.3f}".replace("nan", "–")
        which = f" {rule.claim} |" if several else ""
        lines.append(f"|{which} {cell(rule.what)} | {found} | {control} | {p} | {rule.band} | {rule.judge(rows)} |")
    return lines


def of_each_seed(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each seed, in order of seed."""
    seeds = sorted({row["setting"]["seed"] for row in rows})
    return [[row for row in rows if row["setting"]["seed"] == seed] for seed in seeds]
