"""How long should a refresh be? The optimum that T6(d) predicts, the one observed, and who benefits and who pays.

Claim      A short refresh beats a full one: along one conflict direction the share s* = h_A / (h_A + h_B) of the drift
           should be undone, h the curvatures of the harmed and of the other domains (THEOREMS, T6(d)).
Measured   After all stages, in points of exact expected reward on unseen prompts. (1) On the line: P delta of Math (top
           32 directions of its Hessian) is undone by shares of 0 to 1.5; predicted is s* from the curvatures along it
           on train prompts, Math's at its checkpoint, the other domains' at the end; observed is the share with the
           best sum of scores. (2) In training: 30 refresh steps of each domain; every domain after every step.
Control    What as many steps on Math gain from its own checkpoint, where nothing is to be repaired.
Seeds      10 to 19.
Band       RULES.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from toymdrl.analysis.conflict import project
from toymdrl.curvature import Hessian
from toymdrl.domains import DOMAINS
from toymdrl.evidence import Row, Rule, interval, rule_table
from toymdrl.parameters import at_parameters
from toymdrl.policy.exact import ExpectedReward
from toymdrl.policy.losses import first_problems, reward_loss
from toymdrl.policy.model import Policy
from toymdrl.policy.scores import evaluate
from toymdrl.runs.plan import Checkpoint
from toymdrl.study.questions import Setting
from toymdrl.study.stage import config_of, run_of, seeds_of, subject_of, train
from toymdrl.style import COLOURS, FAINT, STYLE

TITLE = "The length of a refresh"
PLACE = 6
SECONDS = 90.0
STEPS = 30
SHARES = tuple(round(0.1 * tenth, 1) for tenth in range(16))
PROMPTS = 1024
RULES = [
    Rule("length", "best share of Pδ to undo, observed", "observed", above=0.5, below=1.5).against(
        "predicted", "predicted"
    ),
    Rule("length", "sum of scores at the predicted share, less at the best", "regret", above=-1),
    Rule("length", "Re-Math, points a step for all, steps 1 to 3 less steps 4 to 30", "early", above=0),
    Rule("length", "Math gained by 30 Re-Math steps less by the control's", "repaired", above=0),
    Rule("length", "the other domains' mean change by 30 Re-Math steps", "paid", above=-1.5),
]
READING = """Math is fifty times as sharp along its conflict drift as the other domains together, so T6(d)'s best share
is nearly all of it, as observed. In training the first three steps win most; what comes later is slower and mostly
teaches Math anew. Refreshes of QA and CW, which had lost little, cost Math some."""


def settings(preset: str, seeds: range) -> list[Setting]:
    """One a seed."""
    return seeds_of(preset, seeds)


def measure(setting: Setting, out: Path) -> Row:
    """Curvatures and scores on the line; scores after every step of each refresh."""
    run, config = run_of(setting, out), config_of(setting)
    subject = subject_of(run)
    with run.lock(wait=True):
        drift = project(subject.spectrum.vectors, subject.delta)
    own, last = run.load_policy(Checkpoint("stage", "math")), run.load_policy(Checkpoint("stage", config.order[-1]))
    end = subject.start + subject.delta
    curvature = {}
    for key in config.order:
        loss = reward_loss(ExpectedReward(first_problems(key, "train", PROMPTS)))
        hessian = Hessian(own if key == "math" else last, loss, keep_graph=False)
        curvature[key] = float(drift @ (hessian @ drift) / (drift @ drift))
    line = []
    for share in SHARES:
        with at_parameters(last, end - share * drift):
            line.append(evaluate(last))
    long = replace(config.refresh, steps=STEPS)
    paths: dict[str, list[dict[str, float]]] = {}
    for name, start, key in [*((key, last, key) for key in config.order), ("control", own, "math")]:
        path = [evaluate(start)]

        def look(policy: Policy, path: list[dict[str, float]] = path) -> None:
            path.append(evaluate(policy))

        train(start, key, long, setting, "refresh" if start is last else "further", look)
        paths[name] = path
    return {"curvature": curvature, "line": line, "paths": paths}


def _of_seed(row: Row) -> Row:
    """One seed's numbers."""
    h_a = row["curvature"]["math"]
    h_b = sum(value for key, value in row["curvature"].items() if key != "math")
    totals = [sum(scores.values()) for scores in row["line"]]
    predicted = min(max(h_a / (h_a + h_b), 0.0), SHARES[-1]) if h_a + h_b > 0 else SHARES[-1]
    path, control = row["paths"]["math"], row["paths"]["control"]
    sums = [sum(scores.values()) for scores in path]
    rest = [key for key in path[0] if key != "math"]
    return {
        "h_a": h_a,
        "h_b": h_b,
        "predicted": predicted,
        "observed": SHARES[int(np.argmax(totals))],
        "regret": float(np.interp(predicted, SHARES, totals)) - max(totals),
        "early": (sums[3] - sums[0]) / 3 - (sums[-1] - sums[3]) / (len(sums) - 4),
        "repaired": path[-1]["math"] - path[0]["math"] - (control[-1]["math"] - control[0]["math"]),
        "paid": float(np.mean([path[-1][key] - path[0][key] for key in rest])),
        "best step": int(np.argmax(sums)),
    }


