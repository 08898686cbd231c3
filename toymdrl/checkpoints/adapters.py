"""LoRA adapters as the checkpoints that they make of their base: W + s B A, some rows at a time, never merged on disk.

The factors B and A themselves mean nothing one by one: another pair makes the same update. See `peft`'s LoraConfig for
what an adapter's config says.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from toymdrl.checkpoints.names import bare, matched
from toymdrl.checkpoints.shards import INDEX, WHOLE, CheckpointError, Place, places

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_FACTOR = re.compile(r"(?P<module>.*)\.lora_(?P<embedding>embedding_)?(?P<side>[AB])(\.weight)?")
_OTHERWISE = ("use_dora", "use_qalora", "alora_invocation_tokens", "layer_replication", "target_parameters")
"""Settings under which the update is something else than s B A."""
_BASE_KEPT = {"true", "false", "gaussian", "eva", "orthogonal"}
"""Ways to begin that leave the base's weights as they were; others take the adapter's first product off them."""
MERGE = "merge it first (peft's merge_and_unload, then save_pretrained)"


@dataclass(frozen=True)
class Merged(Place):
    """A base's weights with a low-rank update on top, in float64."""

    base: Place
    up: Place
    """B, (rows of W, rank)."""
    down: Place
    """A, (rank, columns of W)."""
    scale: float
    transposed: bool
    """Whether W is kept as (in, out): then the update is A^T B^T."""

    def read(self, part: slice) -> Tensor:
        """Some whole rows' numbers, (numbers,), float64."""
        rows = slice(part.start // self.row, part.stop // self.row)
        up, down = _matrix(self.up), _matrix(self.down)
        update = down.T[rows] @ up.T if self.transposed else up[rows] @ down
        return self.base.read(part).double() + self.scale * update.flatten()


def _matrix(place: Place) -> Tensor:
    return place.read(slice(0, place.size)).double().view(place.shape)


def is_adapter(path: Path | str) -> bool:
    """Whether this is a LoRA adapter's folder, or the file in it."""
    path = Path(path)
    folder = path.parent if path.name == WEIGHTS else path
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def on_its_base(path: Path | str, base: Mapping[str, Place]) -> dict[str, Place]:
    """What an adapter makes of its base, by the base's names.

    Args:
        path: the adapter's folder, or the file in it.
        base: the base's tensors by name.

    Raises:
        CheckpointError: it is of another base, or makes something else of it than W + s B A.
    """
    folder = Path(path).parent if Path(path).name == WEIGHTS else Path(path)
    config = _config(folder)
    if (folder / WHOLE).exists() or (folder / INDEX).exists():
        raise CheckpointError(f"{folder} holds a model and an adapter; remove one of them, or give {WHOLE} as a file")
    factors: dict[str, dict[str, Place]] = {}
    found: dict[str, Place] = dict(base)
    for name, place in places(folder / WEIGHTS).items():
        factor = _FACTOR.fullmatch(name)
        if factor:
            side = f"{factor['embedding'] or ''}{factor['side']}"
            factors.setdefault(bare(factor["module"]), {})[side] = place
            continue
        # What was trained whole beside the factors: biases, a head.
        own = matched([name], base).get(name)
        if own is None:
            raise CheckpointError(f"{folder} holds {name!r}, which is no factor of a low-rank update; {MERGE}")
        if place.shape != base[own].shape:
            shapes = f"{place.shape}, in its base {base[own].shape}"
            raise CheckpointError(f"tensor {name!r} of {folder} has shape {shapes}; give the base that it was made of")
        found[own] = place
    weights = [f"{module}.weight" for module in factors]
    called = matched(weights, base)
    for module, weight in zip(factors, weights, strict=True):
        if weight not in called:
            advice = "give the base that it was made of first"
            raise CheckpointError(f"{folder} is an adapter of {weight!r}, which the base has not; {advice}")
        found[called[weight]] = _merged(folder, config, module, factors[module], base[called[weight]])
    return found


def _config(folder: Path) -> dict[str, Any]:
    """An adapter's settings.

    Raises:
        CheckpointError: they cannot be read, or its update is something else than s B A.
    """
    try:
        config = dict(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        kind, begun = config["peft_type"], str(config.get("init_lora_weights", True)).lower()
        patterns = dict(config.get("alpha_pattern") or {})
        for pattern in patterns:
            re.compile(pattern)
        if not all(isinstance(each, int | float) for each in (config["lora_alpha"], *patterns.values())):
            raise TypeError("lora_alpha")
    except (OSError, re.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"cannot be read as an adapter's settings ({type(error).__name__}: {error})"
        raise CheckpointError(f"{folder / CONFIG} {what}; copy it again, or {MERGE}") from error
    if kind != "LORA":
        raise CheckpointError(f"{folder} is an adapter of type {kind}, not LORA; {MERGE}")
    for setting in _OTHERWISE:
        if config.get(setting):
            raise CheckpointError(f"{folder} was trained with {setting}: it is no low-rank update alone; {MERGE}")
    if begun not in _BASE_KEPT:
        raise CheckpointError(f"{folder} began as {begun!r}, which changes the base too; {MERGE}")
    return config


def _merged(folder: Path, config: Mapping[str, Any], module: str, sides: Mapping[str, Place], base: Place) -> Merged:
    """A weight with its update.

    Raises:
        CheckpointError: the factors do not fit it.
    """
    embedding = "embedding_A" in sides
    prefix = "embedding_" if embedding else ""
    if sides.keys() != {f"{prefix}A", f"{prefix}B"} or any(len(each.shape) != 2 for each in (base, *sides.values())):
        raise CheckpointError(f"{folder} has no two matrices A and B for {module!r}; {MERGE}")
    up, down = sides[f"{prefix}B"], sides[f"{prefix}A"]
    rank, shape = down.shape[0], (up.shape[0], down.shape[1])
    if up.shape[1] != rank or not rank or base.shape not in (shape, shape[::-1]):
        shapes = f"{up.shape} x {down.shape} on {base.shape}"
        raise CheckpointError(f"the factors of {module!r} in {folder} do not fit the base ({shapes}); give its own")
    # An embedding is kept as (in, out), and so are GPT-2's layers; where W is square, the config alone says so.
    transposed = base.shape != shape
    if shape[0] == shape[1]:
        transposed = embedding or bool(config.get("fan_in_fan_out"))
    alpha = float(_of_module(config.get("alpha_pattern") or {}, module, config["lora_alpha"]))
    scale = alpha / (rank**0.5 if config.get("use_rslora") else rank)
    return Merged(base.file, "F64", base.shape, base.start, base, up, down, scale, transposed)


def _of_module(patterns: Mapping[str, float], module: str, otherwise: float) -> float:
    """What a setting is for one module: of the first pattern that its name ends with."""
    for pattern, value in patterns.items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return otherwise
