"""Chapter 4: two controls of harm, an update's entries and a stage's rewards in another order, and what noise costs."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from toymdrl.course.exercises.base import Exercise, number, tensor
from toymdrl.streams import stream


def rearranged(update: Tensor, sizes: Sequence[int], generator: torch.Generator) -> Tensor:
    """An update (coordinates,) in which each weight matrix's entries
    have changed places among themselves; the matrices lie one behind
    the other, and `sizes` says how many entries each has."""
    pieces = []
    for piece in update.split(sizes):
        order = torch.randperm(len(piece), generator=generator)
        pieces.append(piece[order])
    return torch.cat(pieces)


def _rearranged(answer: Callable[..., Tensor]) -> None:
    sizes = [40, 7, 200]
    update = torch.randn(sum(sizes), generator=stream("rearranged"))
    got = answer(update, sizes, stream("check", 0))
    assert got.shape == update.shape, "a vector like update: put the pieces together again, `torch.cat`"
    assert torch.equal(got.sort().values, update.sort().values), "every entry once: nothing added, nothing lost"
    for mine, theirs in zip(got.split(sizes), update.split(sizes), strict=True):
        assert torch.equal(mine.sort().values, theirs.sort().values), (
            "entries have moved from one matrix to another: a matrix that hardly changed would get large entries. "
            "Shuffle each piece for itself"
        )
        assert not torch.equal(mine, theirs), "one of the pieces is still in its old order"
    _drawn_from_the_generator(lambda generator: answer(update, sizes, generator))


def dealt_out(rewards: Tensor, generator: torch.Generator) -> Tensor:
    """Rewards (prompts, group), each prompt's own dealt out anew
    among its answers, in an order drawn for that prompt alone."""
    order = torch.rand(rewards.shape, generator=generator).argsort(dim=1)
    return rewards.gather(1, order)


def _dealt_out(answer: Callable[..., Tensor]) -> None:
    rewards = torch.rand(64, 8, generator=stream("dealt out"))
    got = answer(rewards, stream("check", 0))
    assert got.shape == rewards.shape, "rewards go in and rewards come out: keep the shape (prompts, group)"
    assert not torch.equal(got, rewards), "the rewards are where they were"
    if not torch.equal(got.sort(dim=1).values, rewards.sort(dim=1).values):
        whole = torch.equal(got.flatten().sort().values, rewards.flatten().sort().values)
        assert not whole, (
            "rewards have gone from one prompt to another. Then a prompt whose answers all earn the same is no longer "
            "flat, and the control differs from the stage in more than one thing"
        )
        raise AssertionError("each reward of a prompt once: some are there twice, others are lost")
    same = torch.arange(4.0).repeat(2000, 1)
    dealt = answer(same, stream("check", 1))
    orders = {tuple(row) for row in dealt.tolist()}
    assert len(orders) > 1, "every prompt got the same order: draw one a prompt"
    assert len(orders) == 24, (
        f"of the 24 orders of four answers yours gives only {len(orders)}: a shift keeps neighbours together; every "
        "order must be possible"
    )
    share = (dealt == same).double().mean(dim=0)
    assert bool(((share - 1 / 4).abs() < 0.05).all()), "a reward stays where it was in one case of four, neither more"
    _drawn_from_the_generator(lambda generator: answer(rewards, generator))


def _drawn_from_the_generator(draw: Callable[[torch.Generator], Tensor]) -> None:
    """Whether what is drawn depends on the generator, and on nothing else."""
    outside = torch.get_rng_state()
    one, again, other = (draw(stream("check", index)) for index in (0, 0, 1))
    of_it_alone = torch.equal(outside, torch.get_rng_state()) and torch.equal(one, again)
    assert of_it_alone, (
        "the same generator must give the same order again: pass `generator=generator` to what you draw with"
    )
    assert not torch.equal(one, other), "two generators must give two orders: draw from `generator`"
    generator = stream("check", 2)
    assert not torch.equal(draw(generator), draw(generator)), "a second call must draw anew: seed nothing yourself"


def blind_damage(hessian: ArrayLike, covariance: ArrayLike, length: float) -> float:
    """Expected second-order damage of a random step of mean 0, whose
    covariance is a multiple of `covariance` and whose root mean
    square length is `length`; both matrices are (d, d)."""
    bent = np.trace(np.asarray(hessian) @ np.asarray(covariance))
    return float(length**2 / 2 * bent / np.trace(covariance))


def _blind_damage(answer: Callable[..., float]) -> None:
    generator = np.random.default_rng(0)
    sharp = np.diag([100.0, 1, 1, 1])
    even = answer(sharp, np.eye(4), 2.0)
    assert abs(even - 103) > 1e-9, "second-order damage is *half* of delta.H delta"
    assert abs(even - 2 * 103) > 1e-9, (
        "with C = 1 in four dimensions the length squared is shared by four coordinates: divide by the trace of C"
    )
    assert abs(even - 51.5) < 1e-9, (
        f"a step of length 2 in any direction alike, H = diag(100, 1, 1, 1): 4/2 times the mean eigenvalue is 51.5, "
        f"not {even:.4g}"
    )
    assert abs(answer(sharp, np.diag([1.0, 0, 0, 0]), 2.0) - 200) < 1e-9, (
        "if all noise lies along the sharpest direction, the damage is that of a step along it: 200"
    )
    for _ in range(3):
        root, bend = generator.standard_normal((2, 5, 5))
        covariance, hessian = root @ root.T, bend + bend.T
        true = blind_damage(hessian, covariance, 1.5)
        got = answer(hessian, covariance, 1.5)
        diagonal = 1.5**2 / 2 * float(np.diag(hessian) @ np.diag(covariance)) / float(np.trace(covariance))
        assert abs(got - diagonal) > 1e-9, (
            "you used the diagonals alone; entries beside them count too: the trace of the *product*"
        )
        assert abs(answer(hessian, 7 * covariance, 1.5) - got) < 1e-9, (
            "`covariance` is given up to a factor: seven times as much noise, stretched to the same length, is the same"
        )
        assert abs(got - true) < 1e-9, (
            f"expected {true:.4f} for some symmetric matrices, got {got:.4f}. What is the mean of x.Hx if the mean of "
            "x x' is C? Write it as a sum over entries"
        )


EXERCISES = (
    Exercise(
        "4.1",
        rearranged,
        _rearranged,
        (
            "`update.split(sizes)` gives the matrices' pieces, one by one.",
            "`torch.randperm(n, generator=generator)` is a random order of n places; index a piece with it.",
            "Collect the pieces in a list and put them together with `torch.cat`.",
        ),
        gives=tensor,
    ),
    Exercise(
        "4.2",
        dealt_out,
        _dealt_out,
        (
            "`torch.randperm` gives one order; here every prompt needs its own.",
            "Sorting random numbers gives a random order: `torch.rand(rewards.shape, generator=generator)`, and "
            "`argsort(dim=1)` of it is one order a row.",
            "`rewards.gather(1, order)` reads each row in its order.",
        ),
        gives=tensor,
    ),
    Exercise(
        "4.3",
        blind_damage,
        _blind_damage,
        (
            "Let x be the step. Its damage is x.Hx / 2; write x.Hx as a sum over i and j of H_ij x_i x_j.",
            "The mean of x_i x_j is the covariance's entry, so the mean of x.Hx is the sum of H_ij C_ij: the trace of "
            "the product of H and C.",
            "What about the length? The mean of x.x is the trace of C. Scale C so that this is length squared.",
        ),
        gives=number,
    ),
)
