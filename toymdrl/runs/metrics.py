"""metrics.jsonl: one line a step, and what tells that no line of a stage was lost.

Not those of the warm start: it may come from a cache, without any.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from toymdrl.files import write_atomically

Line = dict[str, Any]


class MetricsLog:
    """The log of a run. It grows line by line, so a kill may cut its last line short; the others outlive it."""

    def __init__(self, path: Path) -> None:
        """`path` need not be there yet."""
        self.path = path

    def append(self, *lines: Line) -> None:
        """Add lines; each has at least "stage" and "step"."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    def sync(self) -> None:
        """Bring the log to disk before a state that counts on it."""
        if self.path.exists():
            with open(self.path, "ab") as file:
                os.fsync(file.fileno())

    def lines(self, stage: str | None = None) -> list[Line]:
        """The lines that can be read; of one stage, or of all."""
        lines = []
        if self.path.exists():
            for text in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                if stage is not None and json.dumps(stage) not in text:
                    continue  # most of a log is the warm start's: not worth parsing for each checkpoint
                try:
                    line = json.loads(text)
                except (ValueError, RecursionError):
                    continue
                if isinstance(line, dict) and isinstance(line.get("stage"), str) and isinstance(line.get("step"), int):
                    lines.append(line)
        return lines

    def rewind(self, done: set[str], stage: str, step: int) -> None:
        """Forget the lines of what will be done again: keep the stages done, and `stage` up to `step`."""
        kept = [
            line for line in self.lines() if line["stage"] in done or (line["stage"] == stage and line["step"] <= step)
        ]
        write_atomically(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def digest(self, stage: str, step: int) -> str:
        """SHA-256 of a stage's lines up to a step, without their seconds."""
        total = hashlib.sha256()
        for line in self.lines(stage):
            if line["stage"] == stage and line["step"] <= step:
                total.update(json.dumps({key: value for key, value in line.items() if key != "seconds"}).encode())
        return total.hexdigest()
