"""What one column is, by its cells: limits of the rules, worked by hand."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.settings import TableSettings
from t2local.tables.dictionary import LeftOut
from t2local.tables.feature import Feature
from t2local.tables.guess import guess_column


def guess(cells, name="x", *, is_target=False, **settings):
    column = pd.Series(cells, name=name, dtype=object)
    return guess_column(column, is_target=is_target, settings=TableSettings(**settings))


def test_a_range_is_widened_by_half_an_interquartile_range_on_the_grid():
    feature = guess([str(age) for age in range(10, 51, 2)])  # quartiles 20 and 40
    assert feature.bounds == (0, 60)
    assert feature.reason == "whole numbers, 21 different ones; the range is the data's, widened"
    # 10 is a step of a scale; 50 is the age of one patient.
    assert guess([str(age) for age in range(10, 51, 2)], widen=0.0).bounds == (10, 51)
    assert guess(["0.15", "0.25", "0.35", "0.45", "1"], widen=0.1).bounds == (0.13, 1.02)


def test_a_widened_range_keeps_the_sign_of_the_data():
    assert guess(["1", "2", "90", "95"]).minimum == 0
    assert guess(["-1", "-2", "-90", "-95"]).maximum == 0


def test_few_values_that_repeat_are_codes_with_the_range_of_the_data():
    grades = ["1", "2", "3"] * 4
    assert guess(grades).bounds == (1, 3)
    assert guess(grades, is_target=True).levels == ("1", "2", "3")
    assert guess(grades, is_target=True).type == "category"
    eleven = [str(number) for number in range(11)] * 2
    assert guess(eleven, is_target=True).type == "integer"
    assert guess([*eleven[:20], "3"], is_target=True).type == "integer"


@pytest.mark.parametrize(
    ("cells", "missing_values"),
    [
        (["1", "2", "3", "-9"], ("-9",)),
        (["1", "2", "3", "-999"], ("-999",)),
        (["-5", "2", "3", "-9"], ()),  # not three times as low as the lowest
        (["-5", "2", "3", "-99"], ("-99",)),
        (["1", "2", "3", "99"], ()),  # once: somebody's age
        (["1", "2", "3", "99", "99"], ("99",)),
        (["1", "2", "40", "99", "99"], ()),
        (["1", "2", "-9"], ()),  # too few to say what is far
        (["1", "2", "3", "nd", "not done"], ("nd", "not done")),
        (["1", "2", "nd"], ()),
        (["1.1.2020", "2.1.2020", "3.1.2020", "Refused"], ("Refused",)),
        (["a", "b", "c", "-9"], ()),
    ],
)
def test_texts_that_mean_missing_lie_far_from_all_others(cells, missing_values):
    guessed = guess([*cells, *cells[:2]])
    assert getattr(guessed, "missing_values", ()) == missing_values
    if missing_values:
        assert guessed.missing
        assert guessed.reason.endswith(" missing")


def test_missing_values_are_named_in_the_reason_by_number():
    one = guess(["1", "2", "3", "-9"]).reason
    two = guess(["1", "2", "3", "nd", "-", "nd"]).reason
    assert one.endswith("; '-9' means missing")
    assert two.endswith("; 'nd' and '-' mean missing")


def test_identifiers_are_unique_complete_and_named_or_counting():
    assert guess(["7", "8", "9"]).make == "identifier"
    assert isinstance(guess(["7", "8", "10"]), Feature)
    assert guess(["7", "8", "10"], name="caseNo").make == "identifier"
    assert guess(["a", "b", "c"], name="patient id").make == "identifier"
    assert isinstance(guess(["7", "8", "8"], name="id"), Feature)
    assert isinstance(guess(["7", "8", None], name="id"), Feature)
    assert isinstance(guess(["7", "8", "10"], name="id", is_target=True), Feature)
    assert isinstance(guess(["1.5", "2.5", "7.5"], name="id"), Feature)


@pytest.mark.parametrize(
    ("cells", "decimals"),
    [(["1.50", "2", "3"], 1), (["1.5e-3", "2", "3"], 4), (["1.5e1", "2.", "3"], 0)],
)
def test_decimals_are_those_that_a_number_needs(cells, decimals):
    feature = guess(cells)
    assert feature.decimals == decimals
    assert feature.type == {True: "decimal", False: "integer"}[decimals > 0]


def test_text_is_a_category_where_it_repeats_and_free_text_else():
    assert guess(["a", "b", "c", "a"]).levels == ("a", "b", "c")
    assert isinstance(guess(["a", "b", "c", "d"]), LeftOut)
    many = [f"w{number % 51}" for number in range(200)]
    assert isinstance(guess(many), LeftOut)
    assert len(guess(many, max_levels=51, min_count=3).levels) == 51
    assert isinstance(guess(["a", "b", *"cdefghijklmnopqrst", "t"]), LeftOut)  # 20 of 21 differ


def test_numbers_among_levels_come_first_in_their_order():
    assert guess(["10", "9", "x", "x", "9", "10", "b", "b"]).levels == ("9", "10", "b", "x")


@pytest.mark.parametrize("number", ["9007199254740993", "-99999999999999999999", "1e400", "1e70"])
def test_numbers_that_no_double_tells_apart_are_levels_where_they_repeat(number):
    other = number + "1"
    assert guess([number, other] * 5).levels == tuple(sorted([number, other], key=float))
    assert isinstance(guess([f"{number}{n}" for n in range(9)]), LeftOut)
    assert guess([number, other] * 5, is_target=True, widen=10.0).type == "category"


def test_digits_of_other_scripts_are_text():
    assert guess(["\u0661", "\u0662"] * 5).levels == ("\u0661", "\u0662")


def test_decimals_are_as_many_as_the_largest_number_leaves_room_for():
    feature = guess(["860084974", "0.2302734567", "12.5", "3"])
    assert feature.decimals == 6
    assert feature.maximum < 2**53 / 10**feature.decimals


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.integers(-999, 999).map(str),
            st.sampled_from(["yes", "no", "low", "high", "1.5", "2020-01-01", "1:30", "<5", "5-9"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_what_is_guessed_allows_every_cell_and_reads_it_back(cells):
    guessed = guess(cells)
    assert guessed.reason
    if isinstance(guessed, LeftOut):
        return
    column = pd.Series(cells, dtype=object)
    values = guessed.values(column)
    assert all(mask.all() for mask in guessed.obeyed(values).values())
    missing = column.isna() | column.isin(guessed.missing_values)
    assert values.isna().tolist() == missing.tolist()


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("patient", ["Ann Lee", "Bo Ray", "Cy Tan", "Di Xu", "Ed Orr", "Flo Day"] * 2, "names"),
        ("last_name", ["Lee", "Ray", "Tan", "Xu", "Orr", "O'Day"] * 6, "names"),
        ("Nachname", ["Müller", "Groß", "von Ahn", "Öztürk", "Weiß", "Maier"] * 6, "names"),
        ("contact", [f"p{n}@clinic.org" for n in range(8)] * 3, "e-mail"),
        ("phone", [f"0341 12345{n}" for n in range(8)] * 3, "telephone"),
        ("x", [f"+49 341/12345{n}" for n in range(8)] * 3, "telephone"),
        ("home", [f"{n} Mill Road" for n in range(8)] * 3, "addresses"),
        ("wohnt", [f"Lindenstraße {n}" for n in range(8)] * 3, "addresses"),
    ],
)
def test_texts_that_point_at_persons_are_no_levels(name, cells, kind):
    out = guess(cells, name=name)
    assert isinstance(out, LeftOut)
    assert out.reason.startswith(kind)
    assert not any(cell in out.reason for cell in cells)
    assert isinstance(guess(cells, name=name, is_target=True), Feature)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("ward", ["Internal Medicine", "Intensive Care", "General Surgery", "Eye Clinic"] * 9),
        ("site", [f"Saint {x}" for x in ("Ann", "Paul", "John", "Luke", "Mary", "Eve")] * 6),
        ("drug_name", ["Aspirin", "Ibuprofen", "Metformin", "Insulin", "Heparin", "Statin"] * 6),
        ("onset", [f"2021-03-0{n}" for n in range(1, 9)] * 3),
        ("icd", [f"I{n}.1" for n in range(10, 20)] * 3),
        ("sodium", [f"13{n}.5" for n in range(9)] * 3),
        ("years_at_address", [str(n) for n in range(9)] * 3),
        ("hotel", [str(100_000 + 7 * n) for n in range(9)] * 3),
    ],
)
def test_levels_of_wards_drugs_and_days_are_not_taken_for_persons(name, cells):
    assert isinstance(guess(cells, name=name), Feature)


def test_texts_of_one_or_two_rows_each_are_no_levels():
    assert isinstance(guess([f"w{n}" for n in range(15)] * 2), LeftOut)
    assert guess([f"w{n}" for n in range(10)] * 3).type == "category"
    assert guess([f"w{n}" for n in range(15)] * 2, is_target=True).type == "category"


def test_an_identifier_may_have_a_duplicate_or_a_blank_cell():
    numbers = [str(n) for n in range(100, 2000, 67)]
    for cells in ([*numbers, numbers[3]], [*numbers, None]):
        assert guess(cells, name="mrn").make == "identifier"
        assert isinstance(guess(cells, name="dose"), Feature)
    assert isinstance(guess(numbers[:3] * 10, name="room no"), Feature)


def test_codes_with_leading_zeros_are_never_numbers():
    many = [f"0{n}" for n in range(2100, 2161)]
    assert guess(many * 5).levels == tuple(many)
    assert isinstance(guess(many), LeftOut)
    assert guess(many * 4 + many[1:]).levels == (*many[1:], "other")


@pytest.mark.parametrize(
    ("numbers", "levels"),
    [
        ((1, 9), ("1", "9")),
        ((3, 6, 7), ("3", "6", "7")),
        ((10, 20, 40), ("10", "20", "40")),
        ((-60, -30, 0, 30, 60), ()),  # a quantity on a grid
        ((0, 1, 2, 3, 5), ()),
        ((0, 1, 4), ()),  # counts
        ((1, 2, 9), ()),
        ((1, 2, 3, 4), ()),
    ],
)
def test_whole_numbers_with_gaps_that_repeat_are_codes(numbers, levels):
    cells = [str(n) for n in numbers] * 6
    assert guess(cells).levels == levels
    assert guess(cells).type == {0: "integer", 2: "category"}.get(len(levels), "ordinal")


def test_ranges_in_quotes_and_decades_have_an_order():
    quoted = ["'70+'", "'40-49'", "'<40'", "'50-69'"]
    assert guess(quoted * 6).levels == ("'<40'", "'40-49'", "'50-69'", "'70+'")
    assert guess(["20s", "10s", "100s"] * 6).levels == ("10s", "20s", "100s")


def test_numbers_of_many_digits_of_which_none_repeats_are_identifiers():
    numbers = [str(10**20 + 7 * place) for place in range(20)]
    assert guess(numbers).make == "identifier"
    assert guess([*numbers, numbers[0]]).make == ""


def test_numbers_with_a_few_texts_are_said_to_be_that():
    for few in (["Total", "Mean"], ["<5", "<5"]):
        out = guess([*map(str, range(30)), *few])
        assert out.reason.startswith("mostly numbers, but some cells are texts")
    assert guess([f"said {n}" for n in range(30)]).reason.startswith("free text")
