"""The command line: its arguments, and what it says of errors; `commands` does the work.

    toymdrl run       the whole experiment, from an empty folder to a report
    toymdrl resume    go on with an interrupted run
    toymdrl report    draw the report of a run again
    toymdrl theorems  measure on a run what each theorem assumes, and what it bounds
    toymdrl playground a page in which a run's policies answer while they are dragged through their weights
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
from pathlib import Path
from typing import Any, NoReturn

from toymdrl import __version__
from toymdrl.catalogue import names
from toymdrl.runs.options import OPTIONS

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
PRESET_HELP = "smoke (its numbers mean nothing), laptop (the default) or thorough"


def _one_line(message: object) -> str:
    """A message without the line breaks and control characters that an argument or a file name may hold."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in f"toymdrl: {message}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of a page of usage."""
        self.exit(REFUSED, _one_line(f"{message}; see `{self.prog} --help`") + "\n")

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """A command refuses what it does not know itself, and so names its own help."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="toymdrl", description="Cross-domain interference and recovery in multi-domain RL, in miniature."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="the whole experiment, from an empty folder to a report")
    run.add_argument("--preset", default="laptop", help=PRESET_HELP)
    for option in OPTIONS:
        several: dict[str, Any] = {"nargs": "+", "metavar": option.many} if option.many else {}
        run.add_argument(option.flag, type=option.kind, help=option.help, **several)
    run.add_argument("--out", type=Path, default=Path("runs"), help="folder for runs (default: runs)")
    resume = commands.add_parser("resume", help="go on with an interrupted run")
    report = commands.add_parser("report", help="draw the report of a run again")
    theorems = commands.add_parser("theorems", help="what each theorem assumes and bounds, measured on a run")
    for each in (resume, report, theorems):
        each.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    playground = commands.add_parser("playground", help="a page that computes: drag the model through its weights")
    playground.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run's folder; of several, a menu")
    playground.add_argument("--out", type=Path, help="the page (default: playground.html in the first run's folder)")
    playground.add_argument("--quiet", action="store_true", help="no progress bar, for logs")
    reproduce = commands.add_parser("reproduce", help="every claim of the paper over many seeds")
    reproduce.add_argument("--seeds", type=int, default=10, help="how many (default: 10)")
    reproduce.add_argument("--first-seed", type=int, default=10, help="the first of them (default: 10)")
    reproduce.add_argument("--workers", type=int, default=2, help="processes, one thread each (default: 2)")
    reproduce.add_argument(
        "--device", default="cpu", help="cpu (the reference) or cuda: all seeds trained at once, then workers share it"
    )
    reproduce.add_argument(
        "--claims",
        nargs="*",
        metavar="CLAIM",
        help="claims to judge, C1 to C12 (default: all); all are measured together; none after it: none is",
    )
    reproduce.add_argument(
        "--questions",
        nargs="+",
        default=[],
        metavar="QUESTION",
        help=f"further questions: {', '.join(names())}; all; or the path of a file with a question of your own",
    )
    reproduce.add_argument("--preset", default="laptop", help=PRESET_HELP)
    reproduce.add_argument("--scheduler", metavar="ADDRESS", help="of a dask cluster that sees --out; needs .[scale]")
    reproduce.add_argument("--out", type=Path, default=Path("reproduction"), help="folder (default: reproduction)")
    reproduce.add_argument("--compare", action="store_true", help="hold the claims in --out against the committed ones")
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
    rollback.add_argument(
        "--out",
        type=Path,
        required=True,
        help="file or folder to write; must not exist; weights in other formats than safetensors are not copied",
    )
    rollback.add_argument("--quiet", action="store_true", help="no progress bar, for logs")
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
        from toymdrl.commands import BAD_ARGUMENTS, COMMANDS, FAILURES  # noqa: PLC0415  (torch is slow to import)
    except KeyboardInterrupt:
        return INTERRUPTED
    try:
        COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has left (`| head`): what is done is kept; Python must not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except BAD_ARGUMENTS as error:
        print(_one_line(error), file=sys.stderr)
        return REFUSED
    except FAILURES as error:
        print(_one_line(error), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as interrupt:
        print(f"toymdrl: {str(interrupt) or 'interrupted; give the command again'}", file=sys.stderr)
        return INTERRUPTED
    return DONE
