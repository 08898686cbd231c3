"""BENCH.md from the result files of this folder's benchmarks.

python -m experiments.bench.page
"""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1]
MOST = {"1 seed": 5, "16 seeds": 10, "128 seeds": 60, "analysis of 10 seeds": 180}
"""Seconds that a GPU may take."""
LOG = """
## What was done to the step

- Each prompt is read once for its whole group: answers are columns of a forest over one prompt, decoded with a cache.
- Attention's scores are padded to 16 columns: torch's softmax takes shorter rows one number at a time.
- A token is drawn by inverting its distribution function, which takes one random number instead of one for every entry
  of the vocabulary.
- A run takes two threads, which make both steps faster (table above); of several processes each takes one.
"""


def read(name: str) -> Any:
    """A result file."""
    return json.loads((FOLDER / "results" / f"bench_{name}.json").read_text(encoding="utf-8"))


def on_gpu() -> dict[str, tuple[float, int]]:
    """Seconds of each part of population.py, and the most that its docstring asks for."""
    measured = read("population")
    parts = measured["populations"] | {name: each for name, each in measured.items() if name.startswith("analysis")}
    return {name: (each["seconds"], MOST[name]) for name, each in parts.items()}


def disagreements() -> list[str]:
    """Rules whose verdict on the GPU is another than the CPU's."""
    (analysis,) = (each for name, each in read("population").items() if name.startswith("analysis"))
    return [what for what, each in analysis["verdicts"].items() if each["here"] != each["cpu"]]


