"""Can the damage be told before it is done, from A's curvature and five steps of B?

Claim      Damage is first plus second order at A's checkpoint along B's update (C7). If so, the direction of a short
           probe of B, stretched to the length of the stage, predicts the whole matrix of who harms whom.
Measured   For every ordered pair: five GRPO steps of B from A's single-domain expert give the probe; predicted is
           first plus second order, on A's train prompts, of the probe times the ratio of summed learning rates. Actual
           is what B's whole stage, with a random stream of its own, costs A on unseen prompts, in points.
Control    Ranking by what the paper finds blind: the gradients' cosine at A's expert; and by the probe's length.
Seeds      10 to 19.
Band       RULES.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

from toymdrl.analysis.cosines import cosine
from toymdrl.curvature import gradient
from toymdrl.domains import DOMAINS
from toymdrl.evidence import Row, Rule, interval, rule_table
from toymdrl.parameters import read_parameters
from toymdrl.policy.exact import ExpectedReward
from toymdrl.policy.losses import first_problems, reward_loss
from toymdrl.policy.scores import evaluate
from toymdrl.runs.plan import Checkpoint
from toymdrl.study.questions import Setting
from toymdrl.study.stage import config_of, expansion, run_of, seeds_of, train
from toymdrl.training.grpo import learning_rate

TITLE = "Prediction before the fact"
PLACE = 2
SECONDS = 60.0
PROBE = 5
"""GRPO steps of B that the prediction may look at."""
RULES = [
    Rule("prediction", "rank correlation over 12 pairs", "rank", above=0.5).against("rank_cosine", "by −cosine"),
    Rule("prediction", "that less the control", "rank_beyond_cosine", above=0),
    Rule("prediction", "that less ranking by the probe's length", "rank_beyond_length", above=0),
    Rule("prediction", "slope of actual on predicted damage", "slope", above=0.5, below=2),
]
READING = """The ranking is told before the fact, the sizes are not: they are overestimated several times. A
five-step probe is mostly noise, stretching it by the ratio of learning rates stretches the noise as well, and the
second-order term squares it. That is one way to stretch, fixed beforehand; no other was tried."""


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed."""
    return seeds_of(preset, seeds)


def measure(setting: Setting, out: Path) -> Row:
    """Every pair's prediction, its damage, and what else could rank them."""
    run, config = run_of(setting, out), config_of(setting)
    stretch = sum(learning_rate(config.grpo, step) for step in range(config.grpo.steps))
    stretch /= PROBE * config.grpo.learning_rate
    short = replace(config.grpo, steps=PROBE, anneal=False)
    pairs = []
    for a in DOMAINS:
        expert = run.load_policy(Checkpoint("expert", a))
        own = evaluate(expert)[a]
        slopes = {
            key: gradient(expert, reward_loss(ExpectedReward(first_problems(key, "train", 1024)))) for key in DOMAINS
        }
        for b in [key for key in DOMAINS if key != a]:
            probe = train(expert, b, short, setting, "probe")
            first, second = expansion(expert, probe, a)
            after = train(expert, b, config.grpo, setting, "stage")
            pairs.append(
                {
                    "harmed": a,
                    "by": b,
                    "predicted": stretch * first + stretch**2 * second,
                    "actual": own - evaluate(after)[a],
                    "cosine": cosine(slopes[a], slopes[b]),
                    "length": float((read_parameters(probe) - read_parameters(expert)).norm()),
                }
            )
    return {"pairs": pairs}


def _of_seed(row: Row) -> Row:
    """One seed's numbers."""
    columns = {
        key: np.array([pair[key] for pair in row["pairs"]]) for key in ("predicted", "actual", "cosine", "length")
    }
    ranks = {key: float(stats.spearmanr(columns[key], columns["actual"]).statistic) for key in columns}
    return {
        "rank": ranks["predicted"],
        "rank_cosine": -ranks["cosine"],
        "rank_beyond_cosine": ranks["predicted"] + ranks["cosine"],
        "rank_beyond_length": ranks["predicted"] - ranks["length"],
        "slope": float(columns["predicted"] @ columns["actual"] / (columns["predicted"] @ columns["predicted"])),
    }


def page(rows: Sequence[Row]) -> list[str]:
    """The rules, and the two matrices."""
    lines = [*rule_table(RULES, [_of_seed(row) for row in rows]), ""]
    lines += ["| harmed | by | predicted | actual |", "|---|---|---:|---:|"]
    for index, pair in enumerate(rows[0]["pairs"]):
        cells = [str(interval([row["pairs"][index][key] for row in rows])) for key in ("predicted", "actual")]
        lines.append(f"| {DOMAINS[pair['harmed']].title} | {DOMAINS[pair['by']].title} | {cells[0]} | {cells[1]} |")
    return lines
