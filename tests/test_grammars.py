"""The fragments in grammars/ do what their cases say."""

import json

import pytest

from t2local.errors import DecodeError
from t2local.llm.grammar import Grammar, byte_tokenizer
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
    ("name", "case"), [(name, case) for name, found in FRAGMENTS.items() for case in found["cases"]]
)
def test_fragments_accept_and_reject_what_their_cases_say(name, case):
    grammar = Grammar({**FRAGMENTS[name]["schema"], **case["with"]}, TOKENIZER)
    assert [text for text in case["accept"] if not accepts(grammar, text)] == []
    assert [text for text in case["reject"] if text and accepts(grammar, text)] == []


def test_a_grammar_that_allows_nothing_is_refused_before_any_token():
    with pytest.raises(DecodeError, match="cannot be compiled"):
        Grammar({"type": "integer", "minimum": 5, "maximum": 4}, TOKENIZER)
