"""Which regime shows local interference? A map over learning rate, steps, KL weight and the mix of domains.

Question   Where is interference absent, where is it local (the paper's theory should hold), where does it destroy?
Measured   On exact expected rewards of unseen prompts, in points: what Math loses between the end of its own stage and
           the end of the sequence; the share of it that three refresh steps on Math win back; what those steps do to
           the other domains; and, as a test of locality, the damage that the gradient and the Hessian at the end of
           Math's stage predict for the whole later update (first plus second order) over the actual damage.
Labels     Destructive: a seed diverges, or Math's own stage leaves it below its warm start, or Math loses more than
           30 points, or first plus second order predicts less than a third or more than three times the damage.
           Absent: Math loses less than 2 points. Local: between. (The clause on Math's own stage was added when the
           largest rate was seen to leave nothing to lose.)
Seeds      100 to 105. The laptop preset is judged on seeds 0 to 4, which this study never ran.
Band       The preset's regime must be local, lose at least 8 points on average and win back at least 40 %.

    python experiments/regime.py            # every cell that is not in the results yet; Ctrl-C loses one cell
    python experiments/regime.py --draw     # only REGIME.md and its figure, from the results
"""

import argparse
import json
import statistics
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from toymdrl.config import PRESETS, RunConfig
from toymdrl.domains import DOMAINS
from toymdrl.files import CorruptFile, load_tensors, save_tensors, write_atomically
from toymdrl.model import DivergenceError, Policy
from toymdrl.pipeline import evaluate, prepare, scoreboard, warm_start_file, weights
from toymdrl.style import COLOURS, FAINT, INK, STYLE, save
from toymdrl.training import copy_policy, reinforce, warm_start

RESULTS = Path(__file__).parent / "results" / "regime.json"
PAGE = Path(__file__).parent / "REGIME.md"
SEEDS = range(100, 106)
LAPTOP = replace(PRESETS["laptop"], threads=1)
CHOSEN = LAPTOP.grpo


@dataclass(frozen=True)
class Cell:
    """One setting of the map."""

    learning_rate: float = CHOSEN.learning_rate
    steps: int = CHOSEN.steps
    kl: float = CHOSEN.kl
    order: tuple[str, ...] = LAPTOP.order

    def config(self, seed: int) -> RunConfig:
        """The laptop preset with this cell's setting."""
        grpo = replace(CHOSEN, learning_rate=self.learning_rate, steps=self.steps, kl=self.kl)
        return replace(LAPTOP, seed=seed, order=self.order, grpo=grpo, refresh=replace(LAPTOP.refresh, kl=self.kl))

    def name(self) -> str:
        """What tells it from the other cells, for people and as a key."""
        order = "→".join(DOMAINS[key].title for key in self.order)
        return f"lr {self.learning_rate:g}, {self.steps} steps, KL {self.kl:g}, {order}"


CELLS = [
    Cell(),
    *(Cell(learning_rate=rate) for rate in (3e-4, 1e-3, 1.5e-3, 2.5e-3, 3.5e-3, 6e-3, 1.2e-2)),
    *(Cell(steps=steps) for steps in (25, 100)),
    *(Cell(kl=kl) for kl in (0.0, 0.3)),
    *(Cell(order=order) for order in (("math", "qa"), ("math", "cw"), ("math", "code"), ("math", "cw", "qa", "code"))),
]


def base(config: RunConfig, out: Path) -> Policy:
    """The warm start of a seed, cached as `toymdrl run` caches it."""
    prepare(config)
    file = warm_start_file(config, out)
    try:
        policy = Policy(config.model)
        policy.load_state_dict(load_tensors(file)[0])
    except CorruptFile:
        training = warm_start(config.model, config.warm_start, config.seed)
        while training.step < training.steps:
            training.advance()
        policy = training.policy
        save_tensors(file, weights(policy), {"warm start": file.stem})
    return policy


