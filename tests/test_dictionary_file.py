"""Dictionary files come back equal; broken ones name every fault with its place."""

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.errors import DictionaryError
from t2local.tables.dictionary_file import read_dictionary
from tests.strategies import dictionaries, with_effects

BROKEN = """\
target: nope
features:
- name: age
  type: integer
  minimum: 90
  maximum: 18
- name: sex
  type: category
- name: age
  type: decimal
  minimum: 0
  maximum: 1
  decimals: 99
  colour: red
- type: boolean
  levels: [a, a]
"""


@settings(max_examples=60, deadline=None)
@given(dictionaries())
def test_a_dictionary_comes_back_equal_from_its_file(dictionary):
    assert read_dictionary(dictionary.to_yaml(), "d.yaml") == dictionary


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_effects_come_back_equal(data):
    dictionary = data.draw(dictionaries())
    target = dictionary[dictionary.target]
    if target.levels:
        target = target.model_copy(update={"positive": data.draw(st.sampled_from(target.levels))})
    informed = [
        target if feature.name == target.name else data.draw(with_effects(feature))
        for feature in dictionary.features
    ]
    dictionary = dictionary.model_copy(update={"features": tuple(informed)})
    assert read_dictionary(dictionary.to_yaml(), "d.yaml") == dictionary


def test_all_faults_of_a_file_come_in_one_message_with_their_places():
    with pytest.raises(DictionaryError) as caught:
        read_dictionary(BROKEN, "d.yaml")
    message = str(caught.value)
    expected = [
        "d.yaml, line 1, column 9: target",
        "line 3, column 3: features.0: Value error, minimum is above maximum",
        "line 7, column 3: features.1: Value error, a category needs levels",
        "line 9, column 9: features.2.name: the name 'age' stands there twice",
        "line 13, column 13: features.2.decimals",
        "line 14, column 11: features.2.colour",
        "features.3.name: Field required",
    ]
    assert [fault for fault in expected if fault not in message] == []
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "just words",
        "a: [",
        "target: *x",
        "target: &x y\nfeatures: [*x, *x]",
        "features: !!python/object:os.system {}",
        "target: 2021-02-30",
        "target: " + "[" * 1500,
    ],
)
def test_no_text_is_more_than_a_dictionary_error(text):
    with pytest.raises(DictionaryError):
        read_dictionary(text, "d.yaml")


#: A correct file in the words of Table Schema, as one value, so that a test can break any part.
DAYS = {"minimum": "2020-01-01", "maximum": "2021-01-01"}
CORRECT = {
    "target": "y",
    "missingValues": ["-9"],
    "fields": [
        {
            "name": "age",
            "type": "integer",
            "constraints": {"minimum": 0, "maximum": 50},
            "effect": "strongly raises",
        },
        {
            "name": "smoker",
            "type": "string",
            "constraints": {"enum": ["never", "former", "current"]},
            "level_effects": {"current": "raises"},
        },
        {
            "name": "day",
            "type": "date",
            "constraints": {"minimum": "2020-01-01", "maximum": "2021-01-01"},
        },
        {"name": "y", "type": "string", "constraints": {"enum": ["a", "b"]}, "positive": "a"},
    ],
    "rules": [{"rule": "age >= 1", "reason": "none is newborn"}, "age < 40"],
    "derived": [{"name": "double", "formula": "2 * age"}],
    "left_out": [{"name": "id", "reason": "an identifier"}],
}


def parts(value, path=()):
    """Where each part of a nested value stands."""
    yield path
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield from parts(value[key], (*path, key))


def replaced(value, path, part):
    """The value with another part at one place."""
    if not path:
        return part
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], part)
    return copy


def read_or_faults(text):
    """The dictionary, or the faults of its error; any other error is one of the code."""
    try:
        return read_dictionary(text, "d.yaml"), ()
    except DictionaryError as error:
        return None, error.faults


