"""What a GPU records and replays gives what the CPU computes; on the CPU the same code runs without recordings."""

import copy

import pytest
import torch

from tests.test_population import MODEL, SEEDS, WARM_START, start
from toymdrl.course import warm_start
from toymdrl.curvature import FixedLoss, Hessian, Loss, gradient, value
from toymdrl.domains import DOMAINS, problems
from toymdrl.parameters import at_parameters, read_parameters
from toymdrl.policy.exact import ExpectedReward
from toymdrl.policy.losses import reward_loss
from toymdrl.policy.model import Policy
from toymdrl.policy.scores import evaluate
from toymdrl.replay import Replay
from toymdrl.runs import cohort
from toymdrl.streams import stream
from toymdrl.training import population
from toymdrl.training import stage as training
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.population import Population
from toymdrl.training.pretrain import WarmStartConfig

on_every_device = pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))],
)


def able() -> Policy:
    """Earns rewards in every domain: without any, gradients are rounding errors, which Adam makes large."""
    return warm_start().double()


@on_every_device
@pytest.mark.parametrize("domain", DOMAINS)
def test_recorded_steps_are_those_of_a_run_on_the_cpu(domain: str, device: str) -> None:
    config = GRPOConfig(steps=5, prompts=8, group=4, updates=2)
    everyone = Population([able().to(device) for _ in SEEDS])
    stage = population.rl_stage(everyone, domain, config, SEEDS, "test")
    while stage.step < stage.steps:
        stage.advance()
    alone = [training.rl_stage(able(), domain, config, seed, "test") for seed in SEEDS]
    expected = [[each.advance() for each in alone] for _ in range(config.steps)]
    for ours, theirs in zip(stage.logs(), expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert other["reward"] > 0
            # The rate is a float32 on the device, so steps agree to its precision.
            assert one == pytest.approx(other, rel=1e-5, abs=1e-7)
    for policy, each in zip(stage.population.policies(), alone, strict=True):
        torch.testing.assert_close(read_parameters(policy).cpu(), read_parameters(each.policy), rtol=1e-5, atol=1e-7)


@on_every_device
def test_a_recorded_warm_start_draws_what_a_run_draws(device: str) -> None:
    config = WarmStartConfig(steps=4, batch=WARM_START.batch, learning_rate=0.0, weight_decay=0.0)
    everyone = Population([Policy(MODEL).to(device) for _ in SEEDS])
    stage = population.warm_start(everyone, MODEL, config, SEEDS)
    while stage.step < stage.steps:
        stage.advance()
    alone = [training.warm_start(MODEL, config, seed) for seed in SEEDS]
    for logs in stage.logs():
        for log, each in zip(logs, alone, strict=True):
            assert log["loss"] == pytest.approx(each.advance()["loss"], rel=1e-5)


@on_every_device
def test_recorded_scores_follow_the_weights(device: str) -> None:
    everyone = Population([start(seed).to(device) for seed in SEEDS])
    score = cohort.scoring(everyone)
    for weight in (1.0, 1.0, 0.9):
        with torch.no_grad():
            for tensor in everyone.weights.values():
                tensor.mul_(weight)
        expected = [evaluate(policy.cpu()) for policy in everyone.policies()]
        for ours, theirs in zip(cohort.by_member(score()), expected, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6)


def unrecorded(objective: ExpectedReward) -> Loss:
    """The loss that `points` makes a fixed one of."""
    return lambda policy: (-100 * part for part in objective.parts(policy))


@pytest.fixture
def as_if_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixed loss takes the way of a GPU wherever it is; on the CPU its replays then do the work each time."""
    monkeypatch.setattr("toymdrl.derivatives.records", lambda _: True)


@pytest.mark.usefixtures("as_if_recorded")
@on_every_device
def test_a_fixed_loss_is_measured_wherever_the_parameters_are(device: str) -> None:
    here, there = start(3), start(3).to(device)
    objective = ExpectedReward(problems(DOMAINS["code"], "eval").subset(slice(100)))
    loss = reward_loss(objective)
    assert isinstance(loss, FixedLoss)
    plain = unrecorded(objective)
    vectors = torch.randn(3, len(read_parameters(here)), generator=stream("vectors"), dtype=torch.float64)
    for place in (read_parameters(here), read_parameters(here) + 0.01 * vectors[0], read_parameters(here)):
        with at_parameters(here, place), at_parameters(there, place.to(device)):
            assert value(there, loss) == pytest.approx(value(here, plain), rel=1e-9)
            torch.testing.assert_close(gradient(there, loss).cpu(), gradient(here, plain))
            bent = Hessian(there, loss) @ vectors[1:].T.to(device)
            torch.testing.assert_close(bent.cpu(), Hessian(here, plain) @ vectors[1:].T)


@pytest.mark.usefixtures("as_if_recorded")
@on_every_device
def test_a_fixed_loss_serves_another_module_and_moved_parameters(device: str) -> None:
    objective = ExpectedReward(problems(DOMAINS["math"], "eval").subset(slice(50)))
    loss, plain = reward_loss(objective), unrecorded(objective)
    one, two = start(3).to(device), start(4).to(device)
    for policy in (one, one, two, one):
        recorded = loss.recorded(policy)
        assert recorded is not None
        assert recorded.serves(policy)
        assert not recorded.serves(two if policy is one else one)
        assert loss.recorded(policy) is recorded
        assert value(policy, loss) == pytest.approx(value(copy.deepcopy(policy).cpu(), plain), rel=1e-9)
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.data = parameter.data * 0.5  # elsewhere in memory
    assert recorded is not None
    assert not recorded.serves(one)
    assert value(one, loss) == pytest.approx(value(copy.deepcopy(one).cpu(), plain), rel=1e-9)


@on_every_device
def test_a_replay_sees_what_its_tensors_hold_now(device: str) -> None:
    given = torch.zeros((), device=device)
    double = Replay(lambda: 2 * given, given.device)
    for number in (1.0, 2.0, 3.0, 4.0):
        given.fill_(number)
        assert float(double()) == 2 * number
