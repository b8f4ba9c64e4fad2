"""Dates, times and durations: found, bounded by real calendar days, and written as they came."""

import re
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.llm.scripted import ScriptedModel
from t2local.settings import TableSettings
from t2local.tables.calendar import (
    _days,
    date_format,
    from_plain,
    native,
    plain_format,
    recognize_dates,
    recognize_datetimes,
    to_bound,
    to_numbers,
    to_text,
    whole_days,
)
from t2local.tables.describe import describe
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.feature import Feature
from t2local.tables.files import from_frame
from t2local.tables.guess import guess_column

pytestmark = pytest.mark.usefixtures("few_trees")

LOOSE = {"trim.significance_level": 1, "trim.worst_share": 0, "trim.replicates": 20}


@settings(max_examples=60, deadline=None)
@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 1500))
def test_the_pattern_of_days_is_that_of_the_calendar(first, span):
    last = first + timedelta(days=span)
    allowed = re.compile(_days(first, last))
    around = [first + timedelta(days=day) for day in range(-40, span + 40)]
    assert [day for day in around if allowed.fullmatch(day.isoformat())] == [
        day for day in around if first <= day <= last
    ]
    for never in (
        f"{first.year}-02-30",
        f"{first.year}-13-01",
        f"{first.year}-00-10",
        f"{first.year}-04-31",
    ):
        assert not allowed.fullmatch(never)


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (["2021-03-04", "1999-12-31"], "%Y-%m-%d"),
        (["01.02.2020", "13.12.2021"], "%d.%m.%Y"),
        (["1/2/2020", "12/31/2020"], "%-m/%-d/%Y"),
        (["01/02/2020", "05/06/2020"], "%d/%m/%Y"),
        (["20200131", "20210505"], "%Y%m%d"),
        (["2020-01-01 10:30", "2021-05-05 00:00"], "%Y-%m-%d %H:%M"),
        (["2020-01-01T10:30:15", "2021-05-05T00:00:59"], "%Y-%m-%dT%H:%M:%S"),
    ],
)
def test_formats_are_found_and_cells_come_back_as_they_were(cells, form):
    assert date_format(cells)[0] == form
    numbers = to_numbers(pd.Series(cells), form)
    assert [to_text(value, form) for value in numbers] == cells
    plain = plain_format(form)
    assert [from_plain(to_text(value, plain), plain) for value in numbers] == numbers.tolist()
    assert to_bound(cells[0], form, last=False) == numbers[0]


@pytest.mark.parametrize(
    "cells",
    [
        ["31/02/2020", "30/02/2020"],
        ["2020-13-01"],
        ["0001-01-01"],
        ["hello"],
    ],
)
def test_what_is_no_date_is_none(cells):
    assert date_format(cells) is None
    assert recognize_dates(cells) is None


def test_days_with_and_without_a_zero_in_front_are_written_with_one():
    form, reason = recognize_dates(["1.2.2020", "03.4.2021"])
    assert form == "%d.%m.%Y"
    assert "some without a zero" in reason
    numbers = to_numbers(pd.Series(["1.2.2020", "03.4.2021"]), form)
    assert [to_text(number, form) for number in numbers] == ["01.02.2020", "03.04.2021"]


def test_dates_in_several_forms_are_read_in_each_and_written_in_the_most_frequent():
    cells = ["24.12.2020", "01.02.2021", "2021-02-03", "5/28/21"]
    form, reason = recognize_dates(cells)
    assert form == "%d.%m.%Y | %Y-%m-%d | %-m/%-d/%y"
    assert "in 3 ways; new ones in the first" in reason
    numbers = to_numbers(pd.Series(cells), form)
    plain = [to_text(number, plain_format(form)) for number in numbers]
    assert plain == ["2020-12-24", "2021-02-01", "2021-02-03", "2021-05-28"]
    assert to_text(numbers[2], form) == "03.02.2021"
    assert to_bound("2021-02-03", form, last=True) == numbers[2]
    # A year of four digits is not written with two.
    form, _ = recognize_dates(["1/2/21", "5/28/22", "24.12.2105"])
    assert form == "%d.%m.%Y | %-m/%-d/%y"
    assert to_text(whole_days(0, 49_665, form)[1], form) == "24.12.2105"
    # A day that no form has, and a day beside a day with a time, are no dates.
    assert recognize_dates([*cells, "2021-02-31"]) is None
    assert recognize_dates(["24.12.2020", "2021-02-03 12:00"]) is None
    assert recognize_datetimes(["24.12.2020 12:00:01", "2021-02-03 12:00"]) is None


def visits(rows=60):
    rng = np.random.default_rng(2)
    onset = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 300, rows), unit="D")
    released = onset + pd.to_timedelta(rng.integers(1, 30, rows), unit="D")
    seen = onset + pd.to_timedelta(rng.integers(0, 40_000, rows), unit="min")
    frame = pd.DataFrame(
        {
            "onset": onset.strftime("%d.%m.%Y"),
            "released": released.strftime("%d.%m.%Y"),
            "seen": seen.strftime("%Y-%m-%d %H:%M"),
            "operation": [f"{m // 60}:{m % 60:02}" for m in rng.integers(20, 400, rows)],
            "age": rng.integers(20, 90, rows),
            "died": rng.choice(["yes", "no"], rows),
        }
    )
    frame.loc[::7, "released"] = None
    return frame


