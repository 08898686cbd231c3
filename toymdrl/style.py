"""How every figure looks: colours, fonts, and how it is written."""

from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from toymdrl.domains import DOMAINS
from toymdrl.files import write_atomically

# Okabe and Ito's palette: told apart by colour-blind readers too.
COLOURS = dict(zip(DOMAINS, ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"), strict=False))
INK, FAINT = "#22252b", "#8a8f98"
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


def title(name: str) -> str:
    """A domain's name for people; any other name as it is."""
    return DOMAINS[name].title if name in DOMAINS else name


def colour(name: str) -> str:
    """A domain's colour; ink for any other name."""
    return COLOURS.get(name, INK)


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, its parts alone deciding the bytes."""
    image = BytesIO()
    figure.savefig(image, format="png", bbox_inches="tight", metadata={"Software": None})
    write_atomically(path, image.getvalue())
    return path
