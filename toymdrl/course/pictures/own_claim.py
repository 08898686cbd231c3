"""What chapter 11 and the capstone draw: two domains of spirals, damage undone, and ideas of what is fair."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context

from toymdrl.course.pictures.base import Picture, headline, label, sheet
from toymdrl.course.spirals import ARMS, Domain, spirals
from toymdrl.evidence import interval
from toymdrl.style import BOUND, COLOURS, CONTRAST, FAINT, INK, STYLE


def arms() -> Picture:
    """The points of both domains, a colour a label."""
    tones = list(COLOURS.values())[:ARMS]
    with rc_context({**STYLE, "axes.grid": False}):
        drawn = Picture(figsize=(7.2, 3.9))
        titles = ("Domain A", "Domain B: turned, labels moved on")
        domains: tuple[Domain, ...] = ("A", "B")
        for axes, domain, title in zip(drawn.subplots(1, 2), domains, titles, strict=True):
            points, labels = spirals(domain, "train")
            for each in range(ARMS):
                axes.plot(*points[labels == each].T, ".", color=tones[each], markersize=4)
            axes.set(aspect="equal", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), xticks=(), yticks=())
            headline(axes, title, "512 points in the plane; a colour a label")
    return drawn


def undone(sizes: Sequence[int], shares: Mapping[str, Sequence[Sequence[float]]]) -> Picture:
    """The share of A's damage that each way undoes, mean and 95 % interval over seeds.

    Args:
        sizes: directions.
        shares: of "sharpest", "shrinking" and "random", for each size a number a seed.
    """
    with rc_context(STYLE):
        drawn, axes = sheet(height=3.8)
        for (name, of_sizes), tone in zip(shares.items(), (CONTRAST[1], INK, FAINT), strict=True):
            found = [interval(each) for each in of_sizes]
            means = [100 * each.mean for each in found]
            axes.fill_between(
                sizes,
                [100 * each.low for each in found],
                [100 * each.high for each in found],
                color=tone,
                alpha=0.15,
                linewidth=0,
            )
            axes.plot(sizes, means, "o-", color=tone, linewidth=2)
            near = -4 if tone == INK else 3 if tone == CONTRAST[1] else 0
            label(axes, name, sizes[-1], means[-1] + near, tone)
        axes.set(xscale="log", xlabel="directions")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        # From the largest size down, as long as the sharpest directions are ahead.
        first = None
        for size, top, shrunk in reversed(list(zip(sizes, shares["sharpest"], shares["shrinking"], strict=True))):
            if np.mean(top) <= np.mean(shrunk):
                break
            first = size
        finding = (
            f"The sharpest directions do more than shrinking from {first} on"
            if first is not None
            else f"With {sizes[-1]} directions, shrinking does at least as much"
        )
        headline(axes, finding, "% of A's damage undone, unseen points")
    return drawn


def fairness(ratios: Mapping[str, Sequence[float]], band: float, finding: str) -> Picture:
    """Harm of the wide network over that of the narrow one: a dot a seed, and the interval of the mean of logarithms.

    Args:
        ratios: log2 of the ratio, a number a seed, by what was kept equal.
        band: log2 of the ratio below which the claim is met.
        finding: the title.
    """
    with rc_context({**STYLE, "axes.grid.axis": "x"}):
        drawn, axes = sheet(height=1.1 + 0.75 * len(ratios))
        places = np.arange(len(ratios))[::-1]
        every = np.concatenate([np.asarray(each) for each in ratios.values()])
        low, high = int(np.floor(every.min())), int(np.ceil(every.max()))
        axes.axvspan(low, band, color=CONTRAST[2], alpha=0.15, linewidth=0)
        axes.text(band, len(ratios) - 0.45, "claim met  ", ha="right", color=CONTRAST[2], va="center")
        axes.axvline(0, color=FAINT, linewidth=0.8)
        for place, each in zip(places, ratios.values(), strict=True):
            tone = BOUND if place == places[0] else INK
            axes.plot(each, [place] * len(each), "o", color=FAINT, alpha=0.55, markersize=5)
            found = interval(each)
            axes.plot([found.low, found.high], [place + 0.22] * 2, color=tone, linewidth=2.5)
            axes.plot(found.mean, place + 0.22, "D", color=tone, markersize=6)
        ticks = range(low, high + 1, 2 if high - low > 6 else 1)
        axes.set_xticks(list(ticks), [f"{2**tick}" if tick >= 0 else f"1/{2**-tick}" for tick in ticks])
        axes.set_yticks(places, list(ratios), color=INK)
        axes.set(ylim=(-0.5, len(ratios) - 0.2), xlim=(low, high), xlabel="times the narrow network's harm")
        headline(axes, finding, "A's harm, 128 wide over 32 wide; a dot a seed, mean and 95 % interval")
    return drawn
