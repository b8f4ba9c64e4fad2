"""What the decoder and the team need of a model; `Backbone` and `ScriptedModel` have it."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

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


def lasting(logits: Logits) -> Logits:
    """Logits that outlast the next decode, which writes arrays into the same memory."""
    if isinstance(logits, np.ndarray):
        return logits.copy()
    return logits


class Context(Protocol):
    """What a model remembers of many sequences side by side.

    A sequence begins empty or as a snapshot of another one, and grows at its end. What it holds may
    be a key-value cache, the state of a recurrent model, or both.
    """

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

        **Returns** the logits after each output; they are valid until the next call (`lasting`).
        """

    def branch(self, source: int, target: int) -> None:
        """Let ``target``, which is empty, begin with all that ``source`` holds."""

    def drop(self, sequence: int) -> None:
        """Forget one sequence; those that began with it keep what they have."""

    def rewind(self, sequence: int, end: int) -> None:
        """Forget what one sequence holds from a position on; see `Model.can_rewind`."""

    def close(self) -> None:
        """Free the memory."""


@runtime_checkable
class Model(Protocol):
    """Weights and tokenizer, ready to open contexts.

    **Parameters:**

    * **context_length**: tokens that the model was trained for.
    * **max_step_tokens**: tokens of a decode of many rows beyond which it is slower.
    * **kv_bytes_per_token**: bytes of the key-value cache for one token.
    * **state_bytes**: bytes of the recurrent state of one sequence, whatever its length; 0 for a
      model that has none.
    * **can_rewind**: whether a sequence can be taken back to a position. A recurrent state cannot:
      it keeps a summary of all tokens, and not the tokens.
    * **weight_bytes**: bytes of the weights.
    * **thought_end**: the text between a thought and the answer after it; empty: the chat format
      has no place for a thought.
    * **opening**: the tokens that every text begins with, where there are any.
    """

    name: str
    sha256: str
    n_vocab: int
    context_length: int
    max_step_tokens: int
    kv_bytes_per_token: int
    state_bytes: int
    can_rewind: bool
    weight_bytes: int
    thought_end: str
    opening: Sequence[int]
    tokenizer: Tokenizer

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Text to tokens; control tokens are recognised in the text only if ``special``."""

    def prompt(self, parts: Sequence[str], *, thought: bool = False) -> list[int]:
        """The tokens of a prompt in the model's chat format; plain text for a base model.

        Each part is split into tokens by itself, so that equal parts give equal tokens. With
        ``thought`` it ends where a thought begins; only where there is a ``thought_end``.
        """

    def slots(self, requested: int, row_tokens: int) -> Decision:
        """How many rows of ``row_tokens`` tokens to write side by side; 0: let the model decide."""

    def context(self, n_tokens: int, n_sequences: int) -> Context:
        """A context with room for so many tokens and sequences."""
