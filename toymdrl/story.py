"""What a run's analyses say, in words: one chapter a figure, and one line a claim, in the paper's order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from toymdrl.analysis.refresh import Refresh
from toymdrl.explain import CONTRACTION_KL, Explanation
from toymdrl.style import title

Entry = dict[str, Any]
CONTRACTED = 0.8
"""Share of the harmful component that may be left where the text says that it shrinks."""


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
    repair = Chapter(
        "C10",
        "The repair is selective",
        "Each row starts from the end of the sequence and trains one domain for "
        f"{_steps(claims['C10']['measured']['steps'])}. Columns show what that changes, in points.",
        "selectivity",
        "Change of every domain's score when one is refreshed",
        small=True,
    )
    return _explained(explanation, claims, repair) if explanation else [repair]


def _steps(count: int) -> str:
    return f"{count} step{'s' if count != 1 else ''}"


def _explained(e: Explanation, claims: dict[str, Entry], repair: Chapter) -> list[Chapter]:
    """The chapters of a run with analyses."""
    measured = {key: entry["measured"] for key, entry in claims.items()}
    harmed = title(e.conflict.earlier)
    c2, c3, c4, c5 = (measured[key] for key in ("C2", "C3", "C4", "C5"))
    c6, c7, c8, c11, c12 = (measured[key] for key in ("C6", "C7", "C8", "C11", "C12"))
    found = [
        Chapter(
            "C2",
            "The gradients hardly meet",
            f"No two domains' gradients have a cosine above {c2['largest_cosine']:.3f} in size, at any checkpoint "
            f"(shaded: 0.1; chance is {e.cosines.chance:.4f}). That protects nobody: a cosine over "
            f"{e.conflict.coordinates:,} coordinates says little about the few in which the loss is curved (T3), and "
            "damage is not about gradients.",
            "cosines",
            "Cosines of domains' gradients at each checkpoint, and inside the conflict subspace",
        ),
        Chapter(
            "C3, C4",
            "The edits are small, and in different neurons",
            f"The neurons that single-domain training changes most overlap weakly: mean Jaccard index "
            f"{c4['mean_jaccard']:.2f} (the paper: below 0.19; chance: {e.edits.jaccard_chance:.2f}). The paper's "
            f"sparsity is not reproduced: {c3['unchanged_by_the_papers_thresholds']:.1%} of the weights change by less "
            "than its thresholds, not 77–89 %. What vanishes depends on the size of the drift against the number "
            f"format's spacing (T10): stored as bfloat16, {c3['unchanged_when_stored']['bfloat16']:.0%} look "
            "untouched; "
            f"as float8 e5m2, {c3['unchanged_when_stored']['float8 e5m2']:.0%}.",
            "edits",
            "Share of unchanged weights by threshold and by number format; overlap of the most changed neurons",
        ),
        Chapter(
            "C5, C6",
            "They share routes, and curvature decides who is harmed",
            f"The most active neurons of two domains overlap by {c5['mean_jaccard']:.2f} on average (chance: "
            f"{e.routes.chance:.2f}). The direction of B's update on the shared neurons alone ranks who gains and "
            "who is "
            f"harmed by {c6['rank_correlation']['shared']:+.2f} (rank correlation over {len(e.routes.transfers)} "
            "ordered "
            f"pairs); with the curvature term of T9(b), on all coordinates, by "
            f"{c6['rank_correlation']['whole_curved']:+.2f}.",
            "routes",
            "Overlap of active neurons; predicted and observed transfer; predicted and observed interaction",
        ),
        Chapter(
            "C7",
            "Harm is second-order",
            f"For {harmed} and all that was trained later, the gradient at its checkpoint explains {c7['first']:+.1f} "
            f"points, the Hessian {c7['second']:+.1f}, of {c7['actual']:+.1f} that were lost. Each bar is an "
            "update put "
            "on an earlier domain's checkpoint; averaging the Hessian along the path makes the prediction exact, to "
            f"{abs(e.damage.pairs[0].closure):.2f} points for the first bar: what the two orders miss is that the "
            f"curvature changes on the way. {_certified(e)}",
            "damage",
            "Actual damage of every pair of domains against its first- and second-order prediction",
        ),
        Chapter(
            "C8",
            "It lives in a few directions",
            f"Taking {c8['directions']} of {e.conflict.coordinates:,} directions out of the update undoes "
            f"{c8['recovered']:.0%} of {harmed}'s loss on prompts that the Hessian never saw. Shrinking the "
            "update by the "
            f"same norm undoes {e.conflict.recovered('shrink', c8['directions']):.0%}, random directions "
            f"{_share(e.conflict.recovered('random', c8['directions']))}. The directions were chosen without "
            "looking at "
            f"the update; those of two halves of the prompts overlap by {c8['overlap_of_halves']:.2f} (chance: "
            f"{e.conflict.halves_chance:.4f}).",
            "conflict",
            "Eigenvalues of the Hessian; damage undone against the norm taken out; damage along the path",
        ),
    ]
    if e.contraction:
        c = e.contraction
        if measured["C9"]["paper_bound_holds"]:
            paper = "The paper's bound holds over these steps, although it leaves out what follows."
        else:
            paper = "The paper's bound is broken, for what it leaves out."
        found.append(
            Chapter(
                "C9",
                "A refresh contracts it" if c.inside[-1] < c.inside[0] else "A refresh does not contract it here",
                f"Exact gradient descent on {harmed}'s loss with a KL weight of {CONTRACTION_KL:g}, from a minimum "
                f"displaced by the real update: in {len(c.inside) - 1} steps the part inside {c.size} conflict "
                f"directions goes to {measured['C9']['inside_left']:.0%} and the loss to "
                f"{measured['C9']['loss_left']:.0%}; the part outside, to {c.outside[-1] / c.outside[0]:.0%}. {paper} "
                "Over a displacement this large the curvature turns (the steepest direction is "
                f"{c.start / c.upper:.1f} times as steep at its end, which limits the step size), and what is outside "
                "leaks in. With curvature and leak as met on the way (T5) the bound holds, and says "
                f"{measured['C9']['repaired_bound_over_measured']:.1f} times what is left after the last step.",
                "contraction",
                "The harmful component step by step, with the paper's and the repaired bounds",
            )
        )
    found += [
        repair,
        _sampled(e.refresh, harmed),
        Chapter(
            "C11",
            "Undoing one weight in a hundred",
            f"Putting {c11['budget']:.0%} of the coordinates back, those with the largest |δ·Hδ|, undoes "
            f"{c11['recovered']:.0%} of the loss without any training; random ones "
            f"{_share(e.rollback.recovered('random', c11['budget']))}, the largest changes "
            f"{_share(e.rollback.recovered('magnitude', c11['budget']))}. The price is paid by the domains "
            "trained later "
            f"(right); the average is best at {c11['best_budget_for_the_average']:.1%}, "
            f"{c11['average_gain_at_best']:+.1f} points.",
            "rollback",
            "Damage undone against the share of coordinates put back, by score; the price for every domain",
        ),
        Chapter(
            "C12",
            "Taking turns is a descent step on all",
            f"A cycle of one exact gradient step a domain ends where a step on the average loss would, but for "
            f"{c12['deviation_share']:.1%} of it; what the order of the domains changes is predicted by their Hessians "
            f"to {c12['order_effect_predicted_within']:.0%} (T8).",
            "alternation",
            "Points gained by each domain over cycles in both orders; distance from Pareto-stationarity",
        ),
    ]
    return found


def _sampled(r: Refresh, harmed: str) -> Chapter:
    """What the sampled refresh moves."""
    last = next(step for step in r.path if step.steps == r.further.steps)
    first = r.path[0]
    inside, outside = last.inside / first.inside, last.outside / first.outside
    back = "The harmful component shrinks" if inside < CONTRACTED else "Points come back, the weights do not"
    return Chapter(
        "C10",
        back,
        f"In {_steps(last.steps)} {harmed} gains {last.gains[r.harmed]:+.1f} points, {r.recovery(last):.0%} of what it "
        f"had lost; the others move by {r.collateral(last):.1f} points on average. From its own checkpoint, where "
        f"nothing is to be repaired, as many steps gain {r.further.gains[r.harmed]:+.1f}: the rest is repair. Its "
        f"distance from that checkpoint goes to {inside:.0%} inside {r.size} conflict directions and to {outside:.0%} "
        f"outside{'' if inside < CONTRACTED else ': sampled steps of Adam are not the contraction of C9'}. Of the "
        f"squared length of what they add, {last.moved_share:.0%} lies inside, where a random step would have "
        f"{r.size / r.coordinates:.2%}.",
        "refresh",
        "Distance from the harmed domain's checkpoint; points gained by refresh step; the same steps where nothing is "
        "to be repaired",
    )


def _share(value: float) -> str:
    """A share as a percentage, without a minus sign before zero."""
    return f"{round(100 * value) + 0:.0f}%"


def _certified(e: Explanation) -> str:
    """How many pairs T2(b) certifies."""
    certain = sum(pair.eta is not None and pair.eta < 1 for pair in e.damage.pairs)
    return (
        f"With the curvature's drift as met along the path, T2 certifies for {certain} of {len(e.damage.pairs)} pairs "
        "that the second-order term dominates."
    )


def _change(points: dict[str, float]) -> str:
    return ", ".join(f"{title(name)} {value:+.1f}" for name, value in points.items())


_LINES: dict[str, Callable[[Entry], str]] = {
    "C1": lambda m: (
        f"{title(m['domain'])} falls from {m['after_own_stage']:.1f} to {m['after_all_stages']:.1f}"
        if m["points_lost"] > 0
        else f"{title(m['domain'])} is not harmed: {m['after_own_stage']:.1f} to {m['after_all_stages']:.1f}"
    ),
    "C2": lambda m: f"largest |cosine| {m['largest_cosine']:.3f}, mean {m['mean_size']:.3f}",
    "C3": lambda m: (
        f"{m['unchanged_by_the_papers_thresholds']:.1%} below the thresholds; unchanged as bfloat16 "
        f"{m['unchanged_when_stored']['bfloat16']:.0%}, as float8 e5m2 {m['unchanged_when_stored']['float8 e5m2']:.0%}"
    ),
    "C4": lambda m: f"mean Jaccard {m['mean_jaccard']:.2f}",
    "C5": lambda m: f"mean Jaccard of active neurons {m['mean_jaccard']:.2f}, least {m['least']:.2f}",
    "C6": lambda m: (
        f"rank correlation with transfer {m['rank_correlation']['shared']:+.2f}; with curvature, on all weights, "
        f"{m['rank_correlation']['whole_curved']:+.2f}"
    ),
    "C7": lambda m: f"first order {m['first']:+.1f}, second {m['second']:+.1f}, actual {m['actual']:+.1f} points",
    "C8": lambda m: f"{m['directions']} directions carry {m['recovered']:.0%} of the loss",
    "C9": lambda m: (
        f"inside falls to {m['inside_left']:.0%} in {m['steps']} exact steps; the paper's bound "
        f"{'holds' if m['paper_bound_holds'] else 'is broken'}, T5's holds"
    ),
    "C10": lambda m: (
        f"{m['steps']} steps: {m['points_won_back']:+.1f} points, others {m['mean_change_of_others']:+.1f}, average "
        f"{m['average_before']:.1f} to {m['average_after']:.1f}"
    ),
    "C11": lambda m: f"{m['budget']:.0%} of the coordinates undo {m['recovered']:.0%} of the loss",
    "C12": lambda m: f"a cycle is a descent step but for {m['deviation_share']:.1%}; {_change(m['points_gained'])}",
}
_CONTROLS: dict[str, Callable[[Entry], str]] = {
    "C2": lambda c: f"chance {c['cosine']:.4f}",
    "C3": lambda c: f"T10(a) says lost as bfloat16 {c['lost']['bfloat16']:.0%}, e5m2 {c['lost']['float8 e5m2']:.0%}",
    "C4": lambda c: f"chance {c['jaccard']:.2f}",
    "C5": lambda c: f"chance {c['jaccard']:.2f}",
    "C6": lambda c: f"direction on all other neurons {c['correlation']:+.2f}",
    "C7": lambda c: f"the exact form errs by {abs(c['points']):.2f} points",
    "C8": lambda c: f"random {_share(c['random'])}, shrinking {_share(c['shrink'])}",
    "C9": lambda c: f"outside falls to {c['outside_left']:.0%}",
    "C10": lambda c: (
        f"refreshing others instead: {c['points']:+.1f} points"
        + (f"; with nothing to repair: {c['further']:+.1f}" if c["further"] is not None else "")
    ),
    "C11": lambda c: f"random {_share(c['random'])}, shrinking {_share(c['shrink'])}",
    "C12": lambda c: f"order reversed: {_change(c['points_gained'])}",
}


def claim_lines(claims: dict[str, Entry]) -> list[tuple[str, str, str, str, str]]:
    """Id, the paper's words, what was measured, its control, and the verdict of each claim."""
    return [
        (
            key,
            entry["paper"],
            _LINES[key](entry["measured"]),
            _CONTROLS[key](entry["control"]) if entry["control"] else "–",
            entry["verdict"] or "one run: none",
        )
        for key, entry in claims.items()
    ]