def test_the_correct_file_is_one():
    dictionary = read_dictionary(yaml.safe_dump(CORRECT), "d.yaml")
    assert dictionary.names == ["age", "smoker", "day", "y"]
    assert dictionary["smoker"].effects == pytest.approx((np.nan, np.nan, 1), nan_ok=True)
    assert dictionary["y"].positive_class == 0
    assert dictionary["day"].bounds == (18262, 18628)
    assert [relation.rule for relation in dictionary.rules] == ["age >= 1", "age < 40"]
    assert read_dictionary(dictionary.to_table_schema(), "d.json") == dictionary
    assert all(feature.missing_values == ("-9",) for feature in dictionary.features)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([path for path in parts(CORRECT) if path]),
    st.sampled_from([None, 5, -1.5, True, "word", "", [], [1], [[2]], {}, {"a": 1}, [{}]]),
)
def test_a_wrong_part_anywhere_is_a_fault_with_a_place_or_none(path, part):
    text = yaml.safe_dump(replaced(CORRECT, path, part), sort_keys=False)
    dictionary, faults = read_or_faults(text)
    assert all(fault.startswith("d.yaml, line ") for fault in faults)
    if dictionary:
        assert read_dictionary(dictionary.to_yaml(), "again.yaml") == dictionary


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.integers(0, 300))
def test_any_text_inside_a_file_is_a_dictionary_or_its_error(text, place):
    correct = yaml.safe_dump(CORRECT)
    place = min(place, len(correct))
    dictionary, faults = read_or_faults(correct[:place] + text + correct[place:])
    assert (dictionary is None) == bool(faults)


def test_faults_of_effects_have_their_places():
    text = """\
target: y
fields:
- {name: ward, type: string, constraints: {enum: [a, b, c]}, effect: raises}
- {name: age, type: integer, constraints: {minimum: 0, maximum: 50}, positive: a, effect: up}
- {name: y, type: string, constraints: {enum: [a, b]}, effect: raises}
"""
    with pytest.raises(DictionaryError) as caught:
        read_dictionary(text, "d.yaml")
    starts = [
        "d.yaml, line 3, column 3: fields.0: Value error, 3 levels have no direction",
        "d.yaml, line 4, column 91: fields.1.effect: Input should be",
        "d.yaml, line 4, column 80: fields.1.positive: only the target has a positive level",
        "d.yaml, line 5, column 64: fields.2.effect: effects are on the target",
    ]
    for start, fault in zip(starts, caught.value.faults, strict=True):
        assert fault.startswith(start)


def test_a_formula_of_a_field_and_a_reserved_name_are_faults():
    text = yaml.safe_dump({**CORRECT, "derived": [{"name": "age", "formula": "nothing * 2"}]})
    with pytest.raises(DictionaryError) as caught:
        read_dictionary(text, "d.yaml")
    assert len(caught.value.faults) == 2
    assert "'age' is a field already; leave it out there" in str(caught.value)
    assert "there is no column 'nothing'" in str(caught.value)


def test_levels_and_bounds_without_quotes_are_the_texts_that_they_look_like():
    text = """\
target: code
fields:
- {name: code, type: string, constraints: {enum: [010, 1.50, 1:30, 2021-03-04, 7]}}
- {name: day, type: date, constraints: {minimum: 2021-01-01, maximum: 2021-12-31}}
- {name: time, type: duration, constraints: {minimum: 0:30, maximum: 1:30}}
- {name: dose, type: number, decimals: 2, constraints: {minimum: 0.25, maximum: 1e1}}
"""
    code, day, time, dose = read_dictionary(text, "d.yaml").features
    assert code.levels == ("010", "1.50", "1:30", "2021-03-04", "7")
    assert day.bounds == (18628, 18992)
    assert time.bounds == (30, 90)
    assert dose.bounds == (0.25, 10)


@pytest.mark.parametrize("bound", ["9999-12-31", "1e300", "2262-12-31", "-99999999999999999999"])
def test_a_day_that_no_calendar_here_has_is_a_fault_of_its_field(bound):
    text = f"""\
target: x
fields:
- {{name: day, type: date, constraints: {{minimum: 2021-01-01, maximum: {bound}}}}}
- {{name: x, type: string, constraints: {{enum: [a, b]}}}}
"""
    with pytest.raises(DictionaryError, match=r"line 3, column 3: fields\.0"):
        read_dictionary(text, "d.yaml")


def test_a_fault_in_the_effect_of_a_level_names_its_place_and_not_the_level():
    text = """\
target: x
fields:
- {name: x, type: string, constraints: {enum: [a, b]}}
- {name: z, type: string, constraints: {enum: [Rare1, b, c]}, level_effects: {Rare1: up}}
"""
    with pytest.raises(DictionaryError, match=r"line 4, column 86: fields\.1\.level_effects") as e:
        read_dictionary(text, "d.yaml")
    assert "Rare1" not in str(e.value)
