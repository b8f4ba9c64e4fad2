"""The grammar and the dictionary allow the same rows, in both directions."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.llm.grammar import Grammar, byte_tokenizer
from t2local.tables.dictionary import Feature
from t2local.team.rows import array, longest, parse, schema
from t2local.trim.sanity import check
from t2local.trim.verdict import Verdict
from tests.strategies import dictionaries, frame_of, random_text, values

TOKENIZER = byte_tokenizer()


def accepts(grammar: Grammar, text: str) -> bool:
    tokens, forced, matcher = list(text.encode()), len(grammar.forced), grammar.start()
    return (
        tuple(tokens[:forced]) == grammar.forced
        and matcher.consume_tokens(tokens[forced:])
        and matcher.is_accepting()
    )


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


@settings(max_examples=100, deadline=None)
@given(dictionary=dictionaries(), seed=st.integers(0, 2**32 - 1))
def test_every_text_that_the_grammar_accepts_is_a_valid_row(dictionary, seed):
    grammar = Grammar(schema(dictionary.features), TOKENIZER)
    rng = np.random.default_rng(seed)
    rows = [
        parse(
            dictionary.features, random_text(grammar, TOKENIZER, rng, longest(dictionary.features))
        )
        for _ in range(3)
    ]
    assert [
        independent_fault(f, row[f.name])
        for row in rows
        for f in dictionary.features
        if independent_fault(f, row[f.name])
    ] == []
    verdict = Verdict(len(rows))
    check(frame_of(dictionary, rows), dictionary, {}, set(), verdict, copies_by_chance=True)
    assert verdict.kept.all(), verdict.reasons


@settings(max_examples=100, deadline=None)
@given(data=st.data(), dictionary=dictionaries())
def test_every_valid_row_is_accepted_and_comes_back_equal(data, dictionary):
    row = {f.name: data.draw(values(f)) for f in dictionary.features}
    text = array(dictionary.features, row)
    assert accepts(Grammar(schema(dictionary.features), TOKENIZER), text), text
    assert len(text.encode()) <= longest(dictionary.features)
    back = parse(dictionary.features, text)
    assert [f.cell(back[f.name]) for f in dictionary.features] == [
        f.cell(row[f.name]) for f in dictionary.features
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(-3000, 3000), st.integers(0, 2000))
def test_a_decimal_accepts_every_value_near_its_bounds_and_none_beyond(decimals, low, span):
    """llguidance alone refuses 0.7 in 0.681 to 0.718 by 0.001, and finds 0.3 to 0.3 empty."""
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
