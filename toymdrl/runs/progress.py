"""What a person sees while a run goes on: a bar with the time left, and a table of scores that grows."""

import time
from types import TracebackType

from tqdm import tqdm

from toymdrl.domains import DOMAINS
from toymdrl.runs.pipeline import Observer, Stage

RL_STEP = 2
"""A GRPO step with its share of evaluation takes about as long as this many warm-start steps."""


ANALYSES = {
    "edits": 12,
    "routes": 235,
    "damage": 1160,
    "cosines": 915,
    "conflict": 1475,
    "rollback": 565,
    "contraction": 625,
    "refresh": 1,
    "alternation": 270,
}
"""The same of each analysis."""


def _work(stage: Stage) -> int:
    return RL_STEP if stage.domain else 1


def title(stage: Stage) -> str:
    """A stage's name for people."""
    if stage.domain is None:
        return "Warm start"
    name = DOMAINS[stage.domain].title
    kind = stage.name.removesuffix(stage.domain)
    return {"": name, "refresh-": f"Re-{name}", "expert-": f"{name} alone", "further-": f"{name} further"}[kind]


class Terminal(Observer):
    """Draws on the terminal; use as a context so that the bar is put away."""

    def __init__(self, plan: list[Stage], quiet: bool, analysis: bool) -> None:
        """With `quiet`, only the table is printed; with `analysis`, the analyses follow the plan."""
        self._plan = plan
        self._quiet = quiet
        self._header = False
        total = sum(stage.steps * _work(stage) for stage in plan) + analysis * sum(ANALYSES.values())
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
            self.say(f"{title(stage)}: {stage.steps - step} steps")

    def _go_to(self, place: int) -> None:
        if place != self._bar.n:
            self._bar.initial = self._bar.n = place
            self._bar.start_t = time.time()

    def step(self, stage: Stage, metrics: dict[str, float]) -> None:
        """Advance the bar by one step."""
        value = f"reward {metrics['reward']:.2f}" if "reward" in metrics else f"loss {metrics['loss']:.2f}"
        self._bar.set_description_str(f"{title(stage)}  {value}", refresh=False)
        self._bar.update(_work(stage))

    def checkpoint(self, name: str, scores: dict[str, float]) -> None:
        """Print the checkpoint's row of the table."""
        if not self._header:
            titles = "".join(f"{DOMAINS[key].title:>7}" for key in scores)
            self.say(f"{'checkpoint':<18}{titles}{'average':>9}")
            self._header = True
        row = "".join(f"{value:7.1f}" for value in scores.values())
        self.say(f"{name:<18}{row}{sum(scores.values()) / len(scores):9.1f}")

    def analysis(self, name: str) -> None:
        """Advance the bar by an analysis, and name the next; where there is no bar, print a line."""
        names = list(ANALYSES)
        if self._bar.disable and not self._quiet:
            self.say(f"analysis {names.index(name) + 1} of {len(names)}: {name}")
        done = sum(ANALYSES[each] for each in names[: names.index(name)])
        self._go_to(sum(stage.steps * _work(stage) for stage in self._plan) + done)
        following = names[names.index(name) + 1 :]
        self._bar.set_description_str(f"Analysis: {following[0] if following else 'done'}", refresh=False)
        self._bar.update(ANALYSES[name])

    def warn(self, message: str) -> None:
        """Print a warning above the bar."""
        self.say(f"warning: {message}")

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        tqdm.write(text)
