"""What chapter 0 draws."""

from collections.abc import Mapping

from matplotlib import rc_context

from toymdrl.analysis.plane import Plane
from toymdrl.claims.plane import headings
from toymdrl.claims.plane_figure import draw
from toymdrl.course.pictures.base import Picture, headline, label, sheet
from toymdrl.domains import title
from toymdrl.style import COLOURS, FAINT, INK, MINIATURE, STYLE


def forgetting(path: Mapping[str, Mapping[str, float]], first: str = "math") -> Picture:
    """Every domain's score along the training, and what one of them gains in its own stage and loses after it.

    Args:
        path: scores by domain, by checkpoint in the order of training; the first checkpoint is before any.
        first: the domain that the title speaks of.
    """
    names = list(path)
    before, own = path[names[names.index(first) - 1]][first], path[first][first]
    gained, lost = own - before, own - path[names[-1]][first]
    with rc_context(STYLE):
        drawn, axes = sheet(height=4)
        for place, name in enumerate(names[1:]):
            axes.axvspan(place, place + 1, color=COLOURS[name], alpha=0.07, linewidth=0)
            axes.text(place + 0.5, 4, f"trains {title(name)}", color=COLOURS[name], ha="center", fontsize=9.5)
        for key, tone in COLOURS.items():
            heights = [path[name][key] for name in names]
            axes.plot(range(len(names)), heights, "o-", color=tone, linewidth=2)
            label(axes, f"{title(key)} {heights[-1]:.0f}", len(names) - 1, heights[-1], tone)
        axes.set(ylim=(0, 102), xlim=(-0.1, len(names) - 0.9))
        axes.set_xticks(range(len(names)), [names[0], *(f"after {title(name)}" for name in names[1:])], color=INK)
        finding = f"{title(first)} gains {gained:.0f} points in its own stage and loses {lost:.0f} to the next ones"
        headline(axes, finding, "score on unseen prompts")
    return drawn


def repairs(won: Mapping[str, float], control: Mapping[str, float], domain: str = "math") -> Picture:
    """What repairs win back, and what shrinking the whole update by the same distance would have.

    Args:
        won: points of the domain, by repair.
        control: points that the control wins, by the same names.
        domain: the one that is repaired.
    """
    beaten = sum(won[name] > control[name] for name in won)
    finding = {
        len(won): "Each repair wins more than shrinking the update by as much",
        0: "No repair wins more than shrinking the update by as much",
    }.get(beaten, "Not every repair wins more than shrinking the update by as much")
    with rc_context({**STYLE, "axes.grid.axis": "x"}):
        drawn, axes = sheet(height=0.75 * len(won) + 0.9)
        upwards = list(won)[::-1]
        for place, name in enumerate(upwards):
            axes.barh(place, won[name], height=0.55, color=COLOURS[domain])
            axes.plot([control[name]] * 2, [place - 0.4, place + 0.4], color=INK, linewidth=2.5)
            label(axes, f"{won[name]:.1f}", max(won[name], 0), place, COLOURS[domain])
            axes.annotate(
                f"{control[name]:.1f}",
                (control[name], place + 0.4),
                xytext=(3, 3),
                textcoords="offset points",
                color=INK,
                fontsize=9,
            )
        axes.axvline(0, color=FAINT, linewidth=0.8)
        axes.set_yticks(range(len(won)), upwards, color=INK)
        axes.set_ylim(-0.5, len(won) - 0.3)
        headline(axes, finding, f"points of {title(domain)} won back; the line: the whole update shrunk as far")
    return drawn


def riddle(plane: Plane) -> Picture:
    """Every domain's score in the plane of the update's two parts, with the way of the training and of the refresh."""
    return draw(plane, headings(plane), MINIATURE, Picture)
