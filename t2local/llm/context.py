"""A context of llama.cpp: the memory of many sequences, decoded batch by batch."""

import ctypes
from dataclasses import dataclass
from typing import Any

import llama_cpp as llama
import numpy as np

from t2local.errors import DecodeError, ResourceError
from t2local.llm.model import Int32Array, LogitArray, Logits, lasting
from t2local.llm.outputs import AllowedLogits, HiddenStates, OutputLayer
from t2local.stats.arrays import Mask
from t2local.system.interrupts import held_back

#: llama.cpp pads its key-value cache to multiples of this.
_CONTEXT_STEP = 256
_FEWER_ROWS = "write fewer rows side by side: --set decoder.slots=4"
_FLASH_ATTENTION = {
    "auto": llama.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": llama.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": llama.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
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
    * **flash_attention**: "on", "off", or "auto" for llama.cpp's own choice.
    * **equal_lengths**: sequences go through one model call only if they get equally many tokens.
      llama.cpp splits others itself where layers have a recurrent state, and then nobody can say
      which hidden states belong to which output.
    * **unified**: one pool of cells for all sequences; else each has its own, of the full size.
    """

    n_vocab: int
    threads: int
    batch_tokens: int
    output_layer: OutputLayer | None
    flash_attention: str = "auto"
    equal_lengths: bool = False
    unified: bool = True


class LlamaContext:
    """The memory of many sequences, which share what they have in common.

    A key-value cache is one pool of cells; a recurrent model has one state for each sequence.

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
        self._equal_lengths = options.equal_lengths
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
        parts = self._parts(sequences)
        if len(parts) == 1:
            return self._decode_batch(tokens, positions, sequences, outputs, full=full)
        joined = _JoinedLogits()
        numbers = outputs.cumsum() - 1
        for part in parts:
            logits = self._decode_batch(
                tokens[part], positions[part], sequences[part], outputs[part], full=full
            )
            joined.add(logits, numbers[part][outputs[part]])
        return joined

    def _parts(self, sequences: Int32Array) -> list[Any]:
        """The places of the tokens of each call of the model."""
        size = self._batch.size
        n_tokens = max(1, len(sequences))
        batches = [slice(start, start + size) for start in range(0, n_tokens, size)]
        if not self._equal_lengths:
            return batches
        parts = []
        for batch in batches:
            starts = np.flatnonzero(np.diff(sequences[batch], prepend=-1))
            lengths = np.diff(starts, append=len(sequences[batch]))
            of_token = np.repeat(lengths, lengths)
            parts += [
                batch.start + np.flatnonzero(of_token == length) for length in np.unique(lengths)
            ]
        return parts

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
        with held_back():
            status = llama.llama_decode(self._context, self._batch.pointers)
        if status:
            reason = _DECODE_FAILURES.get(status, f"error {status}")
            raise DecodeError(f"llama.cpp could not go on: {reason}.", next_step=_FEWER_ROWS)
        if self._layer and self.hidden.states is not None:
            if len(self.hidden.states) != n_outputs:
                raise DecodeError(
                    f"llama.cpp gave {len(self.hidden.states)} outputs of {n_outputs}.",
                    next_step="report this with the name of the model: python -m t2local doctor",
                )
            return AllowedLogits(self._layer, self.hidden.states)
        return self.logits(n_outputs)

    def logits(self, n_outputs: int) -> LogitArray:
        """All logits of the last decode, shape (n_outputs, n_vocab), in llama.cpp's own memory."""
        if not n_outputs:
            return np.empty((0, self._n_vocab), dtype=np.float32)
        pointer = llama.llama_get_logits(self._context)
        return np.ctypeslib.as_array(pointer, (n_outputs, self._n_vocab))

    def branch(self, source: int, target: int) -> None:
        """Let ``target``, which is empty, begin with all that ``source`` holds.

        Cells are tagged, and a state is copied when the next token of either changes it.
        """
        llama.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def drop(self, sequence: int) -> None:
        """Forget one sequence; those that began with it keep what they have."""
        self.rewind(sequence, 0)

    def rewind(self, sequence: int, end: int) -> None:
        """Forget what one sequence holds from a position on.

        **Raises** `DecodeError` where llama.cpp cannot: a recurrent state has no positions.
        """
        if not llama.llama_memory_seq_rm(self._memory, sequence, end, -1):
            raise DecodeError(
                f"llama.cpp could not take sequence {sequence} back to its token {end}.",
                next_step="let rows go forward only: --set team.conditioning=row",
            )

    def state_bytes(self, sequence: int) -> int:
        """Bytes of the recurrent state of one sequence; its key-value cache is not counted."""
        flag = llama.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        return int(llama.llama_state_seq_get_size_ext(self._context, sequence, flag))

    def close(self) -> None:
        """Free the memory; a second call does nothing."""
        if self._context:
            llama.llama_free(self._context)
            self._context = None


def _parameters(options: ContextOptions, n_tokens: int, n_sequences: int) -> Any:
    """llama.cpp's parameters of a context."""
    parameters = llama.llama_context_default_params()
    parameters.n_ctx = -(-n_tokens // _CONTEXT_STEP) * _CONTEXT_STEP
    if not options.unified:  # llama.cpp divides it among the sequences
        parameters.n_ctx *= n_sequences
    parameters.n_batch = parameters.n_ubatch = options.batch_tokens
    parameters.n_seq_max = n_sequences
    parameters.kv_unified = options.unified
    parameters.flash_attn_type = _FLASH_ATTENTION[options.flash_attention]
    # Rows go back behind the window of a layer: cells that left it must still be there.
    parameters.swa_full = True
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
        self._outputs: dict[int, tuple[Logits, int]] = {}

    def add(self, logits: Logits, numbers: Int32Array) -> None:
        """The outputs of one more batch, by their numbers among all."""
        logits = lasting(logits)
        self._outputs |= {number: (logits, i) for i, number in enumerate(numbers.tolist())}

    def __getitem__(self, key: tuple[int, Any]) -> LogitArray:
        logits, output = self._outputs[key[0]]
        return logits[output, key[1]]
