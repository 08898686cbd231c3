"""Intervals, exact tests, adjusted p values, verdicts and power, against enumeration, simulation and scipy."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from toymdrl.evidence import Rule, exchange, holm, interval, of_each_seed, rule_table, sign_flip, together

numbers = st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 3))
samples = st.lists(numbers, min_size=2, max_size=8)


@given(samples)
def test_the_interval_is_students(values: list[float]) -> None:
    found = interval(values)
    if np.std(values) > 0:
        low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)


@given(samples)
def test_the_sign_flip_test_counts_all_signs(values: list[float]) -> None:
    means = [np.mean(np.multiply(values, signs)) for signs in product((1, -1), repeat=len(values))]
    as_far = np.mean([abs(mean) >= abs(np.mean(values)) - 1e-9 for mean in means])
    assert sign_flip(values) == pytest.approx(as_far, abs=1e-12)


@given(st.lists(numbers, min_size=2, max_size=4), st.lists(numbers, min_size=2, max_size=4))
def test_the_exchange_test_counts_all_ways_to_divide(one: list[float], other: list[float]) -> None:
    every = [*one, *other]
    ways = [np.isin(range(len(every)), chosen) for chosen in combinations(range(len(every)), len(one))]
    apart = [np.mean(np.array(every)[way]) - np.mean(np.array(every)[~way]) for way in ways]
    share = min(np.mean(np.array(apart) <= apart[0] + 1e-9), np.mean(np.array(apart) >= apart[0] - 1e-9))
    assert exchange(one, other) == pytest.approx(min(1, 2 * share), abs=1e-12)
    assert exchange(one, [*other, float("nan")]) == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_rejects_what_its_definition_does(ps: list[float]) -> None:
    adjusted = holm({str(index): p for index, p in enumerate(ps)})
    for level in (0.01, 0.05, 0.2, 0.7):
        rejected = set()
        for rank, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
            if (len(ps) - rank) * ps[index] > level:
                break
            rejected.add(str(index))
        assert {name for name, p in adjusted.items() if p <= level} == rejected


@pytest.mark.parametrize(
    ("rule", "values", "verdict"),
    [
        (Rule("C1", "", "x", above=2), [3.0, 3.1, 2.9], "met"),
        (Rule("C1", "", "x", above=2), [1.0, 5.0, 3.0], "open"),
        (Rule("C1", "", "x", above=2), [1.0, 1.1, 0.9], "not met"),
        (Rule("C1", "", "x", above=0.5, below=2), [1.0, 1.1, 0.9], "met"),
        (Rule("C1", "", "x", above=1, every=True), [1.1, 9.0, 0.99], "not met"),
        (Rule("C1", "", "x", above=1, every=True), [1.1, 9.0, 1.01], "met"),
    ],
)
def test_verdicts(rule: Rule, values: list[float], verdict: str) -> None:
    assert rule.judge([{"x": value} for value in values]) == verdict


def test_numbers_that_are_not_finite_decide_nothing() -> None:
    nan = float("nan")
    assert sign_flip([nan, 1.0, 2.0]) != sign_flip([nan, 1.0, 2.0])
    assert Rule("C1", "", "x", above=0).judge([{"x": nan}, {"x": 1.0}]) == "open"
    assert Rule("C1", "", "x", above=0, every=True).judge([{"x": nan}, {"x": 1.0}]) == "open"


def test_many_seeds_are_tested_by_random_signs() -> None:
    differences = list(np.random.default_rng(1).normal(0.3, 1.0, 16))
    exact = sign_flip(differences)
    more = sign_flip([*differences, 1e-9])  # one more seed that says nothing
    assert more == pytest.approx(exact, abs=4 * (0.25 / 2**16) ** 0.5)


def test_tables_survive_a_bar_in_a_name() -> None:
    lines = rule_table([Rule("C1", "|δ| at most", "x", below=1)], [{"x": 0.1}, {"x": 0.2}])
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_a_claim_needs_all_of_its_rules() -> None:
    assert together(["met", "met"]) == "met"
    assert together(["met", "open"]) == "open"
    assert together(["open", "not met"]) == "not met"


@pytest.mark.parametrize(("above", "below"), [(0, 9e9), (-0.2, 1.4), (-1e3, 0.9), (-1e3, 1e3)])
def test_power_is_how_often_simulated_seeds_meet_the_rule(above: float, below: float) -> None:
    rule = Rule("C1", "", "x", above=above, below=below)
    pilot, seeds, tries = [{"x": value} for value in (0.1, 0.4, 0.6, 0.9, 1.2)], 10, 4000
    mean, spread = np.mean([row["x"] for row in pilot]), np.std([row["x"] for row in pilot], ddof=1)
    drawn = np.random.default_rng(0).normal(mean, spread, (tries, seeds))
    met = np.mean([rule.judge([{"x": value} for value in one]) == "met" for one in drawn])
    power = rule.power(pilot, seeds)
    assert power is not None
    assert abs(power - met) < 4 * (0.25 / tries) ** 0.5


def test_rows_are_sorted_by_seed() -> None:
    rows = [{"setting": {"seed": seed}, "x": value} for seed, value in ((4, 1.0), (3, 5.0), (4, 3.0))]
    assert [[row["x"] for row in own] for own in of_each_seed(rows)] == [[5.0], [1.0, 3.0]]
