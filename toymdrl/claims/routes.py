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
from toymdrl.style import FAINT, INK, STYLE
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
    found, shared, m = outcome.explained[Routes], sharing(outcome), direction(outcome)
    ranks = m.measured.rank_correlation
    return [
        Chapter(
            ("C5", "C6"),
            "Shared routes, and who is harmed",
            f"The most active neurons of two domains overlap by {shared.measured.mean_jaccard:.2f} on average "
            f"(chance: {shared.control.jaccard:.2f}). The direction of B's update on the neurons that it shares with A "
            f"ranks what A gains or loses by it with {correlation(ranks['shared'])}, that on all other neurons with "
            f"{correlation(m.control.correlation)}; on all weights and with the curvature term of T9(b), "
            f"{correlation(ranks['whole_curved'])}. ({len(found.transfers)} ordered pairs.)",
            "routes",
            "Overlap of active neurons; rank correlations of five predictions with the observed transfer",
        )
    ]


RANKED = {
    "shared": "direction on shared neurons",
    "elsewhere": "direction on other neurons",
    "whole": "direction on all weights",
    "shared_curved": "with curvature, shared neurons",
    "whole_curved": "with curvature, all weights",
}
"""The predictions that the figure compares, in words."""


def figure(result: Routes) -> Figure:
    """Overlap of active neurons; how well each prediction ranks who gains and who is harmed."""
    with rc_context({**STYLE, "axes.grid.axis": "x"}):
        drawn = Figure(figsize=(12, 3.6))
        left, right = drawn.subplots(1, 2, gridspec_kw={"wspace": 0.65})
        names = [f"{domains.title(each.one)}–{domains.title(each.other)}" for each in result.overlaps]
        places = np.arange(len(names))[::-1]
        overlaps = [each.jaccard for each in result.overlaps]
        left.barh(places, overlaps, color=FAINT, alpha=0.6)
        left.axvline(result.chance, color=INK, linestyle=":", linewidth=1.2)
        left.set_yticks(places, names, color=INK)
        more = "more than chance" if mean(overlaps) > result.chance else "no more than chance"
        left.set(title=f"Domains share active neurons {more}", xlabel="Jaccard index (dotted: chance)", xlim=(0, 1))
        ranks = {}
        for kind, words in RANKED.items():
            if (rank := result.rank_correlation(kind)) is not None:
                ranks[words] = rank
        title = "Too few pairs to rank who is harmed"
        if ranks:
            title = f"Ranks them best: {max(ranks, key=lambda words: ranks[words])}"
        rows = np.arange(len(ranks))[::-1]
        right.barh(rows, list(ranks.values()), color=FAINT, alpha=0.6)
        right.axvline(0, color=INK, linewidth=0.8)
        right.set_yticks(rows, list(ranks), color=INK)
        right.set(title=title, xlabel="rank correlation with who gains and who is harmed", xlim=(-1, 1))
        right.set_xticks([-1, -0.5, 0, 0.5, 1])
    return drawn


TOPIC = Topic("routes", Routes, measure, 235, (C5, C6), chapters, figure)
