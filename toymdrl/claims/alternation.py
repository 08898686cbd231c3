"""C12: a cycle of alternating refreshes approximates a descent step on all domains together (T8)."""

from dataclasses import dataclass
from statistics import mean

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from toymdrl import domains
from toymdrl.analysis import alternation
from toymdrl.analysis.alternation import Alternation
from toymdrl.claims.base import Chapter, Claim, Measurement, Outcome, Topic
from toymdrl.claims.subject import Subject
from toymdrl.evidence import Rule
from toymdrl.style import FAINT, INK, STYLE, colour
from toymdrl.words import signed


def measure(subject: Subject) -> Alternation:
    """The analysis of a run: cycles from the end of the sequence, on few prompts, since each step is exact."""
    losses = {domain: subject.fit_loss(domain, 1 / 16) for domain in subject.order}
    unseen = {domain: subject.unseen_loss(domain, 1 / 4) for domain in subject.order}
    return alternation.measure(subject.policy, losses, subject.vectors[subject.headline.end], unseen=unseen)


@dataclass(frozen=True)
class Turns:
    """What one run measures of C12."""

    deviation_share: float
    """A cycle's distance from the descent step, over the step."""
    deviation_bound_share: float
    """T8(a)'s bound on it."""
    points_gained: dict[str, float]
    """By all cycles, by domain."""
    gained_by_coming_last: float
    """Points, instead of coming first."""
    order_effect_predicted_within: float
    """Error of T8(b)'s prediction of what the order changes, as a share of it."""
    pareto_before: float
    pareto_after: float


@dataclass(frozen=True)
class Reversed:
    """The control of C12."""

    what: str
    points_gained: dict[str, float]


def turns(outcome: Outcome) -> Measurement[Turns, Reversed]:
    """C12 in a run."""
    found = outcome.explained[Alternation]
    m = Turns(
        deviation_share=found.deviation / found.step,
        deviation_bound_share=found.deviation_bound / found.step,
        points_gained={domain: found.gain(domain) for domain in found.domains},
        gained_by_coming_last=found.recency,
        order_effect_predicted_within=found.swap_error,
        pareto_before=found.pareto[0],
        pareto_after=found.pareto[-1],
    )
    gained = {domain: found.gain(domain, reverse=True) for domain in found.domains}
    numbers = {
        "deviation": m.deviation_share,
        "pareto": m.pareto_after / m.pareto_before,
        "gained": mean(m.points_gained.values()),
    }
    return Measurement(m, Reversed("the same cycles in reversed order", gained), numbers)


def _changes(points: dict[str, float]) -> str:
    return ", ".join(f"{domains.title(domain)} {signed(value)}" for domain, value in points.items())


C12 = Claim(
    key="C12",
    paper="A cycle of alternating refreshes approximates a descent step on the weighted objective",
    measure=turns,
    line=lambda m: f"a cycle is a step on the average but for {m.deviation_share:.1%}; {_changes(m.points_gained)}",
    control=lambda c: f"order reversed: {_changes(c.points_gained)}",
    rules=(
        Rule("C12", "a cycle's distance from the descent step, over the step", "deviation", below=0.1),
        Rule("C12", "distance from Pareto-stationarity, 4 cycles after over before", "pareto", below=1),
        Rule("C12", "mean points gained by 4 cycles", "gained", above=0),
    ),
)


def chapters(outcome: Outcome) -> list[Chapter]:
    """What the figure shows."""
    m = turns(outcome).measured
    return [
        Chapter(
            ("C12",),
            "Taking turns",
            "A cycle of one exact gradient step a domain, each on a sixteenth of its train prompts, ends where a step "
            f"on the average loss would, but for {m.deviation_share:.1%} of its length (T8(a), with the curvature at "
            f"the start, allows {m.deviation_bound_share:.0%}). What the order of the domains changes is predicted by "
            f"their Hessians to {m.order_effect_predicted_within:.0%} (T8(b)); coming last instead of first is worth "
            f"{signed(m.gained_by_coming_last, 2)} points to a domain. The distance from Pareto-stationarity goes from "
            f"{m.pareto_before:.3g} to {m.pareto_after:.3g}. Scores are on unseen prompts.",
            "alternation",
            "Points gained by each domain over cycles in both orders",
            small=True,
        )
    ]


def figure(result: Alternation) -> Figure:
    """What each domain and the average gain cycle by cycle, in both orders."""
    cycles = range(len(result.pareto))
    with rc_context(STYLE):
        drawn = Figure(figsize=(6.4, 3.9))
        axes = drawn.subplots()
        for name in result.domains:
            gained = [[series[0] - each for each in series] for series in (result.forward[name], result.reversed[name])]
            axes.plot(cycles, gained[0], color=colour(name), linewidth=2, label=domains.title(name))
            # Rings rather than a second line, which would lie on the first.
            axes.plot(cycles, gained[1], "o", color=colour(name), markersize=7, markerfacecolor="none")
        average = np.mean([result.forward[name] for name in result.domains], axis=0)
        axes.plot(cycles, average[0] - average, "--", color=INK, linewidth=1.6, label="average")
        axes.axhline(0, color=FAINT, linewidth=0.8)
        moves = "rises" if average[-1] < average[0] else "does not rise"
        axes.set_title(f"Taking turns, the average {moves}")
        arrow = " → ".join(domains.title(name) for name in result.domains)
        axes.set(xlabel=f"cycles of {arrow} (rings: order reversed)", ylabel="points gained")
        axes.legend(frameon=False, fontsize=8.5)
        axes.set_xticks(list(cycles))
    return drawn


TOPIC = Topic("alternation", Alternation, measure, 270, (C12,), chapters, figure)
