"""Refresh and rollback against what else keeps an old domain while new ones are learnt.

Claim      A three-step refresh repairs Math at little cost and gives the best average (C10); rollback does so without
           training (C11). The paper compares with nothing but the unrepaired model.
Measured   From the run's Math checkpoint, 100 GRPO steps of 32 prompts on QA and then CW, or what an arm does instead
           with as many, see ARMS; all 200 steps where an arm begins at the warm start. Kept: Math's change. Gained: the
           mean change of QA and CW. Average of the four domains. Points of exact expected reward, unseen prompts. What
           an arm chooses, it chooses on train prompts.
Control    The plain sequence; and shrinking its update to (1 - a) of itself, which needs no idea: an arm is worth
           something if it keeps more of Math than the shrunk update that gains as much ("beyond").
Seeds      10 to 19.
Band       RULES; every arm's average against the sequence's by exact sign flips, with Holm over arms.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toymdrl.analysis.conflict import project
from toymdrl.evidence import Row, Rule, cell, holm, interval, of_each_seed, rule_table, sign_flip
from toymdrl.parameters import at_parameters
from toymdrl.policy.scores import evaluate
from toymdrl.runs.plan import BASE
from toymdrl.study.protection import train_protected
from toymdrl.study.questions import Setting
from toymdrl.study.stage import run_of, seeds_of
from toymdrl.study.start import Start, trainable_copy
from toymdrl.style import BOUND, FAINT, INK, STYLE
from toymdrl.training.mixture import Combine, anchored, pcgrad, total

TITLE = "Rivals of refresh and rollback"
PLACE = 5
SECONDS = 5.0
EXTRAS = {"torchjd": "rivals"}
LATER = ("qa", "cw")
SHARES = (0.25, 0.5, 0.75)
"""Shares a of the update that are undone."""
KL = (0.3, 1.0)
EWC = (30.0, 300.0, 3000.0)
"""Weights of the penalty sum F (theta - theta_Math)^2 / 2, F the diagonal Fisher of sampled answers."""
REPLAYED = 4
"""Math prompts among a step's 32."""
REFRESHED = 3
ROLLED_BACK = 0.01
Scores = dict[str, float]


def begin(setting: Setting, out: Path) -> Start:
    """A seed's run, trained now if it has not been."""
    return Start(setting, run_of(setting, out))


def before(start: Start) -> Scores:
    """Math's checkpoint itself."""
    return evaluate(start.math)


def sequence(start: Start) -> Scores:
    """The run's own end."""
    return start.scores_at(start.end)


def shrunk(start: Start, share: float) -> Scores:
    """A share of the update undone."""
    return start.scores_at(start.end - share * start.subject.delta)


def kl_weight(start: Start, weight: float) -> Scores:
    """Another weight of the KL term."""
    return evaluate(start.stages(kl=weight))


def ewc(start: Start, weight: float) -> Scores:
    """Elastic weight consolidation."""
    subject, grpo, policy = start.subject, start.config.grpo, start.math
    for key in LATER:
        policy = trainable_copy(policy)
        rule = anchored(weight, subject.fisher, subject.start, policy)
        policy = start.mixed(policy, {key: grpo.prompts}, grpo.steps, rule)
    return evaluate(policy)


def protected(start: Start) -> Scores:
    """Kept out of the conflict subspace, which was found before the later domains were seen."""
    with start.run.lock(wait=True):
        basis = start.subject.spectrum.vectors
    protection = lambda update: update - project(basis, update)  # noqa: E731
    return evaluate(train_protected(start.math, start.config, start.setting, protection))


def replay(start: Start) -> Scores:
    """Some prompts of Math in every step."""
    grpo, policy = start.config.grpo, start.math
    for key in LATER:
        prompts = {key: grpo.prompts - REPLAYED, "math": REPLAYED}
        policy = start.mixed(trainable_copy(policy), prompts, grpo.steps)
    return evaluate(policy)


def _thirds(start: Start, combine: Combine) -> Scores:
    """Math and both later domains in every step, of as many steps as both stages have."""
    grpo = start.config.grpo
    third = grpo.prompts // 3
    prompts = {"math": grpo.prompts - 2 * third, **dict.fromkeys(LATER, third)}
    return evaluate(start.mixed(trainable_copy(start.math), prompts, 2 * grpo.steps, combine))


def joint(start: Start) -> Scores:
    """Joint training."""
    return _thirds(start, total)


