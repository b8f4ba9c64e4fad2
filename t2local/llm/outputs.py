"""The output layer, for allowed tokens only.

A grammar allows a few tokens out of a vocabulary of up to 262,144; the logits of all of them are
half the work of a small model. So llama.cpp is stopped where the last hidden states are ready (its
evaluation callback: "if the user returns false, the scheduler will cancel the graph compute"), and
their products with the rows of the allowed tokens are taken here. The rows are read from the model
file. `OutputLayer.agrees` checks the result against llama.cpp's own before it is used.
"""

import ctypes
import mmap
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
#: llama.cpp rounds hidden states to 8 bits before the product, and this layer does not: logits may
#: differ by this share of their range.
_TOLERANCE = 0.05


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Ctrl-C is heard after the block: in a function that C code calls, Python would drop it."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    signals: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: signals.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if signals:
            signal.raise_signal(signal.SIGINT)


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
        offset, kind = _locate(path, _OUTPUT_TENSORS)
        traits = _traits(kind)
        self._width = width
        self._to_float = traits.to_float
        self._row_bytes = width // traits.block_size * traits.type_size
        # float32 is the one type that has no conversion.
        convertible = bool(traits.to_float) or traits.type_size == 4
        with path.open("rb") as file:
            file_bytes = os.fstat(file.fileno()).st_size
            if file_bytes < offset + n_vocab * self._row_bytes or not convertible:
                raise LookupError(path.name)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._data = np.frombuffer(mapped, dtype=np.uint8)[offset:]
        #: For each token the row of ``_rows`` that is its own; -1: not read yet.
        self._place = np.full(n_vocab, -1, dtype=np.int32)
        self._rows: LogitArray = np.empty((0, width), dtype=np.float32)

    def logits(self, hidden: LogitArray, tokens: TokenArray) -> LogitArray:
        """The logits of some tokens after one hidden state of shape (width,)."""
        places = self._place[tokens]
        if (places < 0).any():
            self._read(tokens[places < 0])
            places = self._place[tokens]
        product: LogitArray = self._rows[places] @ hidden
        return product

    def _read(self, tokens: TokenArray) -> None:
        """Read the rows of tokens that were not needed before."""
        fresh = np.empty((len(tokens), self._width), dtype=np.float32)
        for row, token in zip(fresh, tokens.tolist(), strict=True):
            packed = self._data[token * self._row_bytes : (token + 1) * self._row_bytes]
            if self._to_float:
                self._to_float(packed.ctypes.data, row.ctypes.data, self._width)
            else:
                row[:] = packed.view(np.float32)
        self._place[tokens] = np.arange(len(self._rows), len(self._rows) + len(tokens))
        self._rows = np.concatenate([self._rows, fresh])

    def agrees(self, hidden: LogitArray, logits: LogitArray) -> bool:
        """Whether it gives what llama.cpp gives, up to the rounding of its quantised arithmetic.

        A model that scales or caps its logits does not agree: its output layer is more than a
        product. Compared are 64 tokens all over the vocabulary, and the 16 likeliest ones, where a
        cap would show.
        """
        spread = np.linspace(0, len(logits) - 1, 64).astype(int)
        tokens = np.unique(np.concatenate([spread, np.argsort(logits)[-16:]]))
        difference = np.abs(self.logits(hidden, tokens) - logits[tokens]).max()
        return bool(difference < _TOLERANCE * np.ptp(logits[tokens]))


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


class _GgufParameters(ctypes.Structure):
    """``gguf_init_params`` of gguf.h."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("context", ctypes.c_void_p))


def _locate(path: Path, names: tuple[bytes, ...]) -> tuple[int, int]:
    """Offset in the file and type of the first of these tensors that it has."""
    _declare_gguf_functions()
    header = libggml.gguf_init_from_file(os.fsencode(path), _GgufParameters(True, None))
    if not header:
        raise LookupError(path.name)
    try:
        numbers = [libggml.gguf_find_tensor(header, name) for name in names]
        number = next((number for number in numbers if number >= 0), None)
        if number is None:
            raise LookupError(path.name)
        start = libggml.gguf_get_data_offset(header)
        offset = start + libggml.gguf_get_tensor_offset(header, number)
        return offset, libggml.gguf_get_tensor_type(header, number)
    finally:
        libggml.gguf_free(header)


def _declare_gguf_functions() -> None:
    """Types of the functions of gguf.h, for which llama-cpp-python has no wrappers."""
    for name, result, arguments in (
        ("gguf_init_from_file", ctypes.c_void_p, [ctypes.c_char_p, _GgufParameters]),
        ("gguf_find_tensor", ctypes.c_int64, [ctypes.c_void_p, ctypes.c_char_p]),
        ("gguf_get_data_offset", ctypes.c_size_t, [ctypes.c_void_p]),
        ("gguf_get_tensor_offset", ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_int64]),
        ("gguf_get_tensor_type", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
        ("gguf_free", None, [ctypes.c_void_p]),
    ):
        function = getattr(libggml, name)
        function.restype = result
        function.argtypes = arguments
