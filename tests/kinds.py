"""Tiny models of each kind of memory, with random weights: what llama.cpp does with them is real.

Names of tensors and keys: llama.cpp, ``src/models/`` and ``src/llama-arch.cpp``.
"""

from pathlib import Path

import numpy as np

from tests.tiny import CONTEXT, INNER, TOKENS, WIDTH, metadata, write

HEADS, HEAD = 2, 16
EXPERTS = 4
#: Tokens of a window, and of the kernel of a convolution.
WINDOW, KERNEL = 8, 4
#: Of Mamba: width inside, of the state, heads (Mamba 2), rank of the time step (Mamba 1).
SSM_WIDTH, SSM_STATE, SSM_HEADS, SSM_RANK = 2 * WIDTH, 16, 4, 4
SSM_BOTH = SSM_WIDTH + 2 * SSM_STATE
#: Of MLA: ranks, and the parts of a head with and without positions.
Q_RANK, KV_RANK, ROPE, NOPE = 16, 32, 8, 8

Shapes = dict[str, tuple[int, ...]]
SSM_KEYS = {
    "ssm.conv_kernel": KERNEL,
    "ssm.inner_size": SSM_WIDTH,
    "ssm.state_size": SSM_STATE,
    "ssm.time_step_rank": SSM_HEADS,
    "ssm.group_count": 1,
}
EXPERT_KEYS = {"expert_count": EXPERTS, "expert_used_count": 2, "expert_feed_forward_length": INNER}
ATTENTION: Shapes = {
    "attn_norm.weight": (WIDTH,),
    "attn_q.weight": (WIDTH, HEADS * HEAD),
    "attn_k.weight": (WIDTH, HEADS * HEAD),
    "attn_v.weight": (WIDTH, HEADS * HEAD),
    "attn_output.weight": (HEADS * HEAD, WIDTH),
}
HEAD_NORMS: Shapes = {"attn_q_norm.weight": (HEAD,), "attn_k_norm.weight": (HEAD,)}
FEED_FORWARD: Shapes = {
    "ffn_gate.weight": (WIDTH, INNER),
    "ffn_up.weight": (WIDTH, INNER),
    "ffn_down.weight": (INNER, WIDTH),
}
DENSE: Shapes = FEED_FORWARD | {"ffn_norm.weight": (WIDTH,)}
MOE: Shapes = {
    "ffn_gate_inp.weight": (WIDTH, EXPERTS),
    "ffn_gate_exps.weight": (WIDTH, INNER, EXPERTS),
    "ffn_up_exps.weight": (WIDTH, INNER, EXPERTS),
    "ffn_down_exps.weight": (INNER, WIDTH, EXPERTS),
}
SHARED_EXPERT: Shapes = {
    "ffn_gate_inp_shexp.weight": (WIDTH,),
    "ffn_gate_shexp.weight": (WIDTH, INNER),
    "ffn_up_shexp.weight": (WIDTH, INNER),
    "ffn_down_shexp.weight": (INNER, WIDTH),
}
POST_NORM: Shapes = {"post_attention_norm.weight": (WIDTH,)}
SHORT_CONVOLUTION: Shapes = {
    "attn_norm.weight": (WIDTH,),
    "shortconv.conv.weight": (3, WIDTH),
    "shortconv.in_proj.weight": (WIDTH, 3 * WIDTH),
    "shortconv.out_proj.weight": (WIDTH, WIDTH),
}
MAMBA: Shapes = {
    "attn_norm.weight": (WIDTH,),
    "ssm_in.weight": (WIDTH, 2 * SSM_WIDTH),
    "ssm_conv1d.weight": (KERNEL, SSM_WIDTH),
    "ssm_conv1d.bias": (SSM_WIDTH,),
    "ssm_x.weight": (SSM_WIDTH, SSM_RANK + 2 * SSM_STATE),
    "ssm_dt.weight": (SSM_RANK, SSM_WIDTH),
    "ssm_dt.bias": (SSM_WIDTH,),
    "ssm_a": (SSM_STATE, SSM_WIDTH),
    "ssm_d": (SSM_WIDTH,),
    "ssm_out.weight": (SSM_WIDTH, WIDTH),
}
MAMBA_2: Shapes = {
    "attn_norm.weight": (WIDTH,),
    "ssm_in.weight": (WIDTH, SSM_WIDTH + SSM_BOTH + SSM_HEADS),
    "ssm_conv1d.weight": (KERNEL, SSM_BOTH),
    "ssm_conv1d.bias": (SSM_BOTH,),
    "ssm_dt.bias": (SSM_HEADS,),
    "ssm_a": (1, SSM_HEADS),
    "ssm_d": (1, SSM_HEADS),
    "ssm_norm.weight": (SSM_WIDTH, 1),
    "ssm_out.weight": (SSM_WIDTH, WIDTH),
}
#: Two heads, each with a state of HEAD times HEAD numbers.
DELTA_KEYS = {
    **SSM_KEYS,
    "ssm.inner_size": HEADS * HEAD,
    "ssm.state_size": HEAD,
    "ssm.time_step_rank": HEADS,
    "ssm.group_count": HEADS,
    "full_attention_interval": 2,
}
DELTA_NET: Shapes = {
    "attn_norm.weight": (WIDTH,),
    "attn_qkv.weight": (WIDTH, 3 * HEADS * HEAD),
    "attn_gate.weight": (WIDTH, HEADS * HEAD),
    "ssm_conv1d.weight": (KERNEL, 3 * HEADS * HEAD),
    "ssm_dt.bias": (HEADS,),
    "ssm_a": (HEADS,),
    "ssm_norm.weight": (HEAD,),
    "ssm_out.weight": (HEADS * HEAD, WIDTH),
}
RATES: Shapes = {"ssm_beta.weight": (WIDTH, HEADS), "ssm_alpha.weight": (WIDTH, HEADS)}
#: The attention beside it has a gate for each query.
GATED: Shapes = ATTENTION | HEAD_NORMS | {"attn_q.weight": (WIDTH, 2 * HEADS * HEAD)}
LATENT: Shapes = {
    "attn_norm.weight": (WIDTH,),
    "attn_q_a.weight": (WIDTH, Q_RANK),
    "attn_q_a_norm.weight": (Q_RANK,),
    "attn_q_b.weight": (Q_RANK, HEADS * (NOPE + ROPE)),
    "attn_kv_a_mqa.weight": (WIDTH, KV_RANK + ROPE),
    "attn_kv_a_norm.weight": (KV_RANK,),
    "attn_k_b.weight": (NOPE, KV_RANK, HEADS),
    "attn_v_b.weight": (KV_RANK, HEAD, HEADS),
    "attn_output.weight": (HEADS * HEAD, WIDTH),
}
#: Architecture to its own keys and to the tensors of each layer.
KINDS: dict[str, tuple[dict[str, object], list[Shapes]]] = {
    "llama": ({}, [ATTENTION | DENSE] * 2),
    "gemma3": (
        {"attention.sliding_window": WINDOW, "attention.sliding_window_pattern": 2},
        [ATTENTION | HEAD_NORMS | POST_NORM | DENSE | {"post_ffw_norm.weight": (WIDTH,)}] * 2,
    ),
    "qwen3moe": (
        EXPERT_KEYS,
        [ATTENTION | HEAD_NORMS | MOE | {"ffn_norm.weight": (WIDTH,)}] * 2,
    ),
    "deepseek2": (
        {
            "attention.head_count_kv": 1,
            "attention.q_lora_rank": Q_RANK,
            "attention.kv_lora_rank": KV_RANK,
            "attention.key_length": KV_RANK + ROPE,
            "attention.value_length": KV_RANK,
            "attention.key_length_mla": NOPE + ROPE,
            "attention.value_length_mla": HEAD,
            "rope.dimension_count": ROPE,
            "leading_dense_block_count": 2,
            "expert_feed_forward_length": INNER,
            "expert_shared_count": 1,
            "expert_weights_scale": 1.0,
            "expert_weights_norm": True,
        },
        [LATENT | DENSE] * 2,
    ),
    "lfm2": (
        {"attention.head_count_kv": [0, HEADS], "shortconv.l_cache": 3},
        [SHORT_CONVOLUTION | DENSE, ATTENTION | HEAD_NORMS | DENSE],
    ),
    "granitehybrid": (
        {"attention.head_count_kv": [0, HEADS], **SSM_KEYS},
        [MAMBA_2 | DENSE, ATTENTION | DENSE],
    ),
    "qwen3next": (
        {**DELTA_KEYS, **EXPERT_KEYS, "expert_shared_feed_forward_length": INNER},
        [
            layer | POST_NORM | MOE | SHARED_EXPERT
            for layer in (DELTA_NET | {"ssm_ba.weight": (WIDTH, 2 * HEADS)}, GATED)
        ],
    ),
    "qwen35": (
        {**DELTA_KEYS, "rope.dimension_sections": [4, 2, 2, 0]},
        [layer | POST_NORM | FEED_FORWARD for layer in (DELTA_NET | RATES, GATED)],
    ),
    "mamba": ({**SSM_KEYS, "ssm.time_step_rank": SSM_RANK}, [MAMBA] * 2),
}
RECURRENT = ("lfm2", "granitehybrid", "qwen3next", "qwen35", "mamba")


