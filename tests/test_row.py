"""A row: forced texts, refused tokens, and what of the cache it goes on from."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.llm.grammar import Grammar, Masks
from t2local.llm.requests import Request, Segment
from t2local.llm.row import Row, common_length
from t2local.llm.sampling import RowStream, allowed_tokens
from t2local.llm.scripted import ScriptedModel

MODEL = ScriptedModel()
MASKS = Masks(1, MODEL.n_vocab)
WORDS = ["ab", "ac", "b"]
WORD = Grammar({"enum": WORDS}, MODEL.tokenizer)
FORCED = Grammar({"const": "same"}, MODEL.tokenizer)
numbers = st.lists(st.integers(0, 2), max_size=8)


def start(*segments: Segment, forced_texts: tuple[bytes, ...] = (), max_tokens: int = 50) -> Row:
    return Row(
        0,
        Request(segments, RowStream(1), forced_texts),
        slot=1,
        other_sequence=1,
        start=10,
        max_tokens=max_tokens,
        tokenizer=MODEL.tokenizer,
    )


def run(row: Row, logits=None) -> None:
    """Offer a row the bytes that its grammar allows until it is done."""
    while not row.done:
        allowed = allowed_tokens(MASKS.fill([row.matcher])[0])
        values = np.zeros(len(allowed)) if logits is None else logits[allowed]
        row.choose(values.astype(np.float32), allowed, 1.0)


@given(numbers, numbers)
def test_the_common_length_is_the_greatest_at_which_the_beginnings_are_equal(one, other):
    lengths = range(min(len(one), len(other)) + 1)
    assert common_length(one, other) == max(n for n in lengths if one[:n] == other[:n])


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(WORDS), st.integers(0, 2**32 - 1))
def test_a_forced_text_gets_the_log_probability_of_its_tokens(word, seed):
    logits = np.random.default_rng(seed).normal(0, 2, 256).astype(np.float32)
    row = start(Segment((65,), WORD), forced_texts=(f'"{word}"'.encode(),))
    run(row, logits)
    completion = row.completion()
    assert completion.texts == (f'"{word}"',)
    # At the first choice a and b are possible, at the second b and c; after b nothing is open.
    a, b, c = (float(logits[ord(letter)]) for letter in "abc")
    expected = [(2, (a if word[0] == "a" else b) - np.logaddexp(a, b))]
    if word[0] == "a":
        expected.append((3, (b if word[1] == "b" else c) - np.logaddexp(b, c)))
    [token_logprobs] = completion.token_logprobs
    assert [end for end, _ in token_logprobs] == [end for end, _ in expected]
    for (_, logprob), (_, value) in zip(token_logprobs, expected, strict=True):
        assert math.isclose(logprob, value, abs_tol=1e-5)
    assert math.isclose(completion.logprob, sum(value for _, value in expected), abs_tol=1e-5)


@pytest.mark.parametrize(
    ("grammar", "text"), [(WORD, b'"ad"'), (WORD, b'"x"'), (FORCED, b'"other"'), (WORD, b"")]
)
def test_a_text_that_the_grammar_does_not_allow_fails_the_row(grammar, text):
    row = start(Segment((65,), grammar), Segment((66,), WORD), forced_texts=(text,))
    if not row.done:
        run(row)
    assert row.failure
    assert row.completion().failure == row.failure
    assert len(row.texts) < 2


def test_only_the_forced_segments_are_forced():
    row = start(Segment((65,), WORD), Segment((66,), WORD, sees=(0,)), forced_texts=(b'"ac"',))
    run(row)
    assert row.texts[0] == '"ac"'
    assert row.texts[1] in {f'"{word}"' for word in WORDS}
    assert len(row.completion().token_logprobs) == 1


def test_a_text_that_is_forced_whole_needs_no_choice():
    row = start(Segment((65,), FORCED))
    assert (row.done, row.texts, row.failure) == (True, ['"same"'], "")


def test_a_row_ends_at_its_greatest_length():
    row = start(Segment((65,), Grammar({"type": "string"}, MODEL.tokenizer)), max_tokens=4)
    letters = np.array([ord("x")])
    for _ in range(3):
        row.choose(np.zeros(1, dtype=np.float32), letters, 1.0)
    assert row.done
    assert "longer" in row.failure


def test_a_token_that_the_grammar_refuses_fails_the_row():
    row = start(Segment((65,), WORD))
    row.choose(np.zeros(1, dtype=np.float32), np.array([ord("z")]), 1.0)
    assert row.done
    assert row.failure.startswith("grammar: ")


def branching_row(*parts: tuple[bytes, tuple[int, ...]]):
    """A row with two sequences, and a context in which it may go on."""
    context = MODEL.context(500, 3)
    row = Row(
        0,
        Request(tuple(Segment(tuple(prompt), WORD, sees) for prompt, sees in parts), RowStream(1)),
        slot=1,
        other_sequence=2,
        start=0,
        max_tokens=100,
        tokenizer=MODEL.tokenizer,
    )
    return row, context


def pending(row: Row) -> bytes:
    return bytes(row.tokens[len(row.cached_tokens) :])


def advance(row: Row, context) -> None:
    """Decode what is pending of a row, then choose; until it enters the next segment."""
    n_texts = len(row.texts)
    while len(row.texts) == n_texts:
        if row.must_rewind:
            row.rewind(context)
        tokens = np.array(row.tokens[len(row.cached_tokens) :], dtype=np.int32)
        positions = row.start + len(row.cached_tokens) + np.arange(len(tokens), dtype=np.int32)
        outputs = np.zeros(len(tokens), dtype=bool)
        outputs[-1] = True
        sequences = np.full(len(tokens), row.sequence, dtype=np.int32)
        logits = context.decode(tokens, positions, sequences, outputs)
        allowed = allowed_tokens(MASKS.fill([row.matcher])[0])
        row.choose(logits[0, allowed], allowed, 0.0)


def test_a_segment_that_sees_all_goes_on_where_the_row_is():
    row, context = branching_row((b"A", ()), (b"B", (0,)))
    advance(row, context)
    row.rewind(context)
    assert row.sequence == 1
    assert pending(row).endswith(b'B"')
    assert row.other_tokens == []


def test_a_segment_that_sees_less_branches_off_and_the_next_may_come_back():
    row, context = branching_row((b"A", ()), (b"B", (0,)), (b"C", (0,)), (b"D", (0, 1, 2)))
    advance(row, context)
    advance(row, context)
    row.rewind(context)
    assert row.sequence == 2  # a copy of A; sequence 1 keeps A and B
    assert pending(row) == b'C"'
    advance(row, context)
    row.rewind(context)
    assert row.sequence == 1  # A and B are in it already: of the fourth segment's context C is new
    assert pending(row).startswith(b'"C"') or pending(row).startswith(b'b"C')
    row.release(context)
    for sequence in (1, 2):
        context.branch(0, sequence)  # it would raise if the sequence were in use


def test_the_last_token_is_always_decoded_again():
    row, context = branching_row((b"A", ()), (b"B", ()))
    advance(row, context)
    row.rewind(context)
    assert row.cached_tokens == []
    assert pending(row) == b'B"'
