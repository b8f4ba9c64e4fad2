"""The output layer, for allowed tokens only.

A grammar allows a few tokens out of a vocabulary of up to 262,144; the logits of all of them are
half the work of a small model. So llama.cpp is stopped where the last hidden states are ready (its
evaluation callback: "if the user returns false, the scheduler will cancel the graph compute"), and
their products with the rows of the allowed tokens are taken here, and what the architecture does
after the product: a scale (Granite, Command-R), a bias (Phi), a soft cap (Gemma). All of it is read
from the model file. `OutputLayer.agrees` checks the result against llama.cpp's own before it is
used.
"""

import ctypes
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp as llama
import numpy as np
from llama_cpp._ggml import libggml

from t2local.llm.model import LogitArray, TokenArray

#: llama.cpp's name for the last hidden states after their norm, in every architecture that can be
#: used here.
_HIDDEN = b"result_norm"
#: The tensors that can be the output matrix; models with tied embeddings have only the second.
_OUTPUT_TENSORS = (b"output.weight", b"token_embd.weight")
#: Architectures whose key ``logit_scale`` divides; it multiplies in all others (llama.cpp,
#: src/models).
_DIVIDED = ("granite", "minicpm")
#: Caps of architectures where the file has no key (same source).
_CAPS = {"gemma2": 30.0, "gemma3n": 30.0, "gemma4": 30.0}
#: llama.cpp rounds hidden states to 8 bits before the product, and this layer does not: logits may
#: differ by this share of their range, if at random: all of them together by this share of a scale.
_TOLERANCE, _SCALE_TOLERANCE = 0.05, 0.02
#: Tokens that are compared: all over the vocabulary, and the likeliest ones.
_N_SPREAD, _N_LIKELIEST = 256, 16
#: ggml's type of a float of 32 bits, and GGUF's of such a number in the metadata.
_FLOAT32, _FLOAT32_KEY = 0, 6


class HiddenStates:
    """Stops llama.cpp at the last hidden states, and keeps them.

    ``states``: those of the last decode, shape (n_outputs, width); none when it was not stopped.
    ``stop``: whether the rest of the model, its output layer, is left out.
    """

    def __init__(self, width: int) -> None:
        self.stop = True
        self.states: LogitArray | None = None
        self.callback = llama.ggml_backend_sched_eval_callback(self._visit)
        self._capture = True
        self._width = width
        # The node of the hidden states is the same in each decode of one shape: names are compared
        # from where it was seen last.
        self._node = 0
        self._seen_at = 0
        # Tensors as addresses: the wrappers' checks would cost a tenth of a decode, at 700 nodes.
        self._name = libggml.ggml_get_name
        self._name.argtypes = [ctypes.c_void_p]
        self._name.restype = ctypes.c_char_p
        self._size = libggml.ggml_nbytes
        self._size.argtypes = [ctypes.c_void_p]
        self._size.restype = ctypes.c_size_t
        self._copy = libggml.ggml_backend_tensor_get
        self._copy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]

    def expect(self, *, capture: bool) -> None:
        """Before a decode: whether it gives hidden states instead of all logits."""
        if self.states is None:
            self._seen_at = 0  # the node was not where it used to be: look at all names again
        self._capture = capture
        self._node = 0
        self.states = None

    def _visit(self, tensor: int, ask: bool, _: Any) -> bool:
        """Called for every node before it is computed, and again after one that it said yes to."""
        if not ask:
            n_outputs = self._size(tensor) // 4 // self._width
            states = np.empty((n_outputs, self._width), dtype=np.float32)
            self._copy(tensor, states.ctypes.data, 0, states.nbytes)
            self.states = states
            return not self.stop
        self._node += 1
        if not self._capture or self._node < self._seen_at or self._name(tensor) != _HIDDEN:
            return False
        self._seen_at = self._node
        return True


