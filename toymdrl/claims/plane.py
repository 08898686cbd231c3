"""The picture that says why: every domain's score in the plane of what the update did inside and outside C8's subspace.

No claim of the paper's: it shows C7, C8 and C10 at once. Its rules over seeds are in experiments/plane.py.
"""

from typing import Literal

import numpy as np
from matplotlib import patheffects, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from toymdrl import domains
from toymdrl.analysis import plane
from toymdrl.analysis.plane import LONGER, STRETCH, Place, Plane
from toymdrl.claims.base import Chapter, Outcome, Topic
from toymdrl.claims.subject import Subject
from toymdrl.evidence import Row
from toymdrl.runs.plan import Checkpoint
from toymdrl.style import INK, MINIATURE, REPAIR, STYLE, Look
from toymdrl.words import counted, percent

SHARE = 1 / 4
"""Of the unseen prompts that the harmed domain is scored on, the others are scored on so many: for shape, not level."""
HARDLY = 0.1
"""One axis hardly counts for a loss if it changes it by less than this share of what the other does."""
_HALO = [patheffects.withStroke(linewidth=3.2, foreground="white")]
DOWN, SIDEWAYS = 0.5, 0.1
"""A refresh goes straight down if it undoes more than the one share of b, and less than the other of a."""


def measure(subject: Subject) -> Plane | None:
    """The analysis of a run: the stages after the harmed domain's, and its own refresh."""
    head = subject.headline
    if plane.axes(subject.spectrum.vectors, subject.delta) is None:
        return None
    losses = {head.domain: subject.losses[head.domain]}
    for domain in (*head.later, *subject.order):
        if domain not in losses:
            losses[domain] = subject.unseen_loss(domain, SHARE)
    refreshes = {steps: Checkpoint("refresh", head.domain, steps=steps) for steps in subject.config.refresh_steps}
    return plane.measure(
        subject.policy,
        losses,
        subject.start,
        {domain: subject.vectors[Checkpoint("stage", domain)] for domain in head.later},
        {steps: subject.vectors[place] for steps, place in refreshes.items()},
        basis=subject.spectrum.vectors,
        generator=subject.stream("plane"),
        harmed=head.domain,
        later=subject.later,
    )


def goes_down(place: Place) -> bool:
    """Whether a refresh went straight down the plane."""
    return 1 - place.b > DOWN and abs(1 - place.a) < SIDEWAYS


def hardly_b(result: Plane, name: str) -> bool:
    """Whether a loss depends on a, and hardly on b."""
    return abs(result.along_b(name)) < HARDLY * abs(result.along_a(name))


def mainly_b(result: Plane) -> bool:
    """Whether the harmed domain's loss bends along b far more than along a, steps as long."""
    along_a, along_b = result.curvature(result.harmed)
    return along_b > 0 and abs(along_a) < HARDLY * along_b


def deepest(result: Plane) -> Place | None:
    """The refresh's checkpoint that has undone most of b; None if there was no refresh."""
    return min(result.refresh, key=lambda place: abs(place.b), default=None)


def _heading(result: Plane, name: str) -> str:
    """What a panel shows."""
    title, place = domains.title(name), deepest(result)
    if name != result.harmed:
        return f"{title} depends on a, hardly on b" if hardly_b(result, name) else f"{title} depends on a and b"
    shape = f"{title} is steep along b" if mainly_b(result) else f"{title} depends on a and b"
    if place is None or not goes_down(place):
        return shape
    goes = "goes" if place.steps == 1 else "go"
    return f"{shape}: {counted(place.steps, 'refresh step')} {goes} straight down"


def numbers(result: Plane, steps: int) -> Row:
    """What the rules over seeds judge, and what is told of them.

    Args:
        result: with a refresh.
        steps: of the refresh that is told.
    """
    number = next(each for each, place in enumerate(result.refresh) if place.steps == steps)
    place, end = result.refresh[number], result.training[-1]
    along_a, along_b = result.curvature(result.harmed)
    later = [place.domain for place in result.training[1:]]
    gain = end.losses[result.harmed] - place.losses[result.harmed]
    return {
        "down": 1 - place.b,
        "random down": 1 - float(np.mean([each.b[number] for each in result.random_planes])),
        "sideways": 1 - place.a,
        "flatness": along_a / along_b,
        "vertical": float(np.mean([abs(result.along_b(name) / result.along_a(name)) for name in later])),
        "stretched": result.stretched(result.harmed),
        "random step": float(np.mean(result.random_costs)),
        "spared": max(abs(result.stretched(name)) for name in result.others),
        "away": place.away,
        "gain": gain,
        "gain in the plane": end.losses[result.harmed] - place.projected[result.harmed],
        "inside": result.inside,
        "outside": result.outside,
        "a alone": result.along_a(result.harmed),
        "b alone": result.at(result.harmed, 0, 1) - result.at(result.harmed, 0, 0),
    }


def chapters(outcome: Outcome) -> list[Chapter]:
    """What the figure shows; nothing where the update spans no plane."""
    found = outcome.explained.get(Plane)
    return [] if found is None else [chapter(found, MINIATURE, outcome.headline.steps)]


