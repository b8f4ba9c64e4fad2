"""The first line of a file: names, or data already."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2local.errors import InputError
from t2local.tables.header import Record, read_header


def header(*lines):
    return read_header(
        [Record(number, list(cells)) for number, cells in enumerate(lines, 1)], "t.csv"
    )


@given(st.lists(st.sampled_from(["", "a", "a_2", "b", "column_1"]), min_size=2, max_size=7))
def test_every_column_has_a_name_of_its_own(first):
    read = header(first, ["x"] * len(first))
    assert len(set(read.names)) == len(first)
    assert "" not in read.names
    renamed = [place for place, cell in enumerate(first, 1) if read.names[place - 1] != cell]
    own = [decision.what for decision in read.decisions if decision.what != "header"]
    assert own == [f"column {place}" for place in renamed]


def test_thousands_of_columns_of_one_name_are_numbered_at_once():
    read = header(["a"] * 20_000, ["x"] * 20_000)
    assert read.names[:3] + read.names[-1:] == ["a", "a_2", "a_3", "a_20000"]


def test_a_blank_last_column_goes_and_an_uneven_line_stays():
    read = header(["a", "b", ""], ["1", "2", " "], ["1", "2"])
    assert read.names == ["a", "b"]
    assert [row.cells for row in read.rows] == [["1", "2"], ["1", "2"]]
    assert read.decisions[0].what == "last column"
    assert header(["a", "b", ""], ["1", "2", "3"]).names == ["a", "b", "column_3"]
    assert header(["a", ""], ["1", ""]).names == ["a", "column_2"]


@pytest.mark.parametrize(
    ("first", "is_data"),
    [
        (["34", "1.5"], True),
        (["34", "weight"], True),  # half of the columns of numbers
        (["2019", "2020"], False),
        (["1899", "2020"], True),
        (["4", "5"], False),
        (["4", "4"], True),
        (["4.5", "5"], True),
        (["age", "weight"], False),
    ],
)
def test_numbers_in_the_first_line_are_data_unless_they_are_years_or_count(first, is_data):
    read = header(first, ["34", "1.5"], ["51", "2"])
    assert read.names == (["column_1", "column_2"] if is_data else first)
    assert [row.line for row in read.rows] == ([1, 2, 3] if is_data else [2, 3])


HEADER = ["sex", "ward", "age"]
ROWS = [["F", "A", "34"], ["M", "B", "51"], ["F", "B", "29"], ["M", "A", "77"]]


@pytest.mark.parametrize(
    ("lines", "is_data"),
    [
        ([HEADER, *ROWS], False),
        ([HEADER, *ROWS, HEADER, *ROWS], False),  # two files that were joined
        (ROWS, True),
        ([["F", "A", ""], *ROWS], True),
        ([row[:2] for row in ROWS], True),
        ([HEADER[:2], *(row[:2] for row in ROWS)], False),
        ([["M", "ward"], *(row[:2] for row in ROWS)], True),  # half of the columns
        ([["M", "ward", "plan"], *([*row[:2], "x"] for row in ROWS)], False),
        ([["F", "A", "age"], *ROWS], False),  # a name stands over the numbers
        ([["Ann Lee", "Bonn"], ["Bo Ray", "Kiel"], ["Cy Tan", "Jena"]], False),  # nobody can know
    ],
)
def test_words_that_come_again_below_the_first_line_are_data(lines, is_data):
    read = header(*lines)
    assert (read.texts is None) == is_data
    assert len(read.rows) == len(lines) - (not is_data)
    said = [decision.reason for decision in read.decisions if decision.what == "header"]
    assert bool(said) == (is_data or "numbers" in "".join(said))


@pytest.mark.parametrize("first_line", ["names", "data"])
def test_a_person_says_what_the_first_line_is(first_line):
    for lines in (ROWS, [HEADER, *ROWS]):
        records = [Record(number, cells) for number, cells in enumerate(lines, 1)]
        read = read_header(records, "t.csv", first_line)
        assert (read.texts is None) == (first_line == "data")


def test_one_column_is_no_table():
    with pytest.raises(InputError, match="there is only one column"):
        header(["a"], ["1"])
