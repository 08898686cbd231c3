"""The exact expected reward and KL, against enumeration, sampling and finite differences."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from tests import tiny
from toymdrl.domains import DOMAINS, Problems, problems
from toymdrl.domains.vocab import EOS, PAD, TOKENS
from toymdrl.policy.exact import ExpectedReward, exact_score, kl_parts
from toymdrl.policy.model import ModelConfig, Policy
from toymdrl.policy.rollout import sample
from toymdrl.streams import stream

KEYS = list(DOMAINS)


def _policy(seed: int = 0) -> Policy:
    """A small policy over the real vocabulary, in float64."""
    return Policy(ModelConfig(layers=2, width=16, heads=2, neurons=24), stream("test", seed)).double()


def _skilled(key: str) -> Policy:
    """A small policy that has learnt a little of one domain, so that rewards are not all near zero."""
    model = _policy().float()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    objective = ExpectedReward(problems(DOMAINS[key], "train").subset(slice(16)))
    for _ in range(20):
        optimiser.zero_grad()
        (-objective(model).clamp_min(1e-30).log()).backward()
        optimiser.step()
    return model


def _gradient(objective: ExpectedReward, model: Policy) -> torch.Tensor:
    parts = torch.autograd.grad(objective(model), list(model.parameters()))
    return torch.cat([part.flatten() for part in parts])


def _move(model: Policy, direction: torch.Tensor, step: float) -> Policy:
    moved = Policy(model.config).double()
    moved.load_state_dict(model.state_dict())
    with torch.no_grad():
        vector = torch.nn.utils.parameters_to_vector(moved.parameters()) + step * direction
        torch.nn.utils.vector_to_parameters(vector, moved.parameters())
    return moved


def test_matches_enumeration_of_every_answer() -> None:
    model, these = tiny.policy(), tiny.sums()
    expected = []
    for facts, prompt in zip(these.facts, these.prompts, strict=True):
        total = torch.zeros((), dtype=torch.float64)
        for answer in tiny.every_answer(2):
            reward = these.domain.reward(facts.unsqueeze(0), tiny.padded(answer, 2))[0]
            total += reward * tiny.answer_logprob(model, prompt, answer).exp()
        expected.append(total)
    torch.testing.assert_close(ExpectedReward(these).per_problem(model), torch.stack(expected), rtol=1e-10, atol=0)


class Longer(tiny.Sums):
    """The same with room for a third token: answers end at EOS, and what follows is PAD."""

    answer_length = 3

    def candidates(self, facts: torch.Tensor) -> torch.Tensor:
        end = facts.new_tensor([EOS]).expand(len(facts), 1)
        turned, first = torch.cat([facts.flip(1), end], dim=1), torch.cat([facts[:, :1], end, 0 * end + PAD], dim=1)
        return torch.stack([turned, first], dim=1)

    def reward(self, facts: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        right = (answers.unsqueeze(1) == self.candidates(facts)).all(dim=2)
        return right.float() @ torch.tensor([1.0, 0.5])


def test_answers_that_end_early_match_enumeration_too() -> None:
    model = Policy(replace(tiny.policy().config, positions=5), stream("tiny", 0)).double()
    domain, facts = Longer(), tiny.sums().facts
    these = Problems(domain, "train", facts, facts)
    for row, found in zip(facts, ExpectedReward(these).per_problem(model), strict=True):
        answers = tiny.every_answer(3)
        rewards = [float(domain.reward(row.unsqueeze(0), tiny.padded(each, 3))) for each in answers]
        earning = [(r, each) for r, each in zip(rewards, answers, strict=True) if r]
        assert len(earning) == 2
        total = sum(r * tiny.answer_logprob(model, row, each).exp() for r, each in earning)
        torch.testing.assert_close(found, total, rtol=1e-10, atol=0)


@pytest.mark.parametrize("key", KEYS)
def test_no_answer_outside_the_candidates_earns_anything(key: str) -> None:
    domain = DOMAINS[key]
    these = problems(domain, "eval").subset(slice(3))
    candidates = domain.candidates(these.facts).expand(len(these), -1, -1)
    generator = stream("any answers", key)
    if domain.answer_length == 2:
        answers = torch.tensor([tiny_cut(pair) for pair in product(range(len(TOKENS)), repeat=2)])
    else:
        answers = torch.randint(len(TOKENS), (20_000, domain.answer_length), generator=generator)
    for facts, listed in zip(these.facts, candidates, strict=True):
        earned = domain.reward(facts.expand(len(answers), -1), answers) > 0
        known = {tuple(row) for row in listed.tolist()}
        assert all(tuple(row) in known for row in answers[earned].tolist())
        assert earned.any() or domain.answer_length > 2


def tiny_cut(tokens: tuple[int, ...]) -> list[int]:
    """Tokens after EOS replaced by PAD, as a rollout does."""
    return [token if EOS not in tokens[:place] else PAD for place, token in enumerate(tokens)]


@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_fifty_thousand_sampled_answers(key: str) -> None:
    model = _skilled(key)
    these = problems(DOMAINS[key], "train").subset(slice(50))
    each = 50_000 // 8 // len(these)
    copies = these.subset(torch.arange(len(these)).repeat_interleave(each))
    rewards = sample(model, copies, 8, stream("sampled", key)).rewards.double().view(len(these), 8 * each)
    with torch.no_grad():
        exact = ExpectedReward(these).per_problem(model).double()
    # The prompts are the same on both sides: only the answers are random.
    error = (rewards.var(dim=1) / rewards.shape[1]).mean().div(len(these)).sqrt()
    assert exact.mean() > 0.02
    assert abs(rewards.mean() - exact.mean()) < 4 * error


@pytest.mark.parametrize("key", KEYS)
def test_gradient_matches_central_differences(key: str) -> None:
    model = _skilled(key).double()
    objective = ExpectedReward(problems(DOMAINS[key], "eval").subset(slice(2)))
    gradient = _gradient(objective, model)
    direction = gradient / gradient.norm() + torch.randn(gradient.shape, generator=stream("direction", key)) / 1e3
    h = 1e-4
    # Richardson's extrapolation of two central differences: the error is of order h^4.
    coarse, fine = (
        (objective(_move(model, direction, s)) - objective(_move(model, direction, -s))) / (2 * s) for s in (2 * h, h)
    )
    numeric = (4 * fine - coarse) / 3
    torch.testing.assert_close(numeric.detach(), gradient @ direction, rtol=1e-6, atol=0)


@pytest.mark.parametrize("key", KEYS)
def test_hessian_vector_product_matches_differences_of_gradients(key: str) -> None:
    model = _skilled(key).double()
    objective = ExpectedReward(problems(DOMAINS[key], "eval").subset(slice(2)))
    parameters = list(model.parameters())
    gradient = torch.autograd.grad(objective(model), parameters, create_graph=True)
    flat = torch.cat([part.flatten() for part in gradient])
    vector = torch.randn(flat.shape, generator=stream("vector", key), dtype=torch.float64)
    vector /= vector.norm()
    product_ = torch.cat([part.flatten() for part in torch.autograd.grad(flat @ vector, parameters)])
    h = 1e-4
    coarse, fine = (
        (_gradient(objective, _move(model, vector, s)) - _gradient(objective, _move(model, vector, -s))) / (2 * s)
        for s in (2 * h, h)
    )
    assert (product_ - (4 * fine - coarse) / 3).norm() < 1e-6 * product_.norm()


def test_chunks_and_parts_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _policy()
    these = problems(DOMAINS["cw"], "eval").subset(slice(3))
    whole = ExpectedReward(these)
    before = whole.per_problem(model)
    monkeypatch.setattr("toymdrl.policy.exact.COLUMNS_A_CHUNK", 1)
    monkeypatch.setattr("toymdrl.policy.exact.ANSWERS_A_BLOCK", 100)
    torch.testing.assert_close(ExpectedReward(these).per_problem(model), before, rtol=1e-10, atol=0)
    torch.testing.assert_close(torch.stack(list(whole.parts(model))).sum(), before.mean(), rtol=1e-10, atol=0)
    assert exact_score(model, whole) == pytest.approx(100 * before.mean().item())


@pytest.mark.parametrize(("rows", "length"), [(4, 2), (2, 3)])
def test_kl_matches_enumeration_and_its_gradient(rows: int, length: int) -> None:
    config = replace(tiny.policy().config, positions=5)
    model, reference = (Policy(config, stream("tiny", seed)).double() for seed in (1, 2))
    these = tiny.sums(rows)
    these.domain.answer_length = length
    exact = torch.stack(list(kl_parts(model, reference, these))).sum()
    expected = torch.zeros((), dtype=torch.float64)
    for prompt in these.prompts:
        for answer in tiny.every_answer(length):
            ours, theirs = (tiny.answer_logprob(each, prompt, answer) for each in (model, reference))
            expected += ours.exp() * (ours - theirs.detach()) / len(these)
    torch.testing.assert_close(exact, expected, rtol=1e-10, atol=0)
    for mine, wanted in zip(
        torch.autograd.grad(exact, list(model.parameters())),
        torch.autograd.grad(expected, list(model.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(mine, wanted, rtol=1e-8, atol=1e-12)


def test_kl_of_long_answers_is_refused() -> None:
    model = _policy()
    with pytest.raises(ValueError, match="exact KL of CW"):
        next(kl_parts(model, model, problems(DOMAINS["cw"], "eval")))
