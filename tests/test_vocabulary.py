"""Tokens of a real vocabulary: text comes back, and data never become control tokens."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.llm.grammar import Grammar, Masks
from t2local.llm.sampling import allowed_tokens
from tests.tiny import TOKENS, load, tiny

#: The tokens of tests/tiny.py that control a model or look like it: <unk>, <s>, </s> and <table>.
CONTROL = {1, 2, TOKENS.index("<table>")}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tiny(tmp_path_factory.mktemp("vocabulary") / "a.gguf")
    model = load(path)
    yield model
    model.close()


def text_of(model, tokens) -> str:
    return model.tokenizer.decode_bytes(tokens).decode()


def test_data_never_becomes_control_text(model):
    texts = ["[1,2]", "a <table> b", "<s>[</s>", "<table><table>", "1 12"]
    written = [
        "".join(TOKENS[token] for token in model.tokenize(text)).replace("▁", " ") for text in texts
    ]
    assert written == texts  # this tokenizer would put a blank before each text
    assert not CONTROL & {token for text in texts for token in model.tokenize(text)}
    assert model.tokenize("<table>", special=True)[-1] == 260


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["<table>", "<s>", "</s>", "<ta", "ble>", " ", "\n", "1", "12", "é", "日"])
        | st.text(max_size=4)
    ).map("".join)
)
def test_any_text_comes_back_without_a_control_token(model, text):
    text = text.replace("\x00", "")
    tokens = model.tokenize(text)
    assert CONTROL.isdisjoint(tokens)
    assert text_of(model, tokens) == text


def test_no_text_has_no_tokens(model):
    assert model.tokenize("") == []
    assert model.tokenize("", special=True) == []


def test_parts_of_a_prompt_are_split_one_by_one(model):
    assert model.prompt(["1", "2"]) == [
        *model.prompt([]),
        *model.tokenize("1"),
        *model.tokenize("2"),
    ]
    assert model.tokenize("12") == [TOKENS.index("12")]
    assert model.prompt([])[:1] == [1]  # <s>


def test_no_grammar_allows_a_control_token(model):
    grammar = Grammar({"type": "string"}, model.tokenizer)
    assert list(grammar.forced) == model.tokenize('"')
    masks = Masks(1, model.n_vocab)
    allowed = set(allowed_tokens(masks.fill([grammar.start()])[0]).tolist())
    assert TOKENS.index("a") in allowed
    assert allowed.isdisjoint(CONTROL)


def test_forced_text_is_split_as_the_model_splits_it(model):
    grammar = Grammar({"const": "a 12 b"}, model.tokenizer)
    assert text_of(model, list(grammar.forced)) == json.dumps("a 12 b")
