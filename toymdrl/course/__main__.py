"""For those who teach or change the course: grade a class's notebooks, make the course's checkpoints anew."""

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tqdm import tqdm

from toymdrl.course.grading import graded, notebooks, student
from toymdrl.course.start import LAPTOP, RUN, scores, train
from toymdrl.files import save_tensors
from toymdrl.policy.model import Policy
from toymdrl.policy.scores import weights
from toymdrl.runs.machine import prepare
from toymdrl.settings import ConfigError
from toymdrl.training.stage import warm_start


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m toymdrl.course", description=__doc__)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("train", help="make the course's checkpoints anew").set_defaults(do=_train)
    grade = commands.add_parser("grade", help="a CSV row for every student and exercise of a folder of notebooks")
    grade.add_argument("folder", type=Path, help="a folder a student, or all notebooks side by side")
    grade.add_argument("--workers", type=_count, default=1, help="notebooks at once (default: 1)")
    grade.set_defaults(do=_grade)
    given = parser.parse_args(arguments)
    try:
        given.do(given)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command keeps the notebooks that were graded", file=sys.stderr)
        return 130
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number of notebooks; give 1 or more")
    return int(text)


def _grade(given: argparse.Namespace) -> None:
    """Rows to standard output, in the order of the files; the bar to standard error."""
    found = notebooks(given.folder)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a table is read by another program: UTF-8 on every system
        sys.stdout.reconfigure(encoding="utf-8")
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("student", "notebook", "exercise", "verdict", "advice"))
    with ThreadPoolExecutor(given.workers) as pool:
        each_graded = pool.map(partial(graded, folder=given.folder), found)
        for notebook, grades in zip(found, tqdm(each_graded, total=len(found), unit="notebook"), strict=True):
            who = student(given.folder, notebook)
            for each in grades.grades:
                rows.writerow((who, grades.notebook, each.exercise, each.verdict, each.advice))
            sys.stdout.flush()


def _train(_: argparse.Namespace) -> None:
    """A minute on an idle core."""
    prepare(LAPTOP)
    policy = warm_start(LAPTOP.model, LAPTOP.warm_start, LAPTOP.seed).finish()
    _save("base", policy)
    for domain in LAPTOP.order:
        policy = train(policy, domain)
        _save(domain, policy)


def _save(name: str, policy: Policy) -> None:
    digest = save_tensors(RUN / f"{name}.safetensors", weights(policy), {"made by": "python -m toymdrl.course train"})
    print(f"{name}: {digest}, scores {scores(policy)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
