"""The page of an update of a model of one's own: chapters and figures of a run's report, in the model's own unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toymdrl.analysis.conflict import Conflict
from toymdrl.analysis.damage import Damage, Decomposition
from toymdrl.analysis.plane import Plane
from toymdrl.analysis.rollback import Rollback
from toymdrl.claims import conflict, damage, plane, rollback
from toymdrl.claims.base import Chapter
from toymdrl.claims.damage import Head, pair_title
from toymdrl.files import write_atomically
from toymdrl.report.course import Course
from toymdrl.report.page import data_uri, templates
from toymdrl.style import Look, save


@dataclass(frozen=True)
class Update:
    """What was measured of a training sequence."""

    order: tuple[str, ...]
    """Domains as trained."""
    damage: Damage
    """Of every pair."""
    conflict: Conflict
    """Of the harmed domain."""
    rollback: Rollback
    plane: Plane | None
    """None where the update lies inside the conflict subspace, or outside it."""
    unit: str
    """Of all losses."""
    gradients: float
    """Gradient evaluations spent; a value counts as a third of one, a Hessian product as two."""

    @property
    def head(self) -> Decomposition:
        """The harmed domain and all that was trained later."""
        these = (self.conflict.earlier, self.conflict.later)
        return next(pair for pair in self.damage.pairs if (pair.earlier, pair.later) == these)


@dataclass(frozen=True)
class Row:
    """A pair in the damage matrix; all but its title in the losses' unit."""

    title: str
    actual: str
    first: str
    second: str
    closure: str


@dataclass(frozen=True)
class Page:
    """All that the page says."""

    headline: str
    followup: str
    order: str
    unit: str
    rows: tuple[Row, ...]
    chapters: tuple[Chapter, ...]
    effort: str


def page(found: Update, look: Look) -> Page:
    """What is told of an update."""
    head, c8, c11 = found.head, conflict.localised(found.conflict), rollback.repaired(found.rollback)
    harmed, later = head.earlier, "all that was trained later" if head.later == "all" else head.later
    told = Head(harmed, later, head.actual, head.first, head.second)
    amount, unit = look.amount, look.unit
    rows = []
    for pair in found.damage.pairs:
        numbers = (pair.actual, pair.first, pair.second, pair.closure)
        rows.append(Row(pair_title(pair), *(amount(number) for number in numbers)))
    training = "Later training" if head.later == "all" else f"Training {later}"
    headline = f"{training} costs {harmed} {head.actual:.3g} {unit}"
    undone = (
        f"{c8.measured.directions} directions out of the update undo {c8.measured.recovered:.0%} of it, "
        f"{c11.measured.budget:.0%} of the coordinates put back {c11.measured.recovered:.0%}."
    )
    if head.actual <= 0:
        headline = f"{training} does not harm {harmed}: its loss changes by {amount(head.actual)} {unit}"
        undone = "Nothing was lost, so the shares of the loss below mean nothing."
    return Page(
        headline=headline,
        followup=f"Its gradient explains {amount(head.first)}, its Hessian {amount(head.second)}. {undone}",
        order=" → ".join(found.order),
        unit=unit,
        rows=tuple(rows),
        chapters=(
            *([] if found.plane is None else [plane.chapter(found.plane, look)]),
            damage.chapter(found.damage, told, look),
            conflict.chapter(found.conflict, harmed),
            rollback.chapter(found.rollback, harmed, look),
        ),
        effort=f"{found.gradients:,.0f}",
    )


def write_page(found: Update, folder: Path, provenance: str) -> None:
    """Draw report.html, summary.md and figures/.

    Args:
        found: what was measured.
        folder: where.
        provenance: with what code and on what machine, as text.
    """
    look = Look.of(found.order, found.unit)
    figures = {
        "damage": damage.figure(found.damage, look),
        "conflict": conflict.figure(found.conflict, look),
        "rollback": rollback.figure(found.rollback, look),
    }
    if found.plane is not None:
        figures["plane"] = plane.figure(found.plane, look)
    pictures = {name: save(figure, folder / "figures" / f"{name}.png") for name, figure in figures.items()}
    what = page(found, look)
    html = as_html(what, pictures, Course.seen_from(folder), provenance)
    write_atomically(folder / "report.html", html)
    write_atomically(folder / "summary.md", templates(html=False).get_template("update.md.jinja").render(vars(what)))


def as_html(what: Page, pictures: Mapping[str, Path], course: Course, provenance: str) -> str:
    """The page, its pictures inside it."""
    images = {name: data_uri(file) for name, file in pictures.items()}
    template = templates(html=True).get_template("update.html.jinja")
    return template.render(vars(what), images=images, course=course, provenance=provenance)
