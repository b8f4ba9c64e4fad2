"""Many constrained sequences in one context: the place where the speed of t2local is decided (DESIGN section 4).

A prompt is decoded once as sequence 0; every row is a sequence that shares it and is written beside the others in the
same ``decode``. Tokens that the grammar forces are never sampled, only allowed tokens are looked at, and a slot whose
row is complete is given to the next row at once. This file knows tokens and grammars; it knows no table and no llama.cpp.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np

from t2local.errors import DecodeError
from t2local.llm.grammar import Grammar, Masks, Matcher, Tokenizer
from t2local.llm.sampling import Stream, allowed_tokens, draw

Logits = np.ndarray[Any, np.dtype[np.float32]]
Ints = np.ndarray[Any, np.dtype[np.int32]]


class Context(Protocol):
    """A key-value cache in which many sequences live side by side."""

    def decode(self, tokens: Ints, positions: Ints, sequences: Ints, wanted: np.ndarray[Any, np.dtype[np.bool_]]) -> Logits:
        """Run tokens through the model; logits (n_wanted, n_vocab) of the wanted ones, valid until the next call."""

    def share(self, source: int, target: int) -> None:
        """Let ``target`` begin with all that ``source`` holds."""

    def forget(self, sequence: int) -> None:
        """Free all cells of one sequence."""

    def clear(self) -> None:
        """Free all cells."""

    def close(self) -> None:
        """Free the memory."""


class Model(Protocol):
    """What the decoder and the team need of a model: `Backbone` and `ScriptedModel` have it."""

    name: str
    sha256: str
    n_vocab: int
    longest_sequence: int
    tokenizer: Tokenizer

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Text to tokens; control tokens are recognised in the text only if ``special``."""

    def prompt(self, parts: Sequence[str]) -> list[int]:
        """The tokens of a prompt in the model's chat format (plain text for a base model); parts are split one by one."""

    def context(self, cells: int, sequences: int) -> Context:
        """A context with room for ``cells`` tokens in ``sequences`` sequences."""


@dataclass(frozen=True)
class Station:
    """One turn in a sequence: tokens that are given, then text that the model writes under a grammar."""

    given: tuple[int, ...]
    grammar: Grammar


@dataclass(frozen=True)
class Request:
    """One row to be written: its stations in order (the first one gives at least a token), and where its random numbers come from."""

    stations: tuple[Station, ...]
    stream: Stream


@dataclass(frozen=True)
class Completion:
    """What was written at each station; ``failure`` says why there is less than asked for."""

    texts: tuple[str, ...]
    logprob: float
    failure: str = ""


@dataclass
class Counters:
    """Totals of tokens decoded and of seconds inside the model; sampled tokens are counted when they are chosen.

    ``cells`` is the size of the context, in tokens.
    """

    cells: int = 0
    prefix: int = 0
    rows: int = 0
    sampled: int = 0
    failures: int = 0
    seconds: float = 0.0


