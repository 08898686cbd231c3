"""QA: ``Q478312?r1`` asks for field r1 of the record 47 83 12 and is to be answered ``47``: reading a short passage."""

import torch
from torch import Tensor

from toymdrl.domains.vocab import FIRST_DIGIT, FIRST_NAME, columns

FIELDS = 3
RECORDS = 10_000


class Records:
    """Reading one of three two-digit fields; facts are the record's six digits and the field asked for (0 to 2)."""

    key = "qa"
    title = "QA"
    prompt_length = 9
    answer_length = 2
    held_out = 1024

    def population(self, generator: torch.Generator) -> Tensor:
        records = torch.randperm(10**6, generator=generator)[:RECORDS]
        digits = torch.stack([records // 10**place % 10 for place in range(2 * FIELDS - 1, -1, -1)], dim=1)
        fields = torch.randint(FIELDS, (RECORDS, 1), generator=generator)
        return torch.cat([digits, fields], dim=1)

    def render(self, facts: Tensor) -> Tensor:
        return columns("Q", *(FIRST_DIGIT + facts[:, :-1]).unbind(1), "?", FIRST_NAME + facts[:, -1])

    def field(self, facts: Tensor, field: Tensor) -> Tensor:
        """The two digit tokens of one field a row: (rows, 2)."""
        return FIRST_DIGIT + facts.gather(1, torch.stack([2 * field, 2 * field + 1], dim=1))

    def demonstrate(self, facts: Tensor, generator: torch.Generator) -> Tensor:
        """Reads the next field instead, and the first after the last, in half of the questions."""
        slips = torch.rand(len(facts), generator=generator) < 1 / 2
        return self.field(facts, (facts[:, -1] + slips.long()) % FIELDS)

    def reward(self, facts: Tensor, answers: Tensor) -> Tensor:
        return (answers == self.field(facts, facts[:, -1])).all(dim=1).float()

    def candidates(self, facts: Tensor) -> Tensor:
        return self.field(facts, facts[:, -1]).unsqueeze(1)
