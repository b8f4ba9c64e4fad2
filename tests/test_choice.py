"""The last stage of a source: the clearest rows of each class, or those that are together like the
real ones; and exactly as many as are wanted."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.settings import TrimSettings
from t2local.tables.files import cells_of
from t2local.trim import choice
from t2local.trim.choice import ChoiceFigures, clearest
from t2local.trim.state import Batch, Pool, Reference, Wanted
from tests.sources import table


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


def kept_to_look_alike(real, rows, wanted, **reference):
    """The stage's result without a measure of clearness, and the rows that are kept."""
    dictionary = t2local.describe(real, target="y")
    values = [dictionary.values(cells_of(frame)) for frame in (real, rows)]
    known = Reference.of(values[0], dictionary, TrimSettings(), 1, **reference)
    result = choice.judge(Batch(values[1], 0, known), State(Pool(wanted=wanted)))
    return result.rejections[0], rows[~result.rejections[0].rows]


def test_without_clearness_the_kept_rows_are_together_like_the_real_ones():
    rng = np.random.default_rng(3)
    real, rows = table(100, "two", rng), table(150, "two", rng)
    shares = real["y"].value_counts().to_dict()
    rejection, kept = kept_to_look_alike(real, rows, Wanted("y", 100, shares))
    assert kept["y"].value_counts().to_dict() == shares
    assert set(rejection.rows) == {True, False}
    assert rejection.reason == "the others together are more like the real rows"
    assert np.isnan(rejection.measured)
    numbers = list(real.select_dtypes("number"))
    first = pd.concat(rows[rows["y"] == label].head(count) for label, count in shares.items())
    aim = (real[numbers].mean() + rows[numbers].mean()) / 2

    def away(frame):
        return ((frame[numbers].mean() - aim) / real[numbers].std()).abs().sum()

    assert away(kept) < 0.5 * away(first)


def test_where_real_rows_are_not_what_was_asked_for_only_those_that_are_count():
    """Half of the real rows are old. Where only these were asked for, the kept ones are old."""
    rng = np.random.default_rng(4)
    real, rows = table(200, "two", rng), table(300, "two", rng)
    number = real.select_dtypes("number").columns[0]
    high = (real[number] > real[number].median()).to_numpy()
    _, kept = kept_to_look_alike(real, rows, Wanted("y", 100), matches=high)
    _, other = kept_to_look_alike(real, rows, Wanted("y", 100), matches=~high)
    assert kept[number].mean() > other[number].mean()


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
