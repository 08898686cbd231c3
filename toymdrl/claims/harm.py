"""C1: training one domain by RL degrades others. Told by scores alone, and drawn as the journey of the report."""

from dataclasses import dataclass

from toymdrl import domains
from toymdrl.claims.base import Claim, Measurement, Outcome, no_control
from toymdrl.evidence import Rule
from toymdrl.runs.plan import Checkpoint

PAPER_AFTER_ALL = 57.66
"""Math after Code -> Math -> QA -> CW (arXiv 2606.02398)."""
SMALLEST_LOSS = 0.5
"""Points: where less was lost, the text speaks of no loss, and tells no shares of it in its headline."""


@dataclass(frozen=True)
class Harm:
    """What one run measures of C1, in points of 100 x exact expected reward."""

    domain: str
    after_own_stage: float
    after_all_stages: float
    points_lost: float
    points_lost_by_domain: dict[str, float]
    """By every domain but the last one trained."""


def harm(outcome: Outcome) -> Measurement[Harm, None]:
    """C1 in a run. The control of the rules is C10's: as many steps where nothing is to be repaired."""
    head = outcome.headline
    own, end = outcome.scores(head.own), outcome.scores(head.end)
    lost = {}
    for domain in outcome.config.order[:-1]:
        lost[domain] = outcome.scores(Checkpoint("stage", domain))[domain] - end[domain]
    m = Harm(
        domain=head.domain,
        after_own_stage=own[head.domain],
        after_all_stages=end[head.domain],
        points_lost=lost[head.domain],
        points_lost_by_domain=lost,
    )
    return Measurement(m, None, {"lost": m.points_lost, "after_all": m.after_all_stages})


def line(m: Harm) -> str:
    """For the table."""
    name, course = domains.title(m.domain), f"from {m.after_own_stage:.1f} to {m.after_all_stages:.1f}"
    if m.points_lost < SMALLEST_LOSS:
        return f"{name} is not harmed: {course.removeprefix('from ')}"
    return f"{name} falls {course}"


C1 = Claim(
    key="C1",
    paper="Training one domain by RL degrades others: Math falls to 57.66 after Code, Math, QA, CW",
    measure=harm,
    line=line,
    control=no_control,
    rules=(Rule("C1", "points that Math loses to QA and CW", "lost", above=2).against("further", "Math trained on"),),
)
