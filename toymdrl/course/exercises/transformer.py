"""Chapter 2: one block of the transformer, a Hessian-vector product by autograd, and the difference that checks it."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toymdrl.course.exercises.base import Exercise, tensor
from toymdrl.curvature import Loss, gradient
from toymdrl.parameters import at_parameters, flatten, read_parameters
from toymdrl.policy.forest import chain
from toymdrl.policy.model import Block, ModelConfig, Policy
from toymdrl.streams import stream


def one_block(block: Any, x: Tensor, mask: Tensor) -> Tensor:
    """What a block makes of the residual stream x (batch, columns,
    width); mask (columns, columns) is 0 or -inf."""
    normed = block.attention_norm(x)
    keys, values = block.key_value(normed).chunk(2, dim=-1)
    q, k, v = (each.unflatten(-1, (block.heads, -1)).transpose(1, 2) for each in (block.query(normed), keys, values))
    scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5 + mask
    mixed = (scores.softmax(dim=3) @ v).transpose(1, 2).flatten(2)
    x = x + block.attention_out(mixed)
    normed = block.mlp_norm(x)
    return x + block.down(F.silu(block.gate(normed)) * block.up(normed))


COLUMNS = 5
_MASK = chain(COLUMNS).mask.double()


def _block(heads: int) -> Block:
    """A random block in float64, its norms' weights not 1."""
    policy = Policy(ModelConfig(layers=1, width=24, heads=heads, neurons=40), stream("exercise 2.1")).double()
    block = policy.blocks[0]
    assert isinstance(block, Block)
    generator = stream("exercise 2.1", "norms")
    with torch.no_grad():
        for norm in (block.attention_norm, block.mlp_norm):
            norm.weight.uniform_(0.5, 2, generator=generator)
        block.query.weight *= 2
    return block.requires_grad_(False)


def _scaled(block: Block, **factors: float) -> Block:
    """A copy of a block with some of its matrices multiplied; 0 silences."""
    changed = copy.deepcopy(block)
    with torch.no_grad():
        for name, factor in factors.items():
            changed.get_parameter(f"{name}.weight").mul_(factor)
    return changed


