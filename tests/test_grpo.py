"""GRPO: its mean gradient against enumeration, its parts against their definitions."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests import tiny
from toymdrl.domains import Problems
from toymdrl.domains.vocab import EOS, PAD
from toymdrl.policy.exact import ExpectedReward, kl_parts
from toymdrl.policy.model import DivergenceError, Policy
from toymdrl.policy.rollout import Rollout, answer_log_policy, sample
from toymdrl.streams import stream
from toymdrl.training.baseline import MEMORY, RunningBaseline
from toymdrl.training.grpo import GRPO, Advantage, GRPOConfig, advantages, learning_rate, loss, measure
from toymdrl.training.objective import Learner, Parts
from toymdrl.training.stage import Alone, Training

CONFIG = GRPOConfig(group=4, kl=0.0)


def _flat(parts: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def _loss_gradient(model: Policy, rollout: Rollout, config: GRPOConfig, reference: Policy | None = None) -> Tensor:
    log_reference = None
    if reference is not None:
        with torch.no_grad():
            log_reference = answer_log_policy(reference, rollout.prompts, rollout.answers)
    log_policy = answer_log_policy(model, rollout.prompts, rollout.answers)
    signal = advantages(rollout.rewards, config.advantage)
    value = loss(log_policy, rollout, signal, config, log_reference)
    return _flat(torch.autograd.grad(value, list(model.parameters())))


class Given(GRPO):
    """GRPO on a rollout that is given."""

    def __init__(self, rollout: Rollout, config: GRPOConfig, reference: Policy | None) -> None:
        super().__init__(tiny.sums(), config, Alone(reference or tiny.policy()))
        self.rollout = rollout

    def play(self, learner: Learner, *drawn: Tensor) -> Parts:
        these = self.rollout
        parts = (these.prompts, these.answers, these.mask, these.logprobs, these.rewards, self.signal(these.rewards))
        if self._reference is None:
            return parts
        return *parts, self._reference.each(answer_log_policy, these.prompts, these.answers)


def training_on(
    model: Policy, rollout: Rollout, config: GRPOConfig, reference: Policy | None = None, rate: float = 0.1
) -> Training:
    constant = replace(config, learning_rate=rate, anneal=False)
    return Training(model, Given(rollout, constant, reference), stream("given"))


def _repeated(copies: int) -> Problems:
    these = tiny.sums()
    return these.subset(torch.arange(len(these)).repeat(copies))


@pytest.mark.parametrize(("kl", "advantage"), [(0.0, "mean"), (1.0, "mean"), (1.0, "rloo")])
def test_mean_gradient_is_the_policy_gradient(kl: float, advantage: Advantage) -> None:
    """E[gradient] = -c grad J + beta grad KL(policy || reference), and not the forward KL's gradient."""
    model, reference, these = tiny.policy(3), tiny.policy(4), tiny.sums()
    config = replace(CONFIG, kl=kl, advantage=advantage)
    parameters = list(model.parameters())
    reward = _flat(torch.autograd.grad(ExpectedReward(these)(model), parameters))
    reverse = _flat(torch.autograd.grad(torch.stack(list(kl_parts(model, reference, these))).sum(), parameters))
    biased = (config.group - 1) / config.group
    share, other = (biased, 1.0) if advantage == "mean" else (1.0, biased)
    expected = -share * reward + kl * reverse
    batches, generator = 200, stream("mean gradient", int(kl))
    samples = torch.stack(
        [
            _loss_gradient(model, sample(model, _repeated(64), config.group, generator), config, reference)
            for _ in range(batches)
        ]
    )
    error = samples.std(dim=0) / batches**0.5
    moving = error > 1e-12
    scores = (samples.mean(dim=0) - expected)[moving] / error[moving]
    assert scores.abs().max() < 5
    assert scores.square().mean() < 1.5
    # The test can tell the factors (G - 1)/G and 1 apart: they differ by many standard errors along the gradient.
    along = samples @ reward / reward.norm()
    assert abs(share - other) * reward.norm() > 5 * along.std() / batches**0.5
    if kl:
        enumerated = torch.zeros((), dtype=torch.float64)
        for prompt in these.prompts:
            for answer in tiny.every_answer(2):
                ours, theirs = (tiny.answer_logprob(each, prompt, answer) for each in (model, reference))
                enumerated += theirs.detach().exp() * (theirs.detach() - ours) / len(these)
        forward = _flat(torch.autograd.grad(enumerated, parameters))
        wrong = -share * reward + kl * forward
        assert ((samples.mean(dim=0) - wrong)[moving] / error[moving]).abs().max() > 20


