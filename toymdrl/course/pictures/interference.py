"""What chapter 4 draws."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context

from toymdrl.course.pictures.base import Picture, headline, label, sheet
from toymdrl.domains import title
from toymdrl.evidence import interval
from toymdrl.style import COLOURS, FAINT, INK, STYLE

Pairs = Mapping[tuple[str, str], float]
"""By the domain that loses and the one trained after it."""


def stage(steps: Sequence[int], scores: Sequence[Mapping[str, float]]) -> Picture:
    """Every domain's score during QA's stage.

    Args:
        steps: at which they were taken.
        scores: by domain, at each of them.
    """
    qa, math = (scores[-1][key] - scores[0][key] for key in ("qa", "math"))
    finding = "QA climbs, Math falls with it" if qa > 0 > math else f"QA moves by {qa:+.1f} points, Math by {math:+.1f}"
    with rc_context(STYLE):
        drawn, axes = sheet(height=3.6)
        for key, tone in COLOURS.items():
            curve = [each[key] for each in scores]
            axes.plot(steps, curve, "o-", color=tone, linewidth=2, markersize=3.5)
            label(axes, title(key), steps[-1], curve[-1], tone)
        axes.set(ylim=(0, 102), xlabel="steps of QA's stage, after Math's")
        headline(axes, finding, "score on unseen prompts")
    return drawn


def costs(points: Mapping[str, float], length: float) -> Picture:
    """What steps of one length cost Math.

    Args:
        points: by the step's name.
        length: of each.
    """
    least, most = min(points.values()), max(points.values())
    differ = most > 0 and most > 2 * least
    finding = "The direction is what costs" if differ else "No direction costs much more than another"
    with rc_context({**STYLE, "axes.grid.axis": "x"}):
        drawn, axes = sheet(height=0.42 * len(points) + 1.1)
        names = list(points)[::-1]
        bars = axes.barh(names, [points[name] for name in names], height=0.6, color=COLOURS["math"])
        axes.bar_label(bars, [f"{points[name]:.1f}" for name in names], padding=4, color=INK)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.axvline(0, color=FAINT, linewidth=0.8)
        headline(axes, finding, f"points that Math loses to one step of length {length:.2f}")
    return drawn


def matrix(lost: Pairs, gained: Mapping[str, float]) -> Picture:
    """Who loses how much to whom, in points and as a share of what the loser had gained.

    Args:
        lost: points.
        gained: by each domain's own stage, in points.
    """
    keys = list(COLOURS)
    points = np.array([[lost.get((row, column), np.nan) for column in keys] for row in keys])
    shares = 100 * points / np.array([[gained[row]] for row in keys])
    by_points = dict(zip(keys, np.nanmean(points, axis=1), strict=True))
    by_share = dict(zip(keys, np.nanmean(shares, axis=1), strict=True))
    most = max(by_points, key=lambda key: by_points[key])
    other = max((key for key in keys if key != most), key=lambda key: by_share[key])
    higher = max(most, other, key=lambda key: by_share[key])
    near = abs(by_share[other] - by_share[most]) < 4  # per cent of a gain
    panels = (
        (f"{title(most)} loses most points", "that a row loses to a column"),
        (
            f"Of its gain, {title(other)} as much" if near else f"Of its gain, {title(higher)} most",
            "% of what a row's own stage had won",
        ),
    )
    with rc_context({**STYLE, "axes.grid": False}):
        drawn = Picture(figsize=(7.6, 4.0))
        for axes, values, words in zip(drawn.subplots(1, 2), (points, shares), panels, strict=True):
            axes.imshow(values, cmap="OrRd", vmin=0, vmax=np.nanmax(values))
            for (row, column), value in np.ndenumerate(values):
                if not np.isnan(value):
                    tone = "white" if value > 0.7 * np.nanmax(values) else INK
                    axes.text(
                        column,
                        row,
                        (f"{round(value)}" if values is shares else f"{value:.1f}").replace("-", "−"),
                        ha="center",
                        va="center",
                        fontsize=11,
                        color=tone,
                    )
            axes.set_xticks(range(len(keys)), [title(key) for key in keys], color=INK)
            axes.set_yticks(range(len(keys)), [title(key) for key in keys], color=INK)
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0)
            headline(axes, *words)
        drawn.tight_layout()
    return drawn


def blind(arms: Mapping[str, Sequence[float]]) -> Picture:
    """Points that Math loses to each kind of step: a dot a seed, the mean and its 95 % interval.

    Args:
        arms: one number a seed, by what was done: first the true stages, second the placebo of the same length.
    """
    true, placebo = (float(np.mean(each)) for each in list(arms.values())[:2])
    finding = (
        "Rewards that say nothing harm as much"
        if 0.8 * true < placebo < 1.25 * true
        else f"Rewards that say nothing cost {placebo:.1f} points, true ones {true:.1f}"
    )
    with rc_context({**STYLE, "axes.grid.axis": "x"}):
        drawn, axes = sheet(height=0.55 * len(arms) + 1.2)
        axes.axvline(0, color=FAINT, linewidth=0.8)
        places = range(len(arms))[::-1]
        for place, each in zip(places, arms.values(), strict=True):
            axes.plot(each, [place] * len(each), "o", color=COLOURS["math"], alpha=0.45, markersize=5)
            found = interval(each)
            axes.plot([found.low, found.high], [place + 0.24] * 2, color=INK, linewidth=2)
            axes.plot(found.mean, place + 0.24, "D", color=INK, markersize=5)
            axes.annotate(
                f"{found.mean:.1f} [{found.low:.1f}, {found.high:.1f}]",
                (1.01, place),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=9,
            )
        axes.set_yticks(places, list(arms), color=INK)
        axes.set(ylim=(-0.5, len(arms) - 0.3))
        headline(axes, finding, f"points that Math loses, {len(each)} seeds")
    return drawn
