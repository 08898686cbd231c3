"""Has harm a sign? The opposite of the harmful update, and a rollback that picks coordinates by their sign.

Claim      Second-order harm has no sign (T12), so the mirror image of what harmed Math harms it too; and of the terms
           δ·Hδ only their size says what to put back (C11): picked by sign, what is left is out of balance.
Measured   On unseen prompts, in points of exact expected reward. With δ the update by QA and CW: what -δ, added to
           Math's checkpoint, costs Math; and what Math gains when a share of the coordinates, those of the largest
           signed δ·Hδ, is put back after δ.
Control    A Gaussian direction as long as δ; as many coordinates, picked by |δ·Hδ|.
Seeds      20 to 29. Both were first seen on seed 0 (book/05_orthogonal.md, book/08_rollback.md).
Band       RULES.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from toymdrl.analysis.rollback import restricted, top_coordinates
from toymdrl.curvature import Hessian
from toymdrl.evidence import Row, Rule, interval, rule_table
from toymdrl.parameters import at_parameters, read_parameters
from toymdrl.policy.exact import ExpectedReward, exact_score
from toymdrl.policy.losses import first_problems, reward_loss
from toymdrl.policy.scores import scoreboard
from toymdrl.runs.plan import Checkpoint, stages
from toymdrl.streams import stream
from toymdrl.study.questions import Setting
from toymdrl.study.stage import config_of, executed, seeds_of

TITLE = "Harm has no sign: the mirror, and the signed rollback"
PLACE = 10
SECONDS = 10.0
SHARES = (0.01, 0.05, 0.2)
"""Of the coordinates, put back; the rule is about the last."""
RULES = [
    Rule("mirror", "points that the mirrored update costs Math", "mirror", above=2).against("gaussian", "Gaussian"),
    Rule("mirror", "points gained, 20 % put back by signed δ·Hδ", "signed 0.2", below=0).against("size 0.2", "by size"),
]


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed."""
    return seeds_of(preset, seeds)


def measure(setting: Setting, out: Path) -> Row:
    """Math's loss by the update, its mirror and a random direction; its gain by both kinds of rollback."""
    config = config_of(setting)
    sequence = [stage for stage in stages(config) if stage.kind in ("base", "stage")]
    run, unseen = executed(config, sequence, out), scoreboard()["math"]
    math, last = (run.load_policy(Checkpoint("stage", domain)) for domain in ("math", config.order[-1]))
    start, end = read_parameters(math), read_parameters(last)
    delta = end - start

    def score(where: Tensor) -> float:
        with at_parameters(math, where):
            return exact_score(math, unseen)

    level, after = score(start), score(end)
    drawn = torch.randn(delta.shape, generator=stream(setting["seed"], "mirror"))
    row = {
        "lost": level - after,
        "mirror": level - score(start - delta),
        "gaussian": level - score(start + drawn * (delta.norm() / drawn.norm())),
    }
    loss = reward_loss(ExpectedReward(first_problems("math", "train", config.analysis.prompts)))
    terms = delta * (Hessian(math.requires_grad_(True), loss, keep_graph=False) @ delta)
    for share in SHARES:
        for name, ranking in (("signed", terms), ("size", terms.abs())):
            part = restricted(delta, top_coordinates(ranking, int(share * len(delta))))
            row[f"{name} {share:g}"] = score(end - part) - after
    return row


def page(rows: Sequence[Row]) -> list[str]:
    """The rules, the update beside its mirror, and the rollbacks by share."""
    lost = interval([row["lost"] for row in rows])
    lines = [*rule_table(RULES, rows), "", f"The update itself costs Math {lost} points.", ""]
    lines += ["| coordinates put back | points gained, by signed δ·Hδ | by its size |", "|---:|---:|---:|"]
    for share in SHARES:
        cells = [str(interval([row[f"{name} {share:g}"] for row in rows])) for name in ("signed", "size")]
        lines.append(f"| {share:.0%} | {' | '.join(cells)} |")
    return lines
