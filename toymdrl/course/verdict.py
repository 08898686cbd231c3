"""What the course says of an answer: right, blank, wrong or crashed, with one line of advice."""

import dis
import re
import sysconfig
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Literal

from toymdrl.course.exercises import Exercise

LIBRARIES = (Path(__file__).parents[1], Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib")))
"""Files in these folders are not the reader's: this package's, Python's own and those that were installed."""
Kind = Literal["right", "wrong", "blank", "crashed"]
SLIPS = (
    (r"NoneType", "is a `return` missing?"),
    (r"values to unpack", "return as many values as the exercise asks for, in its order"),
    (
        r"size of tensor|could not be broadcast",
        "is a dimension missing? keepdim=True where you summed or averaged, else unsqueeze(-1)",
    ),
    (r"only one element|only length-1|[Tt]ruth value|Boolean value", "one number is expected where there are several"),
    (r"is not defined", "run the cells above it first, or import it"),
    (r"positional argument", "compare your `def` line with the exercise's: names and order of the inputs stay"),
    (r"does not require grad", "the graph was cut: no detach(), no_grad() or item() before the derivative"),
    (r"backward through the graph a second time", "keep the graph of the first derivative: create_graph=True"),
)
"""What the messages of common slips look like, and what helps."""


@dataclass(frozen=True)
class Verdict:
    """On one answer."""

    kind: Kind
    advice: str = ""
    """One line, where it is wrong or crashed."""
    answer: Any = None
    """What a notebook goes on with: a right answer, in the type that later cells expect, or the course's own."""


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """Test an answer; nothing that it does or raises leaves this function, but for an interruption by the user."""
    if is_blank(answer):
        return Verdict("blank", answer=exercise.own)
    try:
        # A wrong answer's warnings would stand above the one line that helps.
        with warnings.catch_warnings(action="ignore"):
            normal = exercise.normal(answer)
            exercise.tests(normal)
    except NotImplementedError as error:
        # torch raises it too, with words, for instance where a type of numbers is the wrong one.
        if str(error):
            return Verdict("crashed", _advice(error), exercise.own)
        return Verdict("blank", answer=exercise.own)
    except AssertionError as error:
        if str(error):
            return Verdict("wrong", " ".join(str(error).split()), exercise.own)
        return Verdict("crashed", _advice(error), exercise.own)
    except (Exception, SystemExit) as error:
        return Verdict("crashed", _advice(error), exercise.own)
    return Verdict("right", answer=normal)


def is_blank(answer: Any) -> bool:
    """Whether an answer is None or `...`, or a function that holds nothing but a docstring and `...` or `pass`."""
    if answer is None or answer is ...:
        return True
    code = getattr(answer, "__code__", None)
    return isinstance(code, CodeType) and _does_nothing(code)


def _does_nothing(code: CodeType) -> bool:
    idle = {"RESUME", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "NOP"}
    for step in dis.get_instructions(code):
        if step.opname not in idle:
            return False
        if step.opname in {"LOAD_CONST", "RETURN_CONST"} and step.argval not in (None, ...):
            return False
    return True


def _advice(error: BaseException) -> str:
    """What was raised, where in the reader's own code, and what such a message often means."""
    said = f"your code raised {type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
    line = _own_line(error)
    where = f", at `{line}`" if line else ""
    help_ = next((advice for pattern, advice in SLIPS if re.search(pattern, str(error))), "")
    return f"{said}{where}{'; ' if help_ else ''}{help_}"


def _own_line(error: BaseException) -> str:
    """The last line of the reader's code that was running; empty if none can be shown."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        library = any(Path(frame.filename).is_relative_to(folder) for folder in LIBRARIES)
        if not library and frame.line:
            return frame.line
    return ""
