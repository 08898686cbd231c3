"""C7: later training harms mainly through the second-order term (T1, T2)."""

from dataclasses import dataclass
from statistics import mean, median

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import stats

from toymdrl import domains
from toymdrl.analysis import damage
from toymdrl.analysis.conflict import Conflict
from toymdrl.analysis.damage import PATH, Damage, Decomposition
from toymdrl.claims.base import Chapter, Claim, Measurement, Outcome, Topic
from toymdrl.claims.subject import ALL_LATER, Subject
from toymdrl.evidence import Rule
from toymdrl.runs.plan import Checkpoint
from toymdrl.style import FAINT, INK, MINIATURE, STYLE, Look
from toymdrl.words import signed

WORTH_EXPLAINING = 2.0
"""Points of damage from which on a prediction is judged: smaller ones are about what the eval split resolves."""


def measure(subject: Subject) -> Damage:
    """The analysis of a run: every later update on every earlier domain's checkpoint."""
    stages = {domain: subject.vectors[Checkpoint("stage", domain)] for domain in subject.order}
    return damage.measure(subject.policy, subject.losses, subject.order, stages)


@dataclass(frozen=True)
class SecondOrder:
    """What one run measures of C7, in points, for the headline's domain and all that was trained later."""

    actual: float
    first: float
    second: float
    predicted_share: float | None
    """First and second order over the actual damage; None where there is none."""
    certificate: float | None
    """T2(b)'s: below 1, the second order dominates for certain."""
    pairs_worth_explaining: int


@dataclass(frozen=True)
class Closure:
    """The control of C7."""

    what: str
    points: float


def second_order(outcome: Outcome) -> Measurement[SecondOrder, Closure]:
    """C7 in a run."""
    pairs, conflict = outcome.explained[Damage].pairs, outcome.explained[Conflict]
    # The headline's pair: the harmed domain and all that came later.
    head = next(each for each in pairs if (each.earlier, each.later) == (conflict.earlier, conflict.later))
    worth = [pair for pair in pairs if pair.actual >= WORTH_EXPLAINING]
    m = SecondOrder(
        actual=head.actual,
        first=head.first,
        second=head.second,
        predicted_share=head.predicted / head.actual if head.actual else None,
        certificate=head.eta,
        pairs_worth_explaining=len(worth),
    )
    what = "largest error of the exact form, Hessian averaged along the path, over all pairs"
    closure = Closure(what, max(abs(each.closure) for each in pairs))
    actual = [pair.actual for pair in worth]
    numbers = {
        "pairs": len(worth),
        "predicted": [pair.predicted for pair in pairs],
        "actual": [pair.actual for pair in pairs],
        "rank": _rank([pair.predicted for pair in worth], actual),
        "rank_first": _rank([pair.first for pair in worth], actual),
        # Ratios of small damages are noise: only pairs that are worth explaining count.
        "ratio": median(pair.predicted / pair.actual for pair in worth) if worth else 0.0,
        "second_larger": mean(abs(pair.second) > abs(pair.first) for pair in worth) if worth else 0.0,
        "closure": max((abs(pair.closure) / pair.actual for pair in worth), default=0.0),
    }
    return Measurement(m, closure, numbers)


def _rank(one: list[float], other: list[float]) -> float:
    """Spearman's rank correlation; two pairs have none."""
    return float(stats.spearmanr(one, other).statistic) if len(one) > 2 else 0.0


C7 = Claim(
    key="C7",
    paper="Later training harms mainly through the second-order term, 1/2 delta^T H delta",
    measure=second_order,
    line=lambda m: f"first order {signed(m.first)}, second {signed(m.second)}, actual {signed(m.actual)} points",
    control=lambda c: f"the exact form errs by {abs(c.points):.2f} points at most",
    rules=(
        Rule("C7", "rank correlation, predicted and actual damage", "rank", above=0.8).against(
            "rank_first", "first order"
        ),
        Rule("C7", "predicted over actual damage, median of pairs", "ratio", above=0.5, below=2),
        Rule("C7", "share of pairs in which second order is larger", "second_larger", above=0.5),
    ),
)


def chapters(outcome: Outcome) -> list[Chapter]:
    """What the figure shows."""
    m = second_order(outcome).measured
    head = Head(domains.title(outcome.headline.domain), "all that was trained later", m.actual, m.first, m.second)
    return [chapter(outcome.explained[Damage], head, MINIATURE)]


