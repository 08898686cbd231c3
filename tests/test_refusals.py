"""What gradients, Hessians and eigenpairs refuse, and what they advise."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests import tiny
from toymdrl.analysis.damage import decompose_damage
from toymdrl.curvature import CurvatureError, Hessian, Loss, fisher_diagonal, gradient, top_eigenpairs, value
from toymdrl.parameters import read_parameters, write_parameters
from toymdrl.policy.exact import ExpectedReward
from toymdrl.settings import ConfigError
from toymdrl.streams import stream
from toymdrl.training.grpo import GRPOConfig
from toymdrl.training.stage import rl_stage

both_ways = pytest.mark.parametrize("keep_graph", [True, False])
VECTOR = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)


def _point() -> nn.ParameterDict:
    """Four coordinates."""
    return nn.ParameterDict({"x": VECTOR[:3].clone(), "y": VECTOR[3:].clone()})


BAD: dict[str, Loss] = {
    "constant": lambda m: torch.ones((), dtype=torch.float64),
    "of another parameter": lambda m: nn.Parameter(torch.ones(())) ** 2,
    "detached": lambda m: m.x.detach().square().sum(),
    "a vector": lambda m: m.x.square(),
    "a vector of one": lambda m: m.y.square(),
    "chunks, one detached": lambda m: iter([m.x.square().sum(), m.x.sum().detach()]),
}


@pytest.mark.parametrize("kind", BAD)
@both_ways
def test_a_loss_that_is_no_scalar_of_the_parameters_is_refused(kind: str, keep_graph: bool) -> None:
    point, loss = _point(), BAD[kind]
    for attempt in (lambda: gradient(point, loss), lambda: Hessian(point, loss, keep_graph=keep_graph) @ VECTOR):
        with pytest.raises(CurvatureError, match="a scalar computed from the module's parameters"):
            attempt()


@both_ways
def test_what_is_no_vector_of_the_coordinates_is_refused(keep_graph: bool) -> None:
    hessian = Hessian(_point(), lambda m: m.x.square().sum(), keep_graph=keep_graph)
    bad: list[Any] = [*(torch.ones(shape) for shape in (3, 5, (3, 4), (4, 1, 1))), np.ones(4), 1.0]
    for vector in bad:
        with pytest.raises(CurvatureError, match="a tensor of 4 coordinates is needed, not"):
            hessian @ vector


@pytest.mark.parametrize("pairs", [0, 4, 100])
def test_as_many_pairs_as_coordinates_are_refused(pairs: int) -> None:
    hessian = Hessian(_point(), lambda m: m.x.square().sum())
    with pytest.raises(CurvatureError, match="take 1 to 3"):
        top_eigenpairs(hessian, pairs)
    assert [len(top_eigenpairs(hessian, allowed).values) for allowed in (1, 3)] == [1, 3]


def test_a_loss_that_is_no_function_is_refused() -> None:
    value_not_function: Any = torch.ones(())
    with pytest.raises(CurvatureError, match="a function of the module"):
        Hessian(_point(), value_not_function)


@both_ways
def test_dropout_is_refused_in_train_mode_only(keep_graph: bool) -> None:
    model, x = nn.Sequential(nn.Linear(4, 32), nn.Dropout()), torch.ones(8, 4)

    def attempt() -> Tensor:
        return Hessian(model, lambda m: m(x).square().sum(), keep_graph=keep_graph) @ torch.ones(160)

    for refused in (attempt, lambda: gradient(model, lambda m: m(x).sum())):
        with pytest.raises(CurvatureError, match=r"call module\.eval\(\)"):
            refused()
    model.eval()
    assert attempt().norm() > 0
    assert tiny.policy().training, "train mode alone is no obstacle"


def _attention(model: nn.Module) -> Tensor:
    x = torch.randn(3, 4, generator=stream("fused"))
    return F.scaled_dot_product_attention(*model(x).view(1, 1, 3, 3, 4).unbind(3)).square().sum()


@both_ways
def test_fused_attention_is_refused_with_advice(keep_graph: bool) -> None:
    model = nn.Linear(4, 12)
    assert gradient(model, _attention).norm() > 0
    with pytest.raises(CurvatureError, match=r"SDPBackend\.MATH"):
        _ = Hessian(model, _attention, keep_graph=keep_graph) @ torch.ones(60)


def test_a_kept_graph_is_refused_after_the_parameters_changed() -> None:
    model = tiny.policy()
    hessian = Hessian(model, ExpectedReward(tiny.sums()))
    write_parameters(model, read_parameters(model) + 0.1)
    with pytest.raises(CurvatureError, match="make a new one where they are now"):
        _ = hessian @ read_parameters(model)


def two_linear() -> nn.Sequential:
    module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    module.eval()
    return module


INPUTS, LABELS = torch.linspace(-1, 1, 96).view(16, 6), torch.arange(16) % 3


def cross_entropy(module: nn.Module) -> Tensor:
    return F.cross_entropy(module(INPUTS), LABELS)


@dataclass
class Output:
    """What a transformer's forward gives back."""

    loss: Tensor


