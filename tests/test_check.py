"""A table against its dictionary: faults by place, warnings by count, and never a value."""

import pandas as pd
import pytest

from t2local.errors import InputError
from t2local.tables.check import check_cells, check_formulas, check_labels
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.feature import Feature
from t2local.tables.files import from_frame

AGES = """\
target: y
features:
- {name: age, type: integer, minimum: 0, maximum: 50}
- {name: y, type: category, levels: [a, b]}
"""


def test_a_table_that_does_not_fit_is_told_by_place_and_never_by_value():
    text = AGES + "- {name: gone, type: category, levels: [q]}\n"
    cells = from_frame(
        pd.DataFrame({"age": ["40", "SECRET", "70"], "y": ["a", "b", "PRIVATE"]})
    ).cells
    with pytest.raises(InputError) as caught:
        read_dictionary(text, "d.yaml").check_table(cells, [2, 3, 4], "t.csv")
    message = str(caught.value)
    assert "t.csv, line 3, column 'age': not an integer" in message
    assert "t.csv, line 4, column 'y': not one of its levels" in message
    assert "'gone' is not in t.csv" in message
    assert "SECRET" not in message
    assert "PRIVATE" not in message


def test_real_rows_outside_a_range_are_a_warning():
    cells = from_frame(pd.DataFrame({"age": ["40", "70"], "y": ["a", "b"]})).cells
    assert read_dictionary(AGES, "d.yaml").check_table(cells, [2, 3], "t.csv") == [
        "age: 1 real rows break its maximum"
    ]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(["a", "a", "a"], "only one class"), (["a", None, "b"], "line 3, column 'y': no label")],
)
def test_labels_that_cannot_be_judged_with_are_refused(labels, expected):
    cells = from_frame(pd.DataFrame({"age": ["1", "2", "3"], "y": labels})).cells
    with pytest.raises(InputError, match=expected):
        read_dictionary(AGES, "d.yaml").check_table(cells, [2, 3, 4], "t.csv")


AGE = Feature(name="age", type="integer", minimum=0, maximum=50)
KG = Feature(name="kg", type="decimal", minimum=0, maximum=99, decimals=1, missing_values=("-9",))
DAY = Feature(name="day", type="date", format="%d.%m.%Y", minimum=0, maximum=20_000, missing=True)


def test_each_broken_constraint_is_counted_by_itself():
    cells = pd.DataFrame(
        {
            "age": ["-1", "51", "7.5", "8", None],
            "kg": ["70.25", "-9", "100", "5", "5"],
            "day": ["01.01.1970", None, "31.12.1969", "01.01.2000", "01.01.2050"],
        },
        dtype=object,
    )
    assert check_cells([AGE, KG, DAY], cells, [2, 3, 4, 5, 6], "t.csv") == [
        "age: 1 real rows break its missing",
        "age: 1 real rows break its minimum",
        "age: 1 real rows break its maximum",
        "age: 1 real rows break its step",
        "kg: 1 real rows break its missing",
        "kg: 1 real rows break its maximum",
        "kg: 1 real rows break its step",
        "day: 1 real rows break its minimum",
        "day: 1 real rows break its maximum",
    ]


def test_an_unreadable_date_names_its_line_and_type():
    cells = pd.DataFrame({"day": ["01.01.1970", "1970-01-01", None]}, dtype=object)
    with pytest.raises(InputError) as caught:
        check_cells([DAY], cells, [2, 5, 9], "t.csv")
    assert caught.value.faults == ("t.csv, line 5, column 'day': not a date",)


def test_formulas_may_differ_by_rounding_only():
    computed = {"bmi": pd.Series([20.0, 21.4, 30.0]), "gone": pd.Series([1.0, 1.0, 1.0])}
    cells = pd.DataFrame({"bmi": ["20.1", "21.4", "30.3"]}, dtype=object)
    assert check_formulas(computed, {"bmi": 1, "gone": 1}, cells) == [
        "bmi: 1 of 3 real rows are not what the formula gives"
    ]
    assert check_formulas(computed, {"bmi": 0, "gone": 1}, cells) == []


def test_labels_are_named_by_their_own_column():
    check_labels(pd.Series(["a", "b"], name="outcome"), [2, 3], "t.csv")
    with pytest.raises(InputError, match="The target 'outcome' cannot be used"):
        check_labels(pd.Series(["a", None], name="outcome"), [2, 3], "t.csv")
