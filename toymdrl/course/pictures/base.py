"""What all pictures are drawn on, and the two that return in every chapter."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toymdrl.domains import title
from toymdrl.evidence import interval
from toymdrl.style import COLOURS, FAINT, INK, STYLE

SECOND_LINE = "second line"
"""Marks what a panel draws, below its title."""


class Picture(Figure):
    """A figure that a notebook shows whether or not pyplot has been set up in it."""

    def __repr__(self) -> str:
        """In words, for who cannot see it: what each panel finds and draws."""
        panels = []
        for axes in self.axes:
            below = [axes.get_xlabel()] if axes.get_xlabel() else []
            second = [text.get_text() for text in axes.texts if text.get_gid() == SECOND_LINE]
            found = axes.get_title(loc="left") or axes.get_title()
            panels.append("; ".join([found, *second, *below]))
        return "Picture. " + ". ".join(panels)

    def _repr_png_(self) -> bytes:
        """What a notebook draws."""
        drawn = BytesIO()
        self.savefig(drawn, format="png", dpi=100, bbox_inches="tight")
        return drawn.getvalue()


def sheet(height: float = 3.6, width: float = 7.6) -> tuple[Picture, Axes]:
    """A picture of one panel, of the width of the course's column; inches."""
    drawn = Picture(figsize=(width, height))
    return drawn, drawn.subplots()


def headline(axes: Axes, finding: str, what: str) -> None:
    """What a panel shows, as a sentence; and in a second line what is drawn, with its unit."""
    axes.set_title(finding, pad=24)
    axes.text(0, 1.03, what, transform=axes.transAxes, fontsize=9.5, color=INK, gid=SECOND_LINE)


def label(axes: Axes, text: str, x: float, y: float, tone: str) -> None:
    """A line's name beside its end: what one would else look up in a legend."""
    axes.annotate(text, (x, y), xytext=(6, 0), textcoords="offset points", va="center", color=tone)


def journey(path: Mapping[str, Mapping[str, float]]) -> Picture:
    """Every domain's score at every checkpoint.

    Args:
        path: scores by domain, by checkpoint in the order of training.
    """
    names = list(path)
    with rc_context(STYLE):
        drawn = Picture(figsize=(7.6, 3.8))
        axes = drawn.subplots()
        for key, tone in COLOURS.items():
            axes.plot(names, [path[name][key] for name in names], "o-", color=tone, linewidth=2, label=title(key))
        axes.set(ylim=(0, 102), title="score on unseen prompts")
        axes.tick_params(axis="x", labelcolor=INK)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return drawn


def over_seeds(values: Mapping[str, Sequence[float]], heading: str) -> Picture:
    """A dot a seed, and the mean with its 95 % t interval.

    Args:
        values: one number a seed, by what was measured.
        heading: with the unit.
    """
    with rc_context({**STYLE, "axes.grid.axis": "x"}):
        drawn = Picture(figsize=(7.6, 0.55 * len(values) + 0.9))
        axes = drawn.subplots()
        places = np.arange(len(values))[::-1]
        for place, each in zip(places, values.values(), strict=True):
            axes.plot(each, [place] * len(each), "o", color=FAINT, alpha=0.55, markersize=5)
            found = interval(each)
            axes.plot([found.low, found.high], [place + 0.22] * 2, color=INK, linewidth=2)
            axes.plot(found.mean, place + 0.22, "D", color=INK, markersize=5)
            text = f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]".replace("-", "−")
            axes.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9)
        every = [number for each in values.values() for number in each]
        if min(every) < max(every) / 4:  # else zero is far away and would squeeze the picture
            axes.axvline(0, color=FAINT, linewidth=0.8)
        axes.set_yticks(places, list(values), color=INK)
        axes.set(title=heading, ylim=(-0.5, len(values) - 0.3))
    return drawn
