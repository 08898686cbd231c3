"""What a run's analyses say, in words: one chapter a figure, in the paper's order.

Headings and verbs follow the numbers: a run in which nothing is harmed or nothing is repaired says so.
"""

from dataclasses import dataclass
from typing import Any

from toymdrl.analysis.contraction import Contraction
from toymdrl.analysis.refresh import Refresh
from toymdrl.analysis.rollback import MAGNITUDE, RANDOM, SHRINK
from toymdrl.claimtable import percent, rank, signed
from toymdrl.explain import CONTRACTION_KL, Explanation
from toymdrl.style import title

Entry = dict[str, Any]
CONTRACTED = 0.8
"""Share of the harmful component that may be left where the text says that it shrinks."""
ORTHOGONAL = 0.1
"""Cosines below this count as nearly orthogonal."""
LOCAL, TIMES = 0.3, 3
"""A few directions carry the harm if they undo this share of it, and so many times what shrinking does."""


@dataclass(frozen=True)
class Chapter:
    """A figure with what it shows."""

    claims: str
    heading: str
    text: str
    figure: str
    """Name of the figure's file, without its ending."""
    alternative: str
    """What a reader who cannot see the figure is told."""
    small: bool = False


def chapters(claims: dict[str, Entry], explanation: Explanation | None) -> list[Chapter]:
    """The chapters of a run; without analyses, of its refresh alone."""
    if "C10" not in claims:
        return []
    measured = {key: entry["measured"] for key, entry in claims.items()}
    repair = Chapter(
        "C10",
        "The repair, domain by domain",
        f"Each row starts from the end of the sequence and trains one domain for {_steps(measured['C10']['steps'])}. "
        "Columns show what that changes, in points.",
        "selectivity",
        "Change of every domain's score when one is refreshed",
        small=True,
    )
    if not explanation:
        return [repair]
    e, harmed = explanation, title(explanation.conflict.earlier)
    return [
        _cosines(e, harmed, measured["C2"]),
        _edits(e, measured["C3"], measured["C4"]),
        _routes(e, measured["C5"], measured["C6"]),
        _damage(e, harmed, measured["C7"]),
        _conflict(e, harmed, measured["C8"]),
        *([_contraction(e.contraction, harmed, measured["C9"])] if e.contraction else []),
        repair,
        _refresh(e.refresh, harmed),
        _rollback(e, harmed, measured["C11"], claims["C11"]["control"]),
        _alternation(e, measured["C12"]),
    ]


def _steps(count: int) -> str:
    return f"{count} step{'s' if count != 1 else ''}"


def _cosines(e: Explanation, harmed: str, c: Entry) -> Chapter:
    inside = max(abs(each.inside) for each in e.cosines.dilution)
    return Chapter(
        "C2",
        "The gradients hardly meet" if c["largest_cosine"] < ORTHOGONAL else "Some gradients meet",
        f"The largest cosine of two domains' gradients, at any checkpoint, has size {c['largest_cosine']:.3f} (shaded: "
        f"{ORTHOGONAL:g}; chance is {e.cosines.chance:.4f}). Over {e.conflict.coordinates:,} coordinates that says "
        f"little about the few in which the loss is curved (T3): inside {e.cosines.subspace_size} conflict directions "
        f"of {harmed} the cosines on the right reach {inside:.2f} (chance there: {e.cosines.chance_inside:.2f}).",
        "cosines",
        "Cosines of domains' gradients at each checkpoint, and inside the conflict subspace",
    )


def _edits(e: Explanation, c3: Entry, c4: Entry) -> Chapter:
    stored = c3["unchanged_when_stored"]
    return Chapter(
        "C3, C4",
        "Which weights change, and whose neurons",
        f"By the paper's thresholds {c3['unchanged_by_the_papers_thresholds']:.1%} of the weights are unchanged (the "
        "paper: 77–89 %). What vanishes depends on the size of the drift against the number format's spacing (T10): "
        f"stored as bfloat16, {stored['bfloat16']:.0%} look untouched; as float8 e5m2, {stored['float8 e5m2']:.0%}. "
        f"The neurons that single-domain training changes most have a mean Jaccard index of {c4['mean_jaccard']:.2f} "
        f"(the paper: below 0.19; chance: {e.edits.jaccard_chance:.2f}).",
        "edits",
        "Share of unchanged weights by threshold and by number format; overlap of the most changed neurons",
    )


