"""`explain_update`: what later training did to an earlier domain of a model of one's own, and what undoes it.

The analyses are those of `toymdrl run`; here a step's result is kept on disk as soon as it is there, so an interruption
costs one step, and the same call goes on.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from toymdrl.analysis import conflict, damage, plane, rollback
from toymdrl.analysis.conflict import Conflict
from toymdrl.analysis.damage import Damage
from toymdrl.analysis.plane import Plane
from toymdrl.analysis.rollback import Rollback
from toymdrl.curvature import CurvatureError, Eigenpairs, Hessian, fisher_diagonal, residuals
from toymdrl.explain.bar import Bar
from toymdrl.explain.sequence import DomainLosses, Sequence
from toymdrl.explain.work import Work, lanczos
from toymdrl.files import remove_leftovers, write_atomically
from toymdrl.neurons import neuron_coordinates
from toymdrl.parameters import at_parameters, trainable_parameters
from toymdrl.report.update import Update, write_page
from toymdrl.runs.provenance import provenance
from toymdrl.settings import ConfigError
from toymdrl.sourcecode import source_digest
from toymdrl.streams import stream

SOURCES = ("parameters.py", "neurons.py", "derivatives.py", "curvature.py", "streams.py", "analysis", "explain")
"""What decides the numbers: a step that other code has made is made again."""
CLOSE, ROUGH = 1e-3, 1e-2
"""Tolerances of the eigenpairs that are projected off, and of those that they are only compared with."""


def explain_update(
    module: nn.Module,
    losses: Mapping[str, DomainLosses],
    checkpoints: Mapping[str, Tensor | dict[str, Tensor]],
    out: Path | str,
    *,
    harmed: str | None = None,
    directions: int = 32,
    unit: str = "points",
    seed: int = 0,
    quiet: bool = False,
) -> Update:
    """Explain what later training did to an earlier domain, and write a report (C7, C8, C11; T1, T2, T4, T7).

    Every later update on every earlier domain's checkpoint, with its first and second order; then, for one domain, the
    conflict subspace and the rollback, with their controls. Interrupted, the same call goes on.

    Args:
        module: in eval mode, on any device; left as found.
        losses: each domain's, in one unit.
        checkpoints: the module's parameters after each domain's training, in its order: tensors by name, as
            `read_checkpoints` gives them, or vectors (coordinates,).
        out: a folder for `report.html`, `summary.md`, `figures/` and the numbers, made if need be.
        harmed: whose conflict subspace and rollback are measured; the first that was trained unless given. Choose it
            before you look.
        directions: dimensions of its conflict subspace.
        unit: of the losses, for the report.
        seed: of the random subspaces and coordinates.
        quiet: show no bar.

    Returns:
        All that was measured, and how many gradient evaluations it took.

    Raises:
        ConfigError: `out` is in use, or holds the explanation of other checkpoints or losses.
        toymdrl.curvature.CurvatureError: a loss has no curvature to speak of.
        ValueError: there is nothing to explain, or what is given does not fit together.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import torch
        >>> from torch import nn
        >>> from toymdrl import DomainLosses, explain_update
        >>> def squares(*target):
        ...     return lambda module: (module.weight - torch.tensor(target)).square().sum()
        >>> losses = {
        ...     "one": DomainLosses((squares(1, 0, 0, 0), squares(1, 0, 0, 0)), squares(1, 0, 0, 0)),
        ...     "two": DomainLosses((squares(0, 1, 0, 0), squares(0, 1, 0, 0)), squares(0, 1, 0, 0)),
        ... }
        >>> after = {"one": torch.tensor([1.0, 0, 0, 0]), "two": torch.tensor([1.0, 1, 0, 0])}
        >>> with TemporaryDirectory() as out:
        ...     found = explain_update(nn.Linear(4, 1, bias=False), losses, after, out, directions=2, quiet=True)
        ...     (Path(out) / "report.html").is_file()
        True
        >>> found.damage.pairs[0].actual, round(found.damage.pairs[0].second, 4)
        (1.0, 1.0)
    """
    sequence, folder = Sequence(module, losses, checkpoints, harmed), Path(out)
    size = len(sequence.delta)
    if not 2 <= directions < size:
        raise ConfigError(f"directions is {directions}; use 2 to {size - 1}, fewer than the module has coordinates")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"{folder} is not a folder; give out the name of one, or of one to make") from None
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _explained(sequence, folder, directions, unit, seed, quiet=quiet)
    except Timeout:
        raise ConfigError(f"{folder} is in use by another process; wait for it, or give out another name") from None


def _explained(sequence: Sequence, folder: Path, directions: int, unit: str, seed: int, *, quiet: bool) -> Update:
    about = {"sequence": sequence.key(), "directions": directions, "seed": seed}
    _must_be_of(folder / "explanation.json", about)
    remove_leftovers(folder)
    key = f"{json.dumps(about)} {source_digest(SOURCES)}"
    with Bar(_planned(sequence, directions), quiet=quiet) as bar:
        work = Work(folder, key, bar)
        harm = _damage(work, sequence)
        pairs = _directions(work, sequence, directions)
        subspace = _conflict(work, sequence, pairs, directions, seed)
        undone = _rollback(work, sequence, seed)
        seen = _plane(work, sequence, pairs, seed)
    found = Update(sequence.order, harm, subspace, undone, seen, unit, sum(work.spent.values()))
    device = str(trainable_parameters(sequence.module)[0].device)
    write_page(found, folder, json.dumps(provenance(device, torch.get_num_threads()), indent=1))
    return found


def _must_be_of(file: Path, about: dict[str, Any]) -> None:
    """Say what a folder is of, or refuse one that is of something else.

    Raises:
        ConfigError: which.
    """
    text = json.dumps(about, indent=1) + "\n"
    if file.is_file() and file.read_text(encoding="utf-8", errors="replace") != text:
        raise ConfigError(
            f"{file.parent} explains other checkpoints, losses or settings; give out another name, or remove it"
        )
    if not file.is_file():
        write_atomically(file, text)


def _planned(of: Sequence, directions: int) -> float:
    """Gradient evaluations, about."""
    return (
        sum(_planned_damage(of, earlier) for earlier in of.order[:-1])
        + lanczos(directions) * 2  # the harmed domain's, and the next one's
        + 2 * lanczos(directions // 2) / 2  # two halves, of half the prompts
        + 4
        + _planned_conflict(directions)
        + _planned_rollback(of)
        + _planned_plane(of)
    )


def _planned_damage(of: Sequence, earlier: str) -> float:
    updates = len(damage.updates_after(of.order, of.vectors, earlier))
    along, nodes = len(damage.PATH) / 3, damage.NODES[0]
    return 2 + updates * (along + 1 + 2 * (1 + nodes))


def _planned_conflict(directions: int) -> float:
    sizes = sum(size <= directions for size in conflict.SIZES)
    return 3 + 2 * directions + (sizes * (3 + conflict.RANDOM_SUBSPACES) + 2 * len(conflict.PATH)) / 3


def _planned_rollback(of: Sequence) -> float:
    values = 9 + 2 * 2 * len(of.order)  # each score and control; two of them for every domain, twice
    return len(rollback.BUDGETS) * (values / 3 + 2)


def _planned_plane(of: Sequence) -> float:
    places = len(plane.A) * len(plane.B) + 2 * (1 + len(of.later))  # a checkpoint, and its projection
    return (places * len(of.order) + plane.RANDOM_STEPS) / 3


def _damage(work: Work, of: Sequence) -> Damage:
    """Every later update on every earlier domain's checkpoint."""
    pairs: list[damage.Decomposition] = []
    for number, earlier in enumerate(of.order[:-1], 1):
        updates = damage.updates_after(of.order, of.vectors, earlier)

        def make(earlier: str = earlier, updates: dict[str, Tensor] = updates) -> Damage:
            loss, start = of.unseen[earlier], of.vectors[earlier]
            return Damage(damage.decompose_damage(of.module, loss, start, updates, earlier=earlier))

        # Numbered: a domain's name need not be one that a file can have.
        pairs += work.record(f"damage-{number}", Damage, _planned_damage(of, earlier), make).pairs
    return Damage(tuple(pairs))


