"""Several runs at once that differ in their seed alone: each stage is trained as one population.

For a GPU, which one tiny policy leaves idle. Every run gets the checkpoints, scores and log that it would get alone,
the same up to rounding; the seconds in its log are those of all together. An interruption costs the stage under way,
which begins again: together they take seconds, not minutes.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from toymdrl import pipeline, population
from toymdrl.model import DivergenceError
from toymdrl.pipeline import Observer, Stage, StageDivergedError
from toymdrl.population import Population, PopulationTraining
from toymdrl.runs import RunDirectory


def evaluate(members: Population) -> list[dict[str, float]]:
    """`pipeline.evaluate` of every member.

    Raises:
        DivergenceError: a score is not finite.
    """
    with torch.no_grad():
        columns = {key: (100 * members.each(whole)).tolist() for key, whole in pipeline.scoreboard().items()}
    scores = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if not all(math.isfinite(value) for each in scores for value in each.values()):
        raise DivergenceError(f"the scores are {scores}")
    return scores


def execute(runs: Sequence[RunDirectory], plan: list[Stage], observer: Observer) -> None:
    """Do what is left of these stages in every run. Hold the runs' locks.

    The observer hears of a step or checkpoint once, with means over the runs that took it.

    Raises:
        ValueError: the runs differ in more than their seed.
        StageDivergedError: a run's loss was not finite; the others stop with it. Alone, they can go on.
    """
    if len({replace(run.config, seed=0) for run in runs}) > 1:
        raise ValueError("these runs differ in more than their seed; train them one by one")
    for run in runs:
        pipeline.recover(run, observer)
    for stage in plan:
        left = [run for run in runs if not pipeline.is_done(run, stage)]
        if left:
            _train(left, stage, observer)
        else:
            for name in stage.keeps.values():
                observer.checkpoint(name, _mean([_scores(run, name) for run in runs]))


def _begin(runs: Sequence[RunDirectory], stage: Stage) -> PopulationTraining:
    config, seeds = runs[0].config, [run.config.seed for run in runs]
    if stage.domain is None or stage.start is None:
        return population.warm_start(config.model, config.warm_start, seeds, config.device)
    starts = [pipeline.load_policy(run, stage.start) for run in runs]
    settings = pipeline.stage_config(config, stage)
    return population.reinforce(starts, stage.domain, settings, seeds, pipeline.purpose(stage))


def _scores(run: RunDirectory, name: str) -> dict[str, float]:
    return next(entry["scores"] for entry in run.checkpoints if entry["name"] == name)


def _mean(logs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: sum(log[name] for log in logs) / len(logs) for name in logs[0]}


def _train(runs: Sequence[RunDirectory], stage: Stage, observer: Observer) -> None:
    config, training = runs[0].config, _begin(runs, stage)
    for run in runs:
        pipeline.rewind(run, stage, 0)
    observer.begin(stage, 0)
    while training.step < stage.steps:
        try:
            began = time.monotonic()
            metrics = training.advance()
            seconds = time.monotonic() - began
            looks = pipeline.looks(config, stage, training.step)
            scores = evaluate(training.population) if looks else [{} for _ in runs]
        except DivergenceError as error:
            raise StageDivergedError(pipeline.diverged(config, stage, training.step, 0, error)) from error
        for run, own, found in zip(runs, metrics, scores, strict=True):
            line = {"stage": stage.name, "step": training.step, **own, "seconds": seconds}
            run.metrics.append({**line, "scores": found} if found else line)
        if name := stage.keeps.get(training.step):
            for run, policy, found in zip(runs, training.population.policies(), scores, strict=True):
                run.add_checkpoint(name, pipeline.weights(policy), found, pipeline.led_to(stage, training.step))
            observer.checkpoint(name, _mean(scores))
        observer.step(stage, _mean(metrics))
    for run in runs:
        run.clear_progress()