def gpu_lines() -> list[str]:
    """The table of population.py."""
    measured = read("population")
    machine, runs, most = measured["machine"], measured["run_operations"], measured["peak_flop_per_second"]
    (analysis,) = (each for name, each in measured.items() if name.startswith("analysis"))
    lines = [
        f"| on one {machine['device']}, in one call (`population.py`) | seconds | goal | share of the peak | memory |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, (seconds, goal) in on_gpu().items():
        share, memory = "–", "–"
        if name in measured["populations"]:
            share = f"{int(name.split()[0]) * runs / seconds / most:.0%}"
            memory = f"{measured['populations'][name]['memory_gib']:.1f} GiB"
        lines.append(f"| {name} | {seconds:.1f} | {goal} | {share} | {memory} |")
    return [
        *lines,
        "",
        f"Whole runs with controls, scores and files, all seeds of a row as one population, on torch "
        f"{machine['versions']['torch']}, CUDA {machine['cuda']}, driver {machine['driver']}. The share is of "
        f"{most / 1e12:.0f} TFLOP/s, the fastest large float32 product. The ten are the seeds of "
        f"REPRODUCTION.md, analysed by {analysis['workers']} processes that share the device: "
        f"{len(analysis['verdicts']) - len(disagreements())} of {len(analysis['verdicts'])} verdicts are the CPU's.",
    ]


def bands(steps: Any, curvature: Any, growth: Any, run: Any) -> dict[str, bool]:
    """What the scripts' docstrings ask for, and whether it was reached."""
    costs, ours = curvature["gradients_a_product"], curvature["over_ours"]
    found = {
        f"{name} within 3 times the floor, threads: {threads}": each["over_floor"] <= 3
        for threads, measured in steps.items()
        for name, each in measured["steps"].items()
    }
    found["a product at most 2.1 gradients with the graph kept"] = costs["graph kept"] <= 2.1
    found["a product at most 3.7 gradients in chunks"] = costs["in chunks"] <= 3.7
    found["a product 1.5 times as fast as curvlinops'"] = ours["curvlinops"] >= 1.5
    found["eigenvalues agree to 1e-3"] = curvature["eigenpairs"]["largest_relative_difference"] <= 1e-3
    found |= {
        f"exponent of {name} at most 1.05": growth["exponents"][name] <= 1.05 for name in ("batch", "prompts", "seeds")
    }
    memory = growth["peak_mib_by_prompts"].values()
    found["memory of a chunked product within 5 %"] = max(memory) <= 1.05 * min(memory)
    found["the run under 75 s without analysis"] = run["bands"]["without analysis"]
    found["the run under 200 s with it"] = run["bands"]["in all"]
    found |= {f"{what} on a GPU in {most} s": seconds <= most for what, (seconds, most) in on_gpu().items()}
    found["every verdict on a GPU as on the CPU"] = not disagreements()
    workers = read("workers")
    found["two workers at most 0.6 of one's time"] = workers["runs"]["ratio"] <= 0.6
    found["the audit's memory under 2 GiB"] = workers["audit"]["peak_mib"] < 2048
    found["a GRPO step 3 times as fast as TRL's"] = read("grpo_step")["ratio"] >= 3
    return found


def page() -> str:
    """The tables."""
    steps, curvature, growth, run = read("steps"), read("curvature"), read("growth"), read("run")
    step, workers = read("grpo_step"), read("workers")
    judged = bands(steps, curvature, growth, run)
    low, high = step["ratio_quartiles"]
    lines = [
        "# How fast",
        "",
        "Written by `python -m experiments.bench`, which runs the scripts named below. A floor is the floating-point",
        "operations of the matrix products over the measured peak of large ones. All on 2 cores unless said otherwise;",
        "machine and versions are in [results](results), `bench_*.json`.",
        "",
    ]
    lines += ["| against | times as fast | command |", "|---|---:|---|"]
    lines.append(
        f"| TRL's GRPOTrainer, a step of 256 answers, {step['threads']} threads | {step['ratio']:.1f} "
        f"(quartiles {low:.1f} to {high:.1f}) | `grpo_step.py` |"
    )
    for name in ("curvlinops", "PyHessian"):
        lines.append(
            f"| {name}, a Hessian-vector product, 1 thread | {curvature['over_ours'][name]:.1f} | `curvature.py` |"
        )
    pairs = curvature["eigenpairs"]
    ratio = pairs["seconds"]["curvlinops"] / pairs["seconds"]["toymdrl"]
    lines.append(
        f"| curvlinops with scipy's eigsh, {pairs['pairs']} eigenpairs, which agree to "
        f"{pairs['largest_relative_difference']:.0e} | {ratio:.1f} | `curvature.py` |"
    )
    lines += ["", "| against the floor: operations over the measured peak | threads | milliseconds | times the floor |"]
    lines += ["|---|---:|---:|---:|"]
    for threads, found in steps.items():
        for name, each in found["steps"].items():
            lines.append(f"| {name} | {threads} | {1e3 * each['seconds']:.1f} | {each['over_floor']:.1f} |")
    slope = curvature["gradient"]
    lines.append(
        f"| gradient of the exact expected reward, 256 prompts | 1 | {1e3 * slope['seconds']:.1f} | "
        f"{slope['over_floor']:.1f} |"
    )
    products = curvature["gradients_a_product"]
    lines += [
        "",
        f"A Hessian-vector product costs {products['graph kept']:.1f} gradients with the graph kept and "
        f"{products['in chunks']:.1f} in chunks (`curvature.py`; the steps: `steps.py`).",
        "",
        "| the laptop run, 2 threads (`laptop_run.py`) | seconds |",
        "|---|---:|",
        *(f"| {phase} | {seconds:.1f} |" for phase, seconds in run["seconds"]["by phase"].items()),
        f"| **without analysis**; peak {run['peak_mib']['without analysis']:.0f} MiB | "
        f"{run['seconds']['without analysis']:.0f} |",
        f"| **in all**; peak {run['peak_mib']['in all']:.0f} MiB | {run['seconds']['in all']:.0f} |",
    ]
    lines += ["", "| grows with | exponent, 1 is in proportion |", "|---|---:|"]
    lines += [f"| {name} | {value:.2f} |" for name, value in growth["exponents"].items()]
    mib = growth["peak_mib_by_prompts"]
    lines += [
        "",
        "Peak memory of a chunked product: "
        + ", ".join(f"{value:.0f} MiB for {prompts} prompts" for prompts, value in mib.items())
        + " (`growth.py`).",
        "",
        "![Seconds against size](results/growth.png)",
        "",
        *gpu_lines(),
        "",
        f"Eight runs take two workers {workers['runs']['ratio']:.2f} of one's time "
        f"({workers['runs']['two workers']:.0f} of {workers['runs']['one worker']:.0f} s). `toymdrl audit` compares "
        f"two checkpoints of {workers['audit']['weights'] / 1e9:.1f} billion weights in "
        f"{workers['audit']['seconds']:.0f} s and {workers['audit']['peak_mib']:.0f} MiB (`workers.py`).",
        "",
        "| band | |",
        "|---|---|",
        *(f"| {band} | {'met' if met else '**not met**'} |" for band, met in judged.items()),
        "",
    ]
    return "\n".join(lines) + LOG


if __name__ == "__main__":
    (FOLDER / "BENCH.md").write_text(page(), encoding="utf-8")
