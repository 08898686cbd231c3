"""Chapter 11: a claim with its rule, the fair control of a projection, and the conflict subspace of any module."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from toymdrl.course.claim import Claim, Harm
from toymdrl.course.exercises.base import Exercise, number, tensor
from toymdrl.course.spirals import fit, loss_of, network, then_b
from toymdrl.curvature import Hessian, top_eigenpairs, value
from toymdrl.evidence import Verdict, interval
from toymdrl.parameters import at_parameters, read_parameters

LOOKED_AT = range(5)
"""The seeds on which the page's set-up was chosen."""


def claim() -> Claim:
    """Claim, control, seeds and rule."""

    def rule(harms: Sequence[Harm]) -> Verdict:
        beyond_random = interval([each.actual - each.random for each in harms])
        beyond_first = interval([each.second - abs(each.first) for each in harms])
        half = interval([each.second - each.actual / 2 for each in harms])
        bands = (beyond_random, beyond_first, half)
        if any(found.high <= 0 for found in bands):
            return "not met"
        return "met" if all(found.low > 0 for found in bands) else "open"

    return Claim(
        "B's training harms A on unseen points, and at least half of the harm is of second order at A's checkpoint",
        "a random step of the same length",
        range(10, 20),
        rule,
    )


def _invented(actual: float, first: float, second: float, random: float = 0.001, spread: float = 0.05) -> list[Harm]:
    """Ten seeds about given numbers, each off by its own share."""
    generator = np.random.default_rng(0)
    shares = 1 + spread * generator.normal(size=(10, 4))
    return [Harm(*each) for each in (shares * [actual, first, second, random]).tolist()]


def _claim(answer: Claim) -> None:
    assert isinstance(answer, Claim), "the answer is a Claim(sentence, control, seeds, rule)"
    for text, what in ((answer.sentence, "sentence"), (answer.control, "control")):
        assert str(text or "").strip(), f"{what}: write it down, so that a stranger could do it"
    seeds = list(answer.seeds)
    assert len(set(seeds)) >= 10, f"{len(set(seeds))} seeds: at least ten, or the interval will reach everywhere"
    assert not set(seeds) & set(LOOKED_AT), "seeds 0 to 4 have been looked at: they chose the set-up, so take others"
    cases = (
        (
            _invented(0.020, 0.002, 0.016),
            ("met",),
            "ten seeds, each with a harm of about 0.020, of which 0.016 are second order and a random step does 0.001",
        ),
        (
            _invented(0.020, 0.016, 0.002),
            ("not met",),
            "a harm of 0.020 that is nearly all of FIRST order, 0.016",
        ),
        (_invented(-0.020, -0.022, 0.003), ("not met",), "A was not harmed at all: its loss fell by 0.020"),
        (
            _invented(0.010, -0.030, 0.020),
            ("not met", "open"),
            "first order helps by 0.030, more than second order's 0.020 harms: not mainly second order. Compare sizes, "
            "`abs(first)`",
        ),
        (
            _invented(0.020, 0.002, 0.016, random=0.040),
            ("not met", "open"),
            "a random step of the same length does twice the harm. Then it is nothing about B: use the control",
        ),
        (
            _invented(0.200, 0.001, 0.010),
            ("not met", "open"),
            "a harm of 0.200, of which second order explains 0.010 and first 0.001: the step is too long for a local "
            "theory, and 'mainly second order' is not so. Compare `second` with `actual`, too",
        ),
        (
            _invented(0.020, 0.009, 0.0105, spread=0.6),
            ("open", "not met"),
            "seeds scatter so much that the interval holds both sides: that is not 'met'. Judge by the interval, not "
            "the mean",
        ),
        (
            [*_invented(0.020, 0.011, 0.009)[:9], Harm(0.20, 0.001, 0.19, 0.001)],
            ("open", "not met"),
            "nine seeds say first order and one, ten times as large, says second: the mean is that one seed's. Judge "
            "by the interval",
        ),
    )
    for harms, right, words in cases:
        got = answer.rule(harms)
        assert got in ("met", "not met", "open"), f"the rule returns 'met', 'not met' or 'open', not {got!r}"
        wanted = "'" + "' or '".join(right) + "'"
        assert got in right, f"invented outcome: {words}. Your rule says {got!r}; expected {wanted}"


def shrunk_alike(basis: Tensor, delta: Tensor) -> Tensor:
    """The update shrunk by as much length as there is of it inside
    an orthonormal basis (coordinates, directions)."""
    inside = (basis.T @ delta).norm()
    return delta * (1 - inside / delta.norm())


