"""A stand-in for a loaded model: bytes for tokens, and a script for what it would like to write.

Grammars, decoder, team and trim run for real with it, in milliseconds and without weights. It also
keeps the books that a real cache keeps silently: a token at a wrong position, a full cache or an
unknown sequence raises at once.

    model = ScriptedModel()                       # every allowed byte is equally likely
    model = ScriptedModel(lambda text: b"yes")    # after any text it would like to write yes
    t2local.generate(df, target="y", model=model)
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from t2local.events import Decision
from t2local.llm.grammar import byte_tokenizer
from t2local.llm.model import Int32Array, LogitArray, Logits
from t2local.stats.arrays import Mask

#: How much likelier the scripted byte is than another: e^20, so that it is written whenever the
#: grammar allows it.
_PREFERENCE = 20.0


class ScriptedModel:
    """A model that writes what ``script`` wants after the text so far, if the grammar allows it.

    **Parameters:**

    * **script**: from the text so far (bytes) to the bytes it would like next; none: all bytes are
      equally likely.
    * **context_length**: the context length that it pretends to have, in bytes.
    * **thought_end**: the text that closes its thoughts; empty: it does not think.
    """

    def __init__(
        self,
        script: Callable[[bytes], bytes] | None = None,
        *,
        context_length: int = 1_000_000,
        thought_end: str = "",
    ) -> None:
        self.name = "scripted"
        self.sha256 = "0" * 64
        self.tokenizer = byte_tokenizer()
        self.n_vocab = int(self.tokenizer.vocab_size)
        self.context_length = context_length
        self.max_step_tokens = 64
        self.kv_bytes_per_token = 0
        self.state_bytes = 0
        self.can_rewind = True
        self.weight_bytes = 0
        self.thought_end = thought_end
        self.opening: Sequence[int] = ()
        self.script = script
        self.prompts: list[str] = []

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:  # noqa: ARG002
        """Its bytes."""
        return list(text.encode())

    def prompt(self, parts: Sequence[str], *, thought: bool = False) -> list[int]:  # noqa: ARG002
        """The bytes of all parts; the text is kept in ``prompts`` for tests."""
        self.prompts.append("".join(parts))
        return self.tokenize(self.prompts[-1])

    def slots(self, requested: int, row_tokens: int) -> Decision:  # noqa: ARG002
        """As many as requested, else 32."""
        return Decision("rows side by side", requested or 32, "a scripted model")

    def context(self, n_tokens: int, n_sequences: int) -> "ScriptedContext":
        """A cache that checks its use."""
        return ScriptedContext(self, n_tokens, n_sequences)


class ScriptedContext:
    """Keeps the bytes of every sequence, and raises where a real cache would give wrong logits."""

    def __init__(self, model: ScriptedModel, n_tokens: int, n_sequences: int) -> None:
        self._model = model
        self._size = n_tokens
        self._texts = [b""] * n_sequences
        #: How many bytes of a sequence it shares with another, and that take no room of their own.
        self._shared = [0] * n_sequences

    def decode(
        self,
        tokens: Int32Array,
        positions: Int32Array,
        sequences: Int32Array,
        outputs: Mask,
        *,
        full: bool = False,  # noqa: ARG002 -- all logits are here in any case
    ) -> Logits:
        """Append the tokens; the logits after each output."""
        ends = []
        for token, position, sequence, output in zip(
            tokens.tolist(), positions.tolist(), sequences.tolist(), outputs.tolist(), strict=True
        ):
            text = self._texts[sequence]
            if position != len(text):
                raise RuntimeError(
                    f"token at position {position} of a sequence of length {len(text)}"
                )
            self._texts[sequence] = text + bytes([token])
            if output:
                ends.append(self._texts[sequence])
        used = sum(map(len, self._texts)) - sum(self._shared)
        if used > self._size:
            raise RuntimeError(f"{used} tokens are in a cache of {self._size}")
        return ScriptedLogits(self._model, ends)

    def branch(self, source: int, target: int) -> None:
        """Let ``target``, which is empty, begin with all that ``source`` holds."""
        if self._texts[target]:
            raise RuntimeError(f"sequence {target} is in use")
        self._texts[target] = self._texts[source]
        self._shared[target] = len(self._texts[source])

    def drop(self, sequence: int) -> None:
        """Forget one sequence; those that began with it keep what they have."""
        self._cut(sequence, 0)

    def rewind(self, sequence: int, end: int) -> None:
        """Forget what one sequence holds from a position on."""
        if not self._model.can_rewind:
            raise RuntimeError("this model cannot go back")
        self._cut(sequence, end)

    def _cut(self, sequence: int, end: int) -> None:
        self._texts[sequence] = self._texts[sequence][:end]
        self._shared[sequence] = min(self._shared[sequence], end)

    def close(self) -> None:
        """It holds no memory."""


class ScriptedLogits:
    """The logits after some texts; the script is asked when they are read: where rows choose."""

    def __init__(self, model: ScriptedModel, texts: Sequence[bytes]) -> None:
        self._model = model
        self._texts = texts

    def __getitem__(self, key: tuple[int, Any]) -> LogitArray:
        output, tokens = key
        logits = np.zeros(self._model.n_vocab, dtype=np.float32)
        if self._model.script and (wish := self._model.script(self._texts[output])):
            logits[wish[0]] = _PREFERENCE
        chosen: LogitArray = logits[tokens]
        return chosen
