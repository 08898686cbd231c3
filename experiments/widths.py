"""Does the conflict subspace stay low-dimensional as the model grows?

Claim      Harm lives in a low-dimensional subspace (C8). The paper has one model; a subspace of 32 of 170,000
           directions means little if it grows with the model.
Measured   The run's sequence at widths 32 to 256 (depth 3, heads of 16, SwiGLU three times the width, learning rates
           divided by the width over 64): Math's loss to QA and CW, and the share of it that is undone off the top k
           directions of Math's Hessian (train prompts, at its checkpoint), on unseen prompts. Needed: the k that undo
           30 %, between the measured k by interpolation in log k; 64, too few, where 64 do not.
Control    Shrinking the update by the same norm; 32 random directions.
Seeds      10 to 19.
Band       RULES.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from toymdrl.analysis.conflict import project, random_basis
from toymdrl.analysis.damage import share_undone
from toymdrl.curvature import Hessian, top_eigenpairs
from toymdrl.evidence import Row, Rule, interval, of_each_seed, rule_table
from toymdrl.parameters import at_parameters, read_parameters
from toymdrl.policy.exact import ExpectedReward, exact_score
from toymdrl.policy.losses import first_problems, reward_loss
from toymdrl.policy.model import ModelConfig
from toymdrl.policy.scores import scoreboard
from toymdrl.runs.config import RunConfig
from toymdrl.runs.plan import Checkpoint, stages
from toymdrl.streams import stream
from toymdrl.study.questions import Setting
from toymdrl.study.stage import config_of, executed, seeds_of
from toymdrl.style import COLOURS, FAINT, STYLE

TITLE = "Width: does the conflict subspace stay small?"
PLACE = 9
SECONDS = 450.0
WIDTHS = (32, 64, 128, 256)
SIZES = (1, 2, 4, 8, 16, 32, 64)
UNDONE = 0.3
RULES = [
    Rule("widths", "damage undone off the top 32 directions, width 256", "top 256", above=0.3).against(
        "shrunk 256", "shrinking"
    ),
    Rule("widths", "that off 32 random directions, width 256", "random 256", below=0.02),
    Rule("widths", "growth of the directions needed: log-log slope on parameters", "slope", above=-0.5, below=0.5),
]

READING = """It does not grow. 32 directions undo 53 % of the loss among 2.6 million parameters and 41 % among 43
thousand, and 30 % of it takes 11 directions there, 17 here; the rule on their slope is open only because it may be
below the band. Ten times what a step of the same length straight back undoes, at width 256. What shrinks is the harm
itself, from 36 points to 5, with learning rates that fall as the width grows; another rule for them may tell another
story. Width 32 is hardly a model of the others: on one seed it does not learn Math at all."""


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed and width."""
    return [each for width in WIDTHS for each in seeds_of(preset, seeds, width=width)]


def _config(setting: Setting) -> RunConfig:
    config, width = config_of(setting), setting["width"]
    shrink = config.model.width / width
    return replace(
        config,
        model=ModelConfig(layers=config.model.layers, width=width, heads=width // 16, neurons=3 * width),
        warm_start=replace(config.warm_start, learning_rate=config.warm_start.learning_rate * shrink),
        grpo=replace(config.grpo, learning_rate=config.grpo.learning_rate * shrink),
        refresh=replace(config.refresh, learning_rate=config.refresh.learning_rate * shrink),
    )


def measure(setting: Setting, out: Path) -> Row:
    """Math's loss, and the share undone by size of the subspace."""
    config = _config(setting)
    run = executed(config, stages(config)[: 1 + len(config.order)], out)
    policy = run.load_policy(Checkpoint("stage", "math"))
    start, end = read_parameters(policy), read_parameters(run.load_policy(Checkpoint("stage", config.order[-1])))
    delta = end - start
    fit = reward_loss(ExpectedReward(first_problems("math", "train", config.analysis.prompts)))
    pairs = top_eigenpairs(Hessian(policy, fit), SIZES[-1], tolerance=1e-2)
    aside = random_basis(delta, 32, stream(config.seed, "widths"))

    def level(update: Tensor) -> float:
        with at_parameters(policy, start + update):
            return exact_score(policy, scoreboard()["math"])

    own, after = level(0 * delta), level(delta)

    def undone(update: Tensor) -> float:
        return share_undone(level(update) - after, own - after, own)

    found: Row = {"parameters": len(delta), "own": own, "lost": own - after, "top": [], "shrunk": []}
    for size in SIZES:
        held = project(pairs.vectors[:, :size], delta)
        kept = 1 - float(held.norm() / delta.norm())
        found["top"].append(undone(delta - held))
        found["shrunk"].append(undone(kept * delta))
    found["random"] = undone(delta - project(aside, delta))
    return found


def needed(top: Sequence[float]) -> float:
    """Directions that undo UNDONE of the damage, by interpolation in log k; the most that were tried if none do."""
    most = np.maximum.accumulate([0.0, *top])
    if most[-1] < UNDONE:
        return float(SIZES[-1])
    return float(np.exp(np.interp(UNDONE, most, np.log([0.5, *SIZES]))))


def _of_seed(rows: Sequence[Row]) -> Row:
    """One seed's numbers over all widths."""
    found: Row = {}
    for row in rows:
        width = row["setting"]["width"]
        found[f"top {width}"], found[f"shrunk {width}"] = (row[key][SIZES.index(32)] for key in ("top", "shrunk"))
        found[f"random {width}"], found[f"lost {width}"] = row["random"], row["lost"]
        found[f"needed {width}"], found[f"own {width}"] = needed(row["top"]), row["own"]
    sizes = np.log([row["parameters"] for row in rows])
    found["slope"] = float(np.polyfit(sizes, np.log([needed(row["top"]) for row in rows]), 1)[0])
    return found


def page(rows: Sequence[Row]) -> list[str]:
    """The rules; a line a width."""
    numbers = [_of_seed(own) for own in of_each_seed(rows)]
    lines = [*rule_table(RULES, numbers), ""]
    lines += ["| width | parameters | Math after its stage | lost | undone off 32 | shrinking | directions for 30 % |"]
    lines += ["|---:|---:|---:|---:|---:|---:|---:|"]
    for width in WIDTHS:
        count = next(row["parameters"] for row in rows if row["setting"]["width"] == width)
        cells = [
            str(interval([each[f"{key} {width}"] for each in numbers]))
            for key in ("own", "lost", "top", "shrunk", "needed")
        ]
        lines.append(f"| {width} | {count:,} | {' | '.join(cells)} |")
    return lines


def figure(rows: Sequence[Row]) -> Figure:
    """Share of the damage undone against the size of the subspace, a line a width; means over seeds."""
    with rc_context(STYLE):
        drawn = Figure(figsize=(7.5, 4.2))
        axes = drawn.subplots()
        for width, tone in zip(WIDTHS, COLOURS.values(), strict=True):
            own = [row for row in rows if row["setting"]["width"] == width]
            for key, line in (("top", "o-"), ("shrunk", ":")):
                share = 100 * np.mean([row[key] for row in own], axis=0)
                label = f"width {width}, {own[0]['parameters']:,} parameters" if key == "top" else None
                axes.plot(SIZES, share, line, color=tone, label=label)
        axes.axhline(0, color=FAINT, linewidth=0.8)
        axes.set(xscale="log", xlabel="directions taken out of the update (dotted: shrunk by the same norm)")
        axes.set_xticks(SIZES, [str(size) for size in SIZES])
        axes.set_title("% of Math's loss undone")
        axes.legend(frameon=False, fontsize=8.5)
    return drawn