def _directions(work: Work, of: Sequence, directions: int) -> Eigenpairs:
    """The harmed domain's conflict subspace."""
    pairs = work.eigenpairs("directions", of, of.fit[of.harmed], directions, CLOSE, 1)
    if not pairs.values.all():
        raise CurvatureError(
            f"the Hessian of {of.harmed!r} has no {directions} directions of curvature; use fewer, or another loss"
        )
    return pairs


def _conflict(work: Work, of: Sequence, pairs: Eigenpairs, directions: int, seed: int) -> Conflict:
    """The harmed domain's conflict subspace, beside that of the domain trained next."""
    own, after = of.losses[of.harmed], of.later[0]
    halves = [
        work.eigenpairs(f"directions-of-half-{number}", of, half, directions // 2, ROUGH, 1 / 2).vectors
        for number, half in enumerate(own.fit, 1)
    ]
    others = work.eigenpairs("directions-of-the-next", of, of.fit[after], directions, ROUGH, 1)

    def make() -> Conflict:
        with at_parameters(of.module, of.start):
            hessian = Hessian(of.module, of.fit[of.harmed])
            errors = residuals(hessian, pairs)
            quadratic = float(of.delta @ (hessian @ of.delta)) / 2
            del hessian  # the graph is large
        return conflict.measure(
            of.module,
            of.unseen[of.harmed],
            of.start,
            of.delta,
            pairs=pairs,
            residuals=errors,
            quadratic=quadratic,
            halves=(halves[0], halves[1]),
            others={f"{after}'s Hessian": others.vectors},
            generator=stream(seed, "explain", "conflict"),
            earlier=of.harmed,
            later=_later(of),
        )

    return work.record("conflict", Conflict, _planned_conflict(directions), make)


def _later(of: Sequence) -> str:
    return "all" if len(of.later) > 1 else of.later[0]


def _rollback(work: Work, of: Sequence, seed: int) -> Rollback:
    """A few coordinates put back."""
    logprobs = of.losses[of.harmed].logprobs

    def curvature() -> dict[str, Tensor]:
        with at_parameters(of.module, of.start):
            found = {"product": Hessian(of.module, of.fit[of.harmed], keep_graph=False) @ of.delta}
            if logprobs is not None:
                found["fisher"] = fisher_diagonal(of.module, logprobs)
        return found

    known = {name: each.to(of.start) for name, each in work.tensors("curvature", 4, curvature).items()}

    def make() -> Rollback:
        return rollback.measure(
            of.module,
            of.fit[of.harmed],
            of.unseen,
            of.fit,
            of.start,
            of.delta,
            product=known["product"],
            fisher=known.get("fisher"),
            neurons=_neurons(of),
            generator=stream(seed, "explain", "rollback"),
            earlier=of.harmed,
            later=_later(of),
        )

    return work.record("rollback", Rollback, _planned_rollback(of), make)


def _plane(work: Work, of: Sequence, pairs: Eigenpairs, seed: int) -> Plane | None:
    """Every loss in the plane of the update's parts inside and outside the subspace; None if they span none."""
    if plane.axes(pairs.vectors, of.delta) is None:
        return None
    ordered = dict.fromkeys((of.harmed, *of.later, *of.order))

    def make() -> Plane:
        return plane.measure(
            of.module,
            {name: of.unseen[name] for name in ordered},
            of.start,
            {name: of.vectors[name] for name in of.later},
            {},
            basis=pairs.vectors,
            generator=stream(seed, "explain", "plane"),
            harmed=of.harmed,
            later=_later(of),
        )

    return work.record("plane", Plane, _planned_plane(of), make)


def _neurons(of: Sequence) -> Tensor | None:
    """Coordinates of each MLP neuron, (neurons, each); None where the module's are not known."""
    known = {id(weight) for weight in trainable_parameters(of.module)}
    shapes: dict[str, torch.Size] = {}
    for name, weight in of.module.named_parameters():
        if id(weight) in known:
            shapes[name] = weight.shape
    try:
        return neuron_coordinates(shapes).to(of.start.device)
    except ValueError:
        return None
