"""The worked example: its losses are expected rewards, its page is of the committed rows."""

import json
from itertools import product

import pytest
import torch

from experiments.own_llama import explain, train
from toymdrl.derivatives import value
from toymdrl.parameters import read_parameters


@pytest.mark.parametrize("task", train.TASKS)
def test_a_loss_is_the_expected_reward_by_enumeration(task: train.Task) -> None:
    """Over all answers of at most two tokens, each played by the reward that TRL is given."""
    module = train.model(0).double().eval()
    asked, right = train.prompts(task, "eval")[:3], [answer for _, answer in train.texts(task, "eval")[:3]]
    expected = 0.0
    with torch.no_grad():
        for prompt, answer in zip(asked.split(1), right, strict=True):
            for first, second in product(range(len(train.TOKENS)), repeat=2):
                reply = [first, second]
                won = train.reward([reply], [answer])[0]
                if won:
                    expected += float(train.token_logprobs(module, prompt, torch.tensor([reply])).sum().exp())
        both = train.loss(task, "eval")
        few = train.token_logprobs(module, asked, train.answers(task, "eval")[:3]).sum(dim=1).exp()
        assert float(few.sum()) == pytest.approx(expected, rel=1e-6)
        whole = train.token_logprobs(module, train.prompts(task, "eval"), train.answers(task, "eval")).sum(dim=1).exp()
        assert float(both(module)) == pytest.approx(-100 * float(whole.mean()), rel=1e-6)
        mean = sum(value(module, half) for half in explain.halves(task, "train")) / 2
        assert mean == pytest.approx(float(train.loss(task, "train")(module)), rel=1e-6)


@pytest.mark.parametrize("task", train.TASKS)
def test_no_prompt_is_in_both_splits(task: train.Task) -> None:
    seen = {prompt for prompt, _ in train.texts(task, "train")}
    unseen = {prompt for prompt, _ in train.texts(task, "eval")}
    assert len(seen) == train.TRAIN
    assert len(unseen) == train.EVAL
    assert not seen & unseen


def test_the_fishers_answers_are_drawn_by_the_model() -> None:
    module = train.model(1).eval()
    one, two = ([float(each.detach()) for each in train.sampled_logprobs("sums", "eval")(module)] for _ in range(2))
    assert one == two
    assert len(one) == train.EVAL
    # The mean of log p over its own draws is minus the entropy: near that of two uniform tokens for a fresh model.
    assert sum(one) / len(one) == pytest.approx(-2 * torch.tensor(len(train.TOKENS)).log().item(), rel=0.15)


def test_a_seed_makes_a_model() -> None:
    assert torch.equal(read_parameters(train.model(3)), read_parameters(train.model(3)))


def test_the_page_is_of_the_committed_rows() -> None:
    rows = json.loads(explain.ROWS.read_text(encoding="utf-8"))
    assert explain.PAGE.read_text(encoding="utf-8") == explain.page(rows), "run experiments.own_llama.explain"
    assert len(rows) == 10
    assert [row["setting"]["seed"] for row in rows] == list(range(explain.FIRST_SEED, explain.FIRST_SEED + 10))
