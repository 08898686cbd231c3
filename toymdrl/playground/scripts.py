"""The scripts that compute, in an order in which each finds what it needs."""

from pathlib import Path

FOLDER = Path(__file__).parent / "js"
NUMERICS = ("weights", "model", "answers")


def numerics() -> str:
    """All scripts as one, for a page or for a worker of its own."""
    return "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in NUMERICS)
