"""When do reinforcement-learned weights come out unchanged? Drift against the spacing of the number format.

Claim      77 to 89 % of the paper's weights are unchanged by RL (C3). T10: a stored weight is unchanged if it drifted
           by less than half the spacing of its format, so that one curve, share unchanged against drift over spacing,
           should hold for every learning rate, length and format.
Measured   Math trained on a grid of learning rates and steps, from the warm start stored in bfloat16 or float8 e5m2, in
           two ways: with a float32 master that is stored at the end; and held in the format, each step's change rounded
           away or not. Drift is the median over weights of the master's |delta| over what T10(a) says is lost; for
           weights held in the format, of its mean step. (float8 e4m3 has no normal numbers as small as these weights.)
Control    The paper's thresholds (1e-7 absolute, 1e-3 relative) on float32 weights, which know no spacing.
Seeds      10 to 19.
Band       RULES.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy import optimize, stats
from torch import Tensor

from toymdrl.analysis.edits import FORMATS, measure_edit
from toymdrl.evidence import Row, Rule, interval, of_each_seed, rule_table
from toymdrl.parameters import at_parameters, read_parameters, write_parameters
from toymdrl.policy.model import Policy
from toymdrl.runs.plan import BASE
from toymdrl.study.questions import Setting
from toymdrl.study.stage import config_of, run_of, seeds_of, train
from toymdrl.style import FAINT, STYLE

TITLE = "Sparse edits and number formats"
PLACE = 7
SECONDS = 90.0
RATES = (1e-5, 1e-4, 3e-4, 1e-3, 2e-3)
STEPS = (10, 50, 150)
STORED = ("bfloat16", "float8 e5m2")
WAYS = {"master": "float32 master, stored in", "held": "held in"}
TONES = {"bfloat16": "#0072B2", "float8 e5m2": "#D55E00"}
PAPER = (0.77, 0.89)
RULES = [
    Rule("precision", "rank correlation of share unchanged with drift, float32 master", "rank master", below=-0.95),
    Rule("precision", "largest distance of a cell from one falling curve, master", "off master", below=0.05),
    Rule("precision", "rank correlation, held in the format, with one step's drift", "rank held", below=-0.9),
    Rule("precision", "share unchanged, held less master, where the master's is 10 to 90 %", "held beyond", above=0),
    Rule("precision", "drift over spacing at which a master keeps 83 % in bfloat16", "drift at paper", below=1),
]


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed and length."""
    return [each for steps in STEPS for each in seeds_of(preset, seeds, steps=steps)]


def _rounded(weights: Tensor, name: str) -> Tensor:
    return weights.to(FORMATS[name][0]).to(weights.dtype)


def measure(setting: Setting, out: Path) -> Row:
    """Share unchanged and drift, by learning rate and way of storing."""
    run, config = run_of(setting, out), config_of(setting)
    base, cells = run.load_policy(BASE), []
    for name, rate in product(STORED, RATES):
        stage = replace(config.grpo, steps=setting["steps"], learning_rate=rate)
        start = _rounded(read_parameters(base), name)

        def hold(policy: Policy, name: str = name) -> None:
            write_parameters(policy, _rounded(read_parameters(policy), name))

        with at_parameters(base, start):
            master = read_parameters(train(base, "math", stage, setting, "stage"))
            held = read_parameters(train(base, "math", stage, setting, "stage", hold))
        edit = measure_edit("math", start, master)
        drift, cell = edit.drift[name], {"rate": rate, "format": name}
        cells.append({**cell, "way": "master", "drift": drift, "unchanged": edit.unchanged[name]})
        cells[-1]["paper"] = edit.unchanged_paper
        cells.append({**cell, "way": "held", "drift": drift / setting["steps"]})
        cells[-1]["unchanged"] = float((held == start).double().mean())
    return {"cells": cells}


