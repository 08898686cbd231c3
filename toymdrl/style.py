"""How every figure looks: colours, fonts, and how it is written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from toymdrl.domains import DOMAINS
from toymdrl.files import write_atomically
from toymdrl.words import signed

# Okabe and Ito's palette: told apart by colour-blind readers too. The tones after it serve a seventh domain and more.
_BLUE, _RED, _GREEN, _PINK, _ORANGE, _SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
_TONES = (_BLUE, _RED, _GREEN, _PINK, _ORANGE, _SKY, "#6B4C9A", "#8C6D31", "#4D4D4D", "#B22222")
COLOURS = dict(zip(DOMAINS, cycle(_TONES), strict=False))
"""Of each domain."""
INK, FAINT = "#22252b", "#8a8f98"
"""Of what is read first, and of what only helps to read it."""
PAPER, PAPER_INK = _ORANGE, "#8a5a00"
"""Of the paper's numbers, and of words about them."""
BOUND = _RED
"""Of a bound that may break, and of an arm that is held against others."""
REPAIR = "#B22222"
"""Of the way that a repair takes."""
CONTRAST = (_ORANGE, _SKY, _GREEN, _PINK)
"""Of what a domain's own line is compared with, in turn."""
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e8eb",
    "axes.axisbelow": True,
    "figure.dpi": 100,
    "savefig.dpi": 170,
}


@dataclass(frozen=True)
class Look:
    """How domains and amounts of a loss are shown."""

    colours: Mapping[str, str]
    """By domain."""
    unit: str
    """Of losses."""
    digits: int | None = None
    """After the point; None for three that count."""
    height: int = 1
    """What a picture of levels shows: the loss, 1, or the score that is its negative, -1."""

    @classmethod
    def of(cls, names: Iterable[str], unit: str) -> "Look":
        """Of domains that are not the miniature's."""
        return cls(dict(zip(names, cycle(_TONES), strict=False)), unit)

    def colour(self, name: str) -> str:
        """A domain's; ink for any other name."""
        return self.colours.get(name, INK)

    def amount(self, value: float) -> str:
        """A change of a loss, with its sign."""
        return f"{value:+.3g}" if self.digits is None else signed(value, self.digits)


MINIATURE = Look(COLOURS, "points", 1, height=-1)


def colour(name: str) -> str:
    """A domain's colour; ink for any other name."""
    return MINIATURE.colour(name)


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, its parts alone deciding the bytes."""
    image = BytesIO()
    figure.savefig(image, format="png", bbox_inches="tight", metadata={"Software": None})
    write_atomically(path, image.getvalue())
    return path
