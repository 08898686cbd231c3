"""What chapter 6 draws: T4's two parts, the spectrum, what taking directions out undoes, and the plane."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib import patheffects, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import RectBivariateSpline

from toymdrl.course.pictures.base import Picture, headline, label, sheet
from toymdrl.domains import title
from toymdrl.style import COLOURS, CONTRAST, FAINT, INK, PAPER_INK, STYLE

HALO = [patheffects.withStroke(linewidth=3, foreground="white")]
Way = Sequence[tuple[str, float, float]]
"""Points of the plane: a name, a and b."""


def two_parts() -> Picture:
    """A drawing, not data: an update's long part along a valley and its short part across, straight and leaning."""
    with rc_context({**STYLE, "axes.grid": False}):
        drawn = Picture(figsize=(7.6, 2.9))
        left, right = drawn.subplots(1, 2, sharey=True, gridspec_kw={"wspace": 0.08})
        for axes, lean in ((left, 0.0), (right, 0.22)):
            a, b = np.meshgrid(np.linspace(-1, 5, 121), np.linspace(-1.2, 1.8, 121))
            loss = 8 * (b - lean * a) ** 2 + 0.06 * a**2
            axes.contour(a, b, loss, (0.15, 0.8, 2.5, 6, 12, 20), colors=COLOURS["math"], linewidths=0.9)
            for x, y, text, where in ((4, 0, "Qδ", (2.4, -0.42)), (0, 1, "Pδ", (-0.75, 0.5)), (4, 1, "δ", (2.2, 0.72))):
                axes.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.8})
                axes.text(*where, text, fontsize=13, path_effects=HALO)
            axes.set(xticks=[], yticks=[], aspect="equal")
            axes.spines[:].set_visible(False)
        left.set_title("An eigenvector's valley: P H Q = 0")
        right.set_title("A valley that leans: P H Q ≠ 0")
    return drawn


def spectrum(values: Sequence[float], damages: Sequence[float], typical: float) -> Picture:
    """The sharpest directions, sharpest first: their eigenvalues, and below what each adds to the damage.

    Args:
        values: eigenvalues, points per unit length squared.
        damages: eigenvalue x (eigenvector · update)² / 2 of each, points.
        typical: curvature along a random direction.
    """
    places = np.arange(1, len(values) + 1)
    tones = [COLOURS["math"] if value > 0 else CONTRAST[0] for value in values]
    with rc_context(STYLE):
        drawn = Picture(figsize=(7.6, 5))
        above, below = drawn.subplots(2, 1, sharex=True, gridspec_kw={"hspace": 0.5})
        above.scatter(places, np.abs(values), color=tones, s=28)
        above.axhline(typical, color=INK, linewidth=1.2)
        above.text(len(values) + 0.4, typical * 1.15, "a random direction", ha="right", va="bottom", path_effects=HALO)
        above.set(yscale="log", ylim=(typical / 3, 3 * max(np.abs(values))))
        ratio = float(f"{values[0] / typical:.1g}")  # a few random directions tell no more digits
        headline(above, f"The sharpest is about {ratio:,.0f} times as sharp as a random one", "eigenvalue λ, log scale")
        below.bar(places, damages, color=tones)
        share = 100 * max(damages) / sum(damages)
        headline(below, f"The most that one holds is {share:.0f} % of the damage inside", "λ (v·δ)² / 2, points")
        below.set(xlabel="direction, the sharpest first", xlim=(0.2, len(values) + 0.8))
    return drawn