class OutputLayer:
    """The rows of a model's output matrix, read from its file and made floats once each.

    **Parameters:**

    * **path**: a GGUF that llama.cpp has loaded.
    * **n_vocab**, **width**: the shape of the matrix.

    **Raises** `LookupError` when the matrix is not in the file in that shape.
    """

    def __init__(self, path: Path, n_vocab: int, width: int) -> None:
        with _open_header(path) as header:
            offset, kind = header.tensor(*_OUTPUT_TENSORS)
            traits = _traits(kind)
            self._width = width
            self._to_float = traits.to_float
            row_bytes = width // traits.block_size * traits.type_size
            # float32 is the one type that has no conversion.
            convertible = bool(traits.to_float) or traits.type_size == 4
            n_bytes = n_vocab * row_bytes
            if len(header.data) < offset + n_bytes or not convertible:
                raise LookupError(path.name)
            self._rest = _rest(header, n_vocab)
            packed = np.frombuffer(header.data, dtype=np.uint8, count=n_bytes, offset=offset)
            self._packed = packed.reshape(n_vocab, row_bytes)
        #: For each token the row of ``_rows`` that is its own; -1: not read yet.
        self._place = np.full(n_vocab, -1, dtype=np.int32)
        self._rows: LogitArray = np.empty((0, width), dtype=np.float32)
        self._n_read = 0

    def logits(self, hidden: LogitArray, tokens: TokenArray) -> LogitArray:
        """The logits of some tokens after one hidden state of shape (width,)."""
        places = self._place[tokens]
        if (places < 0).any():
            self._read(tokens[places < 0])
            places = self._place[tokens]
        return self._rest.apply(self._rows[places] @ hidden, tokens)

    def _read(self, tokens: TokenArray) -> None:
        """Read the rows of tokens that were not needed before.

        All at once: ggml's conversion knows blocks of numbers and no rows.
        """
        start, end = self._n_read, self._n_read + len(tokens)
        if end > len(self._rows):
            # Room for twice as many: to copy them for every few that follow took longer than to
            # read them, and memory that nobody touches is not taken.
            rows = np.empty((min(2 * end, len(self._place)), self._width), dtype=np.float32)
            rows[:start] = self._rows[:start]
            self._rows = rows
        packed, fresh = self._packed[tokens], self._rows[start:end]
        if self._to_float:
            self._to_float(packed.ctypes.data, fresh.ctypes.data, fresh.size)
        else:
            fresh[:] = packed.view(np.float32)
        self._place[tokens] = np.arange(start, end)
        self._n_read = end

    def agrees(self, hidden: LogitArray, logits: LogitArray) -> bool:
        """Whether it gives what llama.cpp gives, up to the rounding of its quantised arithmetic.

        Compared are tokens all over the vocabulary and the likeliest ones, where a cap would show.
        The rounding is random: a scale that is wrong by a few hundredths shows in all of them
        together, and in no single one.
        """
        spread = np.linspace(0, len(logits) - 1, _N_SPREAD).astype(int)
        tokens = np.unique(np.concatenate([spread, np.argsort(logits)[-_N_LIKELIEST:]]))
        own, expected = self.logits(hidden, tokens), logits[tokens]
        if np.abs(own - expected).max() >= _TOLERANCE * np.ptp(expected):
            return False
        centred = own - own.mean()
        slope = centred @ (expected - expected.mean()) / (centred @ centred)
        return bool(abs(slope - 1) < _SCALE_TOLERANCE)


class AllowedLogits:
    """The logits of one decode, computed where they are read: ``logits[output, tokens]``."""

    def __init__(self, layer: OutputLayer, states: LogitArray) -> None:
        self._layer = layer
        self._states = states

    def __getitem__(self, key: tuple[int, TokenArray]) -> LogitArray:
        output, tokens = key
        return self._layer.logits(self._states[output], tokens)


