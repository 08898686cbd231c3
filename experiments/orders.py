"""Does the order of the domains decide who is harmed, and does curvature tell who it will be?

Claim      Interference is asymmetric (C1), and its size is that of first plus second order at the harmed domain's own
           checkpoint (C7). The paper shows one order.
Measured   All 24 orders of the four domains, each stage that of the laptop preset; exact expected rewards of unseen
           prompts in points. A pair's damage: what B, trained right after A as first domain, costs A. The prediction
           is first plus second order of B's update at A's checkpoint, on train prompts.
Control    The same prediction from first order alone.
Seeds      10 to 19.
Band       RULES; that a pair interferes, and that two are not alike, by exact sign flips with Holm over pairs at 0.05.
"""

from collections.abc import Sequence
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
from scipy import stats

from toymdrl.domains import DOMAINS
from toymdrl.evidence import Row, Rule, holm, interval, rule_table, sign_flip
from toymdrl.policy.model import Policy
from toymdrl.policy.scores import evaluate
from toymdrl.runs.plan import BASE
from toymdrl.study.questions import Setting
from toymdrl.study.stage import config_of, expansion, run_of, seeds_of, train

TITLE = "All 24 orders"
PLACE = 1
SECONDS = 60.0
RULES = [
    Rule("orders", "rank correlation of predicted with actual damage, 12 pairs", "rank", above=0.6).against(
        "rank_first", "first order"
    ),
    Rule("orders", "points between the best and the worst order's average", "spread", above=1),
    Rule("orders", "points that a domain scores more as last than as first", "recency", above=0),
]
READING = """Interference is asymmetric, and the domain that is hit decides more than the one that hits: Math loses
most, to whatever follows it, and harms little. The last domain trained is the best off."""


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed and first domain."""
    return [each for first in DOMAINS for each in seeds_of(preset, seeds, first=first)]


def measure(setting: Setting, out: Path) -> Row:
    """Scores after every stage of the six orders that begin with a domain, and the damage of its three successors."""
    run, config = run_of(setting, out), config_of(setting)
    found: Row = {"scores": {"": evaluate(run.load_policy(BASE))}, "pairs": {}}

    def grow(policy: Policy, path: tuple[str, ...]) -> None:
        for key in [key for key in DOMAINS if key not in path] if path else [setting["first"]]:
            after = train(policy, key, config.grpo, setting, "stage")
            found["scores"][" ".join((*path, key))] = evaluate(after)
            if len(path) == 1:
                first, second = expansion(policy, after, path[0])
                lost = found["scores"][path[0]][path[0]] - found["scores"][" ".join((*path, key))][path[0]]
                found["pairs"][key] = {"actual": lost, "first": first, "second": second}
            grow(after, (*path, key))

    grow(run.load_policy(BASE), ())
    return found


def _seeds(rows: Sequence[Row]) -> dict[int, dict[str, Row]]:
    """Rows by seed and first domain."""
    found: dict[int, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row["setting"]["seed"], {})[row["setting"]["first"]] = row
    return found


def _of_seed(by_first: dict[str, Row]) -> Row:
    """One seed's numbers."""
    pairs = [pair for row in by_first.values() for pair in row["pairs"].values()]
    actual = [pair["actual"] for pair in pairs]
    ends = {order: by_first[order[0]]["scores"][" ".join(order)] for order in permutations(by_first)}
    averages = [float(np.mean(list(scores.values()))) for scores in ends.values()]
    early, late = (float(np.mean([scores[order[place]] for order, scores in ends.items()])) for place in (0, -1))
    return {
        "rank": float(stats.spearmanr([pair["first"] + pair["second"] for pair in pairs], actual).statistic),
        "rank_first": float(stats.spearmanr([pair["first"] for pair in pairs], actual).statistic),
        "spread": max(averages) - min(averages),
        "recency": late - early,
    }


def page(rows: Sequence[Row]) -> list[str]:
    """The rules; every pair's damage; how alike a pair's two directions are."""
    seeds = _seeds(rows)
    trained = [key for key in DOMAINS if any(key in by_first for by_first in seeds.values())]
    damage = {
        (a, b): [by_first[a]["pairs"][b]["actual"] for by_first in seeds.values()] for a, b in permutations(trained, 2)
    }
    harmed = holm({f"{a} {b}": sign_flip(values) for (a, b), values in damage.items()})
    twice = {(a, b): list(np.subtract(damage[a, b], damage[b, a])) for a, b in combinations(trained, 2)}
    uneven = holm({f"{a} {b}": sign_flip(values) for (a, b), values in twice.items()})
    lines = [*rule_table(RULES, [_of_seed(each) for each in seeds.values()]), ""]
    lines += ["| harmed | by | points lost | p, Holm | less what it does to the other | p, Holm |"]
    lines += ["|---|---|---:|---:|---:|---:|"]
    for (a, b), values in damage.items():
        pair = f"{a} {b}"
        difference = f"{interval(twice[a, b])} | {uneven[pair]:.3f}" if (a, b) in twice else " | "
        titles = f"{DOMAINS[a].title} | {DOMAINS[b].title}"
        lines.append(f"| {titles} | {interval(values)} | {harmed[pair]:.3f} | {difference} |")
    return lines
