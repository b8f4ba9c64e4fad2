"""A program of its own: load a model file with llama.cpp and decode two tokens.

Exit code 1 and a line on stderr when it cannot. `checks.open_apart` runs it for files of unknown
origin: what a hostile file can do to llama.cpp happens here, in a process that has nothing to lose,
and not beside real rows.
"""

import ctypes
import os
import sys
from typing import Any

import llama_cpp as llama

_PROMPT = b"[1,2]"
#: Characters of one to four bytes, with all bytes that UTF-8 has: llama.cpp ends the process where
#: the vocabulary cannot write one.
_CHARACTERS = "".join(
    map(
        chr,
        [
            *range(1, 0x800),
            *range(0x800, 0xD800, 0x3F),
            *range(0xE000, 1 << 16, 0x3F),
            *range(1 << 16, 0x110000, 0xFFF),
        ],
    )
)
_CONTEXT_TOKENS = 256


@llama.llama_log_callback  # type: ignore[untyped-decorator]
def _quiet(level: int, text: bytes, data: object) -> None:
    """Nothing of what llama.cpp says is for a person."""


def probe(path: str) -> str:
    """Open a file and use it a little; what is wrong, or nothing."""
    llama.llama_log_set(_quiet, None)
    llama.llama_backend_init()
    parameters = llama.llama_model_default_params()
    parameters.n_gpu_layers = 0
    parameters.check_tensors = True
    parameters.use_extra_bufts = False
    model = llama.llama_model_load_from_file(os.fsencode(path), parameters)
    if not model:
        return "llama.cpp refuses it"
    vocabulary = llama.llama_model_get_vocab(model)
    if llama.llama_vocab_type(vocabulary) == llama.LLAMA_VOCAB_TYPE_NONE:
        return "it has no vocabulary: convert it again with its tokenizer"
    _read_vocabulary(model)
    _split_characters(vocabulary)
    return _decode(model)


def _read_vocabulary(model: Any) -> None:
    """Ask for the text of every token, as a run does."""
    vocabulary = llama.llama_model_get_vocab(model)
    piece = ctypes.create_string_buffer(4096)
    for token in range(llama.llama_vocab_n_tokens(vocabulary)):
        llama.llama_token_to_piece(vocabulary, token, piece, len(piece), 0, True)


def _split_characters(vocabulary: Any) -> None:
    """Split a text with all bytes that a text can have."""
    data = _CHARACTERS.encode()
    tokens = (llama.llama_token * (len(data) + 8))()
    llama.llama_tokenize(vocabulary, data, len(data), tokens, len(tokens), False, False)


def _decode(model: Any) -> str:
    """Split a prompt and decode it."""
    vocabulary = llama.llama_model_get_vocab(model)
    tokens = (llama.llama_token * _CONTEXT_TOKENS)()
    count = llama.llama_tokenize(
        vocabulary, _PROMPT, len(_PROMPT), tokens, _CONTEXT_TOKENS, True, False
    )
    parameters = llama.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = _CONTEXT_TOKENS
    context = llama.llama_init_from_model(model, parameters)
    if not context or count < 1:
        return "llama.cpp cannot use it"
    # `Backbone` refuses an encoder by its kind, with a message of its own.
    if llama.llama_model_has_encoder(model):
        return ""
    if llama.llama_decode(context, llama.llama_batch_get_one(tokens, count)):
        return "llama.cpp cannot decode with it"
    return ""


if __name__ == "__main__":
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no picture of its memory on the disk
    sys.exit(probe(sys.argv[1]) or 0)