def _routes(e: Explanation, c5: Entry, c6: Entry) -> Chapter:
    ranks = c6["rank_correlation"]
    return Chapter(
        "C5, C6",
        "Shared routes, and who is harmed",
        f"The most active neurons of two domains overlap by {c5['mean_jaccard']:.2f} on average (chance: "
        f"{e.routes.chance:.2f}). Rank correlation with who gains and who is harmed, over {len(e.routes.transfers)} "
        f"ordered pairs: of the direction of B's update on the shared neurons alone, {rank(ranks['shared'])}; with the "
        f"curvature term of T9(b), {rank(ranks['shared_curved'])} there and {rank(ranks['whole_curved'])} on all "
        "coordinates. What two updates do together beyond each alone, on the right, is another matter: the Hessian at "
        f"the base, δ_A·Hδ_B of T9(a), ranks it with {rank(c6['interaction_correlation'])}.",
        "routes",
        "Overlap of active neurons; predicted and observed transfer; predicted and observed interaction",
    )


def _damage(e: Explanation, harmed: str, c: Entry) -> Chapter:
    certain = sum(pair.eta is not None and pair.eta < 1 for pair in e.damage.pairs)
    second = c["second"] > max(abs(c["first"]), c["actual"] / 2) and c["actual"] > 0
    return Chapter(
        "C7",
        "Harm is second-order" if second else "What gradient and Hessian say",
        f"For {harmed} and all that was trained later, the gradient at its checkpoint explains {signed(c['first'])} "
        f"points, the Hessian {signed(c['second'])}, of {signed(c['actual'])} lost. Each bar is an update put on an "
        "earlier domain's checkpoint. With the Hessian averaged along the path, at as many points as that takes, the "
        f"form is exact, here to {max(abs(pair.closure) for pair in e.damage.pairs):.2f} points for every bar: what "
        "the two orders miss is that the curvature changes on the way. With its drift as met along the path, T2 "
        f"certifies for {certain} of {len(e.damage.pairs)} pairs that the second-order term dominates.",
        "damage",
        "Actual damage of every pair of domains against its first- and second-order prediction",
    )


def _conflict(e: Explanation, harmed: str, c: Entry) -> Chapter:
    size, halves = c["directions"], c["overlap_of_halves"]
    shrink = e.conflict.recovered("shrink", size)
    local = c["recovered"] >= max(LOCAL, TIMES * shrink)
    return Chapter(
        "C8",
        "It lives in a few directions" if local else "How much lives in a few directions",
        f"Taking {size} of {e.conflict.coordinates:,} directions out of the update undoes {percent(c['recovered'])} of "
        f"{harmed}'s loss on prompts that the Hessian never saw. Shrinking the update by the same norm undoes "
        f"{percent(shrink)}, random directions {percent(e.conflict.recovered('random', size))}. The directions were "
        f"chosen without looking at the update; the top {halves['directions']} of two halves of the prompts overlap by "
        f"{halves['overlap']:.2f} (chance: {e.conflict.halves_chance:.4f})."
        + ("" if e.contraction else f" What a refresh contracts, C9, is not measured: {harmed} has no exact KL."),
        "conflict",
        "Eigenvalues of the Hessian; damage undone against the norm taken out; damage along the path",
    )


