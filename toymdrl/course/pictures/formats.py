"""What chapter 9 draws: a number format as a staircase, changes beside what it can see, and one curve for all runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib import rc_context

from toymdrl.course.pictures.base import Picture, headline, label, sheet
from toymdrl.style import CONTRAST, FAINT, INK, PAPER, PAPER_INK, STYLE

PAPER_UNCHANGED, MUKHERJEE_UNCHANGED = (77, 89), (70, 95)
"""% of weights that two papers found unchanged by RL."""
ALWAYS_LOST, NEVER_LOST = 2.0**-9, 2.0**-8
"""Relative changes: up to the one bfloat16 loses all, above the other none (T10)."""


def staircase() -> Picture:
    """What bfloat16 makes of numbers about 1/8."""
    true = torch.linspace(0.1228, 0.1288, 3001, dtype=torch.float64)
    kept = true.bfloat16().double()
    with rc_context({**STYLE, "axes.grid.axis": "both"}):
        drawn, axes = sheet(height=3.4, width=6.4)
        axes.plot(true, true, ":", color=FAINT, linewidth=1.2)
        breaks = np.flatnonzero(np.diff(kept.numpy())) + 1
        for x, y in zip(np.split(true, breaks), np.split(kept, breaks), strict=True):
            axes.plot(x, y, color=CONTRAST[1], linewidth=3, solid_capstyle="butt")
        axes.axvline(0.125, color=FAINT, linewidth=0.8)
        axes.annotate("1/8", (0.125, 0.1229), xytext=(5, 0), textcoords="offset points", color=FAINT)
        label(axes, "exact", float(true[-1]), float(true[-1]), FAINT)
        axes.text(0.12685, 0.12715, "stored", ha="right", color=CONTRAST[1])
        axes.set(xlabel="a weight")
        headline(axes, "Within a step no change is seen; past 1/8 steps are twice as wide", "the weight as stored")
    return drawn


def changed(moves: Mapping[float, np.ndarray]) -> Picture:
    """The share of weights that moved by less than any given share of themselves.

    Args:
        moves: |change| / |weight| of every weight, by four learning rates.
    """
    finding = (
        "A shelf: between some sizes hardly any change"
        if any(_has_shelf(each) for each in moves.values())
        else "No shelf: at any learning rate, changes come in all sizes"
    )
    at = np.logspace(-7.5, 1, 300)
    tones = (CONTRAST[1], CONTRAST[2], INK, CONTRAST[3])
    with rc_context(STYLE):
        drawn, axes = sheet(height=4)
        for band, opaque in ((MUKHERJEE_UNCHANGED, 0.14), (PAPER_UNCHANGED, 0.3)):
            axes.axhspan(*band, color=PAPER, alpha=opaque, linewidth=0)
        axes.text(4e-8, 90.3, "Mukherjee et al. find 70 to 95 % unchanged", fontsize=9, color=PAPER_INK)
        axes.text(4e-8, 82, "the paper, 77 to 89 %", fontsize=9, color=PAPER_INK)
        axes.axvspan(ALWAYS_LOST, NEVER_LOST, color=FAINT, alpha=0.45, linewidth=0)
        axes.text(4e-8, 12, "left of the stripe:\nbfloat16 loses them", fontsize=9, color=INK)
        axes.text(8, 12, "right of it:\nseen", ha="right", fontsize=9, color=INK)
        for (rate, each), tone in zip(moves.items(), tones, strict=True):
            shares = 100 * np.searchsorted(np.sort(each), at) / len(each)
            axes.plot(at, shares, color=tone, linewidth=2)
            middle = float(np.median(each))
            axes.annotate(
                f"{rate:.0e} ".replace("e-0", "e-"), (middle, 50), ha="right", va="bottom", color=tone, fontsize=9
            )
        axes.set(xscale="log", xlim=(at[0], at[-1]), ylim=(0, 101), xlabel="change, as a share of the weight")
        headline(axes, finding, "% of weights that changed by less, at four learning rates")
    return drawn


def _has_shelf(sizes: np.ndarray) -> bool:
    """Whether next to no change lies in a tenfold range of sizes, with a tenth of the weights or more on both sides.

    Args:
        sizes: of changes, (weights,).
    """
    tenths = np.quantile(sizes, np.arange(1, 10) / 10)
    return bool((tenths[1:] > 10 * tenths[:-1]).any())


def one_curve(cells: Sequence[Mapping[str, Any]]) -> Picture:
    """Share unchanged against drift, both from `rows("precision")`, by format.

    Args:
        cells: of a float32 master, with `format`, `drift` and `unchanged`.
    """
    by_drift = sorted(cells, key=lambda cell: float(cell["drift"]))
    unchanged = np.array([cell["unchanged"] for cell in by_drift])
    # On one falling curve none lies above one that has drifted less.
    above = float((unchanged - np.minimum.accumulate(unchanged)).max())
    finding = (
        "One curve for every learning rate, length and format"
        if above < 0.05
        else "Not one curve: some drift further and change fewer weights"
    )
    with rc_context(STYLE):
        drawn, axes = sheet(height=3.8)
        axes.axhspan(*PAPER_UNCHANGED, color=PAPER, alpha=0.3, linewidth=0)
        axes.text(60, 83, "the paper", color=PAPER_INK, va="center", ha="right")
        places = {"bfloat16": (1.5, 55), "float8 e5m2": (0.0035, 62)}
        for (name, place), tone in zip(places.items(), (CONTRAST[1], CONTRAST[3]), strict=True):
            own = [cell for cell in cells if cell["format"] == name]
            shares = [100 * cell["unchanged"] for cell in own]
            axes.plot([cell["drift"] for cell in own], shares, "o", color=tone, alpha=0.35, markersize=4.5)
            axes.text(*place, name, color=tone)
        axes.axvline(1, color=FAINT, linewidth=0.8)
        axes.text(0.9, 12, "as far as the format can see", ha="right", color=FAINT, fontsize=9)
        axes.set(xscale="log", ylim=(0, 101), xlabel="median drift over the threshold of T10")
        headline(axes, finding, "% of weights unchanged; a dot a seed, learning rate and length")
    return drawn
