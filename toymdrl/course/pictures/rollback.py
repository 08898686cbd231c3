"""What chapter 8 draws: Math's score as ever more coordinates go back."""

from collections.abc import Mapping, Sequence

from matplotlib import rc_context

from toymdrl.course.pictures.base import Picture, headline, sheet
from toymdrl.style import COLOURS, CONTRAST, FAINT, INK, STYLE

TONES = {"signed δ · Hδ": CONTRAST[0], "shortened": INK, "|δ|": CONTRAST[2], "random": FAINT}
"""By how coordinates are chosen; Math's colour for any other."""


def put_back(
    percent: Sequence[float], math: Mapping[str, Sequence[float]], own: float, harmed: float, finding: str
) -> Picture:
    """Math's score against the share of coordinates put back.

    Args:
        percent: of all coordinates.
        math: score at each share, by how they were chosen.
        own: Math's score at its own checkpoint.
        harmed: after all the training.
        finding: the title.
    """
    with rc_context(STYLE):
        drawn, axes = sheet(height=4)
        for level, text, below in ((own, "Math's checkpoint", False), (harmed, "after QA and CW", True)):
            axes.axhline(level, color=FAINT, linestyle="--", linewidth=1)
            shift = (0, -9 if below else 9)
            axes.annotate(text, (percent[0], level), xytext=shift, textcoords="offset points", color=FAINT, va="center")
        ends = sorted(((curve[-1], name) for name, curve in math.items()), reverse=True)
        span = max(max(curve) for curve in math.values()) - min(min(curve) for curve in math.values())
        places, place = {}, float("inf")
        for end, name in ends:
            place = min(end, place - span / 14)  # names that would touch are pushed apart
            places[name] = place
        for name, curve in math.items():
            tone = TONES.get(name, COLOURS["math"])
            axes.plot(percent, curve, "o-", color=tone, linewidth=2, markersize=5)
            axes.text(percent[-1] * 1.12, places[name], name, color=tone, va="center")
        axes.margins(y=0.1)
        axes.set(xscale="log", xlabel="% of the coordinates put back")
        axes.set_xticks(percent, [f"{each:g}" for each in percent])
        axes.minorticks_off()
        headline(axes, finding, "Math's score, unseen prompts")
    return drawn
