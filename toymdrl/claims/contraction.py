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
from toymdrl.style import BOUND, FAINT, INK, STYLE, colour
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
    holds = "holds over these steps" if m.paper_bound_holds else "is broken"
    loss_bound = f", {m.loss_bound_over_measured:.0f} times"
    if found.loss[-1] <= 0:
        loss_bound = " holds, the loss being below that of the minimum, which was only nearly one"
    return [
        Chapter(
            "C9",
            "A refresh contracts it" if m.inside_left < 1 else "A refresh does not contract it here",
            f"Exact gradient descent on {harmed}'s loss with a KL weight of {KL:g}, on a sixteenth of the train "
            "prompts, from a minimum displaced by the real update. (The minimum: the checkpoint polished over a "
            f"distance of {found.moved:.1f}, its gradient {found.gradient_before:.0f} before and "
            f"{found.gradient_after:.1f} after.) In {counted(m.steps, 'step')} the part inside {found.size} conflict "
            f"directions of this loss goes to {m.inside_left:.0%} and the loss to {m.loss_left:.0%}; the part "
            f"outside, to {found.outside[-1] / found.outside[0]:.0%}. The paper's bound {holds}; it leaves out that "
            "the curvature changes on the way (the largest at the start of the refresh is "
            f"{found.start / found.upper:.1f} times that at the minimum) and that what is outside leaks in. With "
            "curvature and leak as met on the way, T5(a) bounds the part inside by "
            f"{m.repaired_bound_over_measured:.1f} times what is left; T5(g)'s of the loss{loss_bound}. (Why so few "
            "directions: the bounds contract only as fast as the least curvature inside.)",
            "contraction",
            "The harmful component step by step, with the paper's and the repaired bounds",
        )
    ]


def figure(result: Contraction) -> Figure:
    """The harmful component against the bounds; what stays outside; the loss."""
    steps = range(len(result.inside))
    tone = colour(result.earlier)
    with rc_context({**STYLE, "axes.grid.axis": "both"}):
        drawn = Figure(figsize=(12, 3.8))
        left, middle, right = drawn.subplots(1, 3, width_ratios=(1.4, 0.8, 1), gridspec_kw={"wspace": 0.26})
        left.plot(steps, result.inside, "o-", color=tone, linewidth=2.4, label="measured", markersize=4)
        left.plot(steps, result.paper, ":", color=BOUND, linewidth=2, label="the paper's bound")
        left.plot(steps, result.directional, "--", color=INK, label="T5(a), curvature and leak as met")
        left.plot(steps, result.comparison, color=FAINT, linewidth=1.2, label="T5(b), worst of the path")
        if result.closed:  # often all but equal to T5(b)'s: dots on its line
            left.plot(steps, result.closed, ".", color=FAINT, markersize=8, label="T5(c), worst of the path")
        left.set(yscale="log", title="inside S: ‖P(θ − θ*)‖", xlabel="exact refresh step")
        left.legend(frameon=False, fontsize=8.5, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))
        middle.plot(steps, result.outside, "o-", color=tone, linewidth=2.4, markersize=4)
        middle.plot(steps, result.outside_bound, color=FAINT, linewidth=1.2)
        middle.set(title="outside: ‖Q(θ − θ*)‖", xlabel="exact refresh step")
        middle.set_ylim(0, 1.2 * max(*result.outside, *result.outside_bound))
        right.plot(steps, result.loss, "o-", color=tone, linewidth=2.4, markersize=4)
        right.plot(steps, result.loss_bound, color=FAINT, linewidth=1.2, label="T5(g)")
        right.legend(frameon=False, fontsize=8.5)
        right.set(title=f"{domains.title(result.earlier)}: loss above θ*", xlabel="exact refresh step")
        right.set_ylim(bottom=0)
        for axes in (left, middle, right):
            axes.set_xticks(list(steps)[::2])
    return drawn


TOPIC = Topic("contraction", Contraction, measure, 625, (C9,), chapters, figure)
