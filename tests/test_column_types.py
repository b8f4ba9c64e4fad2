"""The table of types that are text outside: every entry keeps the promises of `TextType`."""

import re
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from t2local.tables.column_types import FEATURE_TYPES, TEXT_TYPES, FeatureType
from t2local.tables.feature import Feature

#: For each type a format of a file, and a range of numbers.
EXAMPLES = {
    "date": [("%Y-%m-%d", 18_000, 18_400), ("%-d.%-m.%Y", -400, 400)],
    "datetime": [
        ("%d/%m/%Y %H:%M", 0, 1440 * 3 - 1),
        ("%Y-%m-%dT%H:%M:%S", 86_400, 2 * 86_400 - 1),
    ],
    "duration": [("H:MM", 50, 200), ("H:MM:SS", 3500, 7300)],
}
CASES = [(name, *example) for name, examples in EXAMPLES.items() for example in examples]


def test_every_type_of_the_table_is_a_type_of_features():
    assert set(TEXT_TYPES) <= set(FEATURE_TYPES) == set(get_args(FeatureType))
    assert set(TEXT_TYPES) == set(EXAMPLES), "a new type needs examples here"


@pytest.mark.parametrize(("name", "form", "low", "high"), CASES)
def test_numbers_become_texts_and_come_back(name, form, low, high):
    entry = TEXT_TYPES[name]
    numbers = np.linspace(low, high, 40).round().tolist()
    texts = [entry.to_text(number, form) for number in numbers]
    assert entry.to_numbers(pd.Series(texts, dtype=object), form).tolist() == numbers
    plain = entry.plain_format(form)
    assert [entry.from_plain(entry.to_text(number, plain), plain) for number in numbers] == numbers
    assert [entry.to_bound(text, form, last=False) for text in texts[:3]] == numbers[:3]
    assert entry.to_bound(low, form, last=True) == low


@pytest.mark.parametrize(("name", "form", "low", "high"), CASES)
def test_cells_are_recognized_by_their_own_type_alone(name, form, low, high):
    numbers = np.linspace(low, high, 40).round()
    cells = [TEXT_TYPES[name].to_text(number, form) for number in numbers]
    recognized = {kind: entry.recognize(cells) for kind, entry in TEXT_TYPES.items()}
    recognition = recognized.pop(name)
    assert recognition is not None
    assert recognition[0] == form
    assert recognition[1]
    assert not any(recognized.values())
    assert TEXT_TYPES[name].recognize([*cells, "none"]) is None


@pytest.mark.parametrize(("name", "form", "low", "high"), CASES)
def test_the_pattern_has_the_texts_in_a_rounded_range_and_no_others(name, form, low, high):
    entry = TEXT_TYPES[name]
    low, high = entry.round_range(low, high, form)
    allowed = re.compile(entry.pattern(low, high, form))
    plain = entry.plain_format(form)
    for number in (low, high, (low + high) // 2):
        assert allowed.fullmatch(entry.to_text(number, plain))
    for number in (max(low - 1, 0) if low > 0 else low - 1, high + 1):
        if name != "duration" or number >= 0:
            assert not allowed.fullmatch(entry.to_text(number, plain))


@pytest.mark.parametrize("name", TEXT_TYPES)
def test_a_default_format_is_one_that_works(name):
    low, high = EXAMPLES[name][0][1:]
    feature = Feature(name="x", type=name, minimum=low, maximum=high)
    assert feature.format == TEXT_TYPES[name].default_format
    (value,) = feature.values(pd.Series([feature.cell(high)], dtype=object))
    assert value == high


@pytest.mark.parametrize(("name", "form", "low", "high"), CASES)
def test_native_values_keep_order_and_gaps(name, form, low, high):
    native = TEXT_TYPES[name].native(pd.Series([low, np.nan, high]), form)
    assert native.dtype.kind in "mM"
    assert native.isna().tolist() == [False, True, False]
    assert native[0] < native[2]


@pytest.mark.parametrize("name", TEXT_TYPES)
def test_a_bound_that_is_none_is_refused(name):
    for text in ("never", "", True, "12:61"):
        with pytest.raises(ValueError, match="not written as"):
            TEXT_TYPES[name].to_bound(text, TEXT_TYPES[name].default_format, last=False)
