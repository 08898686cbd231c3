"""What chapter 5 draws."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes

from toymdrl.course.pictures.base import Picture, headline, label, sheet
from toymdrl.domains import title
from toymdrl.evidence import interval
from toymdrl.style import BOUND, COLOURS, FAINT, INK, STYLE

CLEAR = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
"""Behind a name that lies on contours."""


def walk(
    shares: Sequence[float], lost: Sequence[float], first: float | None = None, second: float | None = None
) -> Picture:
    """Points that Math loses along its update and backwards along it.

    Args:
        shares: of the update, added to Math's parameters.
        lost: points lost there.
        first: first-order damage of the whole update, to draw the parabola of the theory.
        second: second-order damage.
    """
    with rc_context(STYLE):
        drawn, axes = sheet(height=3.4)
        axes.axvline(0, color=FAINT, linewidth=0.8)
        axes.plot(shares, lost, "o-", color=COLOURS["math"], linewidth=2, markersize=4)
        label(axes, "measured", shares[-1], lost[-1], COLOURS["math"])
        uphill = min(lost[0], lost[-1]) > 0
        finding = f"{'Uphill' if uphill else 'Not uphill'} both ways: QA's and CW's update, and its opposite"
        if first is not None and second is not None:
            parabola = [share * first + share**2 * second for share in shares]
            axes.plot(shares, parabola, color=INK, linewidth=1.4)
            label(axes, "from one point", shares[-1], parabola[-1], INK)
            off = np.abs(np.subtract(parabola, lost))
            bowl, much = np.abs(shares) <= 0.5, 0.1 * max(lost)
            finding = (
                "One gradient and one Hessian at 0 know the bowl, and not its rim"
                if off[bowl].max(initial=0) < much < off.max()
                else f"One gradient and one Hessian at 0 are off by up to {off.max():.1f} points"
            )
        axes.set(xlabel="share of the update added to Math's parameters", xticks=[-1, -0.5, 0, 0.5, 1, 1.5])
        headline(axes, finding, "points that Math loses")
    return drawn


def valley(matrix: np.ndarray, theta: np.ndarray, delta: np.ndarray) -> Picture:
    """Contours of a quadratic loss of two parameters, a step and the way down.

    Args:
        matrix: of the loss, (2, 2).
        theta: where the step starts, (2,).
        delta: the step, (2,).
    """
    reach = 1.5 * max(1.2, np.abs(theta).max(), np.abs(theta + delta).max())
    x, y = np.meshgrid(np.linspace(-reach, reach, 120), np.linspace(-reach, reach, 120))
    loss = (matrix[0, 0] * x**2 + 2 * matrix[0, 1] * x * y + matrix[1, 1] * y**2) / 2
    slope = matrix @ theta
    downhill = -slope / np.linalg.norm(slope)
    across = abs(downhill @ delta) < 0.01 * np.linalg.norm(delta)
    rise = slope @ delta + delta @ matrix @ delta / 2
    finding = (
        "Orthogonal to A's gradient, and uphill"
        if across and rise > 0
        else f"{'Orthogonal' if across else 'Not orthogonal'} to A's gradient; A's loss changes by {rise:+.2g}"
    )
    with rc_context({**STYLE, "axes.grid": False}):
        drawn, axes = sheet(height=3.8, width=5.2)
        levels = np.geomspace(0.01, 1, 9) * np.abs(loss).max()
        axes.contour(x, y, loss, levels=levels, colors=FAINT, linewidths=0.8)
        for vector, name, tone in ((downhill, "downhill for A", COLOURS["math"]), (delta, "B's step", BOUND)):
            _arrow(axes, theta, theta + vector, tone)
            axes.annotate(
                name, theta + vector, color=tone, xytext=(0, 7), textcoords="offset points", ha="center", bbox=CLEAR
            )
        axes.set(aspect="equal", xlabel="first parameter", ylabel="second parameter")
        headline(axes, finding, "contours of A's loss")
    return drawn


def sections(along: np.ndarray, downhill: np.ndarray, lost: np.ndarray, length: float) -> Picture:
    """Math's true loss in the plane of its own gradient and of what came later.

    Args:
        along: distances along the later update, (columns,).
        downhill: distances against Math's gradient, (rows,).
        lost: points that Math loses there, (rows, columns).
        length: of the update.
    """
    end = lost[np.abs(downhill).argmin(), np.abs(along - length).argmin()]  # the lattice's point next to the update's
    finding = "A long climb that the steep direction does not see" if end > 1 else "No climb along the update"
    with rc_context({**STYLE, "axes.grid": False}):
        drawn, axes = sheet(height=3.8)
        levels = [-1, 0, 1, 2, 5, 10, 20, 30, 40]
        lines = axes.contour(along, downhill, lost, levels=levels, colors=COLOURS["math"], linewidths=1.1)
        axes.clabel(lines, levels=[-1, 2, 5, 10, 20, 30, 40], fontsize=8, fmt="%g")
        axes.plot(0, 0, "o", color=INK, markersize=6)
        axes.annotate(
            "Math's checkpoint", (0, 0), xytext=(-6, -14), textcoords="offset points", ha="right", color=INK, bbox=CLEAR
        )
        _arrow(axes, np.zeros(2), np.array([length, 0]), BOUND)
        axes.annotate(
            "after QA and CW", (length, 0), xytext=(0, -14), textcoords="offset points", color=BOUND, bbox=CLEAR
        )
        axes.set(xlabel="distance along QA's and CW's update", ylabel="distance downhill for Math")
        headline(axes, finding, "points that Math loses, exact on 128 prompts")
    return drawn


def _arrow(axes: Axes, start: np.ndarray, end: np.ndarray, tone: str) -> None:
    axes.annotate("", tuple(end), tuple(start), arrowprops={"arrowstyle": "->", "color": tone, "linewidth": 2})


def orders(pairs: Mapping[tuple[str, str], tuple[float, float, float]]) -> Picture:
    """Damage of first and of second order, and what it was, for every domain and what came later.

    Args:
        pairs: first order, second order and damage in points, by the domain harmed and the last stage since.
    """
    helped = all(first < 0.5 for first, _, _ in pairs.values())  # points: less than that harms nobody
    larger = [pair for pair, (first, second, _) in pairs.items() if second > abs(first)]
    finding = (
        "To first order nearly all of it helped; the harm is second order"
        if helped and len(larger) == len(pairs)
        else f"The second order is the larger harm in {len(larger)} of {len(pairs)} pairs"
    )
    with rc_context({**STYLE, "axes.grid.axis": "x"}):
        drawn, axes = sheet(height=0.55 * len(pairs) + 1.1)
        axes.axvline(0, color=FAINT, linewidth=0.8)
        names = []
        for place, ((harmed, last), (first, second, actual)) in enumerate(pairs.items()):
            names.append(f"{title(harmed)}, after {title(last)}")
            axes.barh(place + 0.17, first, height=0.3, color=FAINT)
            axes.barh(place - 0.17, second, height=0.3, color=COLOURS[harmed])
            axes.plot([actual, actual], [place - 0.4, place + 0.4], color=INK, linewidth=2.5)
        # The largest damage has room for words.
        place, (first, second, actual) = max(enumerate(pairs.values()), key=lambda each: each[1][2])
        axes.text(min(0, first), place + 0.17, "first order ", ha="right", va="center", color=FAINT)
        axes.text(second, place - 0.17, "second order ", ha="right", va="center", color="white")
        label(axes, "the damage", actual, place, INK)
        axes.set_xlim(left=axes.get_xlim()[0] - 1)
        axes.set_yticks(range(len(pairs)), names, color=INK)
        headline(axes, finding, "points that a domain has lost since its own stage")
    return drawn


def local_theory(claims: Sequence[Mapping[str, float]], chance: float) -> Picture:
    """Over seeds: the gradients' cosines, how damage is ranked, and how much of it is predicted.

    Args:
        claims: a row a seed.
        chance: cosine of two random vectors.
    """
    largest, rank = (float(np.mean([row[key] for row in claims])) for key in ("largest_cosine", "rank"))
    short = interval([row["ratio"] for row in claims]).high < 1
    panels: tuple[tuple[str, str, dict[str, str]], ...] = (
        (
            "Nearly orthogonal" if largest < 0.2 else "Not all orthogonal",
            "size of gradients' cosines",
            {"mean": "mean_cosine", "largest": "largest_cosine"},
        ),
        (
            "Both orders rank it" if rank > 0.5 else "Both orders hardly rank it",
            "rank correlation",
            {"first order": "rank_first", "both orders": "rank"},
        ),
        (
            "… and fall short" if short else "… and need not fall short",
            "predicted / actual damage",
            {"median": "ratio"},
        ),
    )
    with rc_context(STYLE):
        drawn = Picture(figsize=(7.6, 3.4))
        for axes, (finding, what, keys) in zip(drawn.subplots(1, 3, width_ratios=(2, 2, 1)), panels, strict=True):
            for place, key in enumerate(keys.values()):
                each = [row[key] for row in claims]
                axes.plot(place + np.linspace(-0.12, 0.12, len(each)), each, "o", color=FAINT, alpha=0.6, markersize=5)
                found = interval(each)
                axes.plot([place + 0.25] * 2, [found.low, found.high], color=INK, linewidth=2)
                axes.plot(place + 0.25, found.mean, "D", color=INK, markersize=5)
            axes.set_xticks(range(len(keys)), list(keys), color=INK)
            axes.set(xlim=(-0.5, len(keys) - 0.4))
            headline(axes, finding, what)
        cosines, ranks, shares = drawn.axes
        cosines.axhline(chance, color=BOUND, linestyle=":", linewidth=1.2)
        cosines.annotate("chance", (-0.45, chance), xytext=(0, 4), textcoords="offset points", color=BOUND, fontsize=9)
        cosines.set_ylim(0, 1)
        ranks.axhline(0, color=FAINT, linewidth=0.8)
        ranks.set_ylim(-1.05, 1.05)
        shares.axhline(1, color=BOUND, linestyle=":", linewidth=1.2)
        shares.set_ylim(0, 1.2)
        drawn.tight_layout()
    return drawn