def predicted_damage(before: Policy, after: Policy, domain: str) -> tuple[float, float]:
    """First- and second-order damage in points of moving from `before` to `after`, on the domain's unseen prompts."""
    start = copy_policy(before).requires_grad_(True)
    parameters = list(start.parameters())
    update = [new.detach() - old.detach() for new, old in zip(after.parameters(), parameters, strict=True)]

    def along(gradient: tuple[Tensor, ...]) -> Tensor:
        return torch.stack([(part * step).sum() for part, step in zip(gradient, update, strict=True)]).sum()

    first = second = 0.0
    for part in scoreboard()[domain].parts(start):
        slope = along(torch.autograd.grad(-part, parameters, create_graph=True))
        first += 100 * float(slope)
        second += 50 * float(along(torch.autograd.grad(slope, parameters)))
    return first, second


def run_cell(cell: Cell, seed: int, out: Path) -> dict[str, Any]:
    """One seed of one cell."""
    config = cell.config(seed)
    policy = base(config, out)
    result: dict[str, Any] = {"cell": cell.name(), "setting": asdict(cell), "seed": seed, "diverged": False}
    result["base"] = evaluate(policy)
    try:
        for key in config.order:
            training = reinforce(policy, key, config.grpo, seed, "stage")
            while training.step < training.steps:
                training.advance()
            result[key] = evaluate(policy)
            if key == "math":
                math = copy_policy(policy)
        result["first"], result["second"] = predicted_damage(math, policy, "math")
        policy = copy_policy(policy).requires_grad_(True)
        training = reinforce(policy, "math", config.refresh, seed, "refresh")
        while training.step < 3:
            training.advance()
        result["refresh"] = evaluate(policy)
    except DivergenceError:
        result["diverged"] = True
    return result


def learnt(row: dict[str, Any]) -> bool:
    """Whether Math's own stage improved it at all."""
    return bool(row["math"]["math"] > row["base"]["math"])


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds of one cell."""
    sound = [row for row in rows if not row["diverged"]]
    if len(sound) < len(rows):
        return {"label": "destructive", "note": f"{len(rows) - len(sound)} of {len(rows)} seeds diverge"}
    if worse := sum(not learnt(row) for row in sound):
        level = statistics.mean(row["math"]["math"] for row in sound)
        note = f"{level:.1f}: worse than its warm start in {worse} of {len(sound)} seeds"
        return {"label": "destructive", "note": note}
    last = sound[0]["setting"]["order"][-1]
    lost = [row["math"]["math"] - row[last]["math"] for row in sound]
    back = [row["refresh"]["math"] - row[last]["math"] for row in sound]
    others = [
        statistics.mean(row["refresh"][key] - row[last][key] for key in DOMAINS if key != "math") for row in sound
    ]
    ratio = statistics.median((row["first"] + row["second"]) / each for row, each in zip(sound, lost, strict=True))
    mean = statistics.mean(lost)
    label = "absent" if mean < 2 else "destructive" if mean > 30 or not 1 / 3 <= ratio <= 3 else "local"
    return {
        "label": label,
        "seeds": len(sound),
        "math": statistics.mean(row["math"]["math"] for row in sound),
        "lost": mean,
        "least": min(lost),
        "most": max(lost),
        "ratio": ratio,
        "back": sum(back) / sum(lost) if mean >= 2 else None,
        "others": statistics.mean(others),
        "average": statistics.mean(statistics.mean(row["refresh"].values()) for row in sound),
    }


def load() -> list[dict[str, Any]]:
    """All results so far."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else []


