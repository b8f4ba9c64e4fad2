"""Segments: what opens them, and when two are the same."""

from t2local.llm.grammar import Grammar, byte_tokenizer
from t2local.llm.requests import Completion, Request, Segment
from t2local.llm.sampling import RowStream

TOKENIZER = byte_tokenizer()
WORD = Grammar({"enum": ["one", "only"]}, TOKENIZER)
ANY = Grammar({"enum": ["a", 1]}, TOKENIZER)


def test_a_segment_opens_with_its_prompt_and_what_the_grammar_forces():
    assert bytes(Segment(tuple(b"A"), WORD).opening) == b'A"on'
    assert bytes(Segment((), WORD).opening) == b'"on'
    assert Segment((), ANY).opening == ()


def test_rows_share_a_start_only_where_segments_are_equal():
    assert Segment((1,), WORD) == Segment((1,), WORD)
    assert len({Segment((1,), WORD), Segment((1,), WORD), Segment((2,), WORD)}) == 2
    again = Grammar({"enum": ["one", "only"]}, TOKENIZER)
    assert Segment((1,), again) != Segment((1,), WORD)  # a grammar is compiled once and passed on


def test_a_request_forces_nothing_and_a_completion_has_no_failure_by_default():
    assert Request((Segment((), WORD),), RowStream(1)).forced_texts == ()
    completion = Completion(('"one"',), -0.7)
    assert (completion.failure, completion.first_logits, completion.token_logprobs) == (
        "",
        None,
        (),
    )
