"""`toymdrl reproduce --compare`: a fresh result held against the committed one, rule by rule."""

from collections.abc import Sequence
from math import comb
from pathlib import Path

from toymdrl import catalogue, rows
from toymdrl.evidence import exchange, holm, interval
from toymdrl.settings import ConfigError
from toymdrl.study import claims
from toymdrl.study.page import judged_claims

LEVEL = 0.05
"""Of the test that tells two results apart."""


def compare(out: Path, chosen: Sequence[str] | None = None) -> tuple[list[str], bool]:
    """A fresh result against the package's own: each rule in both, a summary; whether none contradicts.

    They contradict each other where an exchange of seeds tells their means apart (LEVEL, Holm over rules): a verdict
    alone may differ because seeds are few. So few that no exchange could tell anything are said to be.

    Args:
        out: folder of the fresh result.
        chosen: claims to compare; None for all.

    Raises:
        ConfigError: an unknown claim, no claims in `out`, or of another preset than the package's.
    """
    judged = judged_claims(chosen)
    committed = catalogue.folder()
    if committed is None:
        raise ConfigError("this installation came without the committed results; clone the repository to compare")
    fresh, own = rows.read(out, claims.NAME).rows, rows.read(committed, claims.NAME).rows
    if not fresh or not own:
        missing = rows.result_file(out if not fresh else committed, claims.NAME)
        raise ConfigError(f"{missing} is not there, and only claims are compared; run `toymdrl reproduce` first")
    presets = {row["setting"]["preset"] for row in fresh + own}
    if len(presets) > 1:
        raise ConfigError(f"results of presets {', '.join(sorted(presets))} cannot be compared; run the laptop preset")
    lines = [f"{'':<5}{'measured':<62}{'here':<22}{'committed':<22}"]
    rules = claims.rules_of(judged)
    tests = {}
    for rule in rules:
        tests[rule.what] = exchange([row[rule.key] for row in fresh], [row[rule.key] for row in own])
    apart = holm(tests)
    undecided = contradicted = 0
    for rule in rules:
        here, there = (interval([row[rule.key] for row in each]) for each in (fresh, own))
        verdict, was = rule.judge(fresh), rule.judge(own)
        # A verdict may differ because seeds are few; only another mean contradicts.
        word = "" if verdict == was else f"  {verdict}, was {was}"
        if apart[rule.what] < LEVEL:
            contradicted += 1
            word += "  another mean"
        elif word:
            undecided += 1
            word += ": cannot be told"
        lines.append(f"{rule.claim:<5}{rule.what:<62}{here!s:<22}{there!s:<22}{word}".rstrip())
    few = f"; {undecided} cannot be told with {len(fresh)} seeds" if undecided else ""
    lines.append(f"{contradicted} of {len(rules)} rules contradict the committed result{few}")
    if len(rules) * 2 / comb(len(fresh) + len(own), len(fresh)) >= LEVEL:  # the least p that there can be
        lines.append(f"{len(fresh)} seeds are too few to contradict anything; take more, or fewer --claims")
    return lines, not contradicted
