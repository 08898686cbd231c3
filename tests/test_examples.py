"""The most probable answer is the one that enumeration finds; examples are chosen as their rule says."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor

from toymdrl.analysis.examples import Example, Examples, Said, first_to_tip, most_probable
from toymdrl.report.examples import chosen_by
from toymdrl.streams import stream

VOCABULARY, END = 4, 0


def drawn(seed: int, length: int, sharpness: float) -> dict[tuple[int, ...], Tensor]:
    """Log-probabilities of the token after every sequence of up to `length` tokens."""
    generator = stream(seed, "examples")
    found = {}
    for count in range(length + 1):
        for tokens in itertools.product(range(VOCABULARY), repeat=count):
            logits = sharpness * torch.randn(VOCABULARY, generator=generator)
            found[tokens] = logits.log_softmax(dim=-1)
    return found


@settings(max_examples=60, deadline=None)
@given(some.integers(0, 10**6), some.integers(1, 4), some.sampled_from([0.1, 1.0, 3.0]))
def test_the_most_probable_answer_is_what_enumeration_finds(seed: int, length: int, sharpness: float) -> None:
    table = drawn(seed, length + 1, sharpness)
    prompts = torch.tensor([[1], [2], [3]])

    def next_token(tokens: Tensor) -> Tensor:
        return torch.stack([table[tuple(row)] for row in tokens.tolist()])

    answers, probabilities = most_probable(next_token, prompts, length, END)
    for prompt, answer, probability in zip(prompts.tolist(), answers.tolist(), probabilities.tolist(), strict=True):
        every = {}
        for tokens in itertools.product(range(VOCABULARY), repeat=length):
            # An answer is over at its end, and is filled up with it.
            written = tokens[: tokens.index(END) + 1] if END in tokens else tokens
            whole = written + (END,) * (length - len(written))
            every[whole] = sum(float(table[(*prompt, *written[:place])][each]) for place, each in enumerate(written))
        best = max(every.values())
        assert every[tuple(answer)] == pytest.approx(best, abs=1e-5)
        assert probability == pytest.approx(torch.tensor(best).exp().item(), rel=1e-4)


def test_greedy_is_not_always_the_most_probable() -> None:
    # Token 1 is the likelier first, but what follows it is split in three; 2 is followed by 2 for certain.
    first = torch.tensor([0.02, 0.5, 0.46, 0.02]).log()
    after = {1: torch.tensor([0.01, 0.33, 0.33, 0.33]).log(), 2: torch.tensor([0.01, 0.01, 0.97, 0.01]).log()}

    def next_token(tokens: Tensor) -> Tensor:
        rows = [first if len(row) == 1 else after.get(row[1], first) for row in tokens.tolist()]
        return torch.stack(rows)

    answers, probabilities = most_probable(next_token, torch.tensor([[3]]), 2, END)
    assert answers.tolist() == [[2, 2]]
    assert float(probabilities) == pytest.approx(0.46 * 0.97)


def test_the_first_prompt_that_goes_as_asked() -> None:
    own, end, again = (torch.tensor(each) for each in ([0, 1, 1, 1], [0, 1, 0, 0], [1, 1, 1, 1]))
    right = [each.bool() for each in (own, end, again)]
    assert first_to_tip(right, (True, False, True)) == (2, 2)
    assert first_to_tip(right, (False, True, True)) == (0, 0)


def test_a_prompt_that_tips_nowhere_is_not_said_to() -> None:
    said = (Said("base", "60", 0.5, 1.0),)
    one = Example("math", "M52+08=", "60", 0, 1024, said)
    assert chosen_by((one,), 3) == (
        "Math: the first unseen prompt; none is right after Math's own stage, wrong at the end and right after 3 "
        "refresh steps."
    )
    assert Examples((one,)).examples[0].said == said
