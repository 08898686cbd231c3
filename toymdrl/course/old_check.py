"""Checks of exercises whose tests are still in the notebook: gone once every chapter has its module."""

import dis
from collections.abc import Callable
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def _is_blank(answer: Any) -> bool:
    """Whether an answer is None or `...`, or a function that holds nothing but a docstring and `...`."""
    if answer is None or answer is ...:
        return True
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    idle = {"RESUME", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "NOP"}
    steps = list(dis.get_instructions(code))
    return all(step.opname in idle for step in steps) and all(
        step.argval is None for step in steps if step.opname in {"LOAD_CONST", "RETURN_CONST"}
    )


def check(number: str, answer: Answer, tests: Callable[[Any], None], *, instead: Answer) -> Answer:
    """Test the answer to an exercise.

    Args:
        number: of the exercise, such as "3.1".
        answer: what the reader wrote.
        tests: raises AssertionError with a message that helps, if the answer is wrong.
        instead: what the notebook goes on with if the exercise was left blank.

    Returns:
        The answer if it is right, `instead` if it is blank.

    Raises:
        AssertionError: the answer is wrong; the message says what to look at.
    """
    if _is_blank(answer):
        print(f"Exercise {number} is blank; going on with the course's own answer.")
        return instead
    if callable(instead) and not callable(answer):
        raise AssertionError(f"Exercise {number}: the answer is a function, not {type(answer).__name__}; define it")
    try:
        tests(answer)
    except TypeError as error:
        hint = "; is a `return` missing?" if "NoneType" in str(error) else ""
        raise AssertionError(f"Exercise {number}: your code raised TypeError: {error}{hint}") from error
    except AssertionError as error:
        raise AssertionError(f"Exercise {number}: {error}") from None
    except Exception as error:
        message = f"Exercise {number}: your code raised {type(error).__name__}: {error}"
        raise AssertionError(message) from error
    print(f"Exercise {number}: right.")
    return answer
