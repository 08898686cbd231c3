"""What the analysis costs: seconds that it adds to a run, memory, and gradients a Hessian-vector product.

Measured   A laptop run without its analysis, then `resume`, which adds it, each a process of its own: wall seconds and
           peak memory. Then, on that run's Math checkpoint, medians of 9 alternating rounds: a Hessian-vector product
           with the graph kept and in chunks, over a gradient of the same loss.
Bands      The analysis adds at most 150 s on 2 idle cores; a product costs at most 2.2 gradients with the graph kept;
           peak memory is under 2 GiB.

    python experiments/bench/laptop_run.py       # a few minutes; writes ../results/bench_analysis.json
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from toymdrl.config import PRESETS
from toymdrl.curvature import Hessian, gradient
from toymdrl.domains import DOMAINS, problems
from toymdrl.exact import ExpectedReward
from toymdrl.files import write_atomically
from toymdrl.pipeline import load_policy
from toymdrl.provenance import provenance
from toymdrl.runs import RunDirectory
from toymdrl.subject import points

ROUNDS = 9
RESULT = Path(__file__).parents[1] / "results" / "bench_analysis.json"


def spend(arguments: list[str]) -> tuple[float, float]:
    """Wall seconds and peak MiB of a toymdrl command."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "toymdrl", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"toymdrl {' '.join(arguments)} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def products(run: RunDirectory) -> dict[str, float]:
    """Gradients that a Hessian-vector product costs, kept and in chunks."""
    torch.set_num_threads(run.config.threads)
    policy = load_policy(run, "math")
    prompts = run.config.analysis.prompts
    loss = points(ExpectedReward(problems(DOMAINS["math"], "train").subset(slice(prompts))))
    kept, chunked = Hessian(policy, loss), Hessian(policy, loss, keep_graph=False)
    vector = gradient(policy, loss)
    times: dict[str, list[float]] = {"gradient": [], "kept": [], "chunked": []}
    for _ in range(ROUNDS):
        for name, work in (
            ("gradient", lambda: gradient(policy, loss)),
            ("kept", lambda: kept @ vector),
            ("chunked", lambda: chunked @ vector),
        ):
            began = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - began)
    return {
        name: statistics.median(t / g for t, g in zip(times[name], times["gradient"], strict=True))
        for name in ("kept", "chunked")
    }


def main() -> None:
    """Measure, judge, write."""
    with TemporaryDirectory() as folder:
        run_seconds, run_memory = spend(["run", "--seed", "200", "--no-analysis", "--quiet", "--out", folder])
        path = next(Path(folder).glob("laptop-*"))
        seconds, memory = spend(["resume", str(path), "--quiet"])
        costs = products(RunDirectory.open(path))
    found = {
        "run_seconds": run_seconds,
        "run_mib": run_memory,
        "analysis_seconds": seconds,
        "analysis_mib": memory,
        "gradients_a_product": costs,
        "bands": {"seconds": seconds <= 150, "memory": memory < 2048, "product": costs["kept"] <= 2.2},
        "provenance": provenance(PRESETS["laptop"]),
    }
    write_atomically(RESULT, json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
