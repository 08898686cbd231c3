"""What a run trains, as values: its stages, the checkpoints that they leave, and the loss that its claims are about.

The names of stages and checkpoints, which files and logs carry, are made here and nowhere else; they are read back by
`checkpoint_named` alone, where results.json is read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from toymdrl.runs.config import PAPER_HARMED, PAPER_REFRESH_STEPS, RunConfig
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.pretrain import WarmStartConfig

Kind = Literal["base", "stage", "refresh", "expert", "further", "rollback"]
"""How a checkpoint came about:

base      by the warm start;
stage     by a stage of the sequence;
refresh   by further steps on one domain from the end of the sequence;
expert    by one domain alone, from the warm start;
further   by further steps on the harmed domain from its own checkpoint, where nothing is to be repaired;
rollback  by putting coordinates back, without any training.
"""


@dataclass(frozen=True)
class Checkpoint:
    """Which of a run's models."""

    kind: Kind
    domain: str = ""
    """The domain that was trained or, of a rollback, repaired; none of the warm start."""
    steps: int | None = None
    """Of a refresh, or of further steps: how many."""
    share: float | None = None
    """Of a rollback: the share of coordinates put back."""

    @property
    def name(self) -> str:
        """As in results.json, and of its file."""
        match self.kind:
            case "base":
                return "base"
            case "stage":
                return self.domain
            case "expert":
                return f"expert-{self.domain}"
            case "refresh" | "further":
                return f"{self.kind}-{self.domain}-{self.steps}"
            case "rollback":
                return f"rollback-{self.domain}-{self.share:g}"


BASE = Checkpoint("base")
_NAME = re.compile(r"(?:(?P<kind>refresh|expert|further|rollback)-)?(?P<domain>\w+)(?:-(?P<amount>\d+(?:\.\d+)?))?")


def checkpoint_named(name: str) -> Checkpoint:
    """The checkpoint of a name in results.json.

    Raises:
        ValueError: no checkpoint has such a name.
    """
    if name == BASE.name:
        return BASE
    if not (found := _NAME.fullmatch(name)):
        raise ValueError(f"no checkpoint is called {name!r}")
    domain, amount = found["domain"], found["amount"]
    match found["kind"]:
        case None:
            made = Checkpoint("stage", domain)
        case "expert":
            made = Checkpoint("expert", domain)
        case "rollback":
            made = Checkpoint("rollback", domain, share=float(amount or "nan"))
        case kind:
            steps = int(amount) if amount and amount.isdecimal() else 0
            made = Checkpoint("refresh" if kind == "refresh" else "further", domain, steps=steps)
    # Whatever the pattern let through, a name must be one that would be made.
    if made.name != name:
        raise ValueError(f"no checkpoint is called {name!r}")
    return made


@dataclass(frozen=True)
class Stage:
    """One stretch of training, from one checkpoint to one or more others."""

    kind: Kind
    domain: str
    """The domain trained; none in the warm start, which trains all."""
    start: Checkpoint | None
    """None for random weights."""
    settings: WarmStartConfig | GRPOConfig
    """How long is in `steps`: a refresh may be stopped early."""
    kept: tuple[int, ...]
    """Steps after which a checkpoint is kept; the stage ends with the last of them."""

    @property
    def name(self) -> str:
        """As in the log."""
        match self.kind:
            case "base":
                return BASE.name
            case "stage":
                return self.domain
            case _:
                return f"{self.kind}-{self.domain}"

    @property
    def steps(self) -> int:
        """How many there are."""
        return self.kept[-1]

    def checkpoint(self, step: int) -> Checkpoint:
        """What is kept after one of the steps `kept`."""
        several = self.kind in ("refresh", "further")
        return Checkpoint(self.kind, self.domain, steps=step if several else None)

    def checkpoints(self) -> Iterator[tuple[int, Checkpoint]]:
        """Steps and what is kept after them."""
        for step in self.kept:
            yield step, self.checkpoint(step)


def stages(config: RunConfig) -> list[Stage]:
    """The paper's experiment: warm start, sequence, refreshes."""
    plan = [Stage("base", "", None, config.warm_start, (config.warm_start.steps,))]
    last = BASE
    for domain in config.order:
        plan.append(Stage("stage", domain, last, config.grpo, (config.grpo.steps,)))
        last = Checkpoint("stage", domain)
    for domain in config.order:
        plan.append(Stage("refresh", domain, last, config.refresh, config.refresh_steps))
    return plan


def controls(config: RunConfig) -> list[Stage]:
    """What the analysis compares with.

    Each domain alone from the warm start (C3 to C6); and the harmed domain trained further from its own checkpoint, for
    as long as the headline's refresh: what a refresh gains where nothing is to be repaired (C10).
    """
    harm = headline(config)
    if harm is None:
        return []
    alone = [Stage("expert", domain, BASE, config.grpo, (config.grpo.steps,)) for domain in config.order]
    return [*alone, Stage("further", harm.domain, harm.own, config.refresh, (harm.steps,))]


def everything(config: RunConfig) -> list[Stage]:
    """All that a run can train, in order."""
    return stages(config) + controls(config)


@dataclass(frozen=True)
class Headline:
    """The loss that a run's claims are about, and its repair: Math after later domains, and Re-Math."""

    domain: str
    """The domain harmed."""
    later: tuple[str, ...]
    """Those trained after it."""
    steps: int
    """Of the refresh: the paper's three, or the nearest that the run keeps."""

    @property
    def own(self) -> Checkpoint:
        """After the domain's own stage."""
        return Checkpoint("stage", self.domain)

    @property
    def end(self) -> Checkpoint:
        """After the whole sequence."""
        return Checkpoint("stage", self.later[-1])

    @property
    def refreshed(self) -> Checkpoint:
        """After the refresh."""
        return Checkpoint("refresh", self.domain, steps=self.steps)

    @property
    def further(self) -> Checkpoint:
        """After as many steps from the domain's own checkpoint: the refresh's control."""
        return Checkpoint("further", self.domain, steps=self.steps)


def headline_steps(config: RunConfig) -> int:
    """Steps of the refresh that is told first: the paper's three, or the nearest that the run keeps."""
    return min(config.refresh_steps, key=lambda steps: abs(steps - PAPER_REFRESH_STEPS))


def headline(config: RunConfig) -> Headline | None:
    """Math's loss if later domains follow it, else that of the first one trained; None if none follows."""
    earlier = config.order[:-1]
    if not earlier:
        return None
    domain = PAPER_HARMED if PAPER_HARMED in earlier else earlier[0]
    later = config.order[config.order.index(domain) + 1 :]
    return Headline(domain, later, headline_steps(config))