def test_a_running_baseline_leaves_the_policy_gradient_as_it_is() -> None:
    """E[gradient] = -grad J, though the baseline is another one in every batch."""
    model, these = tiny.policy(3), tiny.sums()
    parameters = list(model.parameters())
    reward = _flat(torch.autograd.grad(ExpectedReward(these)(model), parameters))
    learner, generator = Alone(model), stream("running baseline")
    objective = RunningBaseline(_repeated(64), CONFIG, learner)
    batches, samples, expected = 200, [], 0.0
    for _ in range(batches):
        with torch.no_grad():
            played = objective.play(learner, *objective.draw(generator))
        samples.append(_flat(torch.autograd.grad(objective.loss(model, *played)[0], parameters)))
        # The advantage is the reward less the average of earlier steps, which does not know this one.
        torch.testing.assert_close(played[5], played[4] - expected)
        expected = MEMORY * expected + (1 - MEMORY) * float(played[4].mean())
    drawn = torch.stack(samples)
    error = drawn.std(dim=0) / batches**0.5
    moving = error > 1e-12
    scores = (drawn.mean(dim=0) + reward)[moving] / error[moving]
    assert scores.abs().max() < 5
    assert scores.square().mean() < 1.5
    assert float(objective.state()["baseline"]) == pytest.approx(expected)


