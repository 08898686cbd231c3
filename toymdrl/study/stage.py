"""What the questions have in common: a seed's run, and one more stage of training from one of its checkpoints."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from toymdrl.claims.subject import Subject
from toymdrl.curvature import Hessian, gradient
from toymdrl.parameters import read_parameters
from toymdrl.policy.exact import ExpectedReward
from toymdrl.policy.losses import first_problems, reward_loss
from toymdrl.policy.model import Policy, copy_policy
from toymdrl.runs import cohort
from toymdrl.runs.config import PRESETS, RunConfig, validate
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.machine import prepare
from toymdrl.runs.plan import Stage, everything, headline
from toymdrl.runs.progress import Observer
from toymdrl.study.questions import Setting
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.stage import rl_stage


def seeds_of(preset: str, seeds: range, **rest: Any) -> list[Setting]:
    """One setting a seed."""
    return [{"preset": preset, "seed": seed, **rest} for seed in seeds]


def config_of(setting: Setting) -> RunConfig:
    """The run that a setting starts from; one thread, because its worker is one of several."""
    device = setting.get("device", "cpu")
    return validate(replace(PRESETS[setting["preset"]], seed=setting["seed"], device=device, threads=1))


def run_of(setting: Setting, out: Path) -> RunDirectory:
    """A setting's run with all its stages, trained now if it has not been; waits for another worker that is at it."""
    config = config_of(setting)
    return executed(config, everything(config), out)


def subject_of(run: RunDirectory) -> Subject:
    """A run as its analyses see it, Math harmed."""
    head = headline(run.config)
    if head is None:
        raise ValueError("the order has one domain")
    return Subject.of(run, head)


def executed(config: RunConfig, plan: list[Stage], out: Path) -> RunDirectory:
    """A run with these stages done."""
    prepare(config)
    run = RunDirectory.create(out / "runs", config)
    with run.lock(wait=True):
        cohort.train(run, plan, Observer())
    return run


def train_together(settings: Sequence[Setting], out: Path, observer: Observer) -> None:
    """The runs of settings that differ in their seed alone, trained at once with all their stages."""
    configs = [config_of(setting) for setting in settings]
    prepare(configs[0])
    runs = [RunDirectory.create(out / "runs", config) for config in configs]
    with ExitStack() as locks:
        for run in runs:
            locks.enter_context(run.lock(wait=True))
        cohort.execute(runs, everything(configs[0]), observer)


def train(
    start: Policy,
    domain: str,
    config: GRPOConfig,
    setting: Setting,
    purpose: str,
    after: Callable[[Policy], None] | None = None,
) -> Policy:
    """A copy of a policy, trained on one domain.

    Args:
        start: left as it is.
        domain: a key of DOMAINS.
        config: of the stage.
        setting: its seed is used.
        purpose: tells the stage's random stream from others; "stage" is the run's own.
        after: called with the policy after each step, which it may change.
    """
    policy = copy_policy(start).requires_grad_(True)
    return rl_stage(policy, domain, config, setting["seed"], purpose).finish(after)


def expansion(before: Policy, after: Policy, domain: str, prompts: int = 1024) -> tuple[float, float]:
    """First- and second-order damage of an update to a domain, in points, on its train prompts.

    Args:
        before: the domain's own checkpoint.
        after: what a later stage made of it.
        domain: a key of DOMAINS.
        prompts: how many; a CW prompt counts as 16.
    """
    loss = reward_loss(ExpectedReward(first_problems(domain, "train", prompts)))
    delta = read_parameters(after) - read_parameters(before)
    hessian = Hessian(copy_policy(before).requires_grad_(True), loss, keep_graph=False)
    return float(gradient(hessian.module, loss) @ delta), float(delta @ (hessian @ delta)) / 2
