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
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from experiments.causality import protections, train_protected
from experiments.evidence import Row, Rule, cell, holm, interval, rule_table, sign_flip
from experiments.mixture import mix, total
from experiments.stage import Setting, config_of, run_of, seeds_of, train
from toymdrl.analysis.rollback import chosen, top_coordinates
from toymdrl.parameters import at, read
from toymdrl.policy.model import Policy
from toymdrl.runs.pipeline import BASE, evaluate, load_policy
from toymdrl.style import FAINT, INK, STYLE
from toymdrl.subject import Subject
from toymdrl.training.stage import copy_policy

TITLE = "Rivals of refresh and rollback"
SECONDS = 100.0
LATER = ("qa", "cw")
SHARES = (0.25, 0.5, 0.75)
"""Shares a of the update that are undone."""
KL = (0.3, 1.0)
EWC = (30.0, 300.0, 3000.0)
"""Weights of the penalty sum F (theta - theta_Math)^2 / 2, F the diagonal Fisher of sampled answers."""
REPLAYED = 4
"""Math prompts among a step's 32."""
REFRESHED = 3
ARMS = {
    "sequence": "the plain sequence",
    **{f"shrunk {share:g}": f"its update shrunk to {1 - share:.0%}" for share in SHARES},
    **{f"kl {weight:g}": f"KL weight {weight:g} instead of 0.1" for weight in KL},
    **{f"ewc {weight:g}": f"EWC, weight {weight:g}" for weight in EWC},
    "protected": "kept out of Math's top 32 Hessian directions",
    "replay": "4 of 32 prompts from Math",
    "joint": "Math, QA and CW in every step",
    "pcgrad": "the same, conflicts projected away (PCGrad)",
    "joint from the start": "all four domains in every step, 200 steps",
    "experts averaged": "mean of four experts' updates of 50 steps",
    "experts merged": "half the sum of those updates (task vectors)",
    "refresh": "the sequence, then 3 steps of 128 Math prompts",
    "refresh within": "the same, the stages 6 steps shorter each",
    "rollback": "1 % of the coordinates put back, by |δ·Hδ|",
    "rollback, refresh": "that, then 3 Re-Math steps",
}
LABELS = {
    "joint": ((-7, 2), "right"),
    "pcgrad": ((-7, -9), "right"),
    "refresh": ((6, -8), "left"),
    "experts merged": ((-7, -4), "right"),
}
"""Where in the figure a name would lie on another: its offset in points and side."""
BEFORE = ("ewc", "protected")
"""Arms that look at Math's prompts before the later domains are learnt: for the Fisher diagonal, or the Hessian."""
LATER_TOO = ("replay", "joint", "pcgrad", "refresh", "rollback")
"""Arms that look at them while or after these are learnt: to train on, or to choose what is put back."""
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
    """One a seed."""
    return seeds_of(preset, seeds)


def pcgrad(gradients: Tensor, generator: torch.Generator) -> Tensor:
    """Each domain's gradient less its projections on those that it conflicts with, summed (arXiv 2001.06782)."""
    from torchjd.aggregation import PCGrad  # noqa: PLC0415 (an extra, which the other arms do without)

    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng():  # the library draws its order of projections from the global stream
        torch.manual_seed(seed)
        return PCGrad()(gradients)


def anchored(weight: float, fisher: Tensor, own: Tensor, policy: Policy) -> Callable[[Tensor, torch.Generator], Tensor]:
    """The mean gradient plus EWC's (arXiv 1612.00796)."""
    return lambda gradients, _: total(gradients, _) + weight * fisher * (read(policy) - own)


