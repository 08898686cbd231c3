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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from toymdrl.files import CorruptFile, load_tensors, remove_leftovers, save_tensors, write_atomically
from toymdrl.policy.model import Policy
from toymdrl.runs.config import RunConfig, from_json, to_json
from toymdrl.runs.metrics import Line, MetricsLog
from toymdrl.runs.paths import RunFiles
from toymdrl.runs.plan import Checkpoint, Stage, everything
from toymdrl.runs.provenance import add_session
from toymdrl.runs.results import Logged, Results, RunError, Scored, read_results, results_text
from toymdrl.sourcecode import source_digest

SOURCES = (
    "streams.py",
    "replay.py",
    "domains",
    "policy",
    "training",
    "runs/plan.py",
    "runs/pipeline.py",
    "runs/cohort.py",
)
"""The source files that decide a run's numbers."""


def code() -> str:
    """What a run's numbers depend on besides its config: the package's sources and torch."""
    return f"{source_digest(SOURCES)[:16]} torch {torch.__version__}"


Trained = tuple[Stage, int]
"""The stage, and its step, that led to a checkpoint."""


class RunDirectory(RunFiles):
    """One run on disk. Hold `lock()` while writing.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from toymdrl import PRESETS, RunDirectory
        >>> with TemporaryDirectory() as folder:  # of a run that is there: RunDirectory.open(path)
        ...     run = RunDirectory.create(Path(folder), PRESETS["smoke"])
        ...     run.config.preset, run.checkpoints
        ('smoke', ())
    """

    def __init__(self, path: Path, config: RunConfig) -> None:
        """See `create` and `open`."""
        super().__init__(path)
        self.config = config
        self.damage: list[str] = []
        """What was found damaged on reading results.json, for the user."""
        self._metrics = MetricsLog(self.metrics_file)
        self._checkpoints: list[Scored] = []

    @staticmethod
    def name(config: RunConfig) -> str:
        """Folder name: preset, a hash of the config and the code that reads it, seed."""
        # Runs of one config have one hash, and their seeds beside it: they sort together.
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
        file = run.config_file
        try:
            # The folder's name tells its config: one that differs has been damaged. Under the lock, since another
            # process may be there; if it holds the lock, it has seen to the config.
            if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != text:
                run.path.mkdir(parents=True, exist_ok=True)
                with suppress(Timeout), FileLock(run.lock_file, timeout=0):
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
        self._checkpoints, self.damage = [], []
        if not self.results_file.exists():
            return
        try:
            results = self.results()
        except CorruptFile as error:
            self.damage.append(str(error))
            return
        if results.config != to_json(self.config):
            raise RunError(f"{self.config_file} was changed after the run began; restore it, or begin another run")
        if results.code != code():
            self.damage.append(f"{self.path} was begun with other sources or another torch; what follows may differ")
        self._checkpoints = list(results.checkpoints)

    @contextmanager
    def lock(self, *, wait: bool = False) -> Iterator[None]:
        """Keep other processes out; the operating system lets go when this one ends, however it ends.

        Raises:
            RunError: another process holds it, and this one is not to wait.
        """
        lock = FileLock(self.lock_file, timeout=-1 if wait else 0)
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

    @property
    def checkpoints(self) -> tuple[Scored, ...]:
        """All checkpoints that the run has, in the order in which they were made."""
        return tuple(self._checkpoints)

    def scored(self, checkpoint: Checkpoint) -> Scored | None:
        """A checkpoint with its scores; None if the run does not have it."""
        return next((each for each in self._checkpoints if each.checkpoint == checkpoint), None)

    def has(self, stage: Stage) -> bool:
        """Whether it has all checkpoints of a stage."""
        return all(self.scored(checkpoint) for _, checkpoint in stage.checkpoints())

    def add_checkpoint(
        self, checkpoint: Checkpoint, weights: Mapping[str, Tensor], scores: dict[str, float], after: Trained | None
    ) -> None:
        """Write a checkpoint's weights, then its entry in results.json; `after` is the training that led to it."""
        self._metrics.sync()
        about = {"run": self.name(self.config), "checkpoint": checkpoint.name}
        sha256 = save_tensors(self.checkpoint_file(checkpoint), dict(weights), about)
        self._enter(checkpoint, scores, sha256, after)

    def adopt_checkpoint(self, checkpoint: Checkpoint, scores: dict[str, float], after: Trained | None) -> None:
        """Enter a checkpoint whose file is there and sound.

        Raises:
            CorruptFile: it is not.
        """
        _, about, sha256 = load_tensors(self.checkpoint_file(checkpoint))
        if about != {"run": self.name(self.config), "checkpoint": checkpoint.name}:
            raise CorruptFile(f"{self.checkpoint_file(checkpoint)} is another run's or another checkpoint")
        self._enter(checkpoint, scores, sha256, after)

    def _enter(self, checkpoint: Checkpoint, scores: dict[str, float], sha256: str, after: Trained | None) -> None:
        average = sum(scores.values()) / len(scores)
        log = None
        if after:
            stage, step = after
            log = Logged(stage.name, step, self._metrics.digest(stage.name, step))
        self._checkpoints.append(Scored(checkpoint, scores, average, sha256, log))
        self.write_results()

    def load_checkpoint(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """A checkpoint's weights.

        Raises:
            CorruptFile: missing or not what results.json says was written.
        """
        file = self.checkpoint_file(checkpoint)
        tensors, _, sha256 = load_tensors(file)
        entry = self.scored(checkpoint)
        if entry is None or sha256 != entry.sha256:
            raise CorruptFile(f"{file} is another run's: its checksum is not the recorded one")
        return tensors

    def load_policy(self, checkpoint: Checkpoint) -> Policy:
        """A checkpoint as a policy on the run's device.

        Raises:
            CorruptFile: the checkpoint's file is damaged.
        """
        policy = Policy(self.config.model)
        policy.load_state_dict(self.load_checkpoint(checkpoint))
        return policy.to(self.config.device)

    def keep_sound_checkpoints(self) -> list[str]:
        """Forget every checkpoint from the first on that is damaged, or whose log is; what was wrong, for the user."""
        for index, entry in enumerate(self._checkpoints):
            try:
                self.load_checkpoint(entry.checkpoint)
                if (log := entry.log) and self._metrics.digest(log.stage, log.step) != log.sha256:
                    raise CorruptFile(f"{self._metrics.path} lacks steps of {log.stage}, or has others")
            except CorruptFile as error:
                del self._checkpoints[index:]
                last = self._checkpoints[-1].checkpoint.name if index else "the start"
                return [f"{error}; going on from {last}"]
        return []

    def forget_after(self, stage: Stage, step: int) -> None:
        """Forget what there is of a stage after so many steps, and the log of all later stages."""
        dropped = {checkpoint for at, checkpoint in stage.checkpoints() if at > step}
        self._checkpoints = [entry for entry in self._checkpoints if entry.checkpoint not in dropped]
        plan = everything(self.config)
        before = {each.name for each in plan[: plan.index(stage)]}
        self._metrics.rewind(before, stage.name, step)

    def forget_rollbacks(self) -> None:
        """Forget the checkpoints that no training made."""
        kept = [entry for entry in self._checkpoints if entry.checkpoint.kind != "rollback"]
        if len(kept) < len(self._checkpoints):
            self._checkpoints = kept
            self.write_results()

    def write_results(self, claims: Mapping[str, Any] | None = None) -> None:
        """Write results.json; with claims, the run is complete."""
        write_atomically(self.results_file, results_text(self.config, code(), self._checkpoints, claims))

    def results(self) -> Results:
        """The content of results.json.

        Raises:
            CorruptFile: missing, or not of the form that `write_results` writes.
            RunError: written by another version of this package.
        """
        return read_results(self.results_file)

    # The log

    def log(self, *lines: Line) -> None:
        """Add lines to metrics.jsonl."""
        self._metrics.append(*lines)

    def logged(self) -> list[Line]:
        """All lines of metrics.jsonl that can be read."""
        return self._metrics.lines()

    # The stage under way

    def save_progress(self, stage: Stage, step: int, tensors: dict[str, Tensor]) -> None:
        """Replace the saved state of the stage under way."""
        self._metrics.sync()
        about = {"run": self.name(self.config), "stage": stage.name, "step": step}
        save_tensors(self.progress_file, tensors, about)

    def load_progress(self, stage: Stage) -> tuple[dict[str, Tensor], int] | None:
        """The saved state and step of a stage, if it is the one under way.

        Raises:
            CorruptFile: there is a state, but it is damaged or another run's.
        """
        if not self.progress_file.exists():
            return None
        tensors, about, _ = load_tensors(self.progress_file)
        if about.get("run") != self.name(self.config):
            raise CorruptFile(f"{self.progress_file} is another run's, or of other sources")
        return (tensors, int(about["step"])) if about.get("stage") == stage.name else None

    def clear_progress(self) -> None:
        """Remove the saved state: its stage is complete."""
        self.progress_file.unlink(missing_ok=True)

    # Where it ran

    def record_session(self) -> None:
        """Add where and with what this session runs to provenance.json."""
        if not add_session(self.provenance_file, self.config):
            self.damage.append(f"{self.provenance_file} was damaged; where earlier sessions ran is lost")

    def provenance_text(self) -> str:
        """The content of provenance.json, or a line that says that there is none."""
        try:
            return self.provenance_file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return "provenance.json is missing"
