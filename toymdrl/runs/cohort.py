"""Several runs at once that differ in their seed alone: each stage is trained as one population.

For a GPU, which one tiny policy leaves idle. Every run gets the checkpoints, scores and log that it would get alone,
the same up to rounding; the seconds in its log are those of all together. Files are written while the device is busy
with later steps; not by a thread, which would slow down the one that launches them. An interruption costs the stage
under way and those not yet written, which are made again: together they take seconds, not minutes.
"""

import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from toymdrl.policy.model import DivergenceError, Policy
from toymdrl.policy.scores import scoreboard
from toymdrl.replay import Replay, records
from toymdrl.runs import pipeline
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.metrics import Line
from toymdrl.runs.pipeline import StageDivergedError
from toymdrl.runs.plan import Checkpoint, Stage
from toymdrl.runs.progress import Observer
from toymdrl.training import population
from toymdrl.training.population import Logs, Population, PopulationTraining, stacked
from toymdrl.training.pretrain import WarmStartConfig

LISTEN = 50
"""Steps after which one waits for the device at the latest: to hear of what went wrong, and for a bar that is true."""
Scores = list[dict[str, float]]
"""100 x exact expected reward by domain, one entry a member."""


def train(run: RunDirectory, plan: list[Stage], observer: Observer) -> None:
    """Do what is left of these stages in one run: on a GPU as a cohort of one, whose steps are recorded. Hold its lock.

    Raises:
        StageDivergedError: a loss was not finite.
    """
    if run.config.device.startswith("cuda"):
        execute([run], plan, observer)
    else:
        pipeline.execute(run, plan, observer)


def scoring(members: Population) -> Replay[Tensor]:
    """`policy.scores.evaluate` of every member, as its weights are when this is called: (domains, members)."""

    @torch.no_grad()
    def score() -> Tensor:
        return torch.stack([100 * members.each(whole) for whole in scoreboard().values()])

    return Replay(score, members.device)


def by_member(scored: Tensor) -> Scores:
    """What `scoring` gives, read from the device.

    Raises:
        DivergenceError: a score is not finite.
    """
    columns = zip(*scored.tolist(), strict=True)
    scores = [dict(zip(scoreboard(), column, strict=True)) for column in columns]
    if not all(math.isfinite(value) for each in scores for value in each.values()):
        raise DivergenceError(f"the scores are {scores}")
    return scores


@dataclass
class Trained:
    """What a stage has made so far, in memory."""

    logs: list[Logs] = field(default_factory=list)
    """By step."""
    seconds: list[float] = field(default_factory=list)
    """By step: those of all members together."""
    scores: dict[int, Scores] = field(default_factory=dict)
    """By the step after which they were taken."""
    kept: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    """Stacked weights by the step after which they were kept."""


def execute(runs: Sequence[RunDirectory], plan: list[Stage], observer: Observer) -> None:
    """Do what is left of these stages in every run. Hold the runs' locks.

    The observer hears of a step or checkpoint once, with means over the runs that took it.

    Raises:
        ValueError: the runs differ in more than their seed.
        StageDivergedError: a run's loss was not finite; the others stop with it. Alone, they can go on.
    """
    # One program serves all members: it must be the same program.
    if len({replace(run.config, seed=0) for run in runs}) > 1:
        raise ValueError("these runs differ in more than their seed; train them one by one")
    for run in runs:
        pipeline.recover(run, observer)
        missing = [stage for stage in plan if not run.has(stage)]
        if missing:
            run.forget_after(missing[0], 0)
    crew: _Crew | None = None
    for stage in plan:
        left = [run for run in runs if not run.has(stage)]
        if not left:
            for _, checkpoint in stage.checkpoints():
                scores = [scored.scores for run in runs if (scored := run.scored(checkpoint))]
                observer.checkpoint(checkpoint, _mean(scores))
            continue
        # Usually all runs are at the same stage; where some are further on, the others catch up first.
        if crew is None or crew.runs != left:
            if crew:
                crew.write_all()
            crew = _Crew(left)
        crew.train(stage, observer)
    if crew:
        crew.write_all()
    for run in runs:
        run.clear_progress()


def _mean(logs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: sum(log[name] for log in logs) / len(logs) for name in logs[0]}


