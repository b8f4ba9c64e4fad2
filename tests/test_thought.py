"""Thoughts of a tiny real model: bounded, repeatable, never a control token, kept nowhere."""

from dataclasses import replace

import pytest

import t2local
from t2local.llm.catalog import Thought
from t2local.llm.sampling import RowStream
from t2local.llm.thought import think
from t2local.stats.streams import Stream
from tests.test_manager import END, thinker
from tests.tiny import PLAIN, TOKENS, load, tiny

FORMAT = Thought("<s>U:", "A:<table>\n", "\n<table>\n")
#: The tokens of tests/tiny.py that control a model or look like it: <s>, </s> and <table>.
CONTROL = {1, 2, TOKENS.index("<table>")}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tiny(tmp_path_factory.mktemp("thought") / "a.gguf")
    model = load(path, chat=replace(PLAIN, thought=FORMAT))
    yield model
    model.close()


def thought(model, budget, seed=1, temperature=1.0):
    stream = RowStream(seed, stream=Stream.THOUGHT_TOKENS)
    return think(model, model.prompt(["age, sex"], thought=True), budget, stream, temperature)


def test_the_prompt_of_a_thought_has_control_text_of_its_own(model):
    assert model.prompt(["age"], thought=True) == [
        *model.tokenize("<s>U:", special=True),
        *model.tokenize("age"),
        *model.tokenize("A:<table>\n", special=True),
    ]


def test_a_thought_follows_from_its_seed_and_is_the_beginning_of_a_longer_one(model):
    longest = thought(model, 60)
    assert thought(model, 60) == longest
    assert thought(model, 60, seed=2) != longest
    for budget in (1, 7, 30):
        tokens = thought(model, budget)
        assert len(tokens) <= budget
        assert longest[: len(tokens)] == tokens


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_control_token_ends_a_thought_and_is_no_part_of_it(model, seed):
    # So hot that every token is about equally likely: most thoughts meet a control token.
    tokens = thought(model, 2000, seed, temperature=5)
    assert CONTROL.isdisjoint(tokens)
    assert b"<table>" not in model.tokenizer.decode_bytes(tokens)


def test_a_thought_stands_in_no_file_and_no_event(patients, tmp_path):
    events = []
    result = t2local.generate(
        patients,
        target="outcome",
        rows=5,
        max_batches=1,
        model=thinker(b"ZEBRA is what I think" + END.encode()),
        settings={"team.thinking_tokens": 100},
        out=tmp_path / "run",
        on_event=events.append,
    )
    files = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not any(b"ZEBRA" in content for content in files)
    assert "ZEBRA" not in f"{events} {result}"
    assert any(event.what == "thought" for event in events if hasattr(event, "what"))
