"""C8: the second-order term concentrates in a low-dimensional conflict subspace (T4)."""

from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from toymdrl import domains
from toymdrl.analysis import conflict
from toymdrl.analysis.conflict import PATH, Conflict, Removal
from toymdrl.analysis.contraction import Contraction
from toymdrl.claims.base import Chapter, Claim, Measurement, Outcome, Topic
from toymdrl.claims.subject import Subject
from toymdrl.curvature import Hessian, residuals
from toymdrl.evidence import Rule
from toymdrl.parameters import at_parameters
from toymdrl.style import CONTRAST, FAINT, INK, MINIATURE, STYLE, Look
from toymdrl.words import percent

LOCAL, TIMES = 0.3, 3
"""A few directions carry the harm if they undo this share of it, and so many times what shrinking does."""


def measure(subject: Subject) -> Conflict:
    """The analysis of a run, beside other domains' Hessians and other domains' updates."""
    others = {}
    for domain in subject.others():
        pairs = subject.eigenpairs(f"of-{domain}", subject.fit_problems(domain), subject.pairs, 1e-2)
        others[f"{domains.title(domain)}'s Hessian"] = pairs.vectors
    experts = [edit for domain, edit in subject.edits.items() if domain != subject.harmed]
    others["other domains' updates"] = conflict.principal_directions(experts)
    # Before the Hessian below: where the eigenpairs must be computed, that moves the policy's parameters.
    pairs = subject.spectrum
    with at_parameters(subject.policy, subject.start):
        hessian = Hessian(subject.policy, subject.fit_loss(subject.harmed))
        errors = residuals(hessian, pairs)
        del hessian  # the graph is large
    return conflict.measure(
        subject.policy,
        subject.losses[subject.harmed],
        subject.start,
        subject.delta,
        pairs=pairs,
        residuals=errors,
        quadratic=float(subject.delta @ subject.product) / 2,
        halves=subject.halves(),
        others=others,
        generator=subject.stream("conflict"),
        earlier=subject.harmed,
        later=subject.later,
    )


@dataclass(frozen=True)
class Halves:
    """How alike the subspaces of two halves of the prompts are."""

    directions: int
    overlap: float


@dataclass(frozen=True)
class Subspace:
    """What one run measures of C8, with as many directions as it has eigenpairs."""

    directions: int
    recovered: float
    """Share of the damage undone by taking them out of the update."""
    share_of_quadratic_form: float
    overlap_of_halves: Halves


@dataclass(frozen=True)
class Other:
    """Another subspace taken out."""

    what: str
    directions: int
    norm_share: float
    recovered: float


@dataclass(frozen=True)
class Controls:
    """The controls of C8: shares of the damage undone."""

    what: str
    random: float
    shrink: float
    others: tuple[Other, ...]


def subspace(outcome: Outcome) -> Measurement[Subspace, Controls]:
    """C8 in a run."""
    return localised(outcome.explained[Conflict])


def localised(found: Conflict) -> Measurement[Subspace, Controls]:
    """C8 in any model."""
    # The rules say 32, the laptop preset's number of pairs; other presets have others.
    size = max(each.size for each in found.removals if each.what == "top")
    m = Subspace(
        directions=size,
        recovered=found.recovered("top", size),
        share_of_quadratic_form=(found.positive[-1] + found.negative[-1]) / found.quadratic,
        overlap_of_halves=Halves(found.halves_size, found.halves_overlap),
    )
    controls = Controls(
        what="random subspaces of as many directions; shrinking the update by the same norm",
        random=found.recovered("random", size),
        shrink=found.recovered("shrink", size),
        others=_others(found),
    )
    numbers = {
        "top": m.recovered,
        "shrink": controls.shrink,
        "random": controls.random,
        "halves": found.halves_overlap,
        "top_beyond_shrink": m.recovered - 3 * controls.shrink,
    }
    return Measurement(m, controls, numbers)


def _others(found: Conflict) -> tuple[Other, ...]:
    """The comparison subspaces, each at its largest: the last of its name."""
    largest: dict[str, Removal] = {}
    for each in found.removals:
        if each.what not in {"top", "shrink", "random"}:
            largest[each.what] = each
    return tuple(Other(each.what, each.size, each.norm_share, each.recovered) for each in largest.values())


def controls_line(c: Controls) -> str:
    """For the table."""
    cells = [f"random {percent(c.random)}", f"shrinking {percent(c.shrink)}"]
    cells += [f"{each.directions} of {each.what} {percent(each.recovered)}" for each in c.others]
    return ", ".join(cells)