def tiny_of(path: Path, kind: str, seed: int = 1) -> Path:
    """Write a model of one of `KINDS`."""
    rng = np.random.default_rng(seed)
    own, layers = KINDS[kind]
    keys = {name: value for name, value in metadata().items() if not name.startswith("llama.")}
    common = {
        "context_length": CONTEXT,
        "embedding_length": WIDTH,
        "block_count": len(layers),
        "feed_forward_length": INNER,
        "attention.head_count": HEADS,
        "attention.head_count_kv": HEADS,
        "attention.layer_norm_rms_epsilon": 1e-5,
    }
    keys["general.architecture"] = (8, kind)
    keys |= {f"{kind}.{name}": _typed(value) for name, value in (common | own).items()}
    shapes = {
        f"blk.{i}.{name}": shape for i, layer in enumerate(layers) for name, shape in layer.items()
    }
    shapes["token_embd.weight"] = (WIDTH, len(TOKENS))
    # The name that LFM2's files have for it.
    last_norm = "token_embd_norm.weight" if kind == "lfm2" else "output_norm.weight"
    shapes[last_norm] = (WIDTH,)
    return write(path, keys, {name: _weights(name, shape, rng) for name, shape in shapes.items()})


def _typed(value: object) -> tuple[int, object]:
    if isinstance(value, list):
        return 9, (5, value)
    return {bool: 7, int: 4, float: 6}[type(value)], value


def _weights(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, 1, shape[::-1])
    if "norm" in name:
        return 1 + 0.1 * noise
    if name.endswith("ssm_a"):
        return -np.abs(noise) - 0.1  # a state that fades
    return noise * 2 / np.sqrt(shape[0])