class _Crew:
    """Runs that go through their stages together, in one population."""

    def __init__(self, runs: Sequence[RunDirectory]) -> None:
        self.runs = list(runs)
        self._config = runs[0].config
        self._seeds = [run.config.seed for run in runs]
        self._members = Population([Policy(self._config.model).to(self._config.device)] * len(runs))
        self._score = scoring(self._members)
        self._checkpoints: dict[Checkpoint, dict[str, Tensor]] = {}
        """Stacked weights of what was kept since the crew began."""
        self._unwritten: deque[Iterator[None]] = deque()
        """Writes what is not in the runs' files yet, stage by stage, a run at each step."""

    def train(self, stage: Stage, observer: Observer) -> None:
        """Train one stage; its files are written in the course of the next ones."""
        training, made = self._begin(stage), Trained()
        observer.begin(stage, 0)
        try:
            self._go_through(stage, training, made, observer)
        except DivergenceError as error:
            self._hand_over(stage, made)
            self.write_all()
            text = pipeline.diverged(self._config, stage, len(made.logs), 0, error)
            raise StageDivergedError(text) from error
        self._hand_over(stage, made)

    def write_all(self) -> None:
        """Write what is not in the runs' files yet."""
        for writing in self._unwritten:
            deque(writing, maxlen=0)
        self._unwritten.clear()

    def _write_meanwhile(self) -> None:
        """Write while the device does what it has been given; all there is, where nothing goes on meanwhile.

        One run's files at least, so that they do not fall behind for good where the device waits for the draws.
        """
        if not records(self._members.device):
            self.write_all()
            return
        done = torch.cuda.current_stream(self._members.device).record_event()
        while self._unwritten:
            if next(self._unwritten[0], self) is self:  # the first stage's files are written
                self._unwritten.popleft()
            if done.query():
                break

    def _begin(self, stage: Stage) -> PopulationTraining:
        settings = stage.settings
        if isinstance(settings, WarmStartConfig) or stage.start is None:
            return population.warm_start(self._members, self._config.model, self._config.warm_start, self._seeds)
        start = self._checkpoints.get(stage.start)
        self._members.load(start or stacked([run.load_checkpoint(stage.start) for run in self.runs]))
        return population.rl_stage(self._members, stage.domain, settings, self._seeds, stage.kind)

    def _go_through(self, stage: Stage, training: PopulationTraining, made: Trained, observer: Observer) -> None:
        """Take all steps.

        Raises:
            DivergenceError: a member's loss, gradient or score was not finite; `made` has all steps before.
        """
        began = time.monotonic()
        while training.step < stage.steps:
            training.advance()
            due = pipeline.is_scored(self._config, stage, training.step)
            if not due and training.step % LISTEN:
                continue
            # Launched now, read after the files: the device works while the disk does.
            scored = self._score() if due else None
            self._write_meanwhile()
            found = training.logs(len(made.logs))
            since, began = began, time.monotonic()
            made.logs += found
            made.seconds += [(began - since) / max(1, len(found))] * len(found)
            for each in found:
                observer.step(stage, _mean(each))
            if training.diverged:
                raise training.diverged
            if scored is not None:
                made.scores[training.step] = by_member(scored)
            if training.step in stage.kept:
                made.kept[training.step] = self._members.copy()
                observer.checkpoint(stage.checkpoint(training.step), _mean(made.scores[training.step]))

    def _hand_over(self, stage: Stage, made: Trained) -> None:
        """Note what a stage has made, for later stages and for the files."""
        for step, weights in made.kept.items():
            self._checkpoints[stage.checkpoint(step)] = weights
        # Copied before the next stage overwrites the members' weights.
        here = {step: {name: weight.cpu() for name, weight in kept.items()} for step, kept in made.kept.items()}
        self._unwritten.append(self._write(stage, made, here))

    def _write(self, stage: Stage, made: Trained, kept: dict[int, dict[str, Tensor]]) -> Iterator[None]:
        """Enter what a stage has made in each run's files: the log up to a checkpoint, then that, as a run alone does.

        Yields:
            Once a run.
        """
        for index, run in enumerate(self.runs):
            lines: list[Line] = []
            for step, (logs, seconds) in enumerate(zip(made.logs, made.seconds, strict=True), start=1):
                scores = made.scores[step][index] if step in made.scores else {}
                lines.append(pipeline.log_line(stage, step, logs[index], seconds, scores))
                if step in kept:
                    run.log(*lines)
                    lines.clear()
                    weights = {name: weight[index] for name, weight in kept[step].items()}
                    run.add_checkpoint(stage.checkpoint(step), weights, scores, pipeline.led_to(stage, step))
            run.log(*lines)
            yield
