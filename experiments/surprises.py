"""What surprised us, by the committed rows: README's list, which `python -m experiments.pages` writes."""

import textwrap
from collections.abc import Mapping, Sequence

from experiments import mirror, placebo, rivals
from toymdrl.evidence import Row, interval


def _mean(numbers: Sequence[Row], key: str) -> str:
    return str(interval([each[key] for each in numbers]))


def lines(found: Mapping[str, Sequence[Row]]) -> list[str]:
    """A point each, from the rows of the questions that were asked."""
    points = []
    for name, tell in SURPRISES:
        if found.get(name):
            points += textwrap.wrap(f"- {tell(found[name])}", 120, subsequent_indent="  ", break_on_hyphens=False)
    return points


def _placebo(rows: Sequence[Row]) -> str:
    numbers = placebo.numbers(rows)
    return (
        f"**Rewards that teach nothing harm as much.** A later stage costs Math {_mean(numbers, 'true')} points; the "
        f"same on shuffled rewards, stretched to the same length, {_mean(numbers, 'placebo')}; a random step of that "
        f"length {_mean(numbers, 'gaussian')}."
    )


def _mirror(rows: Sequence[Row]) -> str:
    return (
        f"**Harm has no sign.** The update that costs Math {_mean(rows, 'lost')} points, taken the other way, costs it "
        f"{_mean(rows, 'mirror')}; a random one as long {_mean(rows, 'gaussian')}."
    )


def _signed(rows: Sequence[Row]) -> str:
    most = mirror.SHARES[-1]
    return (
        f"**The careful rollback makes it worse.** {most:.0%} of the weights put back changes Math by "
        f"{_mean(rows, f'signed {most:g}')} points if they are chosen by how much each harms, sign included, and by "
        f"{_mean(rows, f'size {most:g}')} if by its size alone."
    )


def _joint(rows: Sequence[Row]) -> str:
    numbers = rivals.numbers(rows)
    return (
        "**Where you can, train on everything at once.** The average of the four scores is then "
        f"{_mean(numbers, 'average joint from the start')}; after the sequence {_mean(numbers, 'average sequence')}, "
        f"with a refresh {_mean(numbers, 'average refresh')}, with a rollback {_mean(numbers, 'average rollback')}."
    )


SURPRISES = (("placebo", _placebo), ("mirror", _mirror), ("mirror", _signed), ("rivals", _joint))
"""In the order of the list, each with the question whose rows it tells."""
