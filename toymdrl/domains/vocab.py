"""The one token table that all domains share.

Digits appear in Math, Code and QA, and the names r1 to r3 both in QA (fields of a record) and in CW (rhyme classes):
what the domains share here is what lets training one of them disturb another. PAD fills the end of short rows and is
never a target; EOS ends an answer and is. They are distinct, so that masking PAD never hides the stop token from a
loss.

There is no separate start token: the letter of the domain opens every prompt.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

PAD, EOS = 0, 1
DIGITS = tuple("0123456789")
LETTERS = ("M", "C", "Q", "W")
MARKS = ("+", "=", ">", "?", "|")
NAMES = ("r1", "r2", "r3", "r4")
INSTRUCTIONS = ("reverse", "sort", "rotate", "double", "increment", "complement")
# Two words a rhyme class, first a noun, then a verb.
WORDS = ("moon", "croon", "sea", "flee", "night", "write", "rain", "wane")

TOKENS: tuple[str, ...] = ("<pad>", "<eos>", *DIGITS, *LETTERS, *MARKS, *NAMES, *INSTRUCTIONS, *WORDS)
TOKEN_IDS: dict[str, int] = {token: index for index, token in enumerate(TOKENS)}

FIRST_DIGIT = TOKEN_IDS["0"]
FIRST_NAME = TOKEN_IDS["r1"]
FIRST_INSTRUCTION = TOKEN_IDS[INSTRUCTIONS[0]]
FIRST_WORD = TOKEN_IDS[WORDS[0]]


def encode(tokens: Iterable[str]) -> list[int]:
    """Token strings to ids.

    Raises:
        KeyError: a string that is no token.
    """
    return [TOKEN_IDS[token] for token in tokens]


def decode(ids: Sequence[int] | Tensor) -> str:
    """Ids to readable text, cut at the first EOS or PAD; words and instructions are set apart by spaces."""
    text, last = "", ""
    for index in ids.tolist() if isinstance(ids, Tensor) else ids:
        if index in (PAD, EOS):
            break
        token = TOKENS[index]
        text += (" " if text and max(len(token), len(last)) > 2 else "") + token
        last = token
    return text


def columns(*parts: Tensor | str) -> Tensor:
    """Token ids side by side: integer tensors of shape (rows,), and strings repeated on every row; (rows, parts)."""
    rows = next(len(part) for part in parts if isinstance(part, Tensor))
    return torch.stack(
        [part if isinstance(part, Tensor) else torch.full((rows,), TOKEN_IDS[part]) for part in parts], dim=1
    )
