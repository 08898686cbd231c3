"""Results kept on disk: each with the key of what it was computed from and a checksum, so that it need not be again."""

import json
from pathlib import Path
from typing import Any, TypeVar

from toymdrl.files import CorruptFile, digest, write_atomically
from toymdrl.plain import from_plain, to_plain

T = TypeVar("T")


def save_record(file: Path, key: str, record: Any) -> None:
    """Write a frozen dataclass, or None where there is nothing to be found.

    Raises:
        ValueError: a number of it is not finite.
    """
    plain = None if record is None else to_plain(record)
    content = {"key": key, "sha256": digest({}, {"result": plain}), "result": plain}
    write_atomically(file, json.dumps(content, indent=1, allow_nan=False) + "\n")


def load_record(file: Path, kind: type[T]) -> tuple[str, T | None]:
    """The key and record of a file that `save_record` wrote.

    Raises:
        CorruptFile: it is missing, or not what was written.
    """
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        result = stored["result"]
        if digest({}, {"result": result}) != stored["sha256"]:
            raise ValueError
        return str(stored["key"]), None if result is None else from_plain(kind, result, f"{file.stem}.")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptFile(f"{file} is missing, damaged or of another version") from error
