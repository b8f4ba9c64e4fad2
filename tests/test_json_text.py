"""The one edge where dataclasses become JSON."""

import json
import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.system.json_text import as_json, to_json

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=12,
)


@dataclass(frozen=True)
class Inner:
    value: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    inner: Inner
    by_number: dict[int, Inner] = field(default_factory=dict)


@settings(max_examples=60, deadline=None)
@given(PLAIN)
def test_json_values_are_as_they_were_and_read_back_equal(value):
    assert to_json(value) == value
    for indent in (None, 2):
        assert json.loads(as_json(value, indent=indent)) == value


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_without_an_indent_it_is_one_line_of_a_journal(text):
    line = as_json({"t": text}, indent=None)
    assert line.endswith("}\n")
    assert line.count("\n") == 1


def test_dataclasses_within_dataclasses_become_objects():
    value = Outer(Inner(0.5, ("a", "b")), {1: Inner(2)})
    assert to_json(value) == {
        "inner": {"value": 0.5, "names": ["a", "b"]},
        "by_number": {"1": {"value": 2, "names": []}},
    }


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_a_number_that_json_does_not_have_is_null(number):
    assert to_json([number]) == [None]
    assert json.loads(as_json(Inner(number)))["value"] is None


@pytest.mark.parametrize(
    ("number", "plain"), [(np.float32(0.5), 0.5), (np.float64(0.25), 0.25), (np.int64(3), 3)]
)
def test_numbers_of_numpy_become_pythons(number, plain):
    result = to_json({"n": number})["n"]
    assert result == plain
    assert type(result) in (int, float)


def test_truth_stays_truth():
    assert as_json([True, False, None], indent=None) == "[true, false, null]\n"


def test_letters_stay_readable():
    assert as_json({"länge": "日本"}, indent=None) == '{"länge": "日本"}\n'


def test_what_is_neither_is_refused():
    for value in (object(), {1, 2}, Inner):
        with pytest.raises(TypeError):
            to_json(value)
