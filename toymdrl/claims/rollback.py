"""C11: a training-free rollback of a few coordinates partially restores the harmed domain (T7)."""

from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure

from toymdrl import domains
from toymdrl.analysis import rollback
from toymdrl.analysis.rollback import (
    BUDGETS,
    CURVATURE,
    DAMPED,
    EQUAL_NORM,
    FISHER,
    MAGNITUDE,
    NAMES,
    NEURONS,
    RANDOM,
    SHRINK,
    SIGNED,
    Rollback,
    Trial,
)
from toymdrl.claims.base import Chapter, Claim, Measurement, Outcome, Topic
from toymdrl.claims.subject import Subject
from toymdrl.evidence import Rule
from toymdrl.style import CONTRAST, FAINT, INK, MINIATURE, STYLE, Look
from toymdrl.words import percent, signed

BUDGET = 0.01
"""Share of the coordinates that the claim is judged at, and that are put back in the checkpoint that a run keeps."""


def measure(subject: Subject) -> Rollback:
    """The analysis of a run."""
    return rollback.measure(
        subject.policy,
        subject.fit_loss(subject.harmed),
        subject.losses,
        {domain: subject.fit_loss(domain, 1 / 4) for domain in subject.order},
        subject.start,
        subject.delta,
        product=subject.product,
        fisher=subject.fisher,
        neurons=subject.neurons,
        generator=subject.stream("rollback"),
        earlier=subject.harmed,
        later=subject.later,
    )


@dataclass(frozen=True)
class Restored:
    """What one run measures of C11."""

    budget: float
    recovered: float
    """Share of the damage undone at that budget."""
    best_budget_for_the_average: float
    average_gain_at_best: float
    """Points, mean over all domains."""


@dataclass(frozen=True)
class Controls:
    """The controls of C11: shares of the damage undone, and points."""

    what: str
    random: float
    shrink: float
    average_gain_of_shrinking_at_its_best: float


def restored(outcome: Outcome) -> Measurement[Restored, Controls]:
    """C11 in a run."""
    return repaired(outcome.explained[Rollback])


def repaired(found: Rollback) -> Measurement[Restored, Controls]:
    """C11 in any model."""
    best = found.best()
    m = Restored(
        budget=BUDGET,
        recovered=found.recovered(CURVATURE, BUDGET),
        best_budget_for_the_average=best.budget,
        average_gain_at_best=_mean_gain(best),
    )
    controls = Controls(
        what="random coordinates, as many; shrinking the update by the same norm",
        random=found.recovered(RANDOM, BUDGET),
        shrink=found.recovered(SHRINK, BUDGET),
        average_gain_of_shrinking_at_its_best=_mean_gain(found.best(SHRINK)),
    )
    numbers = {
        "rollback": m.recovered,
        "rollback_random": controls.random,
        "rollback_shrink": controls.shrink,
        "rollback_beyond_shrink": m.recovered - controls.shrink,
    }
    return Measurement(m, controls, numbers)


def _mean_gain(trial: Trial) -> float:
    """Points gained on average over all domains."""
    return -sum(trial.changes.values()) / len(trial.changes)


C11 = Claim(
    key="C11",
    paper="A training-free rollback of a sparse coordinate set partially restores the harmed domain",
    measure=restored,
    line=lambda m: (
        f"{m.budget:.0%} of the coordinates undo {percent(m.recovered)} of the loss; best for the average: "
        f"{100 * m.best_budget_for_the_average:g}%, {signed(m.average_gain_at_best)}"
    ),
    control=lambda c: (
        f"random {percent(c.random)}, shrinking {percent(c.shrink)}; shrinking at its best: average "
        f"{signed(c.average_gain_of_shrinking_at_its_best)}"
    ),
    rules=(
        Rule("C11", "damage undone by rolling 1 % back", "rollback", above=0.25).against(
            "rollback_shrink", "shrinking"
        ),
        Rule("C11", "that less the control", "rollback_beyond_shrink", above=0),
        Rule("C11", "damage undone by rolling a random 1 % back", "rollback_random", below=0.05),
    ),
)