def _exchanged(block: Block) -> Block:
    """A copy with keys and values, and gate and up, exchanged."""
    changed = copy.deepcopy(block)
    changed.gate, changed.up = changed.up, changed.gate
    with torch.no_grad():
        changed.key_value.weight.copy_(block.key_value.weight.roll(len(block.key_value.weight) // 2, 0))
    return changed


def _one_block(answer: Callable[[Any, Tensor, Tensor], Tensor]) -> None:
    x = 2 * torch.randn(2, COLUMNS, 24, generator=stream("exercise 2.1", "x"), dtype=torch.float64)

    def same(mine: Block, true: Block) -> bool:
        return torch.allclose(answer(mine, x, _MASK), true(x, _MASK, 0, None), atol=1e-9)

    block = _block(1)
    got = answer(_scaled(block, attention_out=0, down=0), x, _MASK)
    assert got.shape == x.shape, f"the stream keeps its shape (batch, columns, width), here {tuple(x.shape)}"
    assert torch.equal(got, x), (
        "with `attention_out` and `down` set to 0 the stream must leave as it came: both parts are *added* to x, "
        "and the norms are for what the parts read"
    )
    thinks = _scaled(block, attention_out=0)
    assert not same(thinks, _exchanged(thinks)), "the MLP: it is gate that goes through silu, up that multiplies it"
    assert same(thinks, thinks), (
        "attention switched off, the MLP is wrong: down(silu(gate(n)) * up(n)), where n is mlp_norm of the stream"
    )
    looks = _scaled(block, down=0)
    later = x.clone()
    later[:, -1] += 1
    assert torch.equal(answer(looks, x, _MASK)[:, :-1], answer(looks, later, _MASK)[:, :-1]), (
        "what stands in the last column changes earlier ones: add the mask to the scores, before the softmax over keys"
    )
    assert not same(looks, _scaled(looks, query=x.shape[-1] ** 0.5)), (
        "divide the scores by the square root of a head's width"
    )
    assert not same(looks, _exchanged(looks)), "of `key_value`, the first half are the keys, the second the values"
    assert same(looks, looks), (
        "the MLP switched off and one head only, attention is wrong: softmax(q k^T / sqrt(width) + mask) v, of the "
        "normalised stream, through attention_out"
    )
    three = _scaled(_block(3), down=0)
    assert not same(three, _scaled(three, query=3**-0.5)), "the square root of a *head's* width, not of the model's"
    assert same(three, three), (
        "right with one head, wrong with three: each head has its own slice of the width, "
        "x.unflatten(-1, (heads, -1)).transpose(1, 2), and they are laid side by side again in the end"
    )
    whole = _block(3)
    assert same(whole, whole), "both parts are right alone: the MLP reads the stream *after* attention was added to it"


def hessian_product(loss: Tensor, parameters: Sequence[Tensor], v: Tensor) -> Tensor:
    """H v, flat like v: the second derivative of `loss`, a scalar with
    its graph, by `parameters`, a list of tensors, along v."""
    slopes = torch.autograd.grad(loss, parameters, create_graph=True)
    along = flatten(slopes) @ v
    return flatten(torch.autograd.grad(along, parameters))


def _hessian_product(answer: Callable[[Tensor, list[Tensor], Tensor], Tensor]) -> None:
    for trial in range(2):
        generator = stream("exercise 2.2", trial)
        root = torch.randn(6, 6, generator=generator, dtype=torch.float64)
        theta, v = torch.randn(2, 6, generator=generator, dtype=torch.float64)
        # H is known: of the bowl theta A theta / 2 + sum of cubes, with A neither definite nor diagonal.
        bowl = root + root.T
        slope, bent = bowl @ theta + 3 * theta**2, bowl + (6 * theta).diag()
        parameters = [theta[:4].view(2, 2).clone().requires_grad_(True), theta[4:].clone().requires_grad_(True)]
        together = flatten(parameters)
        got = answer(together @ bowl @ together / 2 + (together**3).sum(), parameters, v)
        true = bent @ v

        def near(other: Tensor, found: Tensor = got) -> bool:
            return found.shape == other.shape and torch.allclose(found, other, atol=1e-9)

        assert got.numel() > 1, "that is g · v, a number: it is what is to be differentiated once more"
        assert got.shape == v.shape, "a flat vector like v, over all parameters: flatten(...) the list of gradients"
        assert all(each.grad is None for each in parameters), (
            "your code leaves gradients in `.grad`, where they add up: torch.autograd.grad returns them instead"
        )
        assert not near(slope), "that is the first derivative"
        assert not near(bent @ slope), "that is H times the gradient: the inner gradient is to be multiplied by v"
        assert not near(bent.sum(dim=0) * v), (
            "v comes too late: multiply the gradient by v *before* the second derivative"
        )
        assert not near(bent.sum(dim=0)), "that is H times ones: the inner gradient is to be multiplied by v"
        assert near(true), (
            f"H is known here, and {float((got - true).norm()):.3g} lies between H v and your answer: the gradient of "
            "gradient · v, v a constant"
        )


def difference(module: nn.Module, loss: Loss, v: Tensor, h: float) -> Tensor:
    """H v from two gradients, at theta + h v and at theta - h v,
    a flat vector like v; leaves the module as it was."""
    theta = read_parameters(module)
    with at_parameters(module, theta + h * v):
        above = gradient(module, loss)
    with at_parameters(module, theta - h * v):
        below = gradient(module, loss)
    return (above - below) / (2 * h)


def _difference(answer: Callable[[nn.Module, Loss, Tensor, float], Tensor]) -> None:
    bowl = nn.Linear(3, 1, bias=False).double()
    matrix = torch.tensor([[2.0, 1, 0], [1, 3, 0], [0, 0, -1]], dtype=torch.float64)
    theta, v = torch.tensor([[0.3, -0.5, 1.0], [1.0, -2.0, 0.5]], dtype=torch.float64)
    with torch.no_grad():
        bowl.weight.copy_(theta)

    def loss(module: nn.Module) -> Tensor:
        (w,) = module.parameters()
        return (w @ matrix @ w.T).sum() / 2 + w.pow(3).sum()

    true, third = matrix @ v + 6 * theta * v, 6 * v**2
    for h in (1e-2, 1e-3):
        got = answer(bowl, loss, v, h)
        assert got.shape == v.shape, "the result is a vector like v"
        assert torch.equal(read_parameters(bowl), theta), (
            "leave the module's parameters as you found them: use `with at_parameters(...)`"
        )
        assert not torch.allclose(got, 2 * true), "the two points are 2 h apart, not h"
        assert not torch.allclose(got, -true), "the sign: gradient above minus gradient below"
        assert not torch.allclose(got, 2 * h * true), "divide by the distance of the two points, 2 h"
        assert not torch.allclose(got, true + third * h / 2), (
            "step to both sides: a one-sided difference is wrong by a term of order h"
        )
        assert torch.allclose(got, true), (
            f"H v is {[round(each, 3) for each in true.tolist()]} here, not {[round(each, 3) for each in got.tolist()]}"
        )


EXERCISES = (
    Exercise(
        "2.1",
        one_block,
        _one_block,
        (
            "Two halves, and each ends in `x = x + …`. Write the second first: `normed = block.mlp_norm(x)`, then "
            "`block.down(F.silu(block.gate(normed)) * block.up(normed))`.",
            "Heads: `y.unflatten(-1, (block.heads, -1)).transpose(1, 2)` makes (batch, heads, columns, head's width) "
            "of queries, keys and values; `keys, values = block.key_value(normed).chunk(2, dim=-1)`.",
            "Scores are `q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5 + mask`; their softmax over the last dimension "
            "times v is what each column takes from the others.",
            "Back to one stream: `.transpose(1, 2).flatten(2)`, then `block.attention_out`.",
        ),
        gives=tensor,
    ),
    Exercise(
        "2.2",
        hessian_product,
        _hessian_product,
        (
            "The first derivative must itself be differentiable: `torch.autograd.grad(loss, parameters, "
            "create_graph=True)`.",
            "It comes as a list of tensors; `flatten` makes one vector of them, and its product with v is a number.",
            "Of that number take the gradient once more, by the same parameters, and flatten it.",
        ),
        gives=tensor,
    ),
    Exercise(
        "2.3",
        difference,
        _difference,
        (
            "`theta = read_parameters(module)` is where you are; wanted are the gradients at theta + h v, theta - h v.",
            "`with at_parameters(module, theta + h * v):` and inside `above = gradient(module, loss)`.",
            "The two points are 2 h apart.",
        ),
        gives=tensor,
    ),
)
