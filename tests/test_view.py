"""One view of a checkpoint: tied, wrapped, split or grown, the same tensors are compared, written and loaded."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from toymdrl.checkpoints.audit import audit_checkpoints
from toymdrl.checkpoints.names import bare, matched
from toymdrl.checkpoints.rollback import roll_back, save_coordinates
from toymdrl.checkpoints.shards import CheckpointError
from toymdrl.checkpoints.whole import as_vector, read_checkpoints
from toymdrl.parameters import flatten, read_parameters, trainable_parameters, write_parameters
from toymdrl.streams import stream

WRAPPERS = ("", "module.", "_orig_mod.", "module._orig_mod.", "base_model.model.")


def llama(*, tied: bool) -> transformers.LlamaForCausalLM:
    config = transformers.LlamaConfig(
        vocab_size=16,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=1,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    write_parameters(model, torch.randn(read_parameters(model).shape, generator=stream("view", int(tied))))
    return model


def moved(model: nn.Module, *purpose: str) -> Tensor:
    """Parameters after a training that changes about half of the weights."""
    generator = stream("moved", *purpose)
    start = read_parameters(model)
    change = torch.randn(start.shape, generator=generator)
    return start + 0.1 * change * (torch.rand(start.shape, generator=generator) < 0.5)


def store(
    folder: Path, model: nn.Module, *, twice: bool, shards: int, wrapper: str, dtype: torch.dtype = torch.float32
) -> Path:
    """A model's folder as different libraries write it."""
    folder.mkdir(parents=True)
    weights = {wrapper + name: weight.detach().clone().to(dtype) for name, weight in model.named_parameters()}
    if twice:  # what has several names is stored under each
        every = model.named_parameters(remove_duplicate=False)
        weights = {wrapper + name: weight.detach().clone().to(dtype) for name, weight in every}
    names = sorted(weights)
    shard_of = {name: f"model-{1 + number % shards:05}-of-{shards:05}.safetensors" for number, name in enumerate(names)}
    if shards == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        for shard in set(shard_of.values()):
            part = {name: weights[name] for name in names if shard_of[name] == shard}
            save_file(part, folder / shard, metadata={"format": "pt"})
        index = {"metadata": {}, "weight_map": shard_of}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    model.config.save_pretrained(folder)  # type: ignore[union-attr, operator]
    return folder


LAYOUTS = st.fixed_dictionaries(
    {"twice": st.booleans(), "shards": st.integers(1, 3), "wrapper": st.sampled_from(WRAPPERS)}
)


