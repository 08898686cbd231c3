"""The report: a run's results to one self-contained page and its summary; no score is computed here.

What both say is one value, `Page`; how that looks is in the two templates beside this file.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from toymdrl import domains
from toymdrl.claims import paper
from toymdrl.claims.base import Outcome
from toymdrl.claims.harm import PAPER_AFTER_ALL, SMALLEST_LOSS, harm
from toymdrl.claims.paper import Told
from toymdrl.claims.refresh import PAPER_AVERAGE_REFRESHED, PAPER_REFRESHED, repair
from toymdrl.claims.seeds import Seeds, Typical, typical
from toymdrl.domains import DOMAINS
from toymdrl.report.course import Course
from toymdrl.report.examples import ExampleTable, table
from toymdrl.runs.config import PAPER_ORDER, PRESETS, RunConfig
from toymdrl.runs.options import differences
from toymdrl.runs.plan import Checkpoint
from toymdrl.runs.results import Scored
from toymdrl.runs.titles import checkpoint_title
from toymdrl.words import counted, signed

BRANCHES = ("refresh", "expert", "further", "rollback")
"""Kinds of checkpoints that are no part of the sequence."""
STORY = ("base", "stage", "rollback")
"""Kinds of checkpoints that the story needs, beside the headline's refresh."""


@dataclass(frozen=True)
class Cell:
    """A score."""

    points: float
    own: bool
    """Whether the domain is the one that was just trained."""


@dataclass(frozen=True)
class Row:
    """A checkpoint."""

    title: str
    cells: tuple[Cell, ...]
    """By domain."""
    average: float
    best: bool
    """Whether no checkpoint has a higher average."""
    first_branch: bool
    """Whether it is the first of the story's that is no part of the sequence: the table draws a line above it."""
    matters: bool
    """Whether the story needs it; the others are folded."""


@dataclass(frozen=True)
class BesideThePaper:
    """A number of the paper's and ours."""

    quantity: str
    paper: float
    here: float


@dataclass(frozen=True)
class ClaimLine:
    """A claim in the table."""

    key: str
    paper: str
    measured: str
    control: str
    typical: Typical | None
    """The run among the project's seeds; None if these had other settings."""


@dataclass(frozen=True)
class Try:
    """A command to give next."""

    command: str
    why: str


@dataclass(frozen=True)
class Page:
    """All that a report says."""

    headline: str
    followup: str
    harmed: str
    preset: str
    seed: int
    domains: tuple[str, ...]
    rows: tuple[Row, ...]
    examples: ExampleTable | None
    """None if the run was not analysed."""
    paper: tuple[BesideThePaper, ...]
    told: Told
    """The chapters, in the order of the story."""
    claims: tuple[ClaimLine, ...]
    claims_note: str
    typical: Mapping[str, Typical]
    """By claim: the run among the project's seeds; empty if these had other settings."""
    what: str
    command: str
    """That repeats the run."""
    next: tuple[Try, ...]


def page(config: RunConfig, checkpoints: tuple[Scored, ...], outcome: Outcome | None) -> Page:
    """What is told of a complete run.

    Args:
        config: the run's.
        checkpoints: all that it has.
        outcome: None if its order leaves no domain that could be harmed.
    """
    first, second = headline(config, outcome)
    analysed = outcome is None or outcome.explanation is not None
    seeds = typical(outcome) if outcome else None
    return Page(
        headline=first,
        followup=second,
        harmed=domains.title(outcome.headline.domain) if outcome else "one domain",
        preset=config.preset,
        seed=config.seed,
        domains=tuple(domain.title for domain in DOMAINS.values()),
        rows=_rows(config, checkpoints, outcome),
        examples=table(outcome),
        paper=_beside_the_paper(config, outcome),
        told=paper.chapters(outcome),
        claims=_claim_lines(outcome, seeds),
        claims_note=_claims_note(config, seeds, analysed=analysed),
        typical=seeds.claims if seeds else {},
        what=_what(config),
        command=command(config, analysis=analysed),
        next=_next(config, outcome),
    )


def command(config: RunConfig, *, analysis: bool = True) -> str:
    """The command that repeats a run."""
    parts = [f"toymdrl run --preset {config.preset}", *differences(config, PRESETS[config.preset])]
    return " ".join(parts if analysis else [*parts, "--no-analysis"])


