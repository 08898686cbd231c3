"""The paper's claims C1 to C12, and what one run measures of them.

One run has no interval and gives no verdict; verdicts come from many seeds (experiments/).
"""

from typing import Any

from toymdrl.analysis import rollback
from toymdrl.analysis.conflict import Removal
from toymdrl.analysis.edits import FORMATS
from toymdrl.explain import ROLLBACK_BUDGET, Explanation
from toymdrl.runs.config import RunConfig, headline_domain, headline_refresh
from toymdrl.runs.directory import Checkpoint

PAPER_MATH_AFTER_ALL = 57.66
"""Math after Code -> Math -> QA -> CW (arXiv 2606.02398)."""
PAPER_MATH_REFRESHED = 66.04
"""Math after three further steps on Math."""
PAPER_AVERAGE_REFRESHED = 66.39
"""Average over the four domains of that model: the best of all the paper's checkpoints."""
WORTH_EXPLAINING = 2.0
"""Points of damage from which on a prediction is judged."""

PAPER = {
    "C1": "Training one domain by RL degrades others: Math falls to 57.66 after Code, Math, QA, CW",
    "C2": "It happens although full-model gradients of the domains are nearly orthogonal",
    "C3": "RL makes sparse, small edits: 77–89 % of parameters change by < 1e-7 absolute and < 1e-3 relative",
    "C4": "The top-changed neurons of different domains overlap weakly: mean Jaccard < 0.19",
    "C5": "Domains still share substantial active computation routes",
    "C6": "On those routes the direction of the update decides synergy or conflict",
    "C7": "Later training harms mainly through the second-order term, 1/2 delta^T H delta",
    "C8": "That term concentrates in a low-dimensional shared conflict subspace",
    "C9": "A short refresh contracts the harmful component, by (1 - alpha mu)^t",
    "C10": "A short refresh repairs selectively: Math 57.66 to 66.04 in 3 steps, best average of all, 66.39",
    "C11": "A training-free rollback of a sparse coordinate set partially restores the harmed domain",
    "C12": "A cycle of alternating refreshes approximates a descent step on the weighted objective",
}

Entry = dict[str, Any]
"""One claim: {paper, measured, interval, control, verdict}."""


def claims(config: RunConfig, checkpoints: list[Checkpoint], explanation: Explanation | None) -> dict[str, Entry]:
    """The claims section of results.json: each {paper, measured, interval, control, verdict}.

    Args:
        config: the run's.
        checkpoints: all entries of results.json.
        explanation: the run's analyses; without them only C1 and C10 are measured.
    """
    harmed = headline_domain(config)
    if harmed is None:
        return {}
    found = _from_scores(config, harmed, {entry["name"]: entry for entry in checkpoints})
    if explanation:
        found |= _from_analyses(explanation)
        r = explanation.refresh
        found["C10"][0]["selectivity"] = {step.steps: r.selectivity(step) for step in r.path if step.steps}
    return {
        key: {"paper": PAPER[key], "measured": measured, "interval": None, "control": control, "verdict": None}
        for key, (measured, control) in sorted(found.items(), key=lambda item: int(item[0][1:]))
    }


def _from_scores(
    config: RunConfig, harmed: str, by_name: dict[str, Checkpoint]
) -> dict[str, tuple[Entry, Entry | None]]:
    """C1 and C10: what is measured, and its control."""
    own, end = by_name[harmed], by_name[config.order[-1]]
    steps = headline_refresh(config)
    refreshed = by_name[f"refresh-{harmed}-{steps}"]
    lost = own["scores"][harmed] - end["scores"][harmed]
    won_back = refreshed["scores"][harmed] - end["scores"][harmed]
    others = {key: refreshed["scores"][key] - end["scores"][key] for key in end["scores"] if key != harmed}
    elsewhere = [by_name[f"refresh-{key}-{steps}"]["scores"][harmed] for key in config.order if key != harmed]
    harm = {
        "domain": harmed,
        "after_own_stage": own["scores"][harmed],
        "after_all_stages": end["scores"][harmed],
        "points_lost": lost,
        "points_lost_by_domain": {key: by_name[key]["scores"][key] - end["scores"][key] for key in config.order[:-1]},
    }
    cure = {
        "domain": harmed,
        "steps": steps,
        "refreshed": refreshed["scores"][harmed],
        "points_won_back": won_back,
        "share_of_loss": won_back / lost if lost > 0 else None,
        "mean_change_of_others": sum(others.values()) / len(others),
        "change_of_others": others,
        "average_before": end["average"],
        "average_after": refreshed["average"],
    }
    further = by_name.get(f"further-{harmed}-{steps}")
    control = {
        "what": f"mean change of {harmed} when another domain is refreshed for as many steps; and, as further, when "
        f"{harmed} itself is, from its own checkpoint, where nothing is to be repaired",
        "points": sum(elsewhere) / len(elsewhere) - end["scores"][harmed],
        "further": further["scores"][harmed] - own["scores"][harmed] if further else None,
    }
    return {"C1": (harm, None), "C10": (cure, control)}


def _mean_gain(trial: rollback.Trial) -> float:
    """Points gained on average over all domains."""
    return -sum(trial.changes.values()) / len(trial.changes)


def _largest_others(e: Explanation) -> list[Removal]:
    """The comparison subspaces of C8, each at its largest."""
    own = {"top", "shrink", "random"}
    return list({each.what: each for each in e.conflict.removals if each.what not in own}.values())


