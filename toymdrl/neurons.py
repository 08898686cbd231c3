"""Which coordinates make a neuron, in the MLPs that one meets: gated, fused, without a gate, of experts.

A neuron is all that its activation passes through: a row of each matrix that leads into it, a column of the one that
leads out. Where names and shapes do not say for certain which those are, there is a reason instead of neurons.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class _Kind:
    """How an MLP's matrices are called."""

    into: tuple[str, ...]
    out: str
    halves: int = 1
    """Of `into`: 2 where gate and up lie one above the other in one matrix."""


_KINDS = (
    _Kind(("gate", "up"), "down"),  # here
    _Kind(("gate_proj", "up_proj"), "down_proj"),  # Llama, Qwen, Gemma and most others
    _Kind(("w1", "w3"), "w2"),  # Llama's own files, Mixtral's experts
    _Kind(("wi_0", "wi_1"), "wo"),  # T5 1.1
    _Kind(("gate_up_proj",), "down_proj", halves=2),  # Phi-3, GLM; experts in one tensor
    _Kind(("up_proj",), "down_proj"),  # MPT, Nemotron
    _Kind(("c_fc",), "c_proj"),  # GPT-2
    _Kind(("fc1",), "fc2"),  # OPT, Phi
    _Kind(("fc_in",), "fc_out"),  # GPT-J
    _Kind(("dense_h_to_4h",), "dense_4h_to_h"),  # GPT-NeoX, Falcon, BLOOM
    _Kind(("linear1",), "linear2"),  # torch.nn.TransformerEncoderLayer
    _Kind(("lin1",), "lin2"),  # DistilBERT
    _Kind(("wi",), "wo"),  # T5
    _Kind(("w1",), "w2"),
    _Kind(("intermediate.dense",), "output.dense"),  # BERT
)
"""The first whose matrices are all there is meant."""
_PARTS = {name for kind in _KINDS for name in (*kind.into, kind.out)}
_NAME = re.compile(rf"(?P<mlp>.*)\.(?P<part>{'|'.join(sorted(map(re.escape, _PARTS)))})(\.weight)?")
NONE = "no MLP is called as one whose neurons are known (gate, up and down; gate_up_proj; fc1 and fc2; …)"


@dataclass(frozen=True)
class Part:
    """What one tensor has of an MLP's neurons: (experts, rows, columns), or (rows, columns) for one."""

    tensor: str
    rows: bool
    """Whether neurons are its rows; else its columns."""
    halves: int = 1
    """Of its rows: 2 where row i and the one half the matrix below it are of one neuron."""


@dataclass(frozen=True)
class Mlp:
    """One MLP, or all experts of a layer whose weights are one tensor."""

    name: str
    neurons: int
    parts: tuple[Part, ...]


def mlps(shapes: Mapping[str, Sequence[int]]) -> tuple[list[Mlp], list[str]]:
    """A model's MLPs whose neurons are known, and why others' are not.

    Args:
        shapes: shape of each tensor by name.
    """
    there: dict[str, dict[str, str]] = {}
    for name, shape in shapes.items():
        match = _NAME.fullmatch(name)
        if match and len(shape) in (2, 3):
            there.setdefault(match["mlp"], {})[match["part"]] = name
    found, reasons = [], []
    for mlp, tensors in there.items():
        kind = next((each for each in _KINDS if {*each.into, each.out} <= tensors.keys()), None)
        # One matrix alone is no MLP: a router is called gate, an attention's output c_proj or wo.
        if kind is None and len(tensors) > 1:
            reasons.append(f"{mlp}: {' and '.join(sorted(tensors))} alone do not make an MLP")
        if kind is None:
            continue
        each = _fit(mlp, kind, tensors, shapes)
        if isinstance(each, Mlp):
            found.append(each)
        else:
            reasons.append(f"{mlp}: {each}")
    return found, reasons or ([] if found else [NONE])


def _fit(mlp: str, kind: _Kind, tensors: Mapping[str, str], shapes: Mapping[str, Sequence[int]]) -> Mlp | str:
    """The MLP, or why its neurons are not known."""
    into, out = [_as_experts(shapes[tensors[name]]) for name in kind.into], _as_experts(shapes[tensors[kind.out]])
    experts, rows, columns = into[0]
    # As torch.nn.Linear keeps them, (out, in), or as GPT-2's Conv1D does, (in, out).
    linear = out == (experts, columns, rows // kind.halves) and rows % kind.halves == 0
    transposed = out == (experts, columns // kind.halves, rows) and columns % kind.halves == 0
    if any(each != into[0] for each in into) or not (linear or transposed):
        return f"{', '.join((*kind.into, kind.out))} do not fit together"
    if linear and kind.into == ("c_fc",):
        # A square's rows and columns cannot be told apart; else there are more neurons than the model is wide.
        if rows == columns:
            return "c_fc is square, and may be kept either way round"
        linear = rows > columns
    if not linear and kind.halves == 2:
        return "gate and up share one matrix's columns, in an order that differs between models"
    neurons = experts * (rows // kind.halves if linear else columns)
    parts = [Part(tensors[name], rows=linear, halves=kind.halves) for name in kind.into]
    return Mlp(mlp, neurons, (*parts, Part(tensors[kind.out], rows=not linear)))


def _as_experts(shape: Sequence[int]) -> tuple[int, int, int]:
    rows, columns = shape[-2:]
    return (shape[0] if len(shape) == 3 else 1), rows, columns


def neuron_coordinates(shapes: Mapping[str, Sequence[int]]) -> Tensor:
    """The flat coordinates of every MLP neuron, such as a row of gate, the same row of up and the same column of down.

    Args:
        shapes: shape of each parameter by name, in the order of the flat vector.

    Returns:
        (neurons of all layers, coordinates of each).

    Raises:
        ValueError: there is no MLP whose neurons are known, or one whose are not, or they differ in size.
    """
    found, reasons = mlps(shapes)
    if reasons:
        raise ValueError(f"no neurons: {reasons[0]}")
    where, start = {}, 0
    for name, shape in shapes.items():
        size = int(torch.Size(shape).numel())
        where[name] = torch.arange(start, start + size).view(_as_experts(shape)) if len(shape) in (2, 3) else None
        start += size
    by_mlp = []
    for mlp in found:
        pieces = []
        for part in mlp.parts:
            place = where[part.tensor]
            assert place is not None  # an MLP's parts are matrices
            pieces.append(_by_neuron(place, part))
        by_mlp.append(torch.cat(pieces, dim=1))
    if len({each.shape[1] for each in by_mlp}) > 1:
        raise ValueError("no neurons: they have different numbers of coordinates in different MLPs")
    return torch.cat(by_mlp)


def _by_neuron(tensor: Tensor, part: Part) -> Tensor:
    """A tensor (experts, rows, columns) with what belongs to each neuron as a row, (neurons, numbers of each)."""
    if not part.rows:
        return tensor.transpose(1, 2).flatten(0, 1)
    experts, rows, columns = tensor.shape
    halves = tensor.view(experts, part.halves, rows // part.halves, columns)
    return halves.transpose(1, 2).reshape(-1, part.halves * columns)
