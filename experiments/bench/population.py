"""A population of runs at once on a GPU: what do one, sixteen and a hundred and twenty-eight seeds cost there?

Measured   Wall seconds of laptop runs (all stages and controls, scored and written as always), after a small cohort
           that warms the device up; of the analysis of ten seeds by `toymdrl reproduce` with as many workers, and
           every rule's verdict beside the CPU's of the same seeds. The most memory that each population's training
           held; its matrix products' floating-point operations over its seconds and the device's measured peak.
Bands      One seed in 5 s, 16 in 10 s, 128 in 60 s, ten seeds' analysis in 180 s. Every verdict as on the CPU.

    python -m experiments.bench.population       # five minutes; writes experiments/results/bench_population.json
"""

import argparse
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch

from experiments.bench.clock import machine, operations, peak
from toymdrl import rows
from toymdrl.claims.paper import PAPER
from toymdrl.files import write_atomically
from toymdrl.policy.model import Policy
from toymdrl.policy.scores import evaluate
from toymdrl.runs.config import PRESETS, RunConfig
from toymdrl.runs.machine import prepare
from toymdrl.runs.pipeline import is_scored
from toymdrl.runs.plan import everything
from toymdrl.runs.progress import Observer
from toymdrl.settings import ConfigError
from toymdrl.study import claims
from toymdrl.study.asking import reproduce
from toymdrl.study.stage import config_of, seeds_of, train_together
from toymdrl.training import stage as training
from toymdrl.training.pretrain import WarmStartConfig

RESULTS = Path(__file__).parents[1] / "results"
SEEDS = (1, 16, 128)
ANALYSED = range(10, 20)
"""The seeds of the committed claims."""


def run_operations(config: RunConfig) -> int:
    """Floating-point operations of the matrix products of one run's training and scores, counted on the CPU."""
    policy, found = Policy(config.model), 0
    one_score = operations(lambda: evaluate(policy))
    for stage in everything(config):
        if isinstance(stage.settings, WarmStartConfig):
            advance = training.warm_start(config.model, config.warm_start, 0).advance
        else:
            advance = training.rl_stage(policy, stage.domain, stage.settings, 0, "operations").advance
        scored = sum(is_scored(config, stage, step + 1) for step in range(stage.steps))
        found += stage.steps * operations(advance) + scored * one_score
    return found


def gpu(device: str) -> dict[str, str]:
    """A GPU's name and driver."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(query, capture_output=True, encoding="utf-8", check=True).stdout.split()[0]
    return {"device": torch.cuda.get_device_name(device), "driver": driver, "cuda": str(torch.version.cuda)}


def train(preset: str, seeds: range, device: str, out: Path) -> dict[str, float]:
    """Train fresh runs at once: seconds, and GiB of the device's memory at the most."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    began = perf_counter()
    train_together([each | {"device": device} for each in seeds_of(preset, seeds)], out, Observer())
    seconds = perf_counter() - began
    held = torch.cuda.max_memory_allocated(device) / 2**30 if device.startswith("cuda") else 0.0
    return {"seconds": seconds, "memory_gib": held}


def analyse(preset: str, seeds: range, device: str, out: Path, workers: int) -> dict[str, Any]:
    """`toymdrl reproduce`, its runs trained before: seconds of the analysis, and each rule's verdict and the CPU's."""
    train(preset, seeds, device, out)
    began = perf_counter()
    reproduce(seeds=seeds, workers=workers, chosen=None, asked=[], out=out, preset=preset, device=device)
    seconds = perf_counter() - began
    here, on_cpu = rows.read(out, claims.NAME).rows, rows.read(RESULTS.parent, claims.NAME).rows
    verdicts = {}
    for rule in claims.rules_of(list(PAPER)):
        verdicts[rule.what] = {"here": rule.judge(here), "cpu": rule.judge(on_cpu)}
    return {"seconds": seconds, "workers": workers, "seeds": [*seeds], "verdicts": verdicts, "rows": here}


def main() -> None:
    """Measure and write; what is measured is written at once, so that a part that fails costs only itself."""
    parser = argparse.ArgumentParser(prog="python -m experiments.bench.population", description="Many seeds on a GPU.")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", default="laptop", choices=PRESETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="sizes of the populations")
    parser.add_argument("--workers", type=int, default=10, help="processes that analyse")
    parser.add_argument("--result", type=Path, default=RESULTS / "bench_population.json", help="file to write")
    options = parser.parse_args()
    config = config_of({"preset": options.preset, "seed": 0, "device": options.device})
    try:
        prepare(config)
    except ConfigError as error:
        parser.error(str(error))
    on_gpu = options.device.startswith("cuda")
    result: dict[str, Any] = {
        "preset": options.preset,
        "machine": machine() | (gpu(options.device) if on_gpu else {"device": options.device}),
        "peak_flop_per_second": peak(8192 if on_gpu else 2048, device=options.device),
        "run_operations": run_operations(replace(config, device="cpu")),
        "populations": {},
    }

    def note(what: str, found: dict[str, Any], into: dict[str, Any]) -> None:
        into[what] = found
        print(f"{what}: {found['seconds']:.1f} s", flush=True)
        write_atomically(options.result, json.dumps(result, indent=1) + "\n")

    with TemporaryDirectory() as folder:
        out = Path(folder)
        train("smoke", range(2), options.device, out / "warm-up")
        analysis = analyse(options.preset, ANALYSED, options.device, out / "analysed", options.workers)
        note(f"analysis of {len(ANALYSED)} seeds", analysis, result)
        for seeds in options.seeds:
            trained = train(options.preset, range(seeds), options.device, out / str(seeds))
            note(f"{seeds} seed{'s' * (seeds > 1)}", trained, result["populations"])


if __name__ == "__main__":
    main()
