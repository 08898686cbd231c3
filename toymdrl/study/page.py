"""REPRODUCTION.md: the claims table, every rule, and every question that was asked."""

from collections.abc import Sequence
from pathlib import Path

from toymdrl import catalogue, rows
from toymdrl.claims.paper import PAPER
from toymdrl.evidence import Row
from toymdrl.settings import ConfigError
from toymdrl.study import claims, questions
from toymdrl.study.questions import Question

MEANINGLESS = "This is the smoke preset: it touches every part, and its numbers and verdicts mean nothing."


def known(names: Sequence[str], known: Sequence[str], what: str) -> list[str]:
    """The names in their own order.

    Raises:
        ConfigError: one is not known.
    """
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown {what} {name!r}; choose from {', '.join(known)}")
    return [name for name in known if name in names]


def judged_claims(chosen: Sequence[str] | None) -> list[str]:
    """The claims to judge, in order; None for all.

    Raises:
        ConfigError: one is not known.
    """
    return known(list(PAPER) if chosen is None else chosen, list(PAPER), "claim")


def pilot(preset: str) -> Sequence[Row]:
    """The rows that the rules were written on; none of other presets, or if the package came without them."""
    here = catalogue.folder()
    return rows.read(here, "pilot").rows if here and preset == "laptop" else ()


def page(
    out: Path, judged: Sequence[str], asked: Sequence[Question] | None = None, *, read_afterwards: bool = False
) -> list[str]:
    """The page's lines, from all result files that are there.

    Args:
        out: folder of the result files.
        judged: claims to judge.
        asked: questions that may not be the project's own, whose files may also be there.
        read_afterwards: with what the questions' files say of their committed rows; who asks others draws others.
    """
    lines = ["# Reproduction", "", *_claims_part(out, judged, read_afterwards=read_afterwards)]
    # In the page's order, whatever was asked now: files of earlier commands are told too.
    own = [questions.load(questions.file_of(name)) for name in catalogue.names()]
    others = [module for module in asked or [] if module not in own and module is not claims.QUESTION]
    for module in (*own, *others):
        place = f"experiments/{questions.name_of(module)}.py" if module in own else module.__file__
        lines += _question_part(out, module, place, read_afterwards=read_afterwards)
    return lines


def _question_part(out: Path, module: Question, place: str, *, read_afterwards: bool) -> list[str]:
    """A question's part; nothing if it has not been asked."""
    name = questions.name_of(module)
    asked = rows.read(out, name)
    if not asked.rows:
        return []
    seeds = asked.seeds
    lines = [
        "",
        f"## {module.TITLE}",
        "",
        f"*{(module.__doc__ or '').splitlines()[0]}* `{asked.command}`, seeds {seeds[0]} to {seeds[-1]}, `{place}`",
        "",
        *module.page(asked.rows),
    ]
    if hasattr(module, "figure"):
        lines += ["", f"![{module.TITLE}](results/{name}.png)"]
    if read_afterwards and hasattr(module, "READING"):
        lines += ["", f"**Read afterwards.** {module.READING}"]
    return lines


def _claims_part(out: Path, judged: Sequence[str], *, read_afterwards: bool) -> list[str]:
    """The claims table and every rule; nothing if the claims have not been asked."""
    asked = rows.read(out, claims.NAME)
    if not asked.rows:
        return ["The claims have not been asked here."]
    seeds, preset = asked.seeds, asked.rows[0]["setting"]["preset"]
    some = list(judged) != list(PAPER)
    command = asked.command + (f" --claims {' '.join(judged)}" if some else "")
    versions, commit = asked.provenance["versions"], asked.provenance["commit"]
    return [
        *([f"**{MEANINGLESS}**", ""] if preset == "smoke" else []),
        f"Written by `{command}`, seeds {seeds[0]} to {seeds[-1]}, with",
        f"torch {versions['torch']}, at commit `{commit}`.",
        "Means over seeds with 95 % t intervals; p by exact sign flips over seeds. Rules, controls and seeds are in",
        "the docstrings of `experiments/*.py`, fixed before these seeds were run. A rule is met if the whole interval",
        "(or, where its band says so, every seed) lies in the band, not met if it lies outside, else open: more seeds",
        "would be needed. A claim is reproduced if all of its rules are met, not reproduced if one is not met. Power",
        "is the probability that as many seeds meet a claim's weakest rule if they are drawn as the pilot's (seeds",
        "0 to 9). Shrinking is the control that takes as much length off the whole update as the repair does.",
        "",
        *claims.summary(judged, asked.rows, pilot(preset)),
        "",
        "## Every rule",
        "",
        *claims.page(judged, asked.rows),
        *(["", f"**Read afterwards.** {claims.READING}"] if read_afterwards else []),
    ]
