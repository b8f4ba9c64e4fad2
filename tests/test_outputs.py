"""The output layer for allowed tokens is a plain product with the file's own matrix."""

import signal
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.llm.outputs import AllowedLogits, OutputLayer, ctrl_c_waits
from tests.tiny import TOKENS, WIDTH, shapes, tiny

N_VOCAB = len(TOKENS)


def matrix(name: str, seed: int = 1) -> np.ndarray:
    """A tensor of tests/tiny.py, drawn once more; ggml's first dimension is numpy's last."""
    rng = np.random.default_rng(seed)
    for tensor, shape in shapes().items():
        values = rng.normal(0, 0.1, int(np.prod(shape))).astype(np.float32)
        if tensor == name:
            return values.reshape(shape[::-1])
    raise KeyError(name)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("outputs") / "a.gguf")


@pytest.fixture(scope="module")
def layer(path):
    return OutputLayer(path, N_VOCAB, WIDTH)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, N_VOCAB - 1), min_size=1, max_size=20, unique=True),
    st.integers(0, 2**32 - 1),
)
def test_logits_are_the_product_with_the_rows_of_the_tokens(layer, tokens, seed):
    hidden = np.random.default_rng(seed).normal(size=WIDTH).astype(np.float32)
    expected = matrix("output.weight")[tokens] @ hidden
    assert np.allclose(layer.logits(hidden, np.array(tokens)), expected, atol=1e-5)


def test_each_output_has_its_own_hidden_state(layer):
    states = np.random.default_rng(1).normal(size=(3, WIDTH)).astype(np.float32)
    tokens = np.array([4, 9])
    logits = AllowedLogits(layer, states)
    for output in (2, 0, 1):
        expected = layer.logits(states[output], tokens)
        assert (logits[output, tokens] == expected).all()


@pytest.mark.parametrize(
    ("change", "agrees"),
    [
        (lambda logits: logits, True),
        (lambda logits: logits + 0.01 * np.ptp(logits), True),
        (lambda logits: logits * 0.5, False),
        (lambda logits: 0.3 * np.tanh(logits / 0.3), False),
        (lambda logits: -logits, False),
    ],
)
def test_it_agrees_with_llama_cpp_up_to_rounding_but_not_to_scales_and_caps(layer, change, agrees):
    hidden = np.random.default_rng(2).normal(size=WIDTH).astype(np.float32)
    logits = matrix("output.weight") @ hidden
    assert layer.agrees(hidden, change(logits)) == agrees


def test_a_matrix_of_another_shape_is_not_used(path, tmp_path):
    with pytest.raises(LookupError):
        OutputLayer(path, 10**6, WIDTH)
    (tmp_path / "no.gguf").write_bytes(b"no model")
    with pytest.raises(LookupError):
        OutputLayer(tmp_path / "no.gguf", N_VOCAB, WIDTH)


def test_ctrl_c_is_heard_after_the_block():
    finished = []

    def interrupted():
        with ctrl_c_waits():
            signal.raise_signal(signal.SIGINT)
            finished.append(True)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert finished == [True]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_leave_the_handler_alone():
    handlers = []

    def work():
        with ctrl_c_waits():
            handlers.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before]
