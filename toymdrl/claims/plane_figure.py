"""How the picture of `toymdrl/claims/plane.py` is drawn: contours of every loss, and the ways through the plane."""

from collections.abc import Mapping
from typing import Literal, TypeVar

import numpy as np
from matplotlib import patheffects, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from toymdrl import domains
from toymdrl.analysis.plane import STRETCH, Plane
from toymdrl.style import INK, REPAIR, STYLE, Look
from toymdrl.words import counted

Sheet = TypeVar("Sheet", bound=Figure)
_HALO = [patheffects.withStroke(linewidth=3.2, foreground="white")]


def draw(result: Plane, headings: Mapping[str, str], look: Look, kind: type[Sheet]) -> Sheet:
    """Left: the harmed domain, with the way of the training and of the refresh. Right: the other domains.

    Args:
        result: the plane.
        headings: what each domain's panel shows, as a sentence.
        look: of its losses.
        kind: of figure; the course has its own.
    """
    others, share = result.others, result.share_inside
    columns = 1 if len(others) <= 3 else 2
    rows = -(-len(others) // columns)
    with rc_context({**STYLE, "axes.grid": False}):
        drawn = kind(figsize=(11, 6.6))
        grid = drawn.add_gridspec(
            rows, 1 + columns, width_ratios=(1.75, *[1 / columns] * columns), hspace=0.36, wspace=0.12
        )
        main = drawn.add_subplot(grid[:, 0])
        _contours(main, result, result.harmed, look, levels=11, size=9)
        main.set_title(headings[result.harmed])
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
            axes.set_title(headings[name])
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
