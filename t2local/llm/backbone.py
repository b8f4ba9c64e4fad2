"""One loaded GGUF: weights, tokenizer, contexts, devices. The only importer of llama_cpp.

The low-level API is used throughout: the high-level ``Llama`` class decodes one sequence, renders the Jinja template
that a file brings along, and tokenises data as if it were control text. GPU offload is written and not tested here.
"""

import ctypes
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import llama_cpp as llama
import numpy as np
from llama_cpp._ggml import libggml

from t2local.errors import DecodeError, ModelError, ResourceError
from t2local.llm.catalog import ChatFormat, ModelFile, chat_formats
from t2local.llm.decoder import Ints, Logits
from t2local.llm.grammar import Tokenizer, llamacpp_tokenizer

#: Tokens of one ``llama_decode``; longer input is split. 512 is llama.cpp's own choice for the work of one pass.
_BATCH = 512
_SPECIAL = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_USER_DEFINED


@llama.llama_log_callback  # type: ignore[untyped-decorator]
def _quiet(level: int, text: bytes, data: Any) -> None:
    """llama.cpp's log goes nowhere: it would break the progress lines and may name paths."""


llama.llama_log_set(_quiet, None)
llama.llama_backend_init()


@dataclass(frozen=True)
class Decision:
    """A choice made for the user, with its reason."""

    value: Any
    reason: str


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def devices() -> list[dict[str, Any]]:
    """The devices that this build of llama.cpp sees: name, description, kind, memory free and in all (bytes)."""
    for name, result, arguments in (
        ("ggml_backend_dev_count", ctypes.c_size_t, []),
        ("ggml_backend_dev_get", ctypes.c_void_p, [ctypes.c_size_t]),
        ("ggml_backend_dev_name", ctypes.c_char_p, [ctypes.c_void_p]),
        ("ggml_backend_dev_description", ctypes.c_char_p, [ctypes.c_void_p]),
        ("ggml_backend_dev_type", ctypes.c_int, [ctypes.c_void_p]),
        ("ggml_backend_dev_memory", None, [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_size_t)]),
    ):
        function = getattr(libggml, name)
        function.restype, function.argtypes = result, arguments
    return [_device(libggml.ggml_backend_dev_get(i)) for i in range(libggml.ggml_backend_dev_count())]


def _device(handle: int) -> dict[str, Any]:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    libggml.ggml_backend_dev_memory(handle, free, total)
    return {
        "name": libggml.ggml_backend_dev_name(handle).decode(),
        "description": libggml.ggml_backend_dev_description(handle).decode(),
        "kind": ("cpu", "gpu", "integrated gpu", "accelerator")[min(libggml.ggml_backend_dev_type(handle), 3)],
        "free": free.value,
        "total": total.value,
    }


def system_info() -> str:
    """The instruction sets that this build of llama.cpp uses."""
    return str(llama.llama_print_system_info().decode())


