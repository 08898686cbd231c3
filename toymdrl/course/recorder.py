"""What `check` is while a notebook is graded: in the student's kernel it writes its verdicts to a file."""

import json
import os
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toymdrl import course
from toymdrl.course.exercises import exercise
from toymdrl.course.verdict import Kind, judge

DIED = "the answer ended the kernel, or took all memory"


@dataclass(frozen=True)
class Grade:
    """Of one answer."""

    exercise: str
    verdict: Kind
    advice: str
    """What the student was told, or would have been."""


def install(file: str) -> None:
    """Let what a notebook imports as `check` from now on write to a file, a line a verdict."""

    def check(number: str, answer: Any) -> Any:
        """As the course's own, but wrong answers raise nothing: the next exercise may stand in the same cell."""
        this = exercise(number)
        # First the worst: this line stays if the kernel dies in the answer.
        add(file, Grade(number, "crashed", DIED))
        # An answer that prints without end must not fill the teacher's memory.
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            verdict = judge(this, answer)
        add(file, Grade(number, verdict.kind, verdict.advice))
        return verdict.answer

    setattr(course, "check", check)  # noqa: B010  (to a type checker it is another function)


def add(file: str, grade: Grade) -> None:
    """A line to the file of grades."""
    with open(file, "a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(grade)) + "\n")


def grades_in(file: Path) -> dict[str, Grade]:
    """The last grade of every exercise that was checked."""
    grades = [Grade(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
    return {each.exercise: each for each in grades}
