"""A run small enough to be made again and again, and ways to stop it."""

import json
from pathlib import Path

import pytest

from toymdrl.claims.explanation import outcome
from toymdrl.claims.paper import entries
from toymdrl.domains import DOMAINS
from toymdrl.policy.model import ModelConfig, Policy
from toymdrl.runs import cohort, pipeline
from toymdrl.runs.config import RunConfig
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.plan import Checkpoint, Stage, stages
from toymdrl.runs.progress import Observer
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.pretrain import WarmStartConfig

TINY = RunConfig(
    preset="smoke",
    order=("math", "qa"),
    threads=1,
    model=ModelConfig(layers=1, width=8, heads=1, neurons=8),
    warm_start=WarmStartConfig(steps=6, batch=8),
    grpo=GRPOConfig(steps=4, prompts=2, group=4, updates=2),
    refresh=GRPOConfig(steps=3, prompts=2, group=4, anneal=False),
    refresh_steps=(1, 3),
)


class Interrupted(Exception):
    """Stands for a kill."""


class Interrupter(Observer):
    """Stops a run after so many steps; remembers warnings."""

    def __init__(self, steps: int = 10**9, checkpoint: str = "") -> None:
        self.steps = steps
        self.at = checkpoint
        self.warnings: list[str] = []

    def checkpoint(self, checkpoint: Checkpoint, scores: dict[str, float]) -> None:
        if checkpoint.name == self.at:
            raise Interrupted

    def step(self, stage: Stage, metrics: dict[str, float]) -> None:
        self.steps -= 1
        if self.steps == 0:
            raise Interrupted

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save after every step; score by a cheap stand-in that still depends on every weight."""
    monkeypatch.setattr(pipeline, "SAVE_SECONDS", -1.0)

    def evaluate(policy: Policy) -> dict[str, float]:
        total = sum(float(weight.detach().double().square().sum()) for weight in policy.parameters())
        return {key: total + index for index, key in enumerate(DOMAINS)}

    monkeypatch.setattr(pipeline, "evaluate", evaluate)


def finish(out: Path, config: RunConfig = TINY, observer: Observer | None = None) -> RunDirectory:
    run = RunDirectory.create(out, config)
    with run.lock():
        cohort.train(run, stages(config), observer or Observer())
        run.write_results(entries(outcome(run, None)))
    return run


def content(run: RunDirectory) -> dict[str, bytes]:
    """Bytes of all results, and of the log without its clock."""
    files = {path.name: path.read_bytes() for path in (run.path / "checkpoints").iterdir()}
    files["results.json"] = (run.path / "results.json").read_bytes()
    lines = [{k: v for k, v in line.items() if k != "seconds"} for line in run.logged()]
    files["metrics"] = json.dumps(lines).encode()
    return files
