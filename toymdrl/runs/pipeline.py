"""A run trained: the stages of its plan, one after the other, each step logged and each checkpoint kept.

A run goes from checkpoint to checkpoint. Each stage starts from an earlier checkpoint with a fresh optimiser and a
random stream of its own, so any stage can be done again from the files before it, to the same bytes.
"""

import hashlib
import json
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from toymdrl.files import CorruptFile, load_tensors, save_tensors
from toymdrl.policy.model import DivergenceError, Policy
from toymdrl.policy.scores import evaluate, weights
from toymdrl.runs.config import RunConfig
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.metrics import Line
from toymdrl.runs.plan import BASE, Checkpoint, Stage, everything
from toymdrl.runs.progress import Observer
from toymdrl.sourcecode import source_digest
from toymdrl.training.pretrain import WarmStartConfig
from toymdrl.training.stage import Training, rl_stage, warm_start

SAVE_SECONDS = 5.0
"""Most work that an interruption can lose of a run that is trained alone; see cohort.py for a GPU's."""
WARM_START_SOURCES = ("streams.py", "domains", "policy", "training")


class StageDivergedError(ArithmeticError):
    """A stage met a loss that is not finite; the message names the step and what was kept."""


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
        if run.has(stage):
            for _, checkpoint in stage.checkpoints():
                if scored := run.scored(checkpoint):
                    observer.checkpoint(checkpoint, scored.scores)
        # Seeds apart, a warm start depends on few settings: runs that differ in others share it.
        elif stage.kind == "base" and (cached := _cached_warm_start(run)):
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


def _adopt(run: RunDirectory) -> list[str]:
    """Enter the checkpoints whose files outlived a damaged results.json, up to the first gap; what was done."""
    adopted: list[Checkpoint] = []
    for stage in everything(run.config):
        for step, checkpoint in stage.checkpoints():
            file = run.checkpoint_file(checkpoint)
            if not file.exists():
                return _told(adopted)
            try:
                policy = Policy(run.config.model)
                policy.load_state_dict(load_tensors(file)[0])
                run.adopt_checkpoint(checkpoint, evaluate(policy.to(run.config.device)), led_to(stage, step))
            except CorruptFile as error:
                return [f"{error}; going on from {adopted[-1].name if adopted else 'the start'}"]
            adopted.append(checkpoint)
    return _told(adopted)


def _told(adopted: list[Checkpoint]) -> list[str]:
    if not adopted:
        return []
    return [f"scored {len(adopted)} checkpoints again; going on from {adopted[-1].name}"]


def _cached_warm_start(run: RunDirectory) -> dict[str, Tensor] | None:
    file = warm_start_file(run.config, run.path.parent)
    try:
        tensors, about, _ = load_tensors(file)
    except CorruptFile:
        return None  # it will be computed, and written anew
    return tensors if about.get("warm start") == file.stem else None


def _begin(run: RunDirectory, stage: Stage) -> Training:
    config, settings = run.config, stage.settings
    if isinstance(settings, WarmStartConfig) or stage.start is None:
        return warm_start(config.model, config.warm_start, config.seed, config.device)
    return rl_stage(run.load_policy(stage.start), stage.domain, settings, config.seed, stage.kind)


def _restore(run: RunDirectory, stage: Stage, training: Training, observer: Observer) -> None:
    """Bring a stage to where an earlier session left it, and forget everything after that."""
    try:
        progress = run.load_progress(stage)
    except CorruptFile as error:
        observer.warn(f"{error}; beginning {stage.name} again")
        progress = None
    if progress:
        before = [checkpoint for step, checkpoint in stage.checkpoints() if step <= progress[1]]
        # The state is of use only if nothing that was kept on the way to it is lost.
        if all(run.scored(checkpoint) for checkpoint in before):
            training.restore(*progress)
    run.forget_after(stage, training.step)


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
            scores = evaluate(training.policy) if is_scored(run.config, stage, training.step) else {}
            due = time.monotonic() - saved_at > SAVE_SECONDS and training.step < stage.steps
            state = training.state() if due else None
        except DivergenceError as error:
            raise StageDivergedError(diverged(run.config, stage, training.step, saved_step, error)) from error
        # The log first: a line too many is forgotten on resume, one too few could not be made again.
        run.log(log_line(stage, training.step, metrics, seconds, scores))
        if training.step in stage.kept:
            checkpoint = stage.checkpoint(training.step)
            run.add_checkpoint(checkpoint, weights(training.policy), scores, led_to(stage, training.step))
            observer.checkpoint(checkpoint, scores)
        observer.step(stage, metrics)
        if state is not None:
            run.save_progress(stage, training.step, state)
            saved_step, saved_at = training.step, time.monotonic()
    if stage.kind == "base":
        file = warm_start_file(run.config, run.path.parent)
        save_tensors(file, weights(training.policy), {"warm start": file.stem})
    run.clear_progress()


def log_line(stage: Stage, step: int, metrics: dict[str, float], seconds: float, scores: dict[str, float]) -> Line:
    """A step's line of metrics.jsonl; scores, where they were taken, come last."""
    line: Line = {"stage": stage.name, "step": step, **metrics, "seconds": seconds}
    return {**line, "scores": scores} if scores else line


def led_to(stage: Stage, step: int) -> tuple[Stage, int] | None:
    """Stage and step of a checkpoint's log; None of the warm start, which may come from a cache without one."""
    return None if stage.kind == "base" else (stage, step)


def is_scored(config: RunConfig, stage: Stage, step: int) -> bool:
    """Whether the policy is scored after this step of a stage."""
    return step in stage.kept or (stage.kind != "base" and step % config.evaluate_every == 0)


def diverged(config: RunConfig, stage: Stage, step: int, saved: int, error: DivergenceError) -> str:
    """What to tell of a stage that diverged in or after `step` steps."""
    if saved:
        kept = f"step {saved} of {stage.name}"
    elif stage.start:
        kept = f"checkpoint {stage.start.name}"
    else:
        kept = "none yet"
    hint = "try a lower --lr" if stage.settings is config.grpo else "its settings are in config.json"
    return f"{stage.name} after step {step}: {error}; the last good state kept is {kept}; {hint}"
