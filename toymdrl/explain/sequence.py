"""Domains trained one after another on a module of one's own: its checkpoints as vectors, and each domain's losses."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from toymdrl.checkpoints.whole import as_vector
from toymdrl.curvature import Loss, parts, value
from toymdrl.parameters import at_parameters, precision, trainable_parameters


@dataclass(frozen=True)
class DomainLosses:
    """One domain's losses of a module; less is better, for every domain in the same unit.

    Example:
        >>> from toymdrl import DomainLosses
        >>> def squares(target):
        ...     return lambda module: (module.weight - target).square().sum()
        >>> losses = DomainLosses(fit=(squares(0.9), squares(1.1)), unseen=squares(1.0))
    """

    fit: tuple[Loss, Loss]
    """On two halves, equally large, of the prompts that directions and coordinates are chosen on. Their mean is used;
    how far the directions of the two agree says how much of them is the domain and how much its prompts."""
    unseen: Loss
    """On prompts that nothing is chosen on: all that is reported is of these."""
    logprobs: Loss | None = None
    """As `fisher_diagonal` takes them; None leaves the Fisher's score out of the rollback."""

    @property
    def mean_fit(self) -> Loss:
        """The mean of the two halves, part by part."""

        def mean(module: nn.Module) -> Iterator[Tensor]:
            for half in self.fit:
                for part in parts(half, module):
                    yield part / 2

        return mean


class Sequence:
    """What several analyses need of a training sequence."""

    def __init__(
        self,
        module: nn.Module,
        losses: Mapping[str, DomainLosses],
        checkpoints: Mapping[str, Tensor | dict[str, Tensor]],
        harmed: str | None,
    ) -> None:
        """See `explain_update`.

        Raises:
            ValueError: there is nothing to explain, or what is given does not fit together.
        """
        self.module, self.losses, self.order = module, dict(losses), tuple(checkpoints)
        if len(self.order) < 2:
            raise ValueError("one domain harms no other; give the checkpoints of two domains or more, in their order")
        if unknown := set(self.order) ^ set(self.losses):
            raise ValueError(f"{min(unknown)!r} has no losses or no checkpoint; give both for every domain")
        self.harmed = self.order[0] if harmed is None else harmed
        if self.harmed not in self.order[:-1]:
            raise ValueError(f"no domain was trained after {self.harmed!r}; harmed is one of {self.order[:-1]}")
        self.vectors = {name: _vector(module, each) for name, each in checkpoints.items()}
        for one, other in pairwise(self.order):
            if torch.equal(self.vectors[one], self.vectors[other]):
                raise ValueError(f"the checkpoints after {one!r} and {other!r} are the same; there is no update")
        self.start = self.vectors[self.harmed]
        """The harmed domain's own checkpoint, (coordinates,)."""
        self.later = self.order[self.order.index(self.harmed) + 1 :]
        self.delta = self.vectors[self.later[-1]] - self.start
        """What all later domains added, (coordinates,)."""
        self.unseen = {name: each.unseen for name, each in self.losses.items()}
        self.fit = {name: each.mean_fit for name, each in self.losses.items()}

    def key(self) -> str:
        """Tells this sequence from others: by its checkpoints, and by the values of its losses at the first of them.

        A loss is a function: what it computes can only be seen by computing it. Six digits, since another number of
        threads may change the last ones.
        """
        total = hashlib.sha256(f"{self.order} {self.harmed}".encode())
        for vector in self.vectors.values():
            total.update(vector.cpu().numpy().tobytes())
        with at_parameters(self.module, self.vectors[self.order[0]]):
            for each in self.losses.values():
                for loss in (*each.fit, each.unseen):
                    total.update(f"{value(self.module, loss):.6g} ".encode())
                total.update(f"{each.logprobs is None}".encode())
        return total.hexdigest()


def _vector(module: nn.Module, checkpoint: Tensor | dict[str, Tensor]) -> Tensor:
    """A checkpoint as the module's parameters, (coordinates,), where the module is.

    Raises:
        ValueError: it is none of this module, or not finite.
    """
    weights = trainable_parameters(module)
    vector = checkpoint if isinstance(checkpoint, Tensor) else as_vector(module, checkpoint)
    size = sum(weight.numel() for weight in weights)
    if vector.shape != (size,):
        raise ValueError(f"a checkpoint of {size} coordinates is needed, not one of shape {tuple(vector.shape)}")
    if not bool(torch.isfinite(vector).all()):
        raise ValueError("a checkpoint holds numbers that are not finite")
    return vector.to(weights[0].device, precision(weights))
