"""The settings that `toymdrl run` takes on the command line: the one list, without torch.

The command line is made of it, a config is changed by it, and a report tells by it how to repeat a run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

C = TypeVar("C")


@dataclass(frozen=True)
class Option:
    """One setting."""

    flag: str
    """As it is typed."""
    kind: type
    help: str
    fields: tuple[str, ...]
    """Of a RunConfig, a dot between a part and its field; the first is the one that is told."""
    many: str = ""
    """Where several values follow the flag: what one of them is called."""

    @property
    def name(self) -> str:
        """As argparse calls it."""
        return self.flag.removeprefix("--")


OPTIONS = (
    Option("--seed", int, "tells one run from another (default: 0)", ("seed",)),
    Option("--order", str, "domains in training order (default: code math qa cw)", ("order",), many="DOMAIN"),
    Option("--steps", int, "GRPO steps a stage", ("grpo.steps",)),
    Option("--lr", float, "GRPO learning rate: the dial from no interference to destruction", ("grpo.learning_rate",)),
    Option("--kl", float, "weight of the KL penalty", ("grpo.kl", "refresh.kl")),
    Option("--device", str, "cpu (the reference), cuda or mps", ("device",)),
    Option(
        "--threads",
        int,
        "default: 2, or OMP_NUM_THREADS if less; the last bits of the numbers depend on it",
        ("threads",),
    ),
)


def setting(config: Any, field: str) -> Any:
    """The value of a field that may be inside a part."""
    for name in field.split("."):
        config = getattr(config, name)
    return config


def changed(config: C, field: str, value: object) -> C:
    """The config with another value of a field that may be inside a part."""
    part, _, rest = field.partition(".")
    new = changed(getattr(config, part), rest, value) if rest else value
    return replace(config, **{part: new})  # type: ignore[type-var]


def differences(config: Any, usual: Any) -> Iterator[str]:
    """What to type to change one config to another, the seed whether it differs or not."""
    for option in OPTIONS:
        mine = setting(config, option.fields[0])
        if option.name == "seed" or mine != setting(usual, option.fields[0]):
            yield f"{option.flag} {' '.join(mine) if option.many else mine}"
