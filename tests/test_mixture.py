from dataclasses import replace

import pytest
import torch
from torch import Tensor

from experiments.mixture import mix, total
from toymdrl.config import PRESETS
from toymdrl.model import Policy
from toymdrl.parameters import read
from toymdrl.training import copy_policy, reinforce, warm_start

SMOKE = PRESETS["smoke"]


@pytest.fixture(scope="module")
def policy() -> Policy:
    """Warm enough to earn a reward now and then."""
    training = warm_start(SMOKE.model, SMOKE.warm_start, 0)
    while training.step < training.steps:
        training.advance()
    return training.policy


def trained(training_of: object, policy: Policy) -> Tensor:
    assert callable(training_of)
    training = training_of(copy_policy(policy).requires_grad_(True))
    while training.step < training.steps:
        training.advance()
    return read(training.policy)


def test_one_domain_is_the_plain_stage_to_the_last_bit(policy: Policy) -> None:
    one = trained(lambda p: mix(p, {"qa": 16}, SMOKE.grpo, 3, "stage"), policy)
    assert torch.equal(one, trained(lambda p: reinforce(p, "qa", SMOKE.grpo, 3, "stage"), policy))
    assert not torch.equal(one, read(policy))


def test_the_mean_over_all_prompts_is_the_sum_of_the_weighted_domains(policy: Policy) -> None:
    """Through Adam's first step the sign of every coordinate's gradient is told."""
    seen: list[Tensor] = []

    def spy(gradients: Tensor, generator: torch.Generator) -> Tensor:
        seen.append(gradients)
        return total(gradients, generator)

    once = replace(SMOKE.grpo, steps=1, kl=0.0, gradient_norm=1e9)
    after = trained(lambda p: mix(p, {"cw": 12, "qa": 4}, once, 0, "t", spy), policy)
    (gradients,) = seen
    assert gradients.shape == (2, len(read(policy)))
    moved = after - read(policy)
    combined = gradients.sum(0)
    steep = combined.abs() > 1e-7
    assert steep.any()
    assert torch.equal(moved[steep].sign(), -combined[steep].sign())


def test_a_combination_decides_the_step(policy: Policy) -> None:
    none = trained(lambda p: mix(p, {"math": 8, "qa": 8}, SMOKE.grpo, 0, "t", lambda g, _: 0 * g[0]), policy)
    assert torch.equal(none, read(policy))
