"""Rows as text: the grammar and the dictionary allow the same rows, in both directions."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.llm.grammar import Grammar, byte_tokenizer
from t2local.tables.dictionary import Feature
from t2local.team.rows import (
    array,
    cell_ends,
    feature_description,
    max_bytes,
    parse,
    records,
    schema,
)
from tests.strategies import dictionaries, frame_of, random_text, values
from tests.teams import accepts

TOKENIZER = byte_tokenizer()


def independent_fault(feature, value) -> str:
    """What is wrong with a value, by code that shares no line with the grammar or with stage 1."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "" if feature.missing else "missing"
    if feature.levels:
        return "" if value in feature.levels else "level"
    steps = round(value * 10**feature.decimals)
    if abs(value * 10**feature.decimals - steps) > 1e-6 * max(1, abs(steps)):
        return "step"
    low, high = (
        round(bound * 10**feature.decimals) for bound in (feature.minimum, feature.maximum)
    )
    return "" if low <= steps <= high else "range"


@settings(max_examples=80, deadline=None)
@given(dictionary=dictionaries(), seed=st.integers(0, 2**32 - 1))
def test_every_text_that_the_grammar_accepts_is_a_valid_row(dictionary, seed):
    grammar = Grammar(schema(dictionary.features), TOKENIZER)
    rng = np.random.default_rng(seed)
    rows = [
        parse(
            dictionary.features,
            random_text(grammar, TOKENIZER, rng, max_bytes(dictionary.features)),
        )
        for _ in range(3)
    ]
    assert [
        independent_fault(f, row[f.name])
        for row in rows
        for f in dictionary.features
        if independent_fault(f, row[f.name])
    ] == []
    # Stage 1 asks the same of each feature (`t2local.trim.sanity`).
    frame = frame_of(dictionary, rows)
    broken = [
        (feature.name, constraint)
        for feature in dictionary.features
        for constraint, obeyed in feature.obeyed(frame[feature.name]).items()
        if not obeyed.all()
    ]
    assert broken == []


@settings(max_examples=80, deadline=None)
@given(data=st.data(), dictionary=dictionaries())
def test_every_valid_row_is_accepted_and_comes_back_equal(data, dictionary):
    row = {f.name: data.draw(values(f)) for f in dictionary.features}
    text = array(dictionary.features, row)
    assert accepts(Grammar(schema(dictionary.features), TOKENIZER), text), text
    assert len(text.encode()) <= max_bytes(dictionary.features)
    back = parse(dictionary.features, text)
    assert [f.cell(back[f.name]) for f in dictionary.features] == [
        f.cell(row[f.name]) for f in dictionary.features
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(-3000, 3000), st.integers(0, 2000))
def test_a_decimal_accepts_every_value_near_its_bounds_and_none_beyond(decimals, low, span):
    """llguidance alone refuses 0.7 in 0.681 to 0.718, and takes 0.3 to 0.3 by 0.1 for empty."""
    grid = 10**decimals
    feature = Feature(
        name="x", type="decimal", minimum=low / grid, maximum=(low + span) / grid, decimals=decimals
    )
    grammar = Grammar(schema([feature]), TOKENIZER)
    near = {
        *range(low - 12, low + 25),
        *range(low + span - 25, low + span + 13),
        *range(low, low + span, 97),
    }
    wrong = [
        step
        for step in near
        if accepts(grammar, f"[{feature.cell(step / grid)}]") != (low <= step <= low + span)
    ]
    assert wrong == []


@settings(max_examples=60, deadline=None)
@given(data=st.data(), dictionary=dictionaries(), seed=st.integers(0, 2**32 - 1))
def test_given_cells_are_the_only_ones_that_the_schema_allows(data, dictionary, seed):
    names = data.draw(st.lists(st.sampled_from(dictionary.names), unique=True))
    cells = {name: data.draw(values(dictionary[name])) for name in names}
    grammar = Grammar(schema(dictionary.features, cells), TOKENIZER)
    text = random_text(
        grammar, TOKENIZER, np.random.default_rng(seed), max_bytes(dictionary.features)
    )
    row = parse(dictionary.features, text)
    for name, value in cells.items():
        assert dictionary[name].cell(row[name]) == dictionary[name].cell(value)


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ("3", "[3]"),
        ("-7", "[-7]"),
        ("0", "[0]"),
        ("01", '["01"]'),
        ("1.0", '["1.0"]'),
        ("-0", '["-0"]'),
        ("--5", '["--5"]'),
        ("-", '["-"]'),
        ("٣", '["٣"]'),
        ("123456789012345", "[123456789012345]"),
        ("1234567890123456", '["1234567890123456"]'),
        ("5\n", '["5\\n"]'),
        ("null", '["null"]'),
    ],
)
def test_codes_are_written_as_numbers_and_all_else_as_text(level, text):
    feature = Feature(name="x", type="category", levels=(level, "other"))
    assert array([feature], {"x": level}) == text
    assert parse([feature], text) == {"x": level}
    assert accepts(Grammar(schema([feature]), TOKENIZER), text)


AGE = Feature(name="age", type="integer", minimum=18, maximum=99)


@pytest.mark.parametrize(
    ("change", "statistics", "words"),
    [
        ({}, "", "age (18 to 99)"),
        ({"unit": "years"}, "", "age (18 to 99 years)"),
        ({"meaning": "at admission"}, "", "age (at admission: 18 to 99)"),
        ({"missing": True}, "mean 50, sd 3", "age (18 to 99 or null; mean 50, sd 3)"),
        (
            {"unit": "years", "meaning": "at admission", "missing": True},
            "mean 50",
            "age (at admission: 18 to 99 years or null; mean 50)",
        ),
    ],
)
def test_a_number_is_described_by_its_range(change, statistics, words):
    assert feature_description(AGE.model_copy(update=change), statistics) == words


def test_levels_are_described_as_they_are_written_and_not_all_of_them():
    feature = Feature(name="code", type="category", levels=("1", "01", 'say "x"'))
    assert feature_description(feature) == 'code (1 or "01" or "say \\"x\\"")'
    many = Feature(name="code", type="category", levels=tuple(f"c{i}" for i in range(14)))
    words = feature_description(many)
    assert words.endswith('"c11" or 2 more)')
    assert '"c12"' not in words
    dozen = many.model_copy(update={"levels": many.levels[:12]})
    assert feature_description(dozen).endswith('"c11")')


def test_dates_are_described_and_written_by_year_month_and_day():
    feature = Feature(
        name="day", type="date", format="%d.%m.%Y", minimum="01.02.2020", maximum="05.03.2021"
    )
    assert feature_description(feature) == "day (2020-02-01 to 2021-03-05)"
    text = array([feature], {"day": feature.minimum})
    assert text == '["2020-02-01"]'
    assert parse([feature], text) == {"day": feature.minimum}


def test_cells_end_with_their_comma_or_bracket():
    features = [AGE, Feature(name="sex", type="category", levels=("é", "M"))]
    row = {"age": 41.0, "sex": "é"}
    assert array(features, row) == '[41,"é"]'
    assert cell_ends(features, row) == [4, 9]  # é has two bytes


def test_records_have_names_as_text():
    frame = pd.DataFrame({1: [2.0], "b": ["x"]})
    assert records(frame) == [{"1": 2.0, "b": "x"}]