class _Traits(ctypes.Structure):
    """``ggml_type_traits`` of ggml.h: how numbers of one type are stored."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("block_size", ctypes.c_int64),
        ("interleave", ctypes.c_int64),
        ("type_size", ctypes.c_size_t),
        ("quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
        ("from_float", ctypes.c_void_p),
    )


def _traits(kind: int) -> _Traits:
    function = libggml.ggml_get_type_traits
    function.argtypes = [ctypes.c_int]
    function.restype = ctypes.POINTER(_Traits)
    traits: _Traits = function(kind).contents
    return traits


@dataclass(frozen=True)
class _Rest:
    """What an architecture does after the product: a scale, a bias of each token, a soft cap."""

    scale: float
    bias: LogitArray | None
    cap: float

    def apply(self, products: LogitArray, tokens: TokenArray) -> LogitArray:
        """The logits of some tokens, from their products."""
        logits = products
        if self.scale != 1:
            logits = logits * np.float32(self.scale)
        if self.bias is not None:
            logits = logits + self.bias[tokens]
        if self.cap:
            cap = np.float32(self.cap)
            logits = np.tanh(logits / cap) * cap
        return logits


def _rest(header: "_Header", n_vocab: int) -> _Rest:
    architecture = header.architecture
    scale = header.number(f"{architecture}.logit_scale") or 1.0
    if architecture.startswith(_DIVIDED):
        scale = 1 / scale
    tensor_scale = header.floats(b"output.scale", 1)
    if tensor_scale is not None:
        scale *= float(tensor_scale[0])
    cap = header.number(f"{architecture}.final_logit_softcapping")
    return _Rest(scale, header.floats(b"output.bias", n_vocab), cap or _CAPS.get(architecture, 0))


class _Header:
    """What llama.cpp's own reader finds in a GGUF: numbers, and places of tensors."""

    def __init__(self, pointer: int, data: mmap.mmap) -> None:
        self._pointer = pointer
        self.data = data
        key = self._find_key("general.architecture")
        if key < 0:
            raise LookupError
        self.architecture: str = libggml.gguf_get_val_str(pointer, key).decode()

    def number(self, name: str) -> float:
        """A float of the metadata; 0 where there is none."""
        key = self._find_key(name)
        if key < 0 or libggml.gguf_get_kv_type(self._pointer, key) != _FLOAT32_KEY:
            return 0.0
        return float(libggml.gguf_get_val_f32(self._pointer, key))

    def tensor(self, *names: bytes) -> tuple[int, int]:
        """Offset in the file and type of the first of these tensors that it has.

        **Raises** `LookupError` when it has none.
        """
        numbers = (libggml.gguf_find_tensor(self._pointer, name) for name in names)
        number = next((number for number in numbers if number >= 0), None)
        if number is None:
            raise LookupError(names)
        start = libggml.gguf_get_data_offset(self._pointer)
        offset = start + libggml.gguf_get_tensor_offset(self._pointer, number)
        return offset, libggml.gguf_get_tensor_type(self._pointer, number)

    def floats(self, name: bytes, count: int) -> LogitArray | None:
        """The numbers of a tensor; none where the file has no such tensor of so many floats."""
        try:
            offset, kind = self.tensor(name)
        except LookupError:
            return None
        if kind != _FLOAT32 or len(self.data) < offset + 4 * count:
            return None
        return np.frombuffer(self.data, dtype="<f4", count=count, offset=offset)

    def _find_key(self, name: str) -> int:
        return int(libggml.gguf_find_key(self._pointer, name.encode()))


class _GgufParameters(ctypes.Structure):
    """``gguf_init_params`` of gguf.h."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("context", ctypes.c_void_p))


@contextmanager
def _open_header(path: Path) -> Iterator[_Header]:
    """**Raises** `LookupError` for a file that is no GGUF."""
    _declare_gguf_functions()
    pointer = libggml.gguf_init_from_file(os.fsencode(path), _GgufParameters(True, None))
    if not pointer:
        raise LookupError(path.name)
    try:
        with path.open("rb") as file:
            yield _Header(pointer, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    finally:
        libggml.gguf_free(pointer)


def _declare_gguf_functions() -> None:
    """Types of the functions of gguf.h, for which llama-cpp-python has no wrappers."""
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    for name, result, arguments in (
        ("gguf_init_from_file", pointer, [ctypes.c_char_p, _GgufParameters]),
        ("gguf_find_key", number, [pointer, ctypes.c_char_p]),
        ("gguf_get_kv_type", ctypes.c_int, [pointer, number]),
        ("gguf_get_val_str", ctypes.c_char_p, [pointer, number]),
        ("gguf_get_val_f32", ctypes.c_float, [pointer, number]),
        ("gguf_find_tensor", number, [pointer, ctypes.c_char_p]),
        ("gguf_get_data_offset", ctypes.c_size_t, [pointer]),
        ("gguf_get_tensor_offset", ctypes.c_size_t, [pointer, number]),
        ("gguf_get_tensor_type", ctypes.c_int, [pointer, number]),
        ("gguf_free", None, [pointer]),
    ):
        function = getattr(libggml, name)
        function.restype = result
        function.argtypes = arguments
