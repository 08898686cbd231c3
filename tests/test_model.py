"""The policy: cached, forest and plain passes agree; derivatives of second order exist; sampling is right."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests import tiny
from toymdrl.domains import DOMAINS, problems
from toymdrl.policy.forest import chain, group_forest, grow
from toymdrl.policy.model import Cache, ModelConfig, Policy
from toymdrl.policy.rollout import answer_log_policy, sample
from toymdrl.streams import stream


@given(split=st.integers(1, 11), seed=st.integers(0, 1000))
def test_cached_and_uncached_logits_agree(split: int, seed: int) -> None:
    model = Policy(ModelConfig(), stream("cache", seed))
    tokens = torch.randint(39, (3, 12), generator=stream("tokens", seed))
    with torch.no_grad():
        whole = model(tokens, chain(12))
        cache = Cache()
        parts = [model(tokens[:, :split], chain(12), cache=cache), model(tokens[:, split:], chain(12), cache=cache)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=1e-5)


@given(first=st.integers(0, 11))
def test_the_last_block_may_skip_columns(first: int) -> None:
    model = Policy(ModelConfig(), stream("first"))
    tokens = torch.randint(39, (2, 12), generator=stream("first tokens"))
    with torch.no_grad():
        torch.testing.assert_close(
            model(tokens, chain(12), first=first), model(tokens, chain(12))[:, first:], rtol=0, atol=1e-5
        )


@given(st.data())
def test_every_path_of_a_forest_equals_its_own_sequence(data: st.DataObject) -> None:
    prompt = 2
    parents = [data.draw(st.integers(prompt - 1, prompt + column - 1)) for column in range(5)]
    forest = grow(prompt, parents)
    model = Policy(ModelConfig(layers=2, width=8, heads=2, neurons=8, positions=8, vocabulary=6), stream("f")).double()
    tokens = torch.randint(6, (1, len(forest)), generator=stream("forest tokens"))
    logits = model(tokens, forest.to(model.head.weight))
    for column in range(prompt, len(forest)):
        path = [column]
        while path[0] >= prompt:
            path.insert(0, parents[path[0] - prompt])
        path = list(range(prompt - 1)) + path
        alone = model(tokens[:, path], chain(len(path)).to(model.head.weight))
        torch.testing.assert_close(logits[0, column], alone[0, -1], rtol=1e-9, atol=1e-9)


def test_a_column_cannot_follow_a_later_one() -> None:
    with pytest.raises(ValueError, match="cannot follow"):
        grow(2, [3])


def test_group_forest_is_one_chain_a_member() -> None:
    forest = group_forest(3, 2, 3)
    assert forest.positions.tolist() == [0, 1, 2, 3, 3, 4, 4]
    sees = (forest.mask == 0).int().tolist()
    assert sees[5] == [1, 1, 1, 1, 0, 1, 0]
    assert sees[6] == [1, 1, 1, 0, 1, 0, 1]


def test_group_answers_equal_plain_passes() -> None:
    model, these = tiny.policy(), tiny.sums()
    rollout = sample(model, these, 3, stream("group"))
    log_policy = answer_log_policy(model, rollout.prompts, rollout.answers)
    for row in range(len(these)):
        for member in range(3):
            answer = rollout.answers[row, member]
            alone = tiny.answer_logprob(model, rollout.prompts[row], tuple(answer.tolist()))
            ours = log_policy[row, member].gather(-1, answer.unsqueeze(-1)).sum()
            torch.testing.assert_close(ours, alone, rtol=1e-9, atol=1e-9)


def test_samples_follow_the_policy() -> None:
    """Frequencies of whole answers against their exact probabilities, by a chi-square statistic."""
    model, these = tiny.policy(11), tiny.sums(1)
    count = 40_000
    copies = these.subset(torch.zeros(count // 4, dtype=torch.int64))
    answers = sample(model, copies, 4, stream("frequencies")).answers.flatten(0, 1)
    statistic = 0.0
    every = tiny.every_answer(2)
    for answer in every:
        expected = count * float(tiny.answer_logprob(model, these.prompts[0], answer).exp().detach())
        seen = int((answers == tiny.padded(answer, 2)).all(dim=1).sum())
        statistic += (seen - expected) ** 2 / expected
    freedom = len(every) - 1
    assert abs(statistic - freedom) < 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("key", list(DOMAINS))
def test_sampling_depends_on_its_generator_alone(key: str) -> None:
    model, these = Policy(ModelConfig(), stream("s")), problems(DOMAINS[key], "train").subset(slice(4))
    torch.manual_seed(1)
    one = sample(model, these, 4, stream("same"))
    torch.manual_seed(2)
    two = sample(model, these, 4, stream("same"))
    three = sample(model, these, 4, stream("other"))
    assert torch.equal(one.answers, two.answers)
    assert not torch.equal(one.answers, three.answers)


def test_size_and_names() -> None:
    model = Policy(ModelConfig(), stream("size"))
    assert 150_000 < sum(weight.numel() for weight in model.parameters()) < 190_000
    assert not [name for name, _ in model.named_parameters() if name.endswith("bias")]
