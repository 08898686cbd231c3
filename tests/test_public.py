"""The public names: all there, documented by an example that runs, and free until they are used."""

import doctest
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import toymdrl
from toymdrl import read_parameters, roll_back, write_parameters

DATA = {"DOMAINS", "PRESETS"}


@pytest.mark.parametrize("name", toymdrl.__all__)
def test_every_name_has_an_example_that_runs(name: str) -> None:
    thing = getattr(toymdrl, name)
    if name in DATA or (isinstance(thing, type) and issubclass(thing, Exception)):
        return
    module = import_module(thing.__module__)
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    # Without the module's own names: an example is to be pasted anywhere.
    tests = [test for test in finder.find(thing, name, module=module, globs={}) if test.examples]
    assert tests, f"{name} has no example"
    for test in tests:
        runner.run(test)
    assert runner.failures == 0


def test_names_are_found_where_they_are_said_to_be() -> None:
    assert set(toymdrl.__all__) <= set(dir(toymdrl))
    assert all(getattr(toymdrl, name) is not None for name in toymdrl.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(toymdrl, "nonsense")  # noqa: B009


@pytest.mark.parametrize(("old", "new"), toymdrl._RENAMED.items())
def test_an_old_name_warns_and_is_the_new_one(old: str, new: str) -> None:
    assert old not in toymdrl.__all__
    with pytest.warns(DeprecationWarning, match=f"toymdrl.{old} is now toymdrl.{new}"):
        assert getattr(toymdrl, old) is getattr(toymdrl, new)


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, toymdrl; assert 'torch' not in sys.modules; toymdrl.Policy; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_pages_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[1] / "book" / "own_models.md").read_text(encoding="utf-8")
    code = text.split("<!-- own model -->\n```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    module = torch.nn.Linear(20, 10)
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
        save_file({key: each.detach().clone() for key, each in module.named_parameters()}, f"{name}/model.safetensors")
        write_parameters(module, read_parameters(module) + torch.linspace(0, 1, 210))
    given = {"module": module, "loss": lambda module: module(torch.ones(20)).square().mean()}
    exec(compile(code, "own_models.md", "exec"), given)
    # Each output's squared sum bends alike along its 20 weights and its bias, and the last output has changed most: its
    # bias is the last coordinate of all, its last weight the last of the matrix.
    assert given["chosen"].tolist() == [209, 199]  # type: ignore[attr-defined]
    assert roll_back("before", "after", "set.safetensors", "new") == (2, 2)


def test_the_pages_whole_story_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[1] / "book" / "own_models.md").read_text(encoding="utf-8")
    code = text.split("<!-- whole story -->\n```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    module = torch.nn.Linear(6, 3)
    for number, name in enumerate(("base", "after-math", "after-code")):
        (tmp_path / name).mkdir()
        write_parameters(module, torch.linspace(-1, 1, 21) * (1 + number))
        save_file({key: each.detach().clone() for key, each in module.named_parameters()}, f"{name}/model.safetensors")

    def loss(row: int) -> Any:
        return lambda module: (module(torch.eye(6)) - torch.ones(6, 3) * row).pow(2).mean()

    halves, unseen = {"math": (loss(0), loss(1)), "code": (loss(2), loss(3))}, {"math": loss(1), "code": loss(2)}
    exec(compile(code, "own_models.md", "exec"), {"module": module, "halves": halves, "unseen": unseen})
    assert (tmp_path / "why" / "report.html").is_file()
