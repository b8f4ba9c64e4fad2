"""A context of llama.cpp: a key-value cache of many sequences, decoded batch by batch."""

import ctypes
from dataclasses import dataclass
from typing import Any

import llama_cpp as llama
import numpy as np

from t2local.errors import DecodeError, ResourceError
from t2local.llm.model import Int32Array, LogitArray, Logits
from t2local.llm.outputs import AllowedLogits, HiddenStates, OutputLayer, ctrl_c_waits
from t2local.stats.arrays import Mask

#: llama.cpp pads its key-value cache to multiples of this.
_CONTEXT_STEP = 256
_FEWER_ROWS = "write fewer rows side by side: --set decoder.slots=4"
#: What ``llama_decode`` returns when it fails (llama.h).
_DECODE_FAILURES = {1: "the context is full", 2: "it was stopped", -2: "there is no memory"}


@dataclass(frozen=True)
class ContextOptions:
    """How contexts of one model are opened.

    **Parameters:**

    * **n_vocab**: tokens of the vocabulary.
    * **threads**: CPU threads.
    * **batch_tokens**: tokens of one ``llama_decode``; longer input is split.
    * **output_layer**: computes the logits of allowed tokens; none: llama.cpp computes all logits.
    """

    n_vocab: int
    threads: int
    batch_tokens: int
    output_layer: OutputLayer | None


class LlamaContext:
    """A unified key-value cache: one pool of cells, where sequences share what they have in common.

    **Parameters:**

    * **model**: a pointer of llama.cpp.
    * **n_tokens**: room for so many tokens.
    * **n_sequences**: sequences side by side, and the most outputs of one decode.

    **Raises** `ResourceError` when there is no memory for it.
    """

    def __init__(
        self, model: Any, options: ContextOptions, *, n_tokens: int, n_sequences: int
    ) -> None:
        self._n_vocab = options.n_vocab
        self._max_outputs = n_sequences
        self._layer = options.output_layer
        self.hidden = HiddenStates(llama.llama_model_n_embd(model))
        parameters = _parameters(options, n_tokens, n_sequences)
        if self._layer:
            parameters.cb_eval = self.hidden.callback
        self._context = llama.llama_init_from_model(model, parameters)
        if not self._context:
            raise ResourceError(
                f"There is no memory for a context of {n_tokens} tokens.", next_step=_FEWER_ROWS
            )
        self._memory = llama.llama_get_memory(self._context)
        self._batch = _Batch(options.batch_tokens)

    def decode(
        self,
        tokens: Int32Array,
        positions: Int32Array,
        sequences: Int32Array,
        outputs: Mask,
        *,
        full: bool = False,
    ) -> Logits:
        """Run tokens through the model; see `t2local.llm.model.Context.decode`."""
        size = self._batch.size
        if len(tokens) <= size:
            return self._decode_batch(tokens, positions, sequences, outputs, full=full)
        joined = _JoinedLogits()
        for start in range(0, len(tokens), size):
            part = slice(start, start + size)
            logits = self._decode_batch(
                tokens[part], positions[part], sequences[part], outputs[part], full=full
            )
            joined.append(logits, int(outputs[part].sum()))
        return joined

    def _decode_batch(
        self,
        tokens: Int32Array,
        positions: Int32Array,
        sequences: Int32Array,
        outputs: Mask,
        *,
        full: bool,
    ) -> Logits:
        n_outputs = int(outputs.sum())
        if n_outputs > self._max_outputs:
            raise DecodeError(
                f"{n_outputs} outputs were asked for, {self._max_outputs} are planned.",
                next_step="report this as a bug",
            )
        self._batch.fill(tokens, positions, sequences, outputs)
        self.hidden.expect(capture=bool(self._layer and n_outputs and not full))
        with ctrl_c_waits():
            status = llama.llama_decode(self._context, self._batch.pointers)
        if status:
            reason = _DECODE_FAILURES.get(status, f"error {status}")
            raise DecodeError(f"llama.cpp could not go on: {reason}.", next_step=_FEWER_ROWS)
        if self._layer and self.hidden.states is not None:
            return AllowedLogits(self._layer, self.hidden.states)
        return self.logits(n_outputs)

    def logits(self, n_outputs: int) -> LogitArray:
        """All logits of the last decode, shape (n_outputs, n_vocab), in llama.cpp's own memory."""
        if not n_outputs:
            return np.empty((0, self._n_vocab), dtype=np.float32)
        pointer = llama.llama_get_logits(self._context)
        return np.ctypeslib.as_array(pointer, (n_outputs, self._n_vocab))

    def share(self, source: int, target: int, end: int = -1) -> None:
        """Let ``target`` begin with what ``source`` holds; cells are tagged, not copied."""
        llama.llama_memory_seq_cp(self._memory, source, target, -1, end)

    def forget(self, sequence: int, start: int = 0) -> None:
        """Free the cells of one sequence from a position on, but for those that others share."""
        llama.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def close(self) -> None:
        """Free the memory; a second call does nothing."""
        if self._context:
            llama.llama_free(self._context)
            self._context = None


