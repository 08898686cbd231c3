"""All topics and claims of the paper: the one list. Another claim is a file beside this one, and a line here."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toymdrl.claims import (
    alternation,
    conflict,
    contraction,
    cosines,
    damage,
    edits,
    examples,
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
    examples.TOPIC,
    plane.TOPIC,
)
"""In the order in which the analyses are made."""
OPENING: tuple[Topic[Any], ...] = (plane.TOPIC,)
"""Told directly under a report's first figure, which tells C1."""
STORY: tuple[Topic[Any], ...] = (damage.TOPIC, conflict.TOPIC, refresh.TOPIC, rollback.TOPIC)
"""Told next, in this order: harm is second-order, lives in few directions, is repaired by a refresh, by a rollback. All
other topics are folded below, in the paper's order."""
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


@dataclass(frozen=True)
class Told:
    """A report's chapters, in its order."""

    opening: tuple[Chapter, ...] = ()
    story: tuple[Chapter, ...] = ()
    rest: tuple[Chapter, ...] = ()

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """All of them."""
        return self.opening + self.story + self.rest


def chapters(outcome: Outcome | None) -> Told:
    """What a run's report tells; without analyses, of its refresh alone."""
    if outcome is None:
        return Told()
    if outcome.explanation is None:
        return Told(story=_chapters((refresh.TOPIC,), outcome))
    others = [topic for topic in TOPICS if topic.claims and topic not in (*OPENING, *STORY)]
    others.sort(key=lambda topic: topic.claims[0].place)
    return Told(_chapters(OPENING, outcome), _chapters(STORY, outcome), _chapters(others, outcome))


def _chapters(topics: Iterable[Topic[Any]], outcome: Outcome) -> tuple[Chapter, ...]:
    found: list[Chapter] = []
    for topic in topics:
        found += topic.chapters(outcome)
    return tuple(found)


def numbers(outcome: Outcome) -> dict[str, Any]:
    """What the rules over seeds need of one run."""
    found: dict[str, Any] = {}
    for claim in CLAIMS:
        found |= claim.numbers(outcome)
    return found
