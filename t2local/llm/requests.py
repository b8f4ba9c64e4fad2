"""What the decoder is asked for, and what it returns: a row as segments, and the texts of each."""

from dataclasses import dataclass
from typing import TypeAlias

from t2local.llm.grammar import Grammar
from t2local.llm.model import LogitArray, TokenArray
from t2local.llm.sampling import RowStream

#: For each token of a text: where it ends in the text (bytes), and its log-probability among the
#: tokens that the grammar allows there.
TokenLogprobs: TypeAlias = list[tuple[int, float]]


@dataclass(frozen=True)
class Segment:
    """One part of a row: tokens that are set before it, then text that the model writes.

    **Parameters:**

    * **prompt**: the tokens before the text.
    * **grammar**: what the text may be.
    * **sees**: the numbers of the earlier segments of the row that the model reads before this one,
      in order. A segment after the first that sees none needs a prompt.
    * **keep_logits**: whether the completion holds the logits of the first choice of this segment.
    """

    prompt: tuple[int, ...]
    grammar: Grammar
    sees: tuple[int, ...] = ()
    keep_logits: bool = False

    @property
    def opening(self) -> tuple[int, ...]:
        """All tokens before the first choice: the prompt, and what the grammar forces."""
        return self.prompt + self.grammar.forced


@dataclass(frozen=True)
class Request:
    """One row to write.

    **Parameters:**

    * **segments**: its parts, in order.
    * **stream**: the source of its random numbers.
    * **forced_texts**: the texts of the first segments, for a row that exists already: the model
      does not choose them, it gives their log-probabilities (`Completion.token_logprobs`).
    """

    segments: tuple[Segment, ...]
    stream: RowStream
    forced_texts: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Completion:
    """The texts of a row.

    **Parameters:**

    * **texts**: one for each segment; fewer where the row failed.
    * **logprob**: the sum of the log-probabilities of all chosen tokens among the allowed ones.
    * **failure**: why there are fewer texts than segments; empty where there are not.
    * **first_logits**: for a segment with ``keep_logits``, the tokens that the grammar allowed at
      its first choice, and their logits.
    * **token_logprobs**: the tokens of each forced text.
    """

    texts: tuple[str, ...]
    logprob: float
    failure: str = ""
    first_logits: tuple[TokenArray, LogitArray] | None = None
    token_logprobs: tuple[TokenLogprobs, ...] = ()
