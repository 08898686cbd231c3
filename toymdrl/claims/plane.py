"""The picture that says why: every domain's score in the plane of what the update did inside and outside C8's subspace.

No claim of the paper's: it shows C7, C8 and C10 at once. Its rules over seeds are in experiments/plane.py.
"""

import numpy as np
from matplotlib.figure import Figure

from toymdrl import domains
from toymdrl.analysis import plane
from toymdrl.analysis.plane import LONGER, STRETCH, Place, Plane
from toymdrl.claims import plane_figure
from toymdrl.claims.base import Chapter, Outcome, Topic
from toymdrl.claims.subject import Subject
from toymdrl.evidence import Row
from toymdrl.runs.config import PAPER_REFRESH_STEPS
from toymdrl.runs.plan import Checkpoint
from toymdrl.style import MINIATURE, Look
from toymdrl.words import counted, percent

SHARE = 1 / 4
"""Of the unseen prompts that the harmed domain is scored on, the others are scored on so many: for shape, not level."""
HARDLY = 0.1
"""One axis hardly counts for a loss if it changes it by less than this share of what the other does."""
DOWN, SIDEWAYS = 0.5, 0.1
"""A refresh goes straight down if it undoes more than the one share of b, and less than the other of a."""


def measure(subject: Subject) -> Plane | None:
    """The analysis of a run: the stages after the harmed domain's, and its own refresh."""
    head = subject.headline
    if plane.axes(subject.spectrum.vectors, subject.delta) is None:
        return None
    losses = {head.domain: subject.losses[head.domain]}
    for domain in (*head.later, *subject.order):
        if domain not in losses:
            losses[domain] = subject.unseen_loss(domain, SHARE)
    refreshes = {steps: Checkpoint("refresh", head.domain, steps=steps) for steps in subject.config.refresh_steps}
    return plane.measure(
        subject.policy,
        losses,
        subject.start,
        {domain: subject.vectors[Checkpoint("stage", domain)] for domain in head.later},
        {steps: subject.vectors[place] for steps, place in refreshes.items()},
        basis=subject.spectrum.vectors,
        generator=subject.stream("plane"),
        harmed=head.domain,
        later=subject.later,
    )


def goes_down(place: Place) -> bool:
    """Whether a refresh went straight down the plane."""
    return 1 - place.b > DOWN and abs(1 - place.a) < SIDEWAYS


def hardly_b(result: Plane, name: str) -> bool:
    """Whether a loss depends on a, and hardly on b."""
    return abs(result.along_b(name)) < HARDLY * abs(result.along_a(name))


def mainly_b(result: Plane) -> bool:
    """Whether the harmed domain's loss bends along b far more than along a, steps as long."""
    along_a, along_b = result.curvature(result.harmed)
    return along_b > 0 and abs(along_a) < HARDLY * along_b


def told(result: Plane) -> Place | None:
    """The refresh that heading, text and title speak of: as long as the paper's, or nearest; None if there is none."""
    return min(result.refresh, key=lambda place: abs(place.steps - PAPER_REFRESH_STEPS), default=None)


def _heading(result: Plane, name: str) -> str:
    """What a panel shows."""
    title, place = domains.title(name), told(result)
    if name != result.harmed:
        return f"{title} depends on a, hardly on b" if hardly_b(result, name) else f"{title} depends on a and b"
    shape = f"{title} is steep along b" if mainly_b(result) else f"{title} depends on a and b"
    if place is None or not goes_down(place):
        return shape
    goes = "goes" if place.steps == 1 else "go"
    return f"{shape}: {counted(place.steps, 'refresh step')} {goes} straight down"


def numbers(result: Plane, steps: int) -> Row:
    """What the rules over seeds judge, and what is told of them.

    Args:
        result: with a refresh.
        steps: of the refresh that is judged.

    Raises:
        ValueError: no refresh has so many steps.
    """
    lengths = [place.steps for place in result.refresh]
    if steps not in lengths:
        there = f"there are refreshes of {', '.join(map(str, lengths))}" if lengths else "there is no refresh"
        raise ValueError(f"no refresh of {counted(steps, 'step')} in this plane; {there}")
    number = lengths.index(steps)
    place, end = result.refresh[number], result.training[-1]
    along_a, along_b = result.curvature(result.harmed)
    later = [place.domain for place in result.training[1:]]
    gain = end.losses[result.harmed] - place.losses[result.harmed]
    return {
        "down": 1 - place.b,
        "random down": 1 - float(np.mean([each.b[number] for each in result.random_planes])),
        "sideways": 1 - place.a,
        "flatness": along_a / along_b,
        "vertical": float(np.mean([abs(result.along_b(name) / result.along_a(name)) for name in later])),
        "stretched": result.stretched(result.harmed),
        "random step": float(np.mean(result.random_costs)),
        "spared": max(abs(result.stretched(name)) for name in result.others),
        "away": place.away,
        "gain": gain,
        "gain in the plane": end.losses[result.harmed] - place.projected[result.harmed],
        "inside": result.inside,
        "outside": result.outside,
        "a alone": result.along_a(result.harmed),
        "b alone": result.at(result.harmed, 0, 1) - result.at(result.harmed, 0, 0),
    }


