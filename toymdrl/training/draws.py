"""What a population's stage draws at random, in blocks of steps ahead of the device: a GPU must not wait for a draw.

Each member draws from its own stream in the order in which its own run does, and so draws the same.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import current_process
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from toymdrl.streams import stream
from toymdrl.training import pretrain
from toymdrl.training.objective import Objective
from toymdrl.training.pretrain import WarmStartConfig

Block = Sequence[Tensor]
"""All that some consecutive steps draw: tensors (steps, members, …)."""
STEPS_A_BLOCK = 50
"""Of a warm start: some tens of megabytes for a hundred members."""


def ahead(objective: Objective, steps: int, generators: Sequence[torch.Generator]) -> Iterator[Block]:
    """What an objective draws for each member, see `Objective.draw`; a step a block.

    Yields:
        (1, members, …) each.
    """
    for _ in range(steps):
        drawn = [objective.draw(generator) for generator in generators]
        yield [torch.stack(parts).unsqueeze(0) for parts in zip(*drawn, strict=True)]


class _Demonstrations(IterableDataset[np.ndarray]):
    """A worker's share of the members: their inputs and targets, (2, steps, members, batch, columns), block by block.

    Arrays of bytes, which go through a pipe: tensors would go through shared memory, which may be small.
    """

    def __init__(self, config: WarmStartConfig, seeds: Sequence[int]) -> None:
        self._config = config
        self._seeds = seeds

    def __iter__(self) -> Iterator[np.ndarray]:
        worker = get_worker_info()
        seeds = np.array_split(self._seeds, worker.num_workers)[worker.id] if worker else self._seeds
        generators = [stream(int(seed), "demonstrations") for seed in seeds]
        for start in range(0, self._config.steps, STEPS_A_BLOCK):
            steps = range(start, min(start + STEPS_A_BLOCK, self._config.steps))
            yield np.stack([self._step(generators) for _ in steps], axis=1)

    def _step(self, generators: Sequence[torch.Generator]) -> np.ndarray:
        drawn = [torch.stack(pretrain.demonstrations(self._config.batch, each)) for each in generators]
        return torch.stack(drawn, dim=1).to(torch.uint8).numpy()


def _as_it_is(item: Any) -> Any:
    return item


def demonstrations(config: WarmStartConfig, seeds: Sequence[int], *, in_processes: bool) -> Iterator[Block]:
    """Inputs and targets of a warm start's steps, see `pretrain.demonstrations`.

    Args:
        config: steps and batch.
        seeds: one a member.
        in_processes: draw ahead in processes of their own, as many as there are cores: a member's warm start takes one
            core half a second or more.

    Yields:
        (steps, members, batch, columns) each, uint8.
    """
    # A process that is a worker itself, of a cluster say, may be forbidden to start others.
    alone = not in_processes or current_process().daemon
    workers = 0 if alone else min(len(seeds), os.cpu_count() or 1)
    shares = DataLoader(
        _Demonstrations(config, seeds),
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # a seed that nothing here uses would be drawn from the global stream
    )
    arriving = iter(shares)
    # The loader takes one share of each worker in turn, so as many as there are workers make a block of all members.
    for start in range(0, config.steps, STEPS_A_BLOCK):
        block = np.concatenate([next(arriving) for _ in range(max(1, workers))], axis=2)
        if start + STEPS_A_BLOCK >= config.steps:
            deque(arriving, maxlen=0)  # at their end the workers stop by themselves; otherwise one waits for them
        yield torch.from_numpy(block).unbind(0)
