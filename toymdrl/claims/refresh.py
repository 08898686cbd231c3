"""C10: a short refresh repairs selectively (T6). Told by scores, and by what the steps move."""

from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure

from toymdrl import domains
from toymdrl.analysis import refresh
from toymdrl.analysis.refresh import Refresh
from toymdrl.claims.base import Chapter, Claim, Measurement, Outcome, Topic
from toymdrl.claims.subject import Subject
from toymdrl.evidence import Rule
from toymdrl.runs.plan import Checkpoint
from toymdrl.style import FAINT, INK, STYLE, colour
from toymdrl.words import counted, signed

PAPER_REFRESHED = 66.04
"""Math after three further steps on Math."""
PAPER_AVERAGE_REFRESHED = 66.39
"""Average over the four domains of that model: the best of all the paper's checkpoints."""
WORTH_REPAIRING = 0.4
"""The rules ask for more than this share of the loss."""
CONTRACTED = 0.8
"""Share of the harmful component that may be left where the text says that it shrinks."""


def measure(subject: Subject) -> Refresh:
    """The analysis of a run: its own refresh of the harmed domain, as far as the run keeps checkpoints of it."""
    head, scores = subject.headline, subject.scores
    path = {0: (subject.vectors[head.end], scores[head.end])}
    for steps in subject.config.refresh_steps:
        place = Checkpoint("refresh", head.domain, steps=steps)
        path[steps] = subject.vectors[place], scores[place]
    return refresh.measure(
        subject.start,
        path,
        (head.steps, subject.vectors[head.further], scores[head.further]),
        scores[head.own],
        basis=subject.spectrum.vectors,
        harmed=head.domain,
    )


@dataclass(frozen=True)
class Repair:
    """What one run measures of C10, in points."""

    domain: str
    steps: int
    refreshed: float
    """The domain's score after them."""
    points_won_back: float
    share_of_loss: float | None
    """None where nothing was lost."""
    mean_change_of_others: float
    change_of_others: dict[str, float]
    average_before: float
    average_after: float
    selectivity: dict[int, float | None] | None = None
    """T6's gain per collateral by steps; absent where the run was not analysed."""


@dataclass(frozen=True)
class Elsewhere:
    """The controls of C10, in points of the harmed domain."""

    what: str
    points: float
    """Mean, where other domains are refreshed."""
    further: float | None
    """From its own checkpoint; None where the run did not train that."""


def repair(outcome: Outcome) -> Measurement[Repair, Elsewhere]:
    """C10 in a run."""
    head = outcome.headline
    harmed, own, end = head.domain, outcome.scores(head.own), outcome.scores(head.end)
    before, after = outcome.checkpoints[head.end], outcome.checkpoints[head.refreshed]
    lost = own[harmed] - end[harmed]
    won_back = after.scores[harmed] - end[harmed]
    others = {domain: after.scores[domain] - end[domain] for domain in end if domain != harmed}
    selectivity = None
    if outcome.explanation:
        found = outcome.explanation[Refresh]
        selectivity = {step.steps: found.selectivity(step) for step in found.path if step.steps}
    m = Repair(
        domain=harmed,
        steps=head.steps,
        refreshed=after.scores[harmed],
        points_won_back=won_back,
        share_of_loss=won_back / lost if lost > 0 else None,
        mean_change_of_others=sum(others.values()) / len(others),
        change_of_others=others,
        average_before=before.average,
        average_after=after.average,
        selectivity=selectivity,
    )
    # Control: the same steps on each other domain, which were not about this one.
    elsewhere = []
    for domain in outcome.config.order:
        if domain != harmed:
            elsewhere.append(outcome.scores(Checkpoint("refresh", domain, steps=head.steps))[harmed])
    further = None
    if head.further in outcome.checkpoints:
        further = outcome.scores(head.further)[harmed] - own[harmed]
    control = Elsewhere(
        what=f"mean change of {harmed} when another domain is refreshed for as many steps; and, as further, when "
        f"{harmed} itself is, from its own checkpoint, where nothing is to be repaired",
        points=sum(elsewhere) / len(elsewhere) - end[harmed],
        further=further,
    )
    numbers = {
        "refreshed": m.refreshed,
        "won": m.points_won_back,
        "won_beyond": m.points_won_back - WORTH_REPAIRING * lost,
        "others": m.mean_change_of_others,
        "average": m.average_after - m.average_before,
    }
    return Measurement(m, control, numbers if further is None else {**numbers, "further": further})


def control_line(c: Elsewhere) -> str:
    """For the table."""
    text = f"refreshing others instead: {signed(c.points)} points"
    return text if c.further is None else f"{text}; with nothing to repair: {signed(c.further)}"


