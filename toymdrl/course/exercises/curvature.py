"""Chapter 6: the sharpest directions from products alone, shares of length and of damage, T4's bound, and the plane."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from toymdrl.course.exercises.base import Exercise, arrays, numbers
from toymdrl.streams import stream

Answer = Callable[..., tuple[NDArray[np.float64], ...]]


def two_sharpest(product: Callable[[Tensor], Tensor], start: Tensor, steps: int) -> tuple[list[float], Tensor]:
    """Two eigenvalues, largest size first, and unit eigenvectors
    (coordinates, 2); `steps` products for each direction."""
    values, found = [], torch.zeros(len(start), 0)
    for _ in range(2):
        v = start
        for _ in range(steps):
            v = product(v)
            v = v - found @ (found.T @ v)
            v = v / v.norm()
        values.append(float(v @ product(v)))
        found = torch.cat([found, v.unsqueeze(1)], dim=1)
    return values, found


def _matrix(values: list[float], which: int) -> Tensor:
    """A symmetric matrix of these eigenvalues, turned at random."""
    drawn = torch.randn(len(values), len(values), generator=stream(which, "two sharpest"), dtype=torch.float64)
    turned, _ = torch.linalg.qr(drawn)
    return (turned * torch.tensor(values, dtype=torch.float64) @ turned.T).float()


def _two_sharpest(answer: Answer) -> None:
    # In the third the first direction is so much sharper that what rounding puts back of it grows to everything.
    for which, true in enumerate(([-8.0, 5, 2, 1, 0.5], [6.0, -4, 2, 1, 0.5], [9000.0, 30, 3, 1, 0.5])):
        matrix = _matrix(true, which)
        start = torch.randn(len(true), generator=stream(which, "start"))
        values, vectors = answer(lambda v, matrix=matrix: matrix @ v, start, 60)
        assert values.shape == (2,), f"two eigenvalues are wanted, not {values.size}"
        assert vectors.shape == (5, 2), (
            f"the vectors are the columns of (coordinates, 2), here (5, 2), not {vectors.shape}"
        )
        lengths = np.linalg.norm(vectors, axis=0)
        assert np.allclose(lengths, 1, atol=1e-3), "columns of length 1: normalise after every product"
        one, two = (float(v @ matrix.double().numpy() @ v) for v in vectors.T)
        assert abs(one - true[0]) < 2e-3 * abs(true[0]), (
            f"the first column's curvature v·Hv is {one:.2f}; the eigenvalue of largest size is {true[0]:g}"
        )
        assert abs(values[0] + true[0]) > 1e-2, (
            "keep the sign: v·Hv of a unit vector, the Rayleigh quotient, has one; the norm of Hv has none"
        )
        assert abs(two - true[0]) > 0.1 * abs(true[0]), (
            "the second direction has become the first again. Take its part along the first out after every product: "
            "rounding puts a ten-millionth back each time, and every product makes that grow"
        )
        assert abs(float(vectors[:, 0] @ vectors[:, 1])) < 1e-3, "the two directions must be orthogonal"
        assert abs(two - true[1]) < 1e-2 * abs(true[1]), (
            f"the second column's curvature is {two:.2f}; the second largest in size is {true[1]:g}"
        )
        assert np.allclose(values, true[:2], rtol=1e-2), (
            f"the eigenvalues are v·Hv of the final unit vectors, {true[0]:g} and {true[1]:g} here, not "
            f"{values[0]:.2f} and {values[1]:.2f}"
        )


def counterexample(share: float, damage: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """H (2, 2) and delta (2,): the first axis holds `share` of delta's
    squared length, and `damage` of its damage."""
    ratio = damage * (1 - share) / (share * (1 - damage))
    return np.diag([ratio, 1.0]), np.array([share, 1 - share]) ** 0.5


def _counterexample(answer: Answer) -> None:
    for share, damage in ((0.5, 0.5), (0.01, 0.99), (0.002, 0.6), (0.9, 0.05)):
        hessian, delta = answer(share, damage)
        assert (hessian.shape, delta.shape) == ((2, 2), (2,)), "return H, of shape (2, 2), and delta, of shape (2,)"
        assert np.allclose(hessian, hessian.T), "H must be symmetric"
        assert hessian[0, 1] == 0, (
            "let H_12 be 0: else the damage has a cross term, and it is a matter of taste which axis holds that"
        )
        assert min(np.diag(hessian)) > 0, "H must be positive definite: both curvatures above 0"
        length = delta[0] ** 2 / (delta @ delta)
        assert abs(length - share**2 / (share**2 + (1 - share) ** 2)) > 1e-9 or share == 0.5, (
            "the share is of the *squared* length: delta's components are square roots"
        )
        assert abs(length - share) < 1e-6, (
            f"asked for {share:g} of the squared length on the first axis, got {length:.4f}"
        )
        held = hessian[0, 0] * delta[0] ** 2 / (delta @ hessian @ delta)
        assert abs(held - damage) < 1e-6, (
            f"with {share:g} of the squared length the first axis should hold {damage:g} of delta·H delta, and holds "
            f"{held:.4f}: write down h delta_1² / (h delta_1² + delta_2²) and solve for h"
        )


def split_damage(values: Tensor, vectors: Tensor, delta: Tensor) -> tuple[float, float]:
    """From k + 1 eigenpairs, values (k + 1,), vectors (coordinates, k + 1):
    damage inside the first k, and the most that there can be outside."""
    components = vectors[:, :-1].T @ delta
    inside = values[:-1] @ components**2 / 2
    squared = delta @ delta - components @ components
    return float(inside), float(values[-1].abs() * squared / 2)


def _split_damage(answer: Callable[..., tuple[float, float]]) -> None:
    for seed, k in ((0, 3), (1, 5)):
        generator = stream(seed, "split damage")
        size = 12
        basis = torch.linalg.qr(torch.randn(size, size, generator=generator))[0]
        # Descending in size, of both signs; the last of the k + 1 is negative.
        values = torch.linspace(9.0, 1.0, size) * torch.where(torch.arange(size) % 2 == 0, 1.0, -1.0)
        values[k] = -values[k].abs()
        delta = torch.randn(size, generator=generator)
        got = answer(values[: k + 1], basis[:, : k + 1], delta)
        assert len(got) == 2, "return two numbers: the damage inside, and the most outside"
        inside, outside = got
        parts = values * (basis.T @ delta) ** 2 / 2
        true = float(parts[:k].sum())
        rest = float((basis[:, k:].T @ delta).square().sum())
        allowed = float(values[k].abs()) * rest / 2
        assert abs(inside - 2 * true) > 1e-4, "mind the factor 1/2"
        assert abs(inside - float(parts[: k + 1].sum())) > 1e-4, (
            "only the first k span the subspace; the last eigenpair says how sharp the sharpest direction outside is"
        )
        assert abs(inside - true) < 1e-4, (
            f"the damage inside is the sum of lambda_i (v_i·delta)² / 2 over the first k, {true:.3f} here, not "
            f"{inside:.3f}"
        )
        assert outside >= 0, "the bound is about the size of the damage outside: take |lambda|"
        assert abs(outside - float(values[k].abs()) * rest**0.5 / 2) > 1e-4, "the norm of Q delta counts squared"
        assert abs(outside - 2 * allowed) > 1e-4, "mind the factor 1/2 of the bound"
        assert abs(outside - float(values[k].abs() * (delta @ delta)) / 2) > 1e-4, (
            "only what is outside counts: ||Q delta||² = ||delta||² - ||P delta||²"
        )
        assert abs(outside - allowed) < 1e-4, (
            f"|lambda of the first direction outside| times ||Q delta||² / 2 is {allowed:.3f} here, not {outside:.3f}"
        )


def place(checkpoint: Tensor, start: Tensor, outside: Tensor, inside: Tensor) -> tuple[float, float, float]:
    """(a, b) of the point start + a outside + b inside that is nearest to
    a checkpoint (coordinates,), and its distance from there."""
    step = checkpoint - start
    a = step @ outside / (outside @ outside)
    b = step @ inside / (inside @ inside)
    return float(a), float(b), float((step - a * outside - b * inside).norm())


def _place(answer: Callable[..., tuple[float, float, float]]) -> None:
    for seed in (0, 1):
        generator = stream(seed, "place")
        axes = torch.linalg.qr(torch.randn(40, 3, generator=generator))[0]
        start = torch.randn(40, generator=generator)
        outside, inside = 6.0 * axes[:, 0], 0.3 * axes[:, 1]
        a, b, away = 0.7 + seed, -0.4, 0.25
        checkpoint = start + a * outside + b * inside + away * axes[:, 2]
        got = answer(checkpoint, start, outside, inside)
        assert len(got) == 3, "return three numbers: a, b and the distance from the plane"
        assert abs(got[0] - a * 6) > 1e-3, (
            "that is a length along Q delta; a is 1 at Q delta's own end: divide by ||Q delta||² once more"
        )
        assert abs(got[0] - b) > 1e-3 or abs(got[1] - a) > 1e-3, "a belongs to `outside`, b to `inside`"
        assert abs(got[0] - a) < 1e-3, f"a is {a} here, not {got[0]:.3f}: (step · outside) / (outside · outside)"
        assert abs(got[1] - b) < 1e-3, f"b is {b} here, not {got[1]:.3f}: (step · inside) / (inside · inside)"
        assert abs(got[2] - away) < 1e-3, (
            f"the checkpoint lies {away} off the plane, not {got[2]:.3f}: the norm of step - a outside - b inside"
        )


EXERCISES = (
    Exercise(
        "6.1",
        two_sharpest,
        _two_sharpest,
        (
            "One direction first: v = product(v), v = v / v.norm(), again and again; then v @ product(v).",
            "For the second start anew, and keep the iteration out of the first direction u: v - u * (u @ v).",
            "Once is not enough. Rounding leaves 1e-7 of u in v, and each product makes that grow by the ratio of the "
            "two eigenvalues: take it out after *every* product.",
            "The vectors become columns with torch.stack([u, v], dim=1).",
        ),
        gives=arrays,
    ),
    Exercise(
        "6.2",
        counterexample,
        _counterexample,
        (
            "Take delta = (√share, √(1 - share)): its squared length is 1, and the first axis holds `share` of it.",
            "Take H = diag(h, 1). The first axis then holds h share / (h share + 1 - share) of the damage.",
            "Set that equal to `damage` and solve for h.",
        ),
        gives=arrays,
    ),
    Exercise(
        "6.3",
        split_damage,
        _split_damage,
        (
            "`vectors[:, :-1].T @ delta` are the k numbers v_i·delta. No (coordinates, coordinates) matrix is needed.",
            "Inside: the sum of lambda_i (v_i·delta)² / 2.",
            "Pythagoras: ||Q delta||² = ||delta||² - the sum of (v_i·delta)². T4 does the rest, with the last value.",
        ),
        gives=numbers,
    ),
    Exercise(
        "6.4",
        place,
        _place,
        (
            "Begin with the step from `start` to the checkpoint.",
            "`outside` and `inside` are orthogonal, so each coordinate can be found by itself, with an inner product.",
            "a = step·outside / outside·outside: for the step Q delta itself it must be 1.",
        ),
        gives=numbers,
    ),
)