def _of_seed(rows: Sequence[Row]) -> Row:
    """One seed's numbers over all lengths."""
    cells = [cell | {"steps": row["setting"]["steps"]} for row in rows for cell in row["cells"]]
    found: Row = {}
    for way in ("master", "held"):
        own = sorted((cell["drift"], cell["unchanged"]) for cell in cells if cell["way"] == way)
        drift, unchanged = (np.array(column) for column in zip(*own, strict=True))
        found[f"rank {way}"] = float(stats.spearmanr(drift, unchanged).statistic)
        curve = optimize.isotonic_regression(unchanged, increasing=False).x
        found[f"off {way}"] = float(np.abs(unchanged - curve).max())
    place = {(c["steps"], c["rate"], c["format"], c["way"]): c["unchanged"] for c in cells}
    gaps = [
        place[steps, rate, name, "held"] - share
        for (steps, rate, name, way), share in place.items()
        if way == "master" and 0.1 < share < 0.9
    ]
    found["held beyond"] = float(np.mean(gaps)) if gaps else 0.0
    own = sorted((c["unchanged"], c["drift"]) for c in cells if c["way"] == "master" and c["format"] == "bfloat16")
    shares, drifts = zip(*own, strict=True)
    found["drift at paper"] = float(np.exp(np.interp(np.mean(PAPER), shares, np.log(drifts))))
    return found


def numbers(rows: Sequence[Row]) -> list[Row]:
    """Each seed's numbers."""
    return [_of_seed(own) for own in of_each_seed(rows)]


def page(rows: Sequence[Row]) -> list[str]:
    """The rules; the share unchanged in every cell."""
    lines = [*rule_table(RULES, numbers(rows)), ""]
    lines += ["| share unchanged, 50 steps | " + " | ".join(f"lr {rate:g}" for rate in RATES) + " |"]
    lines += ["|---|" + "---:|" * len(RATES)]
    fifty = [cell for row in rows if row["setting"]["steps"] == STEPS[1] for cell in row["cells"]]
    for way, name in product(WAYS, STORED):
        cells = []
        for rate in RATES:
            own = [c["unchanged"] for c in fifty if (c["way"], c["format"], c["rate"]) == (way, name, rate)]
            cells.append(f"{interval(own).mean:.2f}")
        lines.append(f"| {WAYS[way]} {name} | {' | '.join(cells)} |")
    paper = [[c["paper"] for c in fifty if c["way"] == "master" and c["rate"] == rate] for rate in RATES]
    lines.append(f"| float32, the paper's thresholds | {' | '.join(f'{float(np.mean(each)):.2f}' for each in paper)} |")
    return lines


def figure(rows: Sequence[Row]) -> Figure:
    """Share unchanged against drift over spacing; one dot a cell and seed."""
    with rc_context(STYLE):
        drawn = Figure(figsize=(11.5, 4.2))
        panels = drawn.subplots(1, 2, sharey=True, gridspec_kw={"wspace": 0.08})
        for axes, way in zip(panels, WAYS, strict=True):
            for (name, steps), marker in zip(product(STORED, STEPS), "vosv^D", strict=True):
                own = [c for row in rows if row["setting"]["steps"] == steps for c in row["cells"]]
                own = [c for c in own if (c["way"], c["format"]) == (way, name)]
                axes.plot(
                    [c["drift"] for c in own],
                    [100 * c["unchanged"] for c in own],
                    marker,
                    color=TONES[name],
                    alpha=0.4,
                    markersize=4.5,
                    label=f"{name}, {steps} steps",
                )
            axes.axhspan(100 * PAPER[0], 100 * PAPER[1], color="#E69F00", alpha=0.25, linewidth=0)
            axes.axvline(1, color=FAINT, linewidth=0.8)
            axes.set(xscale="log", xlabel="median drift over the threshold of T10(a)")
            axes.legend(frameon=False, fontsize=8)
        panels[0].set(title="a float32 master, stored at the end", ylabel="% of weights unchanged")
        panels[1].set(title="held in the format", xlabel="median drift of one step over the threshold of T10(a)")
    return drawn
