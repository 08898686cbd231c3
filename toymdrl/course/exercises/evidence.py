"""Chapter 10: an interval, what many numbers of one seed are worth, an exact test, power, and Holm's correction."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from scipy import stats

from toymdrl.course.exercises.base import Exercise, array, number, numbers


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, lower and upper end of the 95 % t interval."""
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    mean = float(np.mean(values))
    return mean, mean - half, mean + half


def _interval(answer: Callable[[Sequence[float]], tuple[float, ...]]) -> None:
    assert len(answer([1.0, 2.0, 4.0])) == 3, "three numbers: mean, lower end, upper end"
    for values in ([1.0, 2.0, 3.0, 4.0], [0.3, -1.2, 2.2, 0.7, 1.9, -0.1, 5.0]):
        mean, low, high = answer(values)
        count, spread = len(values), float(np.std(values, ddof=1))
        assert abs(mean - np.mean(values)) < 1e-9, "the mean comes first"
        half = (high - low) / 2
        assert abs(half - 1.96 * spread / count**0.5) > 1e-6, (
            "1.96 is for large samples; with 4 seeds the t quantile is 3.18"
        )
        t = stats.t.ppf(0.975, count - 1)
        assert abs(half - t * np.std(values) / count**0.5) > 1e-6, "np.std divides by n unless you say ddof=1"
        assert abs(half - stats.t.ppf(0.95, count - 1) * spread / count**0.5) > 1e-6, (
            "0.95 leaves 5 % above AND 5 % below: for 95 % inside it is the quantile at 0.975"
        )
        assert abs(half - t * spread) > 1e-6, "that is the spread of single seeds: divide by the square root of n"
        true = interval(values)
        assert abs(low - true[1]) < 1e-9, f"expected {true[1]:.2f} to {true[2]:.2f}, got {low:.2f} to {high:.2f}"
        assert abs(high - true[2]) < 1e-9, f"expected {true[1]:.2f} to {true[2]:.2f}, got {low:.2f} to {high:.2f}"


def worth(seeds: int, each: int, shared: float) -> float:
    """How many independent numbers `each` numbers of each of
    `seeds` seeds are worth, if `shared` of a number's variance is
    its seed's."""
    return seeds * each / (1 + (each - 1) * shared)


def _worth(answer: Callable[[int, int, float], float]) -> None:
    assert abs(answer(10, 8, 0.0) - 80) < 1e-9, "if nothing is shared, all 80 numbers are independent: worth 80"
    assert abs(answer(10, 8, 1.0) - 10) < 1e-9, (
        f"if all variance is the seed's, the 8 numbers of a seed are one and the same: worth 10, and you have "
        f"{answer(10, 8, 1.0):.3g}"
    )
    assert abs(answer(10, 1, 0.3) - 10) < 1e-9, "one number a seed: they are independent, whatever is shared"
    assert abs(answer(10, 8, 0.5) - 80 / 4.5) < 1e-9, (
        f"between the two ends it is no straight line: for 10 seeds, 8 numbers each and a half shared you have "
        f"{answer(10, 8, 0.5):.1f}. Write down the variance of the mean of one seed's 8 numbers"
    )
    for seeds, each, shared in ((3, 20, 0.2), (7, 5, 0.9)):
        true = worth(seeds, each, shared)
        assert abs(answer(seeds, each, shared) - true) < 1e-9, (
            f"worth({seeds}, {each}, {shared}) is {true:.2f}, you have {answer(seeds, each, shared):.2f}"
        )


def sign_flip(differences: Sequence[float]) -> float:
    """Share of sign choices whose mean is at least as far from 0
    as the observed one."""
    observed, hits, count = abs(np.mean(differences)), 0, 0
    for signs in product((1, -1), repeat=len(differences)):
        mean = np.mean(np.multiply(signs, differences))
        hits += bool(abs(mean) > observed - 1e-12)
        count += 1
    return hits / count


def _sign_flip(answer: Callable[[Sequence[float]], float]) -> None:
    assert abs(answer([1.0, 2.0, 3.0]) - 0.125) > 1e-9, "two-sided: a mean of -2 is as far from zero as +2 is"
    assert abs(answer([1.0, 2.0, 3.0]) - 0.25) < 1e-9, (
        "1, 2, 3: of 8 choices, +++ and --- are as extreme: p = 2/8 (count all choices exactly, don't draw some)"
    )
    assert answer([1.0, -1.0]) == 1.0, "a mean of 0 is matched by every choice: p = 1"
    assert answer([2.0] * 5) == 2 / 32, "the observed signs are among the choices, so p is never 0; here it is 2/32"
    assert answer([-2.0, -1.0, -4.0]) == 0.25, "negative differences count as well as positive ones"
    # Rounding: in another order the same sum may come out a hair less.
    assert answer([0.1, 0.3, -0.3]) == 1.0, (
        "0.1, 0.3, -0.3: a mean of 0.1/3 is the least that signs can give, so p = 1, but 0.1 + 0.3 - 0.3 is not "
        "exactly 0.1 in floating point: count what is at least |mean| - 1e-12"
    )
    generator = np.random.default_rng(0)
    for count in (4, 6, 8):
        values = generator.normal(0.5, 1, count).tolist()
        got, true = answer(values), sign_flip(values)
        assert abs(got - true) < 1e-9, (
            f"of {2**count} sign choices {true * 2**count:.0f} are as extreme, not {got * 2**count:.3g}"
        )


