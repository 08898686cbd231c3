"""Five guided moments: a guess, a move, and a sentence that says what this run shows; written by its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toymdrl import domains
from toymdrl.analysis.plane import LONGER, STRETCH
from toymdrl.analysis.rollback import CURVATURE, MAGNITUDE, RANDOM, SIGNED
from toymdrl.claims.plane import DOWN, HARDLY, SIDEWAYS
from toymdrl.playground.scene import SHARES, STEPS, S, Scene, Scores
from toymdrl.runs.titles import checkpoint_title
from toymdrl.words import counted, percent, signed

Where = Mapping[str, Any]
"""A place in the space of weights, as js/place.js reads it."""
HARM = 1.0
"""Points: where the harmed domain has lost less, there is nothing to explain."""
NEARLY = 0.02
"""A later domain keeps nearly all that it learnt if it loses less than this share of it."""


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
    """All of them; none of a run without harm."""
    head = scene.subject.headline
    lost = scene.spot(head.own).scores[head.domain] - scene.spot(head.end).scores[head.domain]
    return [make(scene) for make in (_axes, _refresh, _mirror, _rollback, _random)] if lost > HARM else []


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _scores(scores: Scores, these: tuple[str, ...]) -> str:
    return _listed([f"{domains.title(domain)} at {scores[domain]:.1f}" for domain in these])


def _changes(one: Scores, other: Scores, these: tuple[str, ...]) -> str:
    changes = [f"{domains.title(each)} by {signed(other[each] - one[each])}" for each in these]
    return _listed(changes).replace("-", "−")


def _best_corner(scene: Scene) -> tuple[float, float]:
    """Where in the plane the later domains keep nearly all that they learnt, and the harmed one is at its best."""
    head, (a, b) = scene.subject.headline, scene.fine
    kept = np.ones((len(b), len(a)), dtype=bool)
    own, end = scene.at(0, 0), scene.at(1, 1)
    for domain in head.later:
        kept &= scene.lattice[domain] >= end[domain] - NEARLY * max(end[domain] - own[domain], 0)
    row, column = np.unravel_index(np.where(kept, scene.lattice[head.domain], -1).argmax(), kept.shape)
    return round(float(a[column]), 2), round(float(b[row]), 2)


def _axes(scene: Scene) -> Moment:
    head = scene.subject.headline
    math, later = domains.title(head.domain), _listed([domains.title(each) for each in head.later])
    a, b = _best_corner(scene)
    own, there, corner, end = scene.at(0, 0), scene.at(a, b), scene.at(1, 0), scene.at(1, 1)
    hardly = all(abs(end[each] - corner[each]) < HARDLY * abs(corner[each] - own[each]) for each in head.later)
    return Moment(
        title="Which way is needed?",
        question=f"The dot stands at {math}'s checkpoint, (0, 0). Training on {later} went to (1, 1): a of the way "
        f"lies outside of {math}'s conflict directions, b inside. Put the dot where {later} might keep nearly all "
        f"that was learnt, and {math} be at its best.",
        guess=None,
        truth=(a, b),
        begin=plane(0, 0),
        task=f"Now drag the dot to the end, (1, 1), and on to where {math} comes back and {later} can stay.",
        goal=plane(a, b),
        told=f"There you find {_scores(there, (head.domain, *head.later))}; at the end "
        f"{_scores(end, (head.domain, *head.later))}. Straight down, from (1, 1) to (1, 0), changes "
        f"{_changes(end, corner, (head.domain, *head.later))}: for {later}, b is "
        f"{'hardly needed' if hardly else 'needed, too'}.",
    )


def _refresh(scene: Scene) -> Moment:
    head = scene.subject.headline
    spot, end = scene.spot(head.refreshed), scene.spot(head.end)
    math, steps = domains.title(head.domain), counted(head.steps, "step")
    down = 1 - spot.b > DOWN and abs(1 - spot.a) < SIDEWAYS
    way = "straight down, not back along the way it came" if down else "not straight down in this run"
    return Moment(
        title="Where does a refresh lead?",
        question=f"The dot stands at the end of the training. A refresh comes next: {steps} of training on {math}. Put "
        "the dot where you think the model will be.",
        guess=None,
        truth=(spot.a, spot.b),
        begin=plane(1, 1),
        task=f"Press “{checkpoint_title(head.refreshed)}” below the plane.",
        goal={"kind": "checkpoint", "name": head.refreshed.name},
        told=f"The refresh undoes {percent(1 - spot.b)} of b and {percent(1 - spot.a)} of a: {way}. {math} goes from "
        f"{end.scores[head.domain]:.1f} to {spot.scores[head.domain]:.1f}. The model is {spot.away:.2g} off the plane, "
        "so that not all of it is in the picture.",
    )


def _mirror(scene: Scene) -> Moment:
    head, line = scene.subject.headline, scene.line
    average = {s: float(np.mean(list(scores.values()))) for s, scores in line.items()}
    best = max(average, key=average.__getitem__)
    math, own = domains.title(head.domain), line[0][head.domain]
    forward, backward = own - line[1][head.domain], own - line[-1][head.domain]
    harm = "harm has no sign" if backward > max(HARM, forward / 4) else "in this run the way back harms little"
    where = "at the end" if best == 1 else f"{'before' if best < 1 else 'beyond'} the end, which has {average[1]:.1f}"
    return Moment(
        title="Less of it, or its opposite?",
        question=f"Take a share s of the whole update: s = 0 is {math}'s checkpoint, s = 1 the end, s = −1 as far the "
        "other way. At which s is the average of all scores best?",
        guess=Number("the best s", min(S), max(S), 0.05, None),
        truth=best,
        begin=plane(1, 1),
        task=f"Find it with the share. Then drag to s = −1: does the opposite of what harmed {math} help it?",
        goal=plane(-1, -1),
        told=f"The average is best, {average[best]:.1f}, {where}. Forward {math} loses {forward:.1f} points, backward "
        f"{backward:.1f}: {harm}.".replace("-", "−"),
    )


def _rollback(scene: Scene) -> Moment:
    head = scene.subject.headline
    math, end = domains.title(head.domain), scene.spot(head.end).scores[head.domain]
    most = {order: found[-1][head.domain] for order, found in scene.rolled_back.items()}
    gained = most[SIGNED] - end
    return Moment(
        title="Put the harmful fifth back",
        question=f"δ·(Hδ) says, weight by weight, how much of the harm to {math} each carries. Put the "
        f"{SHARES[-1]:.0%} with the largest share, sign included, back to {math}'s checkpoint, where it was at "
        f"{scene.spot(head.own).scores[head.domain]:.1f}; now it is at {end:.1f}. What will {math} be at?",
        guess=Number(f"{math}'s score", 0, 100, 1, head.domain),
        truth=most[SIGNED],
        begin=plane(1, 1),
        task=f"Choose “signed δ·Hδ” and drag to {SHARES[-1]:.0%}. Then try the other ways to choose.",
        goal={"kind": "rollback", "order": SIGNED, "share": len(SHARES) - 1},
        told=f"That is {abs(gained):.1f} points {'less' if gained < 0 else 'more'} than with nothing put back. As many "
        f"weights by size, |δ·Hδ|, give {most[CURVATURE]:.1f}, the largest changes {most[MAGNITUDE]:.1f}, random ones "
        f"{most[RANDOM]:.1f}. A weight's share is what it carries while the others stay as they are.",
    )


def _random(scene: Scene) -> Moment:
    head = scene.subject.headline
    math, own = domains.title(head.domain), scene.at(0, 0)[head.domain]
    sharp, drawn = scene.at(0, STRETCH)[head.domain], scene.random[STEPS.index(STRETCH)][head.domain]
    far = own - sharp > max(HARM, 2 * (own - drawn))
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
        told=f"The short step leaves {math} at {sharp:.1f}, the random one, {LONGER:g} times as long, at {drawn:.1f}."
        + (" It is the direction that harms, not the distance." if far else ""),
    )