@given(
    rewards=st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=5),
    kind=st.sampled_from(["mean", "zscore", "rloo"]),
    shift=st.floats(-3, 3),
    scale=st.sampled_from([1.0, 1e-5]),
)
def test_advantages(rewards: list[list[float]], kind: str, shift: float, scale: float) -> None:
    table = scale * torch.tensor(rewards, dtype=torch.float64)
    values = advantages(table, kind)
    assert (values * (table - table.mean(dim=1, keepdim=True)) >= 0).all()
    torch.testing.assert_close(values.sum(dim=1), torch.zeros(len(table), dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(advantages(table + shift, kind), values, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(advantages(table.flip(1), kind), values.flip(1), rtol=1e-9, atol=1e-9)
    assert (values[(table == table[:, :1]).all(dim=1)] == 0).all()
    if kind == "zscore" and (wide := table.std(dim=1) > 0.1).any():
        torch.testing.assert_close(values[wide].std(dim=1), torch.ones(int(wide.sum())).double(), rtol=2e-3, atol=0)
    if kind == "rloo":
        for answer in range(4):
            others = table[:, [each for each in range(4) if each != answer]].mean(dim=1)
            torch.testing.assert_close(values[:, answer], table[:, answer] - others, rtol=1e-9, atol=1e-12)


def test_a_kl_weight_needs_a_reference() -> None:
    rollout = sample(tiny.policy(), tiny.sums(), 4, stream("no reference"))
    log_policy = answer_log_policy(tiny.policy(), rollout.prompts, rollout.answers)
    with pytest.raises(ValueError, match="needs the reference"):
        loss(log_policy, rollout, advantages(rollout.rewards, "mean"), replace(CONFIG, kl=0.1))


def test_unknown_advantage_is_named() -> None:
    with pytest.raises(ValueError, match="unknown advantage 'median'"):
        advantages(torch.zeros(1, 2), "median")


@given(seed=st.integers(0, 2**16))
def test_order_of_answers_and_prompts_does_not_matter(seed: int) -> None:
    model, reference = tiny.policy(5), tiny.policy(6)
    rollout = sample(model, tiny.sums(), 4, stream("order", seed))
    config = replace(CONFIG, kl=0.3)
    members, prompts = (torch.randperm(4, generator=stream(each, seed)) for each in ("members", "prompts"))
    shuffled = Rollout(
        rollout.prompts[prompts],
        *(each[prompts][:, members] for each in (rollout.answers, rollout.mask, rollout.logprobs, rollout.rewards)),
    )
    torch.testing.assert_close(
        _loss_gradient(model, rollout, config, reference),
        _loss_gradient(model, shuffled, config, reference),
        rtol=1e-9,
        atol=1e-12,
    )


def test_clipping_against_the_definition() -> None:
    """min(ratio A, clip(ratio) A) for one answer of one token, on both sides and for both signs."""
    config = replace(CONFIG, clip=0.2)
    for ratio, reward, expected in (
        (1.1, 1.0, 1.1), (1.5, 1.0, 1.2), (0.5, 1.0, 0.5), (0.5, -1.0, -0.8), (1.5, -1.0, -1.5),
    ):  # fmt: skip
        log_policy = torch.log(torch.tensor([[[[0.3 * ratio, 1 - 0.3 * ratio]], [[0.3, 0.7]]]], dtype=torch.float64))
        rollout = Rollout(
            prompts=torch.zeros(1, 1, dtype=torch.int64),
            answers=torch.zeros(1, 2, 1, dtype=torch.int64),
            mask=torch.ones(1, 2, 1),
            logprobs=torch.full((1, 2, 1), 0.3, dtype=torch.float64).log(),
            rewards=torch.tensor([[reward, -reward]], dtype=torch.float64),
        )
        # The second answer has ratio 1 and advantage -reward; the mean over two answers is taken.
        assert -2 * float(loss(log_policy, rollout, advantages(rollout.rewards, "mean"), config)) == pytest.approx(
            expected - reward
        )


def test_ratio_is_one_on_policy_and_eos_is_trained_but_padding_is_not() -> None:
    model = tiny.policy(7)
    rollout = sample(model, _repeated(50), 4, stream("eos"))
    ended = rollout.answers[:, :, 0] == EOS
    assert ended.any()
    assert not ended.all()
    assert (rollout.answers[:, :, 1][ended] == PAD).all()
    assert (rollout.mask[:, :, 0] == 1).all()
    assert (rollout.mask[:, :, 1] == (~ended).double()).all()
    log_policy = answer_log_policy(model, rollout.prompts, rollout.answers)
    again = log_policy.gather(-1, rollout.answers.unsqueeze(-1)).squeeze(-1) * rollout.mask
    torch.testing.assert_close(again, rollout.logprobs, rtol=0, atol=1e-10)
    # What stands behind EOS has no influence.
    noise = rollout.answers.clone()
    noise[:, :, 1][ended] = 3
    changed = replace(rollout, answers=noise)
    torch.testing.assert_close(_loss_gradient(model, changed, CONFIG), _loss_gradient(model, rollout, CONFIG))


def test_equal_rewards_leave_the_policy_alone() -> None:
    model = tiny.policy(8)
    rollout = replace(sample(model, tiny.sums(), 4, stream("flat")), rewards=torch.full((4, 4), 0.5).double())
    assert (_loss_gradient(model, rollout, CONFIG) == 0).all()
    metrics = training_on(model, rollout, CONFIG).advance()
    assert metrics["flat_groups"] == 1
    assert metrics["gradient_norm"] == 0


def test_several_updates_raise_the_reward_of_what_was_sampled() -> None:
    model = tiny.policy(9)
    rollout = sample(model, _repeated(20), 8, stream("updates"))
    one, several = (training_on(model, rollout, replace(CONFIG, updates=count), rate=0.02) for count in (1, 8))
    first, last = one.advance(), several.advance()
    assert first["clipped"] == 0
    assert last["clipped"] > 0
    assert last["loss"] < first["loss"]


@pytest.mark.parametrize("factor", [float("nan"), 1e200])
def test_a_loss_or_gradient_that_is_not_finite_stops_before_the_update(factor: float) -> None:
    """1e200: the loss is finite, and the norm of its gradient is not."""
    model = tiny.policy(10)
    before = [weight.clone() for weight in model.parameters()]
    rollout = sample(model, tiny.sums(), 4, stream("nan"))
    bad = replace(rollout, rewards=torch.eye(4).double() * factor)
    with pytest.raises(DivergenceError, match=r"gradient's norm (nan|inf)"):
        training_on(model, bad, CONFIG).advance()
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_metrics_are_means_over_answers_and_their_tokens(generator: torch.Generator) -> None:
    """By loops over answers and tokens, with torch's own entropy and divergence."""
    mask = torch.tensor([[[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]])
    policy, reference = (torch.randn(2, 2, 3, 5, generator=generator).log_softmax(dim=-1) for _ in range(2))
    answers = torch.randint(0, 5, (2, 2, 3), generator=generator)
    old = policy.gather(-1, answers.unsqueeze(-1)).squeeze(-1) + 0.5 * torch.randn(2, 2, 3, generator=generator)
    rewards = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    rollout = Rollout(prompts=torch.zeros(2, 1), answers=answers, logprobs=old, mask=mask, rewards=rewards)
    found = measure(policy, rollout, CONFIG, reference)
    one, other = (torch.distributions.Categorical(logits=each) for each in (policy, reference))
    entropy, kl = one.entropy(), torch.distributions.kl_divergence(one, other)
    outside, entropies, divergences = [], [], []
    for prompt in range(2):
        for answer in range(2):
            tokens = [(prompt, answer, at) for at in range(3) if mask[prompt, answer, at]]
            entropies += [float(entropy[each]) for each in tokens]
            divergences.append(sum(float(kl[each]) for each in tokens))
            ratios = [float((one.log_prob(answers)[each] - old[each]).exp()) for each in tokens]
            outside += [abs(ratio - 1) > CONFIG.clip for ratio in ratios]
    assert float(found["entropy"]) == pytest.approx(sum(entropies) / len(entropies))
    assert float(found["kl"]) == pytest.approx(sum(divergences) / len(divergences))
    assert 0 < sum(outside) < len(outside)
    assert float(found["clipped"]) == pytest.approx(sum(outside) / len(outside))
    assert (float(found["reward"]), float(found["flat_groups"])) == (0.5, 0.5)
    assert float(measure(policy, rollout, CONFIG)["kl"]) == 0


def test_without_a_kl_weight_a_reference_is_not_looked_at(generator: torch.Generator) -> None:
    rollout, found = sample(tiny.policy(3), tiny.sums(), 4, generator), {}
    for weight in (0.0, 0.5):
        model = tiny.policy(3)
        found[weight] = training_on(model, rollout, replace(CONFIG, kl=weight), tiny.policy(4)).advance()["kl"]
    assert found[0.0] == 0
    assert found[0.5] > 0


def test_an_update_forgets_the_gradient_before(generator: torch.Generator) -> None:
    rollout = sample(tiny.policy(3), tiny.sums(), 4, generator)
    moved = []
    for stale in (False, True):
        model = tiny.policy(3)
        if stale:
            for parameter in model.parameters():
                parameter.grad = torch.ones_like(parameter)
        training_on(model, rollout, CONFIG).advance()
        moved.append(_flat(tuple(model.parameters())))
    assert torch.equal(*moved)


def test_the_learning_rate_falls_in_equal_steps_to_just_above_zero() -> None:
    falling = [learning_rate(GRPOConfig(steps=4, learning_rate=8.0), step) for step in range(4)]
    assert falling == [8.0, 6.0, 4.0, 2.0]
    assert learning_rate(GRPOConfig(steps=4, learning_rate=8.0, anneal=False), 3) == 8.0