def chapter(found: Plane, look: Look, steps: int | None = None) -> Chapter:
    """What the figure shows, of any model.

    Args:
        found: the plane.
        look: of its losses.
        steps: of the refresh that is told; None where there is none.
    """
    harmed = domains.title(found.harmed)
    told = next((place for place in found.refresh if place.steps == steps), None)
    heading = f"Why a few steps repair {harmed}" if told and goes_down(told) else "The update in one plane"
    words = [_shape(found, look), _stretch(found, look)]
    if told:
        words += [_way(found, told), _off_the_plane(found, told, look), _further(found, told, look)]
    words += [
        f"The axes are stretched {found.outside / found.inside:.0f}-fold against each other, and the plane, though not "
        "the subspace, was chosen with the update in hand."
    ]
    return Chapter(
        ("C7", "C8", "C10"),
        heading,
        " ".join(word for word in words if word),
        "plane",
        f"Contours of every domain in the plane of the update's part inside {harmed}'s conflict subspace and the rest, "
        f"with the way of the training{' and of the refresh' if told else ''}",
    )


def _change(look: Look, rise: float) -> str:
    """A change of what the picture shows, by the rise of the loss."""
    return look.amount(look.height * rise)


def _shape(found: Plane, look: Look) -> str:
    harmed, (flat, steep) = domains.title(found.harmed), found.curvature(found.harmed)
    b_alone = found.at(found.harmed, 0, 1) - found.at(found.harmed, 0, 0)
    text = (
        f"Upwards, b: the part of the update inside {found.size} conflict directions of {harmed}, "
        f"{found.share_inside:.1%} of its squared length; across, a: the rest. Training goes from (0, 0) to (1, 1). "
        f"Alone, b changes {harmed} by {_change(look, b_alone)} {look.unit}, a by "
        f"{_change(look, found.along_a(found.harmed))}"
    )
    if mainly_b(found) and flat > 0:
        text += f"; of steps as long, one along b is {steep / flat:,.0f} times as sharp at its checkpoint"
    along_a = [f"{domains.title(name)} by {_change(look, found.along_a(name))}" for name in found.others]
    along_b = [_change(look, found.along_b(name)) for name in found.others]
    return f"{text}. Along a the others change, {', '.join(along_a)}; along b then by {', '.join(along_b)}."


def _stretch(found: Plane, look: Look) -> str:
    harmed, drawn = domains.title(found.harmed), float(np.mean(found.random_costs))
    others = [f"{domains.title(name)} by {_change(look, found.stretched(name))}" for name in found.others]
    return (
        f"{STRETCH:g} Pδ, a step of length {STRETCH * found.inside:.2g} up the picture, changes {harmed} by "
        f"{_change(look, found.stretched(found.harmed))} {look.unit}, {', '.join(others)}; a random step {LONGER:g} "
        f"times as long changes {harmed} by {_change(look, drawn)}."
    )


def _way(found: Plane, told: Place) -> str:
    number = found.refresh.index(told)
    random = float(np.mean([each.b[number] for each in found.random_planes]))
    return (
        f"{counted(told.steps, 'refresh step').capitalize()} undo{'' if told.steps > 1 else 'es'} "
        f"{percent(1 - told.b)} of b and {percent(1 - told.a)} of a; in planes with {found.size} random directions in "
        f"place of the conflict subspace, {percent(1 - random)} of b."
    )


def _off_the_plane(found: Plane, told: Place, look: Look) -> str:
    end = found.training[-1].losses[found.harmed]
    gain, seen = told.losses[found.harmed] - end, told.projected[found.harmed] - end
    return (
        f"Not all of the repair is in the picture: the refreshed model lies {told.away:.2g} off the plane, and of its "
        f"change of {_change(look, gain)} {look.unit} its projection shows {_change(look, seen)}."
    )


def _further(found: Plane, told: Place, look: Look) -> str:
    """What longer refreshes do; nothing where they go on with the repair."""
    last = found.refresh[-1]
    more = last.losses[found.harmed] - told.losses[found.harmed]
    if last.steps == told.steps or more >= 0 or abs(last.b) < abs(told.b):
        return ""
    return (
        f"After {counted(last.steps, 'step')} b is {last.b:.2f}, no nearer to 0, and {domains.title(found.harmed)} has "
        f"changed by {_change(look, more)} more: that is learning rather than repair."
    )


