"""Text to tokens and back, for the vocabulary of one GGUF; data never become control tokens."""

import ctypes
import re
from typing import Any

import llama_cpp as llama

from t2local.errors import DecodeError, ModelError
from t2local.llm.grammar import Tokenizer, tokenizer_of

#: Functions without the wrapper's checks of every argument, which take three quarters of the time
#: in loops over up to 262,144 tokens.
_token_to_piece = llama.llama_cpp._lib["llama_token_to_piece"]
_attributes_of = llama.llama_cpp._lib["llama_vocab_get_attr"]
_ends_text = llama.llama_cpp._lib["llama_vocab_is_eog"]
_ends_text.restype = ctypes.c_bool
_MAY_BE_RESERVED = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_USER_DEFINED
#: Room for the bytes of one token; its slices are bytes, which mypy does not know.
_BUFFER: Any = ctypes.create_string_buffer(4096)
#: What looks like a control token: ``<|im_end|>``, ``<|turn>``, ``<start_of_turn>``, ``[INST]``.
_MARK = re.compile(r"<[|｜][^<>\s]+>|<[^<>\s]+[|｜]>|<(?:start|end)_of_\w+>|\[/?[A-Z_]{3,}\]")


class Vocabulary:
    """The tokens of a model.

    **Parameters:**

    * **model**: a pointer of llama.cpp.

    ``begin``: the token that texts begin with. ``opening``: the tokens that a prompt begins with
    (none, where the model was trained without). ``reserved``: control tokens and marked ones that
    plain text can give, with their texts. ``tokenizer``: llguidance's view of the vocabulary, which
    splits text as `tokenize` does.

    **Raises** `ModelError` for a file without a vocabulary that texts can be written with.
    """

    def __init__(self, model: Any) -> None:
        self._pointer = ctypes.c_void_p(llama.llama_model_get_vocab(model))
        self.size = int(llama.llama_vocab_n_tokens(self._pointer))
        if llama.llama_vocab_type(self._pointer) == llama.LLAMA_VOCAB_TYPE_NONE or not self.size:
            raise _unusable("it has no vocabulary")
        self.begin = int(llama.llama_vocab_bos(self._pointer))
        self.opening = [self.begin]
        if not llama.llama_vocab_get_add_bos(self._pointer):
            self.opening = []
        # Some tokenizers put a blank before every text, also within a row. After a line break they
        # do not: each text is split behind one, whose tokens are then taken away.
        self._line_break: list[int] = []
        bracket = self._split("[")
        if bracket and self._piece(bracket[0])[:1] == b" ":
            self._line_break = self._split("\n")
        #: The bytes of every token; 0xFF first in a reserved one, which no text and no grammar has.
        self._pieces = [self._piece(token) for token in range(self.size)]
        self.reserved = {
            token: piece.decode(errors="replace")
            for token, piece in enumerate(self._pieces)
            if self._is_reserved(token, piece)
        }
        for token in self.reserved:
            self._pieces[token] = b"\xff" + self._pieces[token]
        #: The token of each single byte, where there is one.
        self._bytes = {piece[0]: i for i, piece in enumerate(self._pieces) if len(piece) == 1}
        ends = [i for i in range(self.size) if _ends_text(self._pointer, i)]
        if not ends:
            raise _unusable("no token of its vocabulary ends a text")
        self.tokenizer: Tokenizer = tokenizer_of(self._pieces, self.tokenize, ends)

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Text to tokens; control tokens are recognised in the text only if ``special``.

        Else the bytes of the tokens are those of the text, whatever it is. llama.cpp recognises
        user-defined tokens such as ``<table>`` in any text, and some vocabularies write a blank as
        U+2581, so that they cannot tell the two apart. Such a text is halved until no part has what
        is changed, or is a character, which is spelled in bytes.

        **Raises** `DecodeError` for a character that the vocabulary cannot write.
        """
        tokens = self._split(text, special=special)
        if special or b"".join([self._pieces[token] for token in tokens]) == text.encode():
            return tokens
        if len(text) == 1:
            return self._spelled(text)
        half = len(text) // 2
        return self.tokenize(text[:half]) + self.tokenize(text[half:])

    def ordinary_marks(self, text: str) -> list[str]:
        """What looks like a control token in a text and is none; each once, in order."""
        marks = dict.fromkeys(_MARK.findall(text))
        return [mark for mark in marks if not self._is_control(mark)]

    def _is_control(self, mark: str) -> bool:
        tokens = self.tokenize(mark, special=True)
        return len(tokens) == 1 and tokens[0] in self.reserved

    def _spelled(self, character: str) -> list[int]:
        """The tokens of its bytes."""
        data = character.encode()
        if any(byte not in self._bytes for byte in data):
            raise DecodeError(
                f"The vocabulary of this model cannot write the character U+{ord(character):04X}.",
                next_step="choose another model: python -m t2local models list",
            )
        return [self._bytes[byte] for byte in data]

    def _split(self, text: str, *, special: bool = False) -> list[int]:
        """llama.cpp's tokens of a text."""
        before: list[int] = []
        if not special and self._line_break:
            before = self._line_break
            text = "\n" + text
        data = text.encode()
        buffer = (llama.llama_token * (len(data) + 8))()
        count = llama.llama_tokenize(
            self._pointer, data, len(data), buffer, len(buffer), False, special
        )
        if count < 0:
            raise DecodeError(
                "A text cannot be split into tokens.", next_step="python -m t2local doctor"
            )
        tokens = list(buffer[:count])
        # Where the line break became one token with the text, it is the caller who sees it.
        return tokens[len(before) :] if tokens[: len(before)] == before else tokens

    def _is_reserved(self, token: int, piece: bytes) -> bool:
        """Whether a token controls the model, or is user-defined and looks as if it did."""
        attributes = _attributes_of(self._pointer, token)
        if not attributes & _MAY_BE_RESERVED:
            return False
        is_marked = piece.startswith(b"<") and piece.endswith(b">")
        return bool(attributes & llama.LLAMA_TOKEN_ATTR_CONTROL) or is_marked

    def _piece(self, token: int) -> bytes:
        """The bytes of a token; a control token gives its name."""
        size = _token_to_piece(self._pointer, token, _BUFFER, len(_BUFFER), 0, True)
        return _BUFFER[: max(size, 0)]


def _unusable(problem: str) -> ModelError:
    return ModelError(
        f"The model cannot be used: {problem}.",
        next_step="convert it again with its tokenizer, or choose another: "
        "python -m t2local models list",
    )
