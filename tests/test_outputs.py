"""The output layer for allowed tokens: a product with the file's own matrix, a scale, a cap."""

from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.llm.outputs import AllowedLogits, OutputLayer
from tests.families import family
from tests.tiny import TOKENS, WIDTH, load, shapes, tiny

N_VOCAB = len(TOKENS)
WINDOW = {"attention.sliding_window": (4, 32)}
GEMMA_4 = {
    **WINDOW,
    "embedding_length_per_layer_input": (4, 16),
    "attention.shared_kv_layers": (4, 0),
    "attention.key_length_swa": (4, 32),
    "attention.value_length_swa": (4, 32),
    "attention.sliding_window_pattern": (9, (7, [True, False])),
    "rope.freq_base_swa": (6, 10000.0),
}
MINICPM_3 = {
    "attention.q_lora_rank": (4, 32),
    "attention.kv_lora_rank": (4, 32),
    "attention.key_length": (4, 32),
    "rope.dimension_count": (4, 16),
}


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
        (lambda logits: logits + 0.01 * np.ptp(logits) * np.cos(np.arange(len(logits))), True),
        (lambda logits: logits * 0.5, False),
        (lambda logits: logits * 1.04, False),
        (lambda logits: logits * 0.96, False),
        (lambda logits: 0.3 * np.tanh(logits / 0.3), False),
        (lambda logits: -logits, False),
    ],
)
def test_it_agrees_with_llama_cpp_up_to_rounding_but_not_to_scales_and_caps(layer, change, agrees):
    hidden = np.random.default_rng(2).normal(size=WIDTH).astype(np.float32)
    logits = matrix("output.weight") @ hidden
    assert layer.agrees(hidden, change(logits)) == agrees


@pytest.mark.parametrize(
    ("architecture", "keys", "method"),
    [
        ("llama", {}, "allowed tokens"),
        ("llama", {"logit_scale": (6, 2.0)}, "all tokens"),  # llama.cpp reads no such key there
        ("llama", {"logit_scale": (6, 1.04)}, "all tokens"),
        ("llama", {"final_logit_softcapping": (6, 3.0)}, "all tokens"),
        ("gemma2", {"final_logit_softcapping": (6, 3.0), **WINDOW}, "allowed tokens"),
        ("gemma2", WINDOW, "allowed tokens"),
        ("gemma4", {"final_logit_softcapping": (6, 3.0), **GEMMA_4}, "allowed tokens"),
        ("granite", {"logit_scale": (6, 4.0)}, "allowed tokens"),
        ("command-r", {"logit_scale": (6, 0.0625)}, "allowed tokens"),
        ("cohere2", {"logit_scale": (6, 0.25), **WINDOW}, "allowed tokens"),
        ("phi2", {}, "allowed tokens"),  # it has a bias of each token
        ("minicpm3", MINICPM_3, "all tokens"),  # it scales by its width, which no key says
    ],
)
def test_what_stands_in_the_file_is_done_after_the_product(tmp_path, architecture, keys, method):
    path = family(tmp_path / "a.gguf", architecture, scale=0.5, **keys)
    with closing(load(path)) as model:
        decisions = {decision.what: decision for decision in model.decisions()}
        assert decisions["output layer"].value == method
        if method == "allowed tokens":
            ours, llama_cpps = logits_after_two_tokens(model)
            assert np.abs(ours - llama_cpps).max() < 0.01 * llama_cpps.std()


def logits_after_two_tokens(model):
    """Of all tokens: by the output layer, and by llama.cpp."""
    both = []
    zeros = np.zeros(2, dtype=np.int32)
    for full in (False, True):
        with closing(model.context(256, 1)) as context:
            tokens, positions = np.array([1, 70], np.int32), np.arange(2, dtype=np.int32)
            logits = context.decode(tokens, positions, zeros, positions == 1, full=full)
            both.append(np.array(logits[0, np.arange(model.n_vocab)]))
    return both


def test_a_matrix_of_another_shape_is_not_used(path, tmp_path):
    with pytest.raises(LookupError):
        OutputLayer(path, 10**6, WIDTH)
    (tmp_path / "no.gguf").write_bytes(b"no model")
    with pytest.raises(LookupError):
        OutputLayer(tmp_path / "no.gguf", N_VOCAB, WIDTH)
