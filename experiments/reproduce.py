"""`toymdrl reproduce`: questions, seeds and workers in; REPRODUCTION.md, claims.json, result files and figures out.

    OUT/runs/                 one run a seed, as `toymdrl run` makes them
    OUT/rows/QUESTION/        one file a task; a command that is repeated goes on from there
    OUT/results/QUESTION.json all rows of a question, with the command, commit and versions that made them
    OUT/REPRODUCTION.md       the page; OUT/claims.json the verdicts

The rows of the package's own results are in experiments/results/, which `--compare` holds a fresh result against.
"""

import gc
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from math import comb
from pathlib import Path

import torch
from tqdm import tqdm

from experiments import claims, literature
from experiments.evidence import Row, exchange, holm, interval
from experiments.stage import train_together
from experiments.tasks import Task, TasksFailed, perform_all, question
from toymdrl.claims import PAPER
from toymdrl.cli import QUESTIONS
from toymdrl.files import write_atomically
from toymdrl.runs.config import PRESETS, ConfigError, RunConfig, validate
from toymdrl.runs.pipeline import StageDivergedError, everything, prepare
from toymdrl.runs.progress import Terminal
from toymdrl.runs.provenance import provenance

HERE = Path(__file__).parent
CLAIMS = "claims"
LEVEL = 0.05
"""Of the test that tells two results apart."""
MEANINGLESS = "This is the smoke preset: it touches every part, and its numbers and verdicts mean nothing."


def _known(names: Sequence[str], known: Sequence[str], what: str) -> list[str]:
    """The names in their own order.

    Raises:
        ConfigError: one is not known.
    """
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown {what} {name!r}; choose from {', '.join(known)}")
    return [name for name in known if name in names]


def result_file(out: Path, name: str) -> Path:
    """Where a question's rows are."""
    return out / "results" / f"{name}.json"


def read_rows(out: Path, name: str) -> list[Row]:
    """A question's rows; none if it has not been asked.

    Raises:
        ConfigError: its file is damaged.
    """
    try:
        rows: list[Row] = json.loads(result_file(out, name).read_text(encoding="utf-8"))["rows"]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{result_file(out, name)} is damaged; remove it and give the command again") from error
    return rows


