"""A GGUF of a few thousand bytes with random weights: a real llama that llama.cpp loads."""

import struct
from pathlib import Path

import numpy as np

from t2local.llm.backbone import Backbone
from t2local.llm.catalog import ChatFormat, chat_formats
from t2local.llm.gguf import read_header
from t2local.llm.store import ModelFile

PLAIN = chat_formats()["plain"]
WIDTH, HEADS, INNER, CONTEXT = 32, 2, 64, 4096
TOKENS = [
    "<unk>",
    "<s>",
    "</s>",
    *(f"<0x{byte:02X}>" for byte in range(256)),
    "▁",
    "<table>",
    *map(chr, range(33, 127)),
    "12",
    "▁1",
]
#: Types of ggml's tokens: unknown, control twice, bytes, then normal ones; "<table>" is
#: user-defined.
KINDS = [2, 3, 3, *[6] * 256, 1, 4, *[1] * (len(TOKENS) - 261)]


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def metadata(**changes) -> dict[str, tuple[int, object]]:
    """Key to type and value, in the numbering of the format."""
    keys = {
        "general.architecture": (8, "llama"),
        "general.name": (8, "tiny"),
        "general.license": (8, "apache-2.0"),
        "llama.context_length": (4, CONTEXT),
        "llama.embedding_length": (4, WIDTH),
        "llama.block_count": (4, 1),
        "llama.feed_forward_length": (4, INNER),
        "llama.attention.head_count": (4, HEADS),
        "llama.attention.head_count_kv": (4, HEADS),
        "llama.attention.layer_norm_rms_epsilon": (6, 1e-5),
        "tokenizer.ggml.model": (8, "llama"),
        "tokenizer.ggml.tokens": (9, (8, TOKENS)),
        "tokenizer.ggml.scores": (9, (6, [-float(i) for i in range(len(TOKENS))])),
        "tokenizer.ggml.token_type": (9, (5, KINDS)),
        "tokenizer.ggml.bos_token_id": (4, 1),
        "tokenizer.ggml.eos_token_id": (4, 2),
    }
    return {**keys, **changes}


def shapes() -> dict[str, tuple[int, ...]]:
    square, up, down = (WIDTH, WIDTH), (WIDTH, INNER), (INNER, WIDTH)
    layer = {
        "attn_q": square,
        "attn_k": square,
        "attn_v": square,
        "attn_output": square,
        "ffn_gate": up,
        "ffn_up": up,
        "ffn_down": down,
    }
    layer |= {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)}
    wide = (WIDTH, len(TOKENS))
    return {
        "token_embd.weight": wide,
        "output.weight": wide,
        "output_norm.weight": (WIDTH,),
        **{f"blk.0.{name}.weight": s for name, s in layer.items()},
    }


def value(kind: int, content) -> bytes:
    if kind == 8:
        return text(content)
    if kind == 9:
        inner, items = content
        return struct.pack("<IQ", inner, len(items)) + b"".join(
            value(inner, item) for item in items
        )
    return struct.pack({4: "<I", 5: "<i", 6: "<f", 7: "<?"}[kind], content)


def tiny(path: Path, seed: int = 1, **changes) -> Path:
    """Write a model; ``changes`` are keys of its metadata."""
    return write_random(path, metadata(**changes), shapes(), seed=seed)


def load(path: Path, chat: ChatFormat = PLAIN, threads: int = 1) -> Backbone:
    """A model as `t2local.llm.store.find` would give it, without the store."""
    kv_bytes = read_header(path).kv_bytes_per_token
    return Backbone(ModelFile("tiny", path, "0" * 64, chat, "", kv_bytes), threads=threads)


def write_random(path: Path, keys, sizes, *, seed: int = 1, scale: float = 0.1) -> Path:
    """Write a GGUF of metadata (`metadata`) and random tensors of some shapes (`shapes`)."""
    rng = np.random.default_rng(seed)
    tensors = {name: rng.normal(0, scale, shape[::-1]) for name, shape in sizes.items()}
    return write(path, keys, tensors)


def write(path: Path, keys: dict[str, tuple[int, object]], tensors: dict[str, np.ndarray]) -> Path:
    """Write a GGUF; tensors in numpy's order, the last dimension is the innermost."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    head += b"".join(
        text(key) + struct.pack("<I", kind) + value(kind, content)
        for key, (kind, content) in keys.items()
    )
    body = b""
    for name, numbers in tensors.items():
        head += (
            text(name)
            + struct.pack("<I", numbers.ndim)
            + struct.pack(f"<{numbers.ndim}Q", *numbers.shape[::-1])
            + struct.pack("<IQ", 0, len(body))
        )
        data = numbers.astype("<f4").tobytes()
        body += data + bytes(-len(data) % 32)
    path.write_bytes(head + bytes(-len(head) % 32) + body)
    return path
