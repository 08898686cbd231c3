"""Chapter 9: rounding to bfloat16 from the bits, a larger change that vanishes, and steps until one is seen."""

from collections.abc import Callable

import numpy as np
import torch

from toymdrl.course.exercises.base import Exercise, array, arrays, number


def stored(x: np.ndarray) -> np.ndarray:
    """float32 numbers as bfloat16 stores them, in float32 again."""
    bits = x.astype(np.float32).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = bits + np.uint32(0x7FFF) + odd
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


def _oracle(x: np.ndarray) -> np.ndarray:
    return torch.from_numpy(np.asarray(x, dtype=np.float32)).bfloat16().double().numpy()


def _stored(answer: Callable[[np.ndarray], np.ndarray]) -> None:
    generator = np.random.default_rng(0)
    size = np.exp2(generator.uniform(-30, 30, 4000)) * generator.choice([-1, 1], 4000)
    drawn = size.astype(np.float32)
    grid = _oracle(drawn).astype(np.float32)
    got = answer(grid)
    assert got.shape == grid.shape, "as many numbers as came in"
    assert np.array_equal(got, grid), (
        "a number that bfloat16 holds must come out as it went in. Do you look at the bits, "
        "`x.view(np.uint32)`, or at the value turned into an integer? Only the lower 16 bits may go"
    )
    got, true = answer(drawn), _oracle(drawn)
    cut = (drawn.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    assert not np.array_equal(got, cut), (
        "that cuts the lower 16 bits off: always towards zero. The nearest number may be the next one"
    )
    wrong = int((got != true).sum())
    assert wrong == 0, f"{wrong} of 4,000 random numbers, none of them half way, go to another number than the nearest"
    # Half way between two numbers of the grid: 8000 in the lower half of the bits.
    half = (grid.view(np.uint32) + np.uint32(0x8000)).view(np.float32)
    up = (half.view(np.uint32) + np.uint32(0x8000)).view(np.float32)
    got = answer(half)
    assert not np.array_equal(got, up), (
        "exactly half way you always round away from zero; IEEE's rule is to the EVEN neighbour, whose lowest kept "
        "bit is 0"
    )
    assert np.array_equal(got, _oracle(half)), "exactly half way: to the even neighbour, whose lowest kept bit is 0"


def counterexample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights before, after small changes, and after larger ones,
    four each: stored, all small changes show, and no larger one."""
    half_way = 1 + 2.0**-8  # between 1 and the next bfloat16 number
    before = np.full(4, half_way - 1e-5)
    return before, before + 2e-5, before - 1e-3


def _counterexample(answer: tuple[np.ndarray, ...]) -> None:
    assert len(answer) == 3, "three arrays: before, after small changes, after larger ones"
    before, small, large = (each.astype(np.float32) for each in answer)
    assert before.shape == small.shape == large.shape == (4,), "four weights in each of the three arrays"
    assert bool((np.abs(large - before) > np.abs(small - before)).all()), (
        "each of the larger changes must be larger than the small one of the same weight"
    )
    shows = bool((_oracle(small) != _oracle(before)).all())
    hidden = bool((_oracle(large) == _oracle(before)).all())
    if not (shows and hidden) and bool((_oracle(before) == before).all()):
        raise AssertionError(
            "your weights lie ON the grid, where it is as far to the half-way point above as to the one below (but for "
            "powers of two): the larger change shows first. A float32 weight may lie just beside a half-way point"
        )
    assert shows, "stored, every small change must show: it must cross a half-way point between two bfloat16 numbers"
    assert hidden, "stored, no larger change may show: move away from the half-way point, and not as far as the next"


def steps_until_seen(weight: float, step: float) -> int:
    """Steps after which the stored weight is another one, if a
    float32 master adds them up. `weight` is a bfloat16 number."""
    mantissa, exponent = np.frexp(abs(weight))
    spacing = 2.0 ** (exponent - 8)
    if mantissa == 0.5 and weight * step < 0:
        spacing = spacing / 2
    return int(spacing / 2 / abs(step)) + 1


def _steps(answer: Callable[[float, float], float]) -> None:
    assert answer(1.0, 0.001) == 4, (
        f"1 in steps of 0.001: the next number is 1 + 2^-7, half way there is 0.0039, so the 4th step shows; you have "
        f"{answer(1.0, 0.001):g}"
    )
    assert answer(1.5, 0.001) == 4, "1.5 lies in [1, 2) too: the spacing is the same from one power of two to the next"
    assert answer(2.0, 0.001) == 8, "from 2 on the spacing is twice that"
    assert answer(-1.5, 0.001) == answer(1.5, -0.001) == 4, "a negative weight, or a negative step, is no different"
    assert answer(1.0, -0.001) == 2, (
        "below a power of two the numbers lie twice as dense: from 1 down, half way is 0.00195, so the 2nd step shows"
    )
    assert answer(-1.0, -0.001) == 4, "from -1 away from zero the spacing is that above 1"
    generator = np.random.default_rng(1)
    for exponent in range(-9, 4):
        somewhere = float(torch.tensor(generator.uniform(1, 2) * 2.0**exponent).bfloat16())
        for size in (somewhere, 2.0**exponent):
            weight = size * generator.choice([-1, 1])
            step = 2.0 ** (exponent - 8) / generator.uniform(2, 30) * generator.choice([-1, 1])
            got, true = answer(weight, step), _counted(weight, step)
            assert got == true, f"from {weight:g} in steps of {step:.3g} step {true} is seen; you have {got:g}"


def _counted(weight: float, step: float) -> int:
    """By trying."""
    place = torch.tensor([weight + count * step for count in range(1, 200)], dtype=torch.float64)
    return 1 + int((place.bfloat16().double() != weight).nonzero()[0])


EXERCISES = (
    Exercise(
        "9.1",
        stored,
        _stored,
        (
            "A bfloat16 number is the upper half of a float32: the same sign and exponent, the first 7 bits of the "
            "mantissa. `x.view(np.uint32)` is the 32 bits as an integer, and `& np.uint32(0xFFFF0000)` keeps the upper "
            "half: that would round towards zero.",
            "Seen as integers, the bits of numbers of one sign are in order. To round to the nearest, add half of what "
            "is cut off, 0x8000, before cutting: a carry into the exponent is right, too.",
            "Half way that always goes up. Add 0x7FFF instead, and 1 more if the lowest bit that is kept, "
            "`(bits >> np.uint32(16)) & np.uint32(1)`, is 1: then a tie goes to the even neighbour.",
        ),
        gives=array,
    ),
    Exercise(
        "9.2",
        counterexample,
        _counterexample,
        (
            "What is stored is the nearest number of the grid. When does a tiny change alter which one is nearest?",
            "When the weight sits just beside a half-way point, such as 1 + 2^-8 between 1 and 1 + 2^-7. A float32 "
            "weight may sit there; a bfloat16 one cannot.",
            "Step over the half-way point by a hair, and away from it by a hundred hairs.",
        ),
        gives=arrays,
        value=True,
    ),
    Exercise(
        "9.3",
        steps_until_seen,
        _steps,
        (
            "How far is it from the weight to the next number of the grid, and to the half-way point? With "
            "$2^E \\le |w| < 2^{E+1}$ the spacing is $2^{E-7}$.",
            "`np.frexp(w)` gives a mantissa in [1/2, 1) and an exponent e with w = mantissa · 2^e: so E = e - 1.",
            "The first step that goes beyond half the spacing is the one that is seen: divide, take the whole part, "
            "and add 1.",
            "One special case: at a power of two (mantissa 1/2), towards zero, the next number is half as far away.",
        ),
        gives=number,
    ),
)
