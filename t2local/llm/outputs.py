"""The output layer, for allowed tokens only.

A grammar allows a few tokens out of a vocabulary of up to 262,144; to score all of them is half the work of a small model.
So llama.cpp is stopped where the last hidden states are ready (its evaluation callback: "if the user returns false, the
scheduler will cancel the graph compute"), and their products with the rows of the allowed tokens are taken here. The rows
are read from the model file. `OutputLayer.agrees` checks the result against llama.cpp's own before it is used.
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

from t2local.llm.model import Ints, LogitArray

#: llama.cpp's name for the last hidden states after their norm, in every architecture that can be used here.
_HIDDEN = b"result_norm"


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Ctrl-C is heard after the block: within a function that C code calls, Python would drop it."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if heard:
            signal.raise_signal(signal.SIGINT)


class HiddenStates:
    """Stops llama.cpp at the last hidden states, and keeps them.

    ``taken`` (n_outputs, width) is what the last decode gave; none when it was not stopped.
    """

    def __init__(self, width: int) -> None:
        self.stop, self.wanted = True, True
        self.taken: LogitArray | None = None
        self.callback = llama.ggml_backend_sched_eval_callback(self._visit)
        self._width, self._node, self._seen_at = width, 0, 0
        # As addresses: the wrappers' checks would cost a tenth of a decode, at 700 nodes in each.
        self._name = libggml.ggml_get_name
        self._name.argtypes, self._name.restype = [ctypes.c_void_p], ctypes.c_char_p
        self._size = libggml.ggml_nbytes
        self._size.argtypes, self._size.restype = [ctypes.c_void_p], ctypes.c_size_t
        self._copy = libggml.ggml_backend_tensor_get
        self._copy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]

    def expect(self, *, wanted: bool) -> None:
        """Before a decode: whether hidden states are wanted instead of all logits."""
        if self.taken is None:
            self._seen_at = 0  # the node was not where it used to be: look at all names again
        self.wanted, self._node, self.taken = wanted, 0, None

    def _visit(self, tensor: int, ask: bool, _: Any) -> bool:
        """Asked for every node before it is computed; called again for the one that was asked for."""
        if not ask:
            hidden = np.empty(
                (self._size(tensor) // 4 // self._width, self._width), dtype=np.float32
            )
            self._copy(tensor, hidden.ctypes.data, 0, hidden.nbytes)
            self.taken = hidden
            return not self.stop
        self._node += 1
        if not self.wanted or self._node < self._seen_at or self._name(tensor) != _HIDDEN:
            return False
        self._seen_at = self._node
        return True


class OutputLayer:
    """The rows of a model's output matrix, read from its file and made floats once each.

    **Parameters:**

    * **path**: a GGUF that llama.cpp has loaded. **Raises** `LookupError` when the matrix is not in it in that shape.
    """

    def __init__(self, path: Path, tokens: int, width: int) -> None:
        offset, kind = _locate(path, (b"output.weight", b"token_embd.weight"))
        traits = _traits(kind)
        self._tokens, self._width, self._to_float = tokens, width, traits.to_float
        self._row_bytes = width // traits.block_size * traits.type_size
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < offset + tokens * self._row_bytes or (
                not traits.to_float and traits.type_size != 4
            ):
                raise LookupError(path.name)
            self._data = np.frombuffer(
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8
            )[offset:]
        self._place = np.full(tokens, -1, dtype=np.int32)
        self._rows: LogitArray = np.empty((0, width), dtype=np.float32)

    def scores(self, hidden: LogitArray, tokens: Ints) -> LogitArray:
        """The logits of some tokens after one hidden state."""
        places = self._place[tokens]
        if (places < 0).any():
            self._read(tokens[places < 0])
            places = self._place[tokens]
        product: LogitArray = self._rows[places] @ hidden
        return product

    def _read(self, tokens: Ints) -> None:
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

        A model that scales or caps its logits does not agree: its output layer is more than a product.
        """
        tokens = np.unique(
            np.concatenate(
                [np.linspace(0, len(logits) - 1, 64).astype(int), np.argsort(logits)[-16:]]
            )
        )
        return bool(
            np.abs(self.scores(hidden, tokens) - logits[tokens]).max()
            < 0.05 * np.ptp(logits[tokens])
        )


class AllowedScores:
    """The logits of one decode, computed where they are looked at: ``scores[output, tokens]``."""

    def __init__(self, layer: OutputLayer, hidden: LogitArray) -> None:
        self._layer, self._hidden = layer, hidden

    def __getitem__(self, key: tuple[int, Ints]) -> LogitArray:
        output, tokens = key
        return self._layer.scores(self._hidden[output], tokens)


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
    function.argtypes, function.restype = [ctypes.c_int], ctypes.POINTER(_Traits)
    traits: _Traits = function(kind).contents
    return traits


class _GgufParameters(ctypes.Structure):
    _fields_ = (("no_alloc", ctypes.c_bool), ("context", ctypes.c_void_p))


def _locate(path: Path, names: tuple[bytes, ...]) -> tuple[int, int]:
    """Offset in the file and type of the first of these tensors that it has."""
    for name, result, arguments in (
        ("gguf_init_from_file", ctypes.c_void_p, [ctypes.c_char_p, _GgufParameters]),
        ("gguf_find_tensor", ctypes.c_int64, [ctypes.c_void_p, ctypes.c_char_p]),
        ("gguf_get_data_offset", ctypes.c_size_t, [ctypes.c_void_p]),
        ("gguf_get_tensor_offset", ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_int64]),
        ("gguf_get_tensor_type", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
        ("gguf_free", None, [ctypes.c_void_p]),
    ):
        function = getattr(libggml, name)
        function.restype, function.argtypes = result, arguments
    header = libggml.gguf_init_from_file(os.fsencode(path), _GgufParameters(True, None))
    if not header:
        raise LookupError(path.name)
    try:
        for tensor in names:
            if (number := libggml.gguf_find_tensor(header, tensor)) >= 0:
                offset = libggml.gguf_get_data_offset(header) + libggml.gguf_get_tensor_offset(
                    header, number
                )
                return offset, libggml.gguf_get_tensor_type(header, number)
    finally:
        libggml.gguf_free(header)
    raise LookupError(path.name)