class Backbone:
    """A model in memory.

    **Parameters:**

    * **file**: a file whose hash was checked (`catalog.find`): llama.cpp's parser is not made for hostile files.
    * **threads**: CPU threads; 0 for one per core.

    **Raises** `ModelError` when llama.cpp cannot load it or it is not a text decoder.
    """

    def __init__(self, file: ModelFile, *, threads: int = 0) -> None:
        self.name, self.sha256 = file.name, file.sha256
        self.threads = Decision(threads, "asked for") if threads else Decision(available_cores(), "one for each core this process may use")
        parameters = llama.llama_model_default_params()
        self.layers_on_gpu, self.extra_buffers = _offload(), _extra_buffers()
        parameters.n_gpu_layers = self.layers_on_gpu.value
        parameters.use_extra_bufts = self.extra_buffers.value
        self._model = llama.llama_model_load_from_file(os.fsencode(file.path), parameters)
        if not self._model:
            raise ModelError(f"llama.cpp cannot load {file.path.name}.", next_step="python -m t2local doctor")
        self._check_kind(file)
        self._vocab = llama.llama_model_get_vocab(self._model)
        self.n_vocab = int(llama.llama_vocab_n_tokens(self._vocab))
        self.longest_sequence = int(llama.llama_model_n_ctx_train(self._model))
        self.description = _text(lambda buffer, size: llama.llama_model_desc(self._model, buffer, size))
        chat = Decision(file.chat, "from the catalogue") if file.chat else self._own_format()
        self._chat: ChatFormat = chat.value
        self.chat_format = Decision(self._chat.name, chat.reason)
        address = ctypes.cast(llama.llama_cpp._lib.llama_tokenize, ctypes.c_void_p).value or 0
        ends = [token for token in range(self.n_vocab) if _is_end(self._vocab, token)]
        self.tokenizer: Tokenizer = llamacpp_tokenizer(list(self._pieces()), self._vocab, address, ends)

    @property
    def cell_bytes(self) -> int:
        """Bytes of the key-value cache for one token: keys and values of 2 bytes in every layer."""
        architecture = self._metadata("general.architecture")
        heads = llama.llama_model_n_head_kv(self._model)
        own = int(self._metadata(f"{architecture}.attention.key_length") or 0)
        width = own or llama.llama_model_n_embd(self._model) // llama.llama_model_n_head(self._model)
        return int(llama.llama_model_n_layer(self._model) * heads * width * 2 * 2)

    def decisions(self) -> dict[str, Decision]:
        """What was decided for this machine, and why."""
        return {"threads": self.threads, "GPU layers": self.layers_on_gpu, "weight repacking": self.extra_buffers, "chat format": self.chat_format}

    def _check_kind(self, file: ModelFile) -> None:
        if llama.llama_model_has_encoder(self._model) or not llama.llama_model_has_decoder(self._model):
            problem = "it is not a text generator (decoder)"
        elif llama.llama_model_is_recurrent(self._model) or llama.llama_model_is_hybrid(self._model):
            problem = "recurrent and hybrid models cannot share a prompt between rows"
        else:
            return
        self.close()
        raise ModelError(f"{file.path.name} cannot be used: {problem}.", next_step="python -m t2local models list")

    def _metadata(self, key: str) -> str:
        """A text of the file's metadata; empty where it has none."""
        return _text(lambda buffer, size: llama.llama_model_meta_val_str(self._model, key.encode(), buffer, size))

    def _own_format(self) -> Decision:
        """Our format for the control strings that the file's own template holds; that template itself is never run."""
        template = self._metadata("tokenizer.chat_template")
        known: list[ChatFormat] = [chat for chat in chat_formats().values() if chat.marker and chat.marker in template]
        if known:
            return Decision(known[0], f"its template has {known[0].marker}")
        return Decision(chat_formats()["plain"], "a chat template that is not known" if template else "a base model: it has no chat template")

    def _pieces(self) -> Iterator[bytes]:
        """The bytes of every token; 0xFF before the control tokens, so that no grammar ever allows one."""
        library = llama.llama_cpp._lib  # without the wrapper's checks: a vocabulary has up to 262,144 tokens
        buffer = ctypes.create_string_buffer(4096)
        for token in range(self.n_vocab):
            size = library.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, True)
            piece = buffer.raw[: max(size, 0)]
            attributes = library.llama_vocab_get_attr(self._vocab, token)
            control = attributes & llama.LLAMA_TOKEN_ATTR_CONTROL
            marked = attributes & llama.LLAMA_TOKEN_ATTR_USER_DEFINED and piece.startswith(b"<") and piece.endswith(b">")
            yield b"\xff" + piece if control or marked else piece

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Text to tokens; control tokens are recognised in the text only if ``special``."""
        data = text.encode()
        tokens = (llama.llama_token * (len(data) + 8))()
        count = llama.llama_tokenize(self._vocab, data, len(data), tokens, len(tokens), False, special)
        if count < 0:
            raise DecodeError("A text cannot be split into tokens.", next_step="python -m t2local doctor")
        return list(tokens[:count])

    def prompt(self, parts: Sequence[str]) -> list[int]:
        """The tokens of a prompt in the model's chat format (plain text for a base model); parts are split one by one."""
        begin = [llama.llama_vocab_bos(self._vocab)] if llama.llama_vocab_get_add_bos(self._vocab) else []
        opening, closing = (self.tokenize(part, special=True) if part else [] for part in (self._chat.opening, self._chat.closing))
        return [*begin, *opening, *(token for part in parts for token in self.tokenize(part)), *closing]

    def context(self, cells: int, sequences: int) -> "LlamaContext":
        """A context with room for ``cells`` tokens in ``sequences`` sequences."""
        return LlamaContext(self._model, self.n_vocab, cells, sequences, self.threads.value)

    def close(self) -> None:
        """Free the weights."""
        if self._model:
            llama.llama_model_free(self._model)
            self._model = None


