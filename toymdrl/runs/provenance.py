"""Where a run's numbers come from: code, versions, machine and time."""

import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from toymdrl.files import write_atomically
from toymdrl.runs.config import RunConfig
from toymdrl.sourcecode import PACKAGE


def commit() -> str | None:
    """The commit of the checkout that holds this package, with "+" if it has changes; None outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(PACKAGE), *arguments]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=5)
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != PACKAGE.parent.resolve():
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def provenance(device: str, threads: int) -> dict[str, Any]:
    """One session's entry of provenance.json."""
    versions = {}
    for package in ("toymdrl", "torch", "numpy", "safetensors", "matplotlib"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed as a package"
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "python": platform.python_version(),
        "versions": versions,
        "system": platform.platform(),
        "processor": platform.machine(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "threads": threads,
    }


def add_session(file: Path, config: RunConfig) -> bool:
    """Add a session's entry to a file of them; whether the earlier ones could be read."""
    sessions, sound = [], True
    try:
        sessions = list(json.loads(file.read_text(encoding="utf-8"))["sessions"])
    except FileNotFoundError:
        pass  # this is the first
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = False
    sessions.append(provenance(config.device, config.threads))
    write_atomically(file, json.dumps({"sessions": sessions}, indent=1) + "\n")
    return sound