def chapters(outcome: Outcome) -> list[Chapter]:
    """What the figure shows; nothing where the update spans no plane."""
    found = outcome.explained.get(Plane)
    return [] if found is None else [chapter(found, MINIATURE)]


def chapter(found: Plane, look: Look) -> Chapter:
    """What the figure shows, of any model."""
    harmed, place = domains.title(found.harmed), told(found)
    heading = f"Why a few steps repair {harmed}" if place and goes_down(place) else "The update in one plane"
    words = [_shape(found, look), _stretch(found, look)]
    if place:
        words += [_way(found, place), _off_the_plane(found, place, look), _further(found, place, look)]
    words += [
        f"The axes are stretched {found.outside / found.inside:.0f}-fold against each other, and the plane, though not "
        "the subspace, was chosen with the update in hand."
    ]
    return Chapter(
        ("C7", "C8", "C10"),
        heading,
        " ".join(word for word in words if word),
        "plane",
        f"Contours of every domain in the plane of the update's part inside {harmed}'s conflict subspace and the rest, "
        f"with the way of the training{' and of the refresh' if place else ''}",
    )


def _change(look: Look, rise: float) -> str:
    """A change of what the picture shows, by the rise of the loss."""
    return look.amount(look.height * rise)


def _shape(found: Plane, look: Look) -> str:
    harmed, (flat, steep) = domains.title(found.harmed), found.curvature(found.harmed)
    b_alone = found.at(found.harmed, 0, 1) - found.at(found.harmed, 0, 0)
    text = (
        f"Upwards, b: the part of the update inside {found.size} conflict directions of {harmed}, "
        f"{found.share_inside:.1%} of its squared length; across, a: the rest. Training goes from (0, 0) to (1, 1). "
        f"Alone, b changes {harmed} by {_change(look, b_alone)} {look.unit}, a by "
        f"{_change(look, found.along_a(found.harmed))}"
    )
    if mainly_b(found) and flat > 0:
        text += f"; of steps as long, one along b is {steep / flat:,.0f} times as sharp at its checkpoint"
    along_a = [f"{domains.title(name)} by {_change(look, found.along_a(name))}" for name in found.others]
    along_b = [_change(look, found.along_b(name)) for name in found.others]
    return f"{text}. Along a the others change, {', '.join(along_a)}; along b then by {', '.join(along_b)}."


def _stretch(found: Plane, look: Look) -> str:
    harmed, drawn = domains.title(found.harmed), float(np.mean(found.random_costs))
    others = [f"{domains.title(name)} by {_change(look, found.stretched(name))}" for name in found.others]
    return (
        f"{STRETCH:g} Pδ, a step of length {STRETCH * found.inside:.2g} up the picture, changes {harmed} by "
        f"{_change(look, found.stretched(found.harmed))} {look.unit}, {', '.join(others)}; a random step {LONGER:g} "
        f"times as long changes {harmed} by {_change(look, drawn)}."
    )


def _way(found: Plane, place: Place) -> str:
    number = found.refresh.index(place)
    random = float(np.mean([each.b[number] for each in found.random_planes]))
    return (
        f"{counted(place.steps, 'refresh step').capitalize()} undo{'' if place.steps > 1 else 'es'} "
        f"{percent(1 - place.b)} of b and {percent(1 - place.a)} of a; in planes with {found.size} random directions "
        f"in place of the conflict subspace, {percent(1 - random)} of b."
    )


def _off_the_plane(found: Plane, place: Place, look: Look) -> str:
    end = found.training[-1].losses[found.harmed]
    gain, seen = place.losses[found.harmed] - end, place.projected[found.harmed] - end
    return (
        f"Not all of the repair is in the picture: the refreshed model lies {place.away:.2g} off the plane, and of its "
        f"change of {_change(look, gain)} {look.unit} its projection shows {_change(look, seen)}."
    )


def _further(found: Plane, place: Place, look: Look) -> str:
    """What longer refreshes do; nothing where they go on with the repair."""
    last = found.refresh[-1]
    more = last.losses[found.harmed] - place.losses[found.harmed]
    if last.steps == place.steps or more >= 0 or abs(last.b) < abs(place.b):
        return ""
    return (
        f"After {counted(last.steps, 'step')} b is {last.b:.2f}, no nearer to 0, and {domains.title(found.harmed)} has "
        f"changed by {_change(look, more)} more: that is learning rather than repair."
    )


def figure(result: Plane, look: Look = MINIATURE) -> Figure:
    """Left: the harmed domain, with the way of the training and of the refresh. Right: the other domains."""
    return plane_figure.draw(result, headings(result), look, Figure)


def headings(result: Plane) -> dict[str, str]:
    """What each domain's panel shows, as a sentence."""
    return {name: _heading(result, name) for name in result.losses}


TOPIC = Topic("plane", Plane, measure, 260, (), chapters, figure)