C10 = Claim(
    key="C10",
    paper="A short refresh repairs selectively: Math 57.66 to 66.04 in 3 steps, best average of all, 66.39",
    measure=repair,
    line=lambda m: (
        f"{m.steps} steps: {signed(m.points_won_back)} points, others {signed(m.mean_change_of_others)}, "
        f"average {m.average_before:.1f} to {m.average_after:.1f}"
    ),
    control=control_line,
    rules=(
        Rule("C10", "points won back by 3 Re-Math steps", "won", above=2).against("further", "nothing to repair"),
        Rule("C10", "that less 40 % of the loss", "won_beyond", above=0),
        Rule("C10", "mean change of the other domains", "others", above=-1.5, below=1.5),
        Rule("C10", "change of the average score", "average", above=0),
    ),
)


def chapters(outcome: Outcome) -> list[Chapter]:
    """The repair by scores and, if the run was analysed, what it moved."""
    scored = Chapter(
        ("C10",),
        "The repair, domain by domain",
        "Each row starts from the end of the sequence and trains one domain for "
        f"{counted(outcome.headline.steps, 'step')}. Columns show what that changes, in points.",
        "selectivity",
        "Change of every domain's score when one is refreshed",
        small=True,
        course="07_refresh",
    )
    if outcome.explanation is None:
        return [scored]
    return [scored, _moved(outcome.explanation[Refresh], domains.title(outcome.headline.domain))]


def _moved(found: Refresh, harmed: str) -> Chapter:
    last = next(step for step in found.path if step.steps == found.further.steps)
    first, gain, control = found.path[0], last.gains[found.harmed], found.further.gains[found.harmed]
    inside, outside = last.inside / first.inside, last.outside / first.outside
    # From the least to the most that one may say.
    if gain <= control:
        heading = "No more than further training"
    elif gain <= 0:
        heading = "Nothing comes back"
    elif inside < CONTRACTED:
        heading = "The harmful component shrinks"
    else:
        heading = "Points come back, the weights hardly"
    lost = f", {found.recovery(last):.0%} of what it had lost" if found.damage > 0 else ""
    return Chapter(
        ("C10",),
        heading,
        f"In {counted(last.steps, 'step')} {harmed} changes by {signed(gain)} points{lost}; the others move by "
        f"{found.collateral(last):.1f} points on average. From its own checkpoint, where nothing is to be repaired, "
        f"as many steps change it by {signed(control)}. Its distance from that checkpoint goes to {inside:.0%} inside "
        f"{found.size} conflict directions and to {outside:.0%} outside. Of the squared length of what the steps add, "
        f"{last.moved_share:.0%} lies inside, where a random step would have {found.size / found.coordinates:.2%}.",
        "refresh",
        "Distance from the harmed domain's checkpoint; points gained by refresh step; the same steps where nothing is "
        "to be repaired",
        course="07_refresh",
    )


def figure(result: Refresh) -> Figure:
    """Distances inside and outside the subspace; what every domain gains; the gain beside the control."""
    steps = [step.steps for step in result.path]
    with rc_context(STYLE):
        drawn = Figure(figsize=(12, 3.8))
        left, middle, right = drawn.subplots(1, 3, width_ratios=(1.1, 1.1, 0.8), gridspec_kw={"wspace": 0.28})
        first = result.path[0]
        for label, name, tone, line in (
            (f"inside {result.size} conflict directions", "inside", colour(result.harmed), "o-"),
            ("outside", "outside", INK, "o--"),
        ):
            values = [getattr(step, name) / getattr(first, name) for step in result.path]
            left.plot(steps, values, line, color=tone, linewidth=2, markersize=4.5, label=label)
        left.set(
            title=f"distance from {domains.title(result.harmed)}'s checkpoint", xlabel="refresh step", ylim=(0, 1.15)
        )
        left.set_ylabel("share of the distance at step 0")
        left.legend(frameon=False, fontsize=8.5)
        for name in first.gains:
            gains = [step.gains[name] for step in result.path]
            width = 2.4 if name == result.harmed else 1.4
            middle.plot(
                steps, gains, "o-", color=colour(name), linewidth=width, markersize=4.5, label=domains.title(name)
            )
        middle.axhline(result.damage, color=FAINT, linestyle=":", linewidth=1.2)
        middle.text(0, result.damage, "lost before", ha="left", va="bottom", color=FAINT, fontsize=8.5)
        middle.set(title="points gained", xlabel="refresh step")
        middle.legend(frameon=False, fontsize=8.5)
        same = min(result.path, key=lambda step: abs(step.steps - result.further.steps))
        bars = {"refresh": same.gains[result.harmed], "control": result.further.gains[result.harmed]}
        right.bar(list(bars), list(bars.values()), color=[colour(result.harmed), FAINT], width=0.55)
        for place, gain in enumerate(bars.values()):
            right.text(place, max(gain, 0), f"{gain:+.1f}", ha="center", va="bottom", color=INK)
        right.axhline(0, color=FAINT, linewidth=0.8)
        right.set(
            title=f"{domains.title(result.harmed)}, {result.further.steps} steps",
            xlabel="control: from its own checkpoint",
        )
        right.tick_params(axis="x", labelcolor=INK)
        for axes in (left, middle):
            axes.set_xticks(steps)
    return drawn


TOPIC = Topic("refresh", Refresh, measure, 1, (C10,), chapters, figure)
