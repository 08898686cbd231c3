"""What one theorem says on one run: a bound, or an estimate, beside what was measured."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

MET, ON_THE_WAY, NOT_MET = "met", "as met on the way", "not met"
"""Of an assumption, see page.LEGEND."""


@dataclass(frozen=True)
class Theorem:
    """A theorem of theory/, or a part of one."""

    number: int
    part: str = ""
    whose: str = ""
    """Of a form that is not ours: whose."""

    @property
    def label(self) -> str:
        """As in theory/."""
        part = f"({self.part})" if self.part else ""
        return f"T{self.number}{part}, {self.whose}" if self.whose else f"T{self.number}{part}"

    @property
    def place(self) -> tuple[int, str]:
        """In order; the paper's form of one, which has no part, before ours."""
        return self.number, self.part


@dataclass(frozen=True)
class Finding(ABC):
    """What one theorem says on one run, and what is measured there."""

    theorem: Theorem
    statement: str
    """What it is about, in words."""
    assumption: str
    """With its measured constants."""
    met: str
    measured: float
    says: float
    """The theorem's number."""

    relation: ClassVar[str]
    """Between the two."""

    @property
    @abstractmethod
    def verdict(self) -> str:
        """Whether it holds here, and how closely."""


@dataclass(frozen=True)
class Bound(Finding):
    """What must not be exceeded."""

    relation = "≤"
    rounding: float = 0.0
    """Differences of losses below this are rounding errors of float32."""

    @property
    def verdict(self) -> str:
        """Whether it holds."""
        return "holds" if self.measured <= self.says * (1 + 1e-4) + self.rounding else "broken"


@dataclass(frozen=True)
class Estimate(Finding):
    """What is exact where the loss is quadratic."""

    relation = "≈"

    @property
    def verdict(self) -> str:
        """How far off it is."""
        return f"off by {abs(self.measured - self.says) / max(abs(self.measured), 1e-9):.0%}"