def page(rows: Sequence[Row]) -> list[str]:
    """The rules; the curvatures; who benefits from whose refresh and who pays."""
    numbers = [_of_seed(row) for row in rows]
    h_a, h_b, best = (interval([each[key] for each in numbers]) for key in ("h_a", "h_b", "best step"))
    lines = [*rule_table(RULES, numbers), ""]
    lines += [f"Curvature along Pδ, points: Math {h_a}, the other domains together {h_b}. The sum of scores is highest"]
    lines += [f"after {best} of {STEPS} Re-Math steps.", ""]
    scored = list(rows[0]["paths"]["control"][0])
    lines += [f"| {STEPS} steps on | {' | '.join(DOMAINS[key].title for key in scored)} | average |"]
    lines += ["|---|" + "---:|" * (len(scored) + 1)]
    for refreshed in scored:
        paths = [row["paths"][refreshed] for row in rows]
        gains = [{key: path[-1][key] - path[0][key] for key in scored} for path in paths]
        cells = [str(interval([gain[key] for gain in gains])) for key in scored]
        mean = interval([float(np.mean(list(gain.values()))) for gain in gains])
        lines.append(f"| {DOMAINS[refreshed].title} | {' | '.join(cells)} | {mean} |")
    return lines


def figure(rows: Sequence[Row]) -> Figure:
    """Scores on the line, and in training, as changes; means over seeds."""
    with rc_context(STYLE):
        drawn = Figure(figsize=(11.5, 4))
        left, right = drawn.subplots(1, 2, gridspec_kw={"wspace": 0.22})
        paths = [row["paths"]["math"] for row in rows]
        for axes, places, series in (
            (left, SHARES, [row["line"] for row in rows]),
            (right, range(STEPS + 1), paths),
        ):
            for key in series[0][0]:
                change = np.mean([[scores[key] - each[0][key] for scores in each] for each in series], axis=0)
                axes.plot(places, change, color=COLOURS[key], linewidth=2, label=DOMAINS[key].title)
            axes.axhline(0, color=FAINT, linewidth=0.8)
        control = [
            [scores["math"] - row["paths"]["control"][0]["math"] for scores in row["paths"]["control"]] for row in rows
        ]
        right.plot(range(STEPS + 1), np.mean(control, axis=0), ":", color=COLOURS["math"], label="Math, control")
        numbers = [_of_seed(row) for row in rows]
        for key, line in (("predicted", "--"), ("observed", "-")):
            left.axvline(
                float(np.mean([each[key] for each in numbers])), color=FAINT, linestyle=line, label=f"best, {key}"
            )
        left.set(title="undoing Math's conflict drift", xlabel="share of Pδ undone", ylabel="points gained")
        right.set(title="Re-Math", xlabel="refresh step")
        left.legend(frameon=False, fontsize=8.5, loc="center", bbox_to_anchor=(0.45, 0.33))
        right.legend(frameon=False, fontsize=8.5)
    return drawn
