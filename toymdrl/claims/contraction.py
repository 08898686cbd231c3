"""C9: a short refresh contracts the harmful component by (1 - alpha mu)^t (T5)."""

from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure

from toymdrl import domains
from toymdrl.analysis import contraction
from toymdrl.analysis.contraction import Contraction
from toymdrl.claims.base import Chapter, Claim, Measurement, NotMeasured, Outcome, Topic
from toymdrl.claims.subject import Subject
from toymdrl.domains import DOMAINS
from toymdrl.evidence import Rule
from toymdrl.policy.exact import has_exact_kl
from toymdrl.policy.losses import regularised_loss
from toymdrl.runs.plan import BASE, Checkpoint
from toymdrl.style import BOUND, INK, STYLE, colour
from toymdrl.words import counted

KL = 0.5
"""With a KL weight of 0.5 the minimum's expected reward is about the trained checkpoint's; with training's 0.1 the
minimum is saturated and nearly flat, and the theory has nothing to say."""


def measure(subject: Subject) -> Contraction | None:
    """The analysis of a run: exact refresh of the KL-regularised loss; None where answers are too long for the KL."""
    if not has_exact_kl(DOMAINS[subject.harmed]):
        return None
    # The reference of the domain's own stage: the checkpoint before it.
    index = subject.order.index(subject.harmed)
    before = Checkpoint("stage", subject.order[index - 1]) if index else BASE
    loss = regularised_loss(subject.fit_problems(subject.harmed, 1 / 16), subject.policy_at(before), KL)
    return contraction.measure(
        subject.policy, loss, subject.start, subject.delta, earlier=subject.harmed, later=subject.later
    )


@dataclass(frozen=True)
class Polished:
    """How the checkpoint was made a minimum first."""

    moved: float
    gradient: tuple[float, float]
    """Its norm before and after."""


@dataclass(frozen=True)
class Contracted:
    """What one run measures of C9, after the last exact step; shares of what there was at the first."""

    steps: int
    inside_left: float
    loss_left: float
    paper_bound_holds: bool
    repaired_bound_holds: bool
    """T5(a)'s and (b)'s."""
    repaired_bound_over_measured: float
    loss_bound_over_measured: float
    polished: Polished


@dataclass(frozen=True)
class Outside:
    """The control of C9."""

    what: str
    outside_left: float


def contracted(outcome: Outcome) -> Measurement[Contracted, Outside] | NotMeasured:
    """C9 in a run."""
    found = outcome.explained.get(Contraction)
    if found is None:
        return NotMeasured("this domain's answers are too long for the exact KL that C9 needs")
    return _contracted(found)


def _contracted(found: Contraction) -> Measurement[Contracted, Outside]:
    m = Contracted(
        steps=len(found.inside) - 1,
        inside_left=found.inside[-1] / found.inside[0],
        loss_left=found.loss[-1] / found.loss[0],
        paper_bound_holds=found.holds(found.paper),
        repaired_bound_holds=found.holds(found.directional) and found.holds(found.comparison),
        repaired_bound_over_measured=found.directional[-1] / found.inside[-1],
        loss_bound_over_measured=found.loss_bound[-1] / found.loss[-1],
        polished=Polished(found.moved, (found.gradient_before, found.gradient_after)),
    )
    outside = Outside("what stays of the part outside the subspace", found.outside[-1] / found.outside[0])
    numbers = {
        # At step 0 a bound is what is measured, and says nothing.
        "paper_bound": min(_over_measured(found, found.paper)[1:]),
        "comparison_bound": min(_over_measured(found, found.comparison)[1:]),
        "directional_bound": max(_over_measured(found, found.directional)[:6]),
    }
    return Measurement(m, outside, numbers)


def _over_measured(found: Contraction, bound: tuple[float, ...]) -> list[float]:
    """A bound on the part inside over what is left of it, step by step."""
    return [most / left for most, left in zip(bound, found.inside, strict=True)]


def line(m: Contracted) -> str:
    """For the table."""
    paper = "holds" if m.paper_bound_holds else "is broken"
    repaired = "hold" if m.repaired_bound_holds else "are broken"
    return (
        f"inside goes to {m.inside_left:.0%} in {m.steps} exact steps; the paper's bound {paper}, T5(a)'s and (b)'s "
        f"{repaired}"
    )


C9 = Claim(
    key="C9",
    paper="A short refresh contracts the harmful component, by (1 - alpha mu)^t",
    measure=contracted,
    line=line,
    control=lambda c: f"outside goes to {c.outside_left:.0%}",
    rules=(Rule("C9", "the paper's bound over the measured, least of 12 steps", "paper_bound", above=1, every=True),),
    beside=(
        Rule(
            "C9", "T5(b)'s bound over the measured, least of 12 steps", "comparison_bound", above=1 - 1e-4, every=True
        ),
        Rule("C9", "T5(a)'s along the direction, most of 5 steps", "directional_bound", below=3, every=True),
    ),
)


def chapters(outcome: Outcome) -> list[Chapter]:
    """What the figure shows; nothing where it was not measured."""
    found = outcome.explained.get(Contraction)
    if found is None:
        return []
    m, harmed = _contracted(found).measured, domains.title(outcome.headline.domain)
    holds = "which keeps to" if m.paper_bound_holds else "which breaks"
    return [
        Chapter(
            ("C9",),
            "A refresh contracts it" if m.inside_left < 1 else "A refresh does not contract it here",
            f"In {counted(m.steps, 'step')} of exact gradient descent on {harmed}'s loss, the part of the harm inside "
            f"{found.size} conflict directions goes to {m.inside_left:.0%}, {holds} the paper's bound (1 − αμ)^t; "
            "`toymdrl theorems` tells what that bound leaves out, and which bounds hold (T5).",
            "contraction",
            "The harmful component step by step, with the paper's bound and the repaired one",
            small=True,
            course="07_refresh",
        )
    ]


def figure(result: Contraction) -> Figure:
    """The harmful component against the paper's bound and T5(a)'s."""
    steps = range(len(result.inside))
    with rc_context({**STYLE, "axes.grid.axis": "both"}):
        drawn = Figure(figsize=(6.4, 3.9))
        axes = drawn.subplots()
        axes.plot(steps, result.inside, "o-", color=colour(result.earlier), lw=2.4, markersize=4, label="measured")
        axes.plot(steps, result.paper, ":", color=BOUND, linewidth=2, label="the paper's bound")
        axes.plot(steps, result.directional, "--", color=INK, label="T5(a)'s bound, curvature and leak as met")
        holds = "keeps to" if result.holds(result.paper) else "breaks"
        shrinks = "shrinks" if result.inside[-1] < result.inside[0] else "does not shrink"
        axes.set(title=f"The harm inside {shrinks}, and {holds} the paper's bound")
        axes.set(xlabel="exact refresh step", ylabel="‖P(θ − θ*)‖")
        axes.set_ylim(bottom=0)
        axes.set_xticks(list(steps)[::2])
        axes.legend(frameon=False, fontsize=8.5)
    return drawn


TOPIC = Topic("contraction", Contraction, measure, 625, (C9,), chapters, figure)
