"""Checks of exercises: one line of advice where an answer is wrong; a notebook goes on where it is left blank."""

from collections import Counter
from typing import Any

from toymdrl.course.exercises import exercise
from toymdrl.course.verdict import judge

_hints_given: Counter[str] = Counter()


class Wrong(AssertionError):
    """An answer that is wrong or crashed. A notebook shows its one line; a traceback would quote the tests."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [str(self)]


def check(number: str, answer: Any) -> Any:
    """Test the answer to an exercise.

    Args:
        number: of the exercise, such as "3.1".
        answer: what the reader wrote.

    Returns:
        The answer if it is right, of the type that later cells expect; the course's own if it is blank.

    Raises:
        Wrong: the answer is wrong, and what to look at.
        ValueError: there is no such exercise.
    """
    verdict = judge(exercise(number), answer)
    if verdict.kind == "blank":
        print(f"Exercise {number} is blank; going on with the course's own answer.")
    elif verdict.kind == "right":
        print(f"Exercise {number}: right.")
    else:
        # From None: what the tests did is nobody's business.
        raise Wrong(f"Exercise {number}: {verdict.advice}") from None
    return verdict.answer


def hint(number: str) -> None:
    """Show the next hint of an exercise, and the first again after the last.

    Raises:
        ValueError: there is no such exercise.
    """
    hints = exercise(number).hints
    index = _hints_given[number] % len(hints)
    _hints_given[number] += 1
    print(f"Hint {index + 1} of {len(hints)}: {hints[index]}")


def solution(number: str) -> None:
    """Show the course's own answer to an exercise.

    Raises:
        ValueError: there is no such exercise.
    """
    print(exercise(number).source)
