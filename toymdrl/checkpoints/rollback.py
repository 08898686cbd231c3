"""`toymdrl rollback`: a checkpoint with chosen coordinates put back to where an earlier one had them (C11, T7).

Shards are copied and then changed in place, some rows at a time, so memory grows with the largest tensor's set alone.
How to choose the coordinates: `analysis.rollback`, or chapter 8 of the course.
"""

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from toymdrl.checkpoints.names import bare, matched
from toymdrl.checkpoints.shards import DTYPES, INTEGERS, CheckpointError, Place, files, places
from toymdrl.checkpoints.view import Alike, alike, same_shapes, says_tied, view
from toymdrl.files import write_atomically
from toymdrl.parameters import trainable_parameters

COPIED_AT_ONCE = 2**24
"""Bytes."""
_CONFIGS, _CODE = {".cfg", ".json", ".jsonl", ".toml", ".yaml", ".yml"}, {".jinja", ".md", ".py", ".txt"}
_TOKENIZERS = {".bpe", ".merges", ".model", ".spm", ".tiktoken", ".vocab"}
GOES_ALONG = _CONFIGS | _CODE | _TOKENIZERS
"""Endings of what a loader needs beside the weights: configs, tokenizers, code. Anything else might hold the weights as
they were before the repair, or an optimiser of theirs."""
TIED = re.compile(
    r"(.*\.)?(embed_tokens|tok_embeddings|wte|word_embeddings|embed_in|shared"
    r"|lm_head|embed_out|output|decoder|vocab_projector)\.weight"
)
"""Embeddings of tokens and heads, as families call them."""
NAMES = {"LICENSE", "LICENCE", "NOTICE", "README"}
"""Files without an ending that go along."""


def save_coordinates(module: nn.Module, chosen: Tensor | np.ndarray, file: Path | str) -> None:
    """Write a set of flat coordinates of a module as `roll_back` takes it.

    Args:
        module: whose parameters are counted, in the order of `parameters.trainable`.
        chosen: indices into the flat vector, (count,).
        file: safetensors; one int64 vector of flat indices a parameter.

    Raises:
        ValueError: they are no indices into the vector.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import torch
        >>> from safetensors.torch import load_file
        >>> from torch import nn
        >>> from toymdrl import save_coordinates
        >>> with TemporaryDirectory() as folder:  # the flat vector is weight (2), then bias (1)
        ...     save_coordinates(nn.Linear(2, 1), torch.tensor([0, 2]), Path(folder) / "set.safetensors")
        ...     sorted(load_file(Path(folder) / "set.safetensors"))
        ['bias', 'weight']
    """
    total = sum(parameter.numel() for parameter in trainable_parameters(module))
    chosen = torch.as_tensor(chosen)
    if chosen.dtype not in INTEGERS.values() or chosen.dim() != 1:
        raise ValueError(f"coordinates are {chosen.dtype} {tuple(chosen.shape)}; give a vector of indices, not a mask")
    if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < total:
        raise ValueError(f"coordinates run from {int(chosen.min())} to {int(chosen.max())} of {total}")
    found, start = {}, 0
    # The flat vector skips frozen parameters; so must the count.
    known = {id(parameter) for parameter in trainable_parameters(module)}
    for name, weight in module.named_parameters():
        if id(weight) not in known:
            continue
        inside = chosen[(chosen >= start) & (chosen < start + weight.numel())] - start
        if len(inside):
            found[bare(name)] = inside.long().contiguous()
        start += weight.numel()
    write_atomically(Path(file), save(found))


def _indices(place: Place, name: str, target: Place) -> Tensor:
    """A tensor's coordinates, sorted.

    Raises:
        CheckpointError: they are no indices into the target.
    """
    if place.dtype not in INTEGERS or len(place.shape) != 1:
        raise CheckpointError(f"coordinates of {name!r} are {place.dtype} {place.shape}; give one I64 vector a tensor")
    parts = [place.read(part).long() for part in place.chunks()]
    found = torch.cat(parts).sort().values if parts else torch.zeros(0, dtype=torch.int64)
    if len(found) and not 0 <= int(found[0]) <= int(found[-1]) < target.size:
        raise CheckpointError(f"coordinates of {name!r} run from {int(found[0])} to {int(found[-1])} of {target.size}")
    return found


def _may_be_tied(name: str, place: Place) -> bool:
    """Whether a tensor is one of those that models tie: the tokens' embedding, and the head."""
    return len(place.shape) == 2 and TIED.fullmatch(name) is not None


def _must_be_free(out: Path) -> None:
    """Refuse to overwrite.

    Raises:
        CheckpointError: something is there.
    """
    if os.path.lexists(out):
        raise CheckpointError(f"{out} is there already; choose another --out")


def _goes_along(file: Path) -> bool:
    """Whether a file beside the shards is copied: nothing that could hold the unrepaired weights is."""
    return file.is_file() and (file.suffix.lower() in GOES_ALONG or file.name in NAMES)


def _put_back(before: Place, after: Place, file: Path, indices: Tensor) -> int:
    """Overwrite coordinates of a tensor, sorted, in a copy of its shard; how many differed."""
    changed = 0
    for part in after.chunks():
        low, high = (int(torch.searchsorted(indices, edge)) for edge in (part.start, part.stop))
        if low == high:
            continue
        local = indices[low:high] - part.start
        old, new = before.read(part).to(DTYPES[after.dtype]), after.read(part)
        changed += int((old[local] != new[local]).sum())
        new[local] = old[local]
        with open(file, "r+b") as opened:
            opened.seek(after.start + part.start * after.width)
            opened.write(new.view(torch.uint8).numpy().tobytes())
    return changed