def page(rows: list[dict[str, Any]]) -> str:
    """REGIME.md: the table of the map and how to read it."""
    lines = [
        "# Where interference is absent, local and destructive",
        "",
        "Written by `python experiments/regime.py`, whose docstring states question, labels and band;",
        f"seeds {SEEDS.start} to {SEEDS.stop - 1}, means over seeds, scores in points on unseen prompts.",
        "",
        "![Math lost, and damage predicted over actual, against the learning rate](results/regime.png)",
        "",
        "| setting | Math after its stage | Math lost (least to most) | predicted / actual | won back in 3 steps "
        "| others moved | average after | regime |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for cell in CELLS:
        mine = [row for row in rows if row["cell"] == cell.name()]
        if not mine:
            continue
        s = summary(mine)
        if "note" in s:
            lines.append(f"| {cell.name()} | {s['note']} | | | | | | {s['label']} |")
            continue
        back = f"{s['back']:.0%}" if s["back"] is not None else "–"
        chosen = " **(laptop preset)**" if cell == Cell() else ""
        lines.append(
            f"| {cell.name()}{chosen} | {s['math']:.1f} | {s['lost']:.1f} ({s['least']:.1f} to {s['most']:.1f}) "
            f"| {s['ratio']:.2f} | {back} | {s['others']:+.1f} | {s['average']:.1f} | {s['label']} |"
        )
    preset = summary([row for row in rows if row["cell"] == Cell().name()])
    met = preset["label"] == "local" and preset["lost"] >= 8 and preset["back"] >= 0.4
    lines += [
        "",
        "Band: the preset's setting must be local, cost Math at least 8 points and win back at least 40 % of them in",
        f"three steps. It is {preset['label']}, costs {preset['lost']:.1f} and wins back {preset['back']:.0%}: "
        f"{'met' if met else 'not met'}.",
        "",
        "*predicted / actual*: first- plus second-order damage to Math at the end of its stage, for all trained",
        "later, over the damage that happened; median over seeds. Near 1 the quadratic holds at the full step.",
        "*won back*: of all points lost, by three steps on Math (more than all, where they teach it something new).",
        "*others moved*: the other domains' mean change in those steps.",
        "The learning rates are peaks; each falls linearly to zero within its stage.",
        "",
    ]
    return "\n".join(lines)


def figure(rows: list[dict[str, Any]]) -> Figure:
    """Math lost and predicted over actual damage against the learning rate, one dot a seed."""
    with rc_context(STYLE):
        drawn = Figure(figsize=(11, 3.8))
        left, right = drawn.subplots(1, 2, sharex=True, gridspec_kw={"wspace": 0.2})
        sweep = [cell for cell in CELLS if replace(cell, learning_rate=CHOSEN.learning_rate) == Cell()]
        for cell in sorted(sweep, key=lambda each: each.learning_rate):
            mine = [row for row in rows if row["cell"] == cell.name() and not row["diverged"] and learnt(row)]
            lost = [row["math"]["math"] - row[cell.order[-1]]["math"] for row in mine]
            ratio = [(row["first"] + row["second"]) / each for row, each in zip(mine, lost, strict=True)]
            for axes, values in ((left, lost), (right, ratio)):
                axes.plot([cell.learning_rate] * len(values), values, "o", color=COLOURS["math"], alpha=0.45)
                if values:
                    axes.plot([cell.learning_rate], [statistics.median(values)], "_", color=INK, markersize=18, mew=2)
        for axes in (left, right):
            axes.axvline(CHOSEN.learning_rate, color=FAINT, linewidth=1, linestyle=":")
            axes.set(xscale="log", xlabel="peak learning rate (dotted: the laptop preset)")
        left.set_title("points of Math lost to later stages")
        right.set(title="damage predicted at second order / actual", ylim=(0, 3))
        right.axhline(1, color=FAINT, linewidth=1)
    return drawn


def main() -> None:
    """Run what is missing, or draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="only write the page and the figure")
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the warm starts")
    options = parser.parse_args()
    rows = load()
    done = {(row["cell"], row["seed"]) for row in rows}
    todo = [(cell, seed) for seed in SEEDS for cell in CELLS if (cell.name(), seed) not in done]
    if todo and not options.draw:
        with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
            # Every warm start once, before two cells ask for the same one.
            warm = [pool.submit(base, Cell().config(seed), options.out) for seed in sorted({seed for _, seed in todo})]
            for each in tqdm(as_completed(warm), total=len(warm), desc="warm starts"):
                each.result()
            futures = {pool.submit(run_cell, cell, seed, options.out) for cell, seed in todo}
            for future in tqdm(as_completed(futures), total=len(futures), desc="cells"):
                rows.append(future.result())
                write_atomically(RESULTS, json.dumps({"rows": rows}, indent=1) + "\n")
    write_atomically(PAGE, page(rows))
    save(figure(rows), RESULTS.with_suffix(".png"))
    print(page(rows))


if __name__ == "__main__":
    main()
