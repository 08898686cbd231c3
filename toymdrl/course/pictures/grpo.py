"""What chapter 3 draws."""

from collections.abc import Mapping, Sequence
from itertools import cycle

from matplotlib import rc_context

from toymdrl.course.pictures.base import Picture, headline, label, sheet
from toymdrl.style import CONTRAST, FAINT, INK, STYLE


def compass(angles: Mapping[str, Sequence[float]]) -> Picture:
    """How the mean of more and more sampled gradients turns towards the exact one.

    Args:
        angles: 1 - cosine with the exact gradient after 1, 2, … rollouts, by what was subtracted from the rewards.
    """
    # A gradient that is wrong on average stays where others go on as 1 / rollouts.
    settle = all(curve[-1] < 10 * curve[0] / len(curve) for curve in angles.values())
    finding = (
        "Every baseline is right on average; how soon differs" if settle else "Not every mean becomes the gradient"
    )
    with rc_context({**STYLE, "axes.grid.axis": "both"}):
        drawn, axes = sheet(height=3.6)
        tones = cycle((INK, *CONTRAST))
        most = max(len(each) for each in angles.values())
        for (name, curve), tone in zip(angles.items(), tones, strict=False):
            axes.plot(range(1, len(curve) + 1), curve, color=tone, linewidth=2)
            label(axes, name, len(curve), curve[-1], tone)
        # What an average of independent errors must do: the squared error falls as one over their number.
        first = max(curve[0] for curve in angles.values())
        axes.plot([1, most], [first, first / most], ":", color=FAINT, linewidth=1.2)
        label(axes, "as 1 / rollouts", most, first / most, FAINT)
        axes.set(xscale="log", yscale="log", xlabel="rollouts averaged")
        headline(axes, finding, "1 − cosine with the exact gradient")
    return drawn
