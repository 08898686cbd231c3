"""What a person sees while a run goes on: a bar with the time left, and a table of scores that grows."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from tqdm import tqdm

from toymdrl.domains import DOMAINS
from toymdrl.runs.plan import Checkpoint, Stage
from toymdrl.runs.titles import stage_title

RL_STEP = 2
"""A GRPO step with its share of evaluation takes about as long as this many warm-start steps."""


class Observer:
    """What a run tells while it goes on; this one listens to nothing."""

    def begin(self, stage: Stage, step: int) -> None:
        """A stage begins, or goes on after `step` steps."""

    def step(self, stage: Stage, metrics: dict[str, float]) -> None:
        """A step was taken."""

    def checkpoint(self, checkpoint: Checkpoint, scores: dict[str, float]) -> None:
        """A checkpoint was kept, or had been kept by an earlier session."""

    def analysis(self, name: str) -> None:
        """An analysis was done, or had been done by an earlier session."""

    def warn(self, message: str) -> None:
        """Something was wrong and has been dealt with."""


def _work(stage: Stage) -> int:
    return 1 if stage.kind == "base" else RL_STEP


class Terminal(Observer):
    """Draws on the terminal; use as a context so that the bar is put away."""

    def __init__(self, plan: Sequence[Stage], *, quiet: bool, analyses: Mapping[str, int]) -> None:
        """The bar for a plan and what follows it.

        Args:
            plan: stages in order.
            quiet: print the table alone.
            analyses: how long each takes, in warm-start steps, in their order; none if none follow.
        """
        self._plan = plan
        self._analyses = dict(analyses)
        self._quiet = quiet
        self._header = False
        total = sum(stage.steps * _work(stage) for stage in plan) + sum(analyses.values())
        form = "{desc:<22}{bar}{percentage:4.0f}%  {elapsed}<{remaining}"
        self._bar = tqdm(total=total, disable=quiet or None, bar_format=form, dynamic_ncols=True, leave=False)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def begin(self, stage: Stage, step: int) -> None:
        """Move the bar to the stage's place, without counting what was done before as speed."""
        before = self._plan[: self._plan.index(stage)]
        self._go_to(sum(each.steps * _work(each) for each in before) + step * _work(stage))
        if self._bar.disable and not self._quiet:
            self.say(f"{stage_title(stage)}: {stage.steps - step} steps")

    def _go_to(self, place: int) -> None:
        # Jumping forward is no speed: the clock starts anew, so that the time left stays true.
        if place != self._bar.n:
            self._bar.initial = self._bar.n = place
            self._bar.start_t = time.time()

    def step(self, stage: Stage, metrics: dict[str, float]) -> None:
        """Advance the bar by one step."""
        value = f"reward {metrics['reward']:.2f}" if "reward" in metrics else f"loss {metrics['loss']:.2f}"
        self._bar.set_description_str(f"{stage_title(stage)}  {value}", refresh=False)
        self._bar.update(_work(stage))

    def checkpoint(self, checkpoint: Checkpoint, scores: dict[str, float]) -> None:
        """Print the checkpoint's row of the table."""
        if not self._header:
            titles = "".join(f"{DOMAINS[key].title:>7}" for key in scores)
            self.say(f"{'checkpoint':<18}{titles}{'average':>9}")
            self._header = True
        row = "".join(f"{value:7.1f}" for value in scores.values())
        self.say(f"{checkpoint.name:<18}{row}{sum(scores.values()) / len(scores):9.1f}")

    def analysis(self, name: str) -> None:
        """Advance the bar by an analysis, and name the next; where there is no bar, print a line."""
        names = list(self._analyses)
        if name not in names:
            return
        place = names.index(name)
        if self._bar.disable and not self._quiet:
            self.say(f"analysis {place + 1} of {len(names)}: {name}")
        trained = sum(stage.steps * _work(stage) for stage in self._plan)
        self._go_to(trained + sum(self._analyses[each] for each in names[:place]))
        following = names[place + 1] if place + 1 < len(names) else "done"
        self._bar.set_description_str(f"Analysis: {following}", refresh=False)
        self._bar.update(self._analyses[name])

    def warn(self, message: str) -> None:
        """Print a warning above the bar."""
        self.say(f"warning: {message}")

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        tqdm.write(text)