class LlamaContext:
    """A unified key-value cache: one pool of cells, in which sequences share what they have in common."""

    def __init__(self, model: Any, n_vocab: int, cells: int, sequences: int, threads: int) -> None:
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = -(-cells // 256) * 256
        parameters.n_batch = parameters.n_ubatch = _BATCH
        parameters.n_seq_max = sequences
        parameters.kv_unified = True
        # With fewer outputs than sequences llama.cpp aborts the process; with 0 it reserves logits for a whole batch.
        parameters.n_outputs_max = self._outputs = sequences
        parameters.n_threads = parameters.n_threads_batch = threads
        self._context = llama.llama_init_from_model(model, parameters)
        if not self._context:
            raise ResourceError(f"There is no memory for a context of {cells} tokens.", next_step="write fewer rows side by side: --set decoder.slots=8")
        self._memory = llama.llama_get_memory(self._context)
        self._batch = llama.llama_batch_init(_BATCH, 0, 1)
        # The batch's arrays as numpy views; every token belongs to one sequence, so each seq_id[i] points into one array.
        view = np.ctypeslib.as_array
        self._tokens, self._positions = view(self._batch.token, (_BATCH,)), view(self._batch.pos, (_BATCH,))
        self._wanted = view(self._batch.logits, (_BATCH,))
        view(self._batch.n_seq_id, (_BATCH,))[:] = 1
        self._sequences = [self._batch.seq_id[i] for i in range(_BATCH)]
        self._n_vocab = n_vocab

    def decode(self, tokens: Ints, positions: Ints, sequences: Ints, wanted: np.ndarray[Any, np.dtype[np.bool_]]) -> Logits:
        """Run tokens through the model; logits (n_wanted, n_vocab) of the wanted ones, valid until the next call."""
        if len(tokens) <= _BATCH:
            return self._decode(tokens, positions, sequences, wanted)
        parts = [slice(start, start + _BATCH) for start in range(0, len(tokens), _BATCH)]
        return np.concatenate([self._decode(tokens[p], positions[p], sequences[p], wanted[p]).copy() for p in parts])

    def _decode(self, tokens: Ints, positions: Ints, sequences: Ints, wanted: np.ndarray[Any, np.dtype[np.bool_]]) -> Logits:
        count, outputs = len(tokens), int(wanted.sum())
        if outputs > self._outputs:
            raise DecodeError(f"{outputs} outputs were asked for, {self._outputs} are planned.", next_step="report this as a bug")
        self._batch.n_tokens = count
        self._tokens[:count], self._positions[:count], self._wanted[:count] = tokens, positions, wanted
        for pointer, sequence in zip(self._sequences, sequences.tolist(), strict=False):
            pointer[0] = sequence
        if status := llama.llama_decode(self._context, self._batch):
            reason = {1: "the context is full", 2: "it was stopped"}.get(status, f"error {status}")
            raise DecodeError(f"llama.cpp could not go on: {reason}.", next_step="python -m t2local doctor")
        if not outputs:
            return np.empty((0, self._n_vocab), dtype=np.float32)
        return np.ctypeslib.as_array(llama.llama_get_logits(self._context), (outputs, self._n_vocab))

    def share(self, source: int, target: int) -> None:
        """Let ``target`` begin with all that ``source`` holds; cells are tagged, not copied."""
        llama.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def forget(self, sequence: int) -> None:
        """Free all cells of one sequence that no other shares."""
        llama.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def clear(self) -> None:
        """Free all cells."""
        llama.llama_memory_clear(self._memory, False)

    def close(self) -> None:
        """Free the memory; a second call does nothing."""
        if self._context:
            llama.llama_batch_free(self._batch)
            llama.llama_free(self._context)
            self._context = None


def _offload() -> Decision:
    gpus = [device for device in devices() if device["kind"] in ("gpu", "integrated gpu")]
    if gpus and llama.llama_supports_gpu_offload():
        return Decision(999, f"all layers on {gpus[0]['name']}")
    return Decision(0, "no GPU that this build of llama.cpp can use")


def _extra_buffers() -> Decision:
    """llama.cpp's AMX kernels kill the process on virtual machines that hide the tile palette (llama.cpp issue 20824)."""
    if "AMX_INT8 = 1" in system_info():
        return Decision(False, "this build uses AMX, which crashes on some virtual machines: weights are not repacked")
    return Decision(True, "weights are repacked for this CPU")


def _is_end(vocab: Any, token: int) -> bool:
    return bool(llama.llama_cpp._lib.llama_vocab_is_eog(vocab, token))


def _text(fill: Any) -> str:
    buffer = ctypes.create_string_buffer(1 << 16)
    fill(buffer, len(buffer))
    return buffer.value.decode(errors="replace")
