"""Why a run's domains interfere and what undoes it: every analysis of `analysis/`, on a run's checkpoints.

Results go to the run's folder, analysis/NAME.json, each with the key of what it was computed from and a checksum: a
result that is there with the right key is not computed again, so an interruption costs one analysis at most.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from scipy.sparse.linalg import ArpackError

from toymdrl.analysis import alternation, conflict, contraction, cosines, damage, edits, refresh, rollback, routes
from toymdrl.analysis.alternation import Alternation
from toymdrl.analysis.conflict import Conflict
from toymdrl.analysis.contraction import Contraction
from toymdrl.analysis.cosines import Cosines
from toymdrl.analysis.damage import Damage
from toymdrl.analysis.edits import Edits
from toymdrl.analysis.refresh import Refresh
from toymdrl.analysis.rollback import Rollback
from toymdrl.analysis.routes import Routes
from toymdrl.curvature import Hessian, residuals
from toymdrl.domains import DOMAINS, problems
from toymdrl.files import CorruptFile, digest, write_atomically
from toymdrl.parameters import at
from toymdrl.plain import from_plain, to_plain
from toymdrl.policy.exact import ExpectedReward, has_exact_kl
from toymdrl.policy.forest import chain
from toymdrl.runs.config import headline_domain, headline_refresh
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.pipeline import BASE, Observer, evaluate, load_policy, weights
from toymdrl.subject import Subject, points, regularised

CONTRACTION_KL = 0.5
"""With a KL weight of 0.5 the minimum's expected reward is about the trained checkpoint's; with training's 0.1 the
minimum is saturated and nearly flat, and the theory has nothing to say."""
ROLLBACK_BUDGET = 0.01
"""Share of coordinates put back in the rolled-back checkpoint that a run keeps."""


class AnalysisError(ArithmeticError):
    """A run whose damage or curvature is zero or not finite; the message says how to go on without its analysis."""


@dataclass(frozen=True)
class Explanation:
    """All results of a run."""

    edits: Edits
    routes: Routes
    damage: Damage
    cosines: Cosines
    conflict: Conflict
    rollback: Rollback
    contraction: Contraction | None
    """None if the harmed domain's answers are too long for an exact KL (CW)."""
    refresh: Refresh
    alternation: Alternation


def _edits(subject: Subject) -> Edits:
    experts = {key: subject.vectors[f"expert-{key}"] for key in subject.order}
    return edits.measure(subject.vectors[BASE], experts, subject.neurons)


def _routes(subject: Subject) -> Routes:
    activities = {}
    with at(subject.policy, subject.vectors[BASE]):
        for key in subject.order:
            prompts = problems(DOMAINS[key], "train").prompts.to(subject.start.device)
            layout = chain(prompts.shape[1]).to(subject.start)
            activities[key] = routes.activity(subject.policy, lambda policy: policy(prompts, layout))  # noqa: B023
    losses = {key: subject.unseen(key, 1 / 4) for key in subject.order}
    base = subject.vectors[BASE]
    return routes.measure(subject.policy, losses, base, subject.edits, activities=activities, neurons=subject.neurons)


def _damage(subject: Subject) -> Damage:
    stages = {key: subject.vectors[key] for key in subject.order}
    return damage.measure(subject.policy, subject.losses, subject.order, stages)


def _cosines(subject: Subject) -> Cosines:
    places = {name: subject.vectors[name] for name in (BASE, *subject.order)}
    updates = damage.updates_after(subject.order, places, subject.harmed)
    return cosines.measure(
        subject.policy,
        subject.losses,
        places,
        subject.edits,
        harmed=subject.harmed,
        updates=updates,
        basis=subject.spectrum.vectors,
    )


def _conflict(subject: Subject) -> Conflict:
    foreign = {
        f"{DOMAINS[key].title}'s Hessian": subject.eigenpairs(
            f"of-{key}", subject.fit(key), subject.pairs, 1e-2
        ).vectors
        for key in subject.others()
    }
    experts = [edit for key, edit in subject.edits.items() if key != subject.harmed]
    pairs = subject.spectrum  # before the Hessian below: where it must be computed, it moves the policy's parameters
    with at(subject.policy, subject.start):
        hessian = Hessian(subject.policy, points(ExpectedReward(subject.fit(subject.harmed))))
        errors = residuals(hessian, pairs)
        del hessian  # the graph is large
    return conflict.measure(
        subject.policy,
        subject.losses[subject.harmed],
        subject.start,
        subject.delta,
        pairs=pairs,
        residuals=errors,
        quadratic=float(subject.delta @ subject.product) / 2,
        halves=subject.halves(),
        others=foreign | {"other domains' updates": conflict.principal_directions(experts)},
        generator=subject.stream("conflict"),
        earlier=subject.harmed,
        later=subject.later,
    )


def _rollback(subject: Subject) -> Rollback:
    return rollback.measure(
        subject.policy,
        points(ExpectedReward(subject.fit(subject.harmed))),
        subject.losses,
        {key: points(ExpectedReward(subject.fit(key, 1 / 4))) for key in subject.order},
        subject.start,
        subject.delta,
        product=subject.product,
        fisher=subject.fisher,
        neurons=subject.neurons,
        generator=subject.stream("rollback"),
        earlier=subject.harmed,
        later=subject.later,
    )