def power(mean: float, spread: float, above: float, seeds: int) -> float:
    """Probability that the 95 % interval of so many new seeds lies
    above `above`, if seeds are normal with this mean and standard
    deviation."""
    bar = stats.t.ppf(0.975, seeds - 1)
    shift = (mean - above) / spread * seeds**0.5
    return 1 - stats.nct.cdf(bar, seeds - 1, shift)


def _power(answer: Callable[[float, float, float, int], float]) -> None:
    got = answer(3.0, 2.0, 3.0, 10)
    assert abs(got - 0.05) > 0.012, (
        "at the band's very edge 2.5 % of intervals lie above it, not 5: two ends share the 5 %"
    )
    assert abs(got - 0.025) < 0.012, (
        f"if the true mean is the band's edge, one interval in forty lies above it; you have {got:.3f}. "
        "Is it the interval's LOWER end that you compare, at the t quantile of n - 1?"
    )
    assert answer(10.0, 2.0, 3.0, 10) > 0.99, "a mean far above the band, in standard errors, nearly always meets it"
    assert answer(1.0, 1.0, 3.0, 10) < 0.01, "a mean far below the band nearly never meets it"
    for given in (
        (4.5, 2.0, 3.0, 10),
        (4.5, 2.0, 3.0, 5),
        (5.0, 3.0, 2.5, 4),
        (1.0, 2.0, 0.2, 25),
        (2.0, 3.0, -1.0, 6),
    ):
        got, true = answer(*given), float(power(*given))
        rough = float(1 - stats.norm.cdf(1.96 - (given[0] - given[2]) / given[1] * given[3] ** 0.5))
        off = abs(got - true)
        assert off < 0.03 or abs(got - rough) > 0.01, (
            f"with {given[3]} seeds the normal approximation is too good: {got:.2f}, not {true:.2f}. Each sample has "
            "a standard deviation of its own, and the quantile is Student's"
        )
        assert off < 0.03, (
            f"power{given} is {true:.2f}, you have {got:.2f}. Draw thousands of samples of so many seeds, compute "
            "each one's interval, and count"
        )


def holm(p: Sequence[float]) -> np.ndarray:
    """Adjusted p values, in the order of p."""
    adjusted, least = np.zeros(len(p)), 0.0
    for rank, index in enumerate(np.argsort(p)):
        least = max(least, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = least
    return adjusted


def _holm(answer: Callable[[Sequence[float]], np.ndarray]) -> None:
    got = answer([0.04, 0.01, 0.03])
    assert len(got) == 3, "as many adjusted p values as there were"
    assert got.tolist() != [0.03, 0.06, 0.06], "those are sorted; each belongs where its p value stood"
    assert abs(got[1] - 0.03) < 1e-9, "the smallest is multiplied by the number of tests: 3 * 0.01"
    assert abs(got[2] - 0.06) < 1e-9, "the next one by one less: 2 * 0.03"
    assert abs(got[0] - 0.06) < 1e-9, "1 * 0.04 is less than the 0.06 before it: take 0.06"
    got = answer([0.9, 0.8])
    assert max(got) <= 1, "a p value is at most 1"
    assert min(got) == 1, "0.8 and 0.9, two tests: both become 1"
    generator = np.random.default_rng(0)
    for count in (1, 5, 12):
        p = list(generator.uniform(0, 0.2, count))
        assert np.allclose(answer(p), holm(p)), "random p values come out otherwise: is it in the list's order?"


EXERCISES = (
    Exercise(
        "10.1",
        interval,
        _interval,
        (
            "The standard error is the sample standard deviation over the square root of n: "
            "`np.std(values, ddof=1) / len(values) ** 0.5`, or `stats.sem(values)`.",
            "Half the interval is `stats.t.ppf(0.975, len(values) - 1)` standard errors.",
        ),
        gives=numbers,
    ),
    Exercise(
        "10.2",
        worth,
        _worth,
        (
            "Write a number as u + e: u its seed's luck, the same for all of the seed, with variance `shared`; e its "
            "own, with variance 1 - `shared`.",
            "The mean of one seed's m numbers has the variance shared + (1 - shared) / m. The mean over n seeds has "
            "that over n.",
            "N independent numbers of variance 1 have a mean of variance 1/N. Set the two equal and solve for N.",
        ),
        gives=number,
    ),
    Exercise(
        "10.3",
        sign_flip,
        _sign_flip,
        (
            "`product((1, -1), repeat=len(differences))` gives all sign choices, a tuple each.",
            "Two-sided: compare absolute values of means.",
            "Divide the number of choices whose |mean| is at least |observed| - 1e-12 by the number of all.",
        ),
        gives=number,
    ),
    Exercise(
        "10.4",
        power,
        _power,
        (
            "Surest is to play it through: draw `np.random.default_rng(0).normal(mean, spread, (20000, seeds))`,"
            " a row an experiment.",
            "Each row has its own mean and its own standard deviation (ddof=1), so its own interval. Met is where the "
            "LOWER end is above the band's edge.",
            "`low = rows.mean(axis=1) - stats.t.ppf(0.975, seeds - 1) * stats.sem(rows, axis=1)`, and "
            "`(low > above).mean()`. (Exactly, it is a tail of the noncentral t distribution.)",
        ),
        gives=number,
    ),
    Exercise(
        "10.5",
        holm,
        _holm,
        (
            "`np.argsort(p)` gives the places of the p values from the smallest on: walk along it with `enumerate`.",
            "The one of rank r (from 0) is multiplied by `len(p) - r`, cut at 1, and is never below the one before.",
            "Write it to the place it came from: `adjusted[index] = …`.",
        ),
        gives=array,
    ),
)
