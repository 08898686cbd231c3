"""Timing that survives a noisy machine: works take turns, medians are compared, and floors come from measured peaks."""

import gc
import os
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

ROUNDS = 9
Work = Callable[[], object]


def seconds(work: Work) -> float:
    """What one call takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def take_turns(works: Mapping[str, Work], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of each work in each round, all of a round under the same load; one round more warms up."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for count in range(rounds + 1):
        for name, work in works.items():
            gc.collect()
            spent = seconds(work)
            if count:
                found[name].append(spent)
    return found


def over(times: Mapping[str, list[float]], base: str) -> dict[str, float]:
    """Median ratio of each work to one of them, round by round."""
    return {name: median(a / b for a, b in zip(each, times[base], strict=True)) for name, each in times.items()}


def peak(size: int = 2048, repeats: int = 10, device: str = "cpu") -> float:
    """Floating-point operations a second of the fastest of several large float32 products."""
    left, right, out = torch.randn(3, size, size, device=device)

    def product() -> None:
        torch.mm(left, right, out=out)
        if device != "cpu":
            torch.cuda.synchronize(device)

    return 2 * size**3 / min(seconds(product) for _ in range(repeats))


def operations(work: Work) -> int:
    """Floating-point operations of a work's matrix products."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def peak_mib() -> float:
    """Most memory that this process has held so far (Linux: from /proc; not getrusage, which a child inherits)."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc/self/status")


def machine(*packages: str) -> dict[str, Any]:
    """What a result depends on."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": {name: version(name) for name in ("torch", "numpy", *packages)},
    }
