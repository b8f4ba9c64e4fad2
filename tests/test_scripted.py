"""The scripted model writes what its script wants, and its cache raises at every wrong use."""

import numpy as np
import pytest

from t2local.llm.scripted import ScriptedModel


def decode(context, text: bytes, *, sequence: int = 0, start: int = 0, outputs=None):
    n = len(text)
    mask = np.ones(n, dtype=bool) if outputs is None else np.array(outputs, dtype=bool)
    logits = context.decode(
        np.frombuffer(text, dtype=np.uint8).astype(np.int32),
        np.arange(start, start + n, dtype=np.int32),
        np.full(n, sequence, dtype=np.int32),
        mask,
    )
    return np.array([logits[i, slice(None)] for i in range(mask.sum())])


def test_tokens_are_bytes_and_prompts_are_kept():
    model = ScriptedModel()
    assert model.tokenize("aé") == [97, 195, 169]
    assert model.prompt(["a", "b"]) == [97, 98]
    assert model.prompts == ["ab"]
    assert (model.slots(0, 10).value, model.slots(5, 10).value) == (32, 5)


def test_without_a_script_all_bytes_are_equally_likely():
    model = ScriptedModel()
    logits = decode(model.context(10, 1), b"abc")
    assert logits.shape == (3, model.n_vocab)
    assert not logits.any()


def test_the_script_reads_the_text_of_its_sequence_and_prefers_one_byte():
    model = ScriptedModel(lambda text: b"x" if text.endswith(b"b") else b"")
    logits = decode(model.context(10, 1), b"abc", outputs=[True, True, False])
    assert len(logits) == 2
    assert not logits[0].any()
    assert np.flatnonzero(logits[1]).tolist() == [ord("x")]
    assert logits[1, ord("x")] == 20


def test_a_shared_sequence_goes_on_with_what_it_shares():
    texts = []
    model = ScriptedModel(lambda text: texts.append(text) or b"")
    context = model.context(10, 3)
    decode(context, b"ab")
    context.branch(0, 1)
    context.rewind(1, 1)
    context.branch(0, 2)
    decode(context, b"X", sequence=1, start=1)
    decode(context, b"Y", sequence=2, start=2)
    assert texts[-2:] == [b"aX", b"abY"]


@pytest.mark.parametrize("start", [0, 1, 3])
def test_a_token_at_a_wrong_position_raises(start):
    context = ScriptedModel().context(10, 2)
    decode(context, b"ab")
    with pytest.raises(RuntimeError, match=f"position {start} of a sequence of length 2"):
        decode(context, b"c", start=start)


def test_a_full_cache_raises_and_shared_tokens_take_room_once():
    context = ScriptedModel().context(4, 4)
    decode(context, b"abc")
    context.branch(0, 1)
    context.branch(0, 2)
    decode(context, b"d", sequence=1, start=3)
    with pytest.raises(RuntimeError, match="5 tokens are in a cache of 4"):
        decode(context, b"e", sequence=2, start=3)


def test_room_comes_back_when_a_sequence_is_forgotten():
    context = ScriptedModel().context(4, 2)
    decode(context, b"abcd", sequence=1)
    context.rewind(1, 2)
    decode(context, b"xy", sequence=1, start=2)
    context.drop(1)
    decode(context, b"efgh")
    context.close()


def test_a_sequence_in_use_is_not_overwritten():
    context = ScriptedModel().context(10, 2)
    decode(context, b"a")
    decode(context, b"b", sequence=1)
    with pytest.raises(RuntimeError, match="sequence 1 is in use"):
        context.branch(0, 1)


def test_a_sequence_that_is_not_there_raises():
    with pytest.raises(IndexError):
        decode(ScriptedModel().context(10, 2), b"a", sequence=2)
