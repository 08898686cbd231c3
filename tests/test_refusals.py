"""What gradients, Hessians and eigenpairs refuse, and what they advise."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests import tiny
from toymdrl.curvature import CurvatureError, Hessian, Loss, gradient, top_eigenpairs
from toymdrl.parameters import read_parameters, write_parameters
from toymdrl.policy.exact import ExpectedReward
from toymdrl.streams import stream

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
    with pytest.raises(CurvatureError, match='attn_implementation="eager"'):
        _ = Hessian(model, _attention, keep_graph=keep_graph) @ torch.ones(60)


def test_a_kept_graph_is_refused_after_the_parameters_changed() -> None:
    model = tiny.policy()
    hessian = Hessian(model, ExpectedReward(tiny.sums()))
    write_parameters(model, read_parameters(model) + 0.1)
    with pytest.raises(CurvatureError, match="make a new Hessian"):
        _ = hessian @ read_parameters(model)
