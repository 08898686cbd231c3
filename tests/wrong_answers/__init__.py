"""Wrong answers to the exercises of the course, a file a chapter: what learners do, and what they are then told."""

from tests.wrong_answers import (
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

CHAPTERS = (
    story,
    domains,
    transformer,
    grpo,
    interference,
    orthogonal,
    curvature,
    refresh,
    rollback,
    formats,
    evidence,
    own_claim,
    silent_bug,
)
WRONG: dict[str, list[tuple[str, str]]] = {}
"""By exercise: code that answers it wrongly, and a part of the advice that should help."""
SURVIVORS: dict[str, str] = {}
"""Mutants of the course's own answers that are right all the same, and why."""
for _each in CHAPTERS:
    WRONG |= _each.WRONG
    SURVIVORS |= _each.SURVIVORS