C8 = Claim(
    key="C8",
    paper="That term concentrates in a low-dimensional shared conflict subspace",
    measure=subspace,
    line=lambda m: f"without {m.directions} directions {percent(m.recovered)} of the loss is undone",
    control=controls_line,
    rules=(
        Rule("C8", "damage undone off the top 32 directions", "top", above=0.3).against("shrink", "shrinking"),
        Rule("C8", "that less three times the control", "top_beyond_shrink", above=0),
        Rule("C8", "damage undone off 32 random directions", "random", below=0.02),
    ),
)


def chapters(outcome: Outcome) -> list[Chapter]:
    """What the figure shows."""
    harmed = domains.title(outcome.headline.domain)
    told = chapter(outcome.explained[Conflict], harmed)
    if outcome.explained.get(Contraction) is not None:
        return [told]
    return [replace(told, text=f"{told.text} What a refresh contracts, C9, is not measured: {harmed} has no exact KL.")]


def chapter(found: Conflict, harmed: str) -> Chapter:
    """What the figure shows, of any model."""
    c8 = localised(found)
    m, controls, halves = c8.measured, c8.control, c8.measured.overlap_of_halves
    local = m.recovered >= max(LOCAL, TIMES * controls.shrink)
    return Chapter(
        ("C8",),
        "It lives in a few directions" if local else "How much lives in a few directions",
        f"Taking {m.directions} of {found.coordinates:,} directions out of the update undoes {percent(m.recovered)} of "
        f"{harmed}'s loss on prompts that the Hessian never saw. Shrinking the update by the same norm undoes "
        f"{percent(controls.shrink)}, random directions {percent(controls.random)}. The directions were chosen "
        f"without looking at the update; the top {halves.directions} of two halves of the prompts overlap by "
        f"{halves.overlap:.2f} (chance: {found.halves_chance:.4f}).",
        "conflict",
        "Eigenvalues of the Hessian; damage undone against the norm taken out; damage along the path",
        course="06_curvature",
    )


def figure(result: Conflict, look: Look = MINIATURE) -> Figure:
    """Spectrum; damage undone against the norm taken out; damage along the path with and without the subspace."""
    kinds = list(dict.fromkeys(each.what for each in result.removals))
    looks = {"top": (look.colour(result.earlier), "o-", 2.4), "shrink": (INK, "--", 1.4), "random": (FAINT, "x", 1.2)}
    names = {"top": "its own conflict subspace", "shrink": "shrinking by the same norm", "random": "random subspaces"}
    with rc_context(STYLE):
        drawn = Figure(figsize=(12.5, 3.9))
        spectrum, undone, path = drawn.subplots(1, 3, width_ratios=(1, 1.35, 1), gridspec_kw={"wspace": 0.28})
        values = np.array(result.eigenvalues)
        tones = [look.colour(result.earlier) if each > 0 else FAINT for each in values]
        spectrum.bar(range(1, len(values) + 1), np.abs(values), color=tones)
        note = " (grey: < 0)" if (values < 0).any() else ""
        spectrum.set(title=f"largest |eigenvalues|{note}", xlabel=f"of {result.coordinates:,}")
        spares = cycle(zip(CONTRAST, ("s-", "^-", "v-", "D-"), strict=True))
        for kind in kinds:
            tone, line, width = looks[kind] if kind in looks else (*next(spares), 1.2)
            mine = [each for each in result.removals if each.what == kind]
            mine = sorted(mine, key=lambda each: each.norm_share)
            norms, recovered = [100 * each.norm_share for each in mine], [100 * each.recovered for each in mine]
            undone.plot(norms, recovered, line, color=tone, linewidth=width, label=names.get(kind, kind), markersize=4)
        for each in result.removals:
            if each.what == "top":
                where = (100 * each.norm_share, 100 * each.recovered)
                undone.annotate(
                    f"{each.size}", where, xytext=(-3, 6), textcoords="offset points", fontsize=8, color=INK
                )
        undone.set(xscale="log", title="% of the damage undone (unseen prompts)")
        undone.set_xlabel("% of the update's squared norm taken out\nnumbers: directions taken out")
        undone.legend(frameon=False, fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=3)
        undone.set_ylim(top=1.15 * max(100 * each.recovered for each in result.removals))
        path.plot([0, *PATH], [0, *result.along], "o-", color=look.colour(result.earlier), label="whole update")
        size = max(each.size for each in result.removals)
        path.plot([0, *PATH], [0, *result.along_without], "o--", color=INK, label=f"off {size} directions")
        path.set(title=f"{domains.title(result.earlier)}: damage on the way", xlabel="share s of the update")
        path.legend(frameon=False)
    return drawn


TOPIC = Topic("conflict", Conflict, measure, 1475, (C8,), chapters, figure)
