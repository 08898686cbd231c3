"""A model that is not ours, and small enough for ten seeds while you wait: points in the plane, told apart by an MLP.

Domain A has four spiral arms to tell apart, a label each. Domain B has the same arms, turned by 0.7 radian (40
degrees), with the labels moved on by one: whoever knows A has most of B to learn anew.
"""

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from toymdrl.curvature import Loss
from toymdrl.parameters import at_parameters, read_parameters
from toymdrl.streams import stream

Domain = Literal["A", "B"]
Split = Literal["train", "eval"]
ARMS = 4


def spirals(domain: Domain, split: Split, count: int = 512) -> tuple[Tensor, Tensor]:
    """Points (count, 2) and their labels (count,); the same on every call."""
    generator = stream("spirals", split)
    arm = torch.randint(0, ARMS, (count,), generator=generator)
    radius = torch.rand(count, generator=generator) * 2
    angle = arm * torch.pi / 2 + 1.5 * radius + 0.15 * torch.randn(count, generator=generator)
    if domain == "B":
        angle, arm = angle + 0.7, (arm + 1) % ARMS
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), arm


def loss_of(domain: Domain, split: Split) -> Loss:
    """Mean cross-entropy of a module on a domain's points, in nats."""
    points, labels = spirals(domain, split)
    return lambda module: cross_entropy(module(points), labels)


def network(seed: int, width: int = 64) -> nn.Module:
    """An untrained classifier with two hidden layers; sets torch to one thread."""
    torch.set_num_threads(1)  # more would wait for each other: the matrices are small
    module = nn.Sequential(
        nn.Linear(2, width),
        nn.Tanh(),
        nn.Linear(width, width),
        nn.Tanh(),
        nn.Linear(width, ARMS),
    )
    generator = stream(seed, "network")
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5, generator=generator)
    return module


def fit(module: nn.Module, loss: Loss, steps: int, rate: float) -> None:
    """Adam in place, all points at every step, with a rate that falls linearly to zero."""
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        optimiser.zero_grad()
        cast(Tensor, loss(module)).backward()
        optimiser.step()


def fit_until(module: nn.Module, loss: Loss, level: float, rate: float, most: int = 5000) -> int:
    """Adam in place at a constant rate until the loss is at or below a level; the number of steps.

    Raises:
        ValueError: that many steps do not get there.
    """
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    for step in range(most):
        optimiser.zero_grad()
        here = cast(Tensor, loss(module))
        if here.item() <= level:
            return step
        here.backward()
        optimiser.step()
    raise ValueError(f"the loss is not at {level} after {most} steps; take a higher rate")


def after_a(seed: int, width: int = 64) -> nn.Module:
    """A network after 300 steps of A."""
    module = network(seed, width)
    fit(module, loss_of("A", "train"), 300, 1e-2)
    return module


def then_b(module: nn.Module, steps: int = 10) -> Tensor:
    """The parameters after so many steps of B; the module stays as it is, (coordinates,)."""
    with at_parameters(module, read_parameters(module)):
        fit(module, loss_of("B", "train"), steps, 2e-3)
        return read_parameters(module)
