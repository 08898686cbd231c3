"""Parameters as flat vectors and back, and the coordinates of MLP neurons."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tests import tiny
from toymdrl.neurons import neuron_coordinates
from toymdrl.parameters import (
    at_parameters,
    flatten,
    read_parameters,
    trainable_parameters,
    unflatten,
    write_parameters,
)
from toymdrl.policy.forest import chain
from toymdrl.policy.model import Block, Policy
from toymdrl.streams import stream

SHAPES = st.lists(st.lists(st.integers(0, 4), max_size=3).map(tuple), min_size=1, max_size=5)
SEEDS = st.integers(0, 1000)


def _model(*, frozen: bool = True) -> nn.Sequential:
    """Nine parameters, of which the first layer's six may be frozen."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(not frozen)
    return model


def _random(size: int, seed: int) -> Tensor:
    return torch.randn(size, generator=stream("parameters", seed))


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: parameter.shape for name, parameter in module.named_parameters()}


def _logits(model: Policy) -> Tensor:
    tokens = torch.tensor([[2, 3, 4, 5], [5, 4, 2, 2]])
    with torch.no_grad():
        return model(tokens, chain(4).to(model.head.weight))


@given(shapes=SHAPES, seed=SEEDS)
def test_unflatten_undoes_flatten(shapes: list[tuple[int, ...]], seed: int) -> None:
    tensors = [torch.randn(shape, generator=stream("flat", seed)) for shape in shapes]
    vector = flatten(tensors)
    # C order, one tensor after another.
    assert vector.tolist() == [value for tensor in tensors for value in tensor.reshape(-1).tolist()]
    for piece, tensor in zip(unflatten(vector, tensors), tensors, strict=True):
        assert torch.equal(piece, tensor)


@given(shapes=SHAPES, seed=SEEDS)
def test_flatten_undoes_unflatten(shapes: list[tuple[int, ...]], seed: int) -> None:
    like = [torch.empty(shape) for shape in shapes]
    vector = _random(sum(each.numel() for each in like), seed)
    assert torch.equal(flatten(unflatten(vector, like)), vector)


@pytest.mark.parametrize("shape", [(2,), (4,), (3, 1), (1, 3), ()])
def test_a_vector_of_another_size_is_refused_and_nothing_written(shape: tuple[int, ...]) -> None:
    model, vector = _model(), torch.zeros(shape)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="a vector of 3 coordinates"):
        unflatten(vector, trainable_parameters(model))
    with pytest.raises(ValueError, match="a vector of 3 coordinates"):
        write_parameters(model, vector)
    with pytest.raises(ValueError, match="a vector of 3 coordinates"), at_parameters(model, vector):
        pass
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


@given(seed=SEEDS)
def test_what_is_written_is_read(seed: int) -> None:
    model = _model(frozen=False)
    vector = _random(9, seed)
    write_parameters(model, vector)
    assert torch.equal(read_parameters(model), vector)
    assert torch.equal(next(model.parameters()), vector[:4].view(2, 2))
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_frozen_parameters_are_neither_read_nor_written() -> None:
    model = _model()
    before = copy.deepcopy(model[0].state_dict())
    assert [each.shape for each in trainable_parameters(model)] == [(1, 2), (1,)]
    write_parameters(model, torch.ones(3))
    assert torch.equal(read_parameters(model), torch.ones(3))
    assert all(torch.equal(model[0].state_dict()[name], value) for name, value in before.items())


def test_a_module_without_trainable_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="requires_grad_"):
        trainable_parameters(nn.Linear(2, 2).requires_grad_(False))


def test_reading_is_a_copy_without_graph() -> None:
    model = _model()
    vector = read_parameters(model)
    kept = vector.clone()
    write_parameters(model, torch.zeros(3))
    assert torch.equal(vector, kept)
    assert not vector.requires_grad


@given(seed=SEEDS, fails=st.booleans(), trains=st.booleans())
def test_at_restores_the_parameters_whatever_its_body_does(seed: int, fails: bool, trains: bool) -> None:
    model = _model(frozen=False)
    before, there = read_parameters(model), _random(9, seed)
    caught = False
    try:
        with at_parameters(model, there):
            assert torch.equal(read_parameters(model), there)
            if trains:
                write_parameters(model, there + 1)
            if fails:
                raise KeyError
    except KeyError:
        caught = True
    assert caught == fails
    assert torch.equal(read_parameters(model), before)


