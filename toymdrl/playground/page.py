"""The page: what it tells of each run, as JSON that can be kept, and the one file made of several of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from toymdrl import domains
from toymdrl.analysis.plane import LONGER
from toymdrl.analysis.rollback import NAMES
from toymdrl.evidence import Interval
from toymdrl.playground.contours import HEIGHT, WIDTH, Frame, contours
from toymdrl.playground.moments import moments
from toymdrl.playground.questions import PackedQuestions
from toymdrl.playground.scene import HUNDREDTHS, INSIDE, SHARES, SIGNS, STEPS, Scene
from toymdrl.playground.scripts import FOLDER, interface, numerics
from toymdrl.runs.titles import checkpoint_title
from toymdrl.style import colour

AVERAGE = "average"
"""What is drawn beside the domains."""


def content(scene: Scene, title: str, prompt: str, seeds: Mapping[str, Interval]) -> str:
    """A run's part of the page, as JSON.

    Args:
        scene: the run.
        title: what a menu calls it.
        prompt: asked first.
        seeds: each domain's score at the end of the training over other seeds, if there are some alike.
    """
    subject, (a, b) = scene.subject, scene.fine
    head = subject.headline
    frame = Frame((a[0], a[-1]), (b[0], b[-1]))
    heights = {**scene.lattice, AVERAGE: np.mean(list(scene.lattice.values()), axis=0)}
    spots = [
        {
            "name": spot.checkpoint.name,
            "title": checkpoint_title(spot.checkpoint),
            "kind": spot.checkpoint.kind,
            "steps": spot.checkpoint.steps,
            "a": round(spot.a, 4),
            "b": round(spot.b, 4),
            "scores": {domain: round(score, 3) for domain, score in spot.scores.items()},
        }
        for spot in scene.spots
    ]
    told = {
        "title": title,
        "order": subject.order,
        "weights": len(subject.start),
        "harmed": subject.harmed,
        "own": head.own.name,
        "last": head.end.name,
        "inside": INSIDE,
        "signs": SIGNS,
        "grid": {"a": [a[0], a[-1], len(a)], "b": [b[0], b[-1], len(b)], "unit": HUNDREDTHS},
        "longer": LONGER * scene.inside,
        "spots": spots,
        "shares": SHARES,
        "orders": {order: NAMES[order] for order in scene.rolled_back},
        "steps": [0, STEPS[-1]],
        "directions": subject.pairs,
        "moments": [asdict(moment) for moment in moments(scene)],
        "prompt": prompt,
        "seeds": {domain: [found.low, found.high] for domain, found in seeds.items()},
        "contours": {name: asdict(contours(frame, a, b, values)) for name, values in heights.items()},
    }
    return json.dumps(
        {"told": told, "packed": json.loads(scene.packed.text())}, ensure_ascii=False, separators=(",", ":")
    )


def page(contents: Sequence[str]) -> str:
    """One file that needs no other: HTML with its style, its scripts and its data.

    Args:
        contents: one of `content` a run; the first is shown at first. All have the same settings but the seed.
    """
    told = [json.loads(each)["told"] for each in contents]
    order = told[0]["order"]
    questions = PackedQuestions([domains.DOMAINS[key] for key in order])
    asked = [(each["prompts"]["shape"][0], each["unseen"], each["title"]) for each in questions.manifest["domains"]]
    counts = [f"{some:,} of {every:,} ({title})" for some, every, title in asked]
    environment = Environment(
        loader=PackageLoader("toymdrl.playground", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    views = [*order, AVERAGE]
    return environment.get_template("page.html.jinja").render(
        runs=told,
        domains=[{"key": key, "title": domains.title(key), "colour": colour(key)} for key in order],
        views={view: "Average" if view == AVERAGE else domains.title(view) for view in views},
        colours={view: colour(view) for view in views},
        frames=[Frame(tuple(each["grid"]["a"][:2]), tuple(each["grid"]["b"][:2])) for each in told],
        width=WIDTH,
        height=HEIGHT,
        longer=f"{LONGER:g}",
        style=Markup((FOLDER.parent / "page.css").read_text(encoding="utf-8")),
        numerics=Markup(numerics()),
        interface=Markup(interface()),
        data=[Markup(_in_a_script(each)) for each in contents],
        questions=Markup(questions.text()),
        counts=", ".join(counts),
        size=told[0]["weights"],
        most=max(len(each["moments"]) for each in told),
    )


def _in_a_script(text: str) -> str:
    return text.replace("<", "\\u003c")
