"""The table of example prompts: what each checkpoint answers, and how the prompts were chosen."""

from dataclasses import dataclass

from toymdrl import domains
from toymdrl.analysis.examples import Example, Examples, Said
from toymdrl.claims.base import Outcome
from toymdrl.runs.plan import checkpoint_named
from toymdrl.runs.titles import checkpoint_title
from toymdrl.words import counted


@dataclass(frozen=True)
class Prompt:
    """A column's head."""

    domain: str
    text: str
    right: str | None


@dataclass(frozen=True)
class Answer:
    """A cell."""

    text: str
    probability: str
    mark: str
    """✓ for a right answer, ✗ for one that earns nothing, else what it earns."""


@dataclass(frozen=True)
class ExampleRow:
    """A checkpoint's answers."""

    title: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class ExampleTable:
    """The whole table."""

    prompts: tuple[Prompt, ...]
    rows: tuple[ExampleRow, ...]
    chosen: str
    """By what rule."""


def table(outcome: Outcome | None) -> ExampleTable | None:
    """The table of an analysed run."""
    found = outcome.explanation.get(Examples) if outcome and outcome.explanation else None
    if outcome is None or found is None:
        return None
    prompts = tuple(Prompt(domains.title(each.domain), each.prompt, each.right) for each in found.examples)
    rows = []
    for said in zip(*(each.said for each in found.examples), strict=True):
        title = checkpoint_title(checkpoint_named(said[0].checkpoint))
        rows.append(ExampleRow(title, tuple(_answer(each) for each in said)))
    return ExampleTable(prompts, tuple(rows), chosen_by(found.examples, outcome.headline.steps))


def _answer(said: Said) -> Answer:
    marks = {1.0: "✓", 0.0: "✗"}
    return Answer(said.answer or "(nothing)", f"{said.probability:.0%}", marks.get(said.reward, f"{said.reward:.2g}"))


def chosen_by(examples: tuple[Example, ...], steps: int) -> str:
    """The rule, and how many prompts it fits."""
    told = []
    for index, each in enumerate(examples):
        name = domains.title(each.domain)
        goes = f"right after {name}'s own stage, wrong at the end and right after {counted(steps, 'refresh step')}"
        if index:
            goes = f"wrong before {name}'s own stage and right after it"
        if each.alike:
            told.append(f"{name}: the first of {each.alike} among {each.looked_at:,} unseen prompts that are {goes}.")
        else:
            told.append(f"{name}: the first unseen prompt; none is {goes}.")
    return " ".join(told)
