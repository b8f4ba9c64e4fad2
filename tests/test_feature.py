"""One column: what it allows, what it refuses, and its cells as values and back."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from t2local.tables.feature import Feature, with_article
from tests.strategies import level_features, numeric_features, temporal_features, values

features = st.one_of(numeric_features(), level_features(), temporal_features())


@settings(max_examples=150, deadline=None)
@given(features, st.data())
def test_cells_and_plain_texts_read_back_as_the_value(feature, data):
    value = data.draw(values(feature))
    cell = feature.cell(value)
    (back,) = feature.values(pd.Series([cell], dtype=object))
    assert (pd.isna(back) and value is None) or back == value
    if value is not None and feature.written_as_text:
        plain = feature.plain(value)
        assert feature.from_plain(plain) == value
        assert re.fullmatch(feature.text_pattern, plain)
        assert feature.number(cell) == value
    elif value is not None:
        assert feature.plain(value) == cell


@settings(max_examples=100, deadline=None)
@given(features)
def test_a_feature_comes_back_equal_from_its_fields(feature):
    assert Feature.model_validate(feature.model_dump(mode="json")) == feature
    assert Feature.model_validate(feature.model_dump(exclude_defaults=True)) == feature


@settings(max_examples=100, deadline=None)
@given(numeric_features(), st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=5))
def test_the_masks_of_numbers_are_those_of_a_plain_loop(feature, numbers):
    obeyed = feature.obeyed(pd.Series(numbers))
    grid = 10.0**feature.decimals
    low, high = feature.bounds
    for position, number in enumerate(numbers):
        steps = number * grid
        near = 1e-5 * max(1.0, abs(steps))
        if abs(steps - low * grid) > near:
            assert obeyed["minimum"][position] == (number > low)
        if abs(steps - high * grid) > near:
            assert obeyed["maximum"][position] == (number < high)
        if obeyed["step"][position]:
            assert abs(steps - round(steps)) <= near


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"type": "integer", "minimum": 1}, "a number needs a minimum and a maximum"),
        ({"type": "integer", "minimum": 0, "maximum": float("inf")}, "must be finite"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "minimum is above maximum"),
        ({"type": "integer", "minimum": 0.2, "maximum": 0.8}, "no value with so few decimals"),
        ({"type": "integer", "minimum": 0, "maximum": 1, "decimals": 1}, "an integer has no dec"),
        ({"type": "date", "minimum": 0, "maximum": 1, "decimals": 1}, "a date has no decimals"),
        ({"type": "decimal", "minimum": 0, "maximum": 1e9, "decimals": 9}, "stay below 2^53"),
        ({"type": "decimal", "minimum": 0, "maximum": 1, "levels": ["a"]}, "has no levels"),
        ({"type": "category"}, "a category needs levels"),
        ({"type": "category", "levels": ["a"], "minimum": 1}, "has levels, not minimum"),
        ({"type": "category", "levels": ["a", ""]}, "an empty level means missing"),
        ({"type": "category", "levels": ["a", "a"]}, "a level stands there twice"),
        ({"type": "boolean", "levels": ["a"]}, "a boolean has two levels"),
        ({"type": "ordinal"}, "an ordinal needs levels"),
        ({"type": "date", "minimum": "soon", "maximum": 1}, "not written as %Y-%m-%d"),
        ({"type": "duration", "minimum": "1", "maximum": 1}, "not written as H:MM"),
        ({"type": "colour", "levels": ["a"]}, "Input should be 'integer', 'decimal', 'date'"),
        ({"type": ["date"]}, "Input should be"),
    ],
)
def test_what_cannot_be_a_column_is_refused_with_the_reason(fields, fault):
    with pytest.raises(ValidationError, match=re.escape(fault)):
        Feature(name="x", **fields)


def test_numbers_are_written_as_short_as_they_read_back():
    kg = Feature(name="kg", type="decimal", minimum=-5, maximum=200, decimals=2)
    written = [kg.cell(value) for value in (70.0, 70.50, 0.25, -0.001, None, np.nan)]
    assert written == ["70", "70.5", "0.25", "0", None, None]


def test_missing_values_and_what_is_no_number_become_missing():
    age = Feature(name="a", type="integer", minimum=0, maximum=9, missing_values=("-9", "nd"))
    read = age.values(pd.Series(["7", "-9", "nd", "word", None], dtype=object))
    assert read[0] == 7
    assert read[1:].isna().all()
    day = Feature(name="d", type="date", format="%d.%m.%Y", minimum=0, maximum=9)
    assert day.values(pd.Series(["02.01.1970", 3.0, None], dtype=object))[:2].tolist() == [1, 3]


def test_steps_are_whole_even_where_floating_point_is_not():
    feature = Feature(name="x", type="decimal", minimum=0.1, maximum=0.3, decimals=1)
    assert feature.steps == (1, 3)
    assert Feature(name="x", type="integer", minimum=0.5, maximum=2.5).steps == (1, 2)
    with pytest.raises(TypeError, match="a category has no bounds"):
        _ = Feature(name="x", type="category", levels=("a",)).bounds


def test_articles():
    assert [with_article(noun) for noun in ("integer", "date")] == ["an integer", "a date"]


def test_old_names_of_a_feature_still_work_and_say_so():
    date = Feature(name="d", type="date", minimum="2020-01-01", maximum="2020-12-31")
    with pytest.warns(DeprecationWarning, match="written_as_text"):
        assert date.temporal
    values = date.values(pd.Series(["2020-03-04", None]))
    with pytest.warns(DeprecationWarning, match="Feature.cell"):
        assert date.cells(values) == ["2020-03-04", None]


def test_a_bound_that_is_part_of_a_day_is_refused():
    with pytest.raises(ValidationError, match="not of its format"):
        Feature(name="d", type="date", minimum=-1.5, maximum=20)


def test_a_level_with_its_unit_is_this_level_beside_a_pool_too():
    dose = Feature(name="dose", type="category", levels=("60", "other"), pool="other")
    cells = pd.Series(["60 mg", "other", "60", "80 mg", None], dtype=object)
    assert dose.values(cells).tolist() == ["60", "other", "60", "other", None]
