"""A stand-in for a loaded model: bytes for tokens, and a script for what it would like to write.

Grammars, decoder, team and trim run for real with it, in milliseconds and without weights. It also keeps the books
that a real cache keeps silently: a token at a wrong position, a full cache or an unknown sequence raises at once.

    model = ScriptedModel()                                      # every allowed byte is equally likely
    model = ScriptedModel(lambda text: b"yes")                   # after any text it would like to write yes
    t2local.generate(df, target="y", model=model)
"""

from collections.abc import Callable, Sequence

import numpy as np

from t2local.events import Decision
from t2local.llm.grammar import byte_tokenizer
from t2local.llm.model import Flags, Ints, LogitArray, Logits

#: How much likelier the scripted byte is than another: e^20, so that it is written whenever the grammar allows it.
_PREFERENCE = 20.0


class ScriptedModel:
    """A model that writes what ``script`` wants after the text so far, as far as the grammar allows it.

    **Parameters:**

    * **script**: from the text so far (bytes) to the bytes it would like next; none: all bytes are equally likely.
    * **longest_sequence**: the context length it pretends to have.
    """

    def __init__(
        self, script: Callable[[bytes], bytes] | None = None, *, longest_sequence: int = 1_000_000
    ) -> None:
        self.name, self.sha256 = "scripted", "0" * 64
        self.tokenizer = byte_tokenizer()
        self.n_vocab = int(self.tokenizer.vocab_size)
        self.longest_sequence, self.best_step = longest_sequence, 64
        self.cell_bytes = self.weight_bytes = 0
        self.script = script
        self.prompts: list[str] = []

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:  # noqa: ARG002 -- bytes have no control tokens
        """Its bytes."""
        return list(text.encode())

    def prompt(self, parts: Sequence[str]) -> list[int]:
        """The bytes of all parts; the text is kept in ``prompts`` for tests."""
        self.prompts.append("".join(parts))
        return self.tokenize(self.prompts[-1])

    def slots(self, asked: int, cells: int) -> Decision:  # noqa: ARG002 -- it has no memory to run out of
        """What is asked for, else 32."""
        return Decision("rows side by side", asked or 32, "a scripted model")

    def context(self, cells: int, sequences: int) -> "ScriptedContext":
        """A cache that checks its use."""
        return ScriptedContext(self, cells, sequences)


class ScriptedContext:
    """Keeps the bytes of every sequence, and complains where a real cache would give wrong logits."""

    def __init__(self, model: ScriptedModel, cells: int, sequences: int) -> None:
        self._model, self._cells, self._texts = model, cells, [b""] * sequences
        self._shared = [0] * sequences  # how many of a sequence's cells belong to sequence 0

    def decode(
        self, tokens: Ints, positions: Ints, sequences: Ints, wanted: Flags, *, full: bool = False
    ) -> Logits:  # noqa: ARG002
        """Append the tokens; logits of the wanted ones."""
        rows = []
        for token, position, sequence, want in zip(
            tokens.tolist(), positions.tolist(), sequences.tolist(), wanted.tolist(), strict=True
        ):
            if position != len(self._texts[sequence]):
                raise RuntimeError(
                    f"token at position {position} of a sequence of length {len(self._texts[sequence])}"
                )
            self._texts[sequence] += bytes([token])
            if want:
                rows.append(self._logits(self._texts[sequence]))
        if (
            used := sum(
                len(text) - shared for text, shared in zip(self._texts, self._shared, strict=True)
            )
        ) > self._cells:
            raise RuntimeError(f"{used} cells are used, {self._cells} are there")
        return np.array(rows, dtype=np.float32).reshape(-1, self._model.n_vocab)

    def _logits(self, text: bytes) -> LogitArray:
        logits = np.zeros(self._model.n_vocab, dtype=np.float32)
        if self._model.script and (wish := self._model.script(text)):
            logits[wish[0]] = _PREFERENCE
        return logits

    def share(self, source: int, target: int, end: int = -1) -> None:
        """Let ``target`` begin with what ``source`` holds, up to a position."""
        if self._texts[target]:
            raise RuntimeError(f"sequence {target} is in use")
        self._texts[target] = self._texts[source][: None if end < 0 else end]
        self._shared[target] = len(self._texts[target])

    def forget(self, sequence: int, start: int = 0) -> None:
        """Free one sequence from a position on."""
        self._texts[sequence] = self._texts[sequence][:start]
        self._shared[sequence] = min(self._shared[sequence], start)

    def close(self) -> None:
        """Nothing is held."""
