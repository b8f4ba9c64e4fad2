"""Exact chances against all permutations of small columns, and searches against tables by hand."""

import itertools

import numpy as np
import pytest

from t2local.stats.dependencies import (
    Partition,
    cuts,
    equations,
    exclusions,
    log_chance_of_exclusion,
    log_chance_of_order,
    log_chance_of_same_cells,
    orders,
)


@pytest.mark.parametrize("seed", range(5))
def test_chances_are_shares_of_all_permutations(seed):
    rng = np.random.default_rng(seed)
    lower, upper = rng.integers(0, 6, 6).astype(float), rng.integers(2, 9, 6).astype(float)
    dealt = [upper[list(order)] for order in itertools.permutations(range(6))]
    ordered = np.mean([(lower <= each).all() for each in dealt])
    same = np.mean([(upper == each).all() for each in dealt])
    assert np.isclose(np.exp(log_chance_of_order(lower, upper)), ordered)
    assert np.isclose(np.exp(log_chance_of_same_cells(upper)), same)
    first, second = lower > 3, upper > 5
    apart = np.mean([not (first & (each > 5)).any() for each in dealt])
    sizes = [np.array([float(size)]) for size in (6, first.sum(), second.sum())]
    assert np.isclose(np.exp(log_chance_of_exclusion(*sizes))[0], apart)


def test_an_order_is_found_where_ranges_overlap_and_not_where_they_say_it():
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 100, 60)
    end = start + rng.exponential(5, 60)
    above, other = rng.uniform(500, 600, 60), rng.uniform(0, 100, 60)
    numbers = np.column_stack([start, end, above, other])
    assert [each[:2] for each in orders(numbers)] == [(0, 1)]
    assert not list(orders(numbers[:20]))  # too few rows to be sure of
    assert [each[:2] for each in orders(numbers[:20], 10)] == [(0, 1)]
    numbers[7, 1] = start[7] - 1
    assert not list(orders(numbers))
    numbers[7, 1] = np.nan
    assert [tuple(each) for each in orders(numbers)] == [(0, 1, 59)]


def test_equations_are_found_with_blanks_and_by_chance_never():
    rng = np.random.default_rng(1)
    a, b, c = rng.integers(0, 30, (3, 40)).astype(float)
    numbers = np.column_stack([a, b, c, a + b, 2.54 * c, a - 7])
    numbers[3, 3] = numbers[5, 0] = np.nan
    found = {(each.total, each.parts): each for each in equations(numbers)}
    assert found.keys() == {(4, (2,)), (5, (0,)), (3, (0, 1))}
    assert (found[4, (2,)].factor, found[5, (0,)].offset) == (2.54, -7)
    assert found[3, (0, 1)].support == 38
    zeros = np.zeros((40, 3))
    zeros[0] = (1, 0, 1)
    assert not list(equations(zeros))  # 0 + 0 = 0 says nothing


def test_a_cut_needs_ranges_that_meet_without_overlap():
    rng = np.random.default_rng(2)
    age = np.arange(150.0) % 90
    steps = np.ones(1)
    for classes, expected in (
        ((age > 17).astype(int) + (age > 64), [((0, 1, 2), (17.5, 64.5))]),
        (np.where(age > 40, 1, np.where(age < 30, 0, -1)), []),  # nobody knows where between
        (rng.integers(0, 2, 150), []),
    ):
        found = cuts(age[:, None], steps, [Partition(5, classes)])
        assert [(each.classes, each.bounds) for each in found] == expected


def test_functions_and_classes_that_never_meet():
    rng = np.random.default_rng(3)
    city = rng.integers(0, 12, 200)
    country = city // 4
    sex = rng.integers(0, 2, 200)
    pregnant = np.where(sex == 1, rng.integers(0, 2, 200), 0)
    partitions = [Partition(i, each) for i, each in enumerate((city, country, sex, pregnant))]
    found = {(each.first, each.second): each for each in exclusions(partitions)}
    assert found.keys() == {(0, 1), (2, 3)}
    assert found[0, 1].function
    assert found[2, 3].never == {0: {1}}


def test_unrelated_columns_have_no_rules():
    rng = np.random.default_rng(4)
    n_found = 0
    for n in (10, 30, 100, 300):
        for _ in range(5):
            numbers = rng.normal(0, 1, (n, 12)).round(1)
            numbers[rng.random((n, 12)) < 0.1] = np.nan
            partitions = [Partition(12 + i, rng.integers(0, 3, n)) for i in range(12)]
            n_found += len([*orders(numbers, 10), *equations(numbers), *exclusions(partitions)])
            n_found += len([*cuts(numbers, np.full(12, 0.1), partitions)])
    assert n_found == 0


def test_classes_of_thousands_of_rows_follow_from_each_other():
    # The powers of their shares are below the smallest double: COMPAS ended in a Python error.
    classes = np.repeat([0, 1, 2], 2000)
    found = list(exclusions([Partition(0, classes), Partition(1, classes)]))
    assert [each.function for each in found] == [True, True]


def test_a_table_without_a_row_has_no_equation():
    assert list(equations(np.empty((0, 3)))) == []
