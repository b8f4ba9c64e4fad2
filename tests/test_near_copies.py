"""Which synthetic rows are too near to one real row."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from t2local.evaluate import near_copies as module
from t2local.evaluate.near_copies import near_copies
from tests.pairs import pair_of, two, values


def leaky(n_leaked, change=0.0):
    """100 real and 100 new rows, of which the first ones are real ones, changed or not."""
    real, fresh = two(100), two(100, seed=2)
    rows = pd.concat([real.head(n_leaked), fresh[n_leaked:]], ignore_index=True)
    noise = np.random.default_rng(1).normal(0, change, (n_leaked, 2)).round(3)
    rows.loc[: n_leaked - 1, ["p", "q"]] += noise
    return pair_of(real, rows)


def test_copies_have_their_numbers_and_so_many_are_no_chance():
    found = near_copies(leaky(8), None, 0.05)
    assert found.copies == tuple(range(1, 9))
    assert set(found.near) >= set(found.copies)
    assert found.p_value < 0.02
    assert found.reference_copies == 0
    assert found.expected == pytest.approx(100 / (found.reference_rows + 1))


def test_rows_changed_a_little_are_no_copies_but_near():
    found = near_copies(leaky(30, change=0.01), None, 0.05)
    assert len(found.copies) < 3
    assert found.p_value < 0.05


def test_new_rows_are_as_near_as_chance_has_it():
    found = near_copies(leaky(0), None, 0.05)
    assert found.copies == ()
    assert found.p_value > 0.05
    pair = leaky(0)
    with_others = near_copies(pair, values(two(50, seed=3), pair.dictionary)[1], 0.05)
    assert with_others.reference_rows == 50
    assert with_others.p_value > 0.05


def test_a_row_that_several_real_rows_have_gives_nobody_away():
    real = pd.concat([two(60), two(60)], ignore_index=True)
    found = near_copies(pair_of(real, two(60)), None, 0.05)
    assert len(found.copies) == 60
    assert found.near == ()
    assert found.p_value == 1.0


def test_doubles_among_real_rows_are_what_chance_makes():
    """Two real rows are equal: a copy of a third one is as near as these are."""
    pair = leaky(5)
    doubled = pd.concat([pair.real, pair.real.head(1)], ignore_index=True)
    found = near_copies(replace(pair, real=doubled), None, 0.05)
    assert found.reference_copies == 2
    assert found.p_value > near_copies(pair, None, 0.05).p_value


def test_the_test_is_a_count_of_all_orders():
    """Of 4 synthetic and 5 real ratios all orders are alike: how often are 2 of 4 before all but
    one of the real ones?"""
    orders = list(combinations(range(9), 4))  # the places of the synthetic rows

    def before(places):
        real = [place for place in range(9) if place not in places]
        return sum(place < real[1] for place in places)

    expected = np.mean([before(places) >= 2 for places in orders])
    reference = module._Reference(0.5, n_rows=5, n_before=1, n_copies=2)
    assert reference.p_value(2, 4) == pytest.approx(expected)


@pytest.mark.parametrize("level", [0.001, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("n", [1, 40, 300])
def test_the_fewest_that_are_more_than_chance_makes(n, level):
    reference = module._Reference(0.5, n_rows=30, n_before=2, n_copies=2)
    significant = [count for count in range(n + 1) if reference.p_value(count, n) <= level]
    assert reference.least_significant(n, level) == (significant[0] if significant else None)


def test_two_rows_that_are_each_others_nearest_are_one_piece_of_evidence():
    distances = np.array([[0.1, 0.4], [0.1, 0.3], [0.2, 0.3], [0.0, 0.2], [0.0, 0.5]])
    own = module._Reference.of_real_rows(distances, 0.0)
    assert (own.n_rows, own.n_before, own.n_copies) == (3, 1, 2)
    assert own.bound == 0.25


def test_the_smallest_leak_is_found_with_the_probability_that_is_said():
    assert module._smallest_leak(4, 1.0, 100) == 4
    assert module._smallest_leak(4, 0.5, 100) == 10  # 10 flips: 4 heads or more in 83 %
    assert module._smallest_leak(4, 0.001, 100) is None
    assert module._smallest_leak(None, 1.0, 100) is None


def test_with_many_columns_a_row_that_was_changed_a_little_stands_out():
    real, fresh = (
        pd.DataFrame(np.random.default_rng(seed).normal(size=(80, 8)).round(3)).add_prefix("x")
        for seed in (1, 2)
    )
    label = ["no", "yes"] * 40
    found = near_copies(pair_of(real.assign(y=label), fresh.assign(y=label)), None, 0.05)
    assert found.p_value > 0.05
    assert 5 <= found.smallest_leak <= 8


def test_the_change_of_a_number_is_a_part_of_its_range_wherever_that_lies():
    real = two(80).assign(p=lambda frame: frame["p"].round(3) + 5000)
    pair = pair_of(real, real)
    changed = module._changed(pair, pair.real, np.random.default_rng(1))
    deviation = float((changed["p"] - pair.real["p"]).std())
    assert deviation == pytest.approx(0.01 * np.ptp(real["p"]), rel=0.3)
