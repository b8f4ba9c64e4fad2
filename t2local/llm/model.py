"""What the decoder and the team need of a model; `Backbone` and `ScriptedModel` have it."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from t2local.events import Decision
from t2local.llm.grammar import Tokenizer

LogitArray = np.ndarray[Any, np.dtype[np.float32]]
Ints = np.ndarray[Any, np.dtype[np.int32]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


class Logits(Protocol):
    """The logits of one decode: ``scores[output, tokens]``, where ``tokens`` is an array of ids, or a slice when all were asked for."""

    def __getitem__(self, key: tuple[int, Any], /) -> LogitArray: ...


class Context(Protocol):
    """A key-value cache in which many sequences live side by side."""

    def decode(
        self, tokens: Ints, positions: Ints, sequences: Ints, wanted: Flags, *, full: bool = False
    ) -> Logits:
        """Run tokens through the model; the scores after each of the wanted ones, valid until the next call.

        ``full``: many or all tokens will be looked at.
        """

    def share(self, source: int, target: int, end: int = -1) -> None:
        """Let ``target`` begin with what ``source`` holds, up to a position; -1: all."""

    def forget(self, sequence: int, start: int = 0) -> None:
        """Free the cells of one sequence from a position on."""

    def close(self) -> None:
        """Free the memory."""


class Model(Protocol):
    """Weights and tokenizer, ready to open contexts.

    ``longest_sequence`` and ``best_step``, beyond which a step of many rows is slower, are in tokens; ``cell_bytes``: of the key-value cache, for one token.
    """

    name: str
    sha256: str
    n_vocab: int
    longest_sequence: int
    best_step: int
    cell_bytes: int
    weight_bytes: int
    tokenizer: Tokenizer

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Text to tokens; control tokens are recognised in the text only if ``special``."""

    def prompt(self, parts: Sequence[str]) -> list[int]:
        """The tokens of a prompt in the model's chat format (plain text for a base model); parts are split one by one."""

    def slots(self, asked: int, cells: int) -> Decision:
        """How many rows of ``cells`` tokens are written side by side, unless a number is asked for."""

    def context(self, cells: int, sequences: int) -> Context:
        """A context with room for ``cells`` tokens in ``sequences`` sequences."""
