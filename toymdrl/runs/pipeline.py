"""The experiment: warm start, the domains in sequence, a refresh of each from the end; and what to compare with.

A run goes from checkpoint to checkpoint. Each stage starts from an earlier checkpoint with a fresh optimiser and a
random stream of its own, so any stage can be done again from the files before it, to the same bytes.
"""

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from toymdrl.domains import DOMAINS, problems
from toymdrl.files import CorruptFile, load_tensors, save_tensors
from toymdrl.policy.exact import ExpectedReward, score
from toymdrl.policy.model import DivergenceError, Policy
from toymdrl.runs.config import ConfigError, RunConfig, headline_domain, headline_refresh
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.provenance import source_digest
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.stage import Training, reinforce, warm_start

SAVE_SECONDS = 5.0
"""Most work that an interruption can lose of a run that is trained alone; see cohort.py for a GPU's."""
BASE = "base"
WARM_START_SOURCES = ("streams.py", "domains", "policy", "training")


@dataclass(frozen=True)
class Stage:
    """One stretch of training, from one checkpoint to one or more others."""

    name: str
    domain: str | None
    """The domain trained; None for the warm start."""
    start: str | None
    """The checkpoint it starts from; None for random weights."""
    steps: int
    keeps: dict[int, str]
    """Checkpoints by the step after which they are kept; the last step is one of them."""


def stages(config: RunConfig) -> list[Stage]:
    """The paper's experiment: warm start, sequence, refreshes."""
    plan = [Stage(BASE, None, None, config.warm_start.steps, {config.warm_start.steps: BASE})]
    for key in config.order:
        plan.append(Stage(key, key, plan[-1].name, config.grpo.steps, {config.grpo.steps: key}))
    last = plan[-1].name
    for key in config.order:
        name = f"refresh-{key}"
        keeps = {step: f"{name}-{step}" for step in config.refresh_steps}
        plan.append(Stage(name, key, last, config.refresh.steps, keeps))
    return plan


def controls(config: RunConfig) -> list[Stage]:
    """What the analysis compares with.

    Each domain alone from the warm start (C3 to C6); and the harmed domain trained further from its own checkpoint, for
    as long as the headline's refresh: what a refresh gains where nothing is to be repaired (C10).
    """
    harmed = headline_domain(config)
    if harmed is None:
        return []
    alone = [
        Stage(f"expert-{key}", key, BASE, config.grpo.steps, {config.grpo.steps: f"expert-{key}"})
        for key in config.order
    ]
    steps = headline_refresh(config)
    return [*alone, Stage(f"further-{harmed}", harmed, harmed, steps, {steps: f"further-{harmed}-{steps}"})]


def everything(config: RunConfig) -> list[Stage]:
    """All that a run can train, in order."""
    return stages(config) + controls(config)


def stage_config(config: RunConfig, stage: Stage) -> GRPOConfig:
    """The GRPO settings of a stage that trains a domain."""
    return config.refresh if stage.name.startswith(("refresh-", "further-")) else config.grpo


class Observer:
    """What a run tells while it goes on; this one listens to nothing."""

    def begin(self, stage: Stage, step: int) -> None:
        """A stage begins, or goes on after `step` steps."""

    def step(self, stage: Stage, metrics: dict[str, float]) -> None:
        """A step was taken."""

    def checkpoint(self, name: str, scores: dict[str, float]) -> None:
        """A checkpoint was kept, or had been kept by an earlier session."""

    def analysis(self, name: str) -> None:
        """An analysis was done, or had been done by an earlier session."""

    def warn(self, message: str) -> None:
        """Something was wrong and has been dealt with."""


class StageDivergedError(ArithmeticError):
    """A stage met a loss that is not finite; the message names the step and what was kept."""


@cache
def scoreboard() -> dict[str, ExpectedReward]:
    """The exact expected reward on the eval split of every domain."""
    return {key: ExpectedReward(problems(domain, "eval")) for key, domain in DOMAINS.items()}


