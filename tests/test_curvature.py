"""Gradient, Hessian, eigenpairs, Fisher and quadrature, against dense Hessians, differences and brute force."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests import tiny
from toymdrl.curvature import (
    Hessian,
    Loss,
    SegmentHessian,
    fisher_diagonal,
    fisher_product,
    gradient,
    path_quadrature,
    residuals,
    top_eigenpairs,
    value,
)
from toymdrl.domains import DOMAINS, problems
from toymdrl.parameters import at_parameters, read_parameters
from toymdrl.policy.exact import ExpectedReward
from toymdrl.policy.model import ModelConfig, Policy
from toymdrl.streams import stream

# torch.func's forward mode compiles some of its formulas with what torch itself has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")

WHOLE = ExpectedReward(tiny.sums())
SINGLES = [ExpectedReward(tiny.sums().subset(slice(i, i + 1))) for i in range(4)]
SEEDS = st.integers(0, 1000)


def whole(model: Policy) -> Tensor:
    return -WHOLE(model)


def chunked(model: Policy) -> Iterator[Tensor]:
    return (-each(model) / len(SINGLES) for each in SINGLES)


both_ways = pytest.mark.parametrize("keep_graph", [True, False])


class Whole(nn.ModuleDict):
    policy: Policy

    def forward(self) -> Tensor:
        return whole(self.policy)


@cache
def dense() -> tuple[Policy, Tensor, Tensor]:
    """The tiny policy, its gradient and its whole Hessian, by forward over reverse mode of torch.func."""
    model = tiny.policy()
    module = Whole({"policy": model})
    names, parameters = zip(*module.named_parameters(), strict=True)

    def loss(vector: Tensor) -> Tensor:
        pieces = zip(names, parameters, vector.split([each.numel() for each in parameters]), strict=True)
        return torch.func.functional_call(module, {name: piece.view_as(like) for name, like, piece in pieces}, ())

    here = torch.nn.utils.parameters_to_vector(parameters).detach()
    return model, torch.func.grad(loss)(here), torch.func.hessian(loss)(here)


def _random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=stream("curvature", seed), dtype=torch.float64)


def _unit(seed: int) -> Tensor:
    return F.normalize(_random(seed, len(dense()[1])), dim=0)


def _point(start: Tensor) -> nn.ParameterDict:
    return nn.ParameterDict({"x": start.clone(), "y": start[:1].clone()})


@pytest.mark.parametrize("loss", [whole, chunked])
def test_gradient_and_value_match_those_of_torch_func(loss: Loss) -> None:
    model, slope, _ = dense()
    for mine in (gradient(model, loss), Hessian(model, loss).gradient, Hessian(model, loss, keep_graph=False).gradient):
        torch.testing.assert_close(mine, slope, rtol=1e-10, atol=1e-14)
        assert not mine.requires_grad
    assert value(model, loss) == pytest.approx(whole(model).item(), rel=1e-12)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("loss", [whole, chunked])
@both_ways
def test_products_match_the_dense_hessian(loss: Loss, keep_graph: bool) -> None:
    model, _, matrix = dense()
    hessian = Hessian(model, loss, keep_graph=keep_graph)
    block = _random(0, hessian.size, 3)
    product = hessian @ block
    assert matrix.norm() > 1e-2
    torch.testing.assert_close(product, matrix @ block, rtol=1e-9, atol=1e-12)
    assert torch.equal(product, torch.stack([hessian @ column for column in block.T], dim=1))
    assert not product.requires_grad


@given(seed=SEEDS)
def test_products_with_kept_graph_equal_those_that_rebuild_it_and_are_symmetric(seed: int) -> None:
    model = tiny.policy(seed)
    kept, rebuilt = Hessian(model, chunked), Hessian(model, chunked, keep_graph=False)
    one, two = _random(seed, kept.size, 2).unbind(1)
    mine = kept @ one
    torch.testing.assert_close(rebuilt @ one, mine, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(two @ mine, one @ (rebuilt @ two), rtol=1e-10, atol=1e-12)


@given(seed=SEEDS)
def test_products_match_differences_of_gradients(seed: int) -> None:
    model, vector, h = tiny.policy(), _unit(seed), 1e-3
    here, slopes = read_parameters(model), []
    for step in (-2 * h, -h, h, 2 * h):
        with at_parameters(model, here + step * vector):
            slopes.append(gradient(model, chunked))
    # Richardson's extrapolation of two central differences: the error is of order h^4.
    numeric = (4 * (slopes[2] - slopes[1]) / (2 * h) - (slopes[3] - slopes[0]) / (4 * h)) / 3
    product = Hessian(model, chunked) @ vector
    assert (numeric - product).norm() < 1e-8 * product.norm()


def test_float32_products_of_the_real_model_agree_with_float64() -> None:
    objective = ExpectedReward(problems(DOMAINS["math"], "eval").subset(slice(64)))
    results = []
    for dtype in (torch.float32, torch.float64):
        model = Policy(ModelConfig(), stream("real")).to(dtype)
        hessian = Hessian(model, lambda m: (-part for part in objective.parts(m)))
        vector = _random(0, hessian.size).to(dtype)
        results.append((hessian.gradient.double(), (hessian @ vector).double()))
    for rough, exact in zip(*results, strict=True):
        assert 0 < (rough - exact).norm() < 2e-5 * exact.norm()


@both_ways
def test_a_linear_loss_has_no_curvature_and_adds_none(keep_graph: bool) -> None:
    point, slope, vector = _point(_random(1, 5)), _random(2, 5), _random(3, 6)
    straight = Hessian(point, lambda m: m.x @ slope, keep_graph=keep_graph)
    assert torch.equal(straight.gradient, torch.cat([slope, torch.zeros(1)]))
    assert torch.equal(straight @ vector, torch.zeros(6, dtype=torch.float64))
    # Curved in y alone, by 6 y: x has no second derivative, not even a zero one, in the graph.
    mixed = Hessian(point, lambda m: iter([m.x @ slope, m.y.pow(3).sum()]), keep_graph=keep_graph)
    expected = torch.cat([torch.zeros(5), 6 * point["y"].detach() * vector[5:]])
    torch.testing.assert_close(mixed @ vector, expected, rtol=1e-14, atol=0)


def test_top_eigenpairs_match_the_dense_decomposition() -> None:
    model, _, matrix = dense()
    found = top_eigenpairs(Hessian(model, chunked), 5, tolerance=1e-10)
    values, vectors = np.linalg.eigh(matrix.numpy())
    order = np.argsort(-np.abs(values))
    expected, next_one = values[order[:5]], values[order[5]]
    assert abs(expected[4]) > 1.05 * abs(next_one), "the subspace must be separated to be compared"
    assert expected.min() < 0 < expected.max()
    np.testing.assert_allclose(found.values, expected, rtol=1e-9)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(5), atol=1e-12)
    overlaps = np.linalg.svd(found.vectors.numpy().T @ vectors[:, order[:5]], compute_uv=False)
    np.testing.assert_allclose(overlaps, 1, atol=1e-9)
    # The same start vector: the same result to the last bit.
    again = top_eigenpairs(Hessian(model, chunked), 5, tolerance=1e-10)
    assert torch.equal(again.vectors, found.vectors)
    assert np.array_equal(again.values, found.values)


@given(seed=SEEDS, dtype=st.sampled_from([torch.float32, torch.float64]), tolerance=st.sampled_from([0.1, 1e-5]))
def test_eigenpairs_come_with_honest_residuals(seed: int, dtype: torch.dtype, tolerance: float) -> None:
    generator, calls = np.random.default_rng(seed), 0
    basis, _ = np.linalg.qr(generator.standard_normal((200, 200)))
    spectrum = generator.choice([-1.0, 1.0], 200) * 0.97 ** np.arange(200)
    matrix = torch.from_numpy(basis * spectrum @ basis.T)

    def loss(point: nn.ParameterDict) -> Tensor:
        nonlocal calls
        calls += 1
        return point["x"] @ matrix.to(dtype) @ point["x"] / 2

    hessian = Hessian(_point(_random(seed, 200).to(dtype)), loss, keep_graph=False)
    _ = hessian @ torch.ones(hessian.size, dtype=dtype)  # the first product is checked by another
    calls = 0
    found = top_eigenpairs(hessian, 4, tolerance=tolerance)
    assert found.products == calls
    if tolerance < 0.1:
        np.testing.assert_allclose(found.values, spectrum[:4], rtol=tolerance)
    assert found.vectors.dtype == dtype
    vectors = found.vectors[:200].double().numpy()
    errors = np.linalg.norm(matrix.numpy() @ vectors - vectors * found.values, axis=0)
    mine = residuals(hessian, found)
    np.testing.assert_allclose(mine, errors, rtol=1e-3, atol=1e-5 if dtype == torch.float32 else 1e-13)
    assert (mine <= np.abs(found.values) * tolerance + 1e-5).all()  # relative to each pair's own value
    # A residual is a bound of the distance to the nearest eigenvalue.
    assert (np.abs(spectrum[:, None] - found.values).min(axis=0) <= errors + 1e-6).all()


@given(nodes=st.integers(1, 12), power=st.integers(0, 1), seed=SEEDS)
def test_the_quadrature_is_exact_to_degree_2n_minus_1(nodes: int, power: int, seed: int) -> None:
    points, shares = path_quadrature(nodes, power)
    assert ((points > 0) & (points < 1) & (shares > 0)).all()
    assert np.array_equal(path_quadrature(nodes)[0], points) == (power == 1)
    coefficients = np.random.default_rng(seed).standard_normal(2 * nodes)
    powers = np.arange(2 * nodes)
    # Integrals over [0, 1] of s^k and of 2 (1 - s) s^k.
    moments = (1 / (powers + 1), 2 / ((powers + 1) * (powers + 2)))[power]
    mean = shares @ np.polynomial.polynomial.polyval(points, coefficients)
    assert mean == pytest.approx(coefficients @ moments, rel=1e-12, abs=1e-13)


@settings(max_examples=5)
@given(seed=SEEDS, length=st.floats(0.03, 0.3))
def test_the_hessian_averaged_along_a_segment_makes_taylor_exact(seed: int, length: float) -> None:
    model, slope, _ = dense()
    here, step = read_parameters(model), length * _unit(seed)
    with at_parameters(model, here + step):
        after, slope_after = value(model, chunked), gradient(model, chunked)
    weighted = SegmentHessian(model, chunked, here, step, nodes=8)
    remainder = after - value(model, chunked) - float(slope @ step)
    assert float(step @ (weighted @ step)) / 2 == pytest.approx(remainder, rel=1e-7, abs=0)
    plain = SegmentHessian(model, chunked, here, step, nodes=8, power=0)
    torch.testing.assert_close(plain @ step, slope_after - slope, rtol=1e-6, atol=1e-10)
    block = _random(seed, len(step), 2)
    torch.testing.assert_close(
        plain @ block, torch.stack([plain @ each for each in block.T], dim=1), rtol=0, atol=1e-12
    )
    assert torch.equal(read_parameters(model), here)


def _logprobs(model: Policy, answers: slice = slice(None)) -> Tensor:
    prompt, these = tiny.sums().prompts[1], tiny.every_answer(2)[answers]
    return torch.stack([tiny.answer_logprob(model, prompt, answer) for answer in these])


@pytest.mark.parametrize("cuts", [[slice(None)], [slice(0, 7), slice(7, 8), slice(8, None)]])
def test_fisher_products_match_the_sum_of_outer_products_of_scores(cuts: list[slice]) -> None:
    model = tiny.policy()
    logp = _logprobs(model)
    scores = [torch.autograd.grad(each, list(model.parameters()), retain_graph=True) for each in logp]
    jacobian = torch.stack([torch.cat([piece.flatten() for piece in score]) for score in scores])
    weights, vector = logp.detach().exp(), _unit(0)
    mine = fisher_product(model, lambda m: (_logprobs(m, cut) for cut in cuts), [weights[cut] for cut in cuts], vector)
    torch.testing.assert_close(mine, jacobian.T @ (weights * (jacobian @ vector)), rtol=1e-9, atol=1e-13)
    with pytest.raises(ValueError, match="zip"):
        fisher_product(model, lambda m: (_logprobs(m, cut) for cut in cuts), [*weights, weights], vector)
    # With the answers' own probabilities it is the Hessian of their cross-entropy, too.
    entropy = Hessian(model, lambda m: -(weights * _logprobs(m)).sum())
    torch.testing.assert_close(mine, entropy @ vector, rtol=1e-9, atol=1e-13)
    diagonal = fisher_diagonal(model, lambda m: (_logprobs(m, slice(i, i + 1)).sum() for i in range(len(logp))))
    torch.testing.assert_close(diagonal, jacobian.square().mean(dim=0), rtol=1e-9, atol=1e-13)


def test_a_parameter_that_no_probability_depends_on_has_no_fisher_information() -> None:
    point, vector = _point(_random(1, 3)), _random(2, 4)
    p = point["x"].detach().softmax(0)
    mine = fisher_product(point, lambda m: m.x.log_softmax(0), [p], vector)
    torch.testing.assert_close(mine[:3], p * vector[:3] - p * (p @ vector[:3]), rtol=1e-9, atol=1e-13)
    assert mine[3] == 0
