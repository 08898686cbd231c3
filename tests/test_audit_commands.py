"""`toymdrl audit` and `toymdrl rollback`: what they write and say, and what they refuse."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from toymdrl.checkpoints.audit import audit_checkpoints
from toymdrl.checkpoints.rollback import roll_back
from toymdrl.checkpoints.shards import CheckpointError, places
from toymdrl.cli import main


def bad(folder: Path, what: str) -> list[str]:
    """Arguments of a command that must be refused."""
    good = {"w": torch.ones(4, 3), "b": torch.ones(4)}
    base, after, chosen = (folder / f"{name}.safetensors" for name in ("base", "after", "set"))
    save_file(good, base)
    save_file(good, after)
    save_file({"w": torch.tensor([0, 3])}, chosen)
    save_file(good | {"w": torch.full((4, 3), torch.nan)}, folder / "nan.safetensors")
    out = folder / "out.safetensors"
    command = ["rollback", str(base), str(after), str(chosen), "--out", str(out)]
    indices = {
        "a shard from elsewhere": '{"weight_map": {"w": "../base.safetensors"}}',
        "a shard that lacks a tensor": '{"weight_map": {"w": "one.safetensors", "v": "one.safetensors"}}',
        "no index": "[]",
        "an empty folder": "",
    }
    if what in indices:
        (folder / "shards").mkdir()
        if index := indices[what]:
            save_file(good, folder / "shards" / "one.safetensors")
            (folder / "shards" / "model.safetensors.index.json").write_text(index)
        return ["audit", str(base), str(folder / "shards")]
    spoil: dict[str, Callable[[], object]] = {
        "a pickle": lambda: torch.save(good, after),
        "another model": lambda: save_file({"w": torch.ones(4, 2), "b": torch.ones(4)}, after),
        "a head that is tied in one of them": lambda: save_file(good | {"lm_head.weight": 3 * torch.ones(4, 3)}, after),
        "truncated": lambda: after.write_bytes(after.read_bytes()[:-5]),
        "an index for a page": lambda: (folder / "mine.json").write_text("{}"),
        "indices that are too large": lambda: save_file({"w": torch.tensor([0, 12])}, chosen),
        "no indices": lambda: save_file({"w": torch.ones(2)}, chosen),
        "of no tensor": lambda: save_file({"v": torch.tensor([0])}, chosen),
        "there already": lambda: out.write_text("mine"),
        "a dangling link": lambda: out.symlink_to(folder / "elsewhere"),
    }
    spoil.get(what, lambda: None)()
    audit = ["audit", str(base), str(after)]
    return {
        "a pickle": audit,
        "another model": audit,
        "a head that is tied in one of them": audit,
        "truncated": audit,
        "two of one name": [*audit, str(after)],
        "a forgotten file name": ["audit", "--json", str(base), str(after), str(after)],
        "an index for a page": [*audit, "--json", str(folder / "mine.json")],
        "a page below a file": [*audit, "--json", str(base / "mine.json")],
        "a name without a file": ["audit", str(base), "mine="],
        "a table's bar in a name": ["audit", str(base), f"a|b={after}"],
        "not finite": ["audit", str(base), str(folder / "nan.safetensors")],
        "a file for a folder": [*command[:-1], str(base / "out.safetensors")],
    }.get(what, command)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("a shard from elsewhere", "names a shard '../base.safetensors'"),
        ("no index", "is no index of shards"),
        ("a shard that lacks a tensor", "has 'v' in one.safetensors, which lacks it"),
        ("a name without a file", "'mine=' names no file"),
        ("an index for a page", "is there already, beside a checkpoint"),
        ("a page below a file", "is no folder; make it"),
        ("a head that is tied in one of them", "all saved with tied weights or all without"),
        ("a dangling link", "is there already; choose another --out"),
        ("an empty folder", "holds no .safetensors file"),
        ("a pickle", "cannot be read as safetensors"),
        ("another model", "tensor 'w' has shape (4, 3) in"),
        ("two of one name", "give them as NAME=PATH"),
        ("truncated", "cannot be read as safetensors"),
        ("a forgotten file name", "--json takes the name of a file to write, ending in .json"),
        ("a table's bar in a name", "cannot be called 'a|b'"),
        ("not finite", "'w' of "),
        ("a file for a folder", "is not a folder; choose another --out"),
        ("indices that are too large", "coordinates of 'w' run from 0 to 12 of 12"),
        ("no indices", "give one I64 vector a tensor"),
        ("of no tensor", "coordinates are of 'v'"),
        ("there already", "is there already; choose another --out"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    what: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = bad(tmp_path, what)
    before = sorted(tmp_path.rglob("*"))
    assert main(command) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert len(error.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad(tmp_path, "nothing")
    base, after = (str(tmp_path / f"{name}.safetensors") for name in ("base", "after"))
    assert main(["audit", base, f"mine={after}", "--json", str(tmp_path / "audit.json"), "--quiet"]) == 0
    assert "| mine |" in capsys.readouterr().out
    assert json.loads((tmp_path / "audit.json").read_text())["edits"]["mine"][""]["weights"] == 16
    out = tmp_path / "new" / "out.safetensors"
    assert main(["rollback", base, after, str(tmp_path / "set.safetensors"), "--out", str(out)]) == 0
    assert "put 2 coordinates back, of which 0 had changed" in capsys.readouterr().out
    assert places(out).keys() == {"w", "b"}


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    bad(tmp_path, "nothing")
    base, after, chosen = (tmp_path / f"{name}.safetensors" for name in ("base", "after", "set"))

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        roll_back(base, after, chosen, tmp_path / "out.safetensors", full)  # once it has copied a piece
    assert {each.name for each in tmp_path.iterdir()} == {
        f"{name}.safetensors" for name in ("base", "after", "set", "nan")
    }
    with pytest.raises(CheckpointError):
        roll_back(base, after, base, tmp_path / "out.safetensors")
    with pytest.raises(CheckpointError, match="nothing to compare"):
        audit_checkpoints(base, {})


def test_what_appears_while_it_is_copied_is_not_overwritten(tmp_path: Path) -> None:
    bad(tmp_path, "nothing")
    base, after, chosen, out = (tmp_path / f"{name}.safetensors" for name in ("base", "after", "set", "out"))
    with pytest.raises(CheckpointError, match="is there already"):
        roll_back(base, after, chosen, out, lambda *_: out.write_text("mine"))
    assert out.read_text() == "mine"


def test_weights_in_other_formats_do_not_go_along(tmp_path: Path) -> None:
    bad(tmp_path, "nothing")
    (tmp_path / "after").mkdir()
    (tmp_path / "after.safetensors").rename(tmp_path / "after" / "model.safetensors")
    for name in ("config.json", "pytorch_model.bin", "optimizer.pt"):
        (tmp_path / "after" / name).write_text("{}")
    roll_back(tmp_path / "base.safetensors", tmp_path / "after", tmp_path / "set.safetensors", tmp_path / "out")
    assert {each.name for each in (tmp_path / "out").iterdir()} == {"model.safetensors", "config.json"}