def evaluate(policy: Policy) -> dict[str, float]:
    """Scores of a policy on unseen prompts, 100 x exact expected reward, by domain.

    Raises:
        DivergenceError: a score is not finite.
    """
    scores = {key: score(policy, objective) for key, objective in scoreboard().items()}
    if not all(math.isfinite(value) for value in scores.values()):
        raise DivergenceError(f"the scores are {scores}")
    return scores


def weights(policy: Policy) -> dict[str, Tensor]:
    """A policy's parameters by name."""
    return {name: weight.detach() for name, weight in policy.named_parameters()}


def load_policy(run: RunDirectory, checkpoint: str) -> Policy:
    """A checkpoint as a policy on the run's device.

    Raises:
        CorruptFile: the checkpoint's file is damaged.
    """
    policy = Policy(run.config.model)
    policy.load_state_dict(run.load_checkpoint(checkpoint))
    return policy.to(run.config.device)


def prepare(config: RunConfig) -> None:
    """Set the process up for a config: threads and deterministic kernels. Call once, before any work.

    Raises:
        ConfigError: the device is not there.
    """
    try:
        torch.zeros(1, device=config.device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {config.device!r} is not available here; begin a run with --device cpu") from error
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(config.device == "cpu")


def warm_start_file(config: RunConfig, out: Path) -> Path:
    """Where the warm start of a config is cached: named by a hash of all that its bytes depend on."""
    content = {
        "model": asdict(config.model),
        "warm_start": asdict(config.warm_start),
        "seed": config.seed,
        "device": config.device,
        "threads": config.threads,
        "torch": torch.__version__,
        "sources": source_digest(WARM_START_SOURCES),
    }
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    return out / "warm-starts" / f"{key}.safetensors"


def execute(run: RunDirectory, plan: list[Stage], observer: Observer) -> None:
    """Do what is left of these stages. Hold the run's lock.

    Raises:
        StageDivergedError: a loss was not finite.
    """
    recover(run, observer)
    for stage in plan:
        if is_done(run, stage):
            have = {entry["name"]: entry["scores"] for entry in run.checkpoints}
            for name in stage.keeps.values():
                observer.checkpoint(name, have[name])
        elif stage.name == BASE and (cached := _cached_warm_start(run)):
            policy = Policy(run.config.model)
            policy.load_state_dict(cached)
            policy.to(run.config.device)
            scores = evaluate(policy)
            run.add_checkpoint(BASE, weights(policy), scores, None)
            observer.checkpoint(BASE, scores)
        else:
            _train(run, stage, observer)


def recover(run: RunDirectory, observer: Observer) -> None:
    """Tell what was damaged, and keep what is sound."""
    for warning in run.damage:
        observer.warn(warning)
    for warning in run.keep_sound_checkpoints() if run.checkpoints else _adopt(run):
        observer.warn(warning)


def is_done(run: RunDirectory, stage: Stage) -> bool:
    """Whether a run has all checkpoints of a stage."""
    return set(stage.keeps.values()) <= {entry["name"] for entry in run.checkpoints}


def _adopt(run: RunDirectory) -> list[str]:
    """Enter the checkpoints whose files outlived a damaged results.json, up to the first gap; what was done."""
    adopted: list[str] = []
    for name, trained in (
        (name, led_to(stage, step)) for stage in everything(run.config) for step, name in stage.keeps.items()
    ):
        if not run.checkpoint_file(name).exists():
            break
        try:
            policy = Policy(run.config.model)
            policy.load_state_dict(load_tensors(run.checkpoint_file(name))[0])
            run.adopt_checkpoint(name, evaluate(policy.to(run.config.device)), trained)
        except CorruptFile as error:
            return [f"{error}; going on from {adopted[-1] if adopted else 'the start'}"]
        adopted.append(name)
    return [f"scored {len(adopted)} checkpoints again; going on from {adopted[-1]}"] if adopted else []


def _cached_warm_start(run: RunDirectory) -> dict[str, Tensor] | None:
    file = warm_start_file(run.config, run.path.parent)
    try:
        tensors, about, _ = load_tensors(file)
    except CorruptFile:
        return None  # it will be computed, and written anew
    return tensors if about.get("warm start") == file.stem else None


def purpose(stage: Stage) -> str:
    """What tells a stage's random streams from those of other stages on the same domain."""
    return stage.name.removesuffix(f"-{stage.domain}") if stage.name != stage.domain else "stage"


def _begin(run: RunDirectory, stage: Stage) -> Training:
    config = run.config
    if stage.domain is None or stage.start is None:
        return warm_start(config.model, config.warm_start, config.seed, config.device)
    policy = load_policy(run, stage.start)
    return reinforce(policy, stage.domain, stage_config(config, stage), config.seed, purpose(stage))


def _restore(run: RunDirectory, stage: Stage, training: Training, observer: Observer) -> None:
    """Bring a stage to where an earlier session left it, and forget everything after that."""
    try:
        progress = run.load_progress(stage.name)
    except CorruptFile as error:
        observer.warn(f"{error}; beginning {stage.name} again")
        progress = None
    have = {entry["name"] for entry in run.checkpoints}
    if progress and all(name in have for step, name in stage.keeps.items() if step <= progress[1]):
        training.restore(*progress)
    rewind(run, stage, training.step)


def rewind(run: RunDirectory, stage: Stage, step: int) -> None:
    """Forget what a run has of a stage after so many steps, and of all later ones."""
    dropped = {name for at, name in stage.keeps.items() if at > step}
    run.checkpoints = [entry for entry in run.checkpoints if entry["name"] not in dropped]
    before = [each.name for each in everything(run.config)]
    run.metrics.rewind(set(before[: before.index(stage.name)]), stage.name, step)


def _train(run: RunDirectory, stage: Stage, observer: Observer) -> None:
    training = _begin(run, stage)
    _restore(run, stage, training, observer)
    observer.begin(stage, training.step)
    saved_step, saved_at = training.step, time.monotonic()
    while training.step < stage.steps:
        try:
            began = time.monotonic()
            metrics = training.advance()
            seconds = time.monotonic() - began
            kept_now = stage.keeps.get(training.step)
            scores = evaluate(training.policy) if looks(run.config, stage, training.step) else {}
            due = time.monotonic() - saved_at > SAVE_SECONDS and training.step < stage.steps
            state = training.state() if due else None
        except DivergenceError as error:
            raise StageDivergedError(diverged(run.config, stage, training.step, saved_step, error)) from error
        # The log first: a line too many is forgotten on resume, one too few could not be made again.
        line = {"stage": stage.name, "step": training.step, **metrics, "seconds": seconds}
        run.metrics.append({**line, "scores": scores} if scores else line)
        if kept_now:
            run.add_checkpoint(kept_now, weights(training.policy), scores, led_to(stage, training.step))
            observer.checkpoint(kept_now, scores)
        observer.step(stage, metrics)
        if state is not None:
            run.save_progress(stage.name, training.step, state)
            saved_step, saved_at = training.step, time.monotonic()
    if stage.name == BASE:
        file = warm_start_file(run.config, run.path.parent)
        save_tensors(file, weights(training.policy), {"warm start": file.stem})
    run.clear_progress()


def led_to(stage: Stage, step: int) -> tuple[str, int] | None:
    """Stage and step of a checkpoint's log; None of the warm start, which may come from a cache without one."""
    return (stage.name, step) if stage.domain else None


def looks(config: RunConfig, stage: Stage, step: int) -> bool:
    """Whether the policy is scored after this step of a stage."""
    return step in stage.keeps or (stage.domain is not None and step % config.evaluate_every == 0)


def diverged(config: RunConfig, stage: Stage, step: int, saved: int, error: DivergenceError) -> str:
    """What to tell of a stage that diverged in or after `step` steps."""
    kept = f"step {saved} of {stage.name}" if saved else f"checkpoint {stage.start}" if stage.start else "none yet"
    governed = stage_config(config, stage) is config.grpo and stage.domain is not None
    hint = "try a lower --lr" if governed else "its settings are in config.json"
    return f"{stage.name} after step {step}: {error}; the last good state kept is {kept}; {hint}"
