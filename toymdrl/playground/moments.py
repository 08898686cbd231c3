"""Five guided moments: a guess, a move, and a sentence that says what this run shows; written by its numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toymdrl import domains
from toymdrl.analysis.plane import LONGER, STRETCH
from toymdrl.analysis.rollback import CURVATURE, MAGNITUDE, RANDOM, SIGNED
from toymdrl.claims.plane import DOWN, HARDLY, SIDEWAYS
from toymdrl.playground.scene import SHARES, STEPS, Scene, Scores
from toymdrl.words import counted, percent

Where = Mapping[str, Any]
"""A place in the space of weights, as js/place.js reads it."""
S = tuple(round(-1 + 0.1 * step, 1) for step in range(26))
"""Shares of the whole update, on the drawn lattice."""


@dataclass(frozen=True)
class Number:
    """A guess that is a number."""

    label: str
    low: float
    high: float
    step: float
    domain: str | None
    """Whose score it is; None of a share of the update."""


@dataclass(frozen=True)
class Moment:
    """One of them."""

    title: str
    question: str
    guess: Number | None
    """None: a place in the plane."""
    truth: float | tuple[float, float]
    """The number, or the place (a, b)."""
    begin: Where
    """Where the reader stands at first."""
    task: str
    """What to do after the guess."""
    goal: Where
    """Where to go; there it is told what was found."""
    told: str


def plane(a: float, b: float) -> Where:
    """A point of the plane."""
    return {"kind": "plane", "a": a, "b": b}


def moments(scene: Scene) -> list[Moment]:
    """Those that a run has: without a refresh the second is left out."""
    return list(_all(scene))


def _all(scene: Scene) -> Iterator[Moment]:
    yield _axes(scene)
    if scene.subject.config.refresh_steps:
        yield _refresh(scene)
    yield _mirror(scene)
    yield _rollback(scene)
    yield _random(scene)


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _scores(scores: Scores, these: tuple[str, ...]) -> str:
    return _listed([f"{domains.title(domain)} at {scores[domain]:.1f}" for domain in these])


def _axes(scene: Scene) -> Moment:
    head = scene.subject.headline
    own, corner, end = scene.at(0, 0), scene.at(1, 0), scene.at(1, 1)
    math, later = domains.title(head.domain), _listed([domains.title(each) for each in head.later])
    needs_a = all(abs(end[each] - corner[each]) < HARDLY * abs(corner[each] - own[each]) for each in head.later)
    spared = own[head.domain] - corner[head.domain] < (own[head.domain] - end[head.domain]) / 2
    if needs_a and spared:
        what = f"{later} need a; what costs {math} is mostly b, and nobody needs it."
    elif needs_a:
        what = f"{later} need a; but a costs {math} much, too, in this run."
    else:
        what = f"In this run {later} need more than a."
    return Moment(
        title="Which way is needed?",
        question=f"The dot stands at {math}'s checkpoint, (0, 0). Training on {later} went to (1, 1): a of the way "
        f"lies outside of {math}'s conflict directions, b inside. Put the dot where you think {later} keep all that "
        f"they learnt and {math} loses least.",
        guess=None,
        truth=(1, 0),
        begin=plane(0, 0),
        task="Now drag the dot to the end, (1, 1), and from there straight down to (1, 0). Watch the scores.",
        goal=plane(1, 0),
        told=f"At (1, 0) there are {_scores(corner, head.later)}, at the end {_scores(end, head.later)}; {math} is at "
        f"{corner[head.domain]:.1f} there, {end[head.domain]:.1f} at the end and {own[head.domain]:.1f} at its "
        f"checkpoint. {what}",
    )


def _refresh(scene: Scene) -> Moment:
    head = scene.subject.headline
    spot, end = scene.spot(head.refreshed), scene.spot(head.end)
    math, steps = domains.title(head.domain), counted(head.steps, "step")
    down = 1 - spot.b > DOWN and abs(1 - spot.a) < SIDEWAYS
    way = "straight down, not back along the way it came" if down else "not straight down in this run"
    longest = scene.spots[-1]
    more = ""
    if longest.checkpoint != head.refreshed and abs(longest.b) > abs(spot.b):
        steps_more = counted(longest.checkpoint.steps or 0, "step")
        more = f" After {steps_more} b is {longest.b:.2f}: further steps are learning, no repair."
    return Moment(
        title="Where does a refresh lead?",
        question=f"The dot stands at the end of the training. Now come {steps} of training on {math}, a refresh. Put "
        "the dot where you think the model will be.",
        guess=None,
        truth=(spot.a, spot.b),
        begin=plane(1, 1),
        task=f"Press “Re-{math}, {steps}” below the plane.",
        goal={"kind": "checkpoint", "name": head.refreshed.name},
        told=f"The refresh undoes {percent(1 - spot.b)} of b and {percent(1 - spot.a)} of a: {way}. {math} goes from "
        f"{end.scores[head.domain]:.1f} to {spot.scores[head.domain]:.1f}. The model is {spot.away:.2g} off the plane, "
        f"so that not all of it is in the picture.{more}",
    )


def _mirror(scene: Scene) -> Moment:
    head = scene.subject.headline
    line = {s: scene.at(s, s) for s in S}
    average = {s: float(np.mean(list(scores.values()))) for s, scores in line.items()}
    best = max(S, key=lambda s: average[s])
    math, own = domains.title(head.domain), line[0][head.domain]
    forward, backward = own - line[1][head.domain], own - line[-1][head.domain]
    harm = "harm has no sign" if backward > forward / 4 else "in this run the way back harms little"
    where = "before the end" if best < 1 else "at the end or beyond it"
    return Moment(
        title="Less of it, or its opposite?",
        question=f"Take a share s of the whole update: s = 0 is {math}'s checkpoint, s = 1 the end, s = −1 as far the "
        "other way. At which s is the average of all scores best?",
        guess=Number("the best s", S[0], S[-1], 0.05, None),
        truth=best,
        begin=plane(1, 1),
        task=f"Drag the share to −1: does the opposite of what harmed {math} help it? Then to the best average.",
        goal=plane(best, best),
        told=f"The average is best, {average[best]:.1f}, at s = {best:g}, {where}, which has {average[1]:.1f}. Forward "
        f"{math} loses {forward:.1f} points, backward {backward:.1f}: {harm}.".replace("-", "−"),
    )


def _rollback(scene: Scene) -> Moment:
    head = scene.subject.headline
    math, end = domains.title(head.domain), scene.spot(head.end).scores[head.domain]
    most = {order: found[-1][head.domain] for order, found in scene.rolled_back.items()}
    signed = most[SIGNED]
    verdict = "worse than nothing" if signed < end else "better than nothing in this run"
    return Moment(
        title="Put the harmful fifth back",
        question=f"δ·(Hδ) says, weight by weight, how much of the harm to {math} each carries. Put the "
        f"{SHARES[-1]:.0%} with the largest share, sign included, back to {math}'s checkpoint, where it was at "
        f"{scene.spot(head.own).scores[head.domain]:.1f}; now it is at {end:.1f}. What will {math} be at?",
        guess=Number(f"{math}'s score", 0, 100, 1, head.domain),
        truth=signed,
        begin=plane(1, 1),
        task=f"Choose “signed δ·Hδ” and drag to {SHARES[-1]:.0%}. Then try the other ways to choose.",
        goal={"kind": "rollback", "order": SIGNED, "share": len(SHARES) - 1},
        told=f"{math} is at {signed:.1f}, {verdict}. As many weights by size, |δ·Hδ|, give {most[CURVATURE]:.1f}, the "
        f"largest changes {most[MAGNITUDE]:.1f}, random ones {most[RANDOM]:.1f}. A weight's share holds while the "
        "others stay; put back together, they no longer cancel.",
    )


def _random(scene: Scene) -> Moment:
    head = scene.subject.headline
    math, own = domains.title(head.domain), scene.at(0, 0)[head.domain]
    sharp, drawn = scene.at(0, STRETCH)[head.domain], scene.random[STEPS.index(STRETCH)][head.domain]
    which = "It is the direction that harms, not the distance." if own - sharp > own - drawn else ""
    return Moment(
        title="A short step and a long one",
        question=f"Two steps from {math}'s checkpoint, where it is at {own:.1f}: {STRETCH:g} times the part inside its "
        f"conflict directions, {STRETCH * scene.inside:.2g} long; and a random one, {LONGER:g} times as long. What is "
        f"{math} at after the short one?",
        guess=Number(f"{math}'s score", 0, 100, 1, head.domain),
        truth=sharp,
        begin=plane(0, 0),
        task=f"Drag b to {STRETCH:g} with a at 0. Then drag the random step to {STRETCH:g}.",
        goal={"kind": "random", "step": STRETCH},
        told=f"The short step leaves {math} at {sharp:.1f}, the random one, {LONGER:g} times as long, at {drawn:.1f}. "
        f"{which}",
    )
