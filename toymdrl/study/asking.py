"""`toymdrl reproduce`: questions, seeds and workers in; REPRODUCTION.md, claims.json, result files and figures out.

OUT/runs/                 one run a seed, as `toymdrl run` makes them
OUT/rows/QUESTION/        one file a task; a command that is repeated goes on from there
OUT/results/QUESTION.json all rows of a question, with the command, commit and versions that made them
OUT/REPRODUCTION.md       the page; OUT/claims.json the verdicts
"""

import gc
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch
from tqdm import tqdm

from toymdrl import catalogue, rows
from toymdrl.evidence import Row
from toymdrl.files import write_atomically
from toymdrl.runs.config import PRESETS, RunConfig, validate
from toymdrl.runs.machine import prepare
from toymdrl.runs.pipeline import StageDivergedError
from toymdrl.runs.plan import everything
from toymdrl.runs.progress import Terminal
from toymdrl.runs.provenance import provenance
from toymdrl.settings import ConfigError
from toymdrl.study import claims, questions
from toymdrl.study.page import MEANINGLESS, judged_claims, known, page
from toymdrl.study.questions import Question
from toymdrl.study.stage import train_together
from toymdrl.study.tasks import Task, TasksFailed, perform_all

ALL = "all"
"""Stands for all of the project's own questions."""


def reproduce(
    *,
    seeds: range,
    workers: int,
    chosen: Sequence[str] | None,
    asked: Sequence[str],
    out: Path,
    preset: str = "laptop",
    device: str = "cpu",
    scheduler: str | None = None,
) -> list[str]:
    """Ask the claims and other questions over seeds; each claim's verdict as lines.

    Args:
        seeds: the seeds; at least two.
        workers: processes, ignored with a scheduler.
        chosen: claims to judge, such as C1; None for all.
        asked: further questions: names of the project's own, paths of other files, or "all".
        out: folder that all files go to.
        preset: a key of PRESETS.
        device: on a GPU, the claims' runs are trained at once, and its workers share it.
        scheduler: address of a dask cluster whose workers see `out` under the same path.

    Raises:
        ConfigError: an unknown claim, question or preset, too few seeds or workers, or `out` is no folder.
    """
    _check(seeds, workers, device, out)
    known([preset], list(PRESETS), "preset")
    judged = judged_claims(chosen)
    modules = _questions(asked)
    if chosen != []:
        modules.insert(0, claims.QUESTION)
    if not modules:
        raise ConfigError("no claim and no question; name some, or leave --claims out for all claims")
    _check_extras(modules, scheduler)
    config = validate(replace(PRESETS[preset], threads=1, device=device))
    where = {} if device == "cpu" else {"device": device}
    out = out.resolve()  # workers elsewhere may stand in another folder
    tasks: dict[str, list[Task]] = {}
    for module in modules:
        settings = [setting | where for setting in module.settings(preset, seeds)]
        tasks[module.__file__] = [Task.of(module, setting) for setting in settings]
    # On a GPU all seeds at once are hardly slower than one; the workers then find their runs trained.
    if where:
        _train_together(config, tasks.get(claims.QUESTION.__file__, []), out)
    failure = None
    try:
        _perform([task for each in tasks.values() for task in each], out, workers, scheduler)
    except TasksFailed as error:
        failure = error
    command = f"toymdrl reproduce --seeds {len(seeds)} --first-seed {seeds.start} --preset {preset}"
    command += f" --device {device}" if where else ""
    for module in modules:
        _gather(module, tasks[module.__file__], out, command, config)
    found = rows.read(out, claims.NAME).rows
    if found:
        write_atomically(out / "claims.json", json.dumps(claims.as_json(judged, found), indent=1) + "\n")
    write_atomically(out / "REPRODUCTION.md", "\n".join(page(out, judged, modules)) + "\n")
    if failure:
        raise failure
    told = claims.verdicts(judged, found) if chosen != [] else []
    return [*told, MEANINGLESS] if preset == "smoke" else told


