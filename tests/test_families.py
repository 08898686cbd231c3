"""Other people's models: files, rollbacks, audits, neurons and curvature of some thirty families of transformers."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests.families import BY_NAME, FAMILIES, Family, logits, loss
from toymdrl.analysis.edits import TOP, jaccard, neuron_norms, top_mask
from toymdrl.checkpoints.audit import audit_checkpoints
from toymdrl.checkpoints.edit import STORED
from toymdrl.checkpoints.rollback import roll_back, save_coordinates
from toymdrl.checkpoints.shards import CheckpointError
from toymdrl.checkpoints.whole import as_vector, read_checkpoints
from toymdrl.curvature import Hessian, gradient
from toymdrl.neurons import neuron_coordinates
from toymdrl.parameters import at_parameters, read_parameters, trainable_parameters, write_parameters
from toymdrl.streams import stream

WRAPPERS = ("", "module.", "_orig_mod.", "module._orig_mod.")
ROUNDING = {"gemma2": 0.5, "gemma3": 0.2}
"""Relative error of a product in bfloat16, where these normalise what has just been normalised; 0.05 for all others."""
WIDTH = 8
"""Of all these models: what a neuron has in the matrix that leads out of it."""

RENAMED = {"gpt_neox", "mixtral", "qwen2_moe", "qwen3_moe"}
"""Families whose weights transformers saves under other names than the module has."""
LAYOUTS = st.fixed_dictionaries(
    {"shard": st.sampled_from(["1GB", "2KB", "1KB"]), "wrapper": st.sampled_from(WRAPPERS), "twice": st.booleans()}
)
CASES = {
    "family": st.sampled_from(FAMILIES),
    "tied": st.booleans(),
    "dtype": st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
    "seed": st.integers(0, 99),
}


def moved(start: Tensor, *purpose: str | int) -> Tensor:
    """Parameters after a training that changes about half of them."""
    generator = stream("families", "moved", *purpose)
    change = 0.1 * torch.randn(start.shape, generator=generator)
    return start + change * (torch.rand(start.shape, generator=generator) < 0.5)


def stored(model: nn.Module, vector: Tensor, folder: Path, layout: dict[str, object]) -> Tensor:
    """Save a model at some parameters as transformers does, then as wrappers and others would have; what it holds."""
    write_parameters(model, vector)
    model.save_pretrained(folder, max_shard_size=layout["shard"], save_original_format=False)  # type: ignore[operator]
    tied = dict(model.named_parameters(remove_duplicate=False))
    for file in folder.glob("*.safetensors"):
        tensors = load_file(file)
        # Older versions of libraries store what is tied under each of its names; with shards, in any of them.
        if layout["twice"] and layout["shard"] == "1GB":
            tensors |= {name: weight.detach().clone() for name, weight in tied.items() if name not in tensors}
        save_file({f"{layout['wrapper']}{name}": each for name, each in tensors.items()}, file, {"format": "pt"})
    if layout["wrapper"]:
        # The index names what was: numbered shards are read without one.
        (folder / "model.safetensors.index.json").unlink(missing_ok=True)
    return read_parameters(model)


def loaded(model: nn.Module, folder: Path) -> nn.Module:
    """What transformers makes of a folder."""
    dtype = next(model.parameters()).dtype
    found, about = type(model).from_pretrained(folder, dtype=dtype, output_loading_info=True)  # type: ignore[attr-defined]
    assert not about["missing_keys"]
    assert not about["unexpected_keys"]
    assert isinstance(found, nn.Module)
    return found


@given(**CASES, before=LAYOUTS, shard=st.sampled_from(["1GB", "2KB"]), count=st.integers(1, 200))
@settings(max_examples=40)
def test_a_rolled_back_folder_loads_with_exactly_the_asked_weights(
    family: Family,
    tied: bool,
    dtype: torch.dtype,
    seed: int,
    before: dict[str, object],
    shard: str,
    count: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    here, model = tmp_path_factory.mktemp("families"), family.build(tied=tied).to(dtype)
    start = stored(model, read_parameters(model), here / "before", before)
    # This one is loaded by transformers, which knows no wrappers.
    plain = {"shard": shard, "wrapper": "", "twice": False}
    end = stored(model, moved(start, seed), here / "after", plain)
    chosen = torch.randperm(len(start), generator=stream("families", "chosen", seed))[:count]
    save_coordinates(model, chosen, here / "set.safetensors")
    asked, changed = roll_back(here / "before", here / "after", here / "set.safetensors", here / "new")
    wanted = end.clone()
    wanted[chosen] = start[chosen]
    assert (asked, changed) == (count, int((wanted != end).sum()))
    found = loaded(model, here / "new")
    assert torch.equal(read_parameters(found), wanted)
    assert len(trainable_parameters(found)) == len(trainable_parameters(model))


@given(**CASES, layouts=st.tuples(LAYOUTS, LAYOUTS, LAYOUTS))
@settings(max_examples=40)
def test_an_audit_is_what_the_loaded_models_say(
    family: Family,
    tied: bool,
    dtype: torch.dtype,
    seed: int,
    layouts: Sequence[dict[str, object]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    here, model = tmp_path_factory.mktemp("families"), family.build(tied=tied).to(dtype)
    vectors, origin = [], read_parameters(model)
    wanted = [origin, moved(origin, seed, "a"), moved(origin, seed, "b")]
    for name, vector, layout in zip(("base", "a", "b"), wanted, layouts, strict=True):
        vectors.append(stored(model, vector, here / name, layout).double())
    found = audit_checkpoints(here / "base", {name: here / name for name in "ab"})
    base, one, two = vectors[0], vectors[1] - vectors[0], vectors[2] - vectors[0]
    for name, delta in (("a", one), ("b", two)):
        edit = found.edits[name][""]
        assert edit.weights == len(base)
        assert edit.squared == pytest.approx(float(delta.square().sum()), rel=1e-5)
        assert edit.base_squared == pytest.approx(float(base.square().sum()), rel=1e-5)
        assert edit.unchanged[STORED] == pytest.approx(float((delta == 0).double().mean()), abs=1e-12)
    pair = found.pairs["a", "b"][""]
    assert pair.cosine == pytest.approx(float(one @ two / (one.norm() * two.norm())), abs=1e-6)
    coordinates = neuron_coordinates(_shapes(model))
    tops = [top_mask(neuron_norms(delta, coordinates), TOP) for delta in (one, two)]
    assert pair.jaccard == pytest.approx(jaccard(*tops), abs=1e-12)
    # The one folder that transformers can load is read as it loads it.
    if not layouts[0]["wrapper"]:
        assert torch.equal(read_parameters(loaded(model, here / "base")).double(), base)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_hessian_products_are_differences_of_gradients(family: Family, tied: bool) -> None:
    model = family.build(tied=tied).double()
    start, generator = read_parameters(model), stream("families", "directions")
    v, u = (torch.randn(start.shape, generator=generator, dtype=start.dtype) for _ in range(2))
    v, u = v / v.norm(), u / u.norm()
    hessian = Hessian(model, loss, keep_graph=False)
    product, other = hessian @ v, hessian @ u

    def slope(step: float) -> Tensor:
        with at_parameters(model, start + step * v):
            return gradient(model, loss)

    # Norms and rotations are rounded to float32 inside of these models, so a step must be long, and the difference of
    # sixth order; how long is best depends on how fast the curvature changes.
    weights = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
    errors = []
    for step in (0.001, 0.003, 0.01, 0.03):
        difference = torch.zeros_like(start)
        for steps, weight in weights.items():
            difference += weight * (slope(steps * step) - slope(-steps * step)) / step
        errors.append(float((product - difference).norm()))
    assert min(errors) < 1e-4 * float(product.norm())
    scale = max(float(product.norm()), float(other.norm()))
    assert abs(float(u @ product) - float(v @ other)) < 1e-5 * scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_products_of_a_model_as_it_is_loaded_are_near_those_in_float64(family: Family, dtype: torch.dtype) -> None:
    model = family.build(tied=True).to(dtype)
    v = torch.randn(read_parameters(model).shape, generator=stream("families", "direction"))
    mine = Hessian(model, loss) @ v
    assert mine.dtype == torch.float32
    exact = Hessian(model.double(), loss) @ v.double()
    error = float((mine - exact).norm()) / float(exact.norm())
    assert error < (1e-3 if dtype == torch.float32 else ROUNDING.get(family.name, 0.05))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_neuron_is_all_that_its_activation_passes_through(family: Family) -> None:
    """With nothing leading out of it, a neuron's other weights may be anything; another neuron's may not."""
    model = family.build(tied=False).double()
    coordinates = neuron_coordinates(_shapes(model))
    chosen = torch.randperm(len(coordinates), generator=stream("families", "neuron"))[:4]
    into, out = coordinates[:, :-WIDTH], coordinates[:, -WIDTH:]
    noise = torch.randn(into.shape, generator=stream("families", "noise"), dtype=torch.float64)
    for neuron in chosen:
        cut = read_parameters(model)
        cut[out[neuron]] = 0
        changed = cut.clone()
        changed[into[neuron]] += noise[neuron]
        assert torch.equal(_at(model, cut), _at(model, changed))
    # Of all others at once: a single one may be of an expert that these tokens do not reach.
    others = torch.ones(len(coordinates), dtype=torch.bool)
    others[chosen[-1]] = False
    changed = cut.clone()
    changed[into[others].flatten()] += noise[others].flatten()
    assert not torch.allclose(_at(model, cut), _at(model, changed), rtol=1e-3)


def _at(model: nn.Module, vector: Tensor) -> Tensor:
    with at_parameters(model, vector), torch.no_grad():
        return logits(model)


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in model.named_parameters()}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_files_that_transformers_renamed_are_read_or_refused_with_what_to_type(family: Family, tmp_path: Path) -> None:
    model = family.build(tied=False)
    model.save_pretrained(tmp_path / "model")  # type: ignore[operator]
    (tensors,) = read_checkpoints([tmp_path / "model"])
    if family.name in RENAMED:
        with pytest.raises(CheckpointError, match="save_original_format=False"):
            as_vector(model, tensors)
        model.save_pretrained(tmp_path / "again", save_original_format=False)  # type: ignore[operator]
        (tensors,) = read_checkpoints([tmp_path / "again"])
    assert torch.equal(as_vector(model, tensors), read_parameters(model))


def test_there_are_as_many_families_as_we_say() -> None:
    assert len(BY_NAME) == len(FAMILIES) >= 30
    assert all(hasattr(transformers, family.model) for family in FAMILIES)
