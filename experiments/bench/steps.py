"""A GRPO step and a warm-start step against their floors, on one thread and on two.

Measured   Medians of 31 rounds that take turns, at the laptop preset, from a short warm start. The floor is the
           floating-point operations of a step's matrix products, counted by torch, over the rate of large float32
           products on as many threads.
Bands      On one thread, within 3 times the floor.

    python -m experiments.bench.steps       # half a minute, on an idle machine; writes results/bench_steps.json
"""

import json
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from experiments.bench.clock import machine, operations, peak, take_turns
from toymdrl.runs.config import PRESETS
from toymdrl.training import stage as training

ROUNDS = 31
CONFIG = PRESETS["laptop"]
RESULT = Path(__file__).parents[1] / "results" / "bench_steps.json"


def measure(threads: int) -> dict[str, Any]:
    """Both steps on so many threads."""
    torch.set_num_threads(threads)
    warm = training.warm_start(CONFIG.model, CONFIG.warm_start, 0)
    for _ in range(100):
        warm.advance()
    grpo = training.rl_stage(warm.policy, "math", replace(CONFIG.grpo, steps=10**6), 0, "bench")
    again = training.warm_start(CONFIG.model, CONFIG.warm_start, 0)
    works = {"GRPO step": grpo.advance, "warm-start step": again.advance}
    most = peak()
    times = take_turns(works, ROUNDS)
    most = max(most, peak())
    found = {}
    for name, work in works.items():
        floor = operations(work) / most
        found[name] = {"seconds": median(times[name]), "floor": floor, "over_floor": median(times[name]) / floor}
    return {"steps": found, "peak_flop_per_second": most, "machine": machine()}


def main() -> None:
    """Measure and write."""
    result = {str(threads): measure(threads) for threads in (1, 2)}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
