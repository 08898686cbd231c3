"""The machine that a process works on: its device and threads, and whether other programs are in their way.

The threads of one operation wait for the last of them. Where other programs hold the cores, the last one waits for its
turn, and a step can take twenty times as long as on a single thread.
"""

import time

import torch

from toymdrl.runs.config import RunConfig
from toymdrl.settings import ConfigError

ROUNDS, PRODUCTS = 8, 50
"""Products of a size that a training step is made of: in all about 20 ms on one thread."""
FIGHTING = 2.0
"""So many times slower than one thread, several do harm; on idle cores they are faster."""
PATIENCE = 0.5
"""Seconds after which the probe has seen enough."""


def contention(threads: int) -> float:
    """Seconds that a step's typical products take on so many threads, over seconds on one.

    Torch's thread count is left as it was.
    """
    before, x, weight = torch.get_num_threads(), torch.ones(480, 64), torch.ones(64, 64)
    seconds = {1: 0.0, threads: 0.0}
    try:
        for _ in range(ROUNDS):
            for count in seconds:
                torch.set_num_threads(count)
                began = time.perf_counter()
                for _ in range(PRODUCTS):
                    x @ weight
                seconds[count] += time.perf_counter() - began
            if sum(seconds.values()) > PATIENCE:
                break
    finally:
        torch.set_num_threads(before)
    return seconds[threads] / seconds[1]


def prepare(config: RunConfig) -> None:
    """Set the process up for a config: threads and deterministic kernels. Call once, before any work.

    Raises:
        ConfigError: the device is not there.
    """
    try:
        torch.zeros(1, device=config.device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {config.device!r} is not available here; begin a run with --device cpu") from error
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(config.device == "cpu")
