"""Tiny models of any architecture that llama.cpp has, with random weights.

llama.cpp itself says which tensors an architecture has, and of which shapes: it makes a model of
metadata alone (`llama_model_init_from_user`), and asks for the numbers of each tensor.
"""

import ctypes
import os
from pathlib import Path

import llama_cpp as llama
from llama_cpp._ggml import libggml

from t2local.llm.outputs import _declare_gguf_functions, _GgufParameters
from tests.tiny import metadata, write_random

WIDTH, HEADS = 64, 2
_library = llama.llama_cpp._lib


class _Tensor(ctypes.Structure):
    """The beginning of ``ggml_tensor``."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("shape", ctypes.c_int64 * 4),
    )


_Visit = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Tensor), ctypes.c_void_p)


def keys(architecture: str, **changes) -> dict[str, tuple[int, object]]:
    """Metadata of an architecture; ``changes`` are its own keys, without its name before them."""
    own = {
        "context_length": (4, 4096),
        "embedding_length": (4, WIDTH),
        "block_count": (4, 2),
        "feed_forward_length": (4, 96),
        "attention.head_count": (4, HEADS),
        "attention.head_count_kv": (4, HEADS),
        "attention.layer_norm_rms_epsilon": (6, 1e-5),
        "attention.layer_norm_epsilon": (6, 1e-5),
        **changes,
    }
    general = {key: value for key, value in metadata().items() if not key.startswith("llama.")}
    own = {f"{architecture}.{key}": value for key, value in own.items() if value is not None}
    return {**general, "general.architecture": (8, architecture), **own}


def family(path: Path, architecture: str, *, seed: int = 1, scale: float = 0.1, **changes) -> Path:
    """Write a model of an architecture; ``scale``: standard deviation of its numbers."""
    content = keys(architecture, **changes)
    shapes = _shapes(path, content)
    return write_random(path, content, shapes, seed=seed, scale=scale)


def _shapes(path: Path, content: dict[str, tuple[int, object]]) -> dict[str, tuple[int, ...]]:
    """The tensors that llama.cpp wants for some metadata."""
    write_random(path, content, {})
    _declare_gguf_functions()
    header = libggml.gguf_init_from_file(os.fsencode(path), _GgufParameters(True, None))
    shapes: dict[str, tuple[int, ...]] = {}

    @_Visit
    def visit(tensor, _):
        name = libggml.ggml_get_name(ctypes.cast(tensor, ctypes.c_void_p)).decode()
        shapes[name] = tuple(n for i, n in enumerate(tensor.contents.shape) if i == 0 or n > 1)

    libggml.ggml_get_name.restype = ctypes.c_char_p
    libggml.ggml_get_name.argtypes = [ctypes.c_void_p]
    make = _library.llama_model_init_from_user
    make.restype = ctypes.c_void_p
    make.argtypes = [ctypes.c_void_p, _Visit, ctypes.c_void_p, llama.llama_model_params]
    parameters = llama.llama_model_default_params()
    parameters.use_extra_bufts = False
    model = make(header, visit, None, parameters)
    if not model:
        raise ValueError(f"llama.cpp makes no model of {content['general.architecture'][1]}")
    llama.llama_model_free(model)
    return shapes
