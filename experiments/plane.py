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

from matplotlib.figure import Figure

from toymdrl.analysis.plane import Plane
from toymdrl.claims import plane
from toymdrl.claims.explanation import topic_code
from toymdrl.evidence import Row, Rule, interval, rule_table
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
READING = """All rules are met. Three Re-Math steps go down the plane, by three quarters of b, and sideways by less than
a hundredth of a; in planes with random directions they go nowhere. The picture is not the whole repair: about half of
the points that come back are in it. Most of the steps' length leaves the plane, and what it wins there no axis of this
picture shows. How far down three steps go varies most, from less than half of b to a little past its end."""


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed."""
    return seeds_of(preset, seeds)


def plan(setting: Setting) -> list[Stage]:
    """The stages that the plane needs: the sequence, and the refresh of the harmed domain."""
    config = config_of(setting)
    head = headline(config)
    return [stage for stage in stages(config) if stage.kind != "refresh" or (head and stage.domain == head.domain)]


def code() -> str:
    """What decides a row beside this file's own `measure`: how the plane is put to a run."""
    return topic_code(plane.TOPIC)


def measure(setting: Setting, out: Path) -> Row:
    """The plane of one seed's run, and which of its refreshes is told."""
    run = executed(config_of(setting), plan(setting), out)
    subject = subject_of(run)
    with run.lock(wait=True):
        found = plane.measure(subject)
    if found is None:
        raise ValueError("the update spans no plane")
    return {"steps": subject.headline.steps, "plane": to_plain(found)}


def plane_of(row: Row) -> Plane:
    """A row's plane."""
    return from_plain(Plane, row["plane"])


def page(rows: Sequence[Row]) -> list[str]:
    """The rules; what else the plane shows, and what it leaves out."""
    numbers = [plane.numbers(plane_of(row), row["steps"]) for row in rows]
    found = {key: interval([each[key] for each in numbers]) for key in numbers[0]}
    return [
        *rule_table(RULES, numbers),
        "",
        f"Lengths: Qδ {found['outside']}, Pδ {found['inside']}. Qδ alone costs Math {found['a alone']} points, Pδ"
        f" alone {found['b alone']}. Three Re-Math steps win {found['gain']} points back, their projections on the"
        f" plane {found['gain in the plane']}: the refreshed models lie {found['away']} off it.",
        "",
        f"Drawn is the plane of seed {rows[0]['setting']['seed']}.",
    ]


def figure(rows: Sequence[Row]) -> Figure:
    """The first seed's plane."""
    return plane.figure(plane_of(rows[0]))
