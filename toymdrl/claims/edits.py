"""C3: RL makes sparse, small edits. C4: those of different domains touch different neurons (T10)."""

from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from toymdrl import domains
from toymdrl.analysis import edits
from toymdrl.analysis.edits import FORMATS, THRESHOLDS, Edits
from toymdrl.claims.base import Chapter, Claim, Measurement, Outcome, Topic
from toymdrl.claims.subject import Subject
from toymdrl.evidence import Rule
from toymdrl.runs.plan import BASE, Checkpoint
from toymdrl.style import FAINT, INK, PAPER, PAPER_INK, STYLE, colour

PAPER_UNCHANGED = (0.77, 0.89)
"""Share of parameters that the paper finds unchanged, by training."""
PAPER_JACCARD = 0.19
"""Below this is the paper's mean Jaccard index of top-changed neurons."""


def measure(subject: Subject) -> Edits:
    """The analysis of a run: each domain trained alone from the warm start."""
    experts = {domain: subject.vectors[Checkpoint("expert", domain)] for domain in subject.order}
    return edits.measure(subject.vectors[BASE], experts, subject.neurons)


@dataclass(frozen=True)
class Sparsity:
    """What one run measures of C3: shares of the parameters, means over domains."""

    unchanged_by_the_papers_thresholds: float
    unchanged_when_stored: dict[str, float]
    """By number format."""


@dataclass(frozen=True)
class Lost:
    """The control of C3."""

    what: str
    lost: dict[str, float]
    """By number format."""


def sparsity(outcome: Outcome) -> Measurement[Sparsity, Lost]:
    """C3 in a run."""
    trainings = outcome.explained[Edits].edits
    count = len(trainings)
    unchanged = sum(each.unchanged_paper for each in trainings) / count
    stored, lost = {}, {}
    for name in FORMATS:
        stored[name] = sum(each.unchanged[name] for each in trainings) / count
        lost[name] = sum(each.lost[name] for each in trainings) / count
    m, c = Sparsity(unchanged, stored), Lost("share that T10(a) says is lost in storage", lost)
    return Measurement(m, c, {"unchanged": unchanged})


@dataclass(frozen=True)
class Neurons:
    """What one run measures of C4, over pairs of domains."""

    mean_jaccard: float


@dataclass(frozen=True)
class Chance:
    """The control of C4."""

    what: str
    jaccard: float


def neurons(outcome: Outcome) -> Measurement[Neurons, Chance]:
    """C4 in a run."""
    found = outcome.explained[Edits]
    m, c = Neurons(found.mean_jaccard), Chance("chance: random sets of as many neurons", found.jaccard_chance)
    return Measurement(m, c, {"jaccard": m.mean_jaccard, "jaccard_chance": c.jaccard})


C3 = Claim(
    key="C3",
    paper="RL makes sparse, small edits: 77–89 % of parameters change by < 1e-7 absolute and < 1e-3 relative",
    measure=sparsity,
    line=lambda m: (
        f"{m.unchanged_by_the_papers_thresholds:.1%} below the thresholds; unchanged as bfloat16 "
        f"{m.unchanged_when_stored['bfloat16']:.0%}, as float8 e5m2 {m.unchanged_when_stored['float8 e5m2']:.0%}"
    ),
    control=lambda c: f"T10(a) says lost as bfloat16 {c.lost['bfloat16']:.0%}, e5m2 {c.lost['float8 e5m2']:.0%}",
    rules=(Rule("C3", "share of weights unchanged, the paper's thresholds", "unchanged", above=0.77, below=0.89),),
)
C4 = Claim(
    key="C4",
    paper="The top-changed neurons of different domains overlap weakly: mean Jaccard < 0.19",
    measure=neurons,
    line=lambda m: f"mean Jaccard {m.mean_jaccard:.2f}",
    control=lambda c: f"chance {c.jaccard:.2f}",
    rules=(Rule("C4", "Jaccard of top-changed neurons", "jaccard", below=0.19).against("jaccard_chance", "chance"),),
)


