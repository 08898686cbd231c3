"""Models of many families as transformers itself saves and loads them: put back, audited, and their curvature.

What a loader makes of the files is the judge: no name, shape or copy is known here.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tests.families import FAMILIES, Family, loss_of
from toymdrl.checkpoints.audit import WHOLE, audit_checkpoints
from toymdrl.checkpoints.edit import STORED
from toymdrl.checkpoints.rollback import roll_back, save_coordinates
from toymdrl.checkpoints.shards import INDEX, CheckpointError
from toymdrl.checkpoints.whole import as_vector, read_checkpoints
from toymdrl.curvature import Hessian, gradient
from toymdrl.neurons import neuron_coordinates
from toymdrl.parameters import at_parameters, flatten, read_parameters, write_parameters
from toymdrl.streams import stream

transformers.utils.logging.disable_progress_bar()

WIDTH = 8
"""Of all these models: what a neuron has in the matrix that leads out of it."""
WITHOUT_NEURONS = {
    "GptOssForCausalLM": "in an order that differs between models",
    "MambaForCausalLM": "no MLP is called as one",
}
"""Families whose neurons names and shapes do not tell, and why."""
STEP = 1e-4
"""Of a central difference: its error, of second order, and that of rounding are both far below the tolerances."""


@dataclass(frozen=True)
class Layout:
    """How a checkpoint is stored."""

    dtype: torch.dtype = torch.float32
    sharded: bool = False
    wrapper: str = ""


FORMATS = st.sampled_from((torch.float32, torch.bfloat16, torch.float16))
BARE = st.builds(Layout, FORMATS, st.booleans())
WRAPPED = st.builds(Layout, FORMATS, st.booleans(), st.sampled_from(("", "module.", "_orig_mod.")))


def moved(start: Tensor, *purpose: str | int) -> Tensor:
    """Parameters after a training that changes about a fifth of the weights."""
    generator = stream("moved", *purpose)
    change = 0.1 * torch.randn(start.shape, generator=generator)
    return start + change * (torch.rand(start.shape, generator=generator) < 0.2)


def save(model: Any, folder: Path, layout: Layout) -> None:
    """As transformers saves, in a format."""
    # Of models that take a few kilobytes.
    size = "2KB" if layout.sharded else "1GB"
    model.to(layout.dtype).save_pretrained(folder, save_original_format=False, max_shard_size=size)


def load(model: Any, folder: Path, layout: Layout) -> Any:
    """As transformers loads, nothing missing and nothing left over."""
    loaded, told = type(model).from_pretrained(folder, dtype=layout.dtype, output_loading_info=True)
    assert {what: names for what, names in told.items() if names} == {}
    return loaded


def wrap(folder: Path, wrapper: str) -> None:
    """Rename a checkpoint's tensors, as saving a wrapped model does."""
    for file in folder.glob("*.safetensors"):
        weights = {wrapper + name: weight for name, weight in load_file(file).items()}
        save_file(weights, file, metadata={"format": "pt"})
    index = folder / INDEX
    if index.exists():
        told = json.loads(index.read_text())
        told["weight_map"] = {wrapper + name: file for name, file in told["weight_map"].items()}
        index.write_text(json.dumps(told))