def test_dates_are_described_with_their_order_and_read_back():
    cells = from_frame(visits()).cells
    known = describe(cells, target="died")
    assert [known[name].type for name in ("onset", "released", "seen", "operation")] == [
        "date",
        "date",
        "datetime",
        "duration",
    ]
    assert known["released"].missing
    assert [relation.rule for relation in known.rules] == ["onset <= released"]
    assert read_dictionary(known.to_yaml(), "d.yaml") == known
    assert "minimum: '20" in known.to_yaml()
    edited = known.to_yaml().replace(
        str(known["onset"].plain(known["onset"].minimum)), "2020-02-29"
    )
    assert (
        read_dictionary(edited, "d.yaml")["onset"].plain(
            read_dictionary(edited, "d.yaml")["onset"].minimum
        )
        == "2020-02-29"
    )
    values = known.values(cells)
    assert [known["onset"].cell(value) for value in values["onset"]] == cells["onset"].tolist()


@pytest.mark.parametrize("conditioning", ["row", "parents"])
def test_dates_are_written_in_range_in_order_and_in_the_form_of_the_file(tmp_path, conditioning):
    path = tmp_path / "visits.csv"
    visits().to_csv(path, index=False, sep=";")
    settings = {**LOOSE, "team.conditioning": conditioning, "team.cells": "worker"}
    result = t2local.generate(
        path,
        target="died",
        model=ScriptedModel(),
        plan="data",
        rows=10,
        max_batches=3,
        settings=settings,
        out=tmp_path / "out",
    )
    kept = result.synthetic
    assert kept["onset"].dtype.kind == kept["seen"].dtype.kind == "M"
    assert kept["operation"].dtype.kind == "m"
    assert not (kept["onset"] > kept["released"]).any()
    assert any("never above" in reason for reason in result.report["reasons"])
    written = pd.read_csv(tmp_path / "out" / "synthetic.csv", sep=";")
    assert written["onset"].str.fullmatch(r"\d\d\.\d\d\.202\d").all()
    assert written["operation"].str.fullmatch(r"\d+:\d\d").all()
    assert list(written) == list(visits())
    conditioned = t2local.generate(
        path,
        target="died",
        model=ScriptedModel(),
        plan="data",
        rows=10,
        max_batches=1,
        where=["onset>=2021-06-01"],
        settings=settings,
    )
    rows = pd.concat([conditioned.synthetic["onset"], conditioned.rejected["onset"]])
    assert (rows >= pd.Timestamp("2021-06-01")).all()


def test_a_frame_with_timestamps_keeps_its_types():
    frame = visits().assign(onset=lambda rows: pd.to_datetime(rows["onset"], format="%d.%m.%Y"))
    result = t2local.generate(
        frame,
        target="died",
        model=ScriptedModel(),
        plan="data",
        rows=10,
        max_batches=2,
        settings=LOOSE,
    )
    assert result.augmented["onset"].dtype.kind == "M"
    assert len(result.augmented) == len(frame) + len(result.synthetic)


@settings(max_examples=60, deadline=None)
@given(
    st.datetimes(pd.Timestamp("1900-01-01"), pd.Timestamp("2100-01-01")),
    st.sampled_from(["%Y-%m-%d", "%-d.%-m.%Y", "%m/%d/%Y", "%d.%m.%Y %H:%M", "%Y/%m/%dT%H:%M:%S"]),
)
def test_a_moment_is_the_same_by_pandas_and_by_the_standard_library(moment, form):
    text = moment.strftime(form.replace("%-d", str(moment.day)).replace("%-m", str(moment.month)))
    (number,) = to_numbers(pd.Series([text], dtype=object), form)
    assert to_text(number, form) == text
    plain = plain_format(form)
    assert from_plain(to_text(number, plain), plain) == number
    unit = {"%H:%M:%S": "s", "%H:%M": "m"}.get(form[-len(form.partition("%H")[2]) - 2 :], "D")
    assert np.datetime64("1970-01-01", unit) + np.timedelta64(int(number), unit) == np.datetime64(
        moment, unit
    )
    assert native(pd.Series([number]), form)[0] == np.datetime64(moment, unit)


def test_a_bare_day_bounds_a_datetime_by_its_first_or_last_moment():
    form = "%d.%m.%Y %H:%M"
    assert to_bound("1970-01-02", form, last=False) == 1440
    assert to_bound("1970-01-02", form, last=True) == 2 * 1440 - 1
    assert to_bound("1970-01-02 00:30", form, last=True) == 1470
    assert whole_days(1500, 1600, form) == (1440, 2879)
    assert whole_days(-5, 3, "%Y-%m-%d %H:%M:%S") == (-86_400, 86_399)


