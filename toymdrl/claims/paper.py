"""All topics and claims of the paper: the one list. Another claim is a file beside this one, and a line here."""

from collections.abc import Iterator, Mapping
from typing import Any

from toymdrl.claims import (
    alternation,
    conflict,
    contraction,
    cosines,
    damage,
    edits,
    plane,
    refresh,
    rollback,
    routes,
)
from toymdrl.claims.base import Chapter, Claim, Outcome, Topic
from toymdrl.claims.harm import C1

TOPICS: tuple[Topic[Any], ...] = (
    edits.TOPIC,
    routes.TOPIC,
    damage.TOPIC,
    cosines.TOPIC,
    conflict.TOPIC,
    rollback.TOPIC,
    contraction.TOPIC,
    refresh.TOPIC,
    alternation.TOPIC,
    plane.TOPIC,
)
"""In the order in which the analyses are made."""
OPENING: tuple[Topic[Any], ...] = (plane.TOPIC,)
"""Told directly under a report's first figure; of no one claim."""
FROM_SCORES: tuple[Claim[Any, Any], ...] = (C1, refresh.C10)
"""Claims that a run measures without its analysis."""


def _claims() -> Iterator[Claim[Any, Any]]:
    yield C1
    for topic in TOPICS:
        yield from topic.claims


CLAIMS = tuple(sorted(_claims(), key=lambda claim: claim.place))
"""In the paper's order."""
PAPER = {claim.key: claim.paper for claim in CLAIMS}
"""The paper's words, by claim."""


def told(outcome: Outcome) -> tuple[Claim[Any, Any], ...]:
    """The claims that a run says something about."""
    return CLAIMS if outcome.explanation else FROM_SCORES


def was_analysed(claims: Mapping[str, Any]) -> bool:
    """Whether the claims section of a results.json lacks nothing that an analysis would add."""
    return not claims or all(claim.key in claims for claim in CLAIMS)


def entries(outcome: Outcome | None) -> dict[str, Any]:
    """The claims section of results.json: each {paper, measured, interval, control, verdict}.

    Empty if no domain was trained after another, so that none could be harmed.
    """
    return {claim.key: claim.entry(outcome) for claim in told(outcome)} if outcome else {}


def opening(outcome: Outcome | None) -> list[Chapter]:
    """What a run's report tells before all else; nothing without analyses."""
    if outcome is None or outcome.explanation is None:
        return []
    found: list[Chapter] = []
    for topic in OPENING:
        found += topic.chapters(outcome)
    return found


def chapters(outcome: Outcome | None) -> list[Chapter]:
    """What a run's report tells, in the paper's order; without analyses, of its refresh alone."""
    if outcome is None:
        return []
    topics = TOPICS if outcome.explanation else (refresh.TOPIC,)
    of_claims = [topic for topic in topics if topic.claims]
    found: list[Chapter] = []
    for topic in sorted(of_claims, key=lambda topic: topic.claims[0].place):
        found += topic.chapters(outcome)
    return found


def numbers(outcome: Outcome) -> dict[str, Any]:
    """What the rules over seeds need of one run."""
    found: dict[str, Any] = {}
    for claim in CLAIMS:
        found |= claim.numbers(outcome)
    return found
