"""The claims table: what a run measures of each claim, and its control, in a line each."""

from collections.abc import Callable
from typing import Any

from toymdrl.style import title

Entry = dict[str, Any]
SMALLEST_LOSS = 0.5
"""Points: where less was lost, the text speaks of no loss, and tells no shares of it in its headline."""


def percent(value: float) -> str:
    """A share as a percentage, without a minus sign before zero."""
    return f"{round(100 * value) + 0:.0f}%"


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, without a minus sign before zero."""
    return f"{round(value, digits) + 0:+.{digits}f}"


def rank(value: float | None) -> str:
    """A rank correlation; two pairs, or equal values, have none."""
    return "undefined" if value is None else f"{value:+.2f}"


def _change(points: dict[str, float]) -> str:
    return ", ".join(f"{title(name)} {signed(value)}" for name, value in points.items())


_LINES: dict[str, Callable[[Entry], str]] = {
    "C1": lambda m: (
        f"{title(m['domain'])} falls from {m['after_own_stage']:.1f} to {m['after_all_stages']:.1f}"
        if m["points_lost"] >= SMALLEST_LOSS
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
        f"rank correlation with transfer {rank(m['rank_correlation']['shared'])}, with curvature "
        f"{rank(m['rank_correlation']['shared_curved'])}; on all weights, with curvature, "
        f"{rank(m['rank_correlation']['whole_curved'])}; of interactions {rank(m['interaction_correlation'])}"
        if m["rank_correlation"]["shared"] is not None
        else "too few pairs to rank"
    ),
    "C7": lambda m: (
        f"first order {signed(m['first'])}, second {signed(m['second'])}, actual {signed(m['actual'])} points"
    ),
    "C8": lambda m: f"without {m['directions']} directions {percent(m['recovered'])} of the loss is undone",
    "C9": lambda m: (
        f"inside goes to {m['inside_left']:.0%} in {m['steps']} exact steps; the paper's bound "
        f"{'holds' if m['paper_bound_holds'] else 'is broken'}, T5(a)'s and (b)'s "
        f"{'hold' if m['repaired_bound_holds'] else 'are broken'}"
    ),
    "C10": lambda m: (
        f"{m['steps']} steps: {signed(m['points_won_back'])} points, others {signed(m['mean_change_of_others'])}, "
        f"average {m['average_before']:.1f} to {m['average_after']:.1f}"
    ),
    "C11": lambda m: (
        f"{m['budget']:.0%} of the coordinates undo {percent(m['recovered'])} of the loss; best for the average: "
        f"{100 * m['best_budget_for_the_average']:g}%, {signed(m['average_gain_at_best'])}"
    ),
    "C12": lambda m: (
        f"a cycle is a step on the average but for {m['deviation_share']:.1%}; {_change(m['points_gained'])}"
    ),
}
_CONTROLS: dict[str, Callable[[Entry], str]] = {
    "C2": lambda c: f"chance {c['cosine']:.4f}",
    "C3": lambda c: f"T10(a) says lost as bfloat16 {c['lost']['bfloat16']:.0%}, e5m2 {c['lost']['float8 e5m2']:.0%}",
    "C4": lambda c: f"chance {c['jaccard']:.2f}",
    "C5": lambda c: f"chance {c['jaccard']:.2f}",
    "C6": lambda c: f"direction on all other neurons {rank(c['correlation'])}" if c["correlation"] is not None else "–",
    "C7": lambda c: f"the exact form errs by {abs(c['points']):.2f} points at most",
    "C8": lambda c: (
        f"random {percent(c['random'])}, shrinking {percent(c['shrink'])}"
        + "".join(f", {each['directions']} of {each['what']} {percent(each['recovered'])}" for each in c["others"])
    ),
    "C9": lambda c: f"outside goes to {c['outside_left']:.0%}",
    "C10": lambda c: (
        f"refreshing others instead: {signed(c['points'])} points"
        + (f"; with nothing to repair: {signed(c['further'])}" if c["further"] is not None else "")
    ),
    "C11": lambda c: (
        f"random {percent(c['random'])}, shrinking {percent(c['shrink'])}; shrinking at its best: average "
        f"{signed(c['average_gain_of_shrinking_at_its_best'])}"
    ),
    "C12": lambda c: f"order reversed: {_change(c['points_gained'])}",
}


def _measured(key: str, measured: Entry) -> str:
    why = measured.get("not_measured")
    return f"not measured: {why}" if why else _LINES[key](measured)


def claim_lines(claims: dict[str, Entry]) -> list[tuple[str, str, str, str, str]]:
    """Id, the paper's words, what was measured, its control, and the verdict of each claim."""
    return [
        (
            key,
            entry["paper"],
            _measured(key, entry["measured"]),
            _CONTROLS[key](entry["control"]) if entry["control"] else "–",
            entry["verdict"] or "one run: none",
        )
        for key, entry in claims.items()
    ]
