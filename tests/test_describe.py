import time

import numpy as np
import pandas as pd
import pytest

from t2local.errors import InputError
from t2local.tables.describe import describe
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.files import from_frame
from t2local.tables.reading import read_table


def guess(target=None, **columns):
    rows = max(len(column) for column in columns.values())
    columns.setdefault("y", (["a", "b"] * rows)[:rows])
    return describe(from_frame(pd.DataFrame(columns)).cells, target=target)


@pytest.mark.parametrize(
    ("column", "kind", "facts"),
    [
        ([34, 51, 29, 60, 45, 38], "integer", {"minimum": 21, "maximum": 68}),
        ([0, 1, 0, 0, 1, 1], "boolean", {"levels": ("0", "1")}),
        (
            ["yes", "no", "no", "yes", None, "no"],
            "boolean",
            {"levels": ("no", "yes"), "missing": True},
        ),
        ([1.25, 2.5, 3.125, 7, 0.5, 1], "decimal", {"decimals": 3, "minimum": 0}),
        (["1e-3", "0.5", "2", "1", "0", "3"], "decimal", {"decimals": 3}),
        (["x", "y", "x", "z", "z", "x"], "category", {"levels": ("x", "y", "z")}),
        (["007", "012"] * 3, "category", {"levels": ("007", "012")}),
        ([5, 5, 5, 5, 5, 5], "category", {"levels": ("5",)}),
        ([1, 2, 3, 1, 2, 3, 3, 1], "integer", {"minimum": 1, "maximum": 3}),
        ([-3, -8, -1, -2, -9, -4], "integer", {"maximum": 0}),
    ],
)
def test_types_are_recognised_with_a_reason(column, kind, facts):
    feature = guess(x=column)["x"]
    assert feature.type == kind
    assert {name: getattr(feature, name) for name in facts} == facts
    assert feature.reason


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ([1, 2, 3, 4, 5, 6], "counts the rows"),
        (
            ["2021-03-04", "1.2.2021 10:30", None, "1999-12-31", "2000-01-01", "2020-02-29"],
            "dates that are not all written in one way",
        ),
        (["01/02/2020", "3.4.21", "5-6-2001", "1/1/2001", "2/1/2001", "3/1/2001 10:30"], "dates"),
        (["Ann went home", "Bob fell", "no", "pain", "cough", "fine"], "free text"),
        ([None] * 6, "blank"),
    ],
)
def test_columns_that_cannot_be_generated_are_left_out_with_a_reason(column, reason):
    dictionary = guess(x=column, z=[3, 1, 2, 7, 7, 9])
    assert [left.name for left in dictionary.left_out] == ["x"]
    assert reason in dictionary.left_out[0].reason


def test_unique_numbers_are_an_identifier_only_by_name_or_sequence():
    assert [
        left.name for left in guess(patient_id=[831, 12, 99, 450, 7], z=[1, 1, 2, 3, 2]).left_out
    ] == ["patient_id"]
    assert guess(age=[31, 12, 99, 45, 7])["age"].type == "integer"


def test_the_target_is_asked_for_named_like_one_or_the_last():
    assert guess(target="x", x=["p", "q", "p", "q"]).target == "x"
    columns = {"Outcome": [1, 0, 1, 0], "x": [1, 2, 2, 7]}
    described = describe(from_frame(pd.DataFrame(columns)).cells)
    assert (described.target, described["Outcome"].type) == ("Outcome", "boolean")
    last = describe(
        from_frame(pd.DataFrame({"a": [1, 2, 2, 7], "b": [1, 3, 3, 1], "id": [1, 2, 3, 4]})).cells
    )
    assert last.target == "b"
    assert "last column" in last.target_reason


def test_a_numeric_target_with_few_repeated_values_is_classes_else_regression():
    classes = guess(target="t", t=[1, 2, 3, 1, 2, 3, 1, 1], x=[1, 2, 3, 4, 5, 6, 7, 9])
    assert classes.classification
    assert classes["t"].levels == ("1", "2", "3")
    assert not guess(target="t", t=[10, 25, 31, 47, 52, 68], x=[1, 2, 3, 4, 5, 6]).classification


def test_targets_that_cannot_be_are_refused_by_name():
    with pytest.raises(InputError, match="no column 'nope'"):
        guess(target="nope", x=[1, 2, 3])
    with pytest.raises(InputError, match="free text"):
        guess(target="x", x=["some", "words", "that", "differ", "all"])


REAL = {
    "heart_failure.csv": (
        "DEATH_EVENT",
        [],
        {"age": "decimal", "sex": "boolean", "time": "integer"},
    ),
    "titanic.csv": (
        "Survived",
        ["PassengerId", "Name", "Ticket", "Cabin"],
        {"Age": "decimal", "Embarked": "category", "Pclass": "integer"},
    ),
    "insurance_charges.csv": (
        "charges",
        [],
        {"charges": "decimal", "smoker": "boolean", "region": "category"},
    ),
    "compas_readable_9feat.csv": (
        "two_year_recid",
        [],
        {"age_cat": "category", "priors_count": "integer"},
    ),
    "drug_consumption_decoded_1885.csv": (
        "VSA",
        ["ID"],
        {"Nscore": "decimal", "Education": "category"},
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_tables_are_described_as_a_person_would(name, real_table):
    target, left_out, types = REAL[name]
    table = read_table(real_table(name))
    dictionary = describe(table.cells)
    assert dictionary.target == target
    assert [column.name for column in dictionary.left_out] == left_out
    assert {feature: dictionary[feature].type for feature in types} == types
    assert dictionary.check_table(table.cells, table.lines, table.source) == []
    assert read_dictionary(dictionary.to_yaml(), "dictionary.yaml") == dictionary


def test_the_orders_of_many_dates_take_seconds():
    rng = np.random.default_rng(0)
    days = rng.integers(0, 300, (40, 1)) + rng.integers(0, 3, (40, 120)).cumsum(axis=1)
    dates = pd.DataFrame(pd.Timestamp("2021-01-01") + pd.to_timedelta(days.T.ravel(), "D"))
    rows = dates[0].dt.strftime("%Y-%m-%d").to_numpy().reshape(120, 40).T
    cells = pd.DataFrame(rows, columns=[f"d{place}" for place in range(120)], dtype=object)
    cells["y"] = ["a", "b"] * 20
    begin = time.process_time()
    rules = describe(cells, target="y").rules
    assert time.process_time() - begin < 15  # 3 seconds; 40 when each pair was looked up in a list
    assert len(rules) == 119
    assert rules[0].rule == "d0 <= d1"
