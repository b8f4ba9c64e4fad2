"""How much memory the key-value cache takes for one token, from the metadata of a GGUF.

Layers differ: in the number of their heads, in the width of these, and in whether they have a cache
of their own at all. The rules are those of llama.cpp (src/llama-model.cpp, src/llama-hparams.cpp);
a test compares them with what it allocates for tiny models of each kind. Caches of the indexers of
sparse attention (DeepSeek 3.2 and later) are not counted.
"""

from collections.abc import Mapping
from typing import TypeAlias

#: llama.cpp loads no model with more layers.
_MAX_LAYERS = 512
#: llama.cpp keeps keys and values in 16 bits.
_NUMBER_BYTES = 2
#: Architectures that keep one state instead of a cache.
_RECURRENT = {"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"}
#: Every so many layers, by default, these have attention; the others keep a state.
_INTERVALS = {
    "qwen3next": 4,
    "qwen35": 4,
    "qwen35moe": 4,
    "qwen4exp": 4,
    "minimax-01": 8,
}
#: Layers with a cache of their own, for the one architecture whose files do not say.
_OWN_CACHES = {"gemma3n": 20}

_Metadata: TypeAlias = Mapping[str, object]


def kv_bytes_per_token(metadata: _Metadata) -> int:
    """Bytes of the keys and values of one token in all layers; 0 where the file does not say.

    A recurrent state, which is as large for one token as for a thousand, is not among them.
    """
    architecture = str(metadata.get("general.architecture", ""))
    prefix = architecture + "."
    own = {key.removeprefix(prefix): v for key, v in metadata.items() if key.startswith(prefix)}
    # The layers at the end that guess tokens ahead have no cache here.
    n_layers = _number(own.get("block_count")) - _number(own.get("nextn_predict_layers"))
    if not 0 < n_layers <= _MAX_LAYERS or architecture in _RECURRENT:
        return 0
    n_shared = _number(own.get("attention.shared_kv_layers"))
    n_own_caches = _OWN_CACHES.get(architecture, n_layers - n_shared)
    heads = own.get("attention.head_count_kv", own.get("attention.head_count"))
    width, width_in_window = _widths(own, ""), _widths(own, "_swa")
    total = 0
    for layer in range(min(n_layers, n_own_caches)):
        if not _has_state_alone(architecture, own, layer):
            in_window = _has_window(own.get("attention.sliding_window_pattern"), layer)
            total += _of_layer(heads, layer) * (width_in_window if in_window else width)
    return _NUMBER_BYTES * max(0, total)


def _widths(own: _Metadata, suffix: str) -> int:
    """Numbers that one head keeps of a token; of layers with a sliding window with ``_swa``."""
    n_heads = _of_layer(own.get("attention.head_count"), 0)
    share = _number(own.get("embedding_length")) // n_heads if n_heads > 0 else 0
    keys, values = (
        _number(own.get(f"attention.{kind}_length{suffix}"))
        or _number(own.get(f"attention.{kind}_length"))
        or share
        for kind in ("key", "value")
    )
    if _number(own.get("attention.key_length_mla")):
        return keys  # latent attention: the values are part of what is kept as the key
    return keys + values


def _has_state_alone(architecture: str, own: _Metadata, layer: int) -> bool:
    """Whether a layer of a hybrid model has a recurrent state, where its heads do not say so."""
    interval = _INTERVALS.get(architecture)
    if not interval:
        return False
    layers = own.get("attention.recurrent_layers")
    if isinstance(layers, list):
        return bool(_of_layer(layers, layer))
    interval = _number(own.get("full_attention_interval")) or interval
    return (layer + 1) % interval != 0


def _has_window(pattern: object, layer: int) -> bool:
    """Whether a layer has a sliding window: by a list, or all but each so many-th layer."""
    if isinstance(pattern, list):
        return bool(_of_layer(pattern, layer))
    every = _number(pattern)
    return every > 1 and layer % every < every - 1


def _of_layer(value: object, layer: int) -> int:
    """A number of one layer: from a list of one per layer, or the same for all."""
    if isinstance(value, list):
        return _number(value[layer]) if layer < len(value) else 0
    return _number(value)


def _number(value: object) -> int:
    """A whole number of the metadata; 0 for anything else."""
    return value if isinstance(value, int) else 0
