"""The command line: the only module that reads arguments or prints.

    toymdrl run       the whole experiment, from an empty folder to a report
    toymdrl resume    go on with an interrupted run
    toymdrl report    draw the report of a run again
    toymdrl theorems  measure on a run what each theorem assumes, and what it bounds
    toymdrl reproduce every claim of the paper over many seeds
    toymdrl audit     what trainings of a model of your own changed
    toymdrl rollback  a checkpoint of your own with some coordinates put back

Exit status: 0 done, 1 failed, 2 bad arguments, 130 interrupted.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from toymdrl import __version__

if TYPE_CHECKING:
    from toymdrl.config import RunConfig
    from toymdrl.runs import RunDirectory

DONE, FAILED, BAD_ARGUMENTS, INTERRUPTED = 0, 1, 2, 130


def _one_line(message: object) -> str:
    """A message without the line breaks and control characters that an argument or a file name may hold."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in f"toymdrl: {message}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of a page of usage."""
        self.exit(BAD_ARGUMENTS, _one_line(f"{message}; see `{self.prog} --help`") + "\n")


def _config(arguments: argparse.Namespace) -> "RunConfig":
    """The preset with what the command line changes."""
    from toymdrl.config import PRESETS, ConfigError, validate  # noqa: PLC0415  (torch is slow to import)

    if arguments.preset not in PRESETS:
        raise ConfigError(f"unknown preset {arguments.preset!r}; choose from {', '.join(PRESETS)}")
    config = PRESETS[arguments.preset]
    given = {name: value for name in ("seed", "device", "threads") if (value := getattr(arguments, name)) is not None}
    if arguments.order is not None:
        given["order"] = tuple(arguments.order)
    changes = {"steps": arguments.steps, "learning_rate": arguments.lr, "kl": arguments.kl}
    grpo = replace(config.grpo, **{name: value for name, value in changes.items() if value is not None})
    refresh = config.refresh if arguments.kl is None else replace(config.refresh, kl=arguments.kl)
    return validate(replace(config, grpo=grpo, refresh=refresh, **given))


def _carry_out(run: "RunDirectory", quiet: bool, analysis: bool) -> None:
    """Do what is left of a run, its analysis included unless it is not wanted, and draw its report."""
    from toymdrl.claims import claims  # noqa: PLC0415
    from toymdrl.explain import explain  # noqa: PLC0415
    from toymdrl.pipeline import everything, execute, stages  # noqa: PLC0415
    from toymdrl.progress import Terminal  # noqa: PLC0415
    from toymdrl.report import write_report  # noqa: PLC0415

    with run.lock():
        run.record_session()
        plan = everything(run.config) if analysis else stages(run.config)
        with Terminal(plan, quiet, analysis and len(run.config.order) > 1) as terminal:
            execute(run, plan, terminal)
            explanation = explain(run, terminal) if analysis else None
        run.write_results(claims(run.config, run.checkpoints, explanation))
        for page in write_report(run):
            print(f"wrote {page}")


def _run(arguments: argparse.Namespace) -> None:
    from toymdrl.pipeline import prepare  # noqa: PLC0415
    from toymdrl.runs import RunDirectory  # noqa: PLC0415
    from toymdrl.threads import FIGHTING, contention  # noqa: PLC0415

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
    from toymdrl.pipeline import everything, is_done, stages  # noqa: PLC0415
    from toymdrl.report import write_report  # noqa: PLC0415
    from toymdrl.runs import RunDirectory, RunError  # noqa: PLC0415

    run = RunDirectory.open(arguments.run)
    with run.lock():
        # A results.json that was edited may call itself complete.
        plan = everything if run.checkpoints and "C2" in run.results()["claims"] else stages
        if run.checkpoints and not all(is_done(run, stage) for stage in plan(run.config)):
            raise RunError(f"{run.path} is not complete; go on with `toymdrl resume {run.path}`")
        for page in write_report(run):
            print(f"wrote {page}")


def _theorems(arguments: argparse.Namespace) -> None:
    from toymdrl.config import headline_domain  # noqa: PLC0415
    from toymdrl.explain import load_explanation  # noqa: PLC0415
    from toymdrl.files import write_atomically  # noqa: PLC0415
    from toymdrl.pipeline import prepare  # noqa: PLC0415
    from toymdrl.runs import RunDirectory, RunError  # noqa: PLC0415
    from toymdrl.subject import Subject  # noqa: PLC0415
    from toymdrl.theorems import check, lines, markdown  # noqa: PLC0415

    run = RunDirectory.open(arguments.run)
    prepare(run.config)
    with run.lock():
        harmed = headline_domain(run.config)
        if harmed is None:
            raise RunError(f"{run.path} has one domain, so there is no damage to measure; take a run of several")
        results = run.results() if (run.path / "results.json").exists() else None
        explanation = load_explanation(run) if results and "C2" in results["claims"] else None
        if explanation is None:
            raise RunError(f"{run.path} has no whole analysis yet; make it with `toymdrl resume {run.path}`")
        print("measuring; this takes about a minute", file=sys.stderr, flush=True)
        findings = check(Subject(run, harmed), explanation)
        print("\n".join(lines(findings)))
        page = run.path / "theorems.md"
        write_atomically(page, markdown(findings))
        print(f"wrote {page}")


def _reproduce(arguments: argparse.Namespace) -> None:
    import toymdrl  # noqa: PLC0415
    from toymdrl.config import ConfigError  # noqa: PLC0415

    # The experiments are beside the package in a checkout, and are not installed with it.
    checkout = Path(toymdrl.__file__).parents[1]
    if not (checkout / "experiments" / "reproduce.py").is_file():
        raise ConfigError("the experiments come with the source alone; clone the repository and `pip install -e .` it")
    sys.path.insert(0, str(checkout))
    from experiments import reproduce  # noqa: PLC0415

    if arguments.compare:
        lines, agree = reproduce.compare(arguments.out)
        print("\n".join(lines))
        if not agree:
            raise OSError("the results differ")
        return
    try:
        lines = reproduce.reproduce(
            seeds=range(arguments.first_seed, arguments.first_seed + arguments.seeds),
            workers=arguments.workers,
            chosen=arguments.claims,
            questions=arguments.questions,
            out=arguments.out,
            preset=arguments.preset,
            scheduler=arguments.scheduler,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command goes on from here") from None
    print("\n".join(lines))
    print(f"wrote {arguments.out / 'REPRODUCTION.md'}")


def _named(checkpoints: Sequence[str]) -> "dict[str, Path]":
    """NAME=PATH, or a path under its last name that is not another's.

    Raises:
        ConfigError: two of one name.
    """
    from toymdrl.config import ConfigError  # noqa: PLC0415

    found: dict[str, Path] = {}
    for each in checkpoints:
        name, equals, path = each.partition("=")
        if not equals or Path(each).exists():
            whole = Path(each).resolve()
            name, path = whole.name if whole.is_dir() else whole.stem, each
        if not name.isprintable() or not name or "|" in name:
            raise ConfigError(f"a checkpoint cannot be called {name!r}; give it as NAME=PATH")
        if name in found:
            raise ConfigError(f"two checkpoints are called {name!r}; give them as NAME=PATH")
        found[name] = Path(path)
    return found


def _audit(arguments: argparse.Namespace) -> None:
    import json  # noqa: PLC0415

    from tqdm import tqdm  # noqa: PLC0415

    from toymdrl.audit import audit_checkpoints  # noqa: PLC0415
    from toymdrl.auditpage import as_json, page  # noqa: PLC0415
    from toymdrl.config import ConfigError  # noqa: PLC0415
    from toymdrl.files import write_atomically  # noqa: PLC0415
    from toymdrl.shards import alike  # noqa: PLC0415

    others = _named(arguments.checkpoints)
    if arguments.json and (arguments.json.suffix != ".json" or arguments.json.is_dir()):
        raise ConfigError(f"--json takes the name of a file to write, ending in .json, not {arguments.json}")
    first, *_ = alike([arguments.base, *others.values()])  # what does not fit is refused before a bar is drawn
    total = sum(place.size for place in first.values())
    with tqdm(total=total, unit_scale=True, unit=" weights", disable=arguments.quiet, dynamic_ncols=True) as bar:
        found = audit_checkpoints(arguments.base, others, bar.update)
    print("\n".join(page(found)))
    if arguments.json:
        write_atomically(arguments.json, json.dumps(as_json(found), indent=1, allow_nan=False) + "\n")


def _rollback(arguments: argparse.Namespace) -> None:
    from toymdrl.patch import roll_back  # noqa: PLC0415

    chosen, changed = roll_back(arguments.before, arguments.after, arguments.coordinates, arguments.out)
    print(f"put {chosen:,} coordinates back, of which {changed:,} had changed; wrote {arguments.out}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="toymdrl", description="Cross-domain interference and recovery in multi-domain RL, in miniature."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="run | resume | report | theorems | reproduce | audit | rollback"
    )
    run = commands.add_parser("run", help="the whole experiment, from an empty folder to a report")
    run.add_argument("--preset", default="laptop", help="smoke, laptop (the default) or thorough")
    run.add_argument(
        "--order", nargs="+", metavar="DOMAIN", help="domains in training order (default: code math qa cw)"
    )
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--steps", type=int, help="GRPO steps a stage")
    run.add_argument("--lr", type=float, help="GRPO learning rate: the dial from no interference to destruction")
    run.add_argument("--kl", type=float, help="weight of the KL penalty")
    run.add_argument("--device", default="cpu", help="cpu (the reference), cuda or mps")
    run.add_argument("--threads", type=int, help="CPU threads (the last bits of the numbers depend on it)")
    run.add_argument("--out", type=Path, default=Path("runs"), help="folder for runs (default: runs)")
    resume = commands.add_parser("resume", help="go on with an interrupted run")
    report = commands.add_parser("report", help="draw the report of a run again")
    theorems = commands.add_parser("theorems", help="what each theorem assumes and bounds, measured on a run")
    for each in (resume, report, theorems):
        each.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    reproduce = commands.add_parser("reproduce", help="every claim of the paper over many seeds, from a checkout")
    reproduce.add_argument("--seeds", type=int, default=10, help="how many (default: 10)")
    reproduce.add_argument("--first-seed", type=int, default=10, help="the first of them (default: 10)")
    reproduce.add_argument("--workers", type=int, default=2, help="processes, one thread each (default: 2)")
    reproduce.add_argument(
        "--claims", nargs="*", metavar="CLAIM", help="claims to judge, C1 to C12 (default: all; none after it: none)"
    )
    reproduce.add_argument(
        "--questions", nargs="+", default=[], metavar="NAME", help="further questions, files of experiments/, or all"
    )
    reproduce.add_argument("--preset", default="laptop", help="smoke, laptop (the default) or thorough")
    reproduce.add_argument("--scheduler", metavar="ADDRESS", help="of a dask cluster that sees --out; needs .[scale]")
    reproduce.add_argument("--out", type=Path, default=Path("reproduction"), help="folder (default: reproduction)")
    reproduce.add_argument("--compare", action="store_true", help="hold the result in --out against the committed one")
    audit = commands.add_parser("audit", help="what trainings of a model of your own changed, weight by weight")
    audit.add_argument(
        "base", type=Path, metavar="BASE", help="where they began: a safetensors file or a folder of shards"
    )
    audit.add_argument("checkpoints", nargs="+", metavar="[NAME=]CHECKPOINT", help="what they ended with")
    audit.add_argument("--json", type=Path, metavar="FILE", help="write all numbers, by layer, there too")
    audit.add_argument("--quiet", action="store_true", help="no progress bar, for logs")
    rollback = commands.add_parser("rollback", help="write a checkpoint with some coordinates put back")
    rollback.add_argument("before", type=Path, metavar="BEFORE", help="the checkpoint that they are put back to")
    rollback.add_argument("after", type=Path, metavar="AFTER", help="the one that is changed")
    rollback.add_argument(
        "coordinates", type=Path, metavar="COORDINATES", help="safetensors: a vector of flat indices (int64) a tensor"
    )
    rollback.add_argument("--out", type=Path, required=True, help="file or folder to write; must not exist")
    for each in (run, resume):
        each.add_argument("--no-analysis", action="store_true", help="only train and refresh: a third of the time")
        each.add_argument("--quiet", action="store_true", help="no progress bar, for logs")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    # numpy's own threads spin while they wait, and take the cores from torch's: eigenpairs then cost 1.4 times as much.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for each in (sys.stdout, sys.stderr):
        if isinstance(each, io.TextIOWrapper):  # a minus sign must not end a run where the terminal knows ASCII only
            each.reconfigure(errors="replace")
    try:
        arguments = _parser().parse_args(argv)
        from toymdrl.checkpoints import CheckpointError  # noqa: PLC0415
        from toymdrl.config import ConfigError  # noqa: PLC0415
        from toymdrl.explain import AnalysisError  # noqa: PLC0415
        from toymdrl.files import CorruptFile  # noqa: PLC0415
        from toymdrl.pipeline import StageDivergedError  # noqa: PLC0415
        from toymdrl.runs import RunError  # noqa: PLC0415
    except KeyboardInterrupt:
        return INTERRUPTED
    carry_out = {
        "run": _run,
        "resume": _run,
        "report": _report,
        "theorems": _theorems,
        "reproduce": _reproduce,
        "audit": _audit,
        "rollback": _rollback,
    }
    try:
        carry_out[arguments.command](arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has left (`| head`): what is done is kept; Python must not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ConfigError, RunError, CorruptFile, CheckpointError) as error:
        print(_one_line(error), file=sys.stderr)
        return BAD_ARGUMENTS
    except (StageDivergedError, AnalysisError, OSError) as error:
        print(_one_line(error), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as interrupt:
        print(f"toymdrl: {str(interrupt) or 'interrupted; give the command again'}", file=sys.stderr)
        return INTERRUPTED
    return DONE
