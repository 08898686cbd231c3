"""Files written whole or not at all, and tensors that carry a checksum of everything in them."""

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

TEMPORARY = ".writing-"


class CorruptFile(ValueError):
    """A file that is missing or not what was written; the message names it."""


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a whole file or nothing, under a temporary name that is then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two writers of one cached file, on one machine or on two, must not share a temporary name.
    temporary = path.with_name(f"{path.name}{TEMPORARY}{secrets.token_hex(4)}")
    try:
        with open(temporary, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed writer left half written below a folder that no other process writes to."""
    for path in folder.rglob(f"*{TEMPORARY}*"):
        if path.is_file():
            path.unlink(missing_ok=True)


def digest(tensors: dict[str, Tensor], about: dict[str, Any]) -> str:
    """SHA-256 of a description and of tensors: names, types, shapes and bytes."""
    total = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def save_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> str:
    """Write tensors and a small JSON description; returns the digest stored with them."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    sha256 = digest(plain, about)
    # One entry: safetensors writes several in no fixed order, and the same run must give the same bytes.
    metadata = {"toymdrl": json.dumps({"about": about, "sha256": sha256})}
    write_atomically(path, save(plain, metadata))
    return sha256


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """What `save_tensors` wrote: tensors, description, digest. The tensors are copies: the file is not held open.

    Raises:
        CorruptFile: missing, truncated, or its digest does not match its content.
        OSError: it is there but cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CorruptFile(f"{path} is missing") from None
    try:
        tensors = {name: tensor.clone() for name, tensor in load(data).items()}
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        stored = json.loads(header["__metadata__"]["toymdrl"])
        about, sha256 = dict(stored["about"]), str(stored["sha256"])
    except (KeyError, ValueError, TypeError, RecursionError, SafetensorError) as error:
        raise CorruptFile(f"{path} is damaged ({type(error).__name__})") from error
    if digest(tensors, about) != sha256:
        raise CorruptFile(f"{path} is not what was written: its checksum differs")
    return tensors, about, sha256