def headline(config: RunConfig, outcome: Outcome | None) -> tuple[str, str]:
    """What happened, in one sentence, and what followed, in a second."""
    if outcome is None:
        only = domains.title(config.order[0])
        return f"{only} was trained alone", "With one domain there is no later one to harm it. Add a domain to --order."
    lost, cure = harm(outcome).measured, repair(outcome).measured
    later = [domains.title(domain) for domain in outcome.headline.later]
    course = _course(lost.after_own_stage, lost.after_all_stages)
    are = "are" if len(later) > 1 else "is"
    first = f"{domains.title(lost.domain)} {course} while {' and '.join(later)} {are} trained"
    share = ""
    if lost.points_lost >= SMALLEST_LOSS and cure.share_of_loss is not None:
        share = f" ({cure.share_of_loss:.0%} of the loss)"
    bring = "bring" if cure.steps > 1 else "brings"
    second = (
        f"{counted(cure.steps, 'refresh step')} {bring} it to {cure.refreshed:.1f}: {signed(cure.points_won_back)} "
        f"points{share}. The other domains move by {signed(cure.mean_change_of_others)} on average, and the average "
        f"score goes from {cure.average_before:.1f} to {cure.average_after:.1f}."
    )
    if lost.points_lost < SMALLEST_LOSS:
        second += " So little was lost that shares of the loss, below, mean nothing."
    if config.preset == "smoke":
        second += " This is the smoke preset: it touches every stage, and its numbers mean nothing."
    return first, second


def _course(before: float, after: float) -> str:
    """How a score went from its own stage to the end."""
    start, end = f"{before:.1f}", f"{after:.1f}"
    if start == end:
        return f"stays at {end}"
    if before - after >= SMALLEST_LOSS:
        return f"falls from {start} to {end}"
    if after - before >= SMALLEST_LOSS:
        return f"rises from {start} to {end}"
    return f"goes only from {start} to {end}"


def _rows(config: RunConfig, checkpoints: tuple[Scored, ...], outcome: Outcome | None) -> tuple[Row, ...]:
    best = max(entry.average for entry in checkpoints)
    refreshed = Checkpoint("refresh", outcome.headline.domain, steps=outcome.headline.steps) if outcome else None
    rows: list[Row] = []
    for entry in checkpoints:
        trained = entry.checkpoint.domain if entry.checkpoint.kind != "rollback" else None
        matters = entry.checkpoint.kind in STORY or entry.checkpoint == refreshed
        branch = matters and entry.checkpoint.kind in BRANCHES
        rows.append(
            Row(
                title=_row_title(config, entry.checkpoint),
                cells=tuple(Cell(entry.scores[domain], domain == trained) for domain in DOMAINS),
                average=entry.average,
                best=entry.average == best,
                first_branch=branch and not any(row.first_branch for row in rows),
                matters=matters,
            )
        )
    return tuple(rows)


def _row_title(config: RunConfig, checkpoint: Checkpoint) -> str:
    """A checkpoint's title, with an arrow where a stage follows another."""
    title = checkpoint_title(checkpoint)
    follows = checkpoint.kind == "stage" and checkpoint.domain != config.order[0]
    return f"→ {title}" if follows else title


def _beside_the_paper(config: RunConfig, outcome: Outcome | None) -> tuple[BesideThePaper, ...]:
    """Empty unless the run has the paper's order."""
    if outcome is None or config.order != PAPER_ORDER:
        return ()
    lost, cure = harm(outcome).measured, repair(outcome).measured
    order = " → ".join(domains.title(domain) for domain in config.order)
    return (
        BesideThePaper(f"Math after {order}", PAPER_AFTER_ALL, lost.after_all_stages),
        BesideThePaper(f"Math after Re-Math, {cure.steps} steps", PAPER_REFRESHED, cure.refreshed),
        BesideThePaper("Average over domains after it", PAPER_AVERAGE_REFRESHED, cure.average_after),
    )


def _claim_lines(outcome: Outcome | None, seeds: Seeds | None) -> tuple[ClaimLine, ...]:
    if outcome is None:
        return ()
    among = seeds.claims if seeds else {}
    lines = []
    for claim in paper.told(outcome):
        measured, control = claim.cells(outcome)
        lines.append(ClaimLine(claim.key, claim.paper, measured, control, among.get(claim.key)))
    return tuple(lines)