NO_LOSS: dict[str, tuple[Any, str]] = {
    "a dict": (lambda m: {"loss": cross_entropy(m)}, r'returned a dict; .*\["loss"\]'),
    "an output": (lambda m: Output(cross_entropy(m)), r"returned a Output; .*its \.loss"),
    "a number": (lambda m: cross_entropy(m).item(), r"returned a float; .*without \.item\(\)"),
    "None": (lambda m: None, "returned None"),
    "numbers": (lambda m: [cross_entropy(m).item()], "yielded a float"),
    "nothing": (lambda m: iter(()), "yielded nothing; make its data anew"),
    "nan": (lambda m: cross_entropy(m) * float("nan"), "the loss is nan"),
    "infinite": (lambda m: cross_entropy(m) * float("inf"), "the loss is inf"),
    "random": (lambda m: F.dropout(cross_entropy(m).expand(9)).sum(), "draws random numbers"),
}


@pytest.mark.parametrize("kind", NO_LOSS)
@pytest.mark.parametrize("training", [False, True])
@both_ways
def test_what_is_no_loss_is_named(kind: str, training: bool, keep_graph: bool) -> None:
    module, (loss, problem) = two_linear().train(training), NO_LOSS[kind]
    if kind == "random" and training:
        problem = r"call module\.eval\(\)"
    ones = torch.ones(83)
    for attempt in (lambda: gradient(module, loss), lambda: Hessian(module, loss, keep_graph=keep_graph) @ ones):
        with pytest.raises(CurvatureError, match=problem):
            attempt()


def test_a_used_up_iterator_is_no_zero_curvature() -> None:
    batches = iter([(INPUTS[:8], LABELS[:8]), (INPUTS[8:], LABELS[8:])])

    def loss(module: nn.Module) -> Iterator[Tensor]:
        for inputs, labels in batches:
            yield F.cross_entropy(module(inputs), labels) / 2

    with pytest.raises(CurvatureError, match="yielded nothing"):
        top_eigenpairs(Hessian(two_linear(), loss, keep_graph=False), 2)


def test_several_log_probabilities_at_once_are_no_fisher() -> None:
    def logprobs(module: nn.Module) -> Tensor:
        return F.log_softmax(module(INPUTS), -1).gather(1, LABELS[:, None])[:, 0]

    with pytest.raises(CurvatureError, match=r"shape \(16,\) together; yield each sample's"):
        fisher_diagonal(two_linear(), logprobs)


class _Crooked(torch.autograd.Function):
    """x^2 / 2 whose second derivative, by its own words, depends on the row and not on the column."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return x.square().sum() / 2

    @staticmethod
    def backward(context: Any, slope: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        return slope * _Slope.apply(x)


class _Slope(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(context: Any, slope: Tensor) -> Tensor:
        return slope.roll(1, dims=-1)


@pytest.mark.parametrize("coordinates", [4, 4_000_000])
@both_ways
def test_a_wrong_second_derivative_shows_in_the_symmetry(keep_graph: bool, coordinates: int) -> None:
    """However many coordinates there are."""
    point = nn.ParameterDict({"x": torch.randn(coordinates, generator=torch.Generator().manual_seed(1))})
    hessian = Hessian(point, lambda m: _Crooked.apply(m["x"]), keep_graph=keep_graph)
    with pytest.raises(CurvatureError, match="no symmetric matrix"):
        hessian @ torch.randn(coordinates, generator=torch.Generator().manual_seed(2))


@both_ways
def test_another_function_at_each_call_is_refused(keep_graph: bool) -> None:
    """Its own generator is not torch's: only the products tell."""
    generator = torch.Generator().manual_seed(0)

    def loss(module: nn.Module) -> Tensor:
        noise = torch.randn(16, 6, generator=generator)
        return F.cross_entropy(module(INPUTS + 3 * noise), LABELS)

    if keep_graph:  # one graph is one function
        assert (Hessian(two_linear(), loss) @ torch.ones(83)).norm() > 0
    else:
        with pytest.raises(CurvatureError, match="no symmetric matrix"):
            Hessian(two_linear(), loss, keep_graph=False) @ torch.ones(83)


