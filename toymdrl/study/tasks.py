"""One measurement of one question in one setting: done once, kept on disk, done again by nobody.

A result's key is made of its setting, the package's sources, torch, and the code of the question's `measure` with all
that it refers to in its file: a row whose key is another's is not used. Tasks share nothing but files, so any number of
processes can work on them.
"""

import hashlib
import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import active_children, get_context
from pathlib import Path

from toymdrl.claims.subject import SOURCES as SUBJECT_SOURCES
from toymdrl.evidence import Row
from toymdrl.files import write_atomically
from toymdrl.runs.config import to_json
from toymdrl.runs.directory import code
from toymdrl.settings import ConfigError
from toymdrl.sourcecode import code_of, source_digest
from toymdrl.study import claims
from toymdrl.study.questions import Question, Setting, load
from toymdrl.study.stage import config_of

SOURCES = (*SUBJECT_SOURCES, "analysis", "study/stage.py", "study/start.py", "study/protection.py")
"""The package's files, besides a run's own, that decide what the project's questions measure."""
HEARTBEAT = 2.0
"""Seconds between signs of life while no task is done."""
LOST_WORKERS = 3
"""So many times a pool that lost a worker is made anew."""


def key_of(question: Question, setting: Setting) -> str:
    """Checksum of all that a question's row depends on, as the files are now."""
    decides = getattr(question, "decides", lambda _: ["measure"])
    text = code_of(Path(question.__file__), decides(setting))
    more = question.code() if hasattr(question, "code") else ""
    content = [setting, to_json(config_of(setting)), code(), source_digest(SOURCES), text, more]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class TasksFailed(OSError):
    """Some tasks raised; the others are done. The message names the first."""


@dataclass(frozen=True)
class Task:
    """What one worker does at a time."""

    file: str
    """The question's."""
    setting: Setting
    key: str
    """Fixed when the task is made, so that sources that change meanwhile cannot mix rows of two kinds."""

    @classmethod
    def of(cls, question: Question, setting: Setting) -> "Task":
        """The task as the sources are now."""
        return cls(question.__file__, setting, key_of(question, setting))

    @property
    def name(self) -> str:
        """The question's."""
        return Path(self.file).stem

    @property
    def question(self) -> Question:
        """Loaded, in a worker too: a module does not go through a pipe."""
        return claims.QUESTION if self.file == claims.QUESTION.__file__ else load(Path(self.file))

    @property
    def seconds(self) -> float:
        """What it takes in the laptop preset."""
        return self.question.SECONDS

    def row_file(self, out: Path) -> Path:
        """Where its row is kept."""
        name = "-".join(str(value) for key, value in self.setting.items() if key != "preset")
        return out / "rows" / self.name / f"{name}-{self.key[:8]}.json"

    def row(self, out: Path) -> Row | None:
        """Its row, if it is done."""
        try:
            stored = json.loads(self.row_file(out).read_text(encoding="utf-8"))
            return {"setting": self.setting, **stored["row"]} if stored["key"] == self.key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def perform(self, out: Path) -> Row:
        """Its row, measured now if it is not there.

        Raises:
            RuntimeError: the sources are not those that the task was made of.
        """
        row = self.row(out)
        if row is None:
            # Hours may lie between: what is measured now must be what was asked then.
            if self.key != key_of(self.question, self.setting):
                raise RuntimeError("the sources have changed since this began; give the command again")
            began = time.monotonic()
            row = self.question.measure(self.setting, out)
            stored = {"key": self.key, "setting": self.setting, "seconds": time.monotonic() - began, "row": row}
            write_atomically(self.row_file(out), json.dumps(stored, indent=1) + "\n")
        return row


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _workers(count: int, scheduler: str | None) -> Iterator[Executor]:
    """Processes of this machine, or the workers of a dask cluster."""
    if scheduler:
        Client = import_module("dask.distributed").Client

        try:
            client = Client(scheduler)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"no dask cluster at {scheduler!r} ({error}); give an address like tcp://host:8786"
            ) from None
        with client:
            if any(threads > 1 for threads in client.nthreads().values()):
                raise TasksFailed("a worker of this cluster has several threads; start workers with --nthreads 1")
            with client.get_executor() as executor:
                yield executor
    else:
        executor = ProcessPoolExecutor(
            count, mp_context=get_context("spawn"), initializer=_leave_interrupts_to_the_parent
        )
        try:
            yield executor
        except BaseException:  # rows are written whole or not at all, so a worker may be stopped anywhere
            # An interrupted parent must not leave workers behind that go on for hours.
            for process in active_children():
                process.terminate()
            raise
        finally:
            executor.shutdown(cancel_futures=True)


def perform_all(
    tasks: Sequence[Task],
    out: Path,
    workers: int,
    scheduler: str | None,
    waiting: Callable[[], object] = lambda: None,
) -> Iterator[Task]:
    """Do all tasks, yielding each as it is done; a worker that is killed costs what it was at.

    Args:
        tasks: each done at most once.
        out: folder of the rows.
        workers: processes, ignored with a scheduler.
        scheduler: address of a dask cluster.
        waiting: called every two seconds in which no task is done.

    Raises:
        TasksFailed: some raised, or workers died again and again; the others are done.
    """
    left, failed = list(tasks), []
    for _ in range(LOST_WORKERS + 1):
        try:
            with _workers(workers, scheduler) as executor:
                futures = {executor.submit(task.perform, out): task for task in left}
                while futures:
                    ready = wait(futures, HEARTBEAT, FIRST_COMPLETED).done
                    if not ready:
                        waiting()
                    for future in ready:
                        task, error = futures.pop(future), future.exception()
                        if isinstance(error, BrokenProcessPool):
                            raise error
                        left.remove(task)
                        if error is None:
                            yield task
                        else:
                            failed.append(f"{task.name} {task.setting}: {type(error).__name__}: {error}")
            break
        except BrokenProcessPool:
            yield from (task for task in left if task.row(out) is not None)
            left = [task for task in left if task.row(out) is None]
    if left:
        raise TasksFailed(f"workers died {LOST_WORKERS + 1} times; the same command goes on from here")
    if failed:
        raise TasksFailed(f"{len(failed)} of {len(tasks)} tasks failed, the first in {failed[0]}")
