"""Where is interference absent, local, destructive? The map over learning rate and steps, and where the theory ends.

Claim      Damage is first plus second order at the harmed domain's checkpoint (C7, T1), which can hold only near it.
Measured   Code, Math, QA and CW in sequence at every rate and length: what QA and CW cost Math, in points of exact
           expected reward of unseen prompts; the damage that Math's gradient and Hessian on train prompts predict over
           that; the share of it that three refresh steps win back.
Labels     Of a cell's means. Destructive: Math loses more than 30 points, or its own stage leaves it below its warm
           start in a seed. Absent: Math loses less than 2. Local: between.
Control    The prediction from first order alone.
Seeds      10 to 19. The preset was chosen on 100 to 105 by an earlier form of this question, which also varied the KL
           weight and the order (REGIME.md in the history).
Band       RULES.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy import stats

from toymdrl.evidence import Row, Rule, interval, rule_table
from toymdrl.policy.model import DivergenceError
from toymdrl.policy.scores import evaluate
from toymdrl.runs.plan import BASE
from toymdrl.study.questions import Setting
from toymdrl.study.stage import config_of, expansion, run_of, seeds_of, train
from toymdrl.style import COLOURS, FAINT, INK, STYLE

TITLE = "The map of the regime"
PLACE = 8
SECONDS = 85.0
RATES = (3e-4, 1e-3, 2e-3, 3.5e-3, 6e-3)
STEPS = (25, 50, 100, 200)
RULES = [
    Rule("regime", "predicted over actual damage, smallest rate, 50 steps", "ratio 0.0003 50", above=0.5, below=1.5),
    Rule("regime", "predicted over actual damage, the preset", "ratio 0.002 50", above=0.5, below=1.5),
    Rule("regime", "rank correlation of |log ratio| with damage, over the map", "ends", above=0.5),
    Rule("regime", "rank correlation of predicted with actual damage, over the map", "rank", above=0.8).against(
        "rank_first", "first order"
    ),
]


SMALL_PRINT = (
    "Means are over the seeds whose own stage taught Math something. Predicted / actual is the ratio of the means, – "
    "where less than a point is lost. Destructive: more than 30 points are lost, or a seed's own stage taught nothing; "
    "absent: less than 2 are; local: between."
)


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed and length."""
    return [each for steps in STEPS for each in seeds_of(preset, seeds, steps=steps)]


def measure(setting: Setting, out: Path) -> Row:
    """Every rate at one length; None where training diverged."""
    run, config = run_of(setting, out), config_of(setting)
    base, cells = run.load_policy(BASE), []
    for rate in RATES:
        stage = replace(config.grpo, steps=setting["steps"], learning_rate=rate)
        cells.append({"rate": rate, "base": evaluate(base)["math"], "own": None})
        policy = base
        try:
            for key in config.order:
                policy = train(policy, key, stage, setting, "stage")
                if key == "math":
                    math, cells[-1]["own"] = policy, evaluate(policy)["math"]
            first, second = expansion(math, policy, "math")
            cells[-1] |= {"after": evaluate(policy)["math"], "first": first, "second": second}
            short = replace(config.refresh, steps=3)
            cells[-1]["refreshed"] = evaluate(train(policy, "math", short, setting, "refresh"))["math"]
        except DivergenceError:
            cells[-1]["own"] = None
    return {"cells": cells}


def cells(rows: Sequence[Row]) -> dict[tuple[float, int], list[Row]]:
    """Every seed's cell by rate and length, with its damage; only those whose own stage taught Math something."""
    found: dict[tuple[float, int], list[Row]] = {place: [] for place in product(RATES, STEPS)}
    for row in rows:
        for cell in row["cells"]:
            if cell["own"] is not None and cell["own"] > cell["base"]:
                lost = cell["own"] - cell["after"]
                more = {"seed": row["setting"]["seed"], "lost": lost, "predicted": cell["first"] + cell["second"]}
                found[cell["rate"], row["setting"]["steps"]].append({**cell, **more})
    return found


def _ratio(cells: Sequence[Row]) -> float:
    """Mean prediction over mean damage: a ratio of means, since a seed without damage has no ratio."""
    return float(np.mean([cell["predicted"] for cell in cells]) / np.mean([cell["lost"] for cell in cells]))


