"""Audits and rollbacks of checkpoints on disk, against the same numbers from whole vectors in memory."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from toymdrl.analysis.edits import TOP, jaccard, measure_edit, neuron_norms, top_mask
from toymdrl.checkpoints import shards
from toymdrl.checkpoints.audit import Audit, audit_checkpoints, layers_of
from toymdrl.checkpoints.auditpage import as_json, page
from toymdrl.checkpoints.edit import STORED
from toymdrl.checkpoints.rollback import roll_back, save_coordinates
from toymdrl.neurons import neuron_coordinates
from toymdrl.parameters import read_parameters, write_parameters

SIZES: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
}


def model(kind: str) -> nn.Module:
    """A small model with random weights."""
    torch.manual_seed(0)  # transformers draws from the global stream
    if kind == "qwen":
        return Qwen2ForCausalLM(Qwen2Config(num_hidden_layers=3, **SIZES))
    return LlamaForCausalLM(LlamaConfig(num_hidden_layers=2, **SIZES))


class Trained:
    """A base and two trainings from it, on disk and in memory."""

    def __init__(self, folder: Path, kind: str, dtype: torch.dtype, sharded: bool) -> None:
        self.module = model(kind).to(dtype)
        start = read_parameters(self.module)
        generator = torch.Generator().manual_seed(1)
        self.vectors, self.paths = [], []
        for name in ("base", "a", "b"):
            drift = torch.randn(start.shape, generator=generator) * (start.abs().float() * 4e-3)
            drift[torch.rand(start.shape, generator=generator) < 0.5] = 0
            write_parameters(self.module, start if name == "base" else (start.float() + drift).to(dtype))
            self.vectors.append(read_parameters(self.module))
            self.module.save_pretrained(folder / name, max_shard_size="40KB" if sharded else "1GB")  # type: ignore[operator]
            self.paths.append(folder / name)


@pytest.fixture(
    scope="module",
    params=[
        ("llama", torch.float32, False),
        ("llama", torch.bfloat16, True),
        ("qwen", torch.bfloat16, False),
        ("qwen", torch.float32, True),
    ],
    ids=lambda p: f"{p[0]}-{str(p[1])[6:]}-{'shards' if p[2] else 'file'}",
)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("trained"), *request.param)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that every matrix takes several."""
    monkeypatch.setattr(shards, "CHUNK", 100)


@pytest.fixture
def found(trained: Trained) -> Audit:
    base, a, b = trained.paths
    return audit_checkpoints(base, {"a": a, "b": b})


def test_the_whole_model_is_as_in_memory(trained: Trained, found: Audit) -> None:
    base, a, b = (each.float() for each in trained.vectors)
    for name, after in (("a", a), ("b", b)):
        true, mine = measure_edit(name, base, after), found.edits[name][""]
        assert mine.weights == len(base)
        assert mine.squared**0.5 == pytest.approx(true.norm, rel=1e-5)
        assert mine.base_squared**0.5 == pytest.approx(true.weight_norm, rel=1e-5)
        assert mine.unchanged["the paper's thresholds"] == pytest.approx(true.unchanged_paper, abs=1e-9)
        assert mine.unchanged[STORED] == pytest.approx(float((base == after).double().mean()), abs=1e-9)
        for each, share in true.unchanged.items():
            assert mine.unchanged[each] == pytest.approx(share, abs=1e-9)
        assert mine.below == pytest.approx(list(true.below), abs=1e-9)
    one, two = (a - base).double(), (b - base).double()
    pair = found.pairs["a", "b"][""]
    assert pair.cosine == pytest.approx(float(one @ two / (one.norm() * two.norm())), abs=1e-6)
    where = neuron_coordinates({name: weight.shape for name, weight in trained.module.named_parameters()})
    tops = [top_mask(neuron_norms(each, where), TOP) for each in (one, two)]
    assert pair.jaccard == pytest.approx(jaccard(*tops), abs=1e-12)