def test_the_month_may_come_first_only_where_no_other_order_fits():
    form, reason = date_format(["03/04/2020", "05/06/2020"])
    assert form == "%d/%m/%Y"
    assert "the month could come first as well" in reason
    form, reason = date_format(["03/14/2020", "05/06/2020"])
    assert form == "%m/%d/%Y"
    assert "as well" not in reason


def test_days_and_moments_are_told_apart():
    days, moments = ["2021-03-04"], ["2021-03-04 10:30"]
    assert recognize_dates(days) == (
        "%Y-%m-%d",
        "dates, written %Y-%m-%d; the range is the data's, widened",
    )
    assert recognize_datetimes(days) is recognize_dates(moments) is None
    assert recognize_datetimes(moments)[0] == "%Y-%m-%d %H:%M"
    assert recognize_dates([*days, *moments]) is None


@pytest.mark.parametrize("year", [1700, 1750, 1829, 1970, 2139, 2250])
def test_seconds_are_whole_in_every_year(year):
    form = "%Y-%m-%d %H:%M:%S"
    assert to_bound(f"{year}-12-15 23:59:59", form) % 60 == 59


@pytest.mark.parametrize("day", ["9999-12-31", "2270-01-01", "1699-12-31", "0001-01-01"])
def test_days_that_are_mistakes_are_none(day):
    with pytest.raises(ValueError, match="from 1700 to 2250"):
        to_bound(day, "%Y-%m-%d")


def test_a_guessed_range_holds_only_what_comes_back_from_its_format():
    days = [f"01.01.{year}" for year in ("70", "85", "99", "05")]
    for cells in (days, ["01.01.1700", "31.12.2250", "01.02.1800"]):
        feature = guess_column(
            pd.Series(cells, name="x"), is_target=False, settings=TableSettings()
        )
        assert feature.type == "date"
        bounds = pd.Series([feature.cell(bound) for bound in feature.bounds], dtype=object)
        assert feature.values(bounds).tolist() == list(feature.bounds)


@pytest.mark.parametrize(
    ("form", "low", "high"),
    [
        ("%d.%m.%y", "1950-01-01", "2001-01-01"),
        ("%Y-%m", "2020-01-02", "2021-01-01"),
        ("%Q", 1, 2),
        ("%Y-%m-%d %z", "2020-01-02", "2021-01-01"),
    ],
)
def test_a_format_that_loses_the_bounds_is_a_fault(form, low, high):
    with pytest.raises(ValueError, match="format"):
        Feature(name="x", type="date", format=form, minimum=low, maximum=high)


def test_dates_with_the_day_first_and_with_the_month_first_are_no_one_column():
    assert recognize_dates(["03/04/2020", "05/06/2020", "12/25/20", "11/30/21"]) is None
    _, reason = recognize_dates(["03/4/2020", "3/04/2020", "12/11/2021"])
    assert "some without a zero" in reason
    assert "the month could come first as well" in reason


@settings(deadline=None)
@given(
    st.datetimes(pd.Timestamp("1900-01-01"), pd.Timestamp("2100-01-01")),
    st.sampled_from(["%m/%d/%Y %I:%M %p", "%-d.%-m.%Y %-I:%M%P", "%Y-%m-%d %-I:%M:%S %p"]),
)
def test_a_time_of_twelve_hours_comes_back(moment, form):
    unit = "s" if "%S" in form else "m"
    number = int(np.datetime64(moment, unit).astype(np.int64))
    text = to_text(number, form)
    assert to_numbers(pd.Series([text], dtype=object), form).tolist() == [number]
    hour, half = (moment.hour % 12 or 12), "am" if moment.hour < 12 else "pm"
    assert re.search(rf" 0?{hour}:", text)
    assert text.lower().endswith(half)


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (["03/14/2024 2:05 PM", "11/02/2023 12:00 AM"], "%m/%d/%Y %-I:%M %p"),
        (["3/14/2024 02:05 PM", "11/2/2023 12:59 PM"], "%-m/%-d/%Y %I:%M %p"),
        (["2024-03-14 2:05pm", "2024-03-14 11:05am"], "%Y-%m-%d %-I:%M%P"),
        (["14.03.2024 2:05:09 pm", "14.03.2024 10:00:00 am"], "%d.%m.%Y %-I:%M:%S %P"),
        (["2024-03-14 12:05", "2024-03-14 11:05"], "%Y-%m-%d %H:%M"),
    ],
)
def test_times_of_twelve_hours_are_written_as_they_are_read(cells, form):
    assert recognize_datetimes(cells)[0] == form
    feature = guess_column(pd.Series(cells * 9), is_target=False, settings=TableSettings())
    assert (feature.type, feature.format) == ("datetime", form)
    assert [feature.cell(value) for value in feature.values(pd.Series(cells))] == cells


def test_no_hour_of_twelve_is_above_twelve():
    assert recognize_datetimes(["03/14/2024 14:05 PM", "03/15/2024 2:05 PM"]) is None