def _claims_note(config: RunConfig, seeds: Seeds | None, *, analysed: bool) -> str:
    notes = ["One run has no interval and so gives no verdict: those come from many seeds."]
    if seeds is None:
        notes.append(
            "The project's own seeds had other settings than this run, so they cannot say whether it is typical."
        )
    else:
        count = len(seeds.numbers)
        notes.append(
            f"Beside it the project's {count} seeds, {seeds.numbers[0]} to {seeds.numbers[-1]}: mean [95 % interval], "
            f"least to most. ✓: this run lies between their least and most. By chance alone, a "
            f"number of another seed lies outside with probability 2/{count + 1}."
        )
        if config.seed in seeds.numbers:
            notes.append("This run's seed is one of them.")
    if not analysed:
        notes.append("The other claims need the analysis: `toymdrl resume` and the run's folder make it.")
    return " ".join(notes)


def _next(config: RunConfig, outcome: Outcome | None) -> tuple[Try, ...]:
    """Commands that go on from this run."""
    if config.preset == "smoke":
        real = Try("toymdrl run", "the real thing, in minutes")
    else:
        seed = replace(config, seed=config.seed + 1)
        real = Try(command(seed), "another seed: is what you have seen the seed's doing?")
    gentle = replace(config, grpo=replace(config.grpo, learning_rate=config.grpo.learning_rate / 2))
    dial = Try(command(gentle), "half the learning rate, the dial from destruction to no harm: what is left to repair?")
    if outcome is None:
        return real, dial, Try("toymdrl run", "four domains, so that there is something to harm")
    if outcome.explanation is None:
        return real, dial, Try("toymdrl resume .", "the analysis that this run lacks; give it in the run's folder")
    return (
        real,
        dial,
        Try("toymdrl theorems .", "what each theorem says of this run; give it in the run's folder"),
        Try("toymdrl playground .", "drag this model through its weights in your browser; in the run's folder too"),
    )


def _what(config: RunConfig) -> str:
    titles = " → ".join(domains.title(domain) for domain in config.order)
    grpo, warm = config.grpo, config.warm_start
    return (
        f"A transformer of {config.model.layers} layers and width {config.model.width}, warm-started for {warm.steps} "
        f"supervised steps on imperfect demonstrations, then GRPO on {titles}: {grpo.steps} steps a stage of "
        f"{grpo.prompts} prompts × {grpo.group} answers, learning rate {grpo.learning_rate:g} falling to zero, "
        f"KL weight {grpo.kl:g}. Each refresh starts from the last checkpoint, in steps of {config.refresh.prompts} "
        f"prompts (CW: all of its 64 if that is more) × {config.refresh.group} answers at a constant rate of "
        f"{config.refresh.learning_rate:g}."
    )


# What it looks like


def templates(*, html: bool) -> Environment:
    """Where the templates are; in a page what is filled in is escaped, and nothing may be missing from either."""
    found = Environment(
        loader=PackageLoader("toymdrl.report", "."),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # A bar would end a cell of a Markdown table.
    found.filters["cell"] = lambda text: text.replace("|", "∣")
    return found


def _said(what: Page) -> dict[str, Any]:
    return {each.name: getattr(what, each.name) for each in fields(what)}


def as_html(
    what: Page,
    pictures: Mapping[str, Path],
    *,
    course: Course,
    settings: str,
    provenance: str,
    playground: str | None = None,
) -> str:
    """The page, its pictures inside it.

    Args:
        what: all that it says.
        course: where it explains what the page tells.
        pictures: PNG files by name.
        settings: the run's, as text.
        provenance: where it ran, as text.
        playground: address of the page in which the run's policies answer, if there is one.
    """
    images = {name: data_uri(file) for name, file in pictures.items()}
    template = templates(html=True).get_template("report.html.jinja")
    return template.render(
        _said(what), images=images, course=course, settings=settings, provenance=provenance, playground=playground
    )


def data_uri(file: Path) -> str:
    """A picture as an address that holds all of it."""
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"


def as_markdown(what: Page) -> str:
    """The summary, which names pictures in a folder beside it."""
    return templates(html=False).get_template("summary.md.jinja").render(_said(what))