def _copy(files: dict[Path, Path], progress: Callable[[int, int], object]) -> None:
    """Copy files, from what to where."""
    total = sum(file.stat().st_size for file in files)
    for file, target in files.items():
        with open(file, "rb") as old, open(target, "wb") as new:
            while piece := old.read(COPIED_AT_ONCE):
                new.write(piece)
                progress(len(piece), total)


def _sets(coordinates: Path | str, after: Path, found: Alike) -> dict[str, Place]:
    """The coordinates by the tensors that they are of; all that can be refused is.

    Raises:
        CheckpointError: they do not fit, or the tensor is tied by a config and not by its numbers.
    """
    old, new = found.tensors
    given = places(coordinates)
    # A set is made of a module's names, which a wrapper or a base model's prefix may have changed.
    called = matched(given.keys(), new.keys())
    for name in [name for name in given if name not in called]:
        # Its set may bear the name of a copy of the tensor.
        first = next((one for one, copies in found.copies.items() if bare(name) in copies), None)
        if first is None:
            raise CheckpointError(
                f"coordinates are of {name!r}, which {after} has not; take its tensors' names, or if transformers "
                "renamed them on saving, save it with save_pretrained(..., save_original_format=False)"
            )
        called[name] = first
    if len(set(called.values())) < len(called):
        raise CheckpointError(f"{coordinates} names one tensor of {after} twice; give one set for each")
    sets = {called[name]: place for name, place in given.items()}
    written_to = view(after)
    for name, place in sets.items():
        _indices(place, name, new[name])  # refused before anything is written; read again when they are needed
        if new[name].dtype not in DTYPES or old[name].dtype not in DTYPES:
            raise CheckpointError(f"{name!r} is {new[name].dtype}; only floating-point tensors are put back")
        if says_tied(after) and _may_be_tied(name, new[name]):
            for other, there in written_to.items():
                tied = _may_be_tied(other, there) and there.shape == new[name].shape
                if tied and other != name and other not in found.copies.get(name, ()):
                    raise CheckpointError(
                        f"{after} ties {name!r} and {other!r} by its config, and they differ; save it with one of them"
                    )
    return sets


def roll_back(
    before: Path | str,
    after: Path | str,
    coordinates: Path | str,
    out: Path | str,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> tuple[int, int]:
    """Write `after` with some coordinates as in `before`; configs and the like beside its shards are copied.

    Killed on the way, it leaves a folder `.writing-...` beside `out`, to be removed by hand.

    Args:
        before: the earlier checkpoint: a safetensors file, or a folder of shards.
        after: the later one, of the same kind of model.
        coordinates: safetensors; for each tensor that is changed a vector of flat indices, int64.
        out: file or folder to write, as `after` is; it must not exist.
        progress: called with the bytes copied since the last call, and with those of all files.

    Returns:
        How many coordinates were chosen, and how many of these differed.

    Raises:
        CheckpointError: something cannot be read or does not fit; nothing is written.
        OSError: it cannot be written; nothing is left but folders that lead to `out`.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import torch
        >>> from safetensors.torch import save_file
        >>> from toymdrl import roll_back
        >>> with TemporaryDirectory() as folder:
        ...     old, new, chosen, out = (Path(folder) / f"{name}.safetensors" for name in ("old", "new", "set", "out"))
        ...     save_file({"w": torch.zeros(3)}, old)
        ...     save_file({"w": torch.ones(3)}, new)
        ...     save_file({"w": torch.tensor([1])}, chosen)
        ...     roll_back(old, new, chosen, out)
        (1, 1)
    """
    after, out = Path(after), Path(out)
    _must_be_free(out)
    found = alike([before, after])
    same_shapes([before, after], found)
    old, new = found.tensors
    sets = _sets(coordinates, after, found)
    written_to = view(after)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise CheckpointError(f"{out.parent} is not a folder; choose another --out") from None
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=out.parent) as folder:
        written = Path(folder) / out.name
        if after.is_dir():
            written.mkdir()
            along = [file for file in after.iterdir() if _goes_along(file)]
            _copy({file: written / file.name for file in [*files(after), *along]}, progress)
        else:
            _copy({after: written}, progress)
        chosen = changed = 0
        for name, place in sets.items():
            indices = _indices(place, name, new[name]).unique()
            chosen += len(indices)
            file = written / new[name].file.name if after.is_dir() else written
            changed += _put_back(old[name], new[name], file, indices)
            for copy in [each for each in found.copies.get(name, ()) if each in written_to]:
                # Tied weights that are stored more than once stay tied.
                other = written_to[copy]
                _put_back(old[name], other, written / other.file.name if after.is_dir() else written, indices)
        # To the disk before the folder gets its name: a power cut must not leave a checkpoint that looks whole.
        for file in written.iterdir() if after.is_dir() else [written]:
            with open(file, "r+b") as opened:
                os.fsync(opened.fileno())
        _must_be_free(out)  # since the copy takes minutes
        written.rename(out)
    return chosen, changed
