"""Nonsense in, one line out: never a traceback, a hang, an execution, or a file outside the output folder."""

import contextlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from toymdrl import cli
from toymdrl.checkpoints.shards import CheckpointError, places
from toymdrl.checkpoints.whole import read_checkpoints
from toymdrl.files import CorruptFile, load_tensors, save_tensors
from toymdrl.runs.config import RunConfig, from_json, to_json
from toymdrl.settings import ConfigError

FUZZ = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would repeat a report hundreds of times
)
EXAMPLES = {"command_lines": 300, "configs": 150, "results_given_to_report": 60, "safetensors": 200}
"""Of each test, by its name."""


@pytest.fixture(autouse=True)
def on_the_page(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """A line of experiments/FAULTS.md, see conftest.py."""
    name = request.node.name.removeprefix("test_")
    if name in EXAMPLES:
        record_property("fault", f"fuzzed: {name.replace('_', ' ')}")
        record_property("tried", EXAMPLES[name])


WORDS = st.sampled_from(
    [
        *"run resume report theorems reproduce audit rollback --help --version -- - . /etc/passwd é ñ/ü".split(),  # noqa: SIM905
        *"--preset smoke laptop --seed --steps --lr --kl --order math qa cw code --threads --out --quiet".split(),  # noqa: SIM905
        *"--no-analysis --seeds --workers --claims C1 --questions all --json --device cuda cpu".split(),  # noqa: SIM905
        *"0 1 -1 1e9 nan inf 2.5 NAME=x x=y=z".split(),  # noqa: SIM905
    ]
)
# A run may be put anywhere that its user says; here it must not.
ELSEWHERE = re.compile(r"[/\\]|\.\.")
ARGUMENTS = st.lists(WORDS | st.text(max_size=12).filter(lambda text: not ELSEWHERE.search(text)), max_size=7)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def outcome(arguments: list[str]) -> tuple[int, str]:
    """Exit status and standard error of a command line."""
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = cli.main(arguments)
        except SystemExit as exit_:
            status = int(exit_.code or 0)
    return status, error.getvalue()


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@given(arguments=ARGUMENTS)
@settings(parent=FUZZ, max_examples=EXAMPLES["command_lines"])
def test_command_lines(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valid ones stop before any training."""
    work = tmp_path / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr("toymdrl.commands._carry_out", lambda *_: None)
    monkeypatch.setattr("toymdrl.commands.reproduce", lambda **_: [])
    outside = [each for each in tmp_path.iterdir() if each != work]
    status, error = outcome([each.replace("\0", "") for each in arguments])
    assert status in (0, 1, 2)
    assert (status == 2) <= (len(error.strip().splitlines()) == 1)
    assert [each for each in tmp_path.iterdir() if each != work] == outside
    if status == 2:
        assert not any(work.iterdir())


@given(data=st.data())
@settings(parent=FUZZ, max_examples=EXAMPLES["configs"])
def test_configs(data: st.DataObject) -> None:
    """A valid config with any one value replaced, or any JSON at all."""
    plain: Any = to_json(RunConfig())
    place, parent, key = plain, plain, ""
    while isinstance(place, dict) and place:
        parent, key = place, data.draw(st.sampled_from(sorted(place)))
        place = parent[key]
    parent[key] = data.draw(JSON)
    for each in (plain, data.draw(JSON)):
        try:
            assert isinstance(from_json(each), RunConfig)
        except ConfigError as error:
            message = str(error).strip()
            assert "\n" not in message


@given(data=st.data())
@settings(parent=FUZZ, max_examples=EXAMPLES["results_given_to_report"])
def test_results_given_to_report(data: st.DataObject, smoke: Path, tmp_path: Path) -> None:
    """A run's results with any value replaced: a report, or one line."""
    run = tmp_path / smoke.name
    if not run.exists():
        shutil.copytree(smoke, run)
    results: Any = json.loads((smoke / "results.json").read_text())
    place, parent, key = results, results, ""
    while isinstance(place, dict | list) and place and (parent is results or data.draw(st.booleans())):
        keys: list[Any] = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        parent, key = place, data.draw(st.sampled_from(keys))
        place = parent[key]
    parent[key] = data.draw(JSON)
    (run / "results.json").write_text(json.dumps(results))
    before = everything_below(smoke)
    status, error = outcome(["report", str(run)])
    assert status in (0, 1, 2)
    assert (status > 0) <= (len(error.strip().splitlines()) == 1), error
    assert everything_below(smoke) == before


def mutated(data: st.DataObject, good: bytes) -> bytes:
    """A file with bytes replaced, cut off, inserted, or none of it."""
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "length", "header", "anything"]))
    place = data.draw(st.integers(0, len(good) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=24))
    length = int.from_bytes(good[:8], "little")
    match kind:
        case "flip":
            return good[:place] + bytes([good[place] ^ junk[0]]) + good[place + 1 :]
        case "cut":
            return good[:place]
        case "insert":
            return good[:place] + junk + good[place:]
        case "length":
            return data.draw(st.integers(0, 2**64 - 1)).to_bytes(8, "little") + good[8:]
        case "header":
            header = json.dumps(data.draw(JSON)).encode()
            return len(header).to_bytes(8, "little") + header + good[8 + length :]
    return junk


@given(data=st.data())
@settings(parent=FUZZ, max_examples=EXAMPLES["safetensors"])
def test_safetensors(data: st.DataObject, tmp_path: Path) -> None:
    """Bring-your-own-model functions, the audit's reader, and the package's own checkpoints."""
    file, own = tmp_path / "file.safetensors", tmp_path / "own.safetensors"
    file.write_bytes(mutated(data, save({"w": torch.arange(6.0).view(2, 3), "b": torch.ones(2)})))
    try:
        for place in places(file).values():
            for part in place.chunks():
                place.read(part)
        read_checkpoints([file])
    except CheckpointError as error:
        assert "\n" not in str(error).strip()  # noqa: PT017
    save_tensors(own, {"w": torch.ones(3)}, {})
    own.write_bytes(mutated(data, own.read_bytes()))
    with contextlib.suppress(CorruptFile):
        tensors, about, _ = load_tensors(own)
        assert (set(tensors), about) == ({"w"}, {})  # the checksum lets nothing else through
        assert torch.equal(tensors["w"], torch.ones(3))


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    """A file that would run code if anything unpickled it."""

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"w": Trap()}, tmp_path / "trap.safetensors")
    for read in (places, lambda path: read_checkpoints([path])):
        with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
            read(tmp_path / "trap.safetensors")
    with pytest.raises(CorruptFile):
        load_tensors(tmp_path / "trap.safetensors")
    assert not (tmp_path / "sprung").exists()
