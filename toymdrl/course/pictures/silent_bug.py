"""What chapter 12 draws."""

from collections.abc import Mapping, Sequence
from itertools import cycle

from matplotlib import rc_context

from toymdrl.course.pictures.base import Picture, headline, label, sheet
from toymdrl.style import COLOURS, CONTRAST, INK, STYLE


def rewards(curves: Mapping[str, Sequence[float]]) -> Picture:
    """Mean reward of the sampled answers at each step.

    Args:
        curves: by version.
    """
    climbing = [name for name, curve in curves.items() if curve[-1] > curve[0] + 0.1]
    finding = (
        "Two of four climb, and only one is right"
        if (len(climbing), len(curves)) == (2, 4)
        else f"{len(climbing)} of {len(curves)} climb"
    )
    with rc_context(STYLE):
        drawn, axes = sheet(height=3.6)
        for (name, curve), tone in zip(curves.items(), cycle((COLOURS["code"], INK, *CONTRAST[1:])), strict=False):
            axes.plot(range(1, len(curve) + 1), curve, color=tone, linewidth=2)
            label(axes, name, len(curve), curve[-1], tone)
        axes.set(ylim=(0.3, 1), xlabel="step of CW's stage")
        headline(axes, finding, "mean reward of the sampled answers")
    return drawn


def alone(curve: Sequence[float]) -> Picture:
    """One reward curve by itself, as one sees it at work."""
    with rc_context(STYLE):
        drawn, axes = sheet(height=2.6)
        axes.plot(range(1, len(curve) + 1), curve, color=COLOURS["code"], linewidth=2)
        axes.set(ylim=(0.3, 1), xlabel="step of CW's stage")
        headline(axes, "A curve as it should be?", "mean reward of the sampled answers")
    return drawn


def final(scores: Mapping[str, Mapping[str, Sequence[float]]]) -> Picture:
    """Scores at the end, a line a seed from one version to the other.

    Args:
        scores: one a seed, by version, by the panel's name.
    """
    with rc_context(STYLE):
        drawn = Picture(figsize=(7.6, 3.2))
        panels = drawn.subplots(1, len(scores), sharey=True)
        for axes, (what, versions) in zip(panels, scores.items(), strict=True):
            names = list(versions)
            for pair in zip(*versions.values(), strict=True):
                axes.plot(names, pair, "o-", color=COLOURS["cw"], linewidth=1.6)
            axes.tick_params(axis="x", labelcolor=INK)
            axes.set(xlim=(-0.4, len(names) - 0.6))
            gap = [one - other for one, other in zip(*versions.values(), strict=True)]
            headline(axes, what, f"CW's score at the end; {len(gap)} {'seeds' if len(gap) > 1 else 'seed'}")
        drawn.tight_layout()
    return drawn
