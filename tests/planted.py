"""Losses whose Hessian and conflict subspace are known."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

SIZE, HELD = 400, 4
CURVATURES = torch.tensor([40.0, 30.0, -20.0, 10.0], dtype=torch.float64)


class Point(nn.Module):
    """A module that is its parameters."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.zeros(size, dtype=torch.float64))


def quadratic(hessian: Tensor, slope: Tensor | None = None, centre: Tensor | None = None) -> Callable[[Point], Tensor]:
    """x -> slope.(x - centre) + (x - centre).H (x - centre) / 2."""

    def loss(point: Point) -> Tensor:
        e = point.x if centre is None else point.x - centre
        return e @ (hessian @ e) / 2 + (0.0 if slope is None else slope @ e)

    return loss


def curved(basis: Tensor, rest: float = 0.0) -> Tensor:
    return basis @ torch.diag(CURVATURES) @ basis.T + rest * torch.eye(len(basis), dtype=torch.float64)


def draw(generator: torch.Generator) -> Tensor:
    return torch.randn(SIZE, dtype=torch.float64, generator=generator)