def _questions(asked: Sequence[str]) -> list[Question]:
    """The questions' files, loaded, the project's own first and in the order of the page.

    Raises:
        ConfigError: there is no such question.
    """
    own = catalogue.names()
    wanted = [*own, *asked] if ALL in asked else asked
    files = {name: questions.file_of(name) for name in wanted if name != ALL}
    ordered = [name for name in own if name in files]
    ordered += [name for name in files if name not in own]
    return [questions.load(files[name]) for name in ordered]


def _gather(module: Question, tasks: Sequence[Task], out: Path, command: str, config: RunConfig) -> None:
    """Write a question's rows and draw its figure, if all of them are there."""
    found = [row for task in tasks if (row := task.row(out)) is not None]
    if len(found) < len(tasks):
        return
    name = questions.name_of(module)
    if name != claims.NAME:
        command += f" --questions {name}"
    rows.write(out, name, command, provenance(config.device, config.threads), found)
    draw(module, found, out)


def _check(seeds: range, workers: int, device: str, out: Path) -> None:
    """Refuse what cannot be asked.

    Raises:
        ConfigError: what to give instead.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is not a folder; give --out another")
    if (count := seeds.stop - seeds.start) < 2:
        raise ConfigError(f"seeds is {count}; an interval needs 2 or more")
    if seeds.start < 0:
        raise ConfigError(f"first-seed is {seeds.start}; use 0 or more")
    if workers < 1:
        raise ConfigError(f"workers is {workers}; use 1 or more")
    if device == "mps":
        raise ConfigError("reproduce runs on cpu or cuda, not mps; leave --device out")


def _train_together(config: RunConfig, tasks: Sequence[Task], out: Path) -> None:
    """Train what is left of the claims' runs as one population, and leave the device to the workers.

    Where a run diverges all stop; the workers then train each alone, and tell which it was.

    Raises:
        ConfigError: the device is not there.
    """
    prepare(config)
    if left := [task.setting for task in tasks if task.row(out) is None]:
        with Terminal(everything(config), quiet=False, analyses={}) as terminal:
            try:
                train_together(left, out, terminal)
            except StageDivergedError as error:
                terminal.warn(f"{error}; going on seed by seed")
        gc.collect()  # a stage's training holds itself, and its memory with it
        torch.cuda.empty_cache()


def _check_extras(modules: Sequence[Question], scheduler: str | None) -> None:
    """Refuse what would fail for want of a library, before anything is begun.

    Raises:
        ConfigError: what to install.
    """
    needed: dict[str, str] = {}
    for module in modules:
        needed |= getattr(module, "EXTRAS", {})
    if scheduler:
        needed["dask.distributed"] = "scale"
    for library, extra in needed.items():
        try:
            import_module(library)
        except ImportError:
            install = f"pip install -c constraints.txt -e '.[{extra}]'"
            raise ConfigError(f"{library} is not installed; install it with `{install}`") from None


def _perform(tasks: Sequence[Task], out: Path, workers: int, scheduler: str | None) -> None:
    """Do what is left, under a bar that knows how long each takes."""
    left = [task for task in tasks if task.row(out) is None]
    form = "{desc:<12}{bar}{percentage:4.0f}%  {elapsed}<{remaining}"
    total = sum(task.seconds for task in left)
    if left and not scheduler and left[0].setting["preset"] == "laptop" and "device" not in left[0].setting:
        minutes = total / min(workers, len(left)) / 60
        tqdm.write(f"{len(left)} tasks, some {minutes:.0f} minutes on {workers} idle cores", sys.stderr)
    with tqdm(total=total, bar_format=form, dynamic_ncols=True, disable=not left) as bar:
        bar.set_description_str(left[0].name if left else "")
        for task in perform_all(left, out, workers, scheduler, bar.refresh):
            bar.set_description_str(task.name, refresh=False)
            bar.update(task.seconds)


def draw(module: Question, found: Sequence[Row], out: Path) -> None:
    """The figure of a question that has one."""
    if hasattr(module, "figure"):
        file = rows.result_file(out, questions.name_of(module)).with_suffix(".png")
        module.figure(found).savefig(file, dpi=110, bbox_inches="tight")
