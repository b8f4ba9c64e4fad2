"""Many constrained sequences in one context: the place where the speed of t2local is decided (DESIGN section 4).

A prompt is decoded once as sequence 0; every row is a sequence that shares it and is written beside the others in the
same ``decode``. Tokens that the grammar forces are never sampled, only allowed tokens are looked at, and a slot whose
row is complete is given to the next row at once. This file knows tokens and grammars; it knows no table and no llama.cpp.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from t2local.errors import DecodeError
from t2local.llm.grammar import Grammar, Masks, Matcher, Tokenizer
from t2local.llm.model import Context, LogitArray, Logits, Model
from t2local.llm.sampling import Integers, RowStream, allowed_tokens, draw

#: What llama.cpp can tell apart in one context.
_MOST_SEQUENCES = 256
#: Beginnings that several rows share, kept side by side.
_BEGINNINGS = 8


@dataclass(frozen=True)
class Segment:
    """One turn of a row: tokens that are given, then text that the model writes under a grammar.

    ``sees``: the numbers of the earlier segments of this row that stand before it, in order; ``scored``: the scores of its first
    choice are part of the completion.
    """

    given: tuple[int, ...]
    grammar: Grammar
    sees: tuple[int, ...] = ()
    scored: bool = False

    @property
    def opening(self) -> tuple[int, ...]:
        """All tokens before the first choice: what is given, and what the grammar forces."""
        return self.given + self.grammar.forced


@dataclass(frozen=True)
class Request:
    """One row to be written: its segments in order, and where its random numbers come from.

    ``forced_texts``: the texts of the first segments, for a row that is there already and is only weighed (`Completion.token_logprobs`).
    """

    segments: tuple[Segment, ...]
    stream: RowStream
    forced_texts: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Completion:
    """What was written at each segment; ``failure`` says why there is less than asked for.

    ``first_logits``: the tokens that were allowed at the first choice of the scored segment, and their logits. ``token_logprobs``: for each segment
    whose text was told, where each token ends in it (bytes), and its log-probability among the allowed ones.
    """

    texts: tuple[str, ...]
    logprob: float
    failure: str = ""
    first_logits: tuple[Integers, LogitArray] | None = None
    token_logprobs: "tuple[list[tuple[int, float]], ...]" = ()


@dataclass
class Counters:
    """Totals of tokens decoded (``prefix``, ``rows``), of those whose scores were computed, and of seconds inside the model.

    ``cells``: size of the context; ``failures``: of rows; ``errors``: of decodes; ``put_back``: rows begun anew as the context was full.
    """

    cells: int = 0
    prefix: int = 0
    rows: int = 0
    sampled: int = 0
    failures: int = 0
    errors: int = 0
    put_back: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class _Beginning:
    """Tokens that several rows begin with, in a sequence of their own, and the scores of what may come next."""

    sequence: int
    allowed: Integers
    scores: LogitArray


class Decoder:
    """Writes rows after a shared prefix.

    **Parameters:**

    * **slots**: rows side by side.
    * **prefix_cells**: room for the prefix, in tokens; a longer one opens a larger context.
    * **row_cells**: the most tokens that one row may take: it bounds every loop.
    * **usual_cells**: tokens that a row usually takes at most; the context is sized for them, and longer rows wait for room.
    * **branches**: sequences of a row: 2 where segments do not see all before them; it then goes on from the better one.

    **Raises** `DecodeError` when prefix and row do not fit the model.
    """

    def __init__(
        self,
        model: Model,
        *,
        slots: int,
        prefix_cells: int,
        row_cells: int,
        usual_cells: int = 0,
        temperature: float = 1.0,
        branches: int = 1,
    ) -> None:
        self._model, self._row_cells, self._temperature, self._branches = (
            model,
            row_cells,
            temperature,
            branches,
        )
        self._slots = min(slots, (_MOST_SEQUENCES - 1 - _BEGINNINGS) // branches)
        self._sequences = self._slots * branches
        self._usual_cells = min(usual_cells or row_cells, row_cells)
        self._prefix: list[int] = []
        self.counters = Counters()
        self._context = self._open(prefix_cells)
        self._masks = Masks(slots, model.n_vocab)
        self._thread = ThreadPoolExecutor(1, "masks")  # works while llama.cpp does

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        self._context.close()

    def _open(self, prefix_cells: int) -> Context:
        """A context for a prefix of this length."""
        if prefix_cells + self._row_cells > self._model.longest_sequence:
            raise DecodeError(
                f"A prompt of {prefix_cells} tokens and a row of up to {self._row_cells} do not fit the {self._model.longest_sequence} of {self._model.name}.",
                next_step="show fewer rows (--examples 5), put fewer columns into a component (--plan), or choose a model with a longer context",
            )
        rows = max(self._slots * self._usual_cells, self._row_cells * self._branches)
        self._prefix_cells, self._prefix = prefix_cells, []
        self.counters.cells = prefix_cells + _BEGINNINGS * self._usual_cells + rows
        return self._model.context(self.counters.cells, 1 + self._sequences + _BEGINNINGS)

    def prefill(self, prefix: Sequence[int], stable: int = 0) -> None:
        """Decode a new shared prefix; everything before it is forgotten.

        Its first ``stable`` tokens are kept when the prefix before it had the same; they are decoded by themselves always, so
        that the numbers in the cache do not depend on what came before.
        """
        prefix = list(prefix)
        if len(prefix) > self._prefix_cells:
            self._context.close()
            self._context = self._open(len(prefix))
        kept = stable if self._prefix[:stable] == prefix[:stable] else 0
        self._context.forget(0, kept)
        for start, end in ((kept, stable), (max(kept, stable), len(prefix))):
            if start < end:
                self._run([(0, start, prefix[start:end])])
        self.counters.prefix += len(prefix) - kept
        self._prefix = prefix

    def complete(
        self, requests: Sequence[Request], *, until: float = math.inf
    ) -> Iterator[tuple[int, Completion]]:
        """Write every request; yields (its number, its completion) as each one is done. At the time ``until`` it stops."""
        waiting = deque(enumerate(requests))
        free = list(range(self._slots, 0, -1))
        live: list[_Row] = []
        try:
            beginnings = self._share_beginnings(requests)
            while (waiting or live) and time.perf_counter() < until:
                for row in [row for row in live if row.done]:
                    live.remove(row)
                    self._release(row, free)
                    self.counters.failures += bool(row.failure)
                    yield (
                        row.number,
                        Completion(
                            tuple(row.texts),
                            row.logprob,
                            row.failure,
                            row.first_logits,
                            tuple(row.token_logprobs),
                        ),
                    )
                while waiting and free:
                    live.append(self._begin(*waiting.popleft(), free.pop(), beginnings))
                self._make_room(live, waiting, free)
                if running := [row for row in live if not row.done]:
                    self._step(self._first_to_go(running))
        finally:
            for row in live:
                self._release(row, free)
            for number in range(_BEGINNINGS):
                self._context.forget(1 + self._sequences + number)

    def _release(self, row: "_Row", free: list[int]) -> None:
        free.append(min(row.sequence, row.other_sequence))
        self._context.forget(row.sequence)
        if row.other:
            self._context.forget(row.other_sequence)

    def _share_beginnings(self, requests: Sequence[Request]) -> dict[Segment, "_Beginning"]:
        """Decode once what several rows begin with, and score their first token once."""
        counts = Counter(request.segments[0] for request in requests)
        shared = [
            segment
            for segment, count in counts.most_common(_BEGINNINGS)
            if count > 1 and not segment.grammar.start().is_stopped()
        ]
        while sum(len(segment.opening) for segment in shared) > _BEGINNINGS * self._usual_cells:
            shared.pop()
        if not shared:
            return {}
        sequences = [1 + self._sequences + i for i in range(len(shared))]
        leads = [self._lead(segment) for segment in shared]
        for sequence, lead in zip(sequences, leads, strict=True):
            self._context.share(0, sequence, len(self._prefix) - len(lead))
        pieces = [
            (sequences[i], len(self._prefix) - len(lead), lead + shared[i].opening)
            for i, lead in enumerate(leads)
        ]
        full = any(segment.grammar.open for segment in shared)
        scores = self._run(pieces, wanted=True, full=full)
        allowed = self._thread.submit(
            lambda: [
                tokens for segment in shared for tokens in self._allowed([segment.grammar.start()])
            ]
        ).result()
        self.counters.rows += sum(len(segment.opening) for segment in shared)
        self.counters.sampled += len(shared)
        return {
            segment: _Beginning(sequences[i], allowed[i], np.array(scores[i, allowed[i]]))
            for i, segment in enumerate(shared)
            if len(allowed[i])
        }

    def _lead(self, segment: Segment) -> tuple[int, ...]:
        """The last token of the prefix, decoded once more where a segment opens with no token that could be asked what comes next."""
        return () if segment.opening else (self._prefix[-1],)

    def _begin(
        self, number: int, request: Request, slot: int, beginnings: dict[Segment, "_Beginning"]
    ) -> "_Row":
        """A row in a slot, after the prefix or after a beginning that it shares."""
        lead = self._lead(request.segments[0])
        start = len(self._prefix) - len(lead)
        row = _Row(
            number,
            request,
            slot,
            slot + self._sequences - self._slots,
            start,
            lead,
            self._row_cells,
            self._model.tokenizer,
        )
        beginning = beginnings.get(request.segments[0])
        self._context.share(
            beginning.sequence if beginning else 0, slot, -1 if beginning else start
        )
        if beginning:
            row.shared, row.entered = len(row.tokens), False
            row.choose(beginning.scores, beginning.allowed, self._temperature)
        return row

    def _make_room(
        self, live: list["_Row"], waiting: deque[tuple[int, Request]], free: list[int]
    ) -> None:
        """While the rows have become longer than the context holds, the youngest goes back to the queue; its random numbers are the same again."""
        room = self.counters.cells - self._prefix_cells - _BEGINNINGS * self._usual_cells
        while (
            len(live) > 1
            and sum(len(row.tokens) + len(row.other) - row.shared for row in live) > room
        ):
            row = live.pop()
            self._release(row, free)
            waiting.appendleft((row.number, row.request))
            self.counters.put_back += 1

    def _first_to_go(self, rows: list["_Row"]) -> list["_Row"]:
        """Turn the rows that have entered a segment; of all, the oldest ones whose tokens make a step of the best size."""
        for row in rows:
            if row.entered:
                self._turn(row)
        ends = np.cumsum([len(row.tokens) - len(row.cached) for row in rows])
        return rows[: max(1, int((ends <= self._model.best_step).sum()))]

    def _step(self, rows: list["_Row"]) -> None:
        """Decode what is pending of every row, then choose each row's next token."""
        full = any(row.segment.grammar.open for row in rows)
        pieces = [
            (row.sequence, row.start + len(row.cached), row.tokens[len(row.cached) :])
            for row in rows
        ]
        allowed = self._thread.submit(self._allowed, [row.matcher for row in rows])
        scores = self._run(pieces, wanted=True, full=full)
        self.counters.rows += sum(len(tokens) for _, _, tokens in pieces)
        self.counters.sampled += len(rows)
        for output, (row, tokens) in enumerate(zip(rows, allowed.result(), strict=True)):
            if len(tokens):
                row.choose(scores[output, tokens], tokens, self._temperature)
            else:
                row.fail("its grammar allows nothing more")

    def _turn(self, row: "_Row") -> None:
        """Bring the cache to what the row's next segment sees: what it holds of that in either sequence stays."""
        here, there = (
            min(common_length(held, row.tokens), len(row.tokens) - 1)
            for held in (row.cached, row.other)
        )
        row.entered = False
        if here == len(row.cached):
            return
        if row.other_sequence == row.sequence:
            self._context.forget(row.sequence, row.start + here)
        else:
            self._context.forget(row.other_sequence, row.start + there if there > here else 0)
            if there <= here:
                self._context.share(row.sequence, row.other_sequence, row.start + here)
            row.sequence, row.other_sequence, row.other = (
                row.other_sequence,
                row.sequence,
                row.cached,
            )
            here = max(here, there)
        row.cached, row.shared = row.tokens[:here], 0

    def _allowed(self, matchers: Sequence[Matcher]) -> list[Integers]:
        """The tokens that may come next in each row; only ever run in the helper thread: all masks are written into one array."""
        return [allowed_tokens(mask) for mask in self._masks.fill(matchers)]

    def _run(
        self,
        pieces: Sequence[tuple[int, int, Sequence[int]]],
        *,
        wanted: bool = False,
        full: bool = False,
    ) -> Logits:
        """Decode (sequence, first position, tokens) pieces side by side; the scores after each piece's last token if ``wanted``."""
        lengths = np.array([len(tokens) for _, _, tokens in pieces])
        ends = lengths.cumsum()
        tokens = np.array([token for _, _, tokens in pieces for token in tokens], dtype=np.int32)
        sequences, starts = np.repeat(
            np.array([piece[:2] for piece in pieces], dtype=np.int32), lengths, axis=0
        ).T
        positions = (
            starts
            + np.arange(len(tokens), dtype=np.int32)
            - np.repeat(ends - lengths, lengths).astype(np.int32)
        )
        outputs = np.zeros(len(tokens), dtype=np.bool_)
        outputs[ends - 1] = wanted
        began = time.perf_counter()
        try:
            return self._context.decode(tokens, positions, sequences, outputs, full=full)
        except DecodeError:
            self._prefix = []  # what the cache holds now is not known
            self.counters.errors += 1
            raise
        finally:
            self.counters.seconds += time.perf_counter() - began


