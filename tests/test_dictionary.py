"""The dictionary as a whole: cells to values and back, derived columns, rules, its files."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.errors import DictionaryError
from t2local.tables.column_types import TEXT_TYPES
from t2local.tables.dictionary import Derived, Feature, FeatureDictionary, Relation
from tests.strategies import dictionaries, frame_of, values


@settings(max_examples=80, deadline=None)
@given(data=st.data(), dictionary=dictionaries())
def test_values_come_back_equal_from_their_cells(data, dictionary):
    frame = frame_of(
        dictionary, [{f.name: data.draw(values(f)) for f in dictionary.features} for _ in range(3)]
    )
    cells = dictionary.cells(frame)
    pd.testing.assert_frame_equal(dictionary.values(cells), frame)
    assert all(mask.all() for f in dictionary.features for mask in f.obeyed(frame[f.name]).values())


AGE = Feature(name="age", type="integer", minimum=0, maximum=90, missing=True)
KG = Feature(name="kg", type="decimal", minimum=1, maximum=200, decimals=1)
SEX = Feature(name="sex", type="category", levels=("F", "M"))
DAY = Feature(name="day", type="date", minimum="1970-01-01", maximum="1980-01-01")
DIED = Feature(name="died", type="boolean", levels=("0", "1"))


def dictionary(*features, target="died", **fields):
    return FeatureDictionary(target=target, features=(*features, DIED), **fields)


def test_names_and_inputs_follow_the_order_of_the_table():
    known = dictionary(AGE, SEX, DAY)
    assert known.names == ["age", "sex", "day", "died"]
    assert known.inputs == ["age", "sex", "day"]
    assert known.input_features == (AGE, SEX, DAY)
    assert known["sex"] is SEX
    assert known.classification
    assert not dictionary(AGE, target="age").classification


@settings(max_examples=40, deadline=None)
@given(dictionaries(), st.data())
def test_native_columns_hold_the_same_values(known, data):
    rows = [{f.name: data.draw(values(f)) for f in known.features} for _ in range(3)]
    frame = frame_of(known, rows)
    native = known.native(frame)
    assert native.isna().to_numpy().tolist() == frame.isna().to_numpy().tolist()
    for feature in known.features:
        if feature.type in ("integer", "decimal"):
            assert native[feature.name].dropna().tolist() == frame[feature.name].dropna().tolist()


def test_native_types_are_what_people_expect():
    frame = pd.DataFrame(
        {"age": [3.0, np.nan], "kg": [1.5, 2.0], "sex": ["F", "M"], "day": [0.0, 366.0]}
    ).assign(died=["0", "1"])
    native = dictionary(AGE, KG, SEX, DAY).native(frame)
    assert {name: str(dtype) for name, dtype in native.drop(columns="sex").dtypes.items()} == {
        "age": "Int64",
        "kg": "float64",
        "day": "datetime64[ns]",
        "died": "int64",
    }
    assert native["day"].tolist() == [pd.Timestamp("1970-01-01"), pd.Timestamp("1971-01-02")]
    truths = Feature(name="t", type="boolean", levels=("True", "False"))
    assert truths.native(pd.Series(["True", "False"])).tolist() == [True, False]


def test_derived_columns_are_computed_and_rounded():
    bmi = Derived(name="bmi", formula="kg / (age * age)", decimals=2)
    frame = pd.DataFrame({"age": [2.0, 0.0, np.nan], "kg": [7.0, 1.0, 1.0]}, index=[5, 6, 7])
    computed = dictionary(AGE, KG, derived=(bmi,)).computed(frame)["bmi"]
    assert computed.index.tolist() == [5, 6, 7]
    assert computed[5] == 1.75
    assert computed[[6, 7]].isna().all()  # nothing divides by nought, and no age is no number


def test_rules_go_by_their_reason_and_all_faults_come_at_once():
    plain = Relation(rule="age > 1")
    reasoned = Relation(rule="kg < 180", reason="the scale ends there")
    assert list(dictionary(AGE, KG, rules=(plain, reasoned)).parsed_rules()) == [
        "age > 1",
        "the scale ends there",
    ]
    wrong = (Relation(rule="agee > 1"), plain, Relation(rule="kg <"))
    with pytest.raises(DictionaryError) as caught:
        dictionary(AGE, KG, rules=wrong).parsed_rules()
    assert len(caught.value.faults) == 2


def test_a_rule_that_real_rows_break_is_a_warning():
    known = dictionary(AGE, rules=(Relation(rule="age > 30"),))
    cells = pd.DataFrame({"age": ["20", "40", None], "died": ["0", "1", "1"]}, dtype=object)
    assert known.check_table(cells, [2, 3, 4], "t.csv") == [
        "rule 'age > 30': 1 of 3 real rows break it, so it is not enforced"
    ]


def test_both_files_say_the_same():
    import yaml

    known = dictionary(AGE, KG, SEX, DAY, rules=(Relation(rule="age > 1"),))
    assert json.loads(known.to_table_schema()) == yaml.safe_load(known.to_yaml())
    schema = json.loads(FeatureDictionary.json_schema())
    types = schema["$defs"]["Feature"]["properties"]["type"]["enum"]
    assert set(types) == {"integer", "number", "string", "boolean", *TEXT_TYPES}
    assert len(types) == len(set(types))
