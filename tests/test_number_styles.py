"""How numbers are written: each style is found, read and written again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2local.tables.number_styles import style_of, styled, styled_as_read, to_plain

STYLES = ["decimal commas", "decimal commas, points for thousands", "commas for thousands"]


@pytest.mark.parametrize(
    ("cells", "delimiter", "style"),
    [
        (["1", "2.5"], ",", ""),
        (["1,5", "2"], ";", "decimal commas"),
        (["1.234,5", "2,5"], ";", "decimal commas, points for thousands"),
        (["1,234", "7"], ",", "commas for thousands"),
        (["1,234", "7"], ";", "decimal commas"),
        (["1,234.5", "7"], ";", "commas for thousands"),
        (["1,5", "x"], ";", ""),
        (["1,5", "2.5"], ";", ""),
        ([], ";", ""),
    ],
)
def test_a_style_is_that_of_all_cells(cells, delimiter, style):
    assert style_of(cells, delimiter) == style


@given(st.lists(st.integers(10**6, 10**9), min_size=1, max_size=5), st.sampled_from(STYLES[1:]))
def test_a_column_in_a_style_is_found_to_have_it(numbers, style):
    cells = [styled(f"{number}.25", style) for number in numbers]
    assert style_of(cells, ";") == style
    assert [float(to_plain(cell, style)) for cell in cells] == [n + 0.25 for n in numbers]


def test_a_zero_in_front_is_no_sign_of_thousands():
    assert style_of(["0,011", "0.5"], ";") == ""
    assert style_of(["0,011", "2"], ";") == "decimal commas"


def test_a_plus_and_a_level_with_a_comma_are_written_as_they_were_read():
    for number in ("1e6", "07", "0", "0.5"):
        assert styled(number, "commas for thousands") == number
    assert styled("+1234", "commas for thousands") == "+1,234"
    assert styled("1.234,56", "decimal commas, points for thousands") == "1.234,56"


def test_signs_and_bare_decimals_are_kept():
    assert styled("-1234.5", "commas for thousands") == "-1,234.5"
    assert styled("-1234.5", "decimal commas") == "-1234,5"
    assert styled("-1234.5", STYLES[1]) == "-1.234,5"
    assert styled(".5", "decimal commas") == ",5"
    assert styled("7.5", "") == "7.5"


@given(
    st.integers(-(10**7), 10**7),
    st.integers(0, 4),
    st.sampled_from(
        ["decimal commas", "decimal commas, points for thousands", "commas for thousands"]
    ),
)
def test_a_number_survives_every_style(whole, decimals, style):
    cell = f"{whole}" + (f".{7 * 10 ** (decimals - 1)}" if decimals else "")
    assert to_plain(styled(cell, style), style) == cell


@pytest.mark.parametrize(
    ("cells", "style", "delimiter", "texts"),
    [
        (["0.5", "4968"], STYLES[2], "|", ["0.5", "4,968"]),
        (["0", "4968"], STYLES[2], "|", ["0", "4968"]),
        (["1234.5", "12"], STYLES[1], ";", ["1.234,5", "12"]),
        (["1234", "12"], STYLES[1], ";", ["1234", "12"]),
        (["1.234", "0.5"], STYLES[0], ",", ["1,234", "0,5"]),
        (["1.234"], STYLES[0], ",", ["1.234"]),
    ],
)
def test_numbers_are_never_written_so_that_they_are_read_as_others(cells, style, delimiter, texts):
    assert styled_as_read(cells, style, delimiter) == texts


@given(
    st.lists(st.decimals(-(10**7), 10**7, places=3).map(str), max_size=4),
    st.sampled_from(STYLES),
    st.sampled_from(",;"),
)
def test_numbers_of_any_style_are_read_back(cells, style, delimiter):
    texts = styled_as_read(cells, style, delimiter)
    assert [to_plain(text, style_of(texts, delimiter)) for text in texts] == cells
