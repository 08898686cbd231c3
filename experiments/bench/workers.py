"""Do two workers halve the time of eight runs? And what does an audit of a large checkpoint cost?

Measured   Wall seconds of eight tasks of `toymdrl reproduce`, each a laptop run with all stages and controls and three
           stages more (placebo.py), with one worker and with two; the workers' start included.
           `toymdrl audit` of two sharded bfloat16 checkpoints of a billion weights: seconds and peak memory (Linux).
Bands      Two workers at most 0.6 of one's time, on 2 idle cores. The audit's peak memory under 2 GiB.

    python -m experiments.bench.workers       # a quarter of an hour, 4 GB of disk; writes results/bench_workers.json
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from safetensors.torch import save_file

from experiments.bench.clock import machine
from toymdrl.checkpoints.shards import INDEX
from toymdrl.files import write_atomically
from toymdrl.streams import stream
from toymdrl.study import questions
from toymdrl.study.tasks import Task, perform_all

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "experiments" / "results" / "bench_workers.json"
SEEDS = range(300, 308)
LAYERS, WIDTH, NEURONS = 16, 2048, 5632
"""Of a model of a billion weights; one shard a layer."""


def runs(workers: int) -> float:
    """Seconds of eight tasks."""
    placebo = questions.load(questions.file_of("placebo"))
    tasks = [Task.of(placebo, setting) for setting in placebo.settings("laptop", SEEDS)[: len(SEEDS)]]
    with TemporaryDirectory() as folder:
        began = perf_counter()
        for _ in perform_all(tasks, Path(folder), workers, None):
            pass
        return perf_counter() - began


def checkpoint(folder: Path, name: str) -> int:
    """Write a checkpoint; how many weights."""
    generator, count = stream(name), 0
    places: dict[str, str] = {}
    folder.mkdir()
    for layer in range(LAYERS):
        shapes = {f"mlp.{part}_proj": (NEURONS, WIDTH) for part in ("gate", "up")} | {"mlp.down_proj": (WIDTH, NEURONS)}
        shapes |= {f"self_attn.{part}_proj": (WIDTH, WIDTH) for part in "qkvo"}
        if layer == 0:
            shapes["embed_tokens"] = (100_000, WIDTH)
        tensors = {
            f"model.layers.{layer}.{key}.weight": (0.02 * torch.randn(shape, generator=generator)).bfloat16()
            for key, shape in shapes.items()
        }
        file = f"model-{layer:05}.safetensors"
        save_file(tensors, folder / file)
        places |= dict.fromkeys(tensors, file)
        count += sum(tensor.numel() for tensor in tensors.values())
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))
    return count


def audit() -> dict[str, float]:
    """Seconds and peak memory of an audit in a process of its own."""
    code = (
        "import sys; from experiments.bench.clock import peak_mib; from toymdrl.cli import main\n"
        "status = main(sys.argv[1:]); print(peak_mib(), file=sys.stderr); sys.exit(status)"
    )
    with TemporaryDirectory() as folder:
        base, after = Path(folder) / "base", Path(folder) / "after"
        weights = checkpoint(base, "base")
        checkpoint(after, "after")
        began = perf_counter()
        command = [sys.executable, "-c", code, "audit", str(base), str(after), "--quiet"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, cwd=ROOT)
        seconds = perf_counter() - began
    return {"weights": weights, "seconds": seconds, "peak_mib": float(done.stderr.strip().splitlines()[-1])}


def main() -> None:
    """Measure and write."""
    found = {"audit": audit()}
    print(found, flush=True)
    found["runs"] = {"one worker": runs(1), "two workers": runs(2)}
    found["runs"]["ratio"] = found["runs"]["two workers"] / found["runs"]["one worker"]
    print(found["runs"])
    write_atomically(RESULT, json.dumps(found | {"machine": machine()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
