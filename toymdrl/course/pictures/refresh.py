"""What chapter 7 draws: contraction in numpy, and thirty steps of a refresh."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import ArrayLike

from toymdrl.course.pictures.base import Picture, headline, label
from toymdrl.domains import title
from toymdrl.style import COLOURS, CONTRAST, FAINT, INK, PAPER_INK, STYLE

BLUES = LinearSegmentedColormap.from_list("sharp to flat", [COLOURS["math"], "#cfe0ec"])


def contraction(curvature: ArrayLike, left: ArrayLike) -> Picture:
    """Gradient descent on a quadratic: the error along each direction, and what is left of damage and distance.

    Args:
        curvature: of each direction, sharpest first, (directions,).
        left: share of each error, (steps + 1, directions).
    """
    curved, shares = np.asarray(curvature, dtype=float), np.asarray(left, dtype=float)
    steps = np.arange(len(shares))
    damage = (shares**2 * curved).sum(axis=1) / curved.sum()
    distance = (shares**2).mean(axis=1)
    in_order = bool((np.diff(np.abs(shares[1])) >= 0).all())
    with rc_context(STYLE):
        drawn = Picture(figsize=(8.4, 3.2))
        one, two = drawn.subplots(1, 2, gridspec_kw={"wspace": 0.42})
        for index in range(shares.shape[1]):
            one.plot(steps, shares[:, index], color=BLUES(index / shares.shape[1]), linewidth=1.8)
        label(one, f"h = {curved[-1]:g}", steps[-1], shares[-1, -1], FAINT)
        label(one, f"h = {curved[0]:g}", steps[-1], shares[-1, 0], COLOURS["math"])
        finding = "Sharp directions heal first" if in_order else "Sharp directions do not heal first"
        headline(one, finding, "share of the error left")
        two.plot(steps, damage, color=COLOURS["math"], linewidth=2)
        two.plot(steps, distance, color=INK, linewidth=2)
        two.annotate("damage", (5, damage[5]), xytext=(0, 6), textcoords="offset points", color=COLOURS["math"])
        two.annotate("squared distance", (5, distance[5]), xytext=(0, 6), textcoords="offset points", color=INK)
        two.axvline(3, color=FAINT, linestyle=":", linewidth=1)
        headline(
            two,
            f"{100 * damage[3]:.0f} % of the damage is left after three steps",
            f"and {100 * distance[3]:.0f} % of the squared distance",
        )
        for axes in (one, two):
            axes.set(xlabel="step", ylim=(0, 1.03))
    return drawn


def repair(
    steps: Sequence[int], scores: Sequence[dict[str, float]], own: float, way: Sequence[tuple[float, float]]
) -> Picture:
    """A refresh of Math, step by step: what every domain gains, and where it is in the plane.

    Args:
        steps: at which scores were taken, from 0.
        scores: of all domains then.
        own: Math's score at its own checkpoint.
        way: (a, b) after 0, 1, 2, … steps.
    """
    with rc_context(STYLE):
        drawn = Picture(figsize=(8.6, 3.6))
        left, right = drawn.subplots(1, 2, gridspec_kw={"wspace": 0.36})
        gained = {key: [each[key] - scores[0][key] for each in scores] for key in COLOURS if key in scores[0]}
        place = np.inf
        for key, curve in sorted(gained.items(), key=lambda pair: -pair[1][-1]):
            left.plot(steps, curve, "o-", color=COLOURS[key], linewidth=2, markersize=3.5)
            place = min(curve[-1], place - 1.5)  # names that would touch are pushed apart
            left.text(steps[-1] + 0.8, place, title(key), color=COLOURS[key], va="center")
        lost = own - scores[0]["math"]
        left.axhline(lost, color=COLOURS["math"], linestyle="--", linewidth=1)
        left.text(steps[-1], lost - 0.3, "all that Math had lost", ha="right", va="top", color=INK)
        first, whole = gained["math"][1], gained["math"][-1]
        wins = "The first step wins" if steps[1] == 1 else f"The first {steps[1]} steps win"
        finding = f"{wins} {100 * first / whole:.0f} % of it all" if whole > 0 else "Math gains nothing"
        headline(left, finding, "points gained since the end of training")
        a, b = zip(*way, strict=True)
        right.plot(range(len(way)), a, color=INK, linewidth=2)
        right.plot(range(len(way)), b, color=CONTRAST[0], linewidth=2)
        label(right, "a", len(way) - 1, a[-1], INK)
        label(right, "b", len(way) - 1, b[-1], PAPER_INK)
        right.axhline(0, color=FAINT, linewidth=0.8)
        heights = np.abs(b)
        lowest = int(heights.argmin())
        astray = heights[lowest] < 0.5 and heights[lowest:].max() > heights[lowest] + 0.1
        finding = "Down, and then astray" if astray else f"b is nearest to 0 at step {lowest}: {b[lowest]:.2f}"
        headline(right, finding, "a and b of the refreshed policy")
        for axes in (left, right):
            axes.axvline(3, color=FAINT, linestyle=":", linewidth=1)
            axes.set(xlabel="Re-Math step (dotted: the paper's three)")
        left.set_ylim(bottom=-4)  # room for the names
    return drawn
