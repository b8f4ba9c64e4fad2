"""Text to tokens and back, for the vocabulary of one GGUF; data never become control tokens."""

import ctypes
import re
from collections.abc import Iterator
from typing import Any

import llama_cpp as llama

from t2local.errors import DecodeError
from t2local.llm.grammar import Tokenizer, llamacpp_tokenizer

#: The library without the wrapper's checks, for loops over up to 262,144 tokens.
_llama = llama.llama_cpp._lib
#: Room for the bytes of one token.
_BUFFER = ctypes.create_string_buffer(4096)


class Vocabulary:
    """The tokens of a model.

    **Parameters:**

    * **model**: a pointer of llama.cpp.

    ``begin``: the token that texts begin with. ``opening``: the tokens that a prompt begins with
    (none, where the model was trained without). ``reserved``: control tokens and marked ones that
    plain text can give, with their texts.
    """

    def __init__(self, model: Any) -> None:
        self._pointer = llama.llama_model_get_vocab(model)
        self.size = int(llama.llama_vocab_n_tokens(self._pointer))
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
        self.reserved: dict[int, str] = {}
        self.tokenizer: Tokenizer = llamacpp_tokenizer(
            list(self._pieces()),
            self._pointer,
            ctypes.cast(_llama.llama_tokenize, ctypes.c_void_p).value or 0,
            [i for i in range(self.size) if _llama.llama_vocab_is_eog(self._pointer, i)],
        )

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Text to tokens; control tokens are recognised in the text only if ``special``.

        llama.cpp recognises user-defined tokens such as ``<table>`` in any text. In data they stay
        text: their characters are split one by one.
        """
        if not text:
            return []
        tokens = self._split(text, special=special)
        if special or self._is_plain(tokens):
            return tokens
        marks = {self.reserved[token] for token in tokens if token in self.reserved}
        pattern = "|".join(map(re.escape, sorted(marks)))
        pieces: list[str] = []
        for piece in re.split(f"({pattern})", text):
            # A mark falls into its characters; a string is a sequence of them.
            pieces += piece if piece in marks else [piece]
        tokens = [token for piece in filter(None, pieces) for token in self._split(piece)]
        if self._is_plain(tokens):
            return tokens
        # The rest of a text may give a reserved token of its own once a mark is cut out.
        return [token for character in text for token in self._split(character)]

    def _is_plain(self, tokens: list[int]) -> bool:
        return self.reserved.keys().isdisjoint(tokens)

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
        if tokens[: len(before)] == before:
            return tokens[len(before) :]
        # The line break became one token with the text.
        return self._split(text[1:], special=True)

    def _pieces(self) -> Iterator[bytes]:
        """The bytes of every token; 0xFF first in a reserved one, so no grammar allows it."""
        for token in range(self.size):
            piece = self._piece(token)
            if self._is_reserved(token, piece):
                self.reserved[token] = piece.decode(errors="replace")
                piece = b"\xff" + piece
            yield piece

    def _is_reserved(self, token: int, piece: bytes) -> bool:
        """Whether a token controls the model, or is user-defined and looks as if it did."""
        attributes = _llama.llama_vocab_get_attr(self._pointer, token)
        if attributes & llama.LLAMA_TOKEN_ATTR_CONTROL:
            return True
        is_marked = piece.startswith(b"<") and piece.endswith(b">")
        return bool(attributes & llama.LLAMA_TOKEN_ATTR_USER_DEFINED) and is_marked

    def _piece(self, token: int) -> bytes:
        """The bytes of a token; a control token gives its name."""
        size = _llama.llama_token_to_piece(self._pointer, token, _BUFFER, len(_BUFFER), 0, True)
        return _BUFFER.raw[: max(size, 0)]
