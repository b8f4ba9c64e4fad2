"""Classes among parts of other columns: what is shown, and that nothing of few patients is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.evaluate.parts import Parts
from t2local.evaluate.rejected_examples import rejected_examples
from t2local.evaluate.subgroups import lost_subgroups, subgroups
from t2local.tables.describe import describe
from t2local.tables.disclosure import MIN_ROWS
from t2local.tables.files import from_frame


def table(counts):
    """Rows of sex and outcome, so many of each pair, with an age."""
    rows = [pair for pair, count in counts.items() for _ in range(count)]
    frame = pd.DataFrame(rows, columns=["sex", "y"])
    frame.insert(0, "age", np.arange(len(frame)) % 60 + 20)
    return frame


REAL = table({("F", "a"): 30, ("F", "b"): 20, ("M", "a"): 30, ("M", "b"): 20})


def of(real, kept, rejected=None):
    rejected = kept.head(0) if rejected is None else rejected
    dictionary = describe(from_frame(real).cells, target="y")
    values = [
        dictionary.values(from_frame(frame, fewest=0).cells) for frame in (real, kept, rejected)
    ]
    return subgroups(*values, dictionary, np.ones(len(real)))


def test_a_lost_subgroup_comes_first_with_its_shares():
    kept = table({("F", "a"): 60, ("F", "b"): 40, ("M", "a"): 100})
    first = of(REAL, kept, table({("M", "b"): 3, ("F", "a"): 1}))[0]
    assert (first.column, first.values, first.label) == ("sex", "M", "b")
    assert (first.real, first.kept, first.rejected) == pytest.approx((0.2, 0, 0.75))
    assert first.kept < first.low
    assert of(REAL, REAL)[0].rejected is None


@pytest.mark.parametrize(("n_kept", "is_told"), [(24, False), (26, True)])
def test_a_lost_subgroup_is_told_where_five_rows_of_it_would_be_expected(n_kept, is_told):
    kept = table({("F", "a"): 60, ("F", "b"): 40, ("M", "a"): 100})
    dictionary = describe(from_frame(REAL).cells, target="y")
    sentences = lost_subgroups(of(REAL, kept), dictionary, n_kept)
    expected = "No kept row has y 'b' with sex 'M', where 20 % is to be expected."
    assert sentences == ([expected] if is_told else [])


def test_a_column_with_a_number_of_few_patients_is_left_out():
    for rare in (1, MIN_ROWS - 1, MIN_ROWS):
        real = table({("F", "a"): 40, ("F", "b"): 40, ("M", "a"): 40, ("M", "b"): rare})
        shown = {group.column for group in of(real, real)}
        assert ("sex" in shown) == (rare >= MIN_ROWS)
    assert of(REAL.assign(y=range(100)), REAL.assign(y=range(100))) == ()  # a number


def test_a_row_without_a_class_is_in_no_subgroup():
    blank = REAL.head(4).assign(y=[None, "a", "a", "a"])
    both = {group.rejected for group in of(REAL, REAL, blank) if group.column == "sex"}
    assert both == {1.0, 0.0}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-300, 300), min_size=30, max_size=90), st.integers(2, 4))
def test_joined_parts_are_some_of_the_edges_of_those_that_were_there(numbers, most):
    frame = pd.DataFrame({"x": numbers, "y": (["a", "b"] * 200)[: len(numbers)]})
    dictionary = describe(from_frame(frame).cells, target="y")
    real = dictionary.values(from_frame(frame).cells)["x"]
    if dictionary["x"].numeric:
        parts = Parts.of(dictionary["x"], real)
        joined = parts.joined(real, most)
        assert set(joined.edges) <= set(parts.edges)
        assert len(joined.labels) <= most


def test_examples_tell_cells_by_their_parts_and_the_commonest_reason_comes_first():
    """A rejected row stands in a report by the parts of its columns that 11 real rows or more have,
    and no row that repeats a real one.
    """
    dictionary = describe(from_frame(REAL).cells, target="y")
    real = dictionary.values(from_frame(REAL).cells)
    notes = pd.DataFrame(
        {"row": [3, 8, 9], "stage": "cost", "reason": ["odd", "likely: 0.1", "likely: 0.2"]}
    )
    examples = rejected_examples(real, real.iloc[[0, 1, 99]], notes, dictionary)
    assert [(one.row, one.reason) for one in examples] == [(8, "likely"), (3, "odd")]
    assert examples[0].cells["sex"] == "F"
    assert set(examples[0].cells["age"]).intersection("<≥")
    assert str(REAL["age"].iloc[1]) not in examples[0].cells["age"].split()
    few = real.head(20)
    assert rejected_examples(few, real.head(3), notes, dictionary) == ()
