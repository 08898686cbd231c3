"""What a population's stage draws at random, all of it before the first step: a GPU must not wait for the next draw.

Each member draws from its own stream in the order in which its own run does, and so draws the same.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from toymdrl import pretrain
from toymdrl.domains import Problems
from toymdrl.grpo import GRPOConfig
from toymdrl.pretrain import WarmStartConfig
from toymdrl.rollout import choose
from toymdrl.streams import stream


def rollouts(train: Problems, config: GRPOConfig, generators: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
    """Which problems every step asks, and the levels its answers are drawn by, see `rollout.decode`.

    Returns:
        Rows of `train`, (steps, members, prompts), and levels, (steps, members, prompts, group, answer_length).
    """
    rows, levels = [], []
    for _ in range(config.steps):
        for generator in generators:
            rows.append(choose(train, config.prompts, generator))
            shape = (len(rows[-1]), config.group, train.domain.answer_length)
            levels.append(torch.rand(shape, generator=generator))
    members = (config.steps, len(generators))
    return torch.stack(rows).unflatten(0, members), torch.stack(levels).unflatten(0, members)


class _Demonstrations(Dataset[np.ndarray]):
    """One item a seed: all inputs and targets of its warm start, (2, steps, batch, columns), uint8."""

    def __init__(self, config: WarmStartConfig, seeds: Sequence[int]) -> None:
        self._config = config
        self._seeds = seeds

    def __len__(self) -> int:
        return len(self._seeds)

    def __getitem__(self, index: int) -> np.ndarray:
        generator = stream(self._seeds[index], "demonstrations")
        steps = [pretrain.demonstrations(self._config.batch, generator) for _ in range(self._config.steps)]
        inputs, targets = zip(*steps, strict=True)
        return torch.stack([torch.stack(inputs), torch.stack(targets)]).to(torch.uint8).numpy()


def _as_it_is(item: Any) -> Any:
    return item


def demonstrations(config: WarmStartConfig, seeds: Sequence[int], *, in_processes: bool) -> tuple[Tensor, Tensor]:
    """Inputs and targets of every step of a warm start, see `pretrain.demonstrations`.

    Args:
        config: steps and batch.
        seeds: one a member.
        in_processes: share the work among the machine's cores; a member takes one half a second.

    Returns:
        (steps, members, batch, columns) each, uint8.
    """
    workers = min(len(seeds), os.cpu_count() or 1) if in_processes and len(seeds) > 1 else 0
    # As arrays, which come back through a pipe: tensors would come through shared memory, which may be small.
    loader = DataLoader(_Demonstrations(config, seeds), batch_size=None, num_workers=workers, collate_fn=_as_it_is)
    drawn = torch.from_numpy(np.stack(list(loader)))
    inputs, targets = drawn.transpose(0, 1).unbind(0)
    return inputs.transpose(0, 1).contiguous(), targets.transpose(0, 1).contiguous()
