"""The run directory: what is in it, written so that no interruption and no damage goes unnoticed.

    config.json          what was run
    provenance.json      where, when and with which versions, one entry a session
    results.json         checkpoints and their scores, claims; the contract that other programs read
    metrics.jsonl        one line a step
    checkpoints/         one safetensors file a checkpoint
    progress.safetensors the stage under way; gone once the run is complete
    figures/ report.html summary.md

Every file is written under a temporary name and renamed. A safetensors file carries the SHA-256 of its tensors, and
results.json repeats it for each checkpoint.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import torch
from filelock import FileLock, Timeout
from safetensors.torch import save
from torch import Tensor

from toymdrl.config import RunConfig, fingerprint, from_json, to_json
from toymdrl.domains import DOMAINS
from toymdrl.provenance import provenance

SCHEMA = 1


class RunError(ValueError):
    """A run directory that cannot be used; the message is one line that says what to do instead."""


class CorruptFile(ValueError):
    """A file that is not what was written; the message names it."""


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process's number keeps two writers of one cached file apart.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and bytes."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def save_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> str:
    """Write tensors and a small JSON description; returns the digest stored with them."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    sha256 = digest(plain)
    # One entry: safetensors writes several in no fixed order, and the same run must give the same bytes.
    write_atomically(path, save(plain, {"toymdrl": json.dumps({**about, "sha256": sha256})}))
    return sha256


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """What `save_tensors` wrote: tensors, description, digest.

    Raises:
        CorruptFile: missing, truncated, or its digest does not match its content.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        about = json.loads(metadata["toymdrl"])
        sha256 = about.pop("sha256")
    except (OSError, KeyError, ValueError, TypeError, AttributeError, safetensors.SafetensorError) as error:
        raise CorruptFile(f"{path} cannot be read ({type(error).__name__})") from error
    if digest(tensors) != sha256:
        raise CorruptFile(f"{path} is not what was written: its checksum differs")
    return tensors, about, sha256


class RunDirectory:
    """One run on disk. Hold `lock()` while writing."""

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        self.config = config
        self.checkpoints: list[dict[str, Any]] = []
        """Entries of results.json: name, scores, average, sha256."""

    @staticmethod
    def name(config: RunConfig) -> str:
        """Folder name of a config: preset, fingerprint and seed."""
        return f"{config.preset}-{fingerprint(config)}-seed{config.seed}"

    @classmethod
    def create(cls, out: Path, config: RunConfig) -> "RunDirectory":
        """The directory of a config under `out`, made if need be, its earlier results read if it is there."""
        run = cls(out / cls.name(config), config)
        text = json.dumps(to_json(config), indent=1) + "\n"
        file = run._file("config.json")
        # The folder's name tells its config: one that differs has been damaged.
        if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != text:
            write_atomically(file, text)
        run.checkpoints = run._read_checkpoints()
        return run

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """An existing run.

        Raises:
            RunError: no run is there, or its config cannot be read.
        """
        file = path / "config.json"
        if not file.is_file():
            raise RunError(f"{path} is no run (it has no config.json); give a folder that `toymdrl run` made")
        try:
            config = from_json(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise RunError(f"{file} cannot be used ({error}); start again with `toymdrl run`") from error
        run = cls(path, config)
        run.checkpoints = run._read_checkpoints()
        return run

    def _read_checkpoints(self) -> list[dict[str, Any]]:
        """Entries of results.json; none if it cannot be used, and the run then starts again."""
        try:
            return list(self.results()["checkpoints"])
        except CorruptFile:
            return []

    def _file(self, name: str) -> Path:
        return self.path / name

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out; the operating system lets go when this one ends, however it ends.

        Raises:
            RunError: another process holds it.
        """
        lock = FileLock(self._file(".lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise RunError(f"another process is working on {self.path}; wait for it, or stop it first") from None
        try:
            yield
        finally:
            lock.release()

    # Checkpoints and results

    def checkpoint_file(self, name: str) -> Path:
        """Where a checkpoint's weights are."""
        return self.path / "checkpoints" / f"{name}.safetensors"

    def add_checkpoint(self, name: str, weights: dict[str, Tensor], scores: dict[str, float]) -> None:
        """Write a checkpoint's weights, then its entry in results.json."""
        sha256 = save_tensors(self.checkpoint_file(name), weights, {"checkpoint": name})
        average = sum(scores.values()) / len(scores)
        self.checkpoints.append({"name": name, "scores": scores, "average": average, "sha256": sha256})
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
        """Forget every checkpoint from the first damaged one on; what was wrong, for the user."""
        for index, entry in enumerate(self.checkpoints):
            try:
                self.load_checkpoint(entry["name"])
            except CorruptFile as error:
                self.checkpoints = self.checkpoints[:index]
                return [f"{error}; going on from {self.checkpoints[-1]['name'] if index else 'the start'}"]
        return []

    def write_results(self, claims: dict[str, Any] | None = None) -> None:
        """Write results.json; with claims, the run is complete."""
        results = {
            "schema": SCHEMA,
            "complete": claims is not None,
            "config": to_json(self.config),
            "checkpoints": self.checkpoints,
            "claims": claims or {},
        }
        write_atomically(self._file("results.json"), json.dumps(results, indent=1) + "\n")

    def results(self) -> dict[str, Any]:
        """The content of results.json.

        Raises:
            CorruptFile: missing, or not of the form that `write_results` writes.
        """
        path = self._file("results.json")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            for entry in data["checkpoints"]:
                numbers = [entry["average"], *(entry["scores"][key] for key in DOMAINS)]
                texts = [entry["name"], entry["sha256"]]
                if not all(isinstance(n, float) for n in numbers) or not all(isinstance(t, str) for t in texts):
                    raise ValueError("a checkpoint's entry has the wrong types")
            if (
                data["schema"] != SCHEMA
                or not isinstance(data["complete"], bool)
                or not isinstance(data["claims"], dict)
            ):
                raise ValueError("it has another schema")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFile(f"{path} cannot be used ({type(error).__name__}: {error})") from error
        return dict(data)

    # The stage under way

    def save_progress(self, stage: str, step: int, tensors: dict[str, Tensor]) -> None:
        """Replace the saved state of the stage under way."""
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
            raise CorruptFile(f"{self._file('progress.safetensors')} is another run's")
        return (tensors, int(about["step"])) if about.get("stage") == stage else None

    def clear_progress(self) -> None:
        """Remove the saved state: its stage is complete."""
        self._file("progress.safetensors").unlink(missing_ok=True)

    # Logs

    def log(self, line: dict[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        with open(self._file("metrics.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl that can be read: a kill may have cut the last one short."""
        lines = []
        if self._file("metrics.jsonl").exists():
            for text in self._file("metrics.jsonl").read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict) and isinstance(line.get("stage"), str) and isinstance(line.get("step"), int):
                    lines.append(line)
        return lines

    def rewind_metrics(self, done: set[str], stage: str, step: int) -> None:
        """Forget the lines of what will be done again: keep the stages done, and `stage` up to `step`."""
        kept = [
            line
            for line in self.metrics()
            if line["stage"] in done or (line["stage"] == stage and line["step"] <= step)
        ]
        write_atomically(self._file("metrics.jsonl"), "".join(json.dumps(line) + "\n" for line in kept))

    def record_session(self) -> None:
        """Add where and with what this session runs to provenance.json."""
        try:
            sessions = json.loads(self._file("provenance.json").read_text(encoding="utf-8"))["sessions"]
        except (OSError, ValueError, KeyError, TypeError):
            sessions = []
        sessions.append(provenance(self.config))
        write_atomically(self._file("provenance.json"), json.dumps({"sessions": sessions}, indent=1) + "\n")

    def provenance_text(self) -> str:
        """The content of provenance.json, or a line that says that there is none."""
        try:
            return self._file("provenance.json").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "provenance.json is missing"
