"""What chapter 2 draws."""

from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from toymdrl.course.pictures.base import Picture, headline, sheet
from toymdrl.policy.model import ModelConfig
from toymdrl.style import COLOURS, FAINT, INK, STYLE

LOOKS, THINKS = COLOURS["math"], COLOURS["code"]
"""Of attention, and of the MLP."""


def anatomy(config: ModelConfig) -> Picture:
    """The model from tokens to logits: a stream of vectors to which every block adds twice."""
    with rc_context({**STYLE, "axes.grid": False}):
        drawn, axes = sheet(height=3, width=9)
        axes.set(xlim=(0, 17), ylim=(-0.6, 4))
        axes.axis("off")
        axes.annotate("", (15.1, 1), (1.9, 1), arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 2.4})
        _box(axes, 0, 0.5, 1.9, f"token\n+ position\n{config.vocabulary} × {config.width}", INK)
        _box(axes, 15.1, 0.5, 1.9, f"norm, head\n{config.width} × {config.vocabulary}", INK)
        for layer in range(config.layers):
            left = 2.5 + layer * 12.4 / config.layers
            step = 12.4 / config.layers / 2
            _branch(axes, left, step, f"attention\n{config.heads} heads", LOOKS)
            _branch(axes, left + step, step, f"MLP, {config.neurons}\nneurons", THINKS)
            axes.text(left + step - 0.15, 0.28, f"block {layer + 1}", ha="center", color=FAINT, fontsize=9.5)
        axes.text(8.6, -0.5, f"the residual stream: {config.width} numbers a column", ha="center", color=INK)
        headline(axes, "Every block reads the stream and adds to it, twice", "from tokens (left) to logits (right)")
    return drawn


def _box(axes: Axes, left: float, bottom: float, width: float, text: str, tone: str, height: float = 1.0) -> None:
    """A part with its name."""
    shape = FancyBboxPatch(
        (left, bottom), width, height, boxstyle="round,pad=0,rounding_size=0.12", facecolor="white", edgecolor=tone
    )
    axes.add_patch(shape)
    axes.text(left + width / 2, bottom + height / 2, text, ha="center", va="center", fontsize=8, color=tone)


def _branch(axes: Axes, left: float, width: float, text: str, tone: str) -> None:
    """Out of the stream, through a norm and a part, and back into it."""
    arrow = {"arrowstyle": "-|>", "color": tone, "linewidth": 1.3}
    room = width - 0.3
    middle = left + room / 2
    _box(axes, left, 2.0, room, "norm", tone, height=0.55)
    _box(axes, left, 2.95, room, text, tone, height=0.95)
    axes.annotate("", (left + 0.2, 2.0), (left + 0.2, 1.03), arrowprops=arrow)
    axes.annotate("", (middle, 2.95), (middle, 2.55), arrowprops=arrow)
    axes.annotate(
        "",
        (left + room + 0.02, 1.12),
        (left + room - 0.1, 2.95),
        arrowprops={**arrow, "connectionstyle": "arc3,rad=-0.12"},
    )
    axes.text(left + room, 0.8, "+", ha="center", va="center", color=tone, fontsize=13, weight="bold")


def error_valley(steps: Sequence[float], errors: Sequence[float]) -> Picture:
    """Error of a difference of gradients against its step.

    Args:
        steps: h, rising.
        errors: relative errors of H v, one for each.
    """
    best, last = min(errors), len(steps) - 1
    low = list(errors).index(best)
    far = min(low + 2, last)  # past the bottom, where rounding still counts
    near: dict[str, Any] = {"textcoords": "offset points", "va": "center"}
    with rc_context({**STYLE, "axes.grid.axis": "both"}):
        drawn, axes = sheet(height=3.4)
        if low > 0:
            left = steps[:low]
            axes.plot(left, [errors[0] * steps[0] / h for h in left], ":", color=THINKS)
            axes.annotate("rounding, as 1 / h", (steps[1], errors[1]), xytext=(12, 8), color=THINKS, **near)
        if low < last:
            right = steps[low + 1 :]
            axes.plot(right, [errors[far] * (h / steps[far]) ** 2 for h in right], ":", color=LOOKS)
            axes.annotate("truncation, as h²", (steps[-2], errors[-2]), xytext=(14, -6), color=LOOKS, **near)
        axes.plot(steps, errors, "o-", color=INK, linewidth=1.8)
        axes.set(xscale="log", yscale="log", xlabel="h")
        bottom = f"at its best the difference is off by {100 * best:.1g} %"
        finding = f"Too large or too small an h: {bottom}" if 0 < low < last else f"The best h is an end: {bottom}"
        headline(axes, finding, "relative error of a difference of gradients against the double derivative, float32")
    return drawn
