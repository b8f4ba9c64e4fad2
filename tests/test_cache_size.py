"""The size of the cache from a header is what llama.cpp allocates, for models of each kind."""

import re

import llama_cpp as llama
import pytest

from t2local.llm import backbone
from t2local.llm.gguf import read_header
from tests.families import family

N_CELLS = 1 << 15
#: llama.cpp gives sizes in MiB with two digits: half of the last one, for one cell.
ROUNDING = 0.006 * 2**20 / N_CELLS

WINDOW = {"attention.sliding_window": (4, 32)}
STATE = {
    "ssm.conv_kernel": (4, 4),
    "ssm.inner_size": (4, 128),
    "ssm.state_size": (4, 16),
    "ssm.time_step_rank": (4, 4),
    "ssm.group_count": (4, 1),
}
ATTENTION_IN_ONE = {"block_count": (4, 3), "attention.head_count_kv": (9, (5, [0, 2, 0]))}
EXPERTS = {
    "expert_count": (4, 2),
    "expert_used_count": (4, 1),
    "expert_feed_forward_length": (4, 32),
}
LATENT = {
    **EXPERTS,
    "attention.head_count_kv": (4, 1),
    "attention.q_lora_rank": (4, 32),
    "attention.kv_lora_rank": (4, 32),
    "attention.key_length": (4, 48),
    "attention.value_length": (4, 32),
    "attention.key_length_mla": (4, 32),
    "attention.value_length_mla": (4, 24),
    "leading_dense_block_count": (4, 1),
    "rope.dimension_count": (4, 16),
    "expert_shared_count": (4, 1),
    "expert_weights_scale": (6, 1.0),
}
GEMMA_4 = {
    **WINDOW,
    "block_count": (4, 6),
    "embedding_length_per_layer_input": (4, 16),
    "attention.shared_kv_layers": (4, 2),
    "attention.key_length": (4, 48),
    "attention.value_length": (4, 48),
    "attention.key_length_swa": (4, 16),
    "attention.value_length_swa": (4, 16),
    "attention.sliding_window_pattern": (9, (7, [True, False] * 3)),
    "rope.freq_base_swa": (6, 10000.0),
}
KINDS = [
    ("llama", {}),
    ("llama", {"attention.head_count_kv": (4, 1), "block_count": (4, 3)}),
    ("qwen3", {"attention.key_length": (4, 24), "attention.value_length": (4, 24)}),
    (
        "openelm",  # heads of its own in each layer
        {
            "attention.head_count": (9, (5, [2, 4])),
            "attention.head_count_kv": (9, (5, [1, 2])),
            "feed_forward_length": (9, (5, [64, 96])),
            "attention.key_length": (4, 16),
            "attention.value_length": (4, 16),
        },
    ),
    ("gpt-oss", {**EXPERTS, **WINDOW}),
    ("gemma3", WINDOW),
    ("gemma4", GEMMA_4),
    ("gemma4", {**GEMMA_4, "attention.head_count_kv": (9, (5, [2, 1, 2, 1, 2, 1]))}),
    (
        "gemma3n",
        {
            **WINDOW,
            "block_count": (4, 22),
            "embedding_length": (4, 32),
            "embedding_length_per_layer_input": (4, 16),
            "attention.shared_kv_layers": (4, 2),
        },
    ),
    ("deepseek2", LATENT),
    (
        "deepseek2",  # an old file, for which llama.cpp keeps all heads
        {
            **LATENT,
            "attention.head_count_kv": (4, 2),
            "attention.key_length": (4, 32),
            "attention.value_length": (4, 24),
            "attention.key_length_mla": None,
            "attention.value_length_mla": None,
        },
    ),
    ("lfm2", {**ATTENTION_IN_ONE, "shortconv.l_cache": (4, 3)}),
    ("granitehybrid", {**ATTENTION_IN_ONE, **STATE, "rope.dimension_count": (4, 32)}),
    ("jamba", {**ATTENTION_IN_ONE, **STATE}),
    (
        "nemotron_h",
        {**ATTENTION_IN_ONE, **STATE, "feed_forward_length": (9, (5, [0, 0, 96]))},
    ),
    ("falcon-h1", STATE),
    (
        "qwen35",
        {
            **STATE,
            "block_count": (4, 4),
            "attention.key_length": (4, 32),
            "attention.value_length": (4, 32),
            "full_attention_interval": (4, 4),
            "rope.dimension_count": (4, 16),
            "rope.dimension_sections": (9, (5, [4, 4, 4, 4])),
            "ssm.inner_size": (4, 64),
            "ssm.state_size": (4, 32),
            "ssm.time_step_rank": (4, 2),
            "ssm.group_count": (4, 2),
        },
    ),
    (
        "mamba",
        {**STATE, "attention.head_count": (4, 0), "attention.head_count_kv": (4, 0)},
    ),
]


def allocated(path) -> float:
    """Bytes that llama.cpp allocates for one token, from its log."""
    lines = []

    @llama.llama_log_callback
    def keep(level, text, data):
        lines.append(text.decode())

    llama.llama_log_set(keep, None)
    try:
        model = llama.llama_model_load_from_file(bytes(path), llama.llama_model_default_params())
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = N_CELLS
        parameters.kv_unified = True
        parameters.swa_full = True
        context = llama.llama_init_from_model(model, parameters)
        assert context
        llama.llama_free(context)
        llama.llama_model_free(model)
    finally:
        llama.llama_log_set(backbone._quiet, None)
    caches = re.findall(r"llama_kv_cache: size = +([\d.]+) MiB \( *(\d+) cells", "".join(lines))
    assert all(int(n_cells) == N_CELLS for _, n_cells in caches)
    return sum(float(size) for size, _ in caches) * 2**20 / N_CELLS


@pytest.mark.parametrize(("architecture", "keys"), KINDS)
def test_the_header_gives_what_llama_cpp_allocates(tmp_path, architecture, keys):
    path = family(tmp_path / "a.gguf", architecture, **keys)
    expected = allocated(path)
    assert abs(read_header(path).kv_bytes_per_token - expected) <= 2 * ROUNDING
    assert (expected == 0) == (architecture == "mamba")