def figure(result: Plane, look: Look = MINIATURE) -> Figure:
    """Left: the harmed domain, with the way of the training and of the refresh. Right: the other domains."""
    others, share = result.others, result.share_inside
    columns = 1 if len(others) <= 3 else 2
    rows = -(-len(others) // columns)
    with rc_context({**STYLE, "axes.grid": False}):
        drawn = Figure(figsize=(11, 6.6))
        grid = drawn.add_gridspec(
            rows, 1 + columns, width_ratios=(1.75, *[1 / columns] * columns), hspace=0.36, wspace=0.12
        )
        main = drawn.add_subplot(grid[:, 0])
        _contours(main, result, result.harmed, look, levels=11, size=9)
        _ways(main, result, size=6.5)
        _names(main, result)
        _stretched(main, result)
        main.set_xlabel(f"a: the rest of the update; 1 is a step of {result.outside:.3g}, {1 - share:.1%} of ‖δ‖²")
        main.set_ylabel(
            f"b: inside {result.size} conflict directions of {domains.title(result.harmed)}; "
            f"1 is a step of {result.inside:.2g}, {share:.1%} of ‖δ‖²"
        )
        what = "score" if look.height < 0 else f"loss, in {look.unit}"
        main.text(0.985, 0.02, f"lines: {what}", transform=main.transAxes, ha="right", fontsize=9, path_effects=_HALO)
        for number, name in enumerate(others):
            row, column = divmod(number, columns)
            axes = drawn.add_subplot(grid[row, 1 + column])
            _contours(axes, result, name, look, levels=7, size=7.5)
            _ways(axes, result, size=4)
            axes.set(xticks=(0, 1), yticks=(0, 1))
            axes.tick_params(labelbottom=row == rows - 1)
    return drawn


def _contours(axes: Axes, result: Plane, name: str, look: Look, *, levels: int, size: float) -> None:
    """A domain's score in the plane: the deeper the colour, the better."""
    spline = RectBivariateSpline(result.b, result.a, result.losses[name])
    a, b = np.linspace(result.a[0], result.a[-1], 141), np.linspace(result.b[0], result.b[-1], 201)
    height = look.height * spline(b, a)
    at = MaxNLocator(levels).tick_values(height.min(), height.max())
    tones = LinearSegmentedColormap.from_list(name, ["white", look.colour(name)])
    axes.contourf(a, b, height, at, cmap=tones if look.height < 0 else tones.reversed(), alpha=0.42)
    axes.set_title(_heading(result, name))
    within = [level for level in at if height.min() < level < height.max()]
    if not within:
        return
    lines = axes.contour(a, b, height, within, colors=[look.colour(name)], linewidths=0.9)
    # Numbers stand in a row across the lines, at the left or below, where no way leads.
    row, column = int(0.13 * len(b)), int(0.07 * len(a))
    if np.ptp(height[row]) > np.ptp(height[:, column]):
        places = [(x, b[row]) for level in within for x in _crossings(a, height[row] - level)]
    else:
        places = [(a[column], y) for level in within for y in _crossings(b, height[:, column] - level)]
    if places:
        axes.clabel(lines, fmt="%g", fontsize=size, colors=[INK], manual=places)


def _crossings(where: NDArray[np.float64], heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a curve crosses zero, to the nearest point before it."""
    return where[:-1][np.diff(np.sign(heights)) != 0]


def _ways(axes: Axes, result: Plane, *, size: float) -> None:
    """Checkpoints of the training, and of the refresh from its end; squares, so that colour is not needed."""
    way = [(place.a, place.b) for place in result.training]
    back = [(place.a, place.b) for place in result.refresh]
    axes.plot(*zip(*way, strict=True), "o-", color=INK, linewidth=size / 3, markersize=size, path_effects=_HALO)
    if back:
        axes.plot(*zip(way[-1], *back, strict=True), color=REPAIR, linewidth=size / 2, path_effects=_HALO)
        axes.plot(*zip(*back, strict=True), "s", color=REPAIR, markersize=size, markeredgecolor="white")
    axes.set(xlim=(result.a[0], result.a[-1]), ylim=(result.b[0], result.b[-1]))


def _names(axes: Axes, result: Plane) -> None:
    """Beside the checkpoints."""

    def say(text: str, a: float, b: float, away: tuple[float, float], tone: str, ha: Literal["left", "center"]) -> None:
        axes.annotate(
            text,
            (a, b),
            xytext=away,
            textcoords="offset points",
            color=tone,
            ha=ha,
            va="center",
            weight="bold",
            path_effects=_HALO,
        )

    first, *between, last = result.training
    say(f"{domains.title(first.domain)}'s checkpoint", first.a, first.b, (5, -15), INK, "left")
    for place in between:
        say(f"after {domains.title(place.domain)}", place.a, place.b, (-4, 14), INK, "center")
    say(f"after {domains.title(last.domain)}", last.a, last.b, (6, 13), INK, "left")
    # From the top down, each name beside its square or just below the name before.
    height, what = result.b[-1], f"Re-{domains.title(first.domain)}: "
    for place in sorted(result.refresh, key=lambda place: -place.b):
        height = min(place.b, height - 0.2)
        say(f"{what}{counted(place.steps, 'step')}", 1, height, (12, 0), REPAIR, "left")
        what = ""


def _stretched(axes: Axes, result: Plane) -> None:
    """P delta alone, three times."""
    axes.annotate("", (0, STRETCH), (0, 0), arrowprops={"arrowstyle": "-|>", "color": INK, "linestyle": (0, (2, 2))})
    axes.annotate(
        f"{STRETCH:g} Pδ", (0, STRETCH), xytext=(7, -12), textcoords="offset points", weight="bold", path_effects=_HALO
    )


TOPIC = Topic("plane", Plane, measure, 260, (), chapters, figure)
