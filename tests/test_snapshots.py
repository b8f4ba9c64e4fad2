"""Prompts that rows share, against a fresh decode of prompt and row, for each kind of memory."""

from contextlib import closing

import numpy as np
import pytest

import t2local
from t2local.errors import DecodeError, ModelError
from t2local.llm.backbone import Backbone
from t2local.llm.context import ContextOptions, LlamaContext
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar, Masks, consume_forced
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream, allowed_tokens
from tests.kinds import KINDS, RECURRENT, WINDOW, tiny_of
from tests.tiny import WIDTH, load

pytestmark = pytest.mark.usefixtures("few_trees")
#: Keys and values are kept in 16 bits; the logits of these models have a standard deviation of 2.
#: With one token of the prompt twice they are off by 0.1 to 2.
NOISE = 0.05
HEAD = "The team writes rows: colour, number, colour again. "


def load_kind(folder, kind) -> Backbone:
    return load(tiny_of(folder / f"{kind}.gguf", kind))


@pytest.fixture(scope="module", params=KINDS)
def model(request, tmp_path_factory):
    with closing(load_kind(tmp_path_factory.mktemp("kinds"), request.param)) as model:
        yield model


def array(model, *cells) -> Grammar:
    schema = {"type": "array", "prefixItems": list(cells), "items": False, "minItems": len(cells)}
    return Grammar(schema, model.tokenizer)


def rows_of(model) -> list[tuple[Segment, ...]]:
    """Rows that begin alike and rows of their own, with an opening and without, long and short."""
    words = {"enum": ["red", "green", "a much longer word than these", "blue"]}
    number = {"type": "integer", "minimum": 0, "maximum": 9999}
    common, bare = array(model, words, number), Grammar({"enum": [True, None, 7]}, model.tokenizer)
    mark, label = tuple(model.tokenize("A")), array(model, words)
    assert Segment((), bare).opening == ()
    own = [array(model, {"const": text}, number) for text in ("one", "two and more")]
    firsts = [Segment(mark, common)] * 4 + [Segment((), bare)] * 3
    firsts += [Segment(mark, grammar) for grammar in own]
    rows = [(first, Segment((), label, sees=(0,))) for first in firsts]
    if model.can_rewind:  # a part that sees less than is written
        rows = [(*row, Segment(tuple(model.tokenize("B")), label, sees=(0,))) for row in rows]
    return rows


def shared(model, prompts, rows, forced=None):
    """What the decoder makes of the rows after the last prompt, three side by side."""
    requests = [
        Request(segments, RowStream(1, row=i), forced[i] if forced else ())
        for i, segments in enumerate(rows)
    ]
    options = {"slots": 3, "prefix_tokens": len(prompts[-1]), "max_row_tokens": 90}
    with Decoder(model, **options, typical_row_tokens=60, branches=1 + model.can_rewind) as decoder:
        for prompt in prompts:
            decoder.prefill(prompt, len(model.tokenize(HEAD)))
        return dict(decoder.complete(requests))


def fresh(model, context, prompt, segments, texts) -> list[float]:
    """Log-probabilities of the choices in given texts, each after a decode of all before it."""
    masks, parts, logprobs = Masks(1, model.n_vocab), [], []
    for segment, text in zip(segments, texts, strict=True):
        matcher, rest = segment.grammar.start(), text.encode()
        before = [*prompt, *(token for seen in segment.sees for token in parts[seen])]
        own = list(segment.opening)
        while not matcher.is_stopped():
            written = model.tokenizer.decode_bytes(own[len(segment.prompt) :])
            token = model.tokenizer.tokenize_bytes(rest[len(written) :])[0]
            allowed = allowed_tokens(masks.fill([matcher])[0])
            logits = last_logits(context, before + own)[allowed].astype(np.float64)
            [place] = np.flatnonzero(allowed == token)
            logprobs.append(logits[place] - np.logaddexp.reduce(logits))
            assert matcher.consume_token(token)
            own += [token, *consume_forced(matcher)]
        parts.append(own)
    return logprobs


def last_logits(context, tokens, start=0):
    """All logits after the tokens of sequence 0, of which those before ``start`` stay."""
    context.rewind(0, start)
    n = len(tokens) - start
    outputs = np.zeros(n, dtype=bool)
    outputs[-1] = True
    numbers = (np.array(tokens[start:]), np.arange(start, start + n), np.zeros(n))
    columns = [array.astype(np.int32) for array in numbers]
    return np.array(context.decode(*columns, outputs, full=True)[0, slice(None)])


