"""Chapter 5: damage of first and second order, losses that a cosine cannot judge, and the mirror test, sharpened."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from toymdrl.course.exercises.base import Exercise, arrays, numbers
from toymdrl.curvature import Hessian, gradient

Arrays = tuple[np.ndarray, ...]
Steps = Callable[[Any], Any]
"""The damage of a step."""


def taylor(module: nn.Module, loss: Any, delta: Tensor) -> tuple[float, float]:
    """First- and second-order damage of a step delta from where the
    module is now: two numbers."""
    first = gradient(module, loss) @ delta
    bent = Hessian(module, loss, keep_graph=False) @ delta
    return float(first), float(delta @ bent / 2)


def _taylor(answer: Callable[..., tuple[float, ...]]) -> None:
    bowl = nn.Linear(2, 1, bias=False)

    def loss(module: nn.Module) -> Tensor:
        x, y = module.weight[0]  # type: ignore[index]
        return x**2 + 3 * y**2 + x * y

    for place, delta in (([1.0, 2.0], [0.5, -1.0]), ([0.5, -1.0], [2.0, 1.0])):
        with torch.no_grad():
            bowl.weight.copy_(torch.tensor([place]))
        step = torch.tensor(delta)
        got = answer(bowl, loss, step)
        assert len(got) == 2, "return two numbers: first order, second order"
        x, y = place
        slope, bend = (2 * x + y, 6 * y + x), delta[0] ** 2 + 3 * delta[1] ** 2 + delta[0] * delta[1]
        true = slope[0] * delta[0] + slope[1] * delta[1]
        assert abs(got[0] - bend) > 1e-3 or abs(got[1] - true) > 1e-3, "the other way round: first order first"
        assert abs(got[0] - true) < 1e-3, f"g = {slope} there, so g.delta = {true:g}, not {got[0]:.3f}"
        assert abs(got[1] - 2 * bend) > 1e-3, "the second-order term has a factor 1/2"
        assert abs(got[1] - bend) < 1e-3, f"delta.H delta / 2 is {bend:g} there, not {got[1]:.3f}"


def orthogonal_but_harmful() -> Arrays:
    """Arrays M (2, 2), theta (2,) and delta (2,)."""
    # The gradient points along the valley, the step across it.
    return np.diag([2.0, 20.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0])


def _orthogonal_but_harmful(answer: Callable[[], Arrays]) -> None:
    slope, delta, harm = _case(answer())
    assert abs(slope @ delta) < 1e-9, f"gradient and step are not orthogonal: their product is {slope @ delta:.3f}"
    assert harm > 0, f"the step does no harm: L_A changes by {harm:.3f}; make the valley steep across"
    assert abs(harm - 10) < 1e-4, f"it costs {harm:.3f}; scale the step so that it is 10"


def any_cosine(cosine: float, damage: float) -> Arrays:
    """Arrays M (2, 2), theta (2,) and B's step delta (2,): the two
    gradients have this cosine, and the step costs A this damage."""
    # The step is (1, 0). A's gradient there has the length `slope`.
    slope = damage / 2
    gradient_a = slope * np.array([-cosine, np.sqrt(1 - cosine**2)])
    # damage = -cosine * slope + curvature / 2, solved for the curvature.
    curvature = 2 * (damage + cosine * slope)
    matrix = np.diag([curvature, 1.0])
    return matrix, np.linalg.solve(matrix, gradient_a), np.array([1.0, 0.0])


def _any_cosine(answer: Callable[[float, float], Arrays]) -> None:
    for cosine, damage in ((0.0, 10.0), (0.5, 3.0), (1.0, 10.0), (-1.0, 1.0), (-0.5, 40.0), (0.99, 0.25)):
        slope, delta, harm = _case(answer(cosine, damage))
        found = -float(slope @ delta) / float(np.linalg.norm(slope) * np.linalg.norm(delta))
        assert abs(found - cosine) < 1e-5 or abs(found + cosine) > 1e-5, (
            f"for cosine {cosine:g} it is {found:.3f}: B's step goes *against* B's gradient, so the cosine of the "
            "gradients is that of A's gradient with -delta"
        )
        assert abs(found - cosine) < 1e-5, f"for cosine {cosine:g} the gradients' cosine is {found:.3f}"
        assert abs(harm - damage) < 1e-5 * max(1.0, damage), (
            f"for cosine {cosine:g} the step costs {harm:.3f}, not {damage:g}: first order is -cosine times both "
            "lengths; let the curvature along delta supply the rest"
        )


def _case(answer: Arrays) -> tuple[np.ndarray, np.ndarray, float]:
    """A's gradient at theta, the step, and what it costs A."""
    assert len(answer) == 3, f"return three arrays: M, theta, delta; not {len(answer)}"
    matrix, theta, delta = answer
    shapes = [each.shape for each in answer]
    assert shapes == [(2, 2), (2,), (2,)], f"shapes (2, 2), (2,) and (2,), not {shapes}"
    assert np.allclose(matrix, matrix.T), "M must be symmetric: it is a Hessian"
    slope = matrix @ theta
    assert np.linalg.norm(slope) > 1e-9, "the gradient at theta is zero; a cosine with it means nothing"
    assert np.linalg.norm(delta) > 1e-9, "a step of length zero does nothing"
    # L_A(theta + delta) - L_A(theta), without the cancellation.
    return slope, delta, float(slope @ delta + delta @ matrix @ delta / 2)


