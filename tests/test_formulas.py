"""What a spreadsheet would run gets an apostrophe in a file, and loses it in reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2local.tables.formulas import guarded, unguarded

PARTS = st.sampled_from(["'", "=", "@", "+", "-", "\t", "(", "|", "A", "1", " ", "\n", "\uff1d"])


@given(st.one_of(st.lists(PARTS, max_size=6).map("".join), st.text(max_size=6)))
def test_a_cell_comes_back_from_a_file_as_itself(cell):
    assert unguarded(guarded(cell)) == cell


@pytest.mark.parametrize("cell", ["=A", "@x", "-SUM(1)", "+cmd|' /C calc'!A0", "'=A", "\uff1dA"])
def test_what_would_run_gets_one_apostrophe(cell):
    assert guarded(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["'40-49'", "'", "'A", "+", "-ve", "A+", "O'Neil", "a=b", "+1+2"])
def test_other_cells_stay_as_they_are(cell):
    assert guarded(cell) == cell == unguarded(cell)


def test_a_formula_that_nobody_guarded_is_read_as_it_stands():
    assert unguarded("=A") == "=A"
