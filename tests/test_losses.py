"""Lost classes and ranges: their chance by counting, their limits, and what is no loss."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2local.tables.dictionary import Feature
from t2local.trim.losses import _log_p_of_empty, class_shares, lost_ranges

LABEL = Feature(name="y", type="category", levels=("a", "b", "c"))
NUMBER = Feature(name="x", type="integer", minimum=-999, maximum=999, missing=True)


def labels(**counts):
    return pd.Series([label for label, n in counts.items() for _ in range(n)], dtype=object)


def ranges(real, kept, real_groups=None, kept_groups=None, feature=NUMBER):
    frames = [pd.DataFrame({"x": np.asarray(cells, dtype=float)}) for cells in (real, kept)]
    groups = [
        np.zeros(len(frame), dtype=int) if own is None else np.asarray(own)
        for frame, own in zip(frames, (real_groups, kept_groups), strict=True)
    ]
    return lost_ranges(*frames, [feature], *groups)


def test_shares_of_classes_by_hand():
    shares = class_shares(labels(a=70, b=30), labels(a=40, b=10), LABEL)
    assert [share.label for share in shares] == ["a", "b"]
    b = shares[1]
    assert (b.expected, b.kept) == (0.3, 0.2)
    assert b.standard_error == pytest.approx(math.sqrt(40 / 150 * 110 / 150 * (1 / 100 + 1 / 50)))
    assert b.z == pytest.approx(-0.1 / b.standard_error)
    assert not b.lost


def test_no_share_of_fewer_than_eleven_real_rows_is_said():
    """Two patients are what was asked for, both of one class."""
    for share in class_shares(labels(a=2), labels(a=20, b=10), LABEL):
        assert (share.expected, share.standard_error, share.z) == (None, None, None)


def test_wanted_shares_are_held_against_what_was_asked_for():
    shares = class_shares(labels(a=99, b=1), labels(a=60, b=40), LABEL, {"a": 0.5, "b": 0.5})
    assert shares[1].expected == 0.5
    assert shares[1].standard_error == pytest.approx(0.05)
    assert shares[1].z == pytest.approx(-2)


@pytest.mark.parametrize(
    ("real", "n_kept", "lost"),
    [
        ({"a": 180, "b": 20}, 100, True),  # chance: about 1 in 3000
        ({"a": 180, "b": 20}, 10, False),  # chance: a third
        ({"a": 27, "b": 3}, 300, True),
        ({"a": 28, "b": 2}, 3000, False),  # two rows may be an accident
    ],
)
def test_a_class_is_lost_when_chance_does_not_explain_it(real, n_kept, lost):
    shares = class_shares(labels(**real), labels(a=n_kept), LABEL)
    assert [share.lost for share in shares] == [False, lost]


def test_a_wanted_class_is_lost_even_if_few_real_rows_have_it():
    wanted = {"a": 0.9, "c": 0.1}
    real = labels(a=30, c=1)
    assert class_shares(real, labels(a=100), LABEL, wanted)[1].lost
    assert not class_shares(real, labels(a=20), LABEL, wanted)[1].lost
    assert not class_shares(real, labels(a=99, c=1), LABEL, wanted)[1].lost


def test_one_class_alone_and_a_number_as_label():
    only = class_shares(labels(a=15), labels(a=9), LABEL)
    assert [(share.z, share.lost) for share in only] == [(0.0, False)]
    assert class_shares(pd.Series([1.0]), pd.Series([2.0]), NUMBER) == ()


def test_a_class_that_only_kept_rows_have_is_listed():
    shares = class_shares(labels(a=15), labels(a=8, c=1), LABEL)
    assert [(share.label, share.expected, share.lost) for share in shares] == [
        ("a", 1.0, False),
        ("c", 0.0, False),
    ]


@given(st.lists(st.booleans(), min_size=2, max_size=7), st.lists(st.booleans(), max_size=4))
def test_the_chance_of_an_empty_range_is_counted_over_all_ways_to_part_the_rows(first, second):
    """The outermost two rows are real: how often are they, within groups of both samples?"""
    n_real = max(2, len(first) // 2)
    groups = np.array([*first, *second], dtype=int)
    outermost = {0, 1}
    ways = [
        real
        for real in itertools.combinations(range(len(groups)), n_real)
        if np.bincount(groups[list(real)], minlength=2).tolist()
        == np.bincount(groups[:n_real], minlength=2).tolist()
    ]
    counted = np.mean([outermost <= set(real) for real in ways])
    chance = math.exp(_log_p_of_empty(groups[:n_real], groups[n_real:], np.array([0, 1])))
    assert chance == pytest.approx(counted)


def test_a_range_is_lost_when_no_kept_row_reaches_a_tenth_of_the_real_ones():
    real = np.arange(100)
    (high,) = ranges(real, np.tile(np.arange(80), 4))
    assert (high.column, high.end, high.real_share) == ("x", "highest", 0.2)
    assert high.p_value < 1e-4
    assert "above 79" in high.sentence
    (low,) = ranges(real, np.tile(np.arange(15, 100), 4))
    assert (low.end, low.real_share) == ("lowest", 0.15)
    assert "below 15" in low.sentence
    both = ranges(real, np.tile(np.arange(15, 80), 4))
    assert {lost.end for lost in both} == {"lowest", "highest"}


def test_a_range_is_not_lost_while_one_kept_row_lies_there():
    assert ranges(np.arange(100), [*np.tile(np.arange(80), 4), 95]) == ()
    assert ranges(np.arange(100), np.tile(np.arange(92), 4)) == ()  # less than a tenth


def test_few_rows_explain_an_empty_range():
    assert ranges(np.arange(100), np.arange(0, 80, 10)) == ()
    assert ranges(np.arange(5), np.tile(np.arange(4), 50)) == ()


def test_of_equal_numbers_none_is_an_outer_one():
    assert ranges(np.zeros(50), np.zeros(500)) == ()
    (lost,) = ranges([*np.zeros(30), *np.ones(20)], np.zeros(500))
    assert lost.real_share == 0.4
    assert ranges([*np.zeros(30), *np.ones(20)], [*np.zeros(500), 1]) == ()


def test_missing_numbers_lie_nowhere():
    assert ranges([np.nan] * 50, np.arange(500)) == ()
    assert ranges(np.arange(50), [np.nan] * 500) == ()
    (lost,) = ranges([*np.arange(100), *[np.nan] * 50], [*np.tile(np.arange(80), 4), np.nan])
    assert lost.real_share == 0.2


def test_no_limit_is_shown_that_ten_real_rows_or_fewer_stand_behind():
    (lost,) = ranges(np.arange(0, 50) * 7, np.tile(np.arange(0, 40), 20) * 7)  # 10 rows beyond
    assert lost.real_share is None
    assert "273" not in lost.sentence
    assert (
        lost.sentence == "No kept row has x as high as the highest tenth or more of the real rows."
    )
    (lost,) = ranges(np.arange(0, 55) * 7, np.tile(np.arange(0, 44), 20) * 7)  # 11 rows
    assert lost.sentence.endswith("of the real rows (above 301).")


def test_within_classes_that_were_balanced_a_range_is_not_lost_by_the_balance():
    """The high numbers are those of a class of which few rows were asked for."""
    real, classes = np.arange(100), np.repeat([0, 1], [80, 20])
    kept = np.tile(np.arange(80), 4)
    assert ranges(real, kept)
    assert ranges(real, kept, classes, np.zeros(320, dtype=int)) == ()
