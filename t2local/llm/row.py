"""One row in a slot of the decoder: its tokens, its segments, and what the cache holds of it."""

import math
from collections.abc import Sequence

import numpy as np

from t2local.llm.grammar import Matcher, Tokenizer, consume_forced
from t2local.llm.model import Context, LogitArray, TokenArray
from t2local.llm.requests import Completion, Request, Segment, TokenLogprobs
from t2local.llm.sampling import draw


class Row:
    """A row that is being written.

    **Parameters:**

    * **number**: of its request.
    * **slot**: its place among the rows; also the number of its first sequence.
    * **other_sequence**: its second sequence; the same as the first where rows do not branch.
    * **start**: the position of its first token in the cache.
    * **max_tokens**: the most tokens that the row may hold; beyond that it fails.

    Two sequences of a row hold two beginnings of it. A segment that does not see all before it goes
    on from the one that has more in common with what it sees.
    """

    def __init__(
        self,
        number: int,
        request: Request,
        *,
        slot: int,
        other_sequence: int,
        start: int,
        max_tokens: int,
        tokenizer: Tokenizer,
    ) -> None:
        self.number = number
        self.request = request
        self.slot = slot
        self.start = start
        #: The sequence that the row goes on with, and the one that it left last.
        self.sequence = slot
        self.other_sequence = other_sequence
        #: What the row holds now, and what of it each sequence has in the cache.
        self.tokens: list[int] = []
        self.cached_tokens: list[int] = []
        self.other_tokens: list[int] = []
        #: How many of the cached tokens belong to a start that rows share: they take no room twice.
        self.n_shared = 0
        #: Whether a segment began since the last decode, which may not see all that is cached.
        self.must_rewind = False
        self.texts: list[str] = []
        self.failure = ""
        self.done = False
        self._max_tokens = max_tokens
        self._tokenizer = tokenizer
        self._segment_tokens: list[list[int]] = []  # of every segment, with its opening
        self._logprob = 0.0
        self._first_logits: tuple[TokenArray, LogitArray] | None = None
        self._token_logprobs: list[TokenLogprobs] = []
        self._uniforms = iter(request.stream.uniforms(max_tokens))
        self._enter_segment()

    def choose(self, logits: LogitArray, allowed: TokenArray, temperature: float) -> None:
        """Take the next token, and go on with all that the grammar forces after it."""
        segment = self.segment
        if segment.keep_logits and len(self._segment_tokens[-1]) == len(segment.opening):
            self._first_logits = allowed, logits
        if self._is_forced:
            token, logprob = self._next_forced(logits, allowed)
        else:
            token, logprob = draw(logits, allowed, temperature, float(next(self._uniforms)))
        # The logits came after all tokens so far, so the cache has them all.
        self.cached_tokens = self.tokens.copy()
        self._logprob += logprob
        if self._consume(token):
            self._append(consume_forced(self.matcher))
            self._end_segment()

    def fail(self, reason: str) -> None:
        """End this row; the others go on."""
        self.failure = reason
        self.done = True

    def completion(self) -> Completion:
        """What the row is at its end."""
        return Completion(
            tuple(self.texts),
            self._logprob,
            self.failure,
            self._first_logits,
            tuple(self._token_logprobs),
        )

    def rewind(self, context: Context) -> None:
        """Bring the cache to what the new segment sees; what it holds of that already stays."""
        self.must_rewind = False
        n_kept = self._reusable(self.cached_tokens)
        if n_kept == len(self.cached_tokens):
            return
        if self.other_sequence == self.sequence:
            context.rewind(self.sequence, self.start + n_kept)
        else:
            n_kept = self._switch_sequence(context, n_kept)
        self.cached_tokens = self.tokens[:n_kept]
        self.n_shared = 0

    def release(self, context: Context) -> None:
        """Free what the cache holds of this row."""
        context.drop(self.sequence)
        if self.other_tokens:
            context.drop(self.other_sequence)

    def _reusable(self, cached: Sequence[int]) -> int:
        """How many cached tokens the row can go on from."""
        # The last token is decoded anew in any case: the next choice needs the logits after it.
        return min(common_length(cached, self.tokens), len(self.tokens) - 1)

    def _switch_sequence(self, context: Context, n_common: int) -> int:
        """Go on in the other sequence, and keep this one as it is for a later segment.

        **Returns** how many of the row's tokens the other sequence holds then.
        """
        n_other = self._reusable(self.other_tokens)
        if n_other <= n_common:
            context.drop(self.other_sequence)
            context.branch(self.sequence, self.other_sequence)
        context.rewind(self.other_sequence, self.start + max(n_common, n_other))
        self.other_tokens = self.cached_tokens
        self.sequence, self.other_sequence = self.other_sequence, self.sequence
        return max(n_common, n_other)

    def _enter_segment(self) -> None:
        """Begin the next segment after those that it sees."""
        number = len(self.texts)
        self.segment: Segment = self.request.segments[number]
        opening = self.segment.opening
        visible = (token for seen in self.segment.sees for token in self._segment_tokens[seen])
        self.tokens = [*visible, *opening]
        self._segment_tokens.append(list(opening))
        self._is_forced = number < len(self.request.forced_texts)
        if self._is_forced:
            self._token_logprobs.append([])
        self.matcher: Matcher = self.segment.grammar.start()
        self.must_rewind = True
        self._end_segment()

    def _end_segment(self) -> None:
        """Move to the next segment when the text of this one is complete."""
        if self.matcher.is_stopped():
            number = len(self.texts)
            self.texts.append(self._tokenizer.decode_str(self._text_tokens()))
            self.done = len(self.texts) == len(self.request.segments)
            # A grammar that forces all of its text never asks for a choice that could be refused.
            if self._is_forced and self.texts[-1] != self.request.forced_texts[number].decode():
                self.fail("its grammar does not allow the forced text")
            if not self.done:
                self._enter_segment()
        elif len(self.tokens) > self._max_tokens:
            self.fail("the row is longer than its grammar can be")

    def _next_forced(self, logits: LogitArray, allowed: TokenArray) -> tuple[int, float]:
        """The token with which the forced text goes on, and its log-probability.

        The token is -1 where the grammar does not allow that text.
        """
        number = len(self.texts)
        text = self.request.forced_texts[number]
        written = self._tokenizer.decode_bytes(self._text_tokens())
        token = next(iter(self._tokenizer.tokenize_bytes(text[len(written) :])), -1)
        place = np.flatnonzero(allowed == token)
        if not text.startswith(written) or not len(place):
            return -1, -math.inf
        logprob = float(logits[place[0]] - np.logaddexp.reduce(logits.astype(np.float64)))
        end = len(written) + len(self._tokenizer.decode_bytes([token]))
        self._token_logprobs[number].append((end, logprob))
        return token, logprob

    def _text_tokens(self) -> list[int]:
        """The tokens of this segment's text so far, without its prompt."""
        return self._segment_tokens[-1][len(self.segment.prompt) :]

    def _append(self, tokens: list[int]) -> None:
        self.tokens += tokens
        self._segment_tokens[-1] += tokens

    def _consume(self, token: int) -> bool:
        """Append a token to the row, if its grammar takes it."""
        self._append([token])
        if token < 0 or not self.matcher.consume_token(token):
            problem = "token refused"
            if self.matcher.is_error():
                problem = self.matcher.get_error().splitlines()[0]
            self.fail(f"grammar: {problem}")
        return not self.failure


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many numbers two sequences have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
