"""Many answers to one prompt as one sequence.

A group of sampled answers shares its prompt, and all possible answers share their prefixes. Laid out as a forest (the
prompt's columns first, then one column for each answer token, which attends to the prompt and to its own ancestors
only), they cost one pass over distinct tokens instead of one pass a copy. The ordinary causal sequence is the forest
of one chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Forest:
    """Where each column of a sequence stands and what it may attend to."""

    positions: Tensor
    """Depth of each column, (columns,), int64."""
    mask: Tensor
    """0 where a column may attend, -inf elsewhere, (columns, columns), float32."""
    _placed: dict[tuple[torch.device, torch.dtype], "Forest"] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.positions)

    def to(self, like: Tensor) -> "Forest":
        """The same forest on the device and in the floating dtype of a tensor.

        Copied there once and kept: a recorded step (see replay.py) cannot copy anything from the CPU.
        """
        place = like.device, like.dtype
        if place not in self._placed:
            self._placed[place] = Forest(self.positions.to(like.device), self.mask.to(like.device, like.dtype))
        return self._placed[place]


def chain(length: int) -> Forest:
    """The causal sequence of `length` columns."""
    return grow(length, ())


def grow(prompt: int, parents: Sequence[int]) -> Forest:
    """A forest over a prompt of `prompt` columns.

    Args:
        prompt: number of prompt columns, at least 1.
        parents: for each further column the column it follows: an earlier one, `prompt` - 1 for an answer's first.
    """
    total = prompt + len(parents)
    sees = torch.zeros(total, total, dtype=torch.bool)
    sees[:prompt, :prompt] = torch.ones(prompt, prompt, dtype=torch.bool).tril()
    for column, parent in enumerate(parents, start=prompt):
        if not prompt - 1 <= parent < column:
            raise ValueError(f"column {column} cannot follow column {parent}")
        sees[column] = sees[parent]
        sees[column, column] = True
    mask = torch.zeros(total, total).masked_fill(~sees, float("-inf"))
    return Forest(sees.sum(dim=1) - 1, mask)


@cache
def group_forest(prompt: int, group: int, length: int) -> Forest:
    """`group` separate answers over one prompt, step by step: column prompt + step * group + member.

    The last token of an answer is never an input, so the forest holds `length` - 1 steps.
    """
    first = [prompt - 1] * group
    later = [prompt + column for column in range(group * (length - 2))]
    return grow(prompt, (first + later)[: group * (length - 1)])
