"""Real vocabularies: any text comes back, data never become control tokens, every level is written.

Where they come from: tests/vocabularies.py.
"""

import json
import os
from pathlib import Path

import llama_cpp as llama
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local.llm.backbone  # noqa: F401 -- it silences llama.cpp's log
from t2local.errors import DecodeError
from t2local.llm.grammar import Grammar, Masks
from t2local.llm.sampling import allowed_tokens
from t2local.llm.vocabulary import Vocabulary

pytestmark = pytest.mark.model

FOLDER = os.environ.get("T2LOCAL_VOCABULARIES")
FILES = sorted(Path(FOLDER).glob("ggml-vocab-*.gguf")) if FOLDER else []
#: Encoders: they write no text, and their vocabularies know neither case nor line breaks.
ENCODERS = {"bert-bge", "nomic-bert-moe"}
#: Texts that some vocabulary changes or takes for a mark.
ODD = [
    *("<b>low</b>", "H<sub>2</sub>O", "x<s>y</s>", "<think>", "A<tool_call>", "<|im_end|>"),
    *("[INST]", "\u2581", "a\u2581b", " \u2581 ", "two  blanks ", "\n\n", "a\tb", "\u00a0"),
    *("e\u0301", "日本", "😀"),
]

#: Without control characters and code points that nobody has assigned: some vocabularies lack
#: their bytes, and say so.
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=6)


def load(path: Path) -> Vocabulary:
    options = llama.llama_model_default_params()
    options.vocab_only = True
    return Vocabulary(llama.llama_model_load_from_file(str(path).encode(), options))


@pytest.fixture(scope="module", params=FILES or [None], ids=lambda p: p.stem[11:] if p else "none")
def path(request):
    if request.param is None:
        pytest.skip("python tests/vocabularies.py FOLDER, then T2LOCAL_VOCABULARIES=FOLDER")
    return request.param


@pytest.fixture(scope="module")
def vocabulary(path):
    if path.stem[11:] in ENCODERS:
        pytest.skip("an encoder")
    return load(path)


def written(vocabulary, levels, rng) -> str:
    """A random text of the grammar of a column with these levels."""
    grammar = Grammar({"enum": levels}, vocabulary.tokenizer)
    masks, matcher, tokens = Masks(1, vocabulary.size), grammar.start(), list(grammar.forced)
    while not matcher.is_stopped():
        allowed = allowed_tokens(masks.fill([matcher])[0])
        tokens.append(int(rng.choice(allowed)))
        assert matcher.consume_token(tokens[-1])
        forced = matcher.compute_ff_tokens()
        assert not forced or matcher.consume_tokens(forced)
        tokens += forced
    return vocabulary.tokenizer.decode_str(tokens)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(ODD) | TEXT, max_size=8).map("".join))
def test_any_text_comes_back_without_a_reserved_token(vocabulary, text):
    tokens = vocabulary.tokenize(text)
    assert vocabulary.tokenizer.decode_bytes(tokens).decode() == text
    assert vocabulary.reserved.keys().isdisjoint(tokens)


def test_the_names_of_reserved_tokens_are_text_in_data(vocabulary):
    for name in list(vocabulary.reserved.values())[:300]:
        tokens = vocabulary.tokenize(f"a{name}b")
        assert vocabulary.reserved.keys().isdisjoint(tokens)
        assert vocabulary.tokenizer.decode_bytes(tokens).decode() == f"a{name}b"


@pytest.mark.parametrize("odd", ODD)
def test_every_level_is_written_and_scored(vocabulary, odd):
    rng = np.random.default_rng(0)
    levels = [odd, f"{odd}{odd}", f"a{odd}"]
    assert {json.loads(written(vocabulary, levels, rng)) for _ in range(4)} <= set(levels)
    grammar = Grammar({"enum": levels}, vocabulary.tokenizer)
    for level in levels:
        tokens = vocabulary.tokenize(json.dumps(level, ensure_ascii=False))
        matcher = grammar.start()
        assert matcher.consume_tokens(tokens[len(grammar.forced) :])
        assert matcher.is_accepting()


def test_forced_text_is_split_as_all_text_is(vocabulary):
    for odd in ODD:
        text = json.dumps(f"a{odd}", ensure_ascii=False)
        forced = list(Grammar({"const": f"a{odd}"}, vocabulary.tokenizer).forced)
        assert forced[:-1] == vocabulary.tokenize(text)[: len(forced) - 1]


def test_an_encoder_says_what_it_cannot_write(path):
    if path.stem[11:] not in ENCODERS:
        pytest.skip("not an encoder")
    with pytest.raises(DecodeError, match=r"cannot write the character U\+2581"):
        load(path).tokenize("a\u2581b")