def reproduce(
    *,
    seeds: range,
    workers: int,
    chosen: Sequence[str] | None,
    questions: Sequence[str],
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
        questions: of QUESTIONS, or "all".
        out: folder that all files go to.
        preset: a key of PRESETS.
        device: on a GPU, the claims' runs are trained at once, and its workers share it.
        scheduler: address of a dask cluster whose workers see `out` under the same path.

    Raises:
        ConfigError: an unknown claim, question or preset, too few seeds or workers, or `out` is no folder.
    """
    _check(seeds, workers, device, out)
    _known([preset], list(PRESETS), "preset")
    judged = _known(chosen or list(PAPER), list(PAPER), "claim")
    asked = list(QUESTIONS) if "all" in questions else _known(questions, QUESTIONS, "question")
    asked = [CLAIMS] * (chosen != []) + asked
    if not asked:
        raise ConfigError("no claim and no question; name some, or leave --claims out for all claims")
    _check_extras(asked, scheduler)
    config = validate(replace(PRESETS[preset], threads=1, device=device))
    where = {} if device == "cpu" else {"device": device}
    out = out.resolve()  # workers elsewhere may stand in another folder
    tasks = {}
    for name in asked:
        settings = [each | where for each in question(name).settings(preset, seeds)]
        tasks[name] = [Task.of(name, each) for each in settings]
    if where:
        _train_together(config, tasks.get(CLAIMS, []), out)
    failure = None
    try:
        _perform([task for each in tasks.values() for task in each], out, workers, scheduler)
    except TasksFailed as error:
        failure = error
    for name in asked:
        rows = [row for task in tasks[name] if (row := task.row(out)) is not None]
        if len(rows) < len(tasks[name]):
            continue
        command = f"toymdrl reproduce --seeds {len(seeds)} --first-seed {seeds.start} --preset {preset}"
        command += f" --device {device}" if where else ""
        about = {"command": command + (f" --questions {name}" if name != CLAIMS else "")}
        stored = {**about, "provenance": provenance(config), "rows": rows}
        write_atomically(result_file(out, name), json.dumps(stored, indent=1) + "\n")
        draw(name, rows, out)
    rows = read_rows(out, CLAIMS)
    if rows:
        write_atomically(out / "claims.json", json.dumps(claims.as_json(judged, rows), indent=1) + "\n")
    write_atomically(out / "REPRODUCTION.md", "\n".join(page(out, judged)) + "\n")
    if failure:
        raise failure
    told = claims.verdicts(judged, rows) if CLAIMS in asked else []
    return told + [MEANINGLESS] * (preset == "smoke")


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
        with Terminal(everything(config), quiet=False, analysis=False) as terminal:
            try:
                train_together(left, out, terminal)
            except StageDivergedError as error:
                terminal.warn(f"{error}; going on seed by seed")
        gc.collect()  # a stage's training holds itself, and its memory with it
        torch.cuda.empty_cache()


def _check_extras(asked: Sequence[str], scheduler: str | None) -> None:
    """Refuse what would fail for want of a library, before anything is begun.

    Raises:
        ConfigError: what to install.
    """
    needs = {"torchjd": "rivals"} if "rivals" in asked else {}
    for library, extra in (needs | ({"dask.distributed": "scale"} if scheduler else {})).items():
        try:
            import_module(library)
        except ImportError:
            install = f"pip install -c constraints.txt -e '.[{extra}]'"
            raise ConfigError(f"{library} is not installed; install it with `{install}`") from None


def _perform(tasks: Sequence[Task], out: Path, workers: int, scheduler: str | None) -> None:
    """Do what is left, under a bar that knows how long each takes."""
    left = [task for task in tasks if task.row(out) is None]
    form = "{desc:<12}{bar}{percentage:4.0f}%  {elapsed}<{remaining}"
    total = sum(question(task.question).SECONDS for task in left)
    if left and not scheduler and left[0].setting["preset"] == "laptop" and "device" not in left[0].setting:
        minutes = total / min(workers, len(left)) / 60
        tqdm.write(f"{len(left)} tasks, some {minutes:.0f} minutes on {workers} idle cores", sys.stderr)
    with tqdm(total=total, bar_format=form, dynamic_ncols=True, disable=not left) as bar:
        bar.set_description_str(left[0].question if left else "")
        for task in perform_all(left, out, workers, scheduler, bar.refresh):
            bar.set_description_str(task.question, refresh=False)
            bar.update(question(task.question).SECONDS)


def draw(name: str, rows: Sequence[Row], out: Path) -> None:
    """The figure of a question that has one."""
    if figure := getattr(question(name), "figure", None):
        file = result_file(out, name).with_suffix(".png")
        figure(rows).savefig(file, dpi=110, bbox_inches="tight")


def pilot(preset: str) -> list[Row]:
    """The rows that the rules were written on."""
    return read_rows(HERE, "pilot") if preset == "laptop" else []


def page(out: Path, judged: Sequence[str]) -> list[str]:
    """REPRODUCTION.md, from all result files that are there."""
    lines = ["# Reproduction", "", *_claims_part(out, judged)]
    for name in QUESTIONS:
        if not (found := read_rows(out, name)):
            continue
        module = question(name)
        stored = json.loads(result_file(out, name).read_text(encoding="utf-8"))
        seeds = sorted({row["setting"]["seed"] for row in found})
        lines += [
            "",
            f"## {module.TITLE}",
            "",
            f"*{(module.__doc__ or '').splitlines()[0]}* `{stored['command']}`, seeds {seeds[0]} to {seeds[-1]}, "
            f"`experiments/{name}.py`",
            "",
            *module.page(found),
        ]
        if hasattr(module, "figure"):
            lines += ["", f"![{module.TITLE}](results/{name}.png)"]
        if out == HERE and hasattr(module, "READING"):
            lines += ["", f"**Read afterwards.** {module.READING}"]
    # Conclusions are of our own seeds; who asks others draws others.
    if out == HERE and (beside := literature.lines({name: read_rows(out, name) for name in QUESTIONS})):
        lines += ["", "## Beside the literature", "", *beside]
    return lines


def _claims_part(out: Path, judged: Sequence[str]) -> list[str]:
    """The claims table and every rule; nothing if the claims have not been asked."""
    if not (rows := read_rows(out, CLAIMS)):
        return ["The claims have not been asked here."]
    stored = json.loads(result_file(out, CLAIMS).read_text(encoding="utf-8"))
    about = stored["provenance"]
    seeds = sorted({row["setting"]["seed"] for row in rows})
    preset, some = rows[0]["setting"]["preset"], list(judged) != list(PAPER)
    command = stored["command"] + (f" --claims {' '.join(judged)}" if some else "")
    return [
        *([f"**{MEANINGLESS}**", ""] if preset == "smoke" else []),
        f"Written by `{command}`, seeds {seeds[0]} to {seeds[-1]}, with",
        f"torch {about['versions']['torch']}, at commit `{about['commit']}`.",
        "Means over seeds with 95 % t intervals; p by exact sign flips over seeds. Rules, controls and seeds are in",
        "the docstrings of `experiments/*.py`, fixed before these seeds were run. A rule is met if the whole interval",
        "(or, where its band says so, every seed) lies in the band, not met if it lies outside, else open: more seeds",
        "would be needed. A claim is reproduced if all of its rules are met, not reproduced if one is not met. Power",
        "is the probability that as many seeds meet a claim's weakest rule if they are drawn as the pilot's (seeds",
        "0 to 9). Shrinking is the control that takes as much length off the whole update as the repair does.",
        "",
        *claims.summary(judged, rows, pilot(preset)),
        "",
        "## Every rule",
        "",
        *claims.page(judged, rows),
        *(["", f"**Read afterwards.** {claims.READING}"] if out == HERE else []),  # of our own seeds
    ]


def compare(out: Path, chosen: Sequence[str] | None = None) -> tuple[list[str], bool]:
    """A fresh result against the package's own: each rule in both, a summary; whether none contradicts.

    They contradict each other where an exchange of seeds tells their means apart (LEVEL, Holm over rules): a verdict
    alone may differ because seeds are few. So few that no exchange could tell anything are said to be.

    Args:
        out: folder of the fresh result.
        chosen: claims to compare; None for all.

    Raises:
        ConfigError: an unknown claim, no claims in `out`, or of another preset than the package's.
    """
    judged = _known(chosen or list(PAPER), list(PAPER), "claim")
    fresh, own = read_rows(out, CLAIMS), read_rows(HERE, CLAIMS)
    if not fresh or not own:
        missing = out if not fresh else HERE
        raise ConfigError(
            f"{result_file(missing, CLAIMS)} is not there, and only claims are compared; run `toymdrl reproduce` first"
        )
    presets = {row["setting"]["preset"] for row in fresh + own}
    if len(presets) > 1:
        raise ConfigError(f"results of presets {', '.join(sorted(presets))} cannot be compared; run the laptop preset")
    lines = [f"{'':<5}{'measured':<62}{'here':<22}{'committed':<22}"]
    rules = [rule for rule in claims.RULES if rule.claim in judged]
    apart = holm({rule.what: exchange(*([row[rule.key] for row in rows] for rows in (fresh, own))) for rule in rules})
    undecided = contradicted = 0
    for rule in rules:
        here, there = (interval([row[rule.key] for row in rows]) for rows in (fresh, own))
        verdict, was = rule.judge(fresh), rule.judge(own)
        word = "" if verdict == was else f"  {verdict}, was {was}"
        if apart[rule.what] < LEVEL:
            contradicted += 1
            word += "  another mean"
        elif word:
            undecided += 1
            word += ": cannot be told"
        lines.append(f"{rule.claim:<5}{rule.what:<62}{here!s:<22}{there!s:<22}{word}".rstrip())
    few = f"; {undecided} cannot be told with {len(fresh)} seeds" if undecided else ""
    lines.append(f"{contradicted} of {len(rules)} rules contradict the committed result{few}")
    if len(rules) * 2 / comb(len(fresh) + len(own), len(fresh)) >= LEVEL:  # the least p that there can be
        lines.append(f"{len(fresh)} seeds are too few to contradict anything; take more, or fewer --claims")
    return lines, not contradicted
