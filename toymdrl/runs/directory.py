"""The run directory: what is in it, written so that no interruption and no damage goes unnoticed.

    config.json          what was run
    provenance.json      where, when and with which versions, one entry a session
    results.json         checkpoints and their scores, claims; the contract that other programs read
    metrics.jsonl        one line a step
    checkpoints/         one safetensors file a checkpoint
    progress.safetensors the stage under way; gone once the run is complete
    figures/ report.html summary.md

Every file but metrics.jsonl, which grows, is written under a temporary name and renamed. A safetensors file carries the
SHA-256 of its content, and results.json repeats it for each checkpoint, beside that of the steps which led to it.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from toymdrl.domains import DOMAINS
from toymdrl.files import CorruptFile, load_tensors, remove_leftovers, save_tensors, write_atomically
from toymdrl.runs.config import RunConfig, from_json, to_json
from toymdrl.runs.metrics import MetricsLog
from toymdrl.runs.provenance import provenance, source_digest

SCHEMA = 1
SOURCES = ("streams.py", "replay.py", "domains", "policy", "training", "runs/pipeline.py", "runs/cohort.py")
"""The source files that decide a run's numbers."""


class RunError(ValueError):
    """A run directory that cannot be used; the message is one line that says what to do instead."""


class Logged(TypedDict):
    """The lines of metrics.jsonl that led to a checkpoint."""

    stage: str
    step: int
    sha256: str


class Checkpoint(TypedDict):
    """An entry of results.json."""

    name: str
    scores: dict[str, float]
    """100 x exact expected reward on unseen prompts, by domain."""
    average: float
    sha256: str
    log: Logged | None
    """None where this run may have trained no step for it: the warm start, a rollback."""


def code() -> str:
    """What a run's numbers depend on besides its config: the package's sources and torch."""
    return f"{source_digest(SOURCES)[:16]} torch {torch.__version__}"