def _of_seed(by_place: dict[tuple[float, int], list[Row]], seed: int) -> Row:
    """One seed's numbers."""
    own = {place: cell for place, each in by_place.items() for cell in each if cell["seed"] == seed}
    worth = [cell for cell in own.values() if cell["lost"] >= 1]
    lost = [cell["lost"] for cell in worth]
    off = [abs(np.log(max(cell["predicted"], 1e-3) / cell["lost"])) for cell in worth]
    found: Row = {}
    for place in ((RATES[0], 50), (2e-3, 50)):
        known = place in own and own[place]["lost"] != 0  # a stage that taught nothing, or cost nothing, has no ratio
        ratio = own[place]["predicted"] / own[place]["lost"] if known else float("nan")
        found[f"ratio {place[0]:g} {place[1]}"] = ratio
    for key, values in (
        ("ends", off),
        ("rank", [cell["predicted"] for cell in worth]),
        ("rank_first", [cell["first"] for cell in worth]),
    ):
        found[key] = float(stats.spearmanr(values, lost).statistic)
    return found


def label(cells: Sequence[Row], seeds: int) -> str:
    """Of one cell's seeds, by the labels above."""
    if len(cells) < seeds:
        return "destructive"
    lost = float(np.mean([cell["lost"] for cell in cells]))
    return "destructive" if lost > 30 else "absent" if lost < 2 else "local"


def page(rows: Sequence[Row]) -> list[str]:
    """The rules; a line a cell."""
    seeds, by_place = sorted({row["setting"]["seed"] for row in rows}), cells(rows)
    lines = [*rule_table(RULES, [_of_seed(by_place, seed) for seed in seeds]), ""]
    lines += [
        "| peak learning rate | steps | Math after its stage | lost | predicted / actual | won back in 3 steps | |"
    ]
    lines += ["|---:|---:|---:|---:|---:|---:|---|"]
    for (rate, steps), own in by_place.items():
        if len(own) < 2:
            words = f"worse than its warm start in {len(seeds) - len(own)} of {len(seeds)} seeds"
            lines.append(f"| {rate:g} | {steps} | {words} | | | | destructive |")
            continue
        level, lost = (interval([cell[key] for cell in own]) for key in ("own", "lost"))
        won = np.mean([cell["refreshed"] - cell["after"] for cell in own]) / lost.mean
        back = f"{won:.0%}" if lost.mean >= 2 else "–"
        ratio = f"{_ratio(own):.2f}" if lost.mean >= 1 else "–"
        lines.append(f"| {rate:g} | {steps} | {level} | {lost} | {ratio} | {back} | {label(own, len(seeds))} |")
    return [*lines, "", SMALL_PRINT]


def figure(rows: Sequence[Row]) -> Figure:
    """Points lost, and predicted over actual damage, against the learning rate, a line a length."""
    by_place = cells(rows)
    with rc_context(STYLE):
        drawn = Figure(figsize=(11.5, 4))
        left, right = drawn.subplots(1, 2, gridspec_kw={"wspace": 0.2})
        for steps, tone in zip(STEPS, COLOURS.values(), strict=True):
            own = {rate: by_place[rate, steps] for rate in RATES if len(by_place[rate, steps]) > 1}
            lost = {rate: float(np.mean([cell["lost"] for cell in each])) for rate, each in own.items()}
            left.plot(list(lost), list(lost.values()), "o-", color=tone, label=f"{steps} steps")
            ratio = {rate: _ratio(each) for rate, each in own.items() if lost[rate] >= 1}
            right.plot(list(ratio), list(ratio.values()), "o-", color=tone, label=f"{steps} steps")
        for axes in (left, right):
            axes.axvline(2e-3, color=FAINT, linewidth=1, linestyle=":")
            axes.set(xscale="log", xlabel="peak learning rate (dotted: the preset's)")
            axes.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
            axes.minorticks_off()
            axes.legend(frameon=False, fontsize=8.5)
        left.set(title="points of Math lost to QA and CW")
        right.set(title="damage predicted at second order / actual", ylim=(0, 2))
        right.axhline(1, color=INK, linewidth=0.8)
    return drawn
