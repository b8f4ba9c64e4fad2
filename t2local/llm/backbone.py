"""One loaded GGUF: weights, tokenizer, contexts.

The low-level API is used throughout: the high-level ``Llama`` class decodes one sequence, renders
the Jinja template that a file brings along beside the data, and splits data as if it were control
text.
GPU offload is written and not tested here.
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

from t2local.errors import ModelError
from t2local.events import Decision
from t2local.llm import machine
from t2local.llm.catalog import ChatFormat, Thought
from t2local.llm.context import ContextOptions, LlamaContext
from t2local.llm.grammar import Tokenizer
from t2local.llm.outputs import OutputLayer
from t2local.llm.store import ModelFile
from t2local.llm.tuning_memory import UNTUNED, Tuning
from t2local.llm.vocabulary import Vocabulary

#: Room for a text of a file's metadata: the names of an architecture and of a pooling.
_METADATA_BYTES = 1 << 10
#: Floats of working memory that a token of a batch is taken to need, per hidden dimension.
_WORKING_FLOATS = 16


@llama.llama_log_callback  # type: ignore[untyped-decorator]
def _quiet(level: int, text: bytes, data: Any) -> None:
    """llama.cpp's log goes nowhere: it would break the progress lines and may name paths."""


llama.llama_log_set(_quiet, None)
llama.llama_backend_init()


