"""A real llama with random weights: what it says of itself, and rows written with it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from t2local.errors import ModelError
from t2local.llm.backbone import Backbone
from t2local.llm.catalog import ChatFormat, chat_formats
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.llm.store import find
from tests.tiny import CONTEXT, TOKENS, load, tiny

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    model = load(tiny(tmp_path_factory.mktemp("backbone") / "a.gguf"))
    yield model
    model.close()


def test_a_model_says_what_it_is(model):
    assert (model.name, model.sha256) == ("tiny", "0" * 64)
    assert (model.n_vocab, model.context_length) == (len(TOKENS), CONTEXT)
    # One layer, two heads of 16 numbers, keys and values, 2 bytes each.
    assert model.kv_bytes_per_token == 1 * 2 * 16 * 2 * 2
    assert model.weight_bytes > 4 * 32 * len(TOKENS)


def test_the_cache_is_as_large_as_the_header_says(model, tmp_path):
    from t2local.llm.gguf import read_header

    for changes in ({}, {"llama.attention.key_length": (4, 16)}):
        path = tiny(tmp_path / "b.gguf", **changes)
        other = Backbone(find(str(path)), threads=1)
        assert other.kv_bytes_per_token == read_header(path).kv_bytes_per_token
        other.close()


def test_every_decision_has_a_value_and_a_reason(model):
    decisions = {decision.what: decision for decision in model.decisions()}
    assert decisions["threads"].value == 1
    assert decisions["chat format"].value == "plain"
    assert decisions["output layer"].value == "allowed tokens"
    assert all(decision.reason for decision in decisions.values())
    assert model.slots(7, 100).value == 7


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"general.architecture": (8, "nothing")}, "cannot load"),
        ({"llama.attention.causal": (7, False)}, "not a text generator"),
        ({"llama.pooling_type": (4, 1)}, "not a text generator"),
        ({"llama.attention.layer_norm_rms_epsilon": (8, "small")}, "cannot load"),
    ],
)
def test_a_model_that_cannot_write_rows_is_refused(tmp_path, changes, problem):
    with pytest.raises(ModelError, match=problem):
        load(tiny(tmp_path / "a.gguf", **changes))


def test_a_prompt_stands_between_the_texts_of_its_format(tmp_path):
    chat = ChatFormat("own", "[<table>", "!<s>", "compiled")
    model = load(tiny(tmp_path / "a.gguf"), chat)
    assert (model.chat_format.value, model.chat_format.reason) == ("own", "compiled")
    assert model.prompt(["12", "<s>"]) == [
        1,  # <s>
        *model.tokenize(chat.opening, special=True),
        *model.tokenize("12"),
        *model.tokenize("<s>"),
        *model.tokenize(chat.closing, special=True),
    ]
    trimmer = load(tmp_path / "a.gguf", replace(chat, trim=True))
    assert trimmer.prompt([" 1", "2\n", "\n"]) == model.prompt(["1", "2"])
    trimmer.close()
    model.close()


@pytest.mark.parametrize("adds_begin", [True, False])
def test_a_first_token_that_a_template_writes_as_text_comes_once(tmp_path, adds_begin):
    keys = {"tokenizer.ggml.add_bos_token": (7, adds_begin)}
    path = tiny(tmp_path / "a.gguf", **keys)
    for opening, begins in (("<s>[", True), ("[", adds_begin)):
        model = load(path, ChatFormat("own", opening, "", ""))
        assert [token for token in model.prompt(["12"]) if token == 1] == [1] * begins
        model.close()


def test_marks_that_are_ordinary_text_to_a_model_are_noted(tmp_path):
    path = tiny(tmp_path / "a.gguf")
    notes = {}
    for name, chat in chat_formats().items():
        model = load(path, chat)
        notes[name] = [d.value for d in model.decisions() if d.what == "chat marks"]
        model.close()
    assert notes["plain"] == []
    assert notes["gemma"] == ["<start_of_turn> <end_of_turn>"]
    assert notes["chatml"] == ["<|im_start|> <|im_end|>"]
    path = tiny(
        path, **{"tokenizer.ggml.tokens": (9, (8, ["<unk>", "<s>", "<|end|>", *TOKENS[3:]]))}
    )
    model = load(path, chat_formats()["phi"])
    assert model.decisions()[-1].value == "<|user|> <|assistant|>"
    model.close()


def test_closing_twice_does_no_harm(tmp_path):
    model = load(tiny(tmp_path / "a.gguf"))
    model.close()
    model.close()


def test_rows_are_the_same_in_any_company(model):
    grammar = Grammar(
        {
            "type": "array",
            "prefixItems": [{"enum": ["red", "green"]}, {"type": "integer", "maximum": 99}],
            "items": False,
            "minItems": 2,
        },
        model.tokenizer,
    )
    segment = Segment(tuple(model.tokenize("A")), grammar)
    requests = [Request((segment,), RowStream(1, row=i)) for i in range(9)]
    prefix = model.prompt(["Colours:"])

    def write(some, slots):
        with Decoder(model, slots=slots, prefix_tokens=len(prefix), max_row_tokens=60) as decoder:
            decoder.prefill(prefix)
            return dict(decoder.complete(some))

    together, crowded = write(requests, 9), write(requests, 2)
    alone = [write([request], 1)[0] for request in requests]
    for i, completion in enumerate(alone):
        assert completion.failure == ""
        assert together[i].texts == crowded[i].texts == completion.texts
        assert np.isclose(together[i].logprob, completion.logprob, atol=1e-3)
    assert len({completion.texts for completion in alone}) > 1


def test_a_table_goes_through_with_a_model_that_nobody_knows(tmp_path):
    import t2local

    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 80, 24),
            "mark": rng.choice(["<table>", "<|im_end|>", "[INST]"], 24),
            "y": rng.choice(["</s>", "b"], 24),
        }
    )
    result = t2local.generate(
        frame,
        target="y",
        rows=5,
        max_batches=1,
        plan="data",
        model=str(tiny(tmp_path / "a.gguf")),
        settings={"team.cells": "worker", "trim.significance_level": 1.0},
    )
    written = pd.concat([result.synthetic, result.rejected[list(frame)]])
    assert len(written) == result.report["rows"]["generated"] >= 10
    assert set(written["mark"]) <= set(frame["mark"])
