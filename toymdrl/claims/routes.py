"""C5: domains share active routes. C6: on them the direction of an update decides between help and harm (T9)."""

from dataclasses import dataclass
from statistics import mean

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from toymdrl import domains
from toymdrl.analysis import routes
from toymdrl.analysis.routes import Routes
from toymdrl.claims.base import Chapter, Claim, Measurement, Outcome, Topic
from toymdrl.claims.subject import Subject
from toymdrl.domains import DOMAINS, problems
from toymdrl.evidence import Rule
from toymdrl.parameters import at_parameters
from toymdrl.policy.forest import chain
from toymdrl.runs.plan import BASE
from toymdrl.style import FAINT, INK, STYLE, colour
from toymdrl.words import correlation

PREDICTIONS = ("shared", "shared_curved", "whole", "whole_curved")
"""The predictions of transfer that are told, fields of analysis.routes.Transfer."""
JUDGED = ("math", "code", "qa")
"""C5's rule was written, on the pilot seeds, for the domains whose prompts are questions with one right answer."""


def measure(subject: Subject) -> Routes:
    """The analysis of a run: activity on the prompts alone, at the warm start, where every single training begins."""
    base, activities = subject.vectors[BASE], {}
    with at_parameters(subject.policy, base):
        for domain in subject.order:
            prompts = problems(DOMAINS[domain], "train").prompts.to(base.device)
            # Activity while prompts are read, before any answer: what a domain's questions call on.
            layout = chain(prompts.shape[1]).to(base)
            activities[domain] = routes.activity(subject.policy, lambda policy: policy(prompts, layout))  # noqa: B023
    losses = {domain: subject.unseen_loss(domain, 1 / 4) for domain in subject.order}
    return routes.measure(subject.policy, losses, base, subject.edits, activities=activities, neurons=subject.neurons)


@dataclass(frozen=True)
class Sharing:
    """What one run measures of C5, over pairs of domains."""

    mean_jaccard: float
    least: float
    active_share: float
    """Of all neurons: those of highest mean activation count as active."""


@dataclass(frozen=True)
class Chance:
    """The control of C5."""

    what: str
    jaccard: float


def sharing(outcome: Outcome) -> Measurement[Sharing, Chance]:
    """C5 in a run."""
    found = outcome.explained[Routes]
    shared = [each.jaccard for each in found.overlaps]
    m = Sharing(mean_jaccard=sum(shared) / len(shared), least=min(shared), active_share=found.active)
    chance = Chance("chance: random sets of as many neurons", found.chance)
    judged = [each.jaccard for each in found.overlaps if {each.one, each.other} <= set(JUDGED)]
    numbers = {"active": mean(judged), "active_chance": found.chance} if judged else {}
    return Measurement(m, chance, numbers)


@dataclass(frozen=True)
class Direction:
    """What one run measures of C6, over ordered pairs of domains."""

    rank_correlation: dict[str, float | None]
    """Spearman's, of each of PREDICTIONS with what was gained; None where it is undefined."""
    sign_agreement: dict[str, float]
    """Share of pairs in which the predicted sign is right."""
    interaction_correlation: float | None
    """Spearman's, of predicted with observed interactions."""


@dataclass(frozen=True)
class Elsewhere:
    """The control of C6."""

    what: str
    correlation: float | None


def direction(outcome: Outcome) -> Measurement[Direction, Elsewhere]:
    """C6 in a run."""
    found = outcome.explained[Routes]
    m = Direction(
        rank_correlation={kind: found.rank_correlation(kind) for kind in PREDICTIONS},
        sign_agreement={kind: found.sign_agreement(kind) for kind in PREDICTIONS},
        interaction_correlation=found.interaction_correlation,
    )
    elsewhere = Elsewhere("the same direction on all other neurons", found.rank_correlation("elsewhere"))
    # What cannot be ranked predicts nothing.
    shared, control = m.rank_correlation["shared"] or 0.0, elsewhere.correlation or 0.0
    numbers = {
        "shared": shared,
        "elsewhere": control,
        "whole_curved": m.rank_correlation["whole_curved"] or 0.0,
        "shared_beyond": shared - control,
    }
    return Measurement(m, elsewhere, numbers)


