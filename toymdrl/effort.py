"""How many evaluations of losses a piece of work takes, counted where they are made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Effort:
    """Evaluations of a loss so far."""

    values: float = 0
    gradients: float = 0
    products: float = 0
    """Of the Hessian and a vector."""

    @property
    def as_gradients(self) -> float:
        """All of it in gradient evaluations: a value costs about a third of one, a Hessian product about two."""
        return self.values / 3 + self.gradients + 2 * self.products


_Watch = Callable[[Effort], object]
_WATCHED: ContextVar[_Watch | None] = ContextVar("watched", default=None)


def spend(*, values: float = 0, gradients: float = 0, products: float = 0) -> None:
    """Tell whoever counts that so many evaluations were made."""
    if watch := _WATCHED.get():
        watch(Effort(values, gradients, products))


@contextmanager
def counted(watch: _Watch) -> Iterator[None]:
    """Within, tell a function of each evaluation as it is made."""
    token = _WATCHED.set(watch)
    try:
        yield
    finally:
        _WATCHED.reset(token)
