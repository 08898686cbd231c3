"""What an exercise is: the course's own answer, tests of any answer, hints in steps."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor

Given = Callable[[Any], Any]
"""Makes one type of whatever type an answer came in, or says what it should have been."""


def as_it_is(answer: Any) -> Any:
    """An answer whose type does not matter, or is part of the exercise."""
    return answer


def number(answer: Any) -> float:
    """A float, from a number, or from an array or tensor that holds one.

    Raises:
        AssertionError: it is none.
    """
    shape = getattr(answer, "shape", ())
    assert int(np.prod(shape)) == 1, f"the answer is one number, not {tuple(shape)} of them"
    try:
        return float(answer.detach() if isinstance(answer, Tensor) else np.asarray(answer).item())
    except (TypeError, ValueError):
        raise AssertionError(f"the answer is a number, not {_kind(answer)}") from None


def numbers(answer: Any) -> tuple[float, ...]:
    """Floats, from any sequence of numbers.

    Raises:
        AssertionError: it is none.
    """
    try:
        parts = list(answer)
    except TypeError:
        raise AssertionError(f"the answer is several numbers, not {_kind(answer)}") from None
    return tuple(number(part) for part in parts)


def tensor(answer: Any) -> Tensor:
    """A tensor without a graph, from a tensor, an array or nested lists.

    Raises:
        AssertionError: it is none.
    """
    try:
        return torch.as_tensor(answer).detach()
    except (TypeError, ValueError, RuntimeError):
        raise AssertionError(f"the answer is a tensor, not {_kind(answer)}") from None


def array(answer: Any) -> np.ndarray:
    """An array of floats, from an array, a tensor or nested lists.

    Raises:
        AssertionError: it is none.
    """
    assert answer is not None, f"the answer is an array of numbers, not {_kind(answer)}"
    try:
        return np.asarray(answer.detach() if isinstance(answer, Tensor) else answer, dtype=float)
    except (TypeError, ValueError):
        raise AssertionError(f"the answer is an array of numbers, not {_kind(answer)}") from None


def arrays(answer: Any) -> tuple[np.ndarray, ...]:
    """Several arrays of floats.

    Raises:
        AssertionError: it is none.
    """
    assert isinstance(answer, tuple | list), f"the answer is several arrays, not {_kind(answer)}"
    return tuple(array(part) for part in answer)


def _kind(answer: Any) -> str:
    return "None: is a `return` missing?" if answer is None else f"of type {type(answer).__name__}"


@dataclass(frozen=True)
class Exercise:
    """One exercise of the course."""

    number: str
    """As in its heading: "3.1"."""
    solution: Callable[..., Any]
    """The course's own answer; where a value is asked for, what computes it. It is called as the notebook calls it."""
    tests: Callable[[Any], None]
    """Raises AssertionError, with advice in one line, if an answer is wrong."""
    hints: tuple[str, ...]
    """From a nudge to nearly everything, in Markdown."""
    gives: Given = as_it_is
    """The type in which tests and later cells get the answer, or what it returns."""
    value: bool = False
    """Whether a value is asked for, not a function."""

    @property
    def name(self) -> str:
        """What the notebook calls the answer."""
        return self.solution.__name__

    @property
    def source(self) -> str:
        """The course's own answer as Python text."""
        return inspect.getsource(self.solution).rstrip()

    @property
    def own(self) -> Any:
        """What a notebook goes on with where the exercise is left blank."""
        return self.gives(self.solution()) if self.value else self.solution

    def normal(self, answer: Any) -> Any:
        """The answer in the type that tests and later cells expect; a function, if its inputs stay as they were.

        Raises:
            AssertionError: it cannot be; a function raises it when it is called.
        """
        if self.value:
            return self.gives(answer)
        assert callable(answer), f"the answer is a function, not {_kind(answer)}; define it"

        @wraps(answer)
        def same(*inputs: Any, **named: Any) -> Any:
            before = [_copy(each) for each in inputs]
            returned = answer(*inputs, **named)
            for name, kept, each in zip(inspect.signature(self.solution).parameters, before, inputs, strict=False):
                # Whoever called still needs it: a test that compares, or the notebook's next cell.
                assert _equal(kept, each), f"you changed `{name}` itself; work on a copy"
            return self.gives(returned)

        return same


def _copy(given: Any) -> Any:
    """Of numbers; what else is given, such as a model or a function, may be used as it likes to be."""
    if isinstance(given, Tensor):
        return given.detach().clone()
    return given.copy() if isinstance(given, np.ndarray | list) else None


def _equal(kept: Any, given: Any) -> bool:
    if isinstance(given, Tensor):
        return torch.equal(kept, given)
    if isinstance(given, np.ndarray):
        return np.array_equal(kept, given)
    # A list's entries by identity: they may be tensors.
    return kept is None or (len(kept) == len(given) and all(map(is_, kept, given)))
