"""Many rows under grammars in one context: the place where the speed of t2local is decided.

The prompt is decoded once, in a sequence of its own. Every row is a sequence that begins as a
snapshot of it, and all rows go through the model in the same ``decode``. Tokens that a grammar
forces are never sampled, only the logits of allowed tokens are read, and a slot whose row is
complete takes the next row at once (docs/method.md, "Decoder"). This file knows tokens and
grammars, but no table and no llama.cpp.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np

from t2local.errors import DecodeError
from t2local.llm.counters import Counters
from t2local.llm.grammar import Masks, Matcher
from t2local.llm.model import Context, LogitArray, Logits, Model, TokenArray, lasting
from t2local.llm.requests import Completion, Request, Segment
from t2local.llm.row import Row
from t2local.llm.sampling import allowed_tokens

#: llama.cpp keeps no more sequences apart in one context (LLAMA_MAX_SEQ).
_MAX_SEQUENCES = 256
#: The sequences of what prompts have in common and of the whole prompt; then come those of rows.
_HEAD, _PROMPT, _FIRST_ROW = 0, 1, 2
#: Starts that rows share, kept side by side: a run with shares of labels has one for each label.
_MAX_SHARED_STARTS = 8

#: Tokens to decode in one sequence: its number, the position of the first token, the tokens.
#: A plain tuple, as one is made for every row at every step.
_Piece: TypeAlias = tuple[int, int, Sequence[int]]


@dataclass(frozen=True)
class SharedStart:
    """What several rows begin with: the prompt, or a segment's opening after it, decoded once.

    ``sequence`` holds it; ``allowed`` and ``logits`` are of the first choice after it.
    """

    sequence: int
    allowed: TokenArray
    logits: LogitArray


class Decoder:
    """Writes rows after a shared prefix.

    **Parameters:**

    * **slots**: rows side by side.
    * **prefix_tokens**: room for the prefix; a longer one opens a larger context.
    * **max_row_tokens**: the most tokens that one row may take: it bounds every loop.
    * **typical_row_tokens**: what a row usually takes at most; the context is sized for it, and
      longer rows wait for room. 0: as many as ``max_row_tokens``.
    * **temperature**: of the sampling; 0 takes the likeliest token.
    * **branches**: sequences of a row: 2 where segments do not see all before them; the row then
      goes on from the better one.

    **Raises** `DecodeError` when prefix and row do not fit the model.
    """

    def __init__(
        self,
        model: Model,
        *,
        slots: int,
        prefix_tokens: int,
        max_row_tokens: int,
        typical_row_tokens: int = 0,
        temperature: float = 1.0,
        branches: int = 1,
    ) -> None:
        self._model = model
        self._max_row_tokens = max_row_tokens
        self._typical_row_tokens = min(typical_row_tokens or max_row_tokens, max_row_tokens)
        self._temperature = temperature
        self._branches = branches
        n_others = _FIRST_ROW + _MAX_SHARED_STARTS
        self._slots = min(slots, (_MAX_SEQUENCES - n_others) // branches)
        # After the rows come their second branches, and shared starts.
        first_start = _FIRST_ROW + self._slots * branches
        self._start_sequences = range(first_start, first_start + _MAX_SHARED_STARTS)
        self._shared_room = _MAX_SHARED_STARTS * self._typical_row_tokens
        self._head: list[int] | None = None
        self._n_prefix = 0
        self._prompt_logits: Logits = np.empty((0, model.n_vocab), dtype=np.float32)
        self.counters = Counters()
        self._context = self._open(prefix_tokens)
        self._masks = Masks(slots, model.n_vocab)
        # Masks are computed in this thread while llama.cpp decodes, so they cost no time.
        self._mask_thread = ThreadPoolExecutor(1, "masks")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._mask_thread.shutdown()
        self._context.close()

    def _open(self, prefix_tokens: int) -> Context:
        """A context for a prefix of this length."""
        context_length = self._model.context_length
        if prefix_tokens + self._max_row_tokens > context_length:
            raise DecodeError(
                f"A prompt of {prefix_tokens} tokens and a row of up to {self._max_row_tokens} "
                f"do not fit the {context_length} of {self._model.name}.",
                next_step="show fewer rows (--examples 5), put fewer columns into a component "
                "(--plan), or choose a model with a longer context",
            )
        self._prefix_tokens = prefix_tokens
        self._head = []  # of a new context; None: nobody knows what the cache holds
        # One row of the greatest length always fits, whatever the rows usually take.
        self._row_room = max(
            self._slots * self._typical_row_tokens, self._max_row_tokens * self._branches
        )
        size = prefix_tokens + self._shared_room + self._row_room
        n_sequences = self._start_sequences.stop
        self.counters.context_tokens = size
        self.counters.context_bytes = (
            size * self._model.kv_bytes_per_token + n_sequences * self._model.state_bytes
        )
        return self._model.context(size, n_sequences)

    def prefill(self, prefix: Sequence[int], stable: int = 0) -> None:
        """Decode a new shared prefix; everything before it is forgotten.

        **Parameters:**

        * **prefix**: its tokens, at least one.
        * **stable**: how many of its first tokens stay in the cache when the prefix before it had
          the same, the last token of all left out. They are always decoded by themselves, so that
          the numbers in the cache do not depend on what came before.
        """
        if len(prefix) > self._prefix_tokens:
            self._context.close()
            self._context = self._open(len(prefix))
        stable = min(stable, len(prefix) - 1)
        head, rest = list(prefix[:stable]), list(prefix[stable:])
        self._context.drop(_PROMPT)
        if head != self._head:
            self._context.drop(_HEAD)
            if head:
                self._decode([(_HEAD, 0, head)])
                self.counters.prefix_tokens += len(head)
            self._head = head
        self._context.branch(_HEAD, _PROMPT)
        # The logits after the prompt are for segments that open with no token of their own.
        self._prompt_logits = lasting(self._decode([(_PROMPT, stable, rest)], output=True))
        self.counters.prefix_tokens += len(rest)
        self._n_prefix = len(prefix)

    def complete(
        self, requests: Sequence[Request], *, until: float = math.inf
    ) -> Iterator[tuple[int, Completion]]:
        """Write every request; yields its number and its completion as each one is done.

        **Parameters:**

        * **until**: a time of ``time.perf_counter`` at which it stops.
        """
        waiting = deque(enumerate(requests))
        free_slots = [_FIRST_ROW + i for i in reversed(range(self._slots))]
        rows: list[Row] = []
        try:
            starts = self._share_starts(requests)
            while (waiting or rows) and time.perf_counter() < until:
                for row in [row for row in rows if row.done]:
                    rows.remove(row)
                    row.release(self._context)
                    free_slots.append(row.slot)
                    self.counters.failed_rows += bool(row.failure)
                    yield row.number, row.completion()
                while waiting and free_slots:
                    rows.append(self._start_row(*waiting.popleft(), free_slots.pop(), starts))
                self._make_room(rows, waiting, free_slots)
                if running := [row for row in rows if not row.done]:
                    self._step(self._next_rows(running))
        finally:
            # A reader may stop early: the next call finds all slots free.
            for row in rows:
                row.release(self._context)
            for sequence in self._start_sequences:
                self._context.drop(sequence)

    def _share_starts(self, requests: Sequence[Request]) -> dict[Segment, SharedStart]:
        """Decode once what several rows begin with, and compute their first logits once."""
        segments = _repeated_segments(requests, self._shared_room)
        if not segments:
            return {}
        sequences = self._start_sequences[: len(segments)]
        pieces: list[_Piece] = []
        for segment, sequence in zip(segments, sequences, strict=True):
            self._context.branch(_PROMPT, sequence)
            pieces.append((sequence, self._n_prefix, segment.opening))
        full = any(segment.grammar.open for segment in segments)
        logits = self._decode(pieces, output=True, full=full)
        # One matcher at a time: there may be more starts than slots, and the masks have one row
        # for each slot.
        matchers = [segment.grammar.start() for segment in segments]
        allowed = self._mask_thread.submit(
            lambda: [self._allowed([matcher])[0] for matcher in matchers]
        ).result()
        self.counters.row_tokens += sum(len(segment.opening) for segment in segments)
        self.counters.sampled_tokens += len(segments)
        return {
            # A copy: the logits are valid until the next decode only.
            segment: SharedStart(sequences[i], allowed[i], np.array(logits[i, allowed[i]]))
            for i, segment in enumerate(segments)
        }

    def _prompt_start(self, segment: Segment) -> SharedStart:
        """The prompt itself, as the start of a segment that opens with no token of its own."""
        matcher = segment.grammar.start()
        [allowed] = self._mask_thread.submit(self._allowed, [matcher]).result()
        return SharedStart(_PROMPT, allowed, self._prompt_logits[0, allowed])

    def _start_row(
        self, number: int, request: Request, slot: int, starts: dict[Segment, SharedStart]
    ) -> Row:
        """A row in a slot, after the prompt or after a start that it shares."""
        segment = request.segments[0]
        row = Row(
            number,
            request,
            slot=slot,
            other_sequence=slot + self._slots * (self._branches - 1),
            start=self._n_prefix,
            max_tokens=self._max_row_tokens,
            tokenizer=self._model.tokenizer,
        )
        start = starts.get(segment)
        if not segment.opening:
            start = self._prompt_start(segment)
        if start is None:
            self._context.branch(_PROMPT, slot)
            return row
        self._context.branch(start.sequence, slot)
        row.n_shared = len(row.tokens)
        row.must_rewind = False
        self._choose(row, start.logits, start.allowed)
        return row

    def _choose(self, row: Row, logits: LogitArray, allowed: TokenArray) -> None:
        """Choose a row's next token from the logits of those that may come next."""
        if len(allowed):
            row.choose(logits, allowed, self._temperature)
        else:
            row.fail("its grammar allows nothing more")

    def _make_room(
        self, rows: list[Row], waiting: deque[tuple[int, Request]], free_slots: list[int]
    ) -> None:
        """While the rows are longer than the context holds, the youngest returns to the queue.

        It comes out the same later, as its random numbers depend on its name alone.
        """
        while (
            len(rows) > 1
            and sum(len(row.tokens) + len(row.other_tokens) - row.n_shared for row in rows)
            > self._row_room
        ):
            row = rows.pop()
            row.release(self._context)
            free_slots.append(row.slot)
            waiting.appendleft((row.number, row.request))
            self.counters.requeued_rows += 1

    def _next_rows(self, rows: list[Row]) -> list[Row]:
        """The oldest rows whose tokens together make a step of the best size, at least one row."""
        for row in rows:
            if row.must_rewind:
                row.rewind(self._context)
        ends = np.cumsum([len(row.tokens) - len(row.cached_tokens) for row in rows])
        return rows[: max(1, int((ends <= self._model.max_step_tokens).sum()))]

    def _step(self, rows: list[Row]) -> None:
        """Decode what is pending of every row, then choose each row's next token."""
        full = any(row.segment.grammar.open for row in rows)
        pieces = [
            (
                row.sequence,
                row.start + len(row.cached_tokens),
                row.tokens[len(row.cached_tokens) :],
            )
            for row in rows
        ]
        allowed = self._mask_thread.submit(self._allowed, [row.matcher for row in rows])
        logits = self._decode(pieces, output=True, full=full)
        self.counters.row_tokens += sum(len(tokens) for _, _, tokens in pieces)
        self.counters.sampled_tokens += len(rows)
        for output, (row, tokens) in enumerate(zip(rows, allowed.result(), strict=True)):
            self._choose(row, logits[output, tokens], tokens)

    def _allowed(self, matchers: Sequence[Matcher]) -> list[TokenArray]:
        """The tokens that may come next in each row.

        It runs in the mask thread only, as all masks are written into one array.
        """
        return [allowed_tokens(mask) for mask in self._masks.fill(matchers)]

    def _decode(
        self, pieces: Sequence[_Piece], *, output: bool = False, full: bool = False
    ) -> Logits:
        """Decode pieces side by side; with ``output``, the logits after the last token of each."""
        lengths = np.array([len(tokens) for _, _, tokens in pieces])
        ends = lengths.cumsum()
        tokens = np.array([token for _, _, tokens in pieces for token in tokens], dtype=np.int32)
        sequences, starts = np.repeat(
            np.array([piece[:2] for piece in pieces], dtype=np.int32), lengths, axis=0
        ).T
        firsts = np.repeat(ends - lengths, lengths).astype(np.int32)
        positions = starts + np.arange(len(tokens), dtype=np.int32) - firsts
        outputs = np.zeros(len(tokens), dtype=np.bool_)
        outputs[ends - 1] = output
        began = time.perf_counter()
        try:
            return self._context.decode(tokens, positions, sequences, outputs, full=full)
        except DecodeError:
            self._head = None
            self.counters.failed_decodes += 1
            raise
        finally:
            self.counters.decode_seconds += time.perf_counter() - began


def _repeated_segments(requests: Sequence[Request], max_tokens: int) -> list[Segment]:
    """First segments that several rows have, the most frequent first, as far as there is room."""
    counts = Counter(request.segments[0] for request in requests)
    segments = [
        segment
        for segment, count in counts.most_common(_MAX_SHARED_STARTS)
        if count > 1 and segment.opening and not segment.grammar.start().is_stopped()
    ]
    while sum(len(segment.opening) for segment in segments) > max_tokens:
        segments.pop()
    return segments
