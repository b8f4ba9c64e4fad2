"""A context of llama.cpp with a tiny random llama: caches that are shared, cut and split."""

from contextlib import closing

import numpy as np
import pytest

from t2local.errors import DecodeError
from t2local.llm.context import ContextOptions, LlamaContext
from tests.tiny import load, tiny

TEXT = [5, 80, 81, 300, 7, 90, 310, 311, 12, 44]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tiny(tmp_path_factory.mktemp("context") / "a.gguf")
    model = load(path)
    yield model
    model.close()


@pytest.fixture
def context(model):
    with closing(model.context(256, 4)) as context:
        yield context


def decode(context, tokens, *, sequence=0, start=0, outputs=None, full=True):
    n = len(tokens)
    mask = np.zeros(n, dtype=bool)
    mask[[-1] if outputs is None else outputs] = True
    return context.decode(
        np.array(tokens, dtype=np.int32),
        np.arange(start, start + n, dtype=np.int32),
        np.full(n, sequence, dtype=np.int32),
        mask,
        full=full,
    )


def all_logits(logits, n=1):
    return np.array([logits[i, slice(None)] for i in range(n)])


def test_logits_come_after_the_outputs_in_their_order(model, context):
    logits = all_logits(decode(context, TEXT, outputs=[2, 5, 9]), 3)
    assert logits.shape == (3, model.n_vocab)
    for row, end in zip(logits, (3, 6, 10), strict=True):
        context.drop(0)
        alone = all_logits(decode(context, TEXT[:end]))[0]
        assert np.allclose(row, alone, atol=1e-4)


def test_the_logits_of_allowed_tokens_are_those_of_all_tokens(context):
    tokens = np.array([3, 77, 200, 301])
    whole = all_logits(decode(context, TEXT, outputs=[3, 9]), 2)
    context.drop(0)
    allowed = decode(context, TEXT, outputs=[3, 9], full=False)
    assert not isinstance(allowed, np.ndarray)
    for i in range(2):
        assert np.allclose(allowed[i, tokens], whole[i, tokens], atol=1e-4)


@pytest.mark.parametrize("full", [True, False])
def test_input_that_is_longer_than_a_batch_is_split_and_gives_the_same(model, context, full):
    options = ContextOptions(model.n_vocab, 1, 4, model.output_layer.value)
    tokens = np.array([3, 77, 200, 301])
    whole = decode(context, TEXT, outputs=[0, 1, 7, 9], full=full)
    expected = [whole[i, tokens].copy() for i in range(4)]
    with closing(LlamaContext(model._model, options, n_tokens=256, n_sequences=4)) as split:
        logits = decode(split, TEXT, outputs=[0, 1, 7, 9], full=full)
        for i in range(4):
            assert np.allclose(logits[i, tokens], expected[i], atol=1e-4)


def test_a_shared_sequence_goes_on_as_if_it_had_been_written(context):
    expected = all_logits(decode(context, TEXT))
    context.drop(0)
    decode(context, TEXT[:6])
    context.branch(0, 1)
    context.rewind(1, 4)
    context.branch(0, 2)
    assert np.allclose(
        all_logits(decode(context, TEXT[4:], sequence=1, start=4)), expected, atol=1e-3
    )
    assert np.allclose(
        all_logits(decode(context, TEXT[6:], sequence=2, start=6)), expected, atol=1e-3
    )


def test_what_is_forgotten_is_not_seen(context):
    expected = all_logits(decode(context, [*TEXT[:4], 99]))
    context.drop(0)
    decode(context, TEXT)
    context.rewind(0, 4)
    assert np.allclose(all_logits(decode(context, [99], start=4)), expected, atol=1e-3)


def test_sequences_do_not_see_each_other(context):
    expected = all_logits(decode(context, TEXT))
    decode(context, TEXT[::-1], sequence=1)
    logits = decode(context, TEXT, sequence=2)
    assert np.allclose(all_logits(logits), expected, atol=1e-3)


def test_more_outputs_than_sequences_are_a_bug_that_is_reported(context):
    with pytest.raises(DecodeError, match="5 outputs were asked for, 4 are planned"):
        decode(context, TEXT, outputs=[0, 1, 2, 3, 4])


def test_a_full_context_says_what_to_do(context):
    decode(context, TEXT * 25)
    with pytest.raises(DecodeError, match="the context is full") as caught:
        decode(context, TEXT, start=250)
    assert "fewer rows" in caught.value.next_step


def test_a_decode_without_outputs_has_no_logits(model, context):
    logits = context.decode(
        np.array([5], dtype=np.int32), *np.zeros((2, 1), dtype=np.int32), np.zeros(1, dtype=bool)
    )
    assert logits.shape == (0, model.n_vocab)


def test_closing_twice_does_no_harm(model):
    context = model.context(256, 1)
    context.close()
    context.close()