def measure(setting: Setting, out: Path) -> Row:
    """Scores before, and of every arm."""
    run, config = run_of(setting, out), config_of(setting)
    seed, grpo = setting["seed"], config.grpo
    subject = Subject(run, "math")
    with run.lock(wait=True):
        keep_out = protections(subject)["subspace"]
    score = (subject.delta * subject.product).abs()
    base, math, last = (load_policy(run, name) for name in (BASE, "math", config.order[-1]))
    start, end, origin = subject.start, subject.start + subject.delta, read(base)
    experts = sum(subject.edits.values(), torch.zeros_like(start))
    found: Row = {"before": evaluate(math)}

    def place(arm: str, vector: Tensor) -> None:
        with at(last, vector):
            found[arm] = evaluate(last)

    def sequence(steps: int = grpo.steps, kl: float = grpo.kl) -> Policy:
        policy = math
        for key in LATER:
            policy = train(policy, key, replace(grpo, steps=steps, kl=kl), setting, "stage")
        return policy

    def mixed(policy: Policy, prompts: dict[str, int], steps: int, combine: str = "", weight: float = 0) -> Policy:
        policy = copy_policy(policy).requires_grad_(True)
        rule = {"": total, "pcgrad": pcgrad, "ewc": anchored(weight, subject.fisher, start, policy)}[combine]
        return mix(policy, prompts, replace(grpo, steps=steps), seed, "rival", rule).finish()

    def refreshed(policy: Policy) -> Policy:
        return train(policy, "math", replace(config.refresh, steps=REFRESHED), setting, "refresh")

    place("sequence", end)
    for share in SHARES:
        place(f"shrunk {share:g}", end - share * subject.delta)
    for weight in KL:
        found[f"kl {weight:g}"] = evaluate(sequence(kl=weight))
    for weight in EWC:
        policy = math
        for key in LATER:
            policy = mixed(policy, {key: grpo.prompts}, grpo.steps, "ewc", weight)
        found[f"ewc {weight:g}"] = evaluate(policy)
    found["protected"] = evaluate(train_protected(math, config, setting, keep_out))
    policy = math
    for key in LATER:
        policy = mixed(policy, {key: grpo.prompts - REPLAYED, "math": REPLAYED}, grpo.steps)
    found["replay"] = evaluate(policy)
    thirds = {"math": grpo.prompts - 2 * (grpo.prompts // 3), **dict.fromkeys(LATER, grpo.prompts // 3)}
    found["joint"] = evaluate(mixed(math, thirds, 2 * grpo.steps))
    found["pcgrad"] = evaluate(mixed(math, thirds, 2 * grpo.steps, "pcgrad"))
    quarters = dict.fromkeys(config.order, grpo.prompts // 4)
    found["joint from the start"] = evaluate(mixed(base, quarters, 4 * grpo.steps))
    place("experts averaged", origin + experts / len(subject.edits))
    place("experts merged", origin + experts / 2)
    found["refresh"] = evaluate(refreshed(last))
    saved = REFRESHED * config.refresh.prompts // (grpo.prompts * len(LATER))
    found["refresh within"] = evaluate(refreshed(sequence(steps=grpo.steps - saved)))
    rolled = end - chosen(subject.delta, top_coordinates(score, len(score) // 100))
    place("rollback", rolled)
    with at(last, rolled):
        found["rollback, refresh"] = evaluate(refreshed(last))
    return found


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


def _sees(arm: str) -> str:
    """When an arm needs prompts of Math, after Math's own stage."""
    return "before" if arm.startswith(BEFORE) else "while or after" if arm.startswith(LATER_TOO) else "no"


def numbers(rows: Sequence[Row]) -> list[Row]:
    """Each seed's numbers."""
    return [_of_seed(row) for row in rows]


def page(rows: Sequence[Row]) -> list[str]:
    """The rules, and every arm."""
    seeds = numbers(rows)
    better = holm({arm: sign_flip([each[f"{arm} − sequence"] for each in seeds]) for arm in ARMS if arm != "sequence"})
    lines = [*rule_table(RULES, seeds), ""]
    lines += ["| | Math | QA and CW | Math beyond shrinking | average | p, Holm | uses Math's prompts |"]
    lines += ["|---|---:|---:|---:|---:|---:|---|"]
    for arm, words in ARMS.items():
        cells = [
            str(interval([each[f"{kind} {arm}"] for each in seeds])) for kind in ("kept", "gained", "beyond", "average")
        ]
        p = f"{better[arm]:.3f}" if arm in better else "–"
        lines.append(f"| {cell(words)} | {' | '.join(cells)} | {p} | {_sees(arm)} |")
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
        for arm in ARMS:
            if arm in line:
                continue
            at_ = mean[f"gained {arm}"], mean[f"kept {arm}"]
            own = arm.startswith(("refresh", "rollback", "protected"))
            axes.plot(*at_, "o", color="#D55E00" if own else INK, markersize=6)
            offset, side = LABELS.get(arm, ((6, 3), "left"))
            ink = "#D55E00" if own else INK
            axes.annotate(arm, at_, textcoords="offset points", xytext=offset, ha=side, fontsize=8.5, color=ink)
        axes.annotate(
            "sequence",
            (mean["gained sequence"], mean["kept sequence"]),
            textcoords="offset points",
            xytext=(6, -3),
            fontsize=8.5,
        )
        axes.axhline(0, color=FAINT, linewidth=0.8)
        axes.set(xlabel="points that QA and CW gain, mean", ylabel="points that Math gains since its checkpoint")
        axes.set_title("what is kept of Math against what is learnt of QA and CW")
        axes.legend(frameon=False, loc="lower left")
    return drawn
