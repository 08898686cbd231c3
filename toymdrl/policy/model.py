"""The policy: a decoder-only transformer with the block structure of Qwen3, small.

RMSNorm before attention and before a SwiGLU MLP, no biases, separate output head. A neuron is one channel of the MLP:
a row of `gate`, the same row of `up` and the same column of `down`. Departures from Qwen3: learned positions instead
of rotary ones, as many key as query heads, no norm on queries and keys. Attention is written out, because fused
attention has no second derivative on CPU, and every Hessian-vector product of the analysis passes through here.
"""

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toymdrl.domains.vocab import TOKENS
from toymdrl.policy.forest import Forest


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a policy; the defaults have about 170,000 parameters.

    Example:
        >>> from toymdrl import ModelConfig
        >>> ModelConfig(width=128, neurons=384).heads
        4
    """

    layers: int = 3
    width: int = 64
    heads: int = 4
    neurons: int = 192
    positions: int = 16
    vocabulary: int = len(TOKENS)


class DivergenceError(ArithmeticError):
    """A loss or gradient that is not finite; the policy has not been updated with it."""


class Cache:
    """Keys and values of the columns seen so far, each (batch, heads, columns, width / heads), one pair a layer."""

    def __init__(self) -> None:
        self.columns = 0
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append the keys and values of new columns; all of the layer's so far."""
        if layer in self._layers:
            before = self._layers[layer]
            keys, values = torch.cat([before[0], keys], dim=2), torch.cat([before[1], values], dim=2)
        self._layers[layer] = keys, values
        return keys, values


class RMSNorm(nn.Module):
    """x / rms(x), scaled by a learned weight; (…, width) to (…, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + 1e-6) * self.weight


VECTOR = 16
"""Floats that a CPU's widest registers hold; torch takes rows shorter than that one number at a time."""


def attend(scores: Tensor) -> Tensor:
    """Softmax over the last dimension, padded to VECTOR columns: ten times faster for short rows."""
    columns = scores.shape[-1]
    if columns >= VECTOR or scores.is_cuda:
        return scores.softmax(dim=-1)
    return F.pad(scores, (0, VECTOR - columns), value=float("-inf")).softmax(dim=-1)[..., :columns]


class Block(nn.Module):
    """Attention, then MLP, each on a normalised copy of the residual stream."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        width, self.heads, self.layer = config.width, config.heads, layer
        self.attention_norm = RMSNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.mlp_norm = RMSNorm(width)
        self.gate = nn.Linear(width, config.neurons, bias=False)
        self.up = nn.Linear(width, config.neurons, bias=False)
        self.down = nn.Linear(config.neurons, width, bias=False)

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, columns, width) to (batch, heads, columns, width / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor, mask: Tensor, first: int, cache: Cache | None) -> Tensor:
        """x (batch, columns, width) to (batch, columns - first, width); mask (columns - first, cached + columns)."""
        normed = self.attention_norm(x)
        keys, values = (self._heads(part) for part in self.key_value(normed).chunk(2, dim=-1))
        if cache is not None:
            keys, values = cache.extend(self.layer, keys, values)
        queries = self._heads(self.query(normed[:, first:]))
        scores = torch.add(mask, queries @ keys.transpose(-2, -1), alpha=queries.shape[-1] ** -0.5)
        mixed = (attend(scores) @ values).transpose(1, 2).flatten(2)
        x = x[:, first:] + self.attention_out(mixed)
        normed = self.mlp_norm(x)
        return x + self.down(F.silu(self.gate(normed)) * self.up(normed))


class Policy(nn.Module):
    """Tokens in a forest to logits of the token that follows each column.

    Example:
        >>> import torch
        >>> from toymdrl import ModelConfig, Policy, stream
        >>> from toymdrl.policy.forest import chain
        >>> policy = Policy(ModelConfig(), stream("example"))
        >>> policy(torch.zeros(5, 8, dtype=torch.int64), chain(8)).shape
        torch.Size([5, 8, 39])
    """

    def __init__(self, config: ModelConfig, generator: torch.Generator | None = None) -> None:
        """Random weights from `generator`: normal, of standard deviation 1 / sqrt(fan-in), residual branches damped."""
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocabulary, config.width)
        self.position = nn.Embedding(config.positions, config.width)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = RMSNorm(config.width)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        # Each block adds two branches to the residual stream; damped, their sum keeps the stream's size.
        damped = (2 * config.layers) ** -0.5
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                scale = damped if name.endswith(("attention_out.weight", "down.weight")) else 1.0
                std = 0.5 if "token" in name or "position" in name else scale * weight.shape[1] ** -0.5
                nn.init.normal_(weight, std=std, generator=generator)

    def forward(self, tokens: Tensor, forest: Forest, *, first: int = 0, cache: Cache | None = None) -> Tensor:
        """Logits of the next token.

        Args:
            tokens: (batch, columns), int64: the forest's columns from the cache's end on.
            forest: the layout that all rows share.
            first: the first column whose logits are wanted; the last block computes no earlier one.
            cache: if given, holds the forest's earlier columns, and is extended by these.

        Returns:
            Logits (batch, columns - first, vocabulary).
        """
        start = 0 if cache is None else cache.columns
        stop = start + tokens.shape[1]
        forest = forest.to(self.head.weight)
        x = self.token(tokens) + self.position(forest.positions[start:stop])
        # New columns may attend to all cached ones that are their ancestors, and to each other.
        mask = forest.mask[start:stop, :stop]
        for block in self.blocks:
            # Earlier blocks must compute all columns: later ones attend to them.
            wanted = first if block is self.blocks[-1] else 0
            x = block(x, mask[wanted:], wanted, cache)
        if cache is not None:
            cache.columns = stop
        return self.head(self.norm(x))


def copy_policy(policy: Policy) -> Policy:
    """A frozen copy, as a KL reference."""
    return copy.deepcopy(policy).requires_grad_(False)