def direction_line(m: Direction) -> str:
    """For the table."""
    ranks = m.rank_correlation
    if ranks["shared"] is None:
        return "too few pairs to rank"
    return (
        f"rank correlation with transfer {correlation(ranks['shared'])}, with curvature "
        f"{correlation(ranks['shared_curved'])}; on all weights, with curvature, "
        f"{correlation(ranks['whole_curved'])}; of interactions {correlation(m.interaction_correlation)}"
    )


def elsewhere_line(c: Elsewhere) -> str:
    """For the table."""
    return "–" if c.correlation is None else f"direction on all other neurons {correlation(c.correlation)}"


C5 = Claim(
    key="C5",
    paper="Domains still share substantial active computation routes",
    measure=sharing,
    line=lambda m: f"mean Jaccard of active neurons {m.mean_jaccard:.2f}, least {m.least:.2f}",
    control=lambda c: f"chance {c.jaccard:.2f}",
    rules=(
        Rule("C5", "Jaccard of active neurons, Math, Code, QA", "active", above=0.21).against(
            "active_chance", "chance"
        ),
    ),
)
C6 = Claim(
    key="C6",
    paper="On those routes the direction of the update decides synergy or conflict",
    measure=direction,
    line=direction_line,
    control=elsewhere_line,
    rules=(
        Rule("C6", "rank correlation, −g·δ on shared neurons, transfer", "shared", above=0).against(
            "elsewhere", "others"
        ),
        Rule("C6", "that less the same on neurons that are not shared", "shared_beyond", above=0),
    ),
)


def chapters(outcome: Outcome) -> list[Chapter]:
    """What the figure shows."""
    found, shared, m = outcome.explained[Routes], sharing(outcome), direction(outcome).measured
    ranks = m.rank_correlation
    return [
        Chapter(
            "C5, C6",
            "Shared routes, and who is harmed",
            f"The most active neurons of two domains overlap by {shared.measured.mean_jaccard:.2f} on average "
            f"(chance: {shared.control.jaccard:.2f}). Rank correlation with who gains and who is harmed, over "
            f"{len(found.transfers)} ordered pairs: of the direction of B's update on the shared neurons alone, "
            f"{correlation(ranks['shared'])}; with the curvature term of T9(b), {correlation(ranks['shared_curved'])} "
            f"there and {correlation(ranks['whole_curved'])} on all coordinates. What two updates do together beyond "
            "each alone, on the right, is another matter: the Hessian at the base, δ_A·Hδ_B of T9(a), ranks it with "
            f"{correlation(m.interaction_correlation)}.",
            "routes",
            "Overlap of active neurons; predicted and observed transfer; predicted and observed interaction",
        )
    ]


def figure(result: Routes) -> Figure:
    """Overlap of active neurons; predicted against observed transfer; predicted against observed interaction."""
    with rc_context(STYLE):
        drawn = Figure(figsize=(12.5, 3.9))
        left, middle, right = drawn.subplots(1, 3, gridspec_kw={"wspace": 0.3})
        names = [f"{domains.title(each.one)}–{domains.title(each.other)}" for each in result.overlaps]
        places = np.arange(len(names))[::-1]
        left.barh(places, [each.jaccard for each in result.overlaps], color=FAINT, alpha=0.6)
        left.axvline(result.chance, color=INK, linestyle=":", linewidth=1.2)
        left.set_yticks(places, names, color=INK)
        left.set(title=f"Jaccard, {result.active:.0%} most active neurons", xlabel="dotted: chance", xlim=(0, 1))
        panels = (
            (
                middle,
                "whole_curved",
                "gained",
                "points A gains by B's training",
                r"predicted: $-g_A\cdot\delta_B - \delta_B\cdot H_A\delta_B/2$",
            ),
            (
                right,
                "interaction_predicted",
                "interaction",
                "interaction, in points",
                r"predicted: $\delta_A\cdot H_A\delta_B$",
            ),
        )
        for axes, predicted, observed, above, below in panels:
            for each in result.transfers:
                point = (getattr(each, predicted), getattr(each, observed))
                axes.plot(*point, "o", color=colour(each.harmed), markersize=8, mew=2, mec=colour(each.trained))
            axes.axhline(0, color=FAINT, linewidth=0.8)
            axes.axvline(0, color=FAINT, linewidth=0.8)
            axes.set(title=above, xlabel=f"{below}\nfill: A, ring: B")
    return drawn


TOPIC = Topic("routes", Routes, measure, 235, (C5, C6), chapters, figure)
