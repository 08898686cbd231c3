from dataclasses import replace

import pytest
import torch
from torch import Tensor

from toymdrl.parameters import read_parameters, write_parameters
from toymdrl.policy.model import Policy, copy_policy
from toymdrl.runs.config import PRESETS
from toymdrl.streams import stream
from toymdrl.training.mixture import anchored, mix, pcgrad, total
from toymdrl.training.stage import rl_stage, warm_start

SMOKE = PRESETS["smoke"]


@pytest.fixture(scope="module")
def policy() -> Policy:
    """Warm enough to earn a reward now and then."""
    return warm_start(SMOKE.model, SMOKE.warm_start, 0).finish()


def trained(training_of: object, policy: Policy) -> Tensor:
    assert callable(training_of)
    return read_parameters(training_of(copy_policy(policy).requires_grad_(True)).finish())


def test_one_domain_is_the_plain_stage_to_the_last_bit(policy: Policy) -> None:
    one = trained(lambda p: mix(p, {"qa": 16}, SMOKE.grpo, 3, "stage"), policy)
    assert torch.equal(one, trained(lambda p: rl_stage(p, "qa", SMOKE.grpo, 3, "stage"), policy))
    assert not torch.equal(one, read_parameters(policy))


def test_the_mean_over_all_prompts_is_the_sum_of_the_weighted_domains(policy: Policy) -> None:
    """Through Adam's first step the sign of every coordinate's gradient is told."""
    seen: list[Tensor] = []

    def spy(gradients: Tensor, generator: torch.Generator) -> Tensor:
        seen.append(gradients)
        return total(gradients, generator)

    once = replace(SMOKE.grpo, steps=1, kl=0.0, gradient_norm=1e9)
    after = trained(lambda p: mix(p, {"cw": 12, "qa": 4}, once, 0, "t", spy), policy)
    (gradients,) = seen
    assert gradients.shape == (2, len(read_parameters(policy)))
    moved = after - read_parameters(policy)
    combined = gradients.sum(0)
    steep = combined.abs() > 1e-7
    assert steep.any()
    assert torch.equal(moved[steep].sign(), -combined[steep].sign())


def test_pcgrad_takes_conflicts_away_and_keeps_the_rest() -> None:
    """Two conflicting gradients: each loses its part along the other (arXiv 2001.06782), whatever the order."""
    one, two = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    by_hand = one - (one @ two) / (two @ two) * two + two - (one @ two) / (one @ one) * one
    for seed in range(3):
        assert torch.allclose(pcgrad(torch.stack([one, two]), stream(seed)), by_hand)
    agreeing = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert torch.allclose(pcgrad(agreeing, stream(0)), agreeing.sum(0))


def test_pcgrad_draws_from_its_generator_alone() -> None:
    gradients = torch.randn(3, 5, generator=stream("gradients"))
    before = torch.random.get_rng_state()
    assert torch.equal(pcgrad(gradients, stream(1)), pcgrad(gradients, stream(1)))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_ewc_adds_the_gradient_of_its_penalty(policy: Policy) -> None:
    own = read_parameters(policy)
    moved = copy_policy(policy).requires_grad_(True)
    write_parameters(moved, own + 0.1)
    fisher = torch.rand(own.shape, generator=stream("fisher"))
    gradients = torch.randn(2, len(own), generator=stream("gradients"))
    parameters = torch.cat([parameter.flatten() for parameter in moved.parameters()])
    penalty = 7.0 * (fisher * (parameters - own).square()).sum() / 2
    slope = torch.cat([part.flatten() for part in torch.autograd.grad(penalty, list(moved.parameters()))])
    found = anchored(7.0, fisher, own, moved)(gradients, stream(0))
    assert torch.allclose(found, gradients.sum(0) + slope, atol=1e-6)


def test_a_combination_decides_the_step(policy: Policy) -> None:
    none = trained(lambda p: mix(p, {"math": 8, "qa": 8}, SMOKE.grpo, 0, "t", lambda g, _: 0 * g[0]), policy)
    assert torch.equal(none, read_parameters(policy))