@pytest.mark.parametrize("dtypes", [(torch.bfloat16, torch.bfloat16), (torch.float16, torch.float32)])
@both_ways
def test_half_precision_is_measured_in_float32(dtypes: tuple[torch.dtype, torch.dtype], keep_graph: bool) -> None:
    """Against the same weights in float64, as closely as half precision computes."""
    half = two_linear()
    half[0].to(dtypes[0])
    half[2].to(dtypes[1])
    exact = copy.deepcopy(half).double()

    def loss(module: nn.Module) -> Tensor:
        hidden = torch.tanh(module[0](INPUTS.to(module[0].weight)))  # type: ignore[index]
        return F.cross_entropy(module[2](hidden.to(module[2].weight)).to(torch.float32), LABELS)  # type: ignore[index]

    def reference(module: nn.Module) -> Tensor:
        return F.cross_entropy(module(INPUTS.double()), LABELS)

    vector = torch.linspace(-1, 1, 83)
    product = Hessian(half, loss, keep_graph=keep_graph) @ vector
    assert product.dtype == torch.float32
    assert read_parameters(half).dtype == gradient(half, loss).dtype == torch.float32
    wanted = Hessian(exact, reference) @ vector.double()
    assert float((product - wanted).norm() / wanted.norm()) < 0.05
    pairs = top_eigenpairs(Hessian(half, loss, keep_graph=keep_graph), 2, tolerance=0.1)
    best = top_eigenpairs(Hessian(exact, reference), 2)
    np.testing.assert_allclose(pairs.values, best.values, rtol=0.1)


@both_ways
def test_vectors_of_any_float_format_are_taken(keep_graph: bool) -> None:
    hessian = Hessian(two_linear(), cross_entropy, keep_graph=keep_graph)
    vector = torch.linspace(-1, 1, 83)
    product = hessian @ vector.double()
    assert product.dtype == torch.float64
    torch.testing.assert_close(product.float(), hessian @ vector)
    with pytest.raises(CurvatureError, match="floating-point numbers"):
        hessian @ torch.ones(83, dtype=torch.int64)


@both_ways
def test_a_flat_loss_has_zeros(keep_graph: bool) -> None:
    module = nn.Linear(6, 2)
    found = top_eigenpairs(Hessian(module, lambda m: m(INPUTS).mean(), keep_graph=keep_graph), 3)
    assert (found.values == 0).all()
    torch.testing.assert_close(found.vectors.T @ found.vectors, torch.eye(3))


@both_ways
def test_running_statistics_are_left_as_found(keep_graph: bool) -> None:
    module = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3)).train()
    before = [buffer.clone() for buffer in module.buffers()]
    gradient(module, cross_entropy)
    _ = Hessian(module, cross_entropy, keep_graph=keep_graph) @ torch.linspace(-1, 1, 27)
    value(module, cross_entropy)
    assert all(torch.equal(old, new) for old, new in zip(before, module.buffers(), strict=True))


def test_a_compiled_module_is_sent_to_its_original() -> None:
    compiled: Any = torch.compile(two_linear(), backend="aot_eager")
    with pytest.raises(CurvatureError, match=r"give module\._orig_mod"):
        Hessian(compiled, cross_entropy) @ torch.ones(83)


def test_an_update_of_nothing_does_nothing() -> None:
    module = two_linear()
    start = read_parameters(module)
    (found,) = decompose_damage(module, cross_entropy, start, {"B": 0 * start}, earlier="A")
    assert (found.actual, found.predicted, found.remainder, found.eta) == (0.0, 0.0, 0.0, None)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"updates": 0}, "updates is 0; use 1 or more"),
        ({"group": 1}, "group is 1; use 2 or more"),
        ({"kl": -0.1}, r"kl is -0\.1; use 0 or more"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"advantage": "median"}, "unknown advantage 'median'; choose from mean, zscore, rloo"),
    ],
)
def test_a_stages_settings_are_refused_where_they_are_made(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        GRPOConfig(**settings)
    with pytest.raises(ConfigError, match=problem):
        replace(GRPOConfig(), **settings)


def test_an_unknown_domain_is_refused_by_the_functions_too() -> None:
    with pytest.raises(ConfigError, match="unknown domain 'maths'; choose from math, code, qa, cw"):
        rl_stage(tiny.policy(), "maths", GRPOConfig(), 0, "test")
