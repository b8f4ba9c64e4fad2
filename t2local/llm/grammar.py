"""Which tokens may come next: a JSON Schema, checked and compiled before any token is written.

Outlines builds and checks the schema, llguidance compiles it. Outlines' default backend is never
used: it drops minimum, maximum and multipleOf without a word (outlines-core issue 147). This file
knows no model and no table.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import llguidance
import llguidance.numpy
import numpy as np
from llguidance import LLMatcher, LLTokenizer
from outlines.types import JsonSchema

from t2local.errors import DecodeError
from t2local.settings import shipped
from t2local.system.json_text import JsonObject

Matcher: TypeAlias = Any  # llguidance.LLMatcher; its package has no types
Tokenizer: TypeAlias = Any  # llguidance.LLTokenizer
#: One bit for each token of the vocabulary, in words of 32, lowest bit first.
Bitmask: TypeAlias = np.ndarray[Any, np.dtype[np.int32]]


def byte_tokenizer() -> Tokenizer:
    """A tokenizer whose tokens are the 256 bytes, for models without a vocabulary of their own."""
    return LLTokenizer("byte")


def llamacpp_tokenizer(
    pieces: list[bytes], vocabulary: Any, tokenize: int, end_tokens: list[int]
) -> Tokenizer:
    """Llguidance's view of a llama.cpp vocabulary.

    **Parameters:**

    * **pieces**: the bytes of each token; control tokens start with 0xFF, so that no grammar
      allows them.
    * **vocabulary**: llama.cpp's pointer, which must outlive the result.
    * **tokenize**: address of ``llama_tokenize``, so that forced text is split as the model would
      split it.
    * **end_tokens**: the tokens that end a text.
    """
    return LLTokenizer.from_llamacpp(
        tokens=pieces, vocab_ptr=vocabulary, tokenize_fptr=tokenize, eos_token=end_tokens
    )


class Grammar:
    """A compiled JSON Schema; each row gets its own matcher from `start`.

    **Raises** `DecodeError` when the schema is not valid, asks for what cannot be enforced, or
    allows nothing.
    """

    def __init__(self, schema: JsonObject, tokenizer: Tokenizer) -> None:
        # Blanks would be allowed between any two tokens otherwise: more tokens, and another text
        # for the same row.
        checked = JsonSchema(
            {**schema, "x-guidance": {"whitespace_flexible": False}}, ensure_ascii=False
        )
        self.source: str = LLMatcher.grammar_from_json_schema(checked.schema)
        self._matcher = LLMatcher(tokenizer, self.source, log_level=0)
        if self._matcher.is_error():
            raise DecodeError(
                "A grammar cannot be compiled.",
                faults=[self._matcher.get_error().splitlines()[0]],
                next_step="check the ranges and levels in the dictionary",
            )

        #: Tokens that every text of this grammar begins with; matchers start after them.
        self.forced: tuple[int, ...] = tuple(self._matcher.compute_ff_tokens())
        self._matcher.consume_tokens(list(self.forced))
        #: Whether any text may stand somewhere: then much of the vocabulary is allowed there, and
        #: the logits of all tokens are cheaper than those of the allowed ones.
        self.open = _has_open_text(schema)

    def start(self) -> Matcher:
        """A matcher at the first choice."""
        return self._matcher.deep_copy()


def _has_open_text(schema: Any) -> bool:
    """Whether a schema has a string that is neither one of a list nor of a pattern."""
    if isinstance(schema, list):
        return any(map(_has_open_text, schema))
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "string" and not schema.keys() & {"enum", "const", "pattern"}:
        return True
    return any(map(_has_open_text, schema.values()))


class Masks:
    """The allowed next tokens of many matchers, as one bit a token."""

    def __init__(self, n_rows: int, n_vocab: int) -> None:
        self._bits: Bitmask = llguidance.numpy.allocate_token_bitmask(n_rows, n_vocab)
        # One thread: the others belong to llama.cpp, which decodes at the same time.
        self._executor = llguidance.LLExecutor(num_threads=1)

    def fill(self, matchers: Sequence[Matcher]) -> Bitmask:
        """The masks, shape (len(matchers), ceil(n_vocab / 32)); valid until the next call."""
        llguidance.numpy.fill_next_token_bitmask_par(
            self._executor, [(m, i) for i, m in enumerate(matchers)], self._bits
        )
        return self._bits[: len(matchers)]


@cache
def fragment(name: str) -> JsonObject:
    """A fragment of JSON Schema from the folder ``grammars``.

    The caller completes it with the bounds of a feature.
    """
    text = (shipped("grammars") / f"{name}.json").read_text(encoding="utf-8")
    schema: JsonObject = json.loads(text)["schema"]
    return schema