@given(tied=st.booleans(), before=LAYOUTS, after=LAYOUTS, count=st.integers(1, 60), seed=st.integers(0, 99))
@settings(max_examples=30)
def test_what_was_asked_is_put_back_however_it_is_stored(
    tied: bool,
    before: dict[str, object],
    after: dict[str, object],
    count: int,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    here = tmp_path_factory.mktemp("view")
    model = llama(tied=tied)
    start, end = read_parameters(model), moved(model, str(seed))
    store(here / "before", model, **before)  # type: ignore[arg-type]
    write_parameters(model, end)
    store(here / "after", model, **after)  # type: ignore[arg-type]
    chosen = torch.randperm(len(start), generator=stream("chosen", seed))[:count]
    save_coordinates(model, chosen, here / "set.safetensors")
    asked, changed = roll_back(here / "before", here / "after", here / "set.safetensors", here / "new")
    wanted = end.clone()
    wanted[chosen] = start[chosen]
    assert (asked, changed) == (count, int((wanted != end).sum()))
    (read,) = read_checkpoints([here / "new"])
    assert torch.equal(as_vector(model, read), wanted)
    # The whole file, copies included: nothing else has changed.
    stored: dict[str, Tensor] = {}
    for file in (here / "new").glob("*.safetensors"):
        stored |= {bare(name): tensor for name, tensor in load_file(file).items()}
    write_parameters(model, wanted)
    for name, weight in model.named_parameters(remove_duplicate=False):
        if name in stored:
            assert torch.equal(stored[name], weight), name
    if not after["wrapper"]:
        loaded = transformers.LlamaForCausalLM.from_pretrained(here / "new")
        assert torch.equal(read_parameters(loaded), wanted)
        assert (loaded.lm_head.weight is loaded.model.embed_tokens.weight) == tied


@given(tied=st.booleans(), layouts=st.tuples(LAYOUTS, LAYOUTS, LAYOUTS))
@settings(max_examples=20)
def test_an_audit_counts_every_weight_once(
    tied: bool, layouts: tuple[dict[str, object], ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tmp_path_factory.mktemp("view")
    model = llama(tied=tied)
    vectors = [read_parameters(model), moved(model, "a"), moved(model, "b")]
    for name, vector, layout in zip(("base", "a", "b"), vectors, layouts, strict=True):
        write_parameters(model, vector)
        store(here / name, model, **layout)  # type: ignore[arg-type]
    found = audit_checkpoints(here / "base", {"a": here / "a", "b": here / "b"})
    one, two = (vector - vectors[0] for vector in vectors[1:])
    assert found.edits["a"][""].weights == len(one)
    assert found.edits["a"][""].squared == pytest.approx(float(one.double().square().sum()), rel=1e-5)
    cosine = float(one.double() @ two.double()) / float(one.double().norm() * two.double().norm())
    assert found.pairs["a", "b"][""].cosine == pytest.approx(cosine, abs=1e-5)


def test_rounding_is_no_training(tmp_path: Path) -> None:
    """Two trainings that share nothing, stored more coarsely than their base."""
    base = 0.02 * torch.randn(40_000, generator=stream("rounding"))
    save_file({"w": base}, tmp_path / "base.safetensors")
    for name in "ab":
        after = base + 2e-5 * torch.randn(40_000, generator=stream("rounding", name))
        save_file({"w": after.bfloat16()}, tmp_path / f"{name}.safetensors")
    found = audit_checkpoints(tmp_path / "base.safetensors", {name: tmp_path / f"{name}.safetensors" for name in "ab"})
    pair = found.pairs["a", "b"][""]
    assert abs(pair.cosine) < 4 * pair.chance_cosine
    # What two trainings do share is seen all the same.
    shared = 2e-5 * torch.randn(40_000, generator=stream("rounding", "shared"))
    for name in "ab":
        own = 2e-5 * torch.randn(40_000, generator=stream("rounding", name))
        save_file({"w": (base + shared + own).bfloat16()}, tmp_path / f"{name}.safetensors")
    also = audit_checkpoints(tmp_path / "base.safetensors", {name: tmp_path / f"{name}.safetensors" for name in "ab"})
    assert also.pairs["a", "b"][""].cosine > 10 * also.pairs["a", "b"][""].chance_cosine
    assert found.notes[:2] == (
        "a is stored as BF16 where the base is F32: the base is rounded likewise",
        "b is stored as BF16 where the base is F32: the base is rounded likewise",
    )


@pytest.mark.parametrize("coarse", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_a_base_that_loses_nothing_by_rounding_is_compared_as_it_is(coarse: torch.dtype, tmp_path: Path) -> None:
    generator = stream("lossless")
    base = torch.randint(-8, 8, (200,), generator=generator).float()
    trained = {name: base + torch.randint(0, 3, (200,), generator=generator) for name in "ab"}
    save_file({"w": base}, tmp_path / "base.safetensors")
    for name, after in trained.items():
        save_file({"w": after.to(coarse)}, tmp_path / f"{name}.safetensors")
    found = audit_checkpoints(tmp_path / "base.safetensors", {name: tmp_path / f"{name}.safetensors" for name in "ab"})
    one, two = (after.to(coarse).double() - base.double() for after in trained.values())
    assert found.edits["a"][""].squared == float(one.square().sum())
    assert found.pairs["a", "b"][""].cosine == pytest.approx(float(one @ two / (one.norm() * two.norm())), abs=1e-12)
    assert sum("the base is rounded likewise" in note for note in found.notes) == 2


def two_models(folder: Path, second: str) -> Path:
    """A folder of numbered shards with an index, and another file of weights."""
    store(folder, llama(tied=False), twice=True, shards=2, wrapper="")
    save_file({"model.norm.weight": torch.full((8,), 7.0)}, folder / second)
    return folder


def test_nothing_goes_along_that_would_load_as_it_was(tmp_path: Path) -> None:
    before, after = (two_models(tmp_path / name, "consolidated.safetensors") for name in ("before", "after"))
    for name in ("weights.npz", "model.onnx_data", "rust_model.ot", "pytorch_model.bin", "model.bak", "optimizer.pt"):
        (after / name).write_bytes(b"as it was")
    for name in ("tokenizer.json", "tokenizer.model", "merges.txt", "LICENSE"):
        (after / name).write_bytes(b"needed")
    save_file({"model.norm.weight": torch.arange(8)}, tmp_path / "set.safetensors")
    roll_back(before, after, tmp_path / "set.safetensors", tmp_path / "new")
    there = {file.name for file in (tmp_path / "new").iterdir()}
    assert there == {file.name for file in after.iterdir() if file.suffix in {".json", ".model", ".txt", ""}} | {
        f"model-0000{number}-of-00002.safetensors" for number in (1, 2)
    }


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (
            lambda folder: save_file({"w": torch.ones(2)}, folder / "model.safetensors"),
            "two models; remove one of them",
        ),
        (
            lambda folder: (folder / "model-00001-of-00002.safetensors").write_text(
                "version https://git-lfs.github.com"
            ),
            "is a git-lfs pointer, not the weights; run `git lfs pull` there",
        ),
        (
            lambda folder: [
                (folder / "model.safetensors.index.json").unlink(),
                save_file({"w": torch.ones(2)}, folder / "consolidated.safetensors"),
            ],
            "numbered shards and consolidated.safetensors: two models",
        ),
    ],
    ids=["one file beside an index", "a pointer", "another file beside shards"],
)
def test_a_folder_that_is_no_one_model_is_refused(spoil: object, problem: str, tmp_path: Path) -> None:
    folder = store(tmp_path / "model", llama(tied=False), twice=True, shards=2, wrapper="")
    assert callable(spoil)
    spoil(folder)
    with pytest.raises(CheckpointError, match=problem):
        read_checkpoints([folder])


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    save_file({"w.weight": torch.ones(4, 4), "w.weight_scale": torch.ones(4)}, tmp_path / "q.safetensors")
    with pytest.raises(CheckpointError, match="quantised weights"):
        audit_checkpoints(tmp_path / "q.safetensors", {"a": tmp_path / "q.safetensors"})


def test_what_is_computed_anew_and_a_grown_vocabulary_are_said(tmp_path: Path) -> None:
    generator = stream("grown")
    rows = torch.randn(18, 4, generator=generator)
    body = torch.randn(4, 4, generator=generator)
    save_file(
        {"embed_tokens.weight": rows[:16].clone(), "w": body, "rotary.inv_freq": torch.ones(2)},
        tmp_path / "a.safetensors",
    )
    save_file({"embed_tokens.weight": rows + 1, "w": body + 1}, tmp_path / "b.safetensors")
    found = audit_checkpoints(tmp_path / "a.safetensors", {"b": tmp_path / "b.safetensors"})
    assert found.edits["b"][""].weights == 16 * 4 + 16
    assert found.edits["b"][""].squared == pytest.approx(80, rel=1e-5)
    assert any("inv_freq" in note and "left out" in note for note in found.notes)
    assert any("first 16 rows are compared" in note for note in found.notes)
    save_file({"w": torch.tensor([0])}, tmp_path / "set.safetensors")
    with pytest.raises(CheckpointError, match="has shape"):
        roll_back(
            tmp_path / "a.safetensors", tmp_path / "b.safetensors", tmp_path / "set.safetensors", tmp_path / "new"
        )


def test_embeddings_that_a_config_ties_and_that_differ_are_not_put_back(tmp_path: Path) -> None:
    model = llama(tied=True)
    for name in ("before", "after"):
        folder = store(tmp_path / name, model, twice=True, shards=1, wrapper="")
        weights = load_file(folder / "model.safetensors")
        weights["lm_head.weight"] = weights["lm_head.weight"] + 1
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        write_parameters(model, moved(model))
    save_coordinates(model, torch.arange(5), tmp_path / "set.safetensors")
    with pytest.raises(CheckpointError, match="and they differ; save it with one of them"):
        roll_back(tmp_path / "before", tmp_path / "after", tmp_path / "set.safetensors", tmp_path / "new")
    assert not (tmp_path / "new").exists()


NAMES = st.lists(
    st.from_regex(r"[a-z]{1,4}(\.[a-z0-9]{1,3}){1,3}", fullmatch=True), min_size=1, max_size=6, unique=True
)


@given(names=NAMES, one=st.sampled_from(WRAPPERS), other=st.sampled_from(WRAPPERS))
def test_wrapped_names_are_matched(names: list[str], one: str, other: str) -> None:
    if any(name.startswith(("module.", "base.")) for name in names):
        return
    found = matched([one + name for name in names], [other + name for name in names])
    assert found == {one + name: other + name for name in names}


def test_a_base_models_prefix_is_matched() -> None:
    body = ["h.0.w", "h.1.w", "wte.weight"]
    assert matched([f"transformer.{name}" for name in body], body) == {f"transformer.{name}": name for name in body}
    assert matched(body, [f"transformer.{name}" for name in body]) == {name: f"transformer.{name}" for name in body}


def test_a_module_is_found_by_any_of_its_names(tmp_path: Path) -> None:
    tied = llama(tied=True)
    one_name = {name: weight.detach().clone() for name, weight in tied.named_parameters(remove_duplicate=False)}
    del one_name["model.embed_tokens.weight"]
    assert torch.equal(as_vector(tied, one_name), read_parameters(tied))
    compiled = torch.compile(nn.Linear(3, 2), backend="eager")
    weights = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
    assert torch.equal(as_vector(compiled, weights), flatten([torch.ones(6), torch.zeros(2)]))  # type: ignore[arg-type]
    assert len(trainable_parameters(tied)) < len(one_name) + 1
    with pytest.raises(CheckpointError, match=r"'weight' .* missing .* has 'wait'; .*save_original_format=False"):
        as_vector(nn.Linear(3, 2), {"wait": torch.ones(2, 3)})