def _from_analyses(e: Explanation) -> dict[str, tuple[Entry, Entry | None]]:
    """C2 to C9, C11 and C12: what is measured, and its control."""
    found: dict[str, tuple[Entry, Entry | None]] = {}
    largest = [abs(each.cosine) for each in e.cosines.gradients]
    found["C2"] = (
        {"largest_cosine": max(largest), "mean_size": sum(largest) / len(largest), "pairs": len(largest)},
        {"what": "chance: root mean square cosine of random vectors", "cosine": e.cosines.chance},
    )
    count = len(e.edits.edits)
    stored = {name: sum(edit.unchanged[name] for edit in e.edits.edits) / count for name in FORMATS}
    found["C3"] = (
        {
            "unchanged_by_the_papers_thresholds": sum(edit.unchanged_paper for edit in e.edits.edits) / count,
            "unchanged_when_stored": stored,
        },
        {
            "what": "share that T10(a) says is lost in storage",
            "lost": {name: sum(edit.lost[name] for edit in e.edits.edits) / count for name in FORMATS},
        },
    )
    found["C4"] = (
        {"mean_jaccard": e.edits.mean_jaccard},
        {"what": "chance: random sets of as many neurons", "jaccard": e.edits.jaccard_chance},
    )
    shared = [each.jaccard for each in e.routes.overlaps]
    found["C5"] = (
        {"mean_jaccard": sum(shared) / len(shared), "least": min(shared), "active_share": e.routes.active},
        {"what": "chance: random sets of as many neurons", "jaccard": e.routes.chance},
    )
    kinds = ("shared", "shared_curved", "whole", "whole_curved")
    found["C6"] = (
        {
            "rank_correlation": {kind: e.routes.rank_correlation(kind) for kind in kinds},
            "sign_agreement": {kind: e.routes.sign_agreement(kind) for kind in kinds},
            "interaction_correlation": e.routes.interaction_correlation,
        },
        {"what": "the same direction on all other neurons", "correlation": e.routes.rank_correlation("elsewhere")},
    )
    head = next(each for each in e.damage.pairs if (each.earlier, each.later) == (e.conflict.earlier, e.conflict.later))
    found["C7"] = (
        {
            "actual": head.actual,
            "first": head.first,
            "second": head.second,
            "predicted_share": head.predicted / head.actual if head.actual else None,
            "certificate": head.eta,
            "pairs_worth_explaining": sum(each.actual >= WORTH_EXPLAINING for each in e.damage.pairs),
        },
        {
            "what": "largest error of the exact form, Hessian averaged along the path, over all pairs",
            "points": max(abs(each.closure) for each in e.damage.pairs),
        },
    )
    size = max(each.size for each in e.conflict.removals if each.what == "top")
    found["C8"] = (
        {
            "directions": size,
            "recovered": e.conflict.recovered("top", size),
            "share_of_quadratic_form": (e.conflict.positive[-1] + e.conflict.negative[-1]) / e.conflict.quadratic,
            "overlap_of_halves": {"directions": e.conflict.halves_size, "overlap": e.conflict.halves_overlap},
        },
        {
            "what": "random subspaces of as many directions; shrinking the update by the same norm",
            "random": e.conflict.recovered("random", size),
            "shrink": e.conflict.recovered("shrink", size),
            "others": [
                {"what": each.what, "directions": each.size, "norm_share": each.norm_share, "recovered": each.recovered}
                for each in _largest_others(e)
            ],
        },
    )
    if e.contraction:
        c = e.contraction
        found["C9"] = (
            {
                "steps": len(c.inside) - 1,
                "inside_left": c.inside[-1] / c.inside[0],
                "loss_left": c.loss[-1] / c.loss[0],
                "paper_bound_holds": c.holds(c.paper),
                "repaired_bound_holds": c.holds(c.directional) and c.holds(c.comparison),
                "repaired_bound_over_measured": c.directional[-1] / c.inside[-1],
                "loss_bound_over_measured": c.loss_bound[-1] / c.loss[-1],
                "polished": {"moved": c.moved, "gradient": [c.gradient_before, c.gradient_after]},
            },
            {"what": "what stays of the part outside the subspace", "outside_left": c.outside[-1] / c.outside[0]},
        )
    else:
        found["C9"] = ({"not_measured": "this domain's answers are too long for the exact KL that C9 needs"}, None)
    best, shrunk = e.rollback.best(), e.rollback.best(rollback.SHRINK)
    found["C11"] = (
        {
            "budget": ROLLBACK_BUDGET,
            "recovered": e.rollback.recovered(rollback.CURVATURE, ROLLBACK_BUDGET),
            "best_budget_for_the_average": best.budget,
            "average_gain_at_best": _mean_gain(best),
        },
        {
            "what": "random coordinates, as many; shrinking the update by the same norm",
            "random": e.rollback.recovered(rollback.RANDOM, ROLLBACK_BUDGET),
            "shrink": e.rollback.recovered(rollback.SHRINK, ROLLBACK_BUDGET),
            "average_gain_of_shrinking_at_its_best": _mean_gain(shrunk),
        },
    )
    found["C12"] = (
        {
            "deviation_share": e.alternation.deviation / e.alternation.step,
            "deviation_bound_share": e.alternation.deviation_bound / e.alternation.step,
            "points_gained": {name: e.alternation.gain(name) for name in e.alternation.domains},
            "gained_by_coming_last": e.alternation.recency,
            "order_effect_predicted_within": e.alternation.swap_error,
            "pareto_before": e.alternation.pareto[0],
            "pareto_after": e.alternation.pareto[-1],
        },
        {
            "what": "the same cycles in reversed order",
            "points_gained": {name: e.alternation.gain(name, reverse=True) for name in e.alternation.domains},
        },
    )
    return found