def sharper_mirror(damage: Steps, delta: Any) -> tuple[Any, Any]:
    """First- and second-order damage of delta from four evaluations
    of `damage`, a function of the step: exact to the fourth order."""
    odd = (damage(delta) - damage(-delta)) / 2
    even = (damage(delta) + damage(-delta)) / 2
    odd_half = (damage(delta / 2) - damage(-delta / 2)) / 2
    even_half = (damage(delta / 2) + damage(-delta / 2)) / 2
    return (8 * odd_half - odd) / 3, (16 * even_half - even) / 3


def _sharper_mirror(answer: Callable[[Steps, Any], tuple[float, ...]]) -> None:
    for first, second, third, fourth, step in ((3.0, 5.0, 0.0, 0.0, 2.0), (3.0, 5.0, 2.0, 1.0, 2.0), (-1, 2, -3, 4, 1)):

        def damage(x: float, a: float = first, b: float = second, c: float = third, d: float = fourth) -> float:
            return a * x + b * x**2 + c * x**3 + d * x**4

        got = answer(damage, step)
        assert len(got) == 2, "return two numbers: first order, second order"
        one, two = first * step, second * step**2
        assert abs(got[0] - two) > 1e-6 or abs(got[1] - one) > 1e-6, "the other way round: first order first"
        assert abs(got[0] - one - third * step**3) > 1e-6 or third == 0, (
            "the third order is still in your first: that is the plain mirror. Do it for delta / 2 too, and combine "
            "the two so that it cancels"
        )
        assert abs(got[1] - two - fourth * step**4) > 1e-6 or fourth == 0, (
            "the fourth order is still in your second: at delta / 2 it is a sixteenth, where the second is a quarter"
        )
        for name, mine, true in (("first", got[0], one), ("second", got[1], two)):
            assert abs(mine - true) < 1e-6, (
                f"for a damage of {first:g}x + {second:g}x² + {third:g}x³ + {fourth:g}x⁴ the {name} order of x = "
                f"{step:g} is {true:g}, not {mine:.4g}"
            )


EXERCISES = (
    Exercise(
        "5.1",
        taylor,
        _taylor,
        (
            "`gradient(module, loss) @ delta` is the first order.",
            "The Hessian is an operator: `Hessian(module, loss, keep_graph=False) @ delta` is a vector like delta.",
            "Multiply that vector with delta, and don't forget the half.",
        ),
        gives=numbers,
    ),
    Exercise(
        "5.2",
        orthogonal_but_harmful,
        _orthogonal_but_harmful,
        (
            "A valley along the first axis: M = diag(1, steep). On its floor, where does the gradient point?",
            "At theta = (1, 0) the gradient is (1, 0). Which steps are orthogonal to it?",
            "A step (0, 1) costs half of M's second entry.",
        ),
        gives=arrays,
    ),
    Exercise(
        "5.3",
        any_cosine,
        _any_cosine,
        (
            "Fix the step, say (1, 0). B's gradient then points along (-1, 0), and A's gradient must have the given "
            "cosine with it: a multiple of (-cosine, sqrt(1 - cosine²)).",
            "Damage is first order plus half the curvature along the step; the curvature M[0, 0] is yours to choose.",
            "With a gradient of length s: damage = -cosine s + M[0, 0] / 2. Choose s so small that M[0, 0] is not 0.",
            "theta is where the gradient M theta is what you want: `np.linalg.solve(matrix, slope)`.",
        ),
        gives=arrays,
    ),
    Exercise(
        "5.4",
        sharper_mirror,
        _sharper_mirror,
        (
            "Write the damage of x times delta as ax + bx² + cx³ + dx⁴. What are the odd and the even half at x = 1, "
            "and at x = 1/2?",
            "Odd: a + c, and a/2 + c/8. Even: b + d, and b/4 + d/16.",
            "Eight times the second odd number less the first is 3a. With what factor does d cancel?",
        ),
        gives=numbers,
    ),
)
