"""What a setting may be: refused where it is made, in the words that the command line has too."""

from collections.abc import Mapping
from typing import Any


class ConfigError(ValueError):
    """A setting that no run can have; the message is one line that says what to use instead."""


def at_least(config: Any, least: Mapping[str, float], where: str = "") -> None:
    """Refuse numbers that are too small, infinite or none.

    Args:
        config: what has them.
        least: by the name of a field, the smallest that is allowed.
        where: words before the name.

    Raises:
        ConfigError: which, and what to use.
    """
    for name, bound in least.items():
        value = getattr(config, name)
        # Written so that nan, which compares false with everything, is refused too.
        if not value >= bound or value == float("inf"):
            raise ConfigError(f"{where}{name} is {value}; use {bound} or more{', but finite' * (value > bound)}")
