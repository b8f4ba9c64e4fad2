"""Grammars: the fragments in grammars/ do what their cases say, and what cannot be is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.errors import DecodeError
from t2local.llm.grammar import Grammar, Masks, byte_tokenizer, fragment
from t2local.llm.sampling import allowed_tokens
from t2local.settings import shipped

TOKENIZER = byte_tokenizer()
FRAGMENTS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in shipped("grammars").glob("*.json")
}


def accepts(grammar: Grammar, text: str) -> bool:
    tokens, forced, matcher = list(text.encode()), len(grammar.forced), grammar.start()
    return (
        tuple(tokens[:forced]) == grammar.forced
        and matcher.consume_tokens(tokens[forced:])
        and matcher.is_accepting()
    )


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name, content in FRAGMENTS.items() for case in content["cases"]],
)
def test_fragments_accept_and_reject_what_their_cases_say(name, case):
    grammar = Grammar({**FRAGMENTS[name]["schema"], **case["with"]}, TOKENIZER)
    assert [text for text in case["accept"] if not accepts(grammar, text)] == []
    assert [text for text in case["reject"] if text and accepts(grammar, text)] == []


def test_a_fragment_is_the_schema_of_its_file():
    assert FRAGMENTS
    for name, content in FRAGMENTS.items():
        assert fragment(name) == content["schema"]


def test_a_grammar_that_allows_nothing_is_refused_before_any_token():
    with pytest.raises(DecodeError, match="cannot be compiled"):
        Grammar({"type": "integer", "minimum": 5, "maximum": 4}, TOKENIZER)


@settings(max_examples=30, deadline=None)
@given(st.integers(-200, 200), st.integers(0, 150))
def test_bounds_of_integers_are_kept_on_both_sides(low, span):
    grammar = Grammar({"type": "integer", "minimum": low, "maximum": low + span}, TOKENIZER)
    for number in (low - 1, low, low + span // 2, low + span, low + span + 1):
        assert accepts(grammar, str(number)) == (low <= number <= low + span)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text('ab \\"é日', min_size=1, max_size=6), min_size=2, max_size=5, unique=True))
def test_what_is_forced_is_what_all_texts_begin_with(levels):
    grammar = Grammar({"enum": levels}, TOKENIZER)
    texts = [json.dumps(level, ensure_ascii=False).encode() for level in levels]
    assert all(text.startswith(bytes(grammar.forced)) for text in texts)
    mask = Masks(1, TOKENIZER.vocab_size).fill([grammar.start()])[0]
    position = len(grammar.forced)
    assert set(allowed_tokens(mask).tolist()) >= {
        text[position] for text in texts if len(text) > position
    }


@pytest.mark.parametrize(
    ("schema", "is_open"),
    [
        ({"type": "string"}, True),
        ({"type": "string", "maxLength": 3}, True),
        ({"type": "string", "pattern": "^a+$"}, False),
        ({"enum": ["a", "b"]}, False),
        ({"type": "integer"}, False),
        ({"type": "array", "prefixItems": [{"const": "a"}, {"type": "string"}]}, True),
        ({"anyOf": [{"type": "null"}, {"type": "string", "enum": ["a"]}]}, False),
    ],
)
def test_a_grammar_is_open_where_any_text_may_stand(schema, is_open):
    assert Grammar(schema, TOKENIZER).open == is_open


def test_no_blank_is_allowed_between_tokens():
    grammar = Grammar({"type": "array", "prefixItems": [{"type": "integer"}] * 2}, TOKENIZER)
    assert accepts(grammar, "[1,2]")
    assert not accepts(grammar, "[1, 2]")


def test_matchers_of_one_grammar_do_not_know_each_other():
    grammar = Grammar({"enum": ["ab", "cd"]}, TOKENIZER)
    first, second = grammar.start(), grammar.start()
    assert first.consume_tokens([ord("a")])
    masks = Masks(2, TOKENIZER.vocab_size).fill([first, second])
    assert bytes(allowed_tokens(masks[0]).tolist()) == b"b"
    assert bytes(allowed_tokens(masks[1]).tolist()) == b"ac"
