"""What a claim is, and a topic: one analysis of a run, the claim or two that it measures, the chapters that tell it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Generic, TypeVar, cast

from matplotlib.figure import Figure

from toymdrl.claims.subject import Subject
from toymdrl.evidence import Rule
from toymdrl.plain import to_plain
from toymdrl.runs.config import RunConfig
from toymdrl.runs.plan import Checkpoint, Headline
from toymdrl.runs.results import Scored

M = TypeVar("M")
C = TypeVar("C")
R = TypeVar("R")


class Explanation:
    """The results of a run's analyses, each found by its type: `explanation[Conflict]`."""

    def __init__(self, results: Sequence[Any]) -> None:
        # A type names a result as no string could: a type checker knows what comes back.
        self._results = {type(each): each for each in results}

    def __getitem__(self, kind: type[R]) -> R:
        """The result of the analysis that gives this type.

        Raises:
            KeyError: this run could not make it; see `get`.
        """
        return cast(R, self._results[kind])

    def get(self, kind: type[R]) -> R | None:
        """The result, or None where this run could not make it."""
        return self._results.get(kind)


@dataclass(frozen=True)
class Outcome:
    """What a run has come to: the scores of its checkpoints and, if it was analysed, its explanation."""

    config: RunConfig
    headline: Headline
    checkpoints: Mapping[Checkpoint, Scored]
    explanation: Explanation | None

    def scores(self, checkpoint: Checkpoint) -> dict[str, float]:
        """Points by domain, on unseen prompts."""
        return self.checkpoints[checkpoint].scores

    @property
    def explained(self) -> Explanation:
        """The explanation of a run that was analysed.

        Raises:
            ValueError: it was not.
        """
        if self.explanation is None:
            raise ValueError("this run was not analysed")
        return self.explanation


@dataclass(frozen=True)
class Measurement(Generic[M, C]):
    """What one run says of a claim."""

    measured: M
    control: C
    """What it is to be compared with; None if the claim has no control within a run."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """What the rules over seeds judge, and what is told beside them: one row of many."""


@dataclass(frozen=True)
class NotMeasured:
    """A claim on which this run cannot say anything, and why."""

    why: str


@dataclass(frozen=True)
class Claim(Generic[M, C]):
    """One claim of the paper: its words, how a run measures it, how that is told, and by which rules it is judged."""

    key: str
    """C1 to C12."""
    paper: str
    """The paper's words and number."""
    measure: Callable[[Outcome], Measurement[M, C] | NotMeasured]
    """The one place where its numbers are taken from a run, for the page of that run and for the rules over seeds."""
    line: Callable[[M], str]
    """What was measured, for the table."""
    control: Callable[[C], str]
    """The control, for the table."""
    rules: tuple[Rule, ...]
    """A claim is reproduced if the seeds meet all of them."""
    beside: tuple[Rule, ...] = ()
    """Rules on what can be proved instead; they decide nothing about the paper's claim."""

    @property
    def place(self) -> int:
        """In the paper's order."""
        return int(self.key.removeprefix("C"))

    def entry(self, outcome: Outcome) -> dict[str, Any]:
        """As in results.json; one run has no interval and gives no verdict."""
        found = self.measure(outcome)
        measured: dict[str, Any] = {"not_measured": found.why} if isinstance(found, NotMeasured) else {}
        control = None
        if isinstance(found, Measurement):
            measured = _without_the_absent(found.measured)
            control = to_plain(found.control) if found.control is not None else None
        return {"paper": self.paper, "measured": measured, "interval": None, "control": control, "verdict": None}

    def numbers(self, outcome: Outcome) -> Mapping[str, Any]:
        """What the rules need of one run; nothing where it cannot say anything."""
        found = self.measure(outcome)
        return found.numbers if isinstance(found, Measurement) else {}

    def cells(self, outcome: Outcome) -> tuple[str, str]:
        """What was measured and its control, for the table."""
        found = self.measure(outcome)
        if isinstance(found, NotMeasured):
            return f"not measured: {found.why}", "–"
        return self.line(found.measured), self.control(found.control)


def _without_the_absent(record: Any) -> dict[str, Any]:
    """A dataclass in JSON types, but for fields that may be absent (their default is None) and are."""
    plain = to_plain(record)
    for each in fields(record):
        if each.default is not MISSING and each.default is None and plain[each.name] is None:
            del plain[each.name]
    return plain


def no_control(_: object) -> str:
    """The cell of a claim without a control."""
    return "–"


@dataclass(frozen=True)
class Chapter:
    """A figure of the report with what it shows."""

    claims: tuple[str, ...]
    """Keys of those that it tells, such as C7; none where it only shows."""
    heading: str
    text: str
    figure: str
    """Name of the figure's file, without its ending."""
    alternative: str
    """What a reader who cannot see the figure is told."""
    small: bool = False
    course: str = ""
    """The chapter of the course that derives it, by its file in book/ without the ending; none if there is none."""


@dataclass(frozen=True)
class Topic(Generic[R]):
    """One analysis of a run with its claims and chapters."""

    name: str
    """Of the analysis, of its file in the run's folder, and of its figure, if it has one."""
    kind: type[R]
    """The frozen result."""
    measure: Callable[[Subject], R | None]
    """The analysis of a run; None where this run has none.

    It and what it calls in its own file decide whether a result on disk is valid; words and drawings do not.
    """
    work: int
    """How long it takes, in warm-start steps of a laptop run: what a progress bar counts in."""
    claims: tuple[Claim[Any, Any], ...]
    """None of a topic that shows several of other topics at once."""
    chapters: Callable[[Outcome], list[Chapter]]
    figure: Callable[[R], Figure] | None
    """None where a table tells it."""
