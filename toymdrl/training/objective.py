"""One step of training, written once: draw, play, loss, backward, clip, refuse what is not finite, step.

What differs between kinds of training is an objective: GRPO, the warm start, a mixture of domains. What differs between
one policy and many at once is a learner. A step is any objective with any learner.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

import torch
from torch import Tensor

Parts = tuple[Tensor, ...]
"""What goes from one part of a step to the next, tensors of as many leading dimensions as the learner has."""


class Learner(Protocol):
    """What learns: one policy, or many stacked, (members, …)."""

    def each(self, work: Callable[..., Any], *inputs: Tensor) -> Any:
        """What `work(policy, *inputs)` gives, for every member with its share of the inputs."""

    def frozen(self) -> Self:
        """A copy as it is now, as a KL reference."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""

    @property
    def members(self) -> tuple[int, ...]:
        """The leading dimensions: () of one policy, (members,) of many."""


class Objective(Protocol):
    """What a step tries to lower, and on what.

    Only `draw` is random, and it needs no policy: so all draws of a stage can be made ahead of a GPU. The rest is made
    of the same operations in every step, whatever the values are, so that a GPU can record and replay them.
    """

    @property
    def steps(self) -> int:
        """Of the stage."""

    @property
    def weight_decay(self) -> float:
        """AdamW's."""

    @property
    def updates(self) -> int:
        """Updates on what was played once."""

    @property
    def gradient_norm(self) -> float:
        """Largest norm of the gradient of one update; a longer one is clipped."""

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""

    def draw(self, generator: torch.Generator) -> Parts:
        """All that one step draws at random, for one member, on the CPU."""

    def play(self, learner: Learner, *drawn: Tensor) -> Parts:
        """What the loss is taken of; without gradient."""

    def loss(self, policy: Any, *played: Tensor) -> tuple[Any, Mapping[str, Tensor]]:
        """One member's loss, a scalar with its graph, and what there is to log, scalars without."""

    def state(self) -> dict[str, Tensor]:
        """Tensors of the objective's own that later steps depend on, changed in place; none of most."""


Descend = Callable[[Any], Tensor]
"""One update on the losses: backward, clip, refuse what is not finite, step. Gives the norm before clipping."""


def take_step(objective: Objective, learner: Learner, descend: Descend, drawn: Parts) -> dict[str, Tensor]:
    """One step from what was drawn for it; what there is to log, of its last update.

    Raises:
        DivergenceError: a loss or its gradient is not finite, and the learner is one that tells at once; the update
            has not been made.
    """
    with torch.no_grad():
        played = objective.play(learner, *drawn)
    for _ in range(objective.updates):
        loss, measured = learner.each(objective.loss, *played)
        norm = descend(loss)
    return {**measured, "gradient_norm": norm, "loss": whole(loss)}


def whole(loss: Any) -> Tensor:
    """The loss as one, without its graph, where an objective has several."""
    return loss.detach() if isinstance(loss, Tensor) else torch.stack(list(loss)).detach().sum(dim=0)
