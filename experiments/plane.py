"""Where does a refresh go? Straight down the one axis of a plane on which the harmed domain's loss hangs.

Claim      None of the paper's: its C7, C8 and C10 in one picture. The plane through Math's checkpoint is spanned by the
           part of QA's and CW's update inside 32 conflict directions of Math (P delta, axis b) and the rest (Q delta,
           axis a), so that training goes from (0, 0) to (1, 1). Math hangs on b, QA and CW hang on a; three Re-Math
           steps undo b and leave a alone.
Measured   (a, b) of the run's checkpoints by orthogonal projection; exact expected reward in points, unseen prompts
           (1,024 of Math, 256 of QA and Code, 16 of CW), on a lattice of the plane: toymdrl/analysis/plane.py.
Control    The same checkpoints in planes with 32 random directions in place of the conflict subspace, three of them;
           three random steps, each eight times as long as three times P delta.
Seeds      20 to 29. Found on seeds 0 to 2, on which these rules were written.
Band       RULES. Curvatures are per squared length, so the axes' lengths are taken out.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toymdrl.analysis.plane import Plane
from toymdrl.claims import plane
from toymdrl.evidence import Row, Rule, rule_table
from toymdrl.plain import from_plain, to_plain
from toymdrl.runs.plan import Stage, headline, stages
from toymdrl.study.questions import Setting
from toymdrl.study.stage import config_of, executed, seeds_of, subject_of

TITLE = "The plane that says why"
PLACE = 0
SECONDS = 90.0
RULES = [
    Rule("plane", "share of b that three Re-Math steps undo", "down", above=0.5).against(
        "random down", "in planes with random directions"
    ),
    Rule("plane", "share of a that they undo", "sideways", above=-0.05, below=0.05),
    Rule("plane", "share of b undone in planes with random directions", "random down", above=-0.1, below=0.1),
    Rule("plane", "Math's curvature along a over that along b, steps as long", "flatness", above=-0.05, below=0.05),
    Rule("plane", "what b changes QA and CW by, over what a does, mean", "vertical", below=0.1),
    Rule("plane", "points that three times Pδ cost Math", "stretched", above=20).against(
        "random step", "a random step eight times as long"
    ),
    Rule("plane", "points that the random step costs Math", "random step", below=5),
    Rule("plane", "largest change of another domain by three times Pδ, points", "spared", below=5),
]


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed."""
    return seeds_of(preset, seeds)


def plan(setting: Setting) -> list[Stage]:
    """The stages that the plane needs: the sequence, and the refresh of the harmed domain."""
    config = config_of(setting)
    head = headline(config)
    return [stage for stage in stages(config) if stage.kind != "refresh" or (head and stage.domain == head.domain)]
