"""A claim that can fail: what chapter 11 asks for before anything is run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from toymdrl.evidence import Verdict


@dataclass(frozen=True)
class Harm:
    """What B's training did to A on one seed; changes of A's loss on unseen points, in nats."""

    actual: float
    first: float
    """g · delta, at A's checkpoint."""
    second: float
    """delta · H delta / 2, at A's checkpoint."""
    random: float
    """By a random step of the same length."""


@dataclass(frozen=True)
class Claim:
    """Said before the seeds are run."""

    sentence: str
    """What is claimed, of which measured quantity."""
    control: str
    """What differs from the treatment in the thing claimed alone."""
    seeds: range
    """Fresh ones: none of them has chosen anything."""
    rule: Callable[[Sequence[Harm]], Verdict]
    """The band as a program: the verdict on one Harm a seed."""
