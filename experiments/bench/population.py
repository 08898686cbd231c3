"""A population of runs at once on a GPU: what do sixteen seeds cost, against one, and do they tell the same story?

Measured   Wall seconds of training one laptop run (all stages and controls, scored and written as always), and of
           training a cohort of sixteen seeds; after a small cohort that warms the device up. Then the first ten runs
           of the cohort are analysed, each in a process of its own, and judged by the rules of claims.py.
Bands      Sixteen seeds within 3 times the wall time of one. Every rule's verdict as on the CPU (results/claims.json).

    python experiments/bench/population.py --result experiments/results/bench_population.json
"""

import argparse
import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.bench.clock import machine
from experiments.claims import RULES, numbers
from toymdrl import cohort, pipeline
from toymdrl.config import PRESETS, ConfigError, RunConfig
from toymdrl.explain import load_explanation
from toymdrl.files import write_atomically
from toymdrl.pipeline import Observer, everything
from toymdrl.runs import RunDirectory

RESULTS = Path(__file__).parents[1] / "results"


def runs(config: RunConfig, seeds: int, out: Path) -> list[RunDirectory]:
    """Fresh runs of so many seeds."""
    return [RunDirectory.create(out, replace(config, seed=seed)) for seed in range(seeds)]


def train(these: list[RunDirectory]) -> float:
    """Seconds to train them: alone if it is one, else as a cohort."""
    with ExitStack() as stack:
        for run in these:
            stack.enter_context(run.lock())
        plan, began = everything(these[0].config), perf_counter()
        if len(these) == 1:
            pipeline.execute(these[0], plan, Observer())
        else:
            cohort.execute(these, plan, Observer())
        return perf_counter() - began


def verdicts(these: list[RunDirectory]) -> dict[str, Any]:
    """Analyse the runs side by side; their numbers, and each rule's verdict, beside the CPU's."""
    began = perf_counter()
    commands = [[sys.executable, "-m", "toymdrl", "resume", str(run.path), "--quiet"] for run in these]
    working = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    statuses = [process.wait() for process in working]
    if any(statuses):
        raise SystemExit("an analysis failed")
    seconds = perf_counter() - began
    rows = []
    for run in these:
        explanation = load_explanation(run)
        if explanation is None:
            raise SystemExit(f"{run.path} has no analysis")
        rows.append(numbers(run.checkpoints, explanation))
    on_cpu = json.loads((RESULTS / "claims.json").read_text(encoding="utf-8"))["rows"]
    bands = {rule.what: {"here": rule.judge(rows), "cpu": rule.judge(on_cpu)} for rule in RULES}
    return {"bands": bands, "analysis_seconds": seconds, "rows": rows}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Sixteen seeds at once, against one.")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", default="laptop", choices=PRESETS)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--analyse", type=int, default=10, help="so many of the runs are analysed")
    parser.add_argument("--result", type=Path, required=True, help="file to write")
    options = parser.parse_args()
    if options.seeds < 2 or options.analyse > options.seeds:
        parser.error(f"--seeds {options.seeds} --analyse {options.analyse}: use 2 seeds or more, and analyse no more")
    if options.analyse == 1 or (options.analyse and options.preset == "smoke"):
        parser.error("an analysis needs 2 runs or more, of a preset in which something is lost; use --analyse 0")
    config = replace(PRESETS[options.preset], device=options.device)
    try:
        pipeline.prepare(config)
    except ConfigError as error:
        parser.error(str(error))
    with TemporaryDirectory() as folder:
        train(runs(replace(PRESETS["smoke"], device=options.device), 2, Path(folder) / "warm-up"))
        one = train(runs(config, 1, Path(folder) / "one"))
        these = runs(config, options.seeds, Path(folder) / "all")
        many = train(these)
        result: dict[str, Any] = {"seeds": options.seeds, "seconds": {"one": one, "all": many}, "ratio": many / one}
        result["machine"] = machine() | {"device": options.device}
        if options.device.startswith("cuda"):
            result["machine"]["device"] = torch.cuda.get_device_name(options.device)
        print(json.dumps(result), flush=True)
        if options.analyse:
            result |= verdicts(these[: options.analyse])
            print(json.dumps(result["bands"], indent=1))
        write_atomically(options.result, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
