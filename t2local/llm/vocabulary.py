"""Text to tokens and back, for the vocabulary of one GGUF; data never become control tokens."""

import ctypes
import re
from collections.abc import Iterator
from typing import Any

import llama_cpp as llama

from t2local.errors import DecodeError
from t2local.llm.grammar import Tokenizer, llamacpp_tokenizer

#: The library without the wrapper's checks, for loops over a vocabulary of up to 262,144 tokens.
_llama = llama.llama_cpp._lib
_BUFFER = ctypes.create_string_buffer(4096)


class Vocabulary:
    """The tokens of a model.

    **Parameters:**

    * **model**: a pointer of llama.cpp.

    ``begin``: the token that texts begin with, ``opening``: the tokens that a prompt does (none, where the model was trained without);
    ``reserved``: control tokens and marked ones that plain text can give, with their texts.
    """

    def __init__(self, model: Any) -> None:
        self._vocab = llama.llama_model_get_vocab(model)
        self.size = int(llama.llama_vocab_n_tokens(self._vocab))
        self.begin = int(llama.llama_vocab_bos(self._vocab))
        self.opening = [self.begin] if llama.llama_vocab_get_add_bos(self._vocab) else []
        self._lead: list[int] = []
        if self._split("[") and self._piece(self._split("[")[0])[:1] == b" ":
            self._lead = self._split(
                "\n"
            )  # this tokenizer puts a blank before every text, also within a row
        self.reserved: dict[int, str] = {}
        address = ctypes.cast(_llama.llama_tokenize, ctypes.c_void_p).value or 0
        ends = [
            token for token in range(self.size) if _llama.llama_vocab_is_eog(self._vocab, token)
        ]
        self.tokenizer: Tokenizer = llamacpp_tokenizer(
            list(self._pieces()), self._vocab, address, ends
        )

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Text to tokens; control tokens are recognised in the text only if ``special``.

        llama.cpp finds user-defined tokens such as ``<table>`` in any text. In data they stay text: their characters are split one by one.
        """
        tokens = self._split(text, special=special)
        if special or self.reserved.keys().isdisjoint(tokens):
            return tokens
        marks = {self.reserved[token] for token in tokens if token in self.reserved}
        pieces = re.split("(" + "|".join(map(re.escape, sorted(marks))) + ")", text)
        tokens = [
            token
            for piece in pieces
            for part in (piece if piece in marks else [piece])
            if part
            for token in self._split(part)
        ]
        return (
            tokens
            if self.reserved.keys().isdisjoint(tokens)
            else [token for character in text for token in self._split(character)]
        )

    def _split(self, text: str, *, special: bool = False) -> list[int]:
        lead = [] if special else self._lead
        data = ("\n" + text if lead else text).encode()
        tokens = (llama.llama_token * (len(data) + 8))()
        count = llama.llama_tokenize(
            self._vocab, data, len(data), tokens, len(tokens), False, special
        )
        if count < 0:
            raise DecodeError(
                "A text cannot be split into tokens.", next_step="python -m t2local doctor"
            )
        found = list(tokens[:count])
        return found[len(lead) :] if found[: len(lead)] == lead else self._split(text, special=True)

    def _pieces(self) -> Iterator[bytes]:
        """The bytes of every token; 0xFF before the control tokens, so that no grammar ever allows one."""
        for token in range(self.size):
            piece = self._piece(token)
            attributes = _llama.llama_vocab_get_attr(self._vocab, token)
            control = attributes & llama.LLAMA_TOKEN_ATTR_CONTROL
            marked = (
                attributes & llama.LLAMA_TOKEN_ATTR_USER_DEFINED
                and piece.startswith(b"<")
                and piece.endswith(b">")
            )
            if control or marked:
                self.reserved[token] = piece.decode(errors="replace")
            yield b"\xff" + piece if control or marked else piece

    def _piece(self, token: int) -> bytes:
        """The bytes of a token; a control token gives its name."""
        size = _llama.llama_token_to_piece(self._vocab, token, _BUFFER, len(_BUFFER), 0, True)
        return _BUFFER.raw[: max(size, 0)]