def _shrunk_alike(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    basis, delta = torch.eye(3)[:, :1], torch.tensor([3.0, 4.0, 0.0])
    got = answer(basis, delta).float()
    assert got.shape == delta.shape, f"an update of shape {tuple(delta.shape)}, not {tuple(got.shape)}"
    off = torch.tensor([0.0, 4.0, 0.0])
    assert not torch.allclose(got, off), "that is the projection itself; the control keeps the DIRECTION of delta"
    assert torch.allclose(got / got.norm(), delta / 5), "the control keeps the direction of delta and only shortens it"
    assert not torch.allclose(got, delta * 0.8), (
        "that has the same length LEFT as the projection has. Asked for is the same length taken OFF: of (3, 4), 3 of 5"
    )
    assert torch.allclose(got, delta * 0.4), (
        f"of (3, 4) with 3 inside: 2 of 5 is left; you have {float(got.norm()):.2f}"
    )
    generator = torch.Generator().manual_seed(0)
    for directions in (1, 3, 6):
        basis, _ = torch.linalg.qr(torch.randn(20, directions, generator=generator))
        delta = torch.randn(20, generator=generator)
        got = answer(basis, delta).float()
        assert torch.allclose(got, shrunk_alike(basis, delta), atol=1e-5), (
            "with several directions, the length inside is the norm of all components together: "
            "`(basis.T @ delta).norm()`"
        )


def undone_by_top(module: nn.Module, after_a: Tensor, after_b: Tensor, k: int) -> float:
    """Share of A's damage undone, on unseen points, by taking the
    update off the top k directions."""
    unseen, delta = loss_of("A", "eval"), after_b - after_a
    with at_parameters(module, after_a):
        own = value(module, unseen)
        basis = top_eigenpairs(Hessian(module, loss_of("A", "train")), k).vectors
    levels = []
    for point in (after_b, after_b - basis @ (basis.T @ delta)):
        with at_parameters(module, point):
            levels.append(value(module, unseen))
    return (levels[0] - levels[1]) / (levels[0] - own)


def _undone_by_top(answer: Callable[..., float]) -> None:
    for seed, width, k in ((7, 16, 4), (8, 24, 3)):
        module = network(seed, width)
        fit(module, loss_of("A", "train"), 60, 2e-2)
        own = read_parameters(module)
        after_b = then_b(module, 6)
        # The module is somewhere else: whoever forgets to go to A's checkpoint takes the Hessian of another network.
        with at_parameters(module, own + 3 * (after_b - own)):
            found = read_parameters(module)
            got = answer(module, own, after_b, k)
            left_alone = torch.equal(read_parameters(module), found)
            true = undone_by_top(module, own, after_b, k)
        assert left_alone, "leave the module's parameters as you found them: use `with at_parameters(...)`"
        assert abs(got - (1 - true)) > 1e-3, "that is the share that is left; undone is one minus it"
        assert abs(got - true) < 0.01, (
            f"expected {true:.3f}, got {got:.3f}. The Hessian is taken at A's checkpoint (the module may be elsewhere) "
            "on A's TRAIN points; the damage is measured on the EVAL points, and its share is of the damage before"
        )


EXERCISES = (
    Exercise(
        "11.1",
        claim,
        _claim,
        (
            "`Claim(sentence, control, seeds, rule)`; `seeds` may be `range(10, 20)`. The rule gets a list of `Harm`, "
            "one a seed, and says 'met', 'not met' or 'open'.",
            "Build one number a seed for each thing that must be so, for example `each.second - abs(each.first)`, and "
            "take `interval` of it: it has `.low` and `.high`.",
            "What must be so? A is harmed, and more than by the control; second order is larger than first in size; "
            "and second order is a good part of what happened, else the step is too long for any order.",
            "'not met' if any interval lies wholly below 0, 'met' if all lie wholly above, and 'open' otherwise.",
        ),
        value=True,
    ),
    Exercise(
        "11.2",
        undone_by_top,
        _undone_by_top,
        (
            "`with at_parameters(module, after_a):` goes there and comes back. Inside it, `value(module, loss)` is A's "
            "own loss.",
            "`top_eigenpairs(Hessian(module, loss_of('A', 'train')), k).vectors` is a matrix (coordinates, k) with "
            "orthonormal columns; the part of delta inside is `basis @ (basis.T @ delta)`.",
            "Three losses on A's eval points: at A's checkpoint, after B, and after B with that part taken out. Undone "
            "is (after B - taken out) / (after B - own).",
        ),
        gives=number,
    ),
    Exercise(
        "11.3",
        shrunk_alike,
        _shrunk_alike,
        (
            "How long is the part of delta inside the basis? The columns are orthonormal, so its components "
            "`basis.T @ delta` have the same norm.",
            "Taken off is that length, so of the length of delta a share `1 - inside / delta.norm()` is left, in the "
            "same direction.",
        ),
        gives=tensor,
    ),
)
