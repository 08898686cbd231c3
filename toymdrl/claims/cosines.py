"""C2: interference happens although the domains' gradients are nearly orthogonal (T3)."""

from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from toymdrl import domains
from toymdrl.analysis import cosines
from toymdrl.analysis.conflict import Conflict
from toymdrl.analysis.cosines import Cosines
from toymdrl.analysis.damage import Damage, updates_after
from toymdrl.claims.base import Chapter, Claim, Measurement, Outcome, Topic
from toymdrl.claims.subject import Subject
from toymdrl.evidence import Rule
from toymdrl.runs.plan import BASE, Checkpoint
from toymdrl.style import FAINT, INK, STYLE, colour

ORTHOGONAL = 0.1
"""Cosines below this count as nearly orthogonal."""


def measure(subject: Subject) -> Cosines:
    """The analysis of a run: at the base and after every stage."""
    places = {BASE.name: subject.vectors[BASE]}
    for domain in subject.order:
        places[domain] = subject.vectors[Checkpoint("stage", domain)]
    return cosines.measure(
        subject.policy,
        subject.losses,
        places,
        subject.edits,
        harmed=subject.harmed,
        updates=updates_after(subject.order, places, subject.harmed),
        basis=subject.spectrum.vectors,
    )


@dataclass(frozen=True)
class Orthogonality:
    """What one run measures of C2, over all pairs of domains at all checkpoints."""

    largest_cosine: float
    mean_size: float
    pairs: int


@dataclass(frozen=True)
class Chance:
    """The control of C2."""

    what: str
    cosine: float


def orthogonality(outcome: Outcome) -> Measurement[Orthogonality, Chance]:
    """C2 in a run. Its second rule is about harm: there must be some, for the cosines to be a riddle."""
    found = outcome.explained[Cosines]
    sizes = [abs(each.cosine) for each in found.gradients]
    largest_damage = max(pair.actual for pair in outcome.explained[Damage].pairs)
    m = Orthogonality(largest_cosine=max(sizes), mean_size=sum(sizes) / len(sizes), pairs=len(sizes))
    chance = Chance("chance: root mean square cosine of random vectors", found.chance)
    numbers = {"mean_cosine": m.mean_size, "largest_cosine": m.largest_cosine, "largest_damage": largest_damage}
    return Measurement(m, chance, numbers)


C2 = Claim(
    key="C2",
    paper="It happens although full-model gradients of the domains are nearly orthogonal",
    measure=orthogonality,
    line=lambda m: f"largest |cosine| {m.largest_cosine:.3f}, mean {m.mean_size:.3f}",
    control=lambda c: f"chance {c.cosine:.4f}",
    rules=(
        Rule("C2", "mean size of the gradients' cosines", "mean_cosine", below=0.1),
        Rule("C2", "largest damage of a pair, points", "largest_damage", above=5),
    ),
)


def chapters(outcome: Outcome) -> list[Chapter]:
    """What the figure shows."""
    found, m = outcome.explained[Cosines], orthogonality(outcome).measured
    coordinates, harmed = outcome.explained[Conflict].coordinates, domains.title(outcome.headline.domain)
    inside = max(abs(each.inside) for each in found.dilution)
    return [
        Chapter(
            ("C2",),
            "The gradients hardly meet" if m.largest_cosine < ORTHOGONAL else "Some gradients meet",
            f"The largest cosine of two domains' gradients, at any checkpoint, has size {m.largest_cosine:.3f} "
            f"(shaded: {ORTHOGONAL:g}; chance is {found.chance:.4f}). Over {coordinates:,} coordinates that says "
            f"little about the few in which the loss is curved (T3): inside {found.subspace_size} conflict directions "
            f"of {harmed} the cosines on the right reach {inside:.2f} (chance there: {found.chance_inside:.2f}).",
            "cosines",
            "Cosines of domains' gradients at each checkpoint, and inside the conflict subspace",
            course="05_orthogonal",
        )
    ]


def _people(text: str) -> str:
    """Domain keys in a text as titles."""
    return " ".join(domains.title(word) for word in text.split())


def figure(result: Cosines) -> Figure:
    """Cosines of gradients at each checkpoint and of edits; what the same cosines are inside the conflict subspace."""
    with rc_context(STYLE):
        drawn = Figure(figsize=(12, 3.9))
        left, right = drawn.subplots(1, 2, width_ratios=(1.25, 1), gridspec_kw={"wspace": 0.5})
        columns = [*dict.fromkeys(each.where for each in result.gradients), "edits"]
        for each in (*result.gradients, *result.edits):
            x = columns.index(each.where)
            left.plot(x - 0.06, each.cosine, "o", color=colour(each.one), markersize=6, alpha=0.85, mew=0)
            left.plot(x + 0.06, each.cosine, "o", color=colour(each.other), markersize=6, alpha=0.85, mew=0)
        left.axhspan(-ORTHOGONAL, ORTHOGONAL, color=FAINT, alpha=0.12, linewidth=0)
        left.axhline(0, color=FAINT, linewidth=0.8)
        left.set_xticks(range(len(columns)), [_people(name) for name in columns], color=INK)
        reach = max(0.2, 1.2 * max(abs(each.cosine) for each in (*result.gradients, *result.edits)))
        left.set(title="cosine of two domains (one pair of dots each)", ylim=(-reach, reach))
        left.set_xlabel("gradients at this checkpoint, and edits of single-domain training")
        rows = np.arange(len(result.dilution))[::-1]
        right.barh(rows + 0.2, [each.cosine for each in result.dilution], 0.36, color=FAINT, label="whole")
        inside = [each.inside for each in result.dilution]
        label = f"inside {result.subspace_size} directions"
        right.barh(rows - 0.2, inside, 0.36, color=colour(result.dilution[0].one.split()[-1]), label=label)
        right.axvline(0, color=FAINT, linewidth=0.8)
        for chance in (-result.chance_inside, result.chance_inside):
            right.axvline(chance, color=INK, linestyle=":", linewidth=1, label="chance inside" if chance > 0 else None)
        right.set_yticks(rows, [_people(each.other) for each in result.dilution], color=INK)
        harmed = result.dilution[0].one.split()[-1]
        right.set(title=f"cosine with {domains.title(harmed)}'s gradient, edits with its edit", xlim=(-1, 1))
        right.legend(frameon=False, fontsize=8.5, ncols=3, loc="upper center", bbox_to_anchor=(0.4, -0.09))
    return drawn


TOPIC = Topic("cosines", Cosines, measure, 915, (C2,), chapters, figure)