@given(data=st.data(), seed=SEEDS)
def test_zeroing_a_neurons_coordinates_removes_that_neuron_and_nothing_else(data: st.DataObject, seed: int) -> None:
    model = tiny.policy(seed)
    layers, each = model.config.layers, model.config.neurons
    coordinates = neuron_coordinates(_shapes(model))
    index = data.draw(st.integers(0, layers * each - 1))
    by_hand = copy.deepcopy(model)
    block = by_hand.blocks[index // each]
    assert isinstance(block, Block)
    with torch.no_grad():
        block.gate.weight[index % each] = 0
        block.up.weight[index % each] = 0
        block.down.weight[:, index % each] = 0
    vector = read_parameters(model)
    vector[coordinates[index]] = 0
    with at_parameters(model, vector):
        assert torch.equal(read_parameters(model), read_parameters(by_hand))
        zeroed = _logits(model)
    # A layer that never had the neuron: the oracle knows nothing of zeros.
    keep = [row for row in range(each) if row != index % each]
    for name in ("gate", "up"):
        getattr(block, name).weight = nn.Parameter(getattr(block, name).weight[keep])
    block.down.weight = nn.Parameter(block.down.weight[:, keep])
    torch.testing.assert_close(zeroed, _logits(by_hand), rtol=1e-12, atol=1e-12)
    assert not torch.allclose(zeroed, _logits(model), rtol=1e-9, atol=0)


def test_each_mlp_coordinate_belongs_to_one_neuron_and_no_other_coordinate_to_any() -> None:
    model = tiny.policy()
    owner = [name for name, parameter in model.named_parameters() for _ in range(parameter.numel())]
    coordinates = neuron_coordinates(_shapes(model))
    assert coordinates.shape == (model.config.layers * model.config.neurons, 3 * model.config.width)
    assert len(coordinates.unique()) == coordinates.numel()
    mlp = {place for place, name in enumerate(owner) if name.split(".")[-2] in ("gate", "up", "down")}
    assert set(coordinates.flatten().tolist()) == mlp


def test_a_neuron_has_the_same_coordinates_under_hugging_faces_names_and_in_any_order() -> None:
    shapes = {
        "model.norm.weight": (5,),
        "model.layers.0.mlp.down_proj.weight": (2, 3),
        "model.layers.0.mlp.up_proj.weight": (3, 2),
        "model.layers.0.mlp.gate_proj.weight": (3, 2),
    }
    # Row i of gate, row i of up, column i of down, after the norm's five coordinates.
    expected = [[17 + 2 * i, 18 + 2 * i, 11 + 2 * i, 12 + 2 * i, 5 + i, 8 + i] for i in range(3)]
    assert neuron_coordinates(shapes).tolist() == expected


@pytest.mark.parametrize("missing", ["gate", "up", "down"])
def test_an_mlp_that_lacks_a_matrix_is_refused(missing: str) -> None:
    shapes = {name: shape for name, shape in _shapes(tiny.policy()).items() if f"blocks.1.{missing}." not in name}
    with pytest.raises(ValueError, match="alone do not make an MLP"):
        neuron_coordinates(shapes)


def test_a_model_without_mlp_is_refused() -> None:
    with pytest.raises(ValueError, match="no MLP"):
        neuron_coordinates(_shapes(_model()))


@pytest.mark.parametrize(("name", "shape"), [("gate", (4, 2)), ("up", (2, 2)), ("down", (3, 2))])
def test_matrices_of_different_neuron_counts_are_refused(name: str, shape: tuple[int, int]) -> None:
    shapes = {"mlp.gate.weight": (3, 2), "mlp.up.weight": (3, 2), "mlp.down.weight": (2, 3)}
    assert neuron_coordinates(shapes).shape == (3, 6)
    with pytest.raises(ValueError, match="do not fit together"):
        neuron_coordinates({**shapes, f"mlp.{name}.weight": shape})