class Backbone:
    """A model in memory.

    **Parameters:**

    * **file**: a file whose hash was checked (`store.find`): llama.cpp's parser is not made for
      hostile files.
    * **threads**: CPU threads; 0 for one per core.
    * **flash_attention**: "on", "off", or "auto": by device and size (`machine.attention_for`).
    * **tuning**: what was measured to be faster here; what is asked for wins.

    **Raises** `ModelError` when llama.cpp cannot load it or it is not a text decoder.
    """

    def __init__(
        self,
        file: ModelFile,
        *,
        threads: int = 0,
        flash_attention: str = "auto",
        tuning: Tuning = UNTUNED,
    ) -> None:
        self.name, self.sha256, self.path = file.name, file.sha256, file.path
        self.threads = tuning.apply(
            machine.threads(threads), tuning.threads, requested=bool(threads)
        )
        self.flash_attention = tuning.apply(
            machine.flash_attention(flash_attention),
            tuning.flash_attention,
            requested=flash_attention != "auto",
        )
        self._busy_rows = tuning.apply(machine.busy_rows(), tuning.slots)
        #: Rows share cells; otherwise only where that is measured (`t2local.llm.tuning_bench`).
        self.unified_cache = True
        self.layers_on_gpu = machine.offload()
        self.extra_buffers = machine.extra_buffers()
        self._model = self._load(file.path)
        self._check_architecture(file)
        self.context_length = int(llama.llama_model_n_ctx_train(self._model))
        self.weight_bytes = int(llama.llama_model_size(self._model))
        self.kv_bytes_per_token = file.kv_bytes_per_token
        self.can_rewind = not _has_state(self._model)
        self._chat = file.chat
        self.thought_end = getattr(file.chat.thought, "end", "")
        self.chat_format = Decision("chat format", file.chat.name, file.chat.reason)
        self._vocabulary = Vocabulary(self._model)
        self.n_vocab = self._vocabulary.size
        self.reserved = self._vocabulary.reserved
        self.opening: Sequence[int] = self._vocabulary.opening
        self.tokenizer: Tokenizer = self._vocabulary.tokenizer
        self.max_step_tokens = machine.max_step_tokens()
        self.batch = machine.batch(4 * _WORKING_FLOATS * llama.llama_model_n_embd(self._model))
        self.state_bytes = _state_bytes(self._model, self.n_vocab, self.threads.value)
        self.output_layer = self._find_output_layer(file.path)

    def decisions(self) -> tuple[Decision, ...]:
        """What was decided for this machine, and why."""
        method = "all tokens"
        if self.output_layer.value:
            method = "allowed tokens"
        return (
            self.threads,
            self.layers_on_gpu,
            self.extra_buffers,
            self.flash_attention,
            self.batch,
            replace(self.output_layer, value=method),
            self.chat_format,
            *self._chat_marks(),
        )

    def ordinary_marks(self) -> list[str]:
        """Marks of the chat format that this model reads as ordinary text."""
        return self._vocabulary.ordinary_marks(self._chat.opening + self._chat.closing)

    def slots(self, requested: int, row_tokens: int) -> Decision:
        """How many rows of ``row_tokens`` tokens to write side by side; 0: by free memory."""
        row_bytes = row_tokens * self.kv_bytes_per_token + self.state_bytes
        return machine.slots(requested, row_bytes, self._busy_rows)

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Text to tokens; control tokens are recognised in the text only if ``special``."""
        return self._vocabulary.tokenize(text, special=special)

    def prompt(self, parts: Sequence[str], *, thought: bool = False) -> list[int]:
        """The tokens of a prompt in the model's chat format; plain text for a base model.

        Each part is split into tokens by itself, so that equal parts give equal tokens. With
        ``thought`` it ends where a thought begins; only where there is a ``thought_end``.
        """
        around: ChatFormat | Thought = self._chat
        if thought and self._chat.thought:
            around = self._chat.thought
        opening = self.tokenize(around.opening, special=True)
        begin = list(self.opening)
        if opening[:1] == begin:  # a template may write the first token as text
            begin = []
        return [
            *begin,
            *opening,
            *(token for part in self._chat.parts(parts) for token in self.tokenize(part)),
            *self.tokenize(around.closing, special=True),
        ]

    def context(self, n_tokens: int, n_sequences: int) -> LlamaContext:
        """A context with room for so many tokens and sequences."""
        options = ContextOptions(
            n_vocab=self.n_vocab,
            threads=self.threads.value,
            batch_tokens=self.batch.value,
            output_layer=self.output_layer.value,
            flash_attention=machine.attention_for(self.flash_attention.value, n_tokens),
            equal_lengths=bool(self.output_layer.value and not self.can_rewind),
            unified=self.unified_cache,
        )
        return LlamaContext(self._model, options, n_tokens=n_tokens, n_sequences=n_sequences)

    def close(self) -> None:
        """Free the weights."""
        if self._model:
            llama.llama_model_free(self._model)
            self._model = None

    def _load(self, path: Path) -> Any:
        parameters = llama.llama_model_default_params()
        parameters.n_gpu_layers = self.layers_on_gpu.value
        parameters.use_extra_bufts = self.extra_buffers.value
        model = llama.llama_model_load_from_file(os.fsencode(path), parameters)
        if not model:
            raise ModelError(
                f"llama.cpp cannot load {path.name}.", next_step="python -m t2local doctor"
            )
        return model

    def _check_architecture(self, file: ModelFile) -> None:
        """**Raises** `ModelError` for a model that cannot write rows after a shared prompt."""
        problem = self._architecture_problem()
        if problem:
            self.close()
            raise ModelError(
                f"{file.path.name} cannot be used: {problem}.",
                next_step="python -m t2local models list",
            )

    def _architecture_problem(self) -> str:
        architecture = self._metadata("general.architecture")
        embeds = (
            "bert" in architecture
            or "embedding" in architecture
            or self._metadata(f"{architecture}.attention.causal") == "false"
            or self._metadata(f"{architecture}.pooling_type") not in ("", "0")
        )
        decodes = llama.llama_model_has_decoder(self._model) and not llama.llama_model_has_encoder(
            self._model
        )
        if embeds or not decodes:
            return f"{architecture} is not a text generator (decoder)"
        if llama.llama_model_is_diffusion(self._model):
            return f"{architecture} fills in all of a text at once: it cannot write it word by word"
        return ""

    def _metadata(self, key: str) -> str:
        """A text of the file's metadata; empty where it has none."""
        buffer = ctypes.create_string_buffer(_METADATA_BYTES)
        llama.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace")

    def _chat_marks(self) -> tuple[Decision, ...]:
        """Whether the chat format has marks that this model reads as ordinary text."""
        marks = self.ordinary_marks()
        if not marks:
            return ()
        reason = "no control tokens of this model: does the format belong to it?"
        return (Decision("chat marks", " ".join(marks), reason),)

    def _find_output_layer(self, path: Path) -> Decision:
        """The output layer for allowed tokens, where it gives llama.cpp's own logits."""
        what = "output layer"
        if self.layers_on_gpu.value:
            return Decision(what, None, "a GPU computes it")
        if llama.llama_model_is_recurrent(self._model):
            return Decision(what, None, "llama.cpp splits rows of a recurrent model by their slots")
        try:
            layer = OutputLayer(path, self.n_vocab, llama.llama_model_n_embd(self._model))
        except LookupError:
            return Decision(what, None, "the model file does not hold it as one matrix")
        if not self._agrees(layer):
            return Decision(what, None, "the file does not say all that this model does there")
        return Decision(
            what,
            layer,
            f"a grammar allows few of the {self.n_vocab} tokens; "
            "checked against llama.cpp's own logits",
        )

    def _agrees(self, layer: OutputLayer) -> bool:
        """Whether the layer gives the logits of llama.cpp after one token."""
        options = ContextOptions(self.n_vocab, self.threads.value, 32, layer)
        zero = np.zeros(1, dtype=np.int32)
        with closing(LlamaContext(self._model, options, n_tokens=256, n_sequences=1)) as context:
            context.hidden.stop = False  # llama.cpp computes the logits as well
            first_token = zero + max(0, self._vocabulary.begin)
            context.decode(first_token, zero, zero, np.ones(1, dtype=np.bool_))
            states = context.hidden.states
            return states is not None and layer.agrees(states[0], context.logits(1)[0])


def _has_state(model: Any) -> bool:
    """Whether a model, or some of its layers, keeps a recurrent state."""
    return bool(llama.llama_model_is_recurrent(model) or llama.llama_model_is_hybrid(model))


def _state_bytes(model: Any, n_vocab: int, threads: int) -> int:
    """Bytes of the recurrent state of one sequence: llama.cpp's word after one token."""
    if not _has_state(model):
        return 0
    options = ContextOptions(n_vocab, threads, 32, None)
    zero = np.zeros(1, dtype=np.int32)
    with closing(LlamaContext(model, options, n_tokens=256, n_sequences=1)) as context:
        context.decode(zero, zero, zero, np.zeros(1, dtype=np.bool_))
        return context.state_bytes(0)
