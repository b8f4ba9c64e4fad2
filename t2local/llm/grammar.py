"""Which tokens may come next: a JSON Schema, checked and compiled before any token is written.

Outlines builds and checks the schema, llguidance compiles it. Outlines' default backend is never
used: it drops minimum, maximum and multipleOf without a word (outlines-core issue 147). This file
knows no model and no table.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

import llguidance
import llguidance.numpy
import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
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


def tokenizer_of(
    pieces: Sequence[bytes], tokenize: Callable[[str], list[int]], end_tokens: list[int]
) -> Tokenizer:
    """Llguidance's view of a vocabulary.

    **Parameters:**

    * **pieces**: the bytes of each token; those that no grammar may allow begin with 0xFF.
    * **tokenize**: splits text, so that text that a grammar forces is split as all other text is.
    * **end_tokens**: the tokens that end a text.
    """
    splitter = _Splitter(pieces, tokenize, end_tokens[0])
    return LLTokenizer(TokenizerWrapper(splitter), None, end_tokens, slices=[])


class _Splitter:
    """What llguidance's `TokenizerWrapper` wants: a callable with some attributes."""

    bos_token_id = None

    def __init__(
        self, tokens: Sequence[bytes], tokenize: Callable[[str], list[int]], eos_token_id: int
    ) -> None:
        self.tokens = tokens
        self.eos_token_id = eos_token_id
        self._tokenize = tokenize

    def __call__(self, text: bytes) -> list[int]:
        return self._tokenize(text.decode())


class Grammar:
    """A compiled JSON Schema, or some texts; each row gets its own matcher from `start`.

    **Raises** `DecodeError` when the schema is not valid, asks for what cannot be enforced, or
    allows nothing.
    """

    def __init__(self, schema: JsonObject, tokenizer: Tokenizer) -> None:
        # Blanks would be allowed between any two tokens otherwise: more tokens, and another text
        # for the same row.
        checked = JsonSchema(
            {**schema, "x-guidance": {"whitespace_flexible": False}}, ensure_ascii=False
        )
        #: Whether any text may stand somewhere: then much of the vocabulary is allowed there, and
        #: the logits of all tokens are cheaper than those of the allowed ones.
        self.open = _has_open_text(schema)
        if self.open:
            # Masks of slices of the vocabulary: half a second, and then each mask is 25 times as
            # fast. No other grammar gains by them.
            tokenizer = tokenizer.with_slices(LLTokenizer.json_slices())
        self._compile(LLMatcher.grammar_from_json_schema(checked.schema), tokenizer)

    @classmethod
    def of_texts(cls, texts: Sequence[str], tokenizer: Tokenizer) -> "Grammar":
        """One of some texts as it stands, without quotes: how a sentence may go on."""
        grammar = cls.__new__(cls)
        source = "|".join(map(re.escape, texts))
        grammar._compile(LLMatcher.grammar_from_regex(source), tokenizer)
        grammar.open = False
        return grammar

    def _compile(self, source: str, tokenizer: Tokenizer) -> None:
        self.source = source
        self._matcher = LLMatcher(tokenizer, source, log_level=0)
        if self._matcher.is_error():
            raise DecodeError(
                "A grammar cannot be compiled.",
                faults=[self._matcher.get_error().splitlines()[0]],
                next_step="check the ranges and levels in the dictionary",
            )

        #: Tokens that every text of this grammar begins with; matchers start after them.
        self.forced: tuple[int, ...] = tuple(consume_forced(self._matcher))

    def start(self) -> Matcher:
        """A matcher at the first choice."""
        return self._matcher.deep_copy()


def consume_forced(matcher: Matcher) -> list[int]:
    """Take the tokens that a grammar leaves no choice in, and return them.

    **Raises** `DecodeError` where the grammar refuses them: a row would end there unnoticed.
    """
    tokens: list[int] = matcher.compute_ff_tokens()
    if tokens and not matcher.consume_tokens(tokens):
        problem = matcher.get_error().splitlines() or ["no reason is given"]
        raise DecodeError(
            "A grammar refuses the tokens that it forces.",
            faults=problem[:1],
            next_step="report this with the name of the model: python -m t2local doctor",
        )
    return tokens


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