def test_layers_add_up_to_the_model(found: Audit) -> None:
    for by_layer in found.edits.values():
        layers = [edit for layer, edit in by_layer.items() if layer]
        assert len(layers) > 2
        assert sum(edit.weights for edit in layers) == by_layer[""].weights
        assert sum(edit.squared for edit in layers) == pytest.approx(by_layer[""].squared)
        same = sum(edit.unchanged[STORED] * edit.weights for edit in layers)
        assert same == pytest.approx(by_layer[""].unchanged[STORED] * by_layer[""].weights)


def test_the_page_and_its_json_tell_the_same(found: Audit) -> None:
    text, data = "\n".join(page(found)), json.loads(json.dumps(as_json(found)))
    assert f"{found.pairs['a', 'b'][''].cosine:+.4f}" in text
    assert data["pairs"][0]["layers"][""]["cosine"] == found.pairs["a", "b"][""].cosine
    assert "layer 1" in text


def test_a_rollback_puts_back_what_was_chosen_and_nothing_else(trained: Trained, tmp_path: Path) -> None:
    base, a, _ = trained.paths
    start, end, _ = trained.vectors
    chosen = torch.randperm(len(start), generator=torch.Generator().manual_seed(2))[: len(start) // 20]
    save_coordinates(trained.module, chosen, tmp_path / "set.safetensors")
    count, changed = roll_back(base, a, tmp_path / "set.safetensors", tmp_path / "out")
    wanted = end.clone()
    wanted[chosen] = start[chosen]
    assert count == len(chosen)
    assert changed == int((wanted != end).sum()) > 0
    tensors: dict[str, Tensor] = {}
    for file in (tmp_path / "out").glob("*.safetensors"):
        tensors |= load_file(file)
    mine = torch.cat([tensors[name].flatten() for name, _ in trained.module.named_parameters()])
    assert mine.dtype == next(trained.module.parameters()).dtype
    assert torch.equal(mine.to(wanted), wanted)
    assert (tmp_path / "out" / "config.json").read_bytes() == (a / "config.json").read_bytes()
    loaded = type(trained.module).from_pretrained(tmp_path / "out", dtype=mine.dtype)  # type: ignore[attr-defined]
    assert torch.equal(read_parameters(loaded), wanted)


ROUTER = {"mlp.gate.weight": torch.ones(8, 3)}
LONE_DOWN = {"h.0.mlp.down_proj.weight": torch.ones(3, 20)}
LOW_RANK = {"w.lora.down.weight": torch.ones(4, 76), "w.lora.up.weight": torch.ones(32, 4)}
WHOLE = {"mlp.gate_proj.weight": torch.ones(20, 3), "mlp.up_proj.weight": torch.ones(20, 3)}


@pytest.mark.parametrize(
    ("tensors", "neurons"),
    [
        (ROUTER | LONE_DOWN, 0),
        (LOW_RANK, 0),
        (LOW_RANK | {"w.lora.gate.weight": torch.ones(32, 4)}, 0),
        (ROUTER | WHOLE | {"mlp.down_proj.weight": torch.ones(3, 20)}, 20),
    ],
)
def test_what_is_no_whole_mlp_has_no_neurons(tensors: dict[str, torch.Tensor], neurons: int, tmp_path: Path) -> None:
    for name, shift in (("base", 0.0), ("a", 0.1), ("b", 0.2)):
        # No two matrices alike: those would be tied weights.
        different = {key: each + shift * (1 + number) for number, (key, each) in enumerate(tensors.items())}
        save_file(different, tmp_path / f"{name}.safetensors")
    base, a, b = (tmp_path / f"{name}.safetensors" for name in ("base", "a", "b"))
    assert audit_checkpoints(base, {"a": a, "b": b}).pairs["a", "b"][""].jaccard == (1.0 if neurons else None)


def test_small_changes_of_float64_are_seen_and_empty_tensors_pass(tmp_path: Path) -> None:
    for name, shift in (("base", 0.0), ("a", 1e-12)):
        tensors = {"w": torch.ones(4, dtype=torch.float64) + shift, "none": torch.zeros(3, 0)}
        save_file(tensors, tmp_path / f"{name}.safetensors")
    edit = audit_checkpoints(tmp_path / "base.safetensors", {"a": tmp_path / "a.safetensors"}).edits["a"][""]
    assert edit.unchanged[STORED] == 0
    assert edit.squared**0.5 == pytest.approx(2e-12, rel=1e-3)


def test_the_cosines_chance_is_that_of_random_signs(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.randn(500, generator=generator).mul(2).exp() for _ in range(2))
    for name, tensor in (("base", torch.zeros(500)), ("a", one), ("b", two)):
        save_file({"w": tensor}, tmp_path / f"{name}.safetensors")
    base, a, b = (tmp_path / f"{name}.safetensors" for name in ("base", "a", "b"))
    chance = audit_checkpoints(base, {"a": a, "b": b}).pairs["a", "b"][""].chance_cosine
    signs = torch.randint(0, 2, (4000, 500), generator=generator) * 2.0 - 1
    drawn = (signs @ (one * two)) / (one.norm() * two.norm())
    assert chance == pytest.approx(float(drawn.std()), rel=0.05)


def test_layers_of_many_models() -> None:
    for name, layer in {
        "model.layers.11.mlp.up_proj.weight": "layer 11",
        "transformer.h.2.attn.weight": "layer 2",
        "blocks.0.gate.weight": "layer 0",
        "encoder.layer.3.output.weight": "layer 3",
        "encoder.block.10.layer.1.w": "layer 10",
        "model.embed_tokens.weight": "rest",
    }.items():
        assert layers_of([name]) == {name: layer}
    assert layers_of(["visual.blocks.0.w", "model.layers.0.w"]) == {
        "visual.blocks.0.w": "visual.blocks 0",
        "model.layers.0.w": "model.layers 0",
    }


def mlp(folder: Path, name: str, changed: Sequence[int], dtype: torch.dtype = torch.float32) -> Path:
    """A checkpoint of one attention and one MLP of 100 neurons, some of which have changed by 1."""
    gate = torch.zeros(100, 4)
    gate[list(changed)] = 1.0
    tensors = {"gate_proj": gate, "up_proj": torch.zeros(100, 4), "down_proj": torch.zeros(4, 100)}
    weights = {f"model.layers.0.mlp.{part}.weight": each.to(dtype) for part, each in tensors.items()}
    attention = torch.full((4, 4), 0.0 if name == "base" else 1.0).to(dtype)
    file = folder / f"{name}.safetensors"
    save_file(weights | {"model.layers.0.self_attn.q_proj.weight": attention}, file)
    return file


@pytest.mark.parametrize(("a", "b", "expected"), [((), (), 0.0), ((3,), (70,), 0.0), ((3,), (3,), 1.0)])
def test_neurons_that_did_not_change_are_not_among_the_most_changed(
    a: Sequence[int], b: Sequence[int], expected: float, tmp_path: Path
) -> None:
    base, one, two = mlp(tmp_path, "base", ()), mlp(tmp_path, "one", a), mlp(tmp_path, "two", b)
    assert audit_checkpoints(base, {"a": one, "b": two}).pairs["a", "b"][""].jaccard == expected


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bits_are_read(dtype: torch.dtype, tmp_path: Path) -> None:
    base, after = mlp(tmp_path, "base", (), dtype), mlp(tmp_path, "after", (3, 5), dtype)
    found = audit_checkpoints(base, {"after": after})
    assert found.edits["after"][""].squared == 2 * 4 + 16
    assert not found.skipped
    chosen = tmp_path / "set.safetensors"
    save_file({"model.layers.0.mlp.gate_proj.weight": torch.tensor([12, 0])}, chosen)
    assert roll_back(base, after, chosen, tmp_path / "out.safetensors") == (2, 1)
    assert audit_checkpoints(base, {"out": tmp_path / "out.safetensors"}).edits["out"][""].squared == 7 + 16


def test_integers_are_not_compared_and_said_so(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.safetensors" for name in ("base", "a")]
    for file in files:
        save_file({"w": torch.ones(4), "steps": torch.tensor([len(file.stem)], dtype=torch.uint8)}, file)
    found = audit_checkpoints(files[0], {"a": files[1]})
    assert found.skipped == ("steps",)
    assert page(found)[-1].endswith("steps.")
