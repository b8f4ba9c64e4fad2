"""One loaded GGUF: weights, tokenizer, contexts.

The low-level API is used throughout: the high-level ``Llama`` class decodes one sequence, renders the Jinja template
that a file brings along, and tokenises data as if it were control text. GPU offload is written and not tested here.
"""

import ctypes
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import llama_cpp as llama
import numpy as np

from t2local.errors import DecodeError, ModelError, ResourceError
from t2local.events import Decision
from t2local.llm import machine
from t2local.llm.catalog import ChatFormat, chat_formats
from t2local.llm.grammar import Tokenizer
from t2local.llm.model import Flags, Ints, LogitArray, Logits
from t2local.llm.outputs import AllowedScores, HiddenStates, OutputLayer, ctrl_c_waits
from t2local.llm.store import ModelFile
from t2local.llm.vocabulary import Vocabulary


@llama.llama_log_callback  # type: ignore[untyped-decorator]
def _quiet(level: int, text: bytes, data: Any) -> None:
    """llama.cpp's log goes nowhere: it would break the progress lines and may name paths."""


llama.llama_log_set(_quiet, None)
llama.llama_backend_init()


class Backbone:
    """A model in memory.

    **Parameters:**

    * **file**: a file whose hash was checked (`store.find`): llama.cpp's parser is not made for hostile files.
    * **threads**: CPU threads; 0 for one per core.

    **Raises** `ModelError` when llama.cpp cannot load it or it is not a text decoder.
    """

    def __init__(self, file: ModelFile, *, threads: int = 0) -> None:
        self.name, self.sha256 = file.name, file.sha256
        parameters = llama.llama_model_default_params()
        self.threads, self.layers_on_gpu, self.extra_buffers = (
            machine.threads(threads),
            machine.offload(),
            machine.extra_buffers(),
        )
        parameters.n_gpu_layers = self.layers_on_gpu.value
        parameters.use_extra_bufts = self.extra_buffers.value
        self._model = llama.llama_model_load_from_file(os.fsencode(file.path), parameters)
        if not self._model:
            raise ModelError(
                f"llama.cpp cannot load {file.path.name}.", next_step="python -m t2local doctor"
            )
        self._check_kind(file)
        self.longest_sequence = int(llama.llama_model_n_ctx_train(self._model))
        self.weight_bytes, self.cell_bytes = (
            int(llama.llama_model_size(self._model)),
            self._cell_bytes(),
        )
        chat = (
            Decision("chat format", file.chat, "from the catalogue")
            if file.chat
            else self._own_format()
        )
        self._chat: ChatFormat = chat.value
        self.chat_format = Decision("chat format", self._chat.name, chat.reason)
        self._vocabulary = Vocabulary(self._model)
        self.n_vocab = self._vocabulary.size
        self.tokenizer: Tokenizer = self._vocabulary.tokenizer
        self.best_step = machine.best_step()
        self.batch = machine.batch(16 * llama.llama_model_n_embd(self._model) * 4)
        self.output_layer = self._find_output_layer(file.path)

    def decisions(self) -> tuple[Decision, ...]:
        """What was decided for this machine, and why."""
        output = "allowed tokens" if self.output_layer.value else "all tokens"
        return (
            self.threads,
            self.layers_on_gpu,
            self.extra_buffers,
            self.batch,
            replace(self.output_layer, value=output),
            self.chat_format,
        )

    def slots(self, asked: int, cells: int) -> Decision:
        """How many rows of ``cells`` tokens are written side by side, unless a number is asked for."""
        return machine.slots(asked, cells, self.cell_bytes)

    def _find_output_layer(self, path: Path) -> Decision:
        if self.layers_on_gpu.value:
            return Decision("output layer", None, "a GPU computes it")
        try:
            layer = OutputLayer(path, self.n_vocab, llama.llama_model_n_embd(self._model))
        except LookupError:
            return Decision("output layer", None, "the model file does not hold it as one matrix")
        with closing(
            LlamaContext(self._model, self.n_vocab, 256, 1, self.threads.value, 32, layer)
        ) as context:
            context.hidden.stop = False
            one = np.zeros(1, dtype=np.int32)
            context.decode(
                one + max(0, self._vocabulary.begin), one, one, np.ones(1, dtype=np.bool_)
            )
            if context.hidden.taken is None or not layer.agrees(
                context.hidden.taken[0], context.logits(1)[0]
            ):
                return Decision(
                    "output layer", None, "this model does more there than a product of matrices"
                )
        return Decision(
            "output layer",
            layer,
            f"a grammar allows few of the {self.n_vocab} tokens; checked against llama.cpp's own logits",
        )

    def _cell_bytes(self) -> int:
        """Bytes of the key-value cache for one token: keys and values of 2 bytes in every layer."""
        own = int(
            self._metadata(f"{self._metadata('general.architecture')}.attention.key_length") or 0
        )
        width = own or llama.llama_model_n_embd(self._model) // llama.llama_model_n_head(
            self._model
        )
        return int(
            llama.llama_model_n_layer(self._model)
            * llama.llama_model_n_head_kv(self._model)
            * width
            * 2
            * 2
        )

    def _check_kind(self, file: ModelFile) -> None:
        architecture = self._metadata("general.architecture")
        causal, pooling = (
            self._metadata(f"{architecture}.{key}") for key in ("attention.causal", "pooling_type")
        )
        embedding = (
            "bert" in architecture
            or "embedding" in architecture
            or causal == "false"
            or pooling not in ("", "0")
        )
        if (
            embedding
            or llama.llama_model_has_encoder(self._model)
            or not llama.llama_model_has_decoder(self._model)
        ):
            problem = f"{architecture} is not a text generator (decoder)"
        elif llama.llama_model_is_recurrent(self._model) or llama.llama_model_is_hybrid(
            self._model
        ):
            problem = f"{architecture} is recurrent: such a model cannot go back to the end of a prompt that rows share"
        else:
            return
        self.close()
        raise ModelError(
            f"{file.path.name} cannot be used: {problem}.",
            next_step="python -m t2local models list",
        )

    def _metadata(self, key: str) -> str:
        """A text of the file's metadata; empty where it has none."""
        buffer = ctypes.create_string_buffer(1 << 16)
        llama.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace")

    def _own_format(self) -> Decision:
        """Our format for the control strings that the file's own template holds; that template itself is never run."""
        template = self._metadata("tokenizer.chat_template")
        known: list[ChatFormat] = [
            chat for chat in chat_formats().values() if chat.marker and chat.marker in template
        ]
        if known:
            return Decision("chat format", known[0], f"its template has {known[0].marker}")
        return Decision(
            "chat format",
            chat_formats()["plain"],
            "a chat template that is not known"
            if template
            else "a base model: it has no chat template",
        )

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Text to tokens; control tokens are recognised in the text only if ``special``."""
        return self._vocabulary.tokenize(text, special=special)

    def prompt(self, parts: Sequence[str]) -> list[int]:
        """The tokens of a prompt in the model's chat format (plain text for a base model); parts are split one by one."""
        opening, closing = (
            self.tokenize(part, special=True) if part else []
            for part in (self._chat.opening, self._chat.closing)
        )
        return [
            *self._vocabulary.opening,
            *opening,
            *(token for part in parts for token in self.tokenize(part)),
            *closing,
        ]

    def context(self, cells: int, sequences: int) -> "LlamaContext":
        """A context with room for ``cells`` tokens in ``sequences`` sequences."""
        return LlamaContext(
            self._model,
            self.n_vocab,
            cells,
            sequences,
            self.threads.value,
            self.batch.value,
            self.output_layer.value,
        )

    def close(self) -> None:
        """Free the weights."""
        if self._model:
            llama.llama_model_free(self._model)
            self._model = None


