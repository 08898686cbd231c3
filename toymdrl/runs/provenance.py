"""Where a run's numbers come from: code, versions, machine and time."""

import hashlib
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from toymdrl.runs.config import RunConfig

PACKAGE = Path(__file__).parents[1]


def source_digest(names: Iterable[str]) -> str:
    """SHA-256 of some of the package's source files, named relative to it; a folder stands for its Python files."""
    total = hashlib.sha256()
    for name in names:
        path = PACKAGE / name
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            total.update(f"{file.relative_to(PACKAGE).as_posix()}\n".encode() + file.read_bytes())
    return total.hexdigest()


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


def provenance(config: RunConfig) -> dict[str, Any]:
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
        "device": torch.cuda.get_device_name(config.device) if config.device.startswith("cuda") else config.device,
        "threads": config.threads,
    }
