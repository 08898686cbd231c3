"""Chapter 8: putting coordinates back, what a quadratic says they recover, when that is harm, and how to damp it."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from toymdrl.course.exercises.base import Exercise, arrays, number, numbers, tensor
from toymdrl.streams import stream


def rolled_back(start: Tensor, end: Tensor, importance: Tensor, count: int) -> Tensor:
    """`end`, with the `count` coordinates of highest importance back at
    `start`; all (coordinates,). The inputs stay as they are."""
    patched = end.clone()
    chosen = importance.topk(count).indices
    patched[chosen] = start[chosen]
    return patched


def _rolled_back(answer: Callable[..., Tensor]) -> None:
    one, two = torch.full((6,), -1.0), torch.arange(1.0, 7.0)
    importance = torch.tensor([0.0, 5, -9, 4, 2, 3])
    got = answer(one, two, importance, 2)
    assert got.shape == two.shape, "return all parameters, with some of them put back"
    back = int((got == -1).sum())
    assert back == 2, f"{back} coordinates are back at `start`; it should be 2"
    assert float(got[2]) != -1, "the *highest* importance goes back, sign included: -9 is the lowest there is here"
    assert torch.equal(got, torch.tensor([1.0, -1, 3, -1, 5, 6])), "coordinates 1 and 3 go back here, no other"
    assert torch.equal(answer(one, two, -importance, 3), torch.tensor([-1.0, 2, -1, 4, -1, 6])), (
        "with the importance turned round and count 3, coordinates 0, 2 and 4 go back"
    )


def recovery(product: Callable[[Tensor], Tensor], delta: Tensor, chosen: Tensor) -> tuple[float, float]:
    """The terms m·H delta and -m·Hm/2 of what the rollback of `chosen`,
    True or False (coordinates,), recovers; product(v) is Hv."""
    m = delta * chosen
    return float(m @ product(delta)), -float(m @ product(m)) / 2


def _recovery(answer: Callable[..., tuple[float, float]]) -> None:
    for seed in (0, 1):
        generator = stream(seed, "recovery")
        half = torch.randn(8, 8, generator=generator, dtype=torch.float64)
        hessian = half @ half.T
        delta = torch.randn(8, generator=generator, dtype=torch.float64)
        chosen = torch.arange(8) < 3 + seed
        got = answer(lambda v, hessian=hessian: hessian @ v, delta, chosen)
        assert len(got) == 2, "return two numbers: m·H delta and -m·Hm/2"
        m = torch.where(chosen, delta, 0.0)
        rest = delta - m
        linear, bent = float(m @ hessian @ delta), -float(m @ hessian @ m) / 2
        assert abs(got[0] - float(m @ hessian @ rest)) > 1e-6, (
            "that is m·Hn, with the rest of delta; the first term has the whole delta"
        )
        assert abs(2 * got[0] - linear) > 1e-6, "no half in the first term, m·H delta"
        assert abs(got[0] - bent) > 1e-6, "the other way round: m·H delta first, then -m·Hm/2"
        assert abs(got[0] - linear) < 1e-6, f"m·H delta is {linear:.3f} here, not {got[0]:.3f}; m is delta on the set"
        assert abs(got[1] + bent) > 1e-6, "the second term is -m·Hm/2: mind the sign"
        assert abs(got[1] - 2 * bent) > 1e-6, "mind the factor 1/2"
        assert abs(got[1] - bent) < 1e-6, f"-m·Hm/2 is {bent:.3f} here, not {got[1]:.3f}"
        recovered = float(delta @ hessian @ delta - rest @ hessian @ rest) / 2
        assert abs(sum(got) - recovered) < 1e-6, "their sum is what the rollback recovers"


def signed_but_harmful() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """H (2, 2) and delta (2,): putting back the coordinates whose
    delta_i (H delta)_i is positive raises the loss."""
    return np.array([[1.0, 0.9], [0.9, 1.0]]), np.array([1.0, -0.8])


def _signed_but_harmful(answer: Callable[[], tuple[NDArray[np.float64], ...]]) -> None:
    hessian, delta = answer()
    assert (hessian.shape, delta.shape) == ((2, 2), (2,)), "return H, of shape (2, 2), and delta, of shape (2,)"
    assert np.allclose(hessian, hessian.T), "H must be symmetric"
    assert np.linalg.eigvalsh(hessian).min() > 0, "H must be positive definite: det H > 0"
    shares = delta * (hessian @ delta)
    assert hessian[0, 1] != 0, "with a diagonal H every coordinate pays for itself, and no rollback hurts"
    assert shares.min() < 0, (
        f"the shares delta_i (H delta)_i are {shares[0]:.2f} and {shares[1]:.2f}: the rule puts both back, which "
        "undoes everything. One of them must be negative"
    )
    rest = np.where(shares > 0, 0, delta)
    gain = (delta @ hessian @ delta - rest @ hessian @ rest) / 2
    assert gain < -1e-9, (
        f"this rollback recovers {gain:.3f}, so it does no harm; the coordinate left alone must have been kept in "
        "check by the one put back: a narrow valley along (1, -1), and delta nearly along it"
    )


def damped_share(a: float, b: float) -> float:
    """Share of m to undo, from 0 to 1, for slope a and curvature b."""
    if a <= 0:
        return 0.0
    return 1.0 if b <= a else a / b


def _damped_share(answer: Callable[..., float]) -> None:
    assert answer(-1.0, 2.0) == 0, "a < 0, going back climbs from the start: undo nothing"
    assert answer(-1.0, -2.0) == 0, (
        "a < 0 and b < 0: a / b is positive here, but going back climbs from the start: undo nothing"
    )
    for b in (2.0, -2.0):
        assert answer(0.0, b) == 0, "a = 0: the slope speaks neither for nor against it, undo nothing"
    assert answer(1.0, -2.0) == 1, "downhill and bending further down: undo everything (and mind b <= 0)"
    assert answer(1.0, 0.0) == 1, "b = 0: a straight slope down, undo everything (and don't divide by 0)"
    shares = np.linspace(0, 1, 100_001)
    for a, b in ((1.0, 2.0), (3.0, 1.0), (107.0, 353.0), (0.2, 5.0)):
        best, got = shares[np.argmax(shares * a - shares**2 * b / 2)], answer(a, b)
        assert got <= 1, f"for slope {a:g} and curvature {b:g} you undo {got:.2f}; more than all cannot be undone"
        assert abs(got - best) < 1e-4, (
            f"for slope {a:g} and curvature {b:g} the parabola s a - s² b / 2 has its top at s = {best:.2f}, not "
            f"{got:.2f}"
        )


EXERCISES = (
    Exercise(
        "8.1",
        rolled_back,
        _rolled_back,
        (
            "`importance.topk(count).indices` are the coordinates that go back.",
            "Clone `end`, then copy `start` over it at those indices.",
        ),
        gives=tensor,
    ),
    Exercise(
        "8.2",
        recovery,
        _recovery,
        (
            "m is delta where `chosen` is true and 0 elsewhere: `delta * chosen`.",
            "On paper: put n = delta - m into R = L(delta) - L(n), with L(x) = x·Hx / 2.",
            "delta·H delta - (delta - m)·H(delta - m) = 2 m·H delta - m·Hm, for a symmetric H.",
        ),
        gives=numbers,
    ),
    Exercise(
        "8.3",
        signed_but_harmful,
        _signed_but_harmful,
        (
            "Two coordinates that make up for each other: H_12 > 0, and a delta whose components have opposite signs.",
            "With H = [[1, c], [c, 1]] and delta = (1, -x) the shares are 1 - c x and x² - c x. The second is to be "
            "negative.",
            "Putting the first back recovers 1/2 - c x, which is negative if c x > 1/2. So: c x between 1/2 "
            "and 1, and x < c.",
        ),
        gives=arrays,
    ),
    Exercise(
        "8.4",
        damped_share,
        _damped_share,
        (
            "Where is the derivative of s a - s² b / 2 zero, and when is that a maximum?",
            "If the top lies beyond 1, or if there is none because b <= 0, and a > 0: undo everything.",
        ),
        gives=number,
    ),
)