def chapters(outcome: Outcome) -> list[Chapter]:
    """What the figure shows."""
    m, overlap = sparsity(outcome).measured, neurons(outcome)
    stored = m.unchanged_when_stored
    return [
        Chapter(
            ("C3", "C4"),
            "Which weights change, and whose neurons",
            f"By the paper's thresholds {m.unchanged_by_the_papers_thresholds:.1%} of the weights are unchanged (the "
            "paper: 77–89 %). What vanishes depends on the size of the drift against the number format's spacing "
            f"(T10): stored as bfloat16, {stored['bfloat16']:.0%} look untouched; as float8 e5m2, "
            f"{stored['float8 e5m2']:.0%}. The neurons that single-domain training changes most have a mean Jaccard "
            f"index of {overlap.measured.mean_jaccard:.2f} (the paper: below 0.19; chance: "
            f"{overlap.control.jaccard:.2f}).",
            "edits",
            "Share of unchanged weights by threshold and by number format; overlap of the most changed neurons",
            course="09_formats",
        )
    ]


def figure(result: Edits) -> Figure:
    """Unchanged share by relative threshold and by format; Jaccard of top-changed neurons."""
    with rc_context(STYLE):
        drawn = Figure(figsize=(12.5, 3.9))
        left, middle, right = drawn.subplots(1, 3, width_ratios=(1.15, 1.05, 0.9), gridspec_kw={"wspace": 0.4})
        band = [100 * share for share in PAPER_UNCHANGED]
        left.axhspan(*band, color=PAPER, alpha=0.25, linewidth=0)
        left.text(1.3e-9, 83, "the paper's 77–89 %", va="center", fontsize=8.5, color=PAPER_INK)
        for edit in result.edits:
            share = [100 * each for each in edit.below]
            left.plot(THRESHOLDS, share, "-", color=colour(edit.domain), lw=2, label=domains.title(edit.domain))
        left.set(xscale="log", title="% of weights changed by less", xlabel="relative change", ylim=(-2, 102))
        left.legend(frameon=False, fontsize=8.5, loc="center left")
        # Bars of one format side by side, a domain each, around the format's place.
        width = 0.8 / len(result.edits)
        for index, edit in enumerate(result.edits):
            places = np.arange(len(FORMATS)) + (index - (len(result.edits) - 1) / 2) * width
            middle.bar(places, [100 * edit.unchanged[name] for name in FORMATS], width, color=colour(edit.domain))
        middle.axhspan(*band, color=PAPER, alpha=0.25, linewidth=0)
        middle.set_xticks(range(len(FORMATS)), [name.replace(" ", "\n") for name in FORMATS], color=INK)
        middle.set(title="% unchanged when stored as", ylim=(0, 102))
        names = [f"{domains.title(each.one)}–{domains.title(each.other)}" for each in result.overlaps]
        rows = np.arange(len(names))[::-1]
        right.barh(rows, [each.jaccard for each in result.overlaps], color=FAINT, alpha=0.6)
        right.axvline(PAPER_JACCARD, color=PAPER, linewidth=2, label="paper: mean below 0.19")
        right.axvline(result.jaccard_chance, color=INK, linewidth=1.2, linestyle=":", label="chance")
        right.axvline(result.mean_jaccard, color=INK, linewidth=1.6, label="mean here")
        right.set_yticks(rows, names, color=INK)
        right.set(title="Jaccard of the top-changed neurons")
        right.set_xlim(0, max(0.32, 1.15 * max(each.jaccard for each in result.overlaps)) if names else 1)
        right.legend(frameon=False, fontsize=8.5, loc="upper center", bbox_to_anchor=(0.4, -0.08))
    return drawn


TOPIC = Topic("edits", Edits, measure, 12, (C3, C4), chapters, figure)
