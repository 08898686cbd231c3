"""What chapter 10 draws: intervals that miss, and repairs beside their rivals."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib import rc_context

from toymdrl.course.pictures.base import Picture, headline, label, sheet
from toymdrl.style import BOUND, FAINT, INK, STYLE

BESIDE = {
    "joint": (-7, 2, "right"),
    "pcgrad": (-7, -9, "right"),
    "ewc 30": (7, -8, "left"),
    "protected": (7, -8, "left"),
}
"""Where a name stands that would meet another: points from its dot, and its side."""
OURS = ("refresh within", "rollback", "protected")


def missed(shared: Sequence[float], pooled: Sequence[float], by_seed: Sequence[float]) -> Picture:
    """How often an interval misses the truth.

    Args:
        shared: of a number's variance, the part that is its seed's.
        pooled: % of intervals over all numbers that miss, at each.
        by_seed: the same of intervals over the seeds' means.
    """
    ever_more = all(later > earlier for earlier, later in pairwise(pooled))
    finding = (
        "Pooled, the interval misses ever more often"
        if ever_more
        else f"Pooled, the interval misses up to {max(pooled):.0f} % of the time"
    )
    with rc_context(STYLE):
        drawn, axes = sheet(height=3.4, width=6.6)
        axes.axhline(5, color=FAINT, linestyle="--", linewidth=1)
        axes.text(0.62, 7, "promised: 5 %", color=FAINT, fontsize=9)
        axes.plot(shared, pooled, "o-", color=BOUND, linewidth=2)
        axes.plot(shared, by_seed, "o-", color=INK, linewidth=2)
        label(axes, "over all 80 numbers", shared[-1], pooled[-1], BOUND)
        label(axes, "over ten means", shared[-1], by_seed[-1], INK)
        axes.set(ylim=(0, None), xlabel="part of a number's variance that is its seed's")
        headline(axes, finding, "% of 95 % intervals that miss the truth")
    return drawn


def rivals_plane(places: Mapping[str, tuple[float, float]], names: Mapping[str, str]) -> Picture:
    """What each way to keep Math keeps, and what QA and CW gain by it.

    Args:
        places: points gained by QA and CW, and by Math, since Math's checkpoint; by arm.
        names: in words, by arm.
    """
    with rc_context({**STYLE, "axes.grid.axis": "both"}):
        drawn, axes = sheet(height=4.4)
        for arm, (gained, kept) in places.items():
            tone = BOUND if arm in OURS else INK
            axes.plot(gained, kept, "o", color=tone)
            right, up, side = BESIDE.get(arm, (7, -3, "left"))
            axes.annotate(names[arm], (gained, kept), (right, up), textcoords="offset points", ha=side, color=tone)
        axes.axhline(0, color=FAINT, linewidth=0.8)
        axes.set(xlim=(15, 68), xlabel="points that QA and CW gain, since Math's checkpoint")
        headline(axes, _who_pays(places, names), "points that Math gains since then; mean over ten seeds")
    return drawn


def _who_pays(places: Mapping[str, tuple[float, float]], names: Mapping[str, str]) -> str:
    """That EWC keeps Math at a price and the refresh does at none; else, which way keeps most."""
    if {"sequence", "ewc 30", "refresh within"} <= places.keys():
        (plain, _), (ewc, kept), (refresh, _) = places["sequence"], places["ewc 30"], places["refresh within"]
        if kept > -4 and ewc < plain - 4 and abs(refresh - plain) < 1:  # points
            return "EWC keeps Math, and QA and CW pay; the refresh costs them nothing"
    most = max(places, key=lambda arm: places[arm][1])
    return f"What keeps most of Math: {names[most]}"
