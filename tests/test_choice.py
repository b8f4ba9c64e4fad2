"""The last stage of a source: the clearest of each class, and exactly as many as are wanted."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.trim import choice
from t2local.trim.choice import ChoiceFigures, clearest
from t2local.trim.state import Batch, Pool, Wanted


@dataclass(frozen=True)
class State:
    """All that the stage looks at."""

    pool: Pool


def judged(labels, clearness, wanted: Wanted | None):
    """The result for rows with these labels; ``clearness`` is none where nothing is known."""
    rows = pd.DataFrame({"y": pd.Series(list(labels), dtype=object)})
    values = None if clearness is None else np.array(clearness, dtype=float)
    return choice.judge(Batch(rows, 0, None, values), State(Pool(wanted=wanted)))


@st.composite
def sources(draw):
    """Labels, clearness with many ties, and how many rows of each class are wanted."""
    labels = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=40))
    ranks = st.lists(st.integers(-4, 0), min_size=len(labels), max_size=len(labels))
    counts = draw(st.dictionaries(st.sampled_from("abc"), st.integers(0, 20), min_size=1))
    return labels, draw(ranks), counts


@settings(max_examples=150, deadline=None)
@given(sources())
def test_of_each_class_the_clearest_are_kept_and_of_equal_ones_the_first(source):
    labels, clearness, counts = source
    result = judged(labels, clearness, Wanted("y", sum(counts.values()), counts))
    (rejection,) = result.rejections
    kept = [place for place in range(len(labels)) if not rejection.rows[place]]
    for label in "abc":
        places = [place for place, other in enumerate(labels) if other == label]
        # A class of which nothing is wanted has no row; of a rare one all that there are.
        in_order = sorted(places, key=lambda place: (-clearness[place], place))
        expected = in_order[: counts.get(label, 0)]
        assert [place for place in kept if labels[place] == label] == sorted(expected)
        rejected = set(places) - set(expected)
        lowest_kept = min((clearness[place] for place in expected), default=1)
        assert all(clearness[place] <= lowest_kept for place in rejected)


@settings(max_examples=60, deadline=None)
@given(sources(), st.integers(0, 50))
def test_without_counts_of_classes_the_clearest_of_all_are_kept(source, total):
    labels, clearness, _ = source
    (rejection,) = judged(labels, clearness, Wanted("y", total)).rejections
    in_order = sorted(range(len(labels)), key=lambda place: (-clearness[place], place))
    assert np.flatnonzero(~rejection.rows).tolist() == sorted(in_order[:total])


def test_where_nothing_is_wanted_nothing_is_chosen():
    assert judged("aabb", [-1, -2, -3, -4], None).rejections == ()
    assert judged("aabb", [-1, -2, -3, -4], None).figures is None


def test_enough_room_for_all_rejects_none():
    result = judged("aabb", [-1, -2, -3, -4], Wanted("y", 9, {"a": 5, "b": 4}))
    assert not result.rejections[0].rows.any()
    assert result.figures == ChoiceFigures(candidates=4, wanted=9)


def test_the_first_rows_are_kept_where_no_row_is_clearer():
    result = judged("abaab", None, Wanted("y", 3, {"a": 2, "b": 1}))
    (rejection,) = result.rejections
    assert rejection.rows.tolist() == [False, False, False, True, True]
    assert rejection.reason == "the wanted rows were already there"
    assert np.isnan(rejection.measured)


def test_a_rejected_row_carries_the_probability_of_its_label():
    (rejection,) = judged(
        "aab", np.log([0.6, 0.9, 0.7]), Wanted("y", 2, {"a": 1, "b": 1})
    ).rejections
    assert rejection.rows.tolist() == [True, False, False]
    assert np.allclose(rejection.measured, [0.6, 0.9, 0.7])
    assert rejection.reason == "there were clearer rows of its class"


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(0, 25))
def test_the_clearest_are_the_first_of_the_sorted_ones(numbers, count):
    clearness = np.array([*numbers, 99, 98], dtype=float)
    places = np.arange(len(numbers))
    expected = sorted(places, key=lambda place: (-clearness[place], place))[:count]
    assert clearest(places, clearness, count).tolist() == expected
