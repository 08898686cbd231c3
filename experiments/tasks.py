"""One measurement of one question in one setting: done once, kept on disk, done again by nobody.

A result's key is made of its setting, the package's sources, torch, and the text of the question's `measure` with all
that it calls here: a row whose key is another's is not used. Tasks share nothing but files, so any number of processes
can work on them.
"""

import hashlib
import inspect
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from experiments.evidence import Row
from experiments.stage import Setting
from toymdrl.files import write_atomically
from toymdrl.provenance import source_digest
from toymdrl.runs import code
from toymdrl.subject import SOURCES

LOST_WORKERS = 3
"""So many times a pool that lost a worker is made anew."""


def question(name: str) -> ModuleType:
    """The module of a question: TITLE, SECONDS, settings, measure, page and, of some, figure."""
    return import_module(f"experiments.{name}")


def _names(code: CodeType) -> set[str]:
    """All that a function refers to, its inner functions included."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def decides(function: FunctionType, seen: set[str]) -> str:
    """The text of a function, of every function of the experiments that it calls, and their constants."""
    seen.add(function.__qualname__)
    text = inspect.getsource(function)
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        if isinstance(value, FunctionType):
            if value.__module__.startswith("experiments.") and value.__qualname__ not in seen:
                text += decides(value, seen)
        elif isinstance(value, int | float | str | tuple):  # no dict: its repr may hold addresses
            text += f"{name} = {value!r}\n"
    return text


@dataclass(frozen=True)
class Task:
    """What one worker does at a time."""

    question: str
    setting: Setting

    @property
    def key(self) -> str:
        """Of all that its row depends on."""
        text = decides(question(self.question).measure, set())
        content = json.dumps([self.setting, code(), source_digest(SOURCES), text], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def file(self, out: Path) -> Path:
        """Where its row is kept."""
        name = "-".join(str(value) for key, value in self.setting.items() if key != "preset")
        return out / "rows" / self.question / f"{name}-{self.key[:8]}.json"

    def row(self, out: Path) -> Row | None:
        """Its row, if it is done."""
        try:
            stored = json.loads(self.file(out).read_text(encoding="utf-8"))
            return {"setting": self.setting, **stored["row"]} if stored["key"] == self.key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def perform(self, out: Path) -> Row:
        """Its row, measured now if it is not there."""
        row = self.row(out)
        if row is None:
            began = time.monotonic()
            row = question(self.question).measure(self.setting, out)
            stored = {"key": self.key, "setting": self.setting, "seconds": time.monotonic() - began, "row": row}
            write_atomically(self.file(out), json.dumps(stored, indent=1) + "\n")
        return row


@contextmanager
def _workers(count: int, scheduler: str | None) -> Iterator[Executor]:
    """Processes of this machine, or the workers of a dask cluster."""
    if scheduler:
        Client = import_module("dask.distributed").Client

        with Client(scheduler) as client, client.get_executor() as executor:
            yield executor
    else:
        executor = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)


def perform_all(tasks: Sequence[Task], out: Path, workers: int, scheduler: str | None) -> Iterator[Task]:
    """Do all tasks, yielding each as it is done; a worker that is killed costs what it was at.

    Raises:
        BrokenProcessPool: workers died again and again.
    """
    left = list(tasks)
    for attempt in range(LOST_WORKERS + 1):
        try:
            with _workers(workers, scheduler) as executor:
                futures = {executor.submit(task.perform, out): task for task in left}
                for future in as_completed(futures):
                    future.result()
                    left.remove(futures[future])
                    yield futures[future]
            return
        except BrokenProcessPool:
            if attempt == LOST_WORKERS:
                raise
            left = [task for task in left if task.row(out) is None]
