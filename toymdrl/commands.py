"""What each command of the command line does. `cli` imports this once it knows that the arguments make sense.

Its own module because torch is slow to import, and `toymdrl --help` needs none of it.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from toymdrl.checkpoints.audit import audit_checkpoints
from toymdrl.checkpoints.auditpage import as_json, page
from toymdrl.checkpoints.rollback import roll_back
from toymdrl.checkpoints.shards import CheckpointError
from toymdrl.checkpoints.view import alike, common_rows
from toymdrl.claims import paper
from toymdrl.claims.explanation import WORK, AnalysisError, explain, load_explanation, outcome
from toymdrl.claims.subject import Subject
from toymdrl.files import CorruptFile, write_atomically
from toymdrl.playground.page import page as page_of
from toymdrl.playground.write import content_of
from toymdrl.report.write import PLAYGROUND, write_report
from toymdrl.runs.cohort import train
from toymdrl.runs.config import PRESETS, RunConfig, validate
from toymdrl.runs.directory import RunDirectory
from toymdrl.runs.machine import FIGHTING, contention, prepare
from toymdrl.runs.options import OPTIONS, changed
from toymdrl.runs.pipeline import StageDivergedError
from toymdrl.runs.plan import everything, headline, stages
from toymdrl.runs.progress import Terminal
from toymdrl.runs.results import RunError
from toymdrl.settings import ConfigError
from toymdrl.study.asking import reproduce
from toymdrl.study.compare import compare
from toymdrl.theorems.check import check
from toymdrl.theorems.page import lines, markdown

BAD_ARGUMENTS = (ConfigError, RunError, CorruptFile, CheckpointError)
"""Errors of what was asked for: nothing was done."""
FAILURES = (StageDivergedError, AnalysisError, OSError)
"""Errors of what was begun."""


def _config(arguments: argparse.Namespace) -> RunConfig:
    """The preset with what the command line changes."""
    if arguments.preset not in PRESETS:
        raise ConfigError(f"unknown preset {arguments.preset!r}; choose from {', '.join(PRESETS)}")
    config = PRESETS[arguments.preset]
    if (threads := os.environ.get("OMP_NUM_THREADS", "")).isdecimal() and int(threads) > 0:
        config = replace(config, threads=min(config.threads, int(threads)))
    for option in OPTIONS:
        value = getattr(arguments, option.name)
        if value is not None:
            for field in option.fields:
                config = changed(config, field, tuple(value) if option.many else value)
    return validate(config)


def _carry_out(run: RunDirectory, quiet: bool, analysis: bool) -> None:
    """Do what is left of a run, its analysis included unless it is not wanted, and draw its report."""
    with run.lock():
        run.record_session()
        plan = everything(run.config) if analysis else stages(run.config)
        if all(run.has(stage) for stage in plan):
            print("everything is trained already")
        analyses = WORK if analysis and headline(run.config) else {}
        # The bar counts the analyses only where there is something to analyse.
        with Terminal(plan, quiet=quiet, analyses=analyses) as terminal:
            train(run, plan, terminal)
            explanation = explain(run, terminal) if analysis else None
        run.write_results(paper.entries(outcome(run, explanation)))
        for file in write_report(run):
            print(f"wrote {file}")


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "run":
        config = _config(arguments)
        prepare(config)
        run = RunDirectory.create(arguments.out, config)
    else:
        run = RunDirectory.open(arguments.run)
        prepare(run.config)
    print(f"run folder {run.path}", flush=True)
    threads = run.config.threads
    if threads > 1 and contention(threads) > FIGHTING:
        print(
            f"warning: other programs keep the cores busy, and {threads} threads would wait for each other; "
            "a new run with --threads 1 would be faster",
            file=sys.stderr,
        )
    try:
        _carry_out(run, arguments.quiet, not arguments.no_analysis)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; go on with `toymdrl resume {run.path}`") from None


def _report(arguments: argparse.Namespace) -> None:
    run = RunDirectory.open(arguments.run)
    with run.lock():
        # A results.json that was edited may call itself complete.
        claims = run.results().claims if run.checkpoints else {}
        plan = everything(run.config) if claims and paper.was_analysed(claims) else stages(run.config)
        if run.checkpoints and not all(run.has(stage) for stage in plan):
            raise RunError(f"{run.path} is not complete; go on with `toymdrl resume {run.path}`")
        for file in write_report(run):
            print(f"wrote {file}")


def _theorems(arguments: argparse.Namespace) -> None:
    run = RunDirectory.open(arguments.run)
    prepare(run.config)
    with run.lock():
        head = headline(run.config)
        if head is None:
            raise RunError(f"{run.path} has one domain, so there is no damage to measure; take a run of several")
        claims = run.results().claims if run.results_file.exists() else {}
        explanation = load_explanation(run) if claims and paper.was_analysed(claims) else None
        if explanation is None:
            raise RunError(f"{run.path} has no whole analysis yet; make it with `toymdrl resume {run.path}`")
        print("measuring; this takes about a minute", file=sys.stderr, flush=True)
        findings = check(Subject.of(run, head), explanation)
        print("\n".join(lines(findings)))
        write_atomically(run.theorems_file, markdown(findings))
        print(f"wrote {run.theorems_file}")


def _reproduce(arguments: argparse.Namespace) -> None:
    if arguments.compare:
        told, agree = compare(arguments.out, arguments.claims)
        print("\n".join(told))
        if not agree:
            raise OSError("the results differ")
        return
    try:
        told = reproduce(
            seeds=range(arguments.first_seed, arguments.first_seed + arguments.seeds),
            workers=arguments.workers,
            chosen=arguments.claims,
            asked=arguments.questions,
            out=arguments.out,
            preset=arguments.preset,
            device=arguments.device,
            scheduler=arguments.scheduler,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command goes on from here") from None
    print("\n".join([*told, f"wrote {arguments.out / 'REPRODUCTION.md'}"]))


def _named(checkpoints: Sequence[str]) -> dict[str, Path]:
    """NAME=PATH, or a path under its last name that is not another's.

    Raises:
        ConfigError: two of one name.
    """
    found: dict[str, Path] = {}
    for each in checkpoints:
        name, equals, path = each.partition("=")
        if not equals or Path(each).exists():
            # By its own name: a hub cache's file is a link to one that is called after its checksum.
            whole = Path(each) if Path(each).name not in ("", "..") else Path(each).resolve()
            name, path = whole.name if whole.is_dir() else whole.stem, each
        if not path:
            raise ConfigError(f"{each!r} names no file; give it as NAME=PATH")
        if not name.isprintable() or not name or "|" in name:
            raise ConfigError(f"a checkpoint cannot be called {name!r}; give it as NAME=PATH")
        if name in found:
            raise ConfigError(f"two checkpoints are called {name!r}; give them as NAME=PATH")
        found[name] = Path(path)
    return found


def _audit(arguments: argparse.Namespace) -> None:
    others = _named(arguments.checkpoints)
    if arguments.json and (arguments.json.suffix != ".json" or arguments.json.is_dir()):
        raise ConfigError(f"--json takes the name of a file to write, ending in .json, not {arguments.json}")
    if arguments.json and not arguments.json.parent.is_dir():
        raise ConfigError(f"{arguments.json.parent} is no folder; make it, or give --json another")
    beside = {(each if each.is_dir() else each.parent).resolve() for each in (arguments.base, *others.values())}
    if arguments.json and arguments.json.exists() and arguments.json.resolve().parent in beside:
        raise ConfigError(f"{arguments.json} is there already, beside a checkpoint; give --json another name")
    paths = [arguments.base, *others.values()]
    first = common_rows(paths, alike(paths)).tensors[0]  # what does not fit is refused before a bar is drawn
    total = sum(place.size for place in first.values())
    with tqdm(
        total=total, unit_scale=True, unit=" weights", disable=arguments.quiet or None, dynamic_ncols=True
    ) as bar:
        found = audit_checkpoints(arguments.base, others, bar.update)
    print("\n".join(page(found)))
    if arguments.json:
        write_atomically(arguments.json, json.dumps(as_json(found), indent=1, allow_nan=False) + "\n")


def _rollback(arguments: argparse.Namespace) -> None:
    # Drawn after a second only: what does not fit has been refused by then.
    with tqdm(unit="B", unit_scale=True, disable=arguments.quiet or None, dynamic_ncols=True, delay=1) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done)

        paths = (arguments.before, arguments.after, arguments.coordinates, arguments.out)
        chosen, changed = roll_back(*paths, show)
    print(f"put {chosen:,} coordinates back, of which {changed:,} had changed; wrote {arguments.out}")


def _playground(arguments: argparse.Namespace) -> None:
    runs = [RunDirectory.open(path) for path in arguments.runs]
    out: Path = arguments.out or runs[0].path / PLAYGROUND
    if out.suffix != ".html" or out.is_dir():
        raise ConfigError(f"--out takes the name of a page to write, ending in .html, not {out}")
    if not out.parent.is_dir():
        raise ConfigError(f"{out.parent} is no folder; make it, or give --out another")
    alike = [replace(run.config, seed=0, threads=1) for run in runs]
    if other := next((run for run, config in zip(runs, alike, strict=True) if config != alike[0]), None):
        raise ConfigError(f"{other.path} has other settings than {runs[0].path}; give each a page of its own")
    contents = []
    for run in runs:
        prepare(run.config)
        with run.lock(), tqdm(unit=" models", disable=arguments.quiet or None, dynamic_ncols=True, delay=1) as bar:

            def begin(total: int, bar: Any = bar) -> Callable[[], object]:
                bar.total = total
                return bar.update

            contents.append(content_of(run, f"seed {run.config.seed}", begin))
    write_atomically(out, page_of(contents))
    print(f"wrote {out}")
    for run in runs:
        if out.resolve() == run.path.resolve() / PLAYGROUND:
            with run.lock():
                write_report(run)  # it has a link to the page now


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "run": _run,
    "resume": _run,
    "report": _report,
    "theorems": _theorems,
    "playground": _playground,
    "reproduce": _reproduce,
    "audit": _audit,
    "rollback": _rollback,
}
