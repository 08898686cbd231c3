"""The paper's claims, and what one run measures of them.

One run has no interval and gives no verdict; verdicts come from many seeds.
"""

from typing import Any

from toymdrl.config import RunConfig
from toymdrl.runs import Checkpoint

PAPER_MATH_AFTER_ALL = 57.66
"""Math after Code -> Math -> QA -> CW (arXiv 2606.02398)."""
PAPER_MATH_REFRESHED = 66.04
"""Math after three further steps on Math."""
PAPER_AVERAGE_REFRESHED = 66.39
"""Average over the four domains of that model: the best of all the paper's checkpoints."""
PAPER_REFRESH_STEPS = 3

Entry = dict[str, Any]
"""One claim: {paper, measured, interval, control, verdict}."""


def headline_domain(config: RunConfig) -> str | None:
    """The domain whose loss is the headline: Math if later domains follow it, else the first one trained."""
    earlier = config.order[:-1]
    return "math" if "math" in earlier else (earlier[0] if earlier else None)


def headline_refresh(config: RunConfig) -> int:
    """The refresh length of the headline: the paper's three steps, or the run's nearest."""
    return min(config.refresh_steps, key=lambda steps: abs(steps - PAPER_REFRESH_STEPS))


def claims(config: RunConfig, checkpoints: list[Checkpoint]) -> dict[str, Entry]:
    """The claims section of results.json: each {paper, measured, interval, control, verdict}.

    Args:
        config: the run's.
        checkpoints: all entries of results.json.
    """
    harmed = headline_domain(config)
    if harmed is None:
        return {}
    by_name = {entry["name"]: entry for entry in checkpoints}
    own, end = by_name[harmed], by_name[config.order[-1]]
    steps = headline_refresh(config)
    refreshed = by_name[f"refresh-{harmed}-{steps}"]
    lost = own["scores"][harmed] - end["scores"][harmed]
    won_back = refreshed["scores"][harmed] - end["scores"][harmed]
    others = {key: refreshed["scores"][key] - end["scores"][key] for key in end["scores"] if key != harmed}
    elsewhere = [by_name[f"refresh-{key}-{steps}"]["scores"][harmed] for key in config.order if key != harmed]
    undecided = {"interval": None, "verdict": None}
    return {
        "C1": {
            "paper": "Training one domain by RL degrades others: Math falls to 57.66 after Code, Math, QA, CW",
            "measured": {
                "domain": harmed,
                "after_own_stage": own["scores"][harmed],
                "after_all_stages": end["scores"][harmed],
                "points_lost": lost,
                "points_lost_by_domain": {
                    key: by_name[key]["scores"][key] - end["scores"][key] for key in config.order[:-1]
                },
            },
            "control": None,
            **undecided,
        },
        "C10": {
            "paper": "A short refresh repairs selectively: Math 57.66 to 66.04 in 3 steps, best average of all, 66.39",
            "measured": {
                "domain": harmed,
                "steps": steps,
                "refreshed": refreshed["scores"][harmed],
                "points_won_back": won_back,
                "share_of_loss": won_back / lost if lost > 0 else None,
                "mean_change_of_others": sum(others.values()) / len(others),
                "change_of_others": others,
                "average_before": end["average"],
                "average_after": refreshed["average"],
            },
            "control": {
                "what": f"mean change of {harmed} when another domain is refreshed for as many steps",
                "points": sum(elsewhere) / len(elsewhere) - end["scores"][harmed],
            },
            **undecided,
        },
    }