@given(
    family=st.sampled_from(FAMILIES),
    tied=st.booleans(),
    before=WRAPPED,
    after=BARE,
    count=st.integers(0, 60),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_what_was_asked_is_put_back_in_any_family(
    family: Family,
    tied: bool,
    before: Layout,
    after: Layout,
    count: int,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    here = tmp_path_factory.mktemp("families")
    model = family.build(tied=tied)
    target = moved(read_parameters(model), seed)
    save(model, here / "before", before)
    wrap(here / "before", before.wrapper)
    start = read_parameters(model)
    write_parameters(model, target)
    save(model, here / "after", after)
    wanted = read_parameters(model)
    chosen = torch.randperm(len(start), generator=stream("chosen", seed))[:count]
    # What is put back can be no finer than the file that it is put into.
    put_back = start.to(after.dtype).to(wanted)
    changed = int((put_back[chosen] != wanted[chosen]).sum())
    wanted[chosen] = put_back[chosen]
    save_coordinates(model, chosen, here / "set.safetensors")
    found = roll_back(here / "before", here / "after", here / "set.safetensors", here / "new")
    assert found == (count, changed)
    assert torch.equal(read_parameters(load(model, here / "new", after)), wanted)


def everything(model: Any) -> Tensor:
    """All numbers of a model, buffers that are saved among them, what is tied once; (weights,), float64."""
    once = {tensor.data_ptr(): tensor for tensor in model.state_dict().values() if tensor.is_floating_point()}
    return flatten(list(once.values())).double()


@given(family=st.sampled_from(FAMILIES), tied=st.booleans(), base=WRAPPED, a=WRAPPED, b=WRAPPED)
@settings(max_examples=40)
def test_an_audit_measures_what_is_loaded_in_any_family(
    family: Family, tied: bool, base: Layout, a: Layout, b: Layout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tmp_path_factory.mktemp("families")
    start = read_parameters(family.build(tied=tied))
    loaded: dict[str, Tensor] = {}
    for name, layout, target in (("base", base, start), ("a", a, moved(start, "a")), ("b", b, moved(start, "b"))):
        model = family.build(tied=tied)
        write_parameters(model, target)
        save(model, here / name, layout)
        loaded[name] = everything(load(model, here / name, layout))
        wrap(here / name, layout.wrapper)
    found = audit_checkpoints(here / "base", {"a": here / "a", "b": here / "b"})
    edits: dict[str, Tensor] = {}
    for name, layout in (("a", a), ("b", b)):
        # Rounding is no training; a finer format leaves the base as it is.
        origin = loaded["base"].to(layout.dtype).double()
        edits[name] = loaded[name] - origin
        edit = found.edits[name][WHOLE]
        assert edit.weights == len(origin)
        assert edit.squared == pytest.approx(float(edits[name].square().sum()), rel=1e-6)
        assert edit.base_squared == pytest.approx(float(origin.square().sum()), rel=1e-6)
        assert edit.unchanged[STORED] == pytest.approx(float((edits[name] == 0).double().mean()))
    # Of edits seen through rounding the audit takes something out: test_view.py.
    if all(torch.equal(loaded["base"].to(layout.dtype).double(), loaded["base"]) for layout in (a, b)):
        cosine = float(edits["a"] @ edits["b"]) / float(edits["a"].norm() * edits["b"].norm())
        assert found.pairs["a", "b"][WHOLE].cosine == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_what_transformers_renames_on_saving_is_understood_or_refused(family: Family, tmp_path: Path) -> None:
    model = family.build(tied=False)
    start, end = read_parameters(model), moved(read_parameters(model))
    for name, target in (("before", start), ("after", end)):
        write_parameters(model, target)
        model.save_pretrained(tmp_path / name)
    save_coordinates(model, torch.arange(len(start)), tmp_path / "set.safetensors")
    files = tmp_path / "before", tmp_path / "after", tmp_path / "set.safetensors", tmp_path / "new"
    (read,) = read_checkpoints([tmp_path / "after"])
    problem = ""
    try:
        vector = as_vector(model, read)
    except CheckpointError as error:
        problem = str(error)
    if problem:
        assert "save_original_format=False" in problem
        with pytest.raises(CheckpointError, match="save_original_format=False"):
            roll_back(*files)
        return
    assert torch.equal(vector, end)
    roll_back(*files)
    assert torch.equal(read_parameters(load(model, tmp_path / "new", Layout())), start)


class InFloat64(TorchFunctionMode):
    """Softmaxes, norms and rotations, which models compute in float32 whatever they are in, computed in float64.

    A difference of gradients that are rounded to float32 would be mostly noise.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.float:
            func = Tensor.double
        return func(*map(_finer, args), **{name: _finer(value) for name, value in (kwargs or {}).items()})


def _finer(argument: Any) -> Any:
    return torch.float64 if argument is torch.float32 else argument


def exact_loss(model: Any) -> Tensor:
    """The loss in float64 from beginning to end."""
    with InFloat64():
        return loss_of(model)


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_curvature_is_the_slope_of_the_gradient_in_any_family(family: Family) -> None:
    model = family.build(tied=True).double()
    place = read_parameters(model)
    u, v = torch.randn((2, len(place)), generator=stream("curvature", str(family)), dtype=torch.float64)
    u, v = u / u.norm(), v / v.norm()
    hessian = Hessian(model, exact_loss)
    product, other = hessian @ v, hessian @ u
    assert float(u @ product) == pytest.approx(float(v @ other), rel=1e-5)
    in_chunks = Hessian(model, exact_loss, keep_graph=False) @ v
    assert float((in_chunks - product).norm() / product.norm()) < 1e-9
    slopes = []
    for step in (STEP, -STEP):
        write_parameters(model, place + step * v)
        slopes.append(gradient(model, exact_loss))
    difference = (slopes[0] - slopes[1]) / (2 * STEP)
    assert float((product - difference).norm() / difference.norm()) < 1e-4


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_products_in_bfloat16_are_near_those_in_float64(family: Family) -> None:
    """As transformers loads most models, and then without the mode above."""
    model = family.build(tied=True).to(torch.bfloat16)
    v = torch.randn(read_parameters(model).shape, generator=stream("families", "direction"))
    product = Hessian(model, loss_of) @ v
    assert product.dtype == torch.float32
    exact = Hessian(model.double(), exact_loss) @ v.double()
    # Eight bits, rounded in every layer, and amplified by norms of norms. An unrelated vector would be off by 1.4.
    assert float((product - exact).norm() / exact.norm()) < 0.5


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_a_neuron_is_all_that_its_activation_passes_through(family: Family) -> None:
    """With nothing leading out of it, a neuron's other weights may be anything; all others' may not."""
    model = family.build(tied=False).double()
    shapes = {name: weight.shape for name, weight in model.named_parameters()}
    if str(family) in WITHOUT_NEURONS:
        with pytest.raises(ValueError, match=WITHOUT_NEURONS[str(family)]):
            neuron_coordinates(shapes)
        return
    coordinates = neuron_coordinates(shapes)
    into, out = coordinates[:, :-WIDTH], coordinates[:, -WIDTH:]
    noise = torch.randn(into.shape, generator=stream("families", "noise"), dtype=torch.float64)

    def loss_at(vector: Tensor) -> float:
        with at_parameters(model, vector), torch.no_grad():
            return float(exact_loss(model))

    for neuron in torch.randperm(len(coordinates), generator=stream("families", "neuron"))[:4]:
        cut = read_parameters(model)
        cut[out[neuron]] = 0
        changed = cut.clone()
        changed[into[neuron]] += noise[neuron]
        assert loss_at(cut) == loss_at(changed)
    others = torch.ones(len(coordinates), dtype=torch.bool)
    others[neuron] = False
    changed[into[others].flatten()] += noise[others].flatten()
    assert loss_at(cut) != pytest.approx(loss_at(changed), rel=1e-4)


def test_the_page_counts_the_families() -> None:
    told = (Path(__file__).parents[1] / "book" / "own_models.md").read_text(encoding="utf-8")
    assert f"tried on {len(FAMILIES)} families of transformers" in told