@dataclass(frozen=True)
class Head:
    """The pair that a chapter tells of: names for people, losses in their unit."""

    harmed: str
    later: str
    actual: float
    first: float
    second: float


def chapter(found: Damage, head: Head, look: Look) -> Chapter:
    """What the figure shows, of any model."""
    pairs, actual, amount = found.pairs, head.actual, look.amount
    certain = sum(pair.eta is not None and pair.eta < 1 for pair in pairs)
    mainly = head.second > max(abs(head.first), actual / 2) and actual > 0
    worst = max(abs(pair.closure) for pair in pairs)
    exact = f"{worst:.2f}" if look.digits else f"{worst:.2g}"
    return Chapter(
        ("C7",),
        "Harm is second-order" if mainly else "What gradient and Hessian say",
        f"For {head.harmed} and {head.later}, the gradient at its checkpoint explains {amount(head.first)} "
        f"{look.unit}, the Hessian {amount(head.second)}, of {amount(actual)} lost. Each bar is an update put on an "
        "earlier domain's checkpoint. With the Hessian averaged along the path, at as many points as that takes, "
        f"the form is exact, here to {exact} {look.unit} for every bar: what "
        "the two orders miss is that the curvature changes on the way. With its drift as met along the path, T2 "
        f"certifies for {certain} of {len(pairs)} pairs that the second-order term dominates.",
        "damage",
        "Actual damage of every pair of domains against its first- and second-order prediction",
        course="05_orthogonal",
    )


def pair_title(pair: Decomposition) -> str:
    """A pair's name for people."""
    later = "all later" if pair.later == ALL_LATER else domains.title(pair.later)
    return f"{domains.title(pair.earlier)}, after {later}"


def figure(result: Damage, look: Look = MINIATURE) -> Figure:
    """Left: actual against predicted damage of every pair. Right: the worst pair along its path."""
    with rc_context({**STYLE, "axes.grid.axis": "x"}):
        drawn = Figure(figsize=(11, 0.46 * len(result.pairs) + 1.6))
        left, right = drawn.subplots(1, 2, width_ratios=(1.5, 1), gridspec_kw={"wspace": 0.22})
        rows = range(len(result.pairs))[::-1]
        for row, pair in zip(rows, result.pairs, strict=True):
            left.barh(row, pair.actual, height=0.62, color=look.colour(pair.earlier), alpha=0.3, linewidth=0)
            left.plot([pair.first] * 2, [row - 0.3, row + 0.3], color=FAINT, linewidth=2)
            left.plot(pair.second, row, "o", color="white", markeredgecolor=INK, markersize=6)
            left.plot(pair.predicted, row, "D", color=INK, markersize=5)
        left.set_yticks(list(rows), [pair_title(pair) for pair in result.pairs], color=INK)
        left.axvline(0, color=FAINT, linewidth=0.8)
        left.set(title=f"damage, in {look.unit}", ylim=(-0.7, len(result.pairs) - 0.3))
        handles = [
            Patch(color=FAINT, alpha=0.4, label="actual"),
            Line2D([], [], color=FAINT, linewidth=0, marker="|", markersize=12, mew=2, label="first order"),
            Line2D([], [], color=INK, linewidth=0, marker="o", markerfacecolor="white", label="second order"),
            Line2D([], [], color=INK, linewidth=0, marker="D", markersize=5, label="both: predicted"),
        ]
        left.legend(handles=handles, loc="upper center", ncols=4, bbox_to_anchor=(0.42, -0.08), frameon=False)
        worst = max(result.pairs, key=lambda pair: pair.actual)
        s = np.linspace(0, 1, 101)
        right.plot([0, *PATH], [0, *worst.along], "o-", color=look.colour(worst.earlier), linewidth=2.2, label="actual")
        right.plot(s, s * worst.first + s**2 * worst.second, color=INK, linewidth=1.4, label="predicted at s = 0")
        right.grid(axis="both")
        right.set(title=f"{pair_title(worst)}: along the path", xlabel="share s of the update")
        right.legend(frameon=False)
    return drawn


TOPIC = Topic("damage", Damage, measure, 1160, (C7,), chapters, figure)