def _parameters(options: ContextOptions, n_tokens: int, n_sequences: int) -> Any:
    """llama.cpp's parameters of a context."""
    parameters = llama.llama_context_default_params()
    parameters.n_ctx = -(-n_tokens // _CONTEXT_STEP) * _CONTEXT_STEP
    parameters.n_batch = parameters.n_ubatch = options.batch_tokens
    parameters.n_seq_max = n_sequences
    parameters.kv_unified = True
    # With fewer outputs than sequences llama.cpp aborts the process; with 0 it reserves logits for
    # a whole batch.
    parameters.n_outputs_max = n_sequences
    parameters.n_threads = parameters.n_threads_batch = options.threads
    return parameters


class _Batch:
    """The arrays of a ``llama_batch``: numpy's own, so that a step fills them at one go.

    Token ``i`` belongs to one sequence, which is number ``i`` of one array.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._tokens = np.zeros(size, dtype=np.int32)
        self._positions = np.zeros(size, dtype=np.int32)
        self._sequences = np.zeros(size, dtype=np.int32)
        self._outputs = np.zeros(size, dtype=np.int8)
        self._ones = np.ones(size, dtype=np.int32)
        self._addresses = self._sequences.ctypes.data + 4 * np.arange(size, dtype=np.uintp)
        self.pointers = llama.llama_batch(0)
        types = dict(llama.llama_batch._fields_)
        for name, array in (
            ("token", self._tokens),
            ("pos", self._positions),
            ("n_seq_id", self._ones),
            ("seq_id", self._addresses),
            ("logits", self._outputs),
        ):
            setattr(self.pointers, name, ctypes.cast(array.ctypes.data, types[name]))

    def fill(
        self, tokens: Int32Array, positions: Int32Array, sequences: Int32Array, outputs: Mask
    ) -> None:
        """The tokens of the next decode."""
        count = len(tokens)
        self.pointers.n_tokens = count
        self._tokens[:count] = tokens
        self._positions[:count] = positions
        self._sequences[:count] = sequences
        self._outputs[:count] = outputs


class _JoinedLogits:
    """The logits of a decode that went through in several batches."""

    def __init__(self) -> None:
        self._outputs: list[tuple[Logits, int]] = []

    def append(self, logits: Logits, n_outputs: int) -> None:
        """The outputs of one more batch."""
        if isinstance(logits, np.ndarray):
            logits = logits.copy()  # llama.cpp writes the next batch into the same memory
        self._outputs += [(logits, output) for output in range(n_outputs)]

    def __getitem__(self, key: tuple[int, Any]) -> LogitArray:
        logits, output = self._outputs[key[0]]
        return logits[output, key[1]]
