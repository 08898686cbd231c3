"""The scripts, each list in an order in which each finds what it needs."""

from pathlib import Path

FOLDER = Path(__file__).parent / "js"
NUMERICS = ("weights", "model", "answers")
INTERFACE = ("place", "live", "scores", "plane", "prompt", "moments", "page")


def numerics() -> str:
    """What computes, as one script: for a page, and for a worker of its own."""
    return _together(NUMERICS)


def interface() -> str:
    """What shows it and listens to the reader, as one script."""
    return _together(INTERFACE)


def _together(names: tuple[str, ...]) -> str:
    return "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in names)