def test_rows_after_a_shared_prompt_are_scored_as_in_a_fresh_decode(model):
    prompts = [model.prompt([HEAD, shown]) for shown in ('A["red",12]["blue"]\n', "7 rows\n" * 9)]
    rows = rows_of(model)
    written = shared(model, prompts, rows)
    assert [completion.failure for completion in written.values()] == [""] * len(rows)
    texts = [written[i].texts for i in range(len(rows))]
    scored = shared(model, prompts, rows, [tuple(t.encode() for t in text) for text in texts])
    worst = 0.0
    with closing(model.context(400, 1)) as context:
        for i, segments in enumerate(rows):
            assert scored[i].failure == ""
            got = [logprob for part in scored[i].token_logprobs for _, logprob in part]
            expected = fresh(model, context, prompts[-1], segments, texts[i])
            worst = max(worst, np.abs(np.array(got) - expected).max())
    assert worst < NOISE


def test_a_row_may_go_back_behind_the_window_of_a_layer(tmp_path):
    tokens = np.random.default_rng(1).integers(3, 300, 700).tolist()
    with closing(load_kind(tmp_path, "gemma3")) as model:
        options = ContextOptions(model.n_vocab, 1, 32, None)
        with closing(LlamaContext(model._model, options, n_tokens=800, n_sequences=1)) as context:
            expected = last_logits(context, tokens[: WINDOW * 5])
            last_logits(context, tokens)
            back = last_logits(context, tokens[: WINDOW * 5], start=WINDOW * 5 - 1)
    assert np.allclose(back, expected, atol=NOISE)


@pytest.mark.parametrize("kind", ["lfm2", "granitehybrid", "qwen3next"])
def test_a_table_goes_through_with_a_hybrid_model(kind, patients, tmp_path):
    result = t2local.generate(
        patients,
        target="outcome",
        rows=8,
        max_batches=1,
        model=str(tiny_of(tmp_path / "a.gguf", kind)),
        settings={"decoder.threads": 1},
    )
    rows, tokens = result.report["rows"], result.report["tokens"]
    assert (
        rows["generated"]
        == rows["kept"] + rows["rejected"]
        == len(result.synthetic) + len(result.rejected)
    )
    assert rows["generated"] >= 10
    assert (tokens["failed_rows"], tokens["failed_decodes"]) == (0, 0)
    assert result.report["plan"]["source"] == "manager"
    # For eight rows the team is asked about 30 real ones.
    assert (result.report["labels"]["rows"], result.report["cells"]["rows"]) == (30, 30)


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_recurrent_model_cannot_be_taken_back_and_that_is_said(kind, patients, tmp_path):
    path = str(tiny_of(tmp_path / "a.gguf", kind))
    with pytest.raises(ModelError, match="cannot go back within a row") as caught:
        t2local.generate(patients, target="outcome", model=path, plan="data", preset="paper")
    assert 'settings={"team.conditioning": "row"}' in caught.value.next_step
    with closing(load_kind(tmp_path, kind)) as model, closing(model.context(64, 2)) as context:
        assert not model.can_rewind
        last_logits(context, [5, 80, 81])
        with pytest.raises(DecodeError, match="could not take sequence 0 back to its token 2"):
            context.rewind(0, 2)


def test_the_state_of_a_sequence_is_counted(tmp_path):
    """By hand: LFM2 keeps two positions of its convolution, in 4 bytes; Granite a state as well."""
    for kind, numbers in (("lfm2", 2 * WIDTH), ("granitehybrid", 64 * 16 + 3 * (64 + 2 * 16))):
        with closing(load_kind(tmp_path, kind)) as model:
            # Some bytes more say what they are.
            assert 0 <= model.state_bytes - 4 * numbers < 100


def test_hidden_states_that_are_not_those_of_the_outputs_are_an_error(tmp_path):
    """Sequences of two lengths in one call, which llama.cpp splits for a recurrent state."""
    with closing(load_kind(tmp_path, "lfm2")) as model:
        options = ContextOptions(model.n_vocab, 1, 32, model.output_layer.value)
        with closing(LlamaContext(model._model, options, n_tokens=64, n_sequences=2)) as context:
            columns = [np.array(c, dtype=np.int32) for c in ([5, 6, 7], [0, 0, 1], [0, 1, 1])]
            with pytest.raises(DecodeError, match="gave 1 outputs of 2"):
                context.decode(*columns, np.array([True, False, True]))