@dataclass
class _Row:
    """A row in a slot: where it is in its segments, and its tokens after the prefix."""

    number: int
    request: Request
    sequence: int  # the one that is written
    other_sequence: int  # the one that was left last; the same where rows do not branch
    start: int  # the length of the prefix, without the lead
    lead: tuple[int, ...]  # tokens before all segments
    budget: int
    tokenizer: Tokenizer
    tokens: list[int] = field(default_factory=list)  # of the sequence as it is now
    cached: list[int] = field(default_factory=list)  # what is in the cache of this sequence
    shared: int = 0  # how many of them are cells of a beginning
    other: list[int] = field(default_factory=list)  # what is in the cache of the other sequence
    entered: bool = False  # whether a segment was begun since, which may not see all that is cached
    parts: list[list[int]] = field(
        default_factory=list
    )  # the tokens of every segment, its opening included
    texts: list[str] = field(default_factory=list)
    logprob: float = 0.0
    failure: str = ""
    done: bool = False
    first_logits: tuple[Integers, LogitArray] | None = None
    token_logprobs: list[list[tuple[int, float]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._uniforms = iter(self.request.stream.uniforms(self.budget))
        self._enter()

    def choose(self, scores: LogitArray, allowed: Integers, temperature: float) -> None:
        """Draw a token, and go on with all that the grammar forces after it."""
        if self.segment.scored and len(self.parts[-1]) == len(self.segment.opening):
            self.first_logits = allowed, scores
        token, logprob = (
            draw(scores, allowed, temperature, float(next(self._uniforms)))
            if not self._is_forced()
            else self._next_forced(scores, allowed)
        )
        self.cached = self.tokens.copy()
        self.logprob += logprob
        if self._consume([token]) and self._consume(self.matcher.compute_ff_tokens()):
            self._leave()

    def _is_forced(self) -> bool:
        return len(self.texts) < len(self.request.forced_texts)

    def _next_forced(self, scores: LogitArray, allowed: Integers) -> tuple[int, float]:
        """The token with which the told text goes on, and its log-probability; -1 where the grammar does not allow that text."""
        text, written = (
            self.request.forced_texts[len(self.texts)],
            self.tokenizer.decode_bytes(self.parts[-1][len(self.segment.given) :]),
        )
        token = next(iter(self.tokenizer.tokenize_bytes(text[len(written) :])), -1)
        place = np.flatnonzero(allowed == token)
        if not text.startswith(written) or not len(place):
            return -1, -math.inf  # refused by the matcher
        logprob = float(scores[place[0]] - np.logaddexp.reduce(scores.astype(np.float64)))
        self.token_logprobs[len(self.texts)].append(
            (len(written) + len(self.tokenizer.decode_bytes([token])), logprob)
        )
        return token, logprob

    def _enter(self) -> None:
        """Begin a segment after those that it sees."""
        self.segment = self.request.segments[len(self.texts)]
        self.tokens = [
            *self.lead,
            *(token for seen in self.segment.sees for token in self.parts[seen]),
            *self.segment.opening,
        ]
        self.entered = True
        self.parts.append(list(self.segment.opening))
        self.token_logprobs += [[]] if self._is_forced() else []
        self.matcher: Matcher = self.segment.grammar.start()
        self._leave()

    def _leave(self) -> None:
        """Move to the next segment when the text of this one is complete."""
        if self.matcher.is_stopped():
            self.texts.append(self.tokenizer.decode_str(self.parts[-1][len(self.segment.given) :]))
            self.done = len(self.texts) == len(self.request.segments)
            if any(
                text != told.decode()
                for text, told in zip(self.texts, self.request.forced_texts, strict=False)
            ):
                self.fail("its grammar does not allow the text that was told")
            if not self.done:
                self._enter()
        elif len(self.tokens) > self.budget:
            self.fail("the row is longer than its grammar can be")

    def fail(self, why: str) -> None:
        """End this row; the others go on."""
        self.failure, self.done = why, True

    def _consume(self, tokens: list[int]) -> bool:
        self.tokens += tokens
        self.parts[-1] += tokens
        if tokens and (tokens[0] < 0 or not self.matcher.consume_tokens(tokens)):
            self.fail(
                f"grammar: {self.matcher.get_error().splitlines()[0] if self.matcher.is_error() else 'token refused'}"
            )
        return not self.failure


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many numbers two sequences have in common at their beginning."""
    return next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
