"""Numbers in words: how a share, a change or a correlation is written in tables and chapters."""


def percent(value: float) -> str:
    """A share as a percentage, without a minus sign before zero."""
    return f"{round(100 * value) + 0:.0f}%"


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, without a minus sign before zero."""
    return f"{round(value, digits) + 0:+.{digits}f}"


def correlation(value: float | None) -> str:
    """A rank correlation; two pairs, or equal values, have none."""
    return "undefined" if value is None else f"{value:+.2f}"


def counted(count: int, noun: str) -> str:
    """A number with its noun in singular or plural."""
    return f"{count} {noun}{'s' if count != 1 else ''}"