def _contraction(r: Contraction, harmed: str, c: Entry) -> Chapter:
    holds = "holds over these steps" if c["paper_bound_holds"] else "is broken"
    below = " holds, the loss being below that of the minimum, which was only nearly one"
    loss_bound = f", {c['loss_bound_over_measured']:.0f} times" if r.loss[-1] > 0 else below
    return Chapter(
        "C9",
        "A refresh contracts it" if c["inside_left"] < 1 else "A refresh does not contract it here",
        f"Exact gradient descent on {harmed}'s loss with a KL weight of {CONTRACTION_KL:g}, on a sixteenth of the "
        "train prompts, from a minimum displaced by the real update. (The minimum: the checkpoint polished over a "
        f"distance of {r.moved:.1f}, its gradient {r.gradient_before:.0f} before and {r.gradient_after:.1f} after.) In "
        f"{_steps(c['steps'])} the part inside {r.size} conflict directions of this loss goes to "
        f"{c['inside_left']:.0%} and the loss to {c['loss_left']:.0%}; the part outside, to "
        f"{r.outside[-1] / r.outside[0]:.0%}. The paper's bound {holds}; it leaves out that the curvature changes on "
        f"the way (the largest at the start of the refresh is {r.start / r.upper:.1f} times that at the minimum) and "
        "that what is outside leaks in. With curvature and leak as met on the way, T5(a) bounds the part inside by "
        f"{c['repaired_bound_over_measured']:.1f} times what is left; T5(g)'s of the loss{loss_bound}. (Why so few "
        "directions: the bounds contract only as fast as the least curvature inside.)",
        "contraction",
        "The harmful component step by step, with the paper's and the repaired bounds",
    )


def _refresh(r: Refresh, harmed: str) -> Chapter:
    last = next(step for step in r.path if step.steps == r.further.steps)
    first, gain, control = r.path[0], last.gains[r.harmed], r.further.gains[r.harmed]
    inside, outside = last.inside / first.inside, last.outside / first.outside
    if gain <= max(control, 0):
        heading = "No more than further training" if gain <= control else "Nothing comes back"
    else:
        heading = "The harmful component shrinks" if inside < CONTRACTED else "Points come back, the weights hardly"
    lost = f", {r.recovery(last):.0%} of what it had lost" if r.damage > 0 else ""
    return Chapter(
        "C10",
        heading,
        f"In {_steps(last.steps)} {harmed} changes by {signed(gain)} points{lost}; the others move by "
        f"{r.collateral(last):.1f} points on average. From its own checkpoint, where nothing is to be repaired, as "
        f"many steps change it by {signed(control)}. Its distance from that checkpoint goes to {inside:.0%} inside "
        f"{r.size} conflict directions and to {outside:.0%} outside. Of the squared length of what the steps add, "
        f"{last.moved_share:.0%} lies inside, where a random step would have {r.size / r.coordinates:.2%}.",
        "refresh",
        "Distance from the harmed domain's checkpoint; points gained by refresh step; the same steps where nothing is "
        "to be repaired",
    )


def _rollback(e: Explanation, harmed: str, c: Entry, control: Entry) -> Chapter:
    at = {method: percent(e.rollback.recovered(method, c["budget"])) for method in (RANDOM, MAGNITUDE, SHRINK)}
    return Chapter(
        "C11",
        "Undoing one weight in a hundred",
        f"Putting {c['budget']:.0%} of the coordinates back, those with the largest |δ·Hδ|, undoes "
        f"{percent(c['recovered'])} of {harmed}'s loss without any training. As many random ones undo {at[RANDOM]}, "
        f"the largest changes {at[MAGNITUDE]}, and shrinking the whole update by the same norm {at[SHRINK]}. What the "
        "other domains gain or lose by it is on the right. For the average of all domains the best budget, chosen on "
        f"other prompts, is {100 * c['best_budget_for_the_average']:g}%: {signed(c['average_gain_at_best'])} points; "
        f"shrinking at its best: {signed(control['average_gain_of_shrinking_at_its_best'])}.",
        "rollback",
        "Damage undone against the share of coordinates put back, by score; the price for every domain",
    )


def _alternation(e: Explanation, c: Entry) -> Chapter:
    return Chapter(
        "C12",
        "Taking turns",
        "A cycle of one exact gradient step a domain, each on a sixteenth of its train prompts, ends where a step on "
        f"the average loss would, but for {c['deviation_share']:.1%} of its length (T8(a), with the curvature at the "
        f"start, allows {c['deviation_bound_share']:.0%}). What the order of the domains changes is predicted by their "
        f"Hessians to {c['order_effect_predicted_within']:.0%} (T8(b)); coming last instead of first is worth "
        f"{signed(c['gained_by_coming_last'], 2)} points to a domain. Scores are on unseen prompts.",
        "alternation",
        "Points gained by each domain over cycles in both orders; distance from Pareto-stationarity",
    )
