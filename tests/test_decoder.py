"""The decoder with the scripted model, whose cache raises at every token in a wrong place."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher

from t2local.errors import DecodeError
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar, Masks
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream, allowed_tokens
from t2local.llm.scripted import ScriptedModel

MODEL = ScriptedModel()
#: Texts of many lengths, and text that is forced: the word differs by its first letter alone.
WORDS = ["a", "bb", "c" * 30, "dd dd", "e"]
WORD = Grammar({"enum": WORDS}, MODEL.tokenizer)
NUMBER = Grammar({"type": "integer", "minimum": 0, "maximum": 99999}, MODEL.tokenizer)
CLOSED = Grammar(
    {
        "type": "array",
        "prefixItems": [{"type": "integer", "minimum": 0, "maximum": 99999}],
        "items": False,
        "minItems": 1,
    },
    MODEL.tokenizer,
)
BARE = Grammar(
    {"enum": ["a", True, None]}, MODEL.tokenizer
)  # forces nothing, not even its first byte
FORCED = Grammar({"const": "always the same"}, MODEL.tokenizer)


def segment(grammar: Grammar, prompt: bytes = b"A") -> Segment:
    return Segment(tuple(prompt), grammar)


def chain(*segments: Segment) -> tuple[Segment, ...]:
    """Segments of a row that moves on: each sees all before it."""
    return tuple(
        replace(segment, sees=tuple(range(number))) for number, segment in enumerate(segments)
    )


def write(requests, slots=4, model=MODEL, max_row_tokens=200, **options):
    with Decoder(
        model, slots=slots, prefix_tokens=6, max_row_tokens=max_row_tokens, **options
    ) as decoder:
        decoder.prefill(model.tokenize("prefix"))
        return dict(decoder.complete(requests)), decoder.counters


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([WORD, CLOSED, FORCED, BARE]), min_size=1, max_size=4), max_size=12
    ),
    st.sampled_from([b"A", b""]),
    st.integers(1, 5),
)
def test_no_row_is_lost_doubled_or_changed_by_the_slots(mix, given, slots):
    requests = [
        Request(chain(*(segment(grammar, given) for grammar in grammars)), RowStream(1, row=i))
        for i, grammars in enumerate(mix)
    ]
    done, counters = write(requests, slots)
    alone = [write([request], 1)[0][0] for request in requests]
    assert sorted(done) == list(range(len(requests)))
    assert [done[i] for i in range(len(requests))] == alone
    assert (counters.failed_rows, counters.failed_decodes) == (0, 0)


def test_the_order_of_arrival_changes_no_row():
    requests = [
        Request(chain(segment(CLOSED), segment(WORD)), RowStream(5, row=i)) for i in range(30)
    ]
    forward, backward = write(requests)[0], write(requests[::-1])[0]
    assert [forward[i].texts for i in range(30)] == [backward[29 - i].texts for i in range(30)]


def test_rows_that_move_on_never_go_back():
    model = ScriptedModel()
    model.can_rewind = False  # now its contexts raise
    requests = [
        Request(chain(segment(grammar, given), segment(WORD, b"")), RowStream(1, row=i))
        for i, (grammar, given) in enumerate([(CLOSED, b"A"), (WORD, b""), (BARE, b"")] * 5)
    ]
    assert write(requests, model=model)[0] == write(requests)[0]


def test_a_row_that_opens_with_no_token_takes_its_first_choice_from_the_prompt():
    model = Recorder(lambda text: b"7" if text.endswith(b"prefix") else b"")
    grammar = Grammar({"type": "integer", "minimum": 0, "maximum": 9}, model.tokenizer)
    requests = [Request((segment(grammar, b""),), RowStream(1, row=i)) for i in range(5)]
    done, _ = write(requests, model=model)
    assert {completion.texts for completion in done.values()} == {("7",)}
    assert model.decodes == [(len("prefix"), 1)]


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 4), st.sampled_from([0, 12, 40]))
def test_a_row_that_branches_sees_just_what_its_segments_name(data, slots, typical_row_tokens):
    grammars = data.draw(st.lists(st.sampled_from([WORD, CLOSED, FORCED]), min_size=2, max_size=5))
    sees = [
        tuple(sorted(data.draw(st.sets(st.integers(0, number - 1), max_size=number))))
        if number
        else ()
        for number in range(len(grammars))
    ]
    segments = tuple(
        Segment(tuple(b"ABCDE"[i : i + 1]), grammar, seen)
        for i, (grammar, seen) in enumerate(zip(grammars, sees, strict=True))
    )
    read: set[bytes] = set()

    def script(text: bytes) -> bytes:
        read.add(text.removeprefix(b"prefix"))
        return b""

    model = ScriptedModel(script)
    done, _ = write(
        [Request(segments, RowStream(1, row=i)) for i in range(7)],
        slots,
        model,
        branches=2,
        typical_row_tokens=typical_row_tokens,
    )
    assert all(completion.failure == "" for completion in done.values())
    for completion in done.values():
        parts = [
            bytes(segment.prompt) + text.encode()
            for segment, text in zip(segments, completion.texts, strict=True)
        ]
        for segment, part in zip(segments, parts, strict=True):
            # What the model read before each choice: what the segment sees, then its own opening.
            before = b"".join(parts[seen] for seen in segment.sees)
            own = [
                text
                for text in read
                if text.startswith(before + bytes(segment.opening))
                and (before + part).startswith(text)
            ]
            assert own or segment.grammar is FORCED


def test_branching_decodes_less_than_beginning_anew():
    parts = [(CLOSED, b"A", ()), (WORD, b"B", (0,)), (WORD, b"C", (0,)), (CLOSED, b"D", (0, 1, 2))]
    segments = tuple(Segment(tuple(given), grammar, sees) for grammar, given, sees in parts)
    requests = [Request(segments, RowStream(1, row=i)) for i in range(40)]
    done, counters = write(requests, branches=2)
    written = sum(len(text) + 1 for completion in done.values() for text in completion.texts)
    third = sum(
        len(completion.texts[2]) + 1 for completion in done.values()
    )  # the one part that is read again
    assert counters.row_tokens <= written + third


def test_rows_that_do_not_fit_the_context_wait_and_come_out_the_same():
    requests = [
        Request(chain(segment(WORD), segment(CLOSED)), RowStream(3, row=i)) for i in range(20)
    ]
    roomy, _ = write(requests, slots=8)
    tight, counters = write(requests, slots=8, max_row_tokens=45, typical_row_tokens=8)
    assert tight == roomy
    assert counters.requeued_rows > 0


def test_a_start_that_rows_share_is_decoded_once():
    requests = [
        Request((segment(CLOSED, b"a long beginning "),), RowStream(1, row=i)) for i in range(50)
    ]
    done, counters = write(requests)
    # What is written is at most the digits: the brackets are forced, and what ends a row is not
    # decoded.
    assert counters.row_tokens <= len("a long beginning [") + sum(
        len(completion.texts[0]) - 2 for completion in done.values()
    )
    assert done == {i: write([request])[0][0] for i, request in enumerate(requests)}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.text(alphabet="abc ", min_size=1, max_size=12), min_size=1, max_size=6, unique=True
    ),
    st.integers(0, 999),
    st.integers(0, 2000),
)
def test_forced_tokens_give_the_text_that_sampling_every_token_gives(levels, low, width):
    schema = {
        "type": "array",
        "prefixItems": [
            {"enum": levels},
            {"type": "integer", "minimum": low, "maximum": low + width},
        ],
        "items": False,
        "minItems": 2,
    }
    model = ScriptedModel(lambda text: bytes([sum(text) % 128]))
    grammar = Grammar(schema, model.tokenizer)
    done, _ = write([Request((segment(grammar),), RowStream(1))], model=model, temperature=0.0)
    matcher, text, masks = LLMatcher(model.tokenizer, grammar.source), b"", Masks(1, model.n_vocab)
    while not matcher.is_stopped():
        allowed = allowed_tokens(masks.fill([matcher])[0])
        wish = sum(b"prefixA" + text) % 128
        token = wish if wish in allowed else int(allowed[0])
        assert matcher.consume_token(token)
        text += bytes([token])
    assert done[0].texts[0].encode() == text


def test_a_prompt_keeps_what_it_has_in_common_with_the_one_before():
    with Decoder(MODEL, slots=2, prefix_tokens=20, max_row_tokens=50) as decoder:
        decoder.prefill(list(b"the team: one"), 9)
        decoder.prefill(list(b"the team: other"), 9)
        assert decoder.counters.prefix_tokens == len("the team: one") + len(" other")
        decoder.prefill(list(b"a team: another"), 8)
        assert decoder.counters.prefix_tokens == len("the team: one") + len(" other") + len(
            "a team: another"
        )


def test_a_longer_prompt_opens_a_larger_context():
    with Decoder(MODEL, slots=2, prefix_tokens=6, max_row_tokens=50) as decoder:
        decoder.prefill(list(b"a prompt that is longer than planned"))
        assert (
            len(
                dict(
                    decoder.complete(
                        [Request((segment(CLOSED),), RowStream(1, row=i)) for i in range(5)]
                    )
                )
            )
            == 5
        )


def test_forced_tokens_are_not_sampled_and_the_text_is_the_same():
    wish = ScriptedModel(lambda text: b"c" if text.endswith(b'"') else b"")
    done, counters = write([Request((segment(WORD),), RowStream(1))], model=wish)
    assert json.loads(done[0].texts[0]) == "c" * 30
    assert counters.sampled_tokens <= 2


def test_a_segment_sees_what_the_segments_before_it_wrote():
    def script(text: bytes) -> bytes:
        return b"7" if text.endswith(b"[") else b"]"

    done, _ = write(
        [Request(chain(segment(CLOSED), segment(CLOSED, b"|")), RowStream(1))],
        model=ScriptedModel(script),
    )
    assert done[0].texts == ("[7]", "[7]")


def test_a_row_over_its_budget_fails_alone_and_is_counted():
    model = ScriptedModel(lambda text: b"9")
    grammar = Grammar({"type": "string", "maxLength": 500}, model.tokenizer)
    with Decoder(model, slots=2, prefix_tokens=6, max_row_tokens=40) as decoder:
        decoder.prefill(list(b"prefix"))
        done = dict(
            decoder.complete(
                [Request((segment(g),), RowStream(1, row=i)) for i, g in enumerate([grammar, WORD])]
            )
        )
    assert "longer" in done[0].failure
    assert done[1].failure == ""
    assert decoder.counters.failed_rows == 1


def test_sampling_follows_the_models_distribution():
    requests = [Request((segment(WORD),), RowStream(9, row=i)) for i in range(1000)]
    done, _ = write(requests, slots=50)
    counts = [sum(json.loads(c.texts[0]) == word for c in done.values()) for word in WORDS]
    assert np.abs(np.array(counts) / 1000 - 0.2).max() < 0.05  # 4 sd of a share of 1000


def test_a_segment_may_keep_the_logits_of_its_first_choice():
    model = ScriptedModel(lambda text: b"c" if text.endswith(b'B"') else b"")
    label = Segment(tuple(b"B"), WORD, sees=(0,), keep_logits=True)
    done, _ = write(
        [Request((segment(CLOSED), label), RowStream(1, row=i)) for i in range(6)], model=model
    )
    for completion in done.values():
        tokens, logits = completion.first_logits
        assert bytes(tokens.tolist()) == b"abcde"
        assert logits.tolist() == [0.0, 0.0, 20.0, 0.0, 0.0]
    assert write([Request((segment(WORD),), RowStream(1))])[0][0].first_logits is None


def test_what_does_not_fit_the_model_is_said_before_any_token():
    with pytest.raises(DecodeError, match="do not fit"):
        Decoder(ScriptedModel(context_length=100), slots=1, prefix_tokens=90, max_row_tokens=20)


def test_slots_are_free_again_when_a_reader_stops_early():
    with Decoder(MODEL, slots=2, prefix_tokens=6, max_row_tokens=50) as decoder:
        decoder.prefill(list(b"prefix"))
        reading = decoder.complete(
            [Request((segment(CLOSED),), RowStream(1, row=i)) for i in range(5)]
        )
        next(reading)
        reading.close()
        assert (
            len(
                dict(
                    decoder.complete(
                        [Request((segment(CLOSED),), RowStream(1, row=i)) for i in range(5)]
                    )
                )
            )
            == 5
        )


class Recorder:
    """A scripted model whose contexts keep how many tokens and outputs each decode had."""

    def __init__(self, script=None):
        self._model = ScriptedModel(script)
        self.decodes: list[tuple[int, int]] = []

    def __getattr__(self, name):
        return getattr(self._model, name)

    def context(self, n_tokens, n_sequences):
        context = self._model.context(n_tokens, n_sequences)
        decode = context.decode

        def recorded(tokens, positions, sequences, outputs, *, full=False):
            self.decodes.append((len(tokens), int(outputs.sum())))
            return decode(tokens, positions, sequences, outputs, full=full)

        context.decode = recorded
        return context


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([WORD, CLOSED, FORCED, BARE]), min_size=1, max_size=3),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 4),
)
def test_counters_are_the_sums_over_all_decodes(mix, slots):
    model = Recorder()
    requests = [
        Request(chain(*map(segment, grammars)), RowStream(1, row=i))
        for i, grammars in enumerate(mix)
    ]
    _, counters = write(requests, slots, model)
    prefix, *steps = model.decodes
    assert prefix == (counters.prefix_tokens, 1) == (len("prefix"), 1)
    assert counters.row_tokens == sum(tokens for tokens, _ in steps)
    assert counters.sampled_tokens == sum(outputs for _, outputs in steps)
    assert counters.decoded_tokens == sum(tokens for tokens, _ in model.decodes)
    assert counters.decode_seconds > 0


@pytest.mark.parametrize("slots", [1, 7, 50])
def test_a_step_has_no_more_tokens_than_is_best_unless_one_row_alone_has(slots):
    model = Recorder()
    requests = [
        Request((segment(CLOSED, bytes([65 + i % 20]) * (5 if i else 100)),), RowStream(1, row=i))
        for i in range(40)
    ]
    done, _ = write(requests, slots, model)
    assert all(completion.failure == "" for completion in done.values())
    for tokens, outputs in model.decodes[2:]:
        assert tokens <= model.max_step_tokens or outputs == 1


def test_no_more_slots_are_used_than_llama_cpp_has_sequences():
    opened = []

    class Narrow(Recorder):
        def context(self, n_tokens, n_sequences):
            opened.append(n_sequences)
            return super().context(n_tokens, n_sequences)

    for branches in (1, 2):
        with Decoder(
            Narrow(), slots=1000, prefix_tokens=6, max_row_tokens=50, branches=branches
        ) as decoder:
            decoder.prefill(list(b"prefix"))
            requests = [Request((segment(CLOSED),), RowStream(1, row=i)) for i in range(300)]
            assert len(dict(decoder.complete(requests))) == 300
    assert max(opened) <= 256


@pytest.mark.parametrize("stable", [0, 6])
def test_a_decode_that_fails_is_counted_and_the_prefix_is_decoded_anew(stable):
    class Failing(Recorder):
        broken = True

        def context(self, n_tokens, n_sequences):
            context = super().context(n_tokens, n_sequences)
            decode = context.decode

            def fail_once(*arguments, **options):
                if self.broken:
                    self.broken = False
                    decode(*arguments, **options)  # what it leaves in the cache must go
                    raise DecodeError("no memory", next_step="try again")
                return decode(*arguments, **options)

            context.decode = fail_once
            return context

    with Decoder(Failing(), slots=2, prefix_tokens=6, max_row_tokens=50) as decoder:
        with pytest.raises(DecodeError):
            decoder.prefill(list(b"prefix"), 6)
        decoder.prefill(list(b"prefix"), stable)
        assert (decoder.counters.failed_decodes, decoder.counters.prefix_tokens) == (1, 6)
        [(_, completion)] = decoder.complete([Request((segment(CLOSED),), RowStream(1))])
        assert completion.failure == ""


def test_no_requests_are_no_rows_and_a_time_that_is_over_stops_at_once():
    assert write([])[0] == {}
    with Decoder(MODEL, slots=2, prefix_tokens=6, max_row_tokens=50) as decoder:
        decoder.prefill(list(b"prefix"))
        requests = [Request((segment(CLOSED),), RowStream(1, row=i)) for i in range(5)]
        assert list(decoder.complete(requests, until=0.0)) == []
        assert len(dict(decoder.complete(requests))) == 5
