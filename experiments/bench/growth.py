"""How cost and memory grow: a step with width and batch, curvature with prompts, a population with seeds.

Measured   Medians of 9 rounds that take turns, on one thread. The exponent is the slope of log seconds against log size
           between the two largest sizes. Peak memory of a process that does one chunked Hessian-vector product, by
           number of prompts (Linux only).
Bands      Cost grows no faster than linearly in batch, prompts and seeds: exponents of at most 1.05. A chunked product
           takes the same memory, within 5 %, for 512 prompts and for 8,192.

    python -m experiments.bench.growth       # some minutes; writes experiments/results/bench_growth.json and growth.png
"""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

from experiments.bench.clock import Work, machine, take_turns
from toymdrl.curvature import Hessian
from toymdrl.domains import DOMAINS, problems
from toymdrl.parameters import read_parameters
from toymdrl.policy.exact import ExpectedReward
from toymdrl.policy.losses import reward_loss
from toymdrl.policy.model import Policy
from toymdrl.runs.config import PRESETS
from toymdrl.streams import stream
from toymdrl.style import INK, STYLE
from toymdrl.training import population as populations
from toymdrl.training import stage as training

CONFIG = PRESETS["laptop"]
STEPS = 20
"""Of a population's stage, which is drawn before it begins: more than there are rounds."""
RESULTS = Path(__file__).parents[1] / "results"
MEMORY = """
from experiments.bench.clock import peak_mib
from experiments.bench.growth import product
product({prompts})()
print(peak_mib())
"""


def policy(width: int = CONFIG.model.width) -> Policy:
    """The laptop's policy, or a wider one of the same shape, with random weights."""
    return Policy(replace(CONFIG.model, width=width, neurons=3 * width), stream(0, "growth", str(width)))


def step(width: int) -> Work:
    """A GRPO step."""
    return training.rl_stage(policy(width), "math", replace(CONFIG.grpo, steps=10**6), 0, "growth").advance


def warm_start(batch: int) -> Work:
    """A warm-start step."""
    return training.warm_start(CONFIG.model, replace(CONFIG.warm_start, steps=10**6, batch=batch), 0).advance


def product(prompts: int) -> Work:
    """A Hessian-vector product in chunks; beyond the domain's prompts they are repeated."""
    torch.set_num_threads(1)
    one = policy()
    train = problems(DOMAINS["math"], "train")
    loss = reward_loss(ExpectedReward(train.subset(torch.arange(prompts) % len(train))))
    hessian, vector = Hessian(one, loss, keep_graph=False), torch.ones_like(read_parameters(one))
    return lambda: hessian @ vector


def population(seeds: int) -> Work:
    """A step of a population."""
    one = policy()
    members = populations.Population([one] * seeds)
    stage = populations.rl_stage(members, "math", replace(CONFIG.grpo, steps=STEPS), range(seeds), "growth")

    def work() -> None:
        stage.advance()
        stage.logs(stage.step - 1)

    return work


SIZES: dict[str, tuple[Callable[[int], Work], tuple[int, ...]]] = {
    "width": (step, (32, 64, 128, 256)),
    "batch": (warm_start, (64, 256, 1024, 4096)),
    "prompts": (product, (512, 1024, 2048, 4096)),
    "seeds": (population, (1, 2, 4, 8, 16)),
}
"""What grows, what is done, and how large."""


def memory(prompts: int) -> float:
    """Peak MiB of a process that does one chunked product."""
    code = MEMORY.format(prompts=prompts)
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[2]  # where Python finds what a command names
    done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=True)
    return float(done.stdout)


def figure(found: dict[str, dict[str, float]]) -> Figure:
    """Seconds against size, one panel each, beside a line of slope 1."""
    with rc_context({**STYLE, "axes.grid.axis": "both"}):
        drawn = Figure(figsize=(12, 3.2))
        panels = drawn.subplots(1, len(found), gridspec_kw={"wspace": 0.3})
        for axes, (name, times) in zip(panels, found.items(), strict=True):
            sizes, spent = [int(size) for size in times], list(times.values())
            axes.loglog(sizes, spent, "o-", color="#0072B2", linewidth=2)
            axes.loglog(sizes, [spent[-1] * size / sizes[-1] for size in sizes], ":", color=INK, linewidth=1)
            axes.set(title=name, xlabel=name, xticks=sizes, xticklabels=sizes)
            axes.minorticks_off()
        drawn.axes[0].set_ylabel("seconds (dotted: in proportion)")
    return drawn


def main() -> None:
    """Measure, judge, write."""
    torch.set_num_threads(1)
    found: dict[str, dict[str, float]] = {}
    for name, (work, sizes) in SIZES.items():
        rounds = take_turns({str(size): work(size) for size in sizes})
        found[name] = {size: median(each) for size, each in rounds.items()}
        print(name, {size: f"{spent:.3f} s" for size, spent in found[name].items()}, flush=True)
    exponents = {}
    for name, times in found.items():
        (small, before), (large, after) = list(times.items())[-2:]
        exponents[name] = math.log(after / before) / math.log(int(large) / int(small))
    mib = {str(prompts): memory(prompts) for prompts in (512, 2048, 8192)}
    result: dict[str, Any] = {"exponents": exponents, "seconds": found, "peak_mib_by_prompts": mib}
    result["machine"] = machine()
    (RESULTS / "bench_growth.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    figure(found).savefig(RESULTS / "growth.png", dpi=110, bbox_inches="tight")
    print(json.dumps({"exponents": exponents, "peak_mib_by_prompts": mib}, indent=1))


if __name__ == "__main__":
    main()