def _contraction(subject: Subject) -> Contraction | None:
    if not has_exact_kl(DOMAINS[subject.harmed]):
        return None
    index = subject.order.index(subject.harmed)
    reference = load_policy(subject.run, subject.order[index - 1] if index else BASE).requires_grad_(False)
    loss = regularised(subject.fit(subject.harmed, 1 / 16), reference, CONTRACTION_KL)
    return contraction.measure(
        subject.policy, loss, subject.start, subject.delta, earlier=subject.harmed, later=subject.later
    )


def _refresh(subject: Subject) -> Refresh:
    config, harmed = subject.run.config, subject.harmed
    scores = {entry["name"]: entry["scores"] for entry in subject.run.checkpoints}
    names = {0: subject.order[-1]} | {steps: f"refresh-{harmed}-{steps}" for steps in config.refresh_steps}
    steps = headline_refresh(config)
    further = f"further-{harmed}-{steps}"
    return refresh.measure(
        subject.start,
        {count: (subject.vectors[name], scores[name]) for count, name in names.items()},
        (steps, subject.vectors[further], scores[further]),
        scores[harmed],
        basis=subject.spectrum.vectors,
        harmed=harmed,
    )


def _alternation(subject: Subject) -> Alternation:
    losses = {key: points(ExpectedReward(subject.fit(key, 1 / 16))) for key in subject.order}
    unseen = {key: subject.unseen(key, 1 / 4) for key in subject.order}
    return alternation.measure(subject.policy, losses, subject.vectors[subject.order[-1]], unseen=unseen)


MEASURES: dict[str, Callable[[Subject], Any]] = {
    "edits": _edits,
    "routes": _routes,
    "damage": _damage,
    "cosines": _cosines,
    "conflict": _conflict,
    "rollback": _rollback,
    "contraction": _contraction,
    "refresh": _refresh,
    "alternation": _alternation,
}
"""Analyses in the order in which they are made."""


def _file(run: RunDirectory, name: str) -> Path:
    return run.path / "analysis" / f"{name}.json"


def _read(run: RunDirectory, name: str, kind: Any) -> tuple[str, Any]:
    """The key and result of an analysis on disk.

    Raises:
        CorruptFile: it is missing, or not what was written.
    """
    file = _file(run, name)
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if digest({}, {"result": stored["result"]}) != stored["sha256"]:
            raise ValueError
        return str(stored["key"]), from_plain(kind, stored["result"], f"{name}.")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        what = "is missing, damaged or of another version"
        raise CorruptFile(f"{file} {what}; make it again with `toymdrl resume {run.path}`") from error


def load_explanation(run: RunDirectory) -> Explanation | None:
    """A run's analyses as they are on disk; None if it has none.

    Raises:
        CorruptFile: one of several is missing or damaged.
    """
    if not any(_file(run, name).exists() for name in MEASURES):
        return None
    kinds = get_type_hints(Explanation)
    return Explanation(**{name: _read(run, name, kinds[name])[1] for name in MEASURES})


def explain(run: RunDirectory, observer: Observer) -> Explanation | None:
    """Make what is missing of a run's analyses; None if its order leaves no earlier domain. Hold the run's lock.

    Also enters the headline's rolled-back model among the run's checkpoints.
    """
    harmed = headline_domain(run.config)
    if harmed is None:
        return None
    subject = Subject(run, harmed)
    if not subject.delta.any() or not all(edit.any() for edit in subject.edits.values()):
        raise AnalysisError(
            f"training changed nothing; `toymdrl resume {run.path} --no-analysis` leaves the analysis out"
        )
    kinds = get_type_hints(Explanation)
    results: dict[str, Any] = {}
    for name, measure in MEASURES.items():
        try:
            key, results[name] = _read(run, name, kinds[name])
        except CorruptFile:
            key = None
        if key != subject.key:
            _forget_rolled_back(run)
            try:
                results[name] = measure(subject)
                result = to_plain(results[name]) if results[name] else None
                content = {"key": subject.key, "sha256": digest({}, {"result": result}), "result": result}
                text = json.dumps(content, indent=1, allow_nan=False)
            except (ArithmeticError, ArpackError, ValueError) as error:
                raise AnalysisError(
                    f"analysis {name}: {error}; `toymdrl resume {run.path} --no-analysis` leaves it out"
                ) from error
            write_atomically(_file(run, name), text + "\n")
        observer.analysis(name)
    _keep_rolled_back(subject, observer)
    return Explanation(**results)


def _forget_rolled_back(run: RunDirectory) -> None:
    """Rolled-back checkpoints belong to the analysis that chose their coordinates: a new one makes them again."""
    kept = [entry for entry in run.checkpoints if not entry["name"].startswith("rollback-")]
    if len(kept) < len(run.checkpoints):
        run.checkpoints = kept
        run.write_results()


def _keep_rolled_back(subject: Subject, observer: Observer) -> None:
    """The last checkpoint with the headline's coordinates put back, as a checkpoint of its own."""
    name = f"rollback-{subject.harmed}-{ROLLBACK_BUDGET:g}"
    run = subject.run
    if any(entry["name"] == name for entry in run.checkpoints):
        return
    score = (subject.delta * subject.product).abs()
    best = rollback.top_coordinates(score, int(ROLLBACK_BUDGET * len(score)))
    with at(subject.policy, subject.start + subject.delta - rollback.chosen(subject.delta, best)):
        scores = evaluate(subject.policy)
        run.add_checkpoint(name, {key: each.clone() for key, each in weights(subject.policy).items()}, scores, None)
    observer.checkpoint(name, scores)