def chapters(outcome: Outcome) -> list[Chapter]:
    """What the figure shows."""
    return [chapter(outcome.explained[Rollback], domains.title(outcome.headline.domain), MINIATURE)]


def chapter(found: Rollback, harmed: str, look: Look) -> Chapter:
    """What the figure shows, of any model."""
    c11, amount = repaired(found), look.amount
    m, controls = c11.measured, c11.control
    return Chapter(
        ("C11",),
        "Undoing one weight in a hundred",
        f"Putting {m.budget:.0%} of the coordinates back, those with the largest |δ·Hδ|, undoes "
        f"{percent(m.recovered)} of {harmed}'s loss without any training. As many random ones undo "
        f"{percent(controls.random)}, the largest changes {percent(found.recovered(MAGNITUDE, m.budget))}, and "
        f"shrinking the whole update by the same norm {percent(controls.shrink)}. What the other domains gain or "
        "lose by it is on the right. For the average of all domains the best budget, chosen on other prompts, is "
        f"{100 * m.best_budget_for_the_average:g}%: {amount(m.average_gain_at_best)} {look.unit}; shrinking at its "
        f"best: {amount(controls.average_gain_of_shrinking_at_its_best)}.",
        "rollback",
        "Damage undone against the share of coordinates put back, by score; the price for every domain",
        course="08_rollback",
    )


def figure(result: Rollback, look: Look = MINIATURE) -> Figure:
    """Left: damage undone against the share of coordinates put back. Right: the price, domain by domain."""
    looks = {
        CURVATURE: (look.colour(result.earlier), "o-", 2.4),
        DAMPED: (look.colour(result.earlier), "o:", 1.4),
        FISHER: (CONTRAST[0], "s-", 1.4),
        SIGNED: (CONTRAST[1], "^-", 1.2),
        NEURONS: (CONTRAST[2], "v-", 1.2),
        MAGNITUDE: (CONTRAST[3], "D-", 1.2),
        SHRINK: (INK, "--", 1.4),
        RANDOM: (FAINT, ":", 1.8),
        EQUAL_NORM: (FAINT, "-.", 1.2),
    }
    with rc_context(STYLE):
        drawn = Figure(figsize=(12, 4.4))
        left, right = drawn.subplots(1, 2, width_ratios=(1.35, 1), gridspec_kw={"wspace": 0.2})
        for method, (tone, line, width) in looks.items():
            if any(each.method == method for each in result.trials):
                budgets = sorted({each.budget for each in result.trials if each.method == method})
                shares = [100 * result.recovered(method, budget) for budget in budgets]
                places = [100 * budget for budget in budgets]
                left.plot(places, shares, line, color=tone, linewidth=width, label=NAMES[method], markersize=4)
        ticks = [100 * budget for budget in BUDGETS]
        for axes in (left, right):
            axes.axhline(0, color=FAINT, linewidth=0.8)
            axes.set(xscale="log", xlabel="% of all coordinates put back")
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        left.set(title=f"% of {domains.title(result.earlier)}'s damage undone (unseen prompts)", ylim=(-30, 105))
        left.legend(frameon=False, fontsize=8.5, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.15))
        mine = [each for each in result.trials if each.method == CURVATURE]
        for name in mine[0].changes:
            gains = [-each.changes[name] for each in mine]
            right.plot(
                ticks, gains, "o-", color=look.colour(name), linewidth=2, markersize=4, label=domains.title(name)
            )
        means = [-sum(each.changes.values()) / len(each.changes) for each in mine]
        right.plot(ticks, means, "--", color=INK, linewidth=1.6, label="average")
        right.set_title(f"{look.unit} gained or lost, coordinates by {NAMES[CURVATURE]}")
        right.legend(frameon=False, fontsize=8.5)
    return drawn


TOPIC = Topic("rollback", Rollback, measure, 565, (C11,), chapters, figure)
