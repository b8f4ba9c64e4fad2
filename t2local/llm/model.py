"""What the decoder and the team need of a model; `Backbone` and `ScriptedModel` have it."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from t2local.events import Decision
from t2local.llm.grammar import Tokenizer
from t2local.stats.arrays import Mask

LogitArray: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
#: Ids of tokens, of any integer type: numpy's own where they come from a mask, int32 for llama.cpp.
TokenArray: TypeAlias = np.ndarray[Any, np.dtype[np.integer[Any]]]
#: Tokens, positions and sequences as llama.cpp takes them.
Int32Array: TypeAlias = np.ndarray[Any, np.dtype[np.int32]]


class Logits(Protocol):
    """The logits of one decode, read as ``logits[output, tokens]``.

    ``output`` counts the positions that the output mask named. ``tokens`` is an array of ids, or a
    slice when the decode was ``full``. An implementation may compute them only when they are read.
    """

    def __getitem__(self, key: tuple[int, Any], /) -> LogitArray: ...


class Context(Protocol):
    """A key-value cache that holds many sequences side by side."""

    def decode(
        self,
        tokens: Int32Array,
        positions: Int32Array,
        sequences: Int32Array,
        outputs: Mask,
        *,
        full: bool = False,
    ) -> Logits:
        """Run tokens through the model.

        **Parameters:**

        * **tokens**, **positions**, **sequences**: of each token, shape (n,).
        * **outputs**: after which tokens logits are needed, shape (n,).
        * **full**: whether many tokens of the vocabulary will be read.

        **Returns** the logits after each output; they are valid until the next call.
        """

    def share(self, source: int, target: int, end: int = -1) -> None:
        """Let ``target`` begin with what ``source`` holds, up to a position; -1: all."""

    def forget(self, sequence: int, start: int = 0) -> None:
        """Drop what one sequence holds from a position on."""

    def close(self) -> None:
        """Free the memory."""


class Model(Protocol):
    """Weights and tokenizer, ready to open contexts.

    **Parameters:**

    * **context_length**: tokens that the model was trained for.
    * **max_step_tokens**: tokens of a decode of many rows beyond which it is slower.
    * **kv_bytes_per_token**: bytes of the key-value cache for one token.
    * **weight_bytes**: bytes of the weights.
    """

    name: str
    sha256: str
    n_vocab: int
    context_length: int
    max_step_tokens: int
    kv_bytes_per_token: int
    weight_bytes: int
    tokenizer: Tokenizer

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Text to tokens; control tokens are recognised in the text only if ``special``."""

    def prompt(self, parts: Sequence[str]) -> list[int]:
        """The tokens of a prompt in the model's chat format; plain text for a base model.

        Each part is split into tokens by itself, so that equal parts give equal tokens.
        """

    def slots(self, requested: int, row_tokens: int) -> Decision:
        """How many rows of ``row_tokens`` tokens to write side by side; 0: let the model decide."""

    def context(self, n_tokens: int, n_sequences: int) -> Context:
        """A context with room for so many tokens and sequences."""