def joint_pcgrad(start: Start) -> Scores:
    """Joint training, conflicting gradients projected."""
    return _thirds(start, pcgrad)


def joint_from_the_start(start: Start) -> Scores:
    """All domains from the warm start on, of as many steps as all stages have."""
    config = start.config
    prompts = dict.fromkeys(config.order, config.grpo.prompts // 4)
    base = start.run.load_policy(BASE)
    return evaluate(start.mixed(base, prompts, 4 * config.grpo.steps))


def experts(start: Start, weight: float) -> Scores:
    """The sum of all single-domain updates, weighted, on the warm start."""
    edits = start.subject.edits.values()
    together = sum(edits, torch.zeros_like(start.end))
    return start.scores_at(start.subject.vectors[BASE] + together * weight)


def refresh(start: Start) -> Scores:
    """The paper's repair."""
    return evaluate(start.refreshed(start.last, REFRESHED))


def refresh_within(start: Start) -> Scores:
    """The same, paid for by shorter stages."""
    config = start.config
    saved = REFRESHED * config.refresh.prompts // (config.grpo.prompts * len(LATER))
    return evaluate(start.refreshed(start.stages(steps=config.grpo.steps - saved), REFRESHED))


def rollback(start: Start) -> Scores:
    """The paper's training-free repair."""
    return start.scores_at(start.end - start.subject.rolled_back(ROLLED_BACK))


def rollback_refresh(start: Start) -> Scores:
    """Both repairs."""
    with at_parameters(start.last, start.end - start.subject.rolled_back(ROLLED_BACK)):
        return evaluate(start.refreshed(start.last, REFRESHED))


@dataclass(frozen=True)
class Arm:
    """One way to keep an old domain."""

    words: str
    scores: Callable[..., Scores]
    """Called with where all begin and, if there is one, the amount."""
    amount: float | None = None
    sees: Literal["no", "before", "while or after"] = "no"
    """When it looks at prompts of Math, after Math's own stage: before the later domains are learnt, for the Fisher
    diagonal or the Hessian; while or after they are, to train on or to choose what is put back."""
    ours: bool = False
    """Whether it is what the paper proposes, or follows from it."""


LATE: Literal["while or after"] = "while or after"
ARMS = {
    "sequence": Arm("the plain sequence", sequence),
    **{f"shrunk {share:g}": Arm(f"its update shrunk to {1 - share:.0%}", shrunk, share) for share in SHARES},
    **{f"kl {weight:g}": Arm(f"KL weight {weight:g} instead of 0.1", kl_weight, weight) for weight in KL},
    **{f"ewc {weight:g}": Arm(f"EWC, weight {weight:g}", ewc, weight, "before") for weight in EWC},
    "protected": Arm("kept out of Math's top 32 Hessian directions", protected, sees="before", ours=True),
    "replay": Arm("4 of 32 prompts from Math", replay, sees=LATE),
    "joint": Arm("Math, QA and CW in every step", joint, sees=LATE),
    "pcgrad": Arm("the same, conflicts projected away (PCGrad)", joint_pcgrad, sees=LATE),
    "joint from the start": Arm("all four domains in every step, 200 steps", joint_from_the_start, sees=LATE),
    "experts averaged": Arm("mean of four experts' updates of 50 steps", experts, 1 / 4),
    "experts merged": Arm("half the sum of those updates (task vectors)", experts, 1 / 2),
    "refresh": Arm("the sequence, then 3 steps of 128 Math prompts", refresh, sees=LATE, ours=True),
    "refresh within": Arm("the same, the stages 6 steps shorter each", refresh_within, sees=LATE, ours=True),
    "rollback": Arm("1 % of the coordinates put back, by |δ·Hδ|", rollback, sees=LATE, ours=True),
    "rollback, refresh": Arm("that, then 3 Re-Math steps", rollback_refresh, sees=LATE, ours=True),
}
"""Another rival is a function above and a line here; it alone is measured."""
START = "before"
"""Where all arms begin: measured like an arm, and no arm."""
LABELS = {
    "sequence": ("sequence, unrepaired", (7, -3), "left"),
    "kl 0.3": ("KL weight 0.3", (7, 3), "left"),
    "kl 1": ("KL weight 1", (7, 3), "left"),
    "ewc 30": ("EWC, weight 30", (-7, -10), "right"),
    "ewc 300": ("EWC 300", (-4, 6), "left"),
    "ewc 3000": ("EWC 3000", (4, 6), "right"),
    "protected": ("kept out of Math's directions", (7, -6), "left"),
    "replay": ("replay: 4 of 32 prompts", (7, 3), "left"),
    "joint": ("joint", (-7, 2), "right"),
    "pcgrad": ("joint, PCGrad", (-7, -9), "right"),
    "joint from the start": ("joint from the start", (7, -3), "left"),
    "experts averaged": ("experts' updates, mean", (7, -10), "left"),
    "experts merged": ("experts' updates, half the sum", (-7, -4), "right"),
    "refresh": ("refresh", (7, -8), "left"),
    "refresh within": ("refresh, within the same steps", (7, 2), "left"),
    "rollback": ("rollback", (7, 2), "left"),
    "rollback, refresh": ("rollback, then refresh", (7, 2), "left"),
}
"""An arm's name in the figure, its offset in points and its side."""
JOINT = ("joint", "pcgrad", "joint from the start")
"""The arms that train on Math and the later domains in every step."""
ROOM = 1.42
"""The width of the figure, as a multiple of the largest gain: names stand to the right of it."""
FREE, KEPT = 1.0, -0.5
"""Points of QA and CW that an arm may cost, and of Math that it may lose, to be said to cost, or lose, nothing."""
RULES = [
    Rule(
        "rivals",
        "average score, refresh within the same steps, less the sequence's",
        "refresh within − sequence",
        above=0,
    ),
    Rule("rivals", "average score, rollback, less the sequence's", "rollback − sequence", above=0),
    Rule("rivals", "points of Math that the refresh keeps beyond shrinking", "beyond refresh within", above=0),
    Rule("rivals", "points of Math that the rollback keeps beyond shrinking", "beyond rollback", above=0),
    Rule("rivals", "points of Math that protection keeps beyond shrinking", "beyond protected", above=0),
    Rule("rivals", "average score, refresh within the same steps, less replay's", "refresh within − replay", above=0),
    Rule("rivals", "the same, less joint training's", "refresh within − joint", above=0),
]
READING = """The refresh, which comes after the fact, keeps most of Math at no cost to QA and CW; its average is above
those of shrinking, KL, EWC, protection, a little replay and merging. The rollback, which needs no training, undoes
about half of what was lost, at no cost either; its average is above the sequence's and the shrunk updates', and cannot
be told from EWC's at its best weight. Neither beats training on everything at once, with or without PCGrad, which is
the best of all where all prompts are at hand from the start. The paper's "best average of all" is about the
checkpoints of one sequence."""


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed and arm."""
    return [setting for arm in (START, *ARMS) for setting in seeds_of(preset, seeds, arm=arm)]


def _arm(name: str) -> Arm:
    return Arm("Math's checkpoint", before) if name == START else ARMS[name]


def decides(setting: Setting) -> list[str]:
    """An arm's scores depend on its own code alone, so that another arm leaves them valid."""
    return [begin.__name__, _arm(setting["arm"]).scores.__name__]


def measure(setting: Setting, out: Path) -> Row:
    """An arm's scores."""
    start, arm = begin(setting, out), _arm(setting["arm"])
    amount = () if arm.amount is None else (arm.amount,)
    return {setting["arm"]: arm.scores(start, *amount)}


def _of_seed(row: Row) -> Row:
    """One seed's numbers of every arm."""
    found: Row = {}
    for arm in ARMS:
        changes = {key: row[arm][key] - row["before"][key] for key in row[arm]}
        found[f"kept {arm}"] = changes["math"]
        found[f"gained {arm}"] = float(np.mean([changes[key] for key in LATER]))
        found[f"average {arm}"] = float(np.mean(list(row[arm].values())))
    line = ["sequence", *(f"shrunk {share:g}" for share in SHARES)]
    gained = np.array([0.0, *(found[f"gained {arm}"] for arm in line)])
    kept = np.array([0.0, *(found[f"kept {arm}"] for arm in line)])
    order = gained.argsort()
    for arm in ARMS:
        found[f"beyond {arm}"] = found[f"kept {arm}"] - float(
            np.interp(found[f"gained {arm}"], gained[order], kept[order])
        )
        for other in ("sequence", "replay", "joint"):
            found[f"{arm} − {other}"] = found[f"average {arm}"] - found[f"average {other}"]
    return found


def numbers(rows: Sequence[Row]) -> list[Row]:
    """Each seed's numbers; its arms may be in several rows."""
    found = []
    for own in of_each_seed(rows):
        arms: Row = {}
        for row in own:
            arms |= row
        found.append(_of_seed(arms))
    return found


def page(rows: Sequence[Row]) -> list[str]:
    """The rules, and every arm."""
    seeds = numbers(rows)
    better = holm({arm: sign_flip([each[f"{arm} − sequence"] for each in seeds]) for arm in ARMS if arm != "sequence"})
    lines = [*rule_table(RULES, seeds), ""]
    lines += ["| | Math | QA and CW | Math beyond shrinking | average | p, Holm | uses Math's prompts |"]
    lines += ["|---|---:|---:|---:|---:|---:|---|"]
    for arm, about in ARMS.items():
        cells = [
            str(interval([each[f"{kind} {arm}"] for each in seeds])) for kind in ("kept", "gained", "beyond", "average")
        ]
        p = f"{better[arm]:.3f}" if arm in better else "–"
        lines.append(f"| {cell(about.words)} | {' | '.join(cells)} | {p} | {about.sees} |")
    lines += [
        "",
        "Changes since Math's checkpoint; beyond shrinking: above the shrunk update that gains as much; p: the average",
    ]
    lines += ["against the plain sequence's.", ""]
    others = {"ewc 30": "EWC, weight 30", "protected": "protection", "shrunk 0.25": "shrunk to 75 %"}
    lines += [f"| average, seed by seed | {' | '.join(f'less {words}' for words in others.values())} |"]
    lines += ["|---" + "|---:" * len(others) + "|"]
    for arm in ("refresh", "rollback"):
        less = [interval([each[f"average {arm}"] - each[f"average {other}"] for each in seeds]) for other in others]
        lines.append(f"| {arm} | {' | '.join(map(str, less))} |")
    return lines


def _name(axes: Axes, arm: str, place: tuple[float, float], ink: str) -> None:
    """An arm's name beside its point."""
    words, offset, side = LABELS[arm]
    axes.annotate(words, place, textcoords="offset points", xytext=offset, ha=side, fontsize=8.5, color=ink)


def _finding(mean: Row) -> str:
    """Who keeps Math although QA and CW pay nothing: the title, as the means have it."""
    free = [arm for arm in ARMS if mean[f"gained {arm}"] > mean["gained sequence"] - FREE]
    free = [arm for arm in free if mean[f"kept {arm}"] > mean["kept sequence"] + FREE]
    whole = [arm for arm in free if mean[f"kept {arm}"] > KEPT]
    repairs = [arm for arm in free if ARMS[arm].ours and arm not in whole]
    if repairs and whole and all(arm in JOINT for arm in whole):
        return "at no cost to QA and CW, repairs win part of Math back; joint training loses none"
    return f"what keeps most of Math: {LABELS[max(ARMS, key=lambda arm: mean[f'kept {arm}'])][0]}"


def figure(rows: Sequence[Row]) -> Figure:
    """Math kept against QA and CW gained, means over seeds; the line is the shrunk update."""
    seeds = numbers(rows)
    mean = {key: float(np.mean([each[key] for each in seeds])) for key in seeds[0]}
    line = [*(f"shrunk {share:g}" for share in reversed(SHARES)), "sequence"]
    with rc_context(STYLE):
        drawn = Figure(figsize=(9, 5.4))
        axes = drawn.subplots()
        along = [[0.0, *(mean[f"{kind} {arm}"] for arm in line)] for kind in ("gained", "kept")]
        axes.plot(*along, "o-", color=FAINT, linewidth=1.4, markersize=4, label="the sequence's update, shrunk")
        for arm, about in ARMS.items():
            if arm in line:
                continue
            place = mean[f"gained {arm}"], mean[f"kept {arm}"]
            ink = BOUND if about.ours else INK
            axes.plot(*place, "o", color=ink, markersize=6)
            _name(axes, arm, place, ink)
        _name(axes, "sequence", (along[0][-1], along[1][-1]), INK)
        axes.axhline(0, color=FAINT, linewidth=0.8)
        axes.set_xlim(right=ROOM * max(mean[f"gained {arm}"] for arm in ARMS))
        axes.set(xlabel="points that QA and CW gain, mean", ylabel="points that Math gains since its checkpoint")
        axes.set_title(_finding(mean))
        axes.legend(frameon=False, loc="lower left")
    return drawn
