"""The weights of a run's checkpoints as a page holds them: whole numbers, with a scale for each row of a matrix.

One checkpoint, the reference, is held in 16 bits; every other in 8, as its difference from its neighbour on the way to
the reference, in the order of training. The difference is taken from what the page knows of the neighbour, not from
the neighbour itself: the error of each is its own rounding, and none is handed on.
"""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from toymdrl.playground.payload import Manifest, Payload
from toymdrl.policy.model import ModelConfig

REFERENCE_BITS, BITS = 16, 8
Weights = Mapping[str, Tensor]
"""Parameters by name."""


class PackedRun(Payload):
    """The checkpoints of a run, and directions in the space of its weights."""

    def __init__(
        self,
        config: ModelConfig,
        checkpoints: Mapping[str, Weights],
        reference: str,
        directions: Mapping[str, Weights] | None = None,
    ) -> None:
        """Pack them.

        Args:
            config: sizes of the policies.
            checkpoints: by name, in the order of training.
            reference: one of their names.
            directions: differences of weights, by name: what a reader may go along.
        """
        super().__init__()
        self.held: dict[str, dict[str, Tensor]] = {}
        """What the page will know of each checkpoint and direction."""
        names = list(checkpoints)
        middle = names.index(reference)
        parameters = [{"name": name, "shape": list(weight.shape)} for name, weight in checkpoints[reference].items()]
        vectors = [self._vector(reference, checkpoints[reference], None, REFERENCE_BITS)]
        for neighbour, name in [*pairwise(names[middle:]), *pairwise(names[middle::-1])]:
            vectors.append(self._vector(name, checkpoints[name], neighbour, BITS))
        vectors += [self._vector(name, direction, None, BITS) for name, direction in (directions or {}).items()]
        self.manifest = {"model": asdict(config), "parameters": parameters, "vectors": vectors}

    def _vector(self, name: str, weights: Weights, against: str | None, bits: int) -> Manifest:
        """Add a vector, from another one if there is one to start at; its entry."""
        numbers, scales, self.held[name] = [], [], {}
        for parameter, weight in weights.items():
            start = self.held[against][parameter] if against else torch.zeros_like(weight)
            # A vector of weights is a matrix of one row.
            integers, scale = quantised((weight - start).reshape(-1, weight.shape[-1]), bits)
            self.held[name][parameter] = start + (integers * scale).view_as(weight)
            numbers.append(integers.flatten())
            scales.append(scale.flatten())
        every = torch.cat(numbers).to(torch.int32).numpy()
        # High bytes beside high bytes compress better. The first carry the sign.
        high, low = (every >> 8).astype(np.int8), (every & 255).astype(np.uint8)
        planes = [high, low] if bits > 8 else [every.astype(np.int8)]
        scale_entry = self.add(torch.cat(scales).to(torch.float32).numpy())
        return {
            "name": name,
            "against": against,
            "scales": scale_entry,
            "planes": [self.add(plane) for plane in planes],
        }


def quantised(matrix: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Whole numbers of so many bits and each row's scale: (rows, columns) to (rows, columns) and (rows, 1)."""
    scale = matrix.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)
    scale = torch.where(scale > 0, scale, 1.0)
    return (matrix / scale).round(), scale
