"""Orders that a person knows."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2local.tables.ordered_levels import known_order, order_of_ranges


@pytest.mark.parametrize(
    "order",
    [
        ["low", "medium", "high"],
        ["None", "Mild", "SEVERE"],
        ["I", "II", "III", "IV"],
        ["0", "1+", "2+"],
        ["never", "sometimes", "always"],
    ],
)
def test_words_of_degree_are_put_in_order_as_they_are_written(order):
    assert known_order(random.Random(4).sample(order, len(order))) == order


def test_words_without_a_common_order_have_none():
    assert known_order(["low", "green"]) == []
    assert known_order(["low", "Low", "high"]) == []
    assert known_order(["low", "mild"]) == []


@pytest.mark.parametrize(
    "order",
    [
        ["5-9", "10-14", "100-200"],
        ["<18", "18-30", "31-50", "51+"],
        ["under 10", "10 to 14", "15-19", ">= 20"],
        ["0.5–1", "1–1.5", "2 and more"],
        ["≤ 3", "3-4", "4 or more"],
    ],
)
def test_ranges_go_by_where_they_start(order):
    assert order_of_ranges(random.Random(4).sample(order, len(order))) == order


def test_what_is_no_range_has_no_order():
    assert order_of_ranges(["5-9", "other"]) == []
    assert order_of_ranges(["5", "9", "11"]) == []  # numbers; no range among them
    assert order_of_ranges(["-5", "-9"]) == []


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=8, unique=True))
def test_adjacent_ranges_are_sorted_as_their_limits(limits):
    limits = sorted(limits)
    ranges = [f"{low}-{high}" for low, high in pairwise(limits)]
    order = [f"<{limits[0]}", *ranges, f"{limits[-1]}+"]
    assert order_of_ranges(sorted(order)) == order
