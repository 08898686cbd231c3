"""The course's exercises: a file a chapter, each with the course's own answers, tests of any answer, and hints."""

from toymdrl.course.exercises import (
    curvature,
    domains,
    evidence,
    formats,
    grpo,
    interference,
    orthogonal,
    own_claim,
    refresh,
    rollback,
    silent_bug,
    story,
    transformer,
)
from toymdrl.course.exercises.base import Exercise

__all__ = ["EXERCISES", "Exercise", "exercise"]

EXERCISES: tuple[Exercise, ...] = (
    *story.EXERCISES,
    *domains.EXERCISES,
    *transformer.EXERCISES,
    *grpo.EXERCISES,
    *interference.EXERCISES,
    *orthogonal.EXERCISES,
    *curvature.EXERCISES,
    *refresh.EXERCISES,
    *rollback.EXERCISES,
    *formats.EXERCISES,
    *evidence.EXERCISES,
    *own_claim.EXERCISES,
    *silent_bug.EXERCISES,
)
"""In the order of the chapters: the one list."""


def exercise(number: str) -> Exercise:
    """The exercise of a number such as "3.1".

    Raises:
        ValueError: there is none.
    """
    for each in EXERCISES:
        if each.number == number:
            return each
    known = ", ".join(each.number for each in EXERCISES)
    raise ValueError(f"there is no exercise {number!r}; choose from {known}")
