"""Is the conflict subspace the cause? Train the later domains with their updates kept out of it.

Claim      Harm lives in a low-dimensional subspace S_A (C8). If so, an update kept out of S_A spares A at little cost
           to the later domains.
Measured   QA and CW trained after Math as in the run, the accumulated update projected after every step: off the top
           32 directions of Math's Hessian (from train prompts, before QA is trained); or with the 1 % of coordinates of
           the largest Fisher diagonal put back to Math's checkpoint. Points of exact expected reward, unseen prompts.
Control    A random subspace of 32 directions; a random 1 % of coordinates.
Seeds      10 to 19.
Band       RULES. Spared are the points of Math's loss without protection that do not happen.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from toymdrl.analysis.conflict import project, random_basis
from toymdrl.analysis.rollback import restricted, top_coordinates
from toymdrl.claims.subject import Subject
from toymdrl.domains import DOMAINS
from toymdrl.evidence import Row, Rule, interval, rule_table
from toymdrl.policy.scores import evaluate
from toymdrl.runs.plan import Checkpoint
from toymdrl.study.protection import train_protected
from toymdrl.study.questions import Setting
from toymdrl.study.stage import config_of, run_of, seeds_of, subject_of

TITLE = "Causality: the later domains kept out of the conflict subspace"
PLACE = 3
SECONDS = 60.0
SHARE = 0.01
"""Of the coordinates that are frozen."""
ARMS = {
    "none": "nothing",
    "subspace": "the top 32 directions of Math's Hessian",
    "random subspace": "32 random directions",
    "fisher": "the 1 % of largest Fisher diagonal",
    "random coordinates": "a random 1 %",
}
RULES = [
    Rule("causality", "points of Math's loss spared by the subspace", "spared subspace", above=0).against(
        "spared random subspace", "random"
    ),
    Rule("causality", "that less the control", "subspace beyond random", above=0),
    Rule("causality", "points spared by the Fisher coordinates", "spared fisher", above=0).against(
        "spared random coordinates", "random"
    ),
    Rule("causality", "that less the control", "fisher beyond random", above=0),
    Rule("causality", "mean points that QA and CW gain less with the subspace", "cost subspace", below=3),
]
READING = """Kept out of 32 directions that were chosen before QA and CW were seen, these learn as much as ever, and
half of Math's loss does not happen. Random directions do nothing."""


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed."""
    return seeds_of(preset, seeds)


def protections(subject: Subject) -> dict[str, Callable[[Tensor], Tensor]]:
    """For each arm, what becomes of an update of (coordinates,)."""
    basis = subject.spectrum.vectors
    aside = random_basis(subject.delta, basis.shape[1], subject.stream("causality subspace"))
    count = int(SHARE * len(subject.delta))
    generator = subject.stream("causality coordinates")
    drawn = torch.randperm(len(subject.delta), generator=generator)[:count]
    largest = top_coordinates(subject.fisher, count)
    return {
        "none": lambda update: update,
        "subspace": lambda update: update - project(basis, update),
        "random subspace": lambda update: update - project(aside, update),
        "fisher": lambda update: update - restricted(update, largest),
        "random coordinates": lambda update: update - restricted(update, drawn),
    }


def measure(setting: Setting, out: Path) -> Row:
    """Scores before the later stages, and after them in every arm."""
    run, config = run_of(setting, out), config_of(setting)
    subject = subject_of(run)
    with run.lock(wait=True):
        arms = protections(subject)
    math = run.load_policy(Checkpoint("stage", "math"))
    return {"before": evaluate(math)} | {
        arm: evaluate(train_protected(math, config, setting, protection)) for arm, protection in arms.items()
    }


def _of_seed(row: Row) -> Row:
    """One seed's numbers."""
    found: Row = {}
    later = [key for key in DOMAINS if key in ("qa", "cw")]
    for arm in ARMS:
        found[f"spared {arm}"] = row[arm]["math"] - row["none"]["math"]
        found[f"cost {arm}"] = sum(row["none"][key] - row[arm][key] for key in later) / len(later)
        found[f"math {arm}"] = row[arm]["math"] - row["before"]["math"]
    found["subspace beyond random"] = found["spared subspace"] - found["spared random subspace"]
    found["fisher beyond random"] = found["spared fisher"] - found["spared random coordinates"]
    return found


def numbers(rows: Sequence[Row]) -> list[Row]:
    """Each seed's numbers."""
    return [_of_seed(row) for row in rows]


def page(rows: Sequence[Row]) -> list[str]:
    """The rules, and every arm."""
    seeds = numbers(rows)
    lines = [*rule_table(RULES, seeds), ""]
    lines += ["| kept out of | Math's change | QA and CW gain less by |", "|---|---:|---:|"]
    for arm, words in ARMS.items():
        cells = [str(interval([each[f"{kind} {arm}"] for each in seeds])) for kind in ("math", "cost")]
        lines.append(f"| {words} | {cells[0]} | {cells[1]} |")
    return lines
