"""Safetensors checkpoints of any size, some rows at a time: one file, or a folder of shards with or without an index.

The library maps whole files into memory. Here a tensor's bytes are read where the header says they are, so that memory
does not grow with the checkpoint; the library still checks every header first.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"
"""What transformers loads of a folder: one file, or the shards that an index names."""
NUMBERED = re.compile(r".+-\d+-of-\d+\.safetensors")
POINTER = b"version https://git-lfs"
"""How a file begins that stands for one that git has not fetched."""
CHUNK = 1 << 22
"""Numbers read at a time, or one row if that is longer."""
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
"""Number formats that are read, by their name in the file."""
INTEGERS = {"I64": torch.int64, "I32": torch.int32}


class CheckpointError(ValueError):
    """Files that cannot be read or do not fit; the message is one line that says what to give instead."""


@dataclass(frozen=True)
class Place:
    """Where a tensor's bytes are."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    """Of its first byte in the file."""

    @property
    def size(self) -> int:
        """How many numbers."""
        return prod(self.shape)

    @property
    def row(self) -> int:
        """Numbers in a row, a slice along the first dimension; 1 for a vector."""
        return prod(self.shape[1:])

    @property
    def width(self) -> int:
        """Bytes a number."""
        return self._type.itemsize

    @property
    def is_read(self) -> bool:
        """Whether its numbers are of a format that is read."""
        return self.dtype in DTYPES or self.dtype in INTEGERS

    def first_rows(self, rows: int) -> "Place":
        """Its first rows alone."""
        return replace(self, shape=(rows, *self.shape[1:]))

    @property
    def _type(self) -> torch.dtype:
        if found := (DTYPES | INTEGERS).get(self.dtype):
            return found
        raise CheckpointError(f"{self.file} holds numbers of type {self.dtype}, which are not read")

    def chunks(self) -> Iterator[slice]:
        """Runs of whole rows of about CHUNK numbers, as slices of the flat tensor."""
        # Whole rows, so that a neuron's row is never cut; an empty tensor has rows of no numbers.
        step = max(1, CHUNK // max(1, self.row)) * max(1, self.row)
        yield from (slice(at, min(at + step, self.size)) for at in range(0, self.size, step))

    def read(self, part: slice) -> Tensor:
        """Some of the numbers as they are stored, (numbers,).

        Raises:
            CheckpointError: the file has become shorter, or its numbers are of a type that is not read.
        """
        with open(self.file, "rb") as file:
            file.seek(self.start + part.start * self.width)
            data = bytearray(file.read((part.stop - part.start) * self.width))
        if len(data) < (part.stop - part.start) * self.width:
            raise CheckpointError(f"{self.file} ends too early; copy it again")
        return torch.frombuffer(data, dtype=self._type)


def files(path: Path) -> list[Path]:
    """The safetensors files that a loader of this folder would load.

    Raises:
        CheckpointError: there are none, the index names something else, or there are several models.
    """
    if not path.is_dir():
        return [path]
    shards, whole = _index(path), path / WHOLE
    if shards and whole.is_file() and WHOLE not in shards.values():
        # transformers would take the one file and not look at the shards.
        raise CheckpointError(f"{path} holds {WHOLE} and an index of other shards: two models; remove one of them")
    if shards:
        return sorted({path / shard for shard in shards.values()})
    if whole.is_file():
        return [whole]
    found = sorted(path.glob("*.safetensors"))
    if not found:
        raise CheckpointError(f"{path} holds no .safetensors file; give a file, or a folder of shards")
    numbered = [file for file in found if NUMBERED.fullmatch(file.name)]
    if 0 < len(numbered) < len(found):
        others = ", ".join(file.name for file in found if file not in numbered)
        raise CheckpointError(f"{path} holds numbered shards and {others}: two models; remove one, or give a file")
    return found


def _index(path: Path) -> dict[str, str]:
    """The shard of each tensor by a folder's index; empty if it has none.

    Raises:
        CheckpointError: the index cannot be read, or names something else than shards beside it.
    """
    index = path / INDEX
    if not index.is_file():
        return {}
    try:
        shards = dict(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{index} is no index of shards ({type(error).__name__}); copy it again") from error
    for shard in shards.values():
        if not isinstance(shard, str) or not re.fullmatch(r"[\w.-]+\.safetensors", shard):
            raise CheckpointError(f"{index} names a shard {shard!r}; a shard is a .safetensors file beside it")
    return shards


def _header(file: Path) -> dict[str, Place]:
    """The tensors of one file.

    Raises:
        CheckpointError: it is no safetensors file.
    """
    try:
        with open(file, "rb") as opened:
            if opened.read(len(POINTER)) == POINTER:
                raise CheckpointError(f"{file} is a git-lfs pointer, not the weights; run `git lfs pull` there")
        with safe_open(file, framework="pt"):  # the library checks offsets, shapes and sizes
            pass
        with open(file, "rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            entries = json.loads(opened.read(length))
        # Names and values of the writer's own, no tensor.
        entries.pop("__metadata__", None)
        return {
            name: Place(file, entry["dtype"], tuple(entry["shape"]), 8 + length + entry["data_offsets"][0])
            for name, entry in entries.items()
        }
    except CheckpointError:
        raise
    except (OSError, SafetensorError, ValueError) as error:
        advice = "give a .safetensors file, or a folder of shards"
        raise CheckpointError(f"{file} cannot be read as safetensors ({error}); {advice}") from error


def places(path: Path | str) -> dict[str, Place]:
    """Every tensor of a checkpoint, by name.

    Args:
        path: a safetensors file, or a folder of shards.

    Raises:
        CheckpointError: what cannot be read, and what to give instead.
    """
    found: dict[str, Place] = {}
    for file in files(Path(path)):
        for name, place in _header(file).items():
            if name in found:
                raise CheckpointError(f"tensor {name!r} is in {found[name].file} and in {file}; give one checkpoint")
            found[name] = place
    # An index may promise more than the shards hold: a half-finished download.
    for name, shard in _index(Path(path)).items():
        if name not in found:
            raise CheckpointError(f"{Path(path) / INDEX} has {name!r} in {shard}, which lacks it; copy the shard again")
    return found
