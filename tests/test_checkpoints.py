"""Two safetensors files of someone else's model: read alike, or refused in one line."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from toymdrl.checkpoints.shards import CheckpointError
from toymdrl.checkpoints.whole import as_vector, read_checkpoints
from toymdrl.parameters import read_parameters, write_parameters


@pytest.fixture
def module() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))


def test_two_files_become_vectors_in_the_modules_order(module: nn.Module, tmp_path: Path) -> None:
    before, after = tmp_path / "before.safetensors", tmp_path / "after.safetensors"
    start = read_parameters(module)
    save_file(dict(module.named_parameters()), before)
    write_parameters(module, start + 1)
    save_file({name: weight.double() for name, weight in reversed(list(module.named_parameters()))}, after)
    one, two = (as_vector(module, each) for each in read_checkpoints([before, after]))
    assert torch.equal(one, start)
    assert torch.allclose(two, start + 1)
    assert not two.requires_grad


def test_a_folder_of_shards_reads_as_one_file(module: nn.Module, tmp_path: Path) -> None:
    tensors = {name: weight.detach() for name, weight in module.named_parameters()}
    save_file(tensors, tmp_path / "whole.safetensors")
    (tmp_path / "shards").mkdir()
    for name, tensor in tensors.items():
        save_file({name: tensor}, tmp_path / "shards" / f"{name}.safetensors")
    one, two = read_checkpoints([tmp_path / "whole.safetensors", tmp_path / "shards"])
    assert torch.equal(as_vector(module, two), as_vector(module, one))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "more",
            "tensor 'extra' is in .*after.* alone, and is no copy of another there; give checkpoints of one model",
        ),
        (
            "fewer",
            "tensor '0.bias' is in .*before.* alone, and is no copy of another there; give checkpoints of one model",
        ),
        ("shape", r"tensor '0.bias' has shape \(2,\) in .*before.*, \(3,\) in .*after"),
        ("text", "cannot be read as safetensors"),
        ("missing", "cannot be read as safetensors"),
    ],
)
def test_files_that_do_not_fit_are_refused(change: str, expected: str, module: nn.Module, tmp_path: Path) -> None:
    before, after = tmp_path / "before.safetensors", tmp_path / "after.safetensors"
    tensors = {name: weight.detach() for name, weight in module.named_parameters()}
    save_file(tensors, before)
    match change:
        case "more":
            save_file(tensors | {"extra": torch.zeros(1)}, after)
        case "fewer":
            save_file({name: each for name, each in tensors.items() if name != "0.bias"}, after)
        case "shape":
            save_file(tensors | {"0.bias": torch.zeros(3)}, after)
        case "text":
            after.write_text("these are no tensors")
    with pytest.raises(CheckpointError, match=expected) as caught:
        read_checkpoints([before, after])
    assert "\n" not in str(caught.value)


def test_a_path_instead_of_a_list_and_a_frozen_module_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"give a list of checkpoints, such as \['mine'\]"):
        read_checkpoints("mine")
    with pytest.raises(ValueError, match="no parameter requires a gradient"):
        as_vector(nn.Linear(2, 1).requires_grad_(False), {})


def test_a_checkpoint_of_another_model_is_refused(module: nn.Module) -> None:
    tensors = {name: weight.detach() for name, weight in module.named_parameters()}
    with pytest.raises(CheckpointError, match=r"'0.weight' of shape \(2, 3\) is missing"):
        as_vector(module, {})
    with pytest.raises(CheckpointError, match=r"'1.bias' of shape \(1,\) is of shape \(4,\)"):
        as_vector(module, tensors | {"1.bias": torch.zeros(4)})
