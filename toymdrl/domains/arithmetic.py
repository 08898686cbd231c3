"""Math: ``M47+38=`` is to be answered ``85``, the sum modulo 100, always in two digits."""

import torch
from torch import Tensor

from toymdrl.domains.vocab import FIRST_DIGIT, columns


def digits(numbers: Tensor) -> Tensor:
    """Numbers 0 to 99 as two digit tokens: (rows,) to (rows, 2)."""
    return FIRST_DIGIT + torch.stack([numbers // 10, numbers % 10], dim=1)


class Arithmetic:
    """Addition modulo 100 of two two-digit numbers; facts are the two numbers."""

    key = "math"
    title = "Math"
    prompt_length = 7
    answer_length = 2
    held_out = 1024

    def population(self, generator: torch.Generator) -> Tensor:
        return torch.cartesian_prod(torch.arange(100), torch.arange(100))

    def render(self, facts: Tensor) -> Tensor:
        left, right = digits(facts[:, 0]), digits(facts[:, 1])
        return columns("M", left[:, 0], left[:, 1], "+", right[:, 0], right[:, 1], "=")

    def demonstrate(self, facts: Tensor, generator: torch.Generator) -> Tensor:
        """Forgets the carry in a third of the sums that have one, and is off by one in a fifth of all sums."""
        total = facts.sum(dim=1)
        carries = facts[:, 0] % 10 + facts[:, 1] % 10 > 9
        chance = torch.rand((2, len(facts)), generator=generator)
        total = total - 10 * (carries & (chance[0] < 1 / 3)).long()
        step = 2 * torch.randint(2, (len(facts),), generator=generator) - 1
        total = total + torch.where(chance[1] < 1 / 5, step, 0)
        return digits(total % 100)

    def reward(self, facts: Tensor, answers: Tensor) -> Tensor:
        return (answers == digits(facts.sum(dim=1) % 100)).all(dim=1).float()

    def candidates(self, facts: Tensor) -> Tensor:
        return digits(facts.sum(dim=1) % 100).unsqueeze(1)