class LlamaContext:
    """A unified key-value cache: one pool of cells, in which sequences share what they have in common.

    **Parameters:**

    * **batch**: tokens of one ``llama_decode``; longer input is split.
    * **layer**: the output layer for allowed tokens; none: llama.cpp computes all logits.
    """

    def __init__(
        self,
        model: Any,
        vocabulary: int,
        cells: int,
        sequences: int,
        threads: int,
        batch: int,
        layer: OutputLayer | None,
    ) -> None:
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = -(-cells // 256) * 256
        parameters.n_batch = parameters.n_ubatch = batch
        parameters.n_seq_max = sequences
        parameters.kv_unified = True
        # With fewer outputs than sequences llama.cpp aborts the process; with 0 it reserves logits for a whole batch.
        parameters.n_outputs_max = self._outputs = sequences
        parameters.n_threads = parameters.n_threads_batch = threads
        self._layer = layer
        self.hidden = HiddenStates(llama.llama_model_n_embd(model))
        if layer:
            parameters.cb_eval = self.hidden.callback
        self._context = llama.llama_init_from_model(model, parameters)
        if not self._context:
            raise ResourceError(
                f"There is no memory for a context of {cells} tokens.",
                next_step="write fewer rows side by side: --set decoder.slots=4",
            )
        self._memory, self._vocabulary = llama.llama_get_memory(self._context), vocabulary
        # The arrays of a batch are numpy's own, filled at one go: token i belongs to one sequence, number i of one array.
        self._tokens, self._positions, self._sequences = (
            np.zeros(batch, dtype=np.int32) for _ in range(3)
        )
        self._wanted, self._ones = np.zeros(batch, dtype=np.int8), np.ones(batch, dtype=np.int32)
        self._pointers = self._sequences.ctypes.data + 4 * np.arange(batch, dtype=np.uintp)
        fields: dict[str, Any] = {
            "token": self._tokens,
            "pos": self._positions,
            "n_seq_id": self._ones,
            "seq_id": self._pointers,
            "logits": self._wanted,
        }
        self._batch = llama.llama_batch(0)
        for name, kind in llama.llama_batch._fields_:
            if name in fields:
                setattr(self._batch, name, ctypes.cast(fields[name].ctypes.data, kind))

    def decode(
        self, tokens: Ints, positions: Ints, sequences: Ints, wanted: Flags, *, full: bool = False
    ) -> Logits:
        """Run tokens through the model; the scores after each of the wanted ones, valid until the next call."""
        if len(tokens) <= len(self._tokens):
            return self._decode(tokens, positions, sequences, wanted, full=full)
        parts = [
            slice(start, start + len(self._tokens))
            for start in range(0, len(tokens), len(self._tokens))
        ]
        return _Joined(
            [
                (
                    self._decode(tokens[p], positions[p], sequences[p], wanted[p], full=full),
                    int(wanted[p].sum()),
                )
                for p in parts
            ]
        )

    def _decode(
        self, tokens: Ints, positions: Ints, sequences: Ints, wanted: Flags, *, full: bool
    ) -> Logits:
        count, outputs = len(tokens), int(wanted.sum())
        if outputs > self._outputs:
            raise DecodeError(
                f"{outputs} outputs were asked for, {self._outputs} are planned.",
                next_step="report this as a bug",
            )
        self._batch.n_tokens = count
        (
            self._tokens[:count],
            self._positions[:count],
            self._sequences[:count],
            self._wanted[:count],
        ) = tokens, positions, sequences, wanted
        self.hidden.expect(wanted=bool(self._layer and outputs and not full))
        with ctrl_c_waits():
            status = llama.llama_decode(self._context, self._batch)
        if status:
            reason = {1: "the context is full", 2: "it was stopped", -2: "there is no memory"}.get(
                status, f"error {status}"
            )
            raise DecodeError(
                f"llama.cpp could not go on: {reason}.",
                next_step="write fewer rows side by side: --set decoder.slots=4",
            )
        if self._layer and self.hidden.taken is not None:
            return AllowedScores(self._layer, self.hidden.taken)
        return self.logits(outputs)

    def logits(self, outputs: int) -> LogitArray:
        """All logits (outputs, n_vocab) of the last decode, in llama.cpp's own memory."""
        if not outputs:
            return np.empty((0, self._vocabulary), dtype=np.float32)
        return np.ctypeslib.as_array(
            llama.llama_get_logits(self._context), (outputs, self._vocabulary)
        )

    def share(self, source: int, target: int, end: int = -1) -> None:
        """Let ``target`` begin with what ``source`` holds, up to a position; cells are tagged, not copied."""
        llama.llama_memory_seq_cp(self._memory, source, target, -1, end)

    def forget(self, sequence: int, start: int = 0) -> None:
        """Free the cells of one sequence from a position on, but for those that others share."""
        llama.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def close(self) -> None:
        """Free the memory; a second call does nothing."""
        if self._context:
            llama.llama_free(self._context)
            self._context = None


class _Joined:
    """The scores of a batch that went through in parts."""

    def __init__(self, parts: Sequence[tuple[Logits, int]]) -> None:
        self._parts = [
            (part.copy() if isinstance(part, np.ndarray) else part, i)
            for part, count in parts
            for i in range(count)
        ]

    def __getitem__(self, key: tuple[int, Any]) -> LogitArray:
        part, output = self._parts[key[0]]
        return part[output, key[1]]