class RunDirectory:
    """One run on disk. Hold `lock()` while writing.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from toymdrl import PRESETS, RunDirectory
        >>> with TemporaryDirectory() as folder:  # of a run that is there: RunDirectory.open(path)
        ...     run = RunDirectory.create(Path(folder), PRESETS["smoke"])
        ...     run.config.preset, run.checkpoints
        ('smoke', [])
    """

    def __init__(self, path: Path, config: RunConfig) -> None:
        """See `create` and `open`."""
        self.path = path
        self.config = config
        self.metrics = MetricsLog(path / "metrics.jsonl")
        self.checkpoints: list[Checkpoint] = []
        self.damage: list[str] = []
        """What was found damaged on reading results.json, for the user."""

    @staticmethod
    def name(config: RunConfig) -> str:
        """Folder name: preset, a hash of the config and the code that reads it, seed."""
        settings = {key: value for key, value in to_json(config).items() if key != "seed"}
        content = json.dumps([settings, code()], sort_keys=True)
        return f"{config.preset}-{hashlib.sha256(content.encode()).hexdigest()[:8]}-seed{config.seed}"

    @classmethod
    def create(cls, out: Path, config: RunConfig) -> "RunDirectory":
        """The directory of a config under `out`, made if need be, its earlier results read if it is there.

        Raises:
            RunError: `out` is not a folder.
        """
        run = cls(out / cls.name(config), config)
        text = json.dumps(to_json(config), indent=1) + "\n"
        file = run._file("config.json")
        try:
            # The folder's name tells its config: one that differs has been damaged. Under the lock, since another
            # process may be there; if it holds the lock, it has seen to the config.
            if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != text:
                run.path.mkdir(parents=True, exist_ok=True)
                with suppress(Timeout), FileLock(run._file(".lock"), timeout=0):
                    write_atomically(file, text)
        except (FileExistsError, NotADirectoryError):
            raise RunError(f"{out} is not a folder; give --out the name of one, or of one to make") from None
        run.read()
        return run

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """An existing run.

        Raises:
            RunError: no run is there, or its config cannot be used.
        """
        file = path / "config.json"
        if not file.is_file():
            inside = min(path.glob("*/config.json"), default=None)
            which = f"a run in it, such as {inside.parent}" if inside else "a folder that `toymdrl run` made"
            raise RunError(f"{path} is no run (it has no config.json); give {which}")
        try:
            config = from_json(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, RecursionError) as error:
            raise RunError(f"{file} cannot be used ({error}); start again with `toymdrl run`") from error
        run = cls(path, config)
        run.read()
        return run

    def read(self) -> None:
        """Take the checkpoints' entries from results.json.

        Raises:
            RunError: it is of another config or of another version of this package.
        """
        self.checkpoints, self.damage = [], []
        if not self._file("results.json").exists():
            return
        try:
            results = self.results()
        except CorruptFile as error:
            self.damage.append(str(error))
            return
        if results["config"] != to_json(self.config):
            raise RunError(
                f"{self._file('config.json')} was changed after the run began; restore it, or begin another run"
            )
        if results["code"] != code():
            self.damage.append(f"{self.path} was begun with other sources or another torch; what follows may differ")
        self.checkpoints = results["checkpoints"]

    def _file(self, name: str) -> Path:
        return self.path / name

    @contextmanager
    def lock(self, *, wait: bool = False) -> Iterator[None]:
        """Keep other processes out; the operating system lets go when this one ends, however it ends.

        Raises:
            RunError: another process holds it, and this one is not to wait.
        """
        lock = FileLock(self._file(".lock"), timeout=-1 if wait else 0)
        try:
            lock.acquire()
        except Timeout:
            raise RunError(f"another process is working on {self.path}; wait for it, or stop it first") from None
        try:
            remove_leftovers(self.path)
            self.read()  # another process may have gone on since
            yield
        finally:
            lock.release()

    # Checkpoints and results

    def checkpoint_file(self, name: str) -> Path:
        """Where a checkpoint's weights are."""
        return self.path / "checkpoints" / f"{name}.safetensors"

    def add_checkpoint(
        self, name: str, weights: dict[str, Tensor], scores: dict[str, float], trained: tuple[str, int] | None
    ) -> None:
        """Write a checkpoint's weights, then its entry in results.json; `trained` is the stage and step it is of."""
        self.metrics.sync()
        about = {"run": self.name(self.config), "checkpoint": name}
        sha256 = save_tensors(self.checkpoint_file(name), weights, about)
        self._enter(name, scores, sha256, trained)

    def adopt_checkpoint(self, name: str, scores: dict[str, float], trained: tuple[str, int] | None) -> None:
        """Enter a checkpoint whose file is there and sound."""
        _, about, sha256 = load_tensors(self.checkpoint_file(name))
        if about != {"run": self.name(self.config), "checkpoint": name}:
            raise CorruptFile(f"{self.checkpoint_file(name)} is another run's or another checkpoint")
        self._enter(name, scores, sha256, trained)

    def _enter(self, name: str, scores: dict[str, float], sha256: str, trained: tuple[str, int] | None) -> None:
        average = sum(scores.values()) / len(scores)
        log: Logged | None = None
        if trained:
            stage, step = trained
            log = {"stage": stage, "step": step, "sha256": self.metrics.digest(stage, step)}
        self.checkpoints.append({"name": name, "scores": scores, "average": average, "sha256": sha256, "log": log})
        self.write_results()

    def load_checkpoint(self, name: str) -> dict[str, Tensor]:
        """A checkpoint's weights.

        Raises:
            CorruptFile: missing or not what results.json says was written.
        """
        tensors, _, sha256 = load_tensors(self.checkpoint_file(name))
        if sha256 != next(entry["sha256"] for entry in self.checkpoints if entry["name"] == name):
            raise CorruptFile(f"{self.checkpoint_file(name)} is another run's: its checksum is not the recorded one")
        return tensors

    def keep_sound_checkpoints(self) -> list[str]:
        """Forget every checkpoint from the first on that is damaged, or whose log is; what was wrong, for the user."""
        for index, entry in enumerate(self.checkpoints):
            try:
                self.load_checkpoint(entry["name"])
                if (log := entry["log"]) and self.metrics.digest(log["stage"], log["step"]) != log["sha256"]:
                    raise CorruptFile(f"{self.metrics.path} lacks steps of {log['stage']}, or has others")
            except CorruptFile as error:
                self.checkpoints = self.checkpoints[:index]
                return [f"{error}; going on from {self.checkpoints[-1]['name'] if index else 'the start'}"]
        return []

    def write_results(self, claims: dict[str, Any] | None = None) -> None:
        """Write results.json; with claims, the run is complete."""
        results = {
            "schema": SCHEMA,
            "complete": claims is not None,
            "code": code(),
            "config": to_json(self.config),
            "checkpoints": self.checkpoints,
            "claims": claims or {},
        }
        write_atomically(self._file("results.json"), json.dumps(results, indent=1, allow_nan=False) + "\n")

    def results(self) -> dict[str, Any]:
        """The content of results.json.

        Raises:
            CorruptFile: missing, or not of the form that `write_results` writes.
            RunError: written by another version of this package.
        """
        path = self._file("results.json")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            schema = data["schema"]
            if not isinstance(data["checkpoints"], list):
                raise ValueError("its checkpoints are no list")
            for entry in data["checkpoints"]:
                if unknown := [key for key in DOMAINS if key not in entry["scores"]]:
                    raise ValueError(f"no scores of {unknown[0]}, a domain added since; `toymdrl resume` trains again")
                numbers = [entry["average"], *(entry["scores"][key] for key in DOMAINS)]
                texts = [entry["name"], entry["sha256"], data["code"]]
                if (log := entry["log"]) is not None:
                    texts += [log["stage"], log["sha256"]]
                    if type(log["step"]) is not int:
                        raise ValueError("a log's step is no whole number")
                finite = all(isinstance(each, float) and math.isfinite(each) for each in numbers)
                if not finite or not all(isinstance(t, str) for t in texts):
                    raise ValueError("a checkpoint's entry has the wrong types")
            if not (isinstance(data["complete"], bool) and isinstance(data["claims"], dict) and data["config"]):
                raise ValueError("it lacks a part")
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CorruptFile(f"{path} cannot be used ({type(error).__name__}: {error})") from error
        if schema != SCHEMA:
            raise RunError(f"{path} has schema {schema}, this version reads {SCHEMA}; use the version that wrote it")
        return dict(data)

    # The stage under way

    def save_progress(self, stage: str, step: int, tensors: dict[str, Tensor]) -> None:
        """Replace the saved state of the stage under way."""
        self.metrics.sync()
        about = {"run": self.name(self.config), "stage": stage, "step": step}
        save_tensors(self._file("progress.safetensors"), tensors, about)

    def load_progress(self, stage: str) -> tuple[dict[str, Tensor], int] | None:
        """The saved state and step of a stage, if it is the one under way.

        Raises:
            CorruptFile: there is a state, but it is damaged or another run's.
        """
        if not self._file("progress.safetensors").exists():
            return None
        tensors, about, _ = load_tensors(self._file("progress.safetensors"))
        if about.get("run") != self.name(self.config):
            raise CorruptFile(f"{self._file('progress.safetensors')} is another run's, or of other sources")
        return (tensors, int(about["step"])) if about.get("stage") == stage else None

    def clear_progress(self) -> None:
        """Remove the saved state: its stage is complete."""
        self._file("progress.safetensors").unlink(missing_ok=True)

    # Where it ran

    def record_session(self) -> None:
        """Add where and with what this session runs to provenance.json."""
        try:
            sessions = json.loads(self._file("provenance.json").read_text(encoding="utf-8"))["sessions"]
            sessions = list(sessions)
        except FileNotFoundError:
            sessions = []
        except (ValueError, KeyError, TypeError, RecursionError):
            sessions = []
            self.damage.append(f"{self._file('provenance.json')} was damaged; where earlier sessions ran is lost")
        sessions.append(provenance(self.config))
        write_atomically(self._file("provenance.json"), json.dumps({"sessions": sessions}, indent=1) + "\n")

    def provenance_text(self) -> str:
        """The content of provenance.json, or a line that says that there is none."""
        try:
            return self._file("provenance.json").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return "provenance.json is missing"
