"""Coordinates to put back, and the copy in which they are; test_audit.py has rollbacks of whole models."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from toymdrl.checkpoints.rollback import roll_back, save_coordinates


def test_a_rollback_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toymdrl.checkpoints.rollback.COPIED_AT_ONCE", 64)
    (tmp_path / "after").mkdir()
    for name in ("one", "two"):
        save_file({name: torch.arange(100.0)}, tmp_path / "after" / f"{name}.safetensors")
    save_file({"one": torch.tensor([1])}, tmp_path / "set.safetensors")
    told: list[tuple[int, int]] = []
    after, chosen, out = (tmp_path / each for each in ("after", "set.safetensors", "out"))
    roll_back(after, after, chosen, out, lambda done, total: told.append((done, total)))
    size = sum(file.stat().st_size for file in out.iterdir())
    assert len(told) > 10
    assert sum(done for done, _ in told) == size
    assert {total for _, total in told} == {size}


@pytest.mark.parametrize("chosen", [torch.tensor([-1]), torch.tensor([99]), torch.tensor([True, False])])
def test_coordinates_that_are_none_are_refused(chosen: Tensor, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="coordinates"):
        save_coordinates(nn.Linear(2, 1), chosen, tmp_path / "set.safetensors")
    assert not any(tmp_path.iterdir())