def removed(sizes: Sequence[int], undone: Mapping[str, Sequence[float]]) -> Picture:
    """What taking directions out of the update undoes of the damage, per cent.

    Args:
        sizes: how many are taken out.
        undone: per cent at each size, by what is taken out; first what is shown, then its controls.
    """
    with rc_context(STYLE):
        drawn, axes = sheet(height=3.6)
        for (name, curve), tone in zip(undone.items(), cycle((COLOURS["math"], INK, FAINT)), strict=False):
            axes.plot(sizes, curve, "o-", color=tone, linewidth=2, markersize=5)
            label(axes, name, sizes[-1], curve[-1], tone)
        axes.set(xscale="log", xlabel="directions taken out of the update", ylim=(-4, 100))
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        shown, control, *_ = undone.values()
        ahead = all(one > other for one, other in zip(shown, control, strict=True))
        finding = (
            "The sharp directions beat the control at every size" if ahead else "Not ahead of the control everywhere"
        )
        headline(axes, finding, "% of Math's loss undone, unseen prompts")
    return drawn


def plane(
    a: ArrayLike,
    b: ArrayLike,
    scores: Mapping[str, ArrayLike],
    training: Way,
    refresh: Way = (),
    *,
    findings: Sequence[str] = (),
) -> Picture:
    """Every domain's score in the plane of the update's part outside the conflict subspace, a, and inside, b.

    Args:
        a: of the lattice, (columns,).
        b: of the lattice, (rows,).
        scores: (rows, columns) of each domain.
        training: checkpoints from (0, 0) on.
        refresh: checkpoints of a refresh.
        findings: a title for each domain.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    names = findings or [f"{title(key)}'s score" for key in scores]
    with rc_context({**STYLE, "axes.grid": False}):
        drawn = Picture(figsize=(8.4, 4))
        panels = drawn.subplots(1, len(scores), sharey=True, gridspec_kw={"wspace": 0.07})
        for (key, values), axes, name in zip(scores.items(), np.atleast_1d(panels), names, strict=True):
            _contours(axes, a, b, np.asarray(values, dtype=float), COLOURS[key])
            _way(axes, training, "o-", INK)
            _way(axes, [training[-1], *refresh], "s-", CONTRAST[0])
            axes.set_title(name)
            axes.set_xlabel("a: the part outside, Qδ")
            axes.set_xticks((0, 0.5, 1, 1.5))
        first = np.atleast_1d(panels)[0]
        first.set_ylabel("b: the part inside, Pδ")
        _names(first, training, refresh)
    return drawn


def _contours(
    axes: Axes, a: NDArray[np.float64], b: NDArray[np.float64], values: NDArray[np.float64], tone: str
) -> None:
    fine_a, fine_b = np.linspace(a[0], a[-1], 101), np.linspace(b[0], b[-1], 101)
    height = RectBivariateSpline(b, a, values)(fine_b, fine_a)
    steps = np.arange(0, 105, 8)
    shades = LinearSegmentedColormap.from_list("score", ["white", tone])
    axes.contourf(fine_a, fine_b, height, steps, cmap=shades, alpha=0.35)
    lines = axes.contour(fine_a, fine_b, height, steps, colors=[tone], linewidths=0.9)
    axes.clabel(lines, fmt="%g", fontsize=8, colors=[INK])


def _way(axes: Axes, way: Way, marks: str, tone: str) -> None:
    if len(way) > 1:
        places = [(x, y) for _, x, y in way]
        axes.plot(*zip(*places, strict=True), marks, color=tone, linewidth=2, markersize=5, path_effects=HALO)


def _names(axes: Axes, training: Way, refresh: Way) -> None:
    """Below the first checkpoint and above the later ones; a refresh's to the right, where no line is."""
    for index, (name, x, y) in enumerate(training):
        shift, side = ((2, -11), "left") if index == 0 else ((4, 10), "right")
        _name(axes, name, (x, y), shift, side, INK)
    for name, x, y in refresh:
        _name(axes, name, (x, y), (7, 0), "left", PAPER_INK)


def _name(axes: Axes, name: str, where: tuple[float, float], shift: tuple[float, float], side: str, tone: str) -> None:
    look: dict[str, Any] = {"ha": side, "va": "center", "color": tone, "path_effects": HALO, "fontsize": 9}
    axes.annotate(name, where, xytext=shift, textcoords="offset points", **look)
