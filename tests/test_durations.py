"""Durations: minutes or seconds inside, hours with minutes outside."""

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.tables.durations import (
    duration_format,
    from_plain,
    native,
    pattern,
    plain_format,
    recognize,
    to_bound,
    to_numbers,
    to_text,
)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 5000),
    st.integers(0, 300),
    st.sampled_from(["H:MM", "H:MM:SS", "HH:MM", "HH:MM:SS"]),
)
def test_the_pattern_of_durations_has_all_in_range_and_no_other(low, span, form):
    allowed = re.compile(pattern(low, low + span, form))
    near = list(range(max(0, low - 70), low + span + 70))
    plain = plain_format(form)
    assert [moment for moment in near if allowed.fullmatch(to_text(moment, plain))] == list(
        range(low, low + span + 1)
    )


@given(st.lists(st.integers(0, 6000), min_size=1), st.booleans(), st.booleans())
def test_times_come_back_as_they_were_written(numbers, padded, seconds):
    form = f"{'HH' if padded else 'H'}:MM{':SS' if seconds else ''}"
    cells = [to_text(number, form) for number in numbers]
    found = duration_format(cells)
    assert to_numbers(pd.Series(cells), found).tolist() == numbers
    assert [to_text(number, found) for number in numbers] == cells


def test_an_hour_of_two_digits_is_written_so_again():
    assert duration_format(["08:30", "12:05"]) == "HH:MM"
    assert duration_format(["08:30", "9:05"]) == "H:MM"
    assert duration_format(["18:30:00", "12:05:10"]) == "H:MM:SS"
    assert to_text(510, "HH:MM") == "08:30"


def test_durations_are_minutes_or_seconds():
    assert duration_format(["1:30", "12:05"]) == "H:MM"
    assert duration_format(["1:30:00", "0:00:59"]) == "H:MM:SS"
    assert duration_format(["1:30", "1:30:00"]) is None
    assert to_numbers(pd.Series(["1:30", "12:05"]), "H:MM").tolist() == [90, 725]
    assert duration_format([]) is None
    assert duration_format(["1:60"]) is None
    assert recognize(["1:30"]) == ("H:MM", "times or durations, written H:MM")
    assert recognize(["1:30", "soon"]) is None


@settings(max_examples=100)
@given(st.integers(0, 10**6), st.sampled_from(["H:MM", "H:MM:SS"]))
def test_a_length_comes_back_from_its_text(length, form):
    text = to_text(length, form)
    size = {"H:MM": 60, "H:MM:SS": 3600}[form]
    assert int(text.partition(":")[0]) == length // size
    assert from_plain(text, form) == length
    if length // size < 10_000:  # more digits are no duration
        assert to_numbers(pd.Series([text]), form)[0] == length
        assert to_bound(text, form, last=True) == length
        unit = {"H:MM": "min", "H:MM:SS": "s"}[form]
        assert native(pd.Series([length]), form)[0] == pd.Timedelta(length, unit)


def test_a_wide_range_has_whole_hours_and_stays_small():
    hours = pattern(0, 60 * 9999 + 59, "H:MM")
    assert len(hours) < 60_000
    assert re.fullmatch(hours, "9999:59")
    assert not re.fullmatch(hours, "10000:00")


@pytest.mark.parametrize("text", ["1:3", "25", "soon", None, True])
def test_a_bound_in_another_form_is_refused(text):
    with pytest.raises(ValueError, match="not written as H:MM"):
        to_bound(text, "H:MM", last=False)