class Decoder:
    """Writes rows after a shared prefix.

    **Parameters:**

    * **slots**: rows side by side.
    * **prefix_cells**: room for the longest prefix, in tokens.
    * **row_cells**: the most tokens that one row may take; it bounds every loop, and with it the context is sized exactly.
    """

    def __init__(self, model: Model, *, slots: int, prefix_cells: int, row_cells: int, temperature: float = 1.0) -> None:
        if prefix_cells + row_cells > model.longest_sequence:
            raise DecodeError(
                f"A prompt of {prefix_cells} tokens and a row of up to {row_cells} do not fit the {model.longest_sequence} tokens of {model.name}.",
                next_step="show fewer rows with --examples, leave columns out in the dictionary, or choose a model with a longer context",
            )
        cells = prefix_cells + slots * row_cells
        self.counters = Counters(cells)
        self._model, self._slots, self._row_cells, self._temperature = model, slots, row_cells, temperature
        self._prefix_cells, self._prefix = prefix_cells, 0
        self._context = model.context(cells, slots + 1)
        self._masks = Masks(slots, model.n_vocab)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def prefill(self, prefix: Sequence[int]) -> None:
        """Decode a new shared prefix; everything before it is forgotten."""
        if not 0 < len(prefix) <= self._prefix_cells:
            raise DecodeError(f"A prefix of {len(prefix)} tokens does not fit the {self._prefix_cells} planned for it.", next_step="report this as a bug")
        self._context.clear()
        self._run([(0, 0, prefix)])
        self._prefix = len(prefix)
        self.counters.prefix += len(prefix)

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """Write every request; yields (its number, its completion) as each one is done."""
        waiting = deque(enumerate(requests))
        free = list(range(self._slots, 0, -1))
        live: list[_Row] = []
        try:
            while waiting or live:
                for row in [row for row in live if row.done]:
                    live.remove(row)
                    free.append(row.slot)
                    self._context.forget(row.slot)
                    self.counters.failures += bool(row.failure)
                    yield row.number, Completion(tuple(row.texts), row.logprob, row.failure)
                while waiting and free:
                    live.append(_Row(*waiting.popleft(), free.pop(), self._prefix, self._row_cells, self._model.tokenizer))
                    self._context.share(0, live[-1].slot)
                if running := [row for row in live if not row.done]:
                    self._step(running)
        finally:
            for row in live:
                self._context.forget(row.slot)

    def _step(self, rows: list["_Row"]) -> None:
        """Decode what is pending of every row, then choose each row's next token."""
        masks = self._masks.fill([row.matcher for row in rows])
        logits = self._run([(row.slot, row.position, row.pending) for row in rows], logits=True)
        self.counters.rows += sum(len(row.pending) for row in rows)
        self.counters.sampled += len(rows)
        for row, scores, mask in zip(rows, logits, masks, strict=True):
            allowed = allowed_tokens(mask)
            if len(allowed):
                row.take(*draw(scores, allowed, self._temperature, row.uniform()))
            else:
                row.fail("its grammar allows nothing more")

    def _run(self, pieces: Sequence[tuple[int, int, Sequence[int]]], logits: bool = False) -> Logits:
        """Decode (sequence, first position, tokens) pieces side by side; logits of each piece's last token."""
        lengths = np.array([len(tokens) for _, _, tokens in pieces])
        tokens = np.concatenate([np.asarray(tokens, dtype=np.int32) for _, _, tokens in pieces])
        positions = np.concatenate([np.arange(at, at + len(tokens), dtype=np.int32) for _, at, tokens in pieces])
        sequences = np.repeat(np.array([sequence for sequence, _, _ in pieces], dtype=np.int32), lengths)
        wanted = np.zeros(len(tokens), dtype=np.bool_)
        if logits:
            wanted[lengths.cumsum() - 1] = True
        began = time.perf_counter()
        result = self._context.decode(tokens, positions, sequences, wanted)
        self.counters.seconds += time.perf_counter() - began
        return result

    def score(self, contexts: Sequence[Sequence[int]], choices: Sequence[Sequence[int]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Log-probabilities of token sequences after the prefix and a context.

        **Parameters:**

        * **contexts**: tokens that follow the prefix, one list a row.
        * **choices**: token sequences, none empty, that may follow a context.

        **Returns** an array of shape (len(contexts), len(choices)). It needs two slots at least.
        """
        result = np.zeros((len(contexts), len(choices)))
        per_row = max(1, min(self._slots - 1, len(choices)))
        for row, context in enumerate(contexts):
            self._context.share(0, 1)
            first = _log_softmax(self._run([(1, self._prefix, context)], logits=True)[0])
            self.counters.rows += len(context)
            for start in range(0, len(choices), per_row):
                part = choices[start : start + per_row]
                result[row, start : start + per_row] = self._score_choices(part, first, self._prefix + len(context))
            self._context.forget(1)
        return result

    def _score_choices(self, choices: Sequence[Sequence[int]], first: np.ndarray[Any, Any], position: int) -> list[float]:
        totals = [float(first[choice[0]]) for choice in choices]
        slots = {index: slot for slot, (index, choice) in enumerate(enumerate(choices), start=2) if len(choice) > 1}
        for slot in slots.values():
            self._context.share(1, slot)
        for step in range(max(map(len, choices)) - 1):
            going = [index for index in slots if len(choices[index]) > step + 1]
            logits = self._run([(slots[i], position + step, choices[i][step : step + 1]) for i in going], logits=True)
            self.counters.rows += len(going)
            for index, scores in zip(going, logits, strict=True):
                totals[index] += float(_log_softmax(scores)[choices[index][step + 1]])
        for slot in slots.values():
            self._context.forget(slot)
        return totals


@dataclass
class _Row:
    """A row in a slot: where it is in its stations, and the tokens chosen but not yet decoded."""

    number: int
    request: Request
    slot: int
    position: int
    budget: int
    tokenizer: Tokenizer
    pending: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    logprob: float = 0.0
    failure: str = ""
    done: bool = False

    def __post_init__(self) -> None:
        self._uniforms = iter(self.request.stream.uniforms(self.budget))
        self._enter()

    def uniform(self) -> float:
        return float(next(self._uniforms))

    def take(self, token: int, logprob: float) -> None:
        """Go on with a sampled token, and with all that the grammar forces after it."""
        self.position += len(self.pending)
        self.budget -= len(self.pending)
        self.pending = []
        self.logprob += logprob
        self._consume([token])
        self._follow()

    def _enter(self) -> None:
        station = self.request.stations[len(self.texts)]
        self.pending += station.given
        self.matcher: Matcher = station.grammar.start()
        self._written: list[int] = []
        self._follow()

    def _follow(self) -> None:
        """Append what is forced; move to the next station when the text is complete."""
        if not self.failure:
            self._consume(self.matcher.compute_ff_tokens())
        if not self.failure and self.matcher.is_stopped():
            self.texts.append(self.tokenizer.decode_str(self._written))
            self.done = len(self.texts) == len(self.request.stations)
            if not self.done:
                self._enter()
        elif not self.failure and len(self.pending) > self.budget:
            self.fail("the row is longer than its grammar can be")

    def fail(self, why: str) -> None:
        """End this row; the others go on."""
        self.failure, self.done = why, True

    def _consume(self, tokens: list[int]) -> None:
        if tokens and not self.matcher.consume_tokens(tokens):
            self.fail(f"grammar: {self.matcher.get_error().splitlines()[0] if self.matcher.is_error() else 'token refused'}")
        self.pending += tokens
        self._written += tokens


def _log_softmax(logits: Logits) -> np.ndarray[Any, np.dtype[np.float64]]:
    scores = logits.astype(np.float64)
    scores -= scores.max()
    return scores - np.log(np.exp(scores).sum())
