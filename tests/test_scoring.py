"""How likely real rows are under the team, checked against what wrote them and by plain loops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.tables.dictionary import Feature
from t2local.team.rows import array, cell_ends, max_bytes, records, schema
from t2local.team.scoring import RowScorer, level_log_probabilities, sum_by_cell
from t2local.team.team import Team
from tests.strategies import dictionaries, values
from tests.teams import CONDITIONING, LABELS, plans, tables, team_of, uniform_log_probability


def digits(text: bytes) -> bytes:
    """A script to which some digits are likelier than others."""
    return bytes([48 + text[-1] % 10])


@settings(max_examples=20, deadline=None)
@given(dictionary=dictionaries(), seed=st.integers(1, 99))
def test_a_row_that_is_forced_has_the_likelihood_with_which_it_was_written(dictionary, seed):
    model = ScriptedModel(digits)
    half = len(dictionary.features) // 2
    parts = [part for part in (dictionary.features[:half], dictionary.features[half:]) if part]
    segments = tuple(
        Segment((), Grammar(schema(part), model.tokenizer), tuple(range(i)))
        for i, part in enumerate(parts)
    )
    with Decoder(
        model, slots=3, prefix_tokens=10, max_row_tokens=max_bytes(dictionary.features) + 4
    ) as decoder:
        decoder.prefill(model.tokenize("Rows:"))
        written = dict(
            decoder.complete([Request(segments, RowStream(seed, 1, row)) for row in range(4)])
        )
        done = [row for row in written.values() if not row.failure]
        forced = dict(
            decoder.complete(
                [
                    Request(
                        segments, RowStream(seed, 2, i), tuple(text.encode() for text in row.texts)
                    )
                    for i, row in enumerate(done)
                ]
            )
        )
    for index, row in enumerate(done):
        assert forced[index].texts == row.texts
        assert np.isclose(forced[index].logprob, row.logprob)
        assert np.isclose(
            sum(logprob for part in forced[index].token_logprobs for _, logprob in part),
            row.logprob,
        )


def test_a_text_that_the_grammar_does_not_allow_fails_its_row_alone():
    model = ScriptedModel()
    feature = Feature(name="x", type="integer", minimum=1, maximum=500)
    segment = Segment((), Grammar(schema([feature]), model.tokenizer))
    with Decoder(model, slots=2, prefix_tokens=4, max_row_tokens=20) as decoder:
        decoder.prefill([65])
        done = dict(
            decoder.complete(
                [Request((segment,), RowStream(1), (text,)) for text in (b"[700]", b"[70]", b"(7)")]
            )
        )
    assert [bool(done[i].failure) for i in range(3)] == [True, False, True]


@settings(max_examples=60)
@given(st.data(), dictionaries())
def test_tokens_are_counted_for_the_cell_in_which_they_end(data, dictionary):
    row = {f.name: data.draw(values(f)) for f in dictionary.features}
    text, ends = array(dictionary.features, row).encode(), cell_ends(dictionary.features, row)
    assert ends[-1] == len(text)
    assert all(text[end - 1 : end] in (b",", b"]") for end in ends)
    # A token a byte: the opening bracket counts for the first cell.
    every = [(place + 1, 1.0) for place in range(len(text))]
    assert sum_by_cell(ends, every) == [
        end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


@st.composite
def teams(draw, script=None):
    """A team of any dictionary, plan and settings, with its real rows."""
    dictionary = draw(dictionaries(most=4))
    real = draw(tables(dictionary))
    chosen = Settings.load(
        {"team.conditioning": draw(CONDITIONING), "team.labels": draw(LABELS), "team.examples": 2}
    )
    return Team(ScriptedModel(script), dictionary, draw(plans(dictionary)), real, chosen, 1)


@settings(max_examples=30, deadline=None)
@given(teams())
def test_the_cells_of_a_row_sum_to_the_likelihood_of_its_texts(team):
    """The yardstick is a walk through the grammars, byte by byte: all allowed bytes are alike."""
    with team:
        cells = RowScorer(team).score(team.real).cells
    target = team.dictionary.target
    assert list(cells.index) == list(team.real.index)
    assert list(cells) == team.dictionary.inputs
    for place, record in enumerate(records(team.real)):
        total = 0.0
        for part in team.layout.parts:
            names = [feature.name for feature in part.features]
            text = array(part.features, record)
            if target in names:  # the last cell of the last part is no part of the sum
                text = array(part.features[:-1], record)[:-1] + "," * (len(names) > 1)
            total += uniform_log_probability(part.segment.grammar, text, team.model.tokenizer)
        assert np.isclose(cells.iloc[place].sum(), total)


@settings(max_examples=20, deadline=None)
@given(teams(digits), st.data())
def test_scores_do_not_depend_on_the_order_or_the_company_of_rows(team, data):
    with team:
        scorer = RowScorer(team)
        every = scorer.score(team.real)
        places = data.draw(
            st.lists(st.sampled_from(range(len(team.real))), unique=True, min_size=1)
        )
        some = scorer.score(team.real.iloc[places])
    pd.testing.assert_frame_equal(some.cells, every.cells.loc[places], check_exact=True)
    assert (some.labels is None) == (team.label_policy != "calibrated")
    if some.labels is not None:
        pd.testing.assert_frame_equal(some.labels, every.labels.loc[places], check_exact=True)
        levels = team.dictionary[team.dictionary.target].levels
        if levels:
            assert tuple(some.labels) == levels
            assert np.allclose(np.exp(some.labels.to_numpy()).sum(axis=1), 1)


@pytest.mark.parametrize("conditioning", ["row", "parents"])
@pytest.mark.parametrize("with_cells", [True, False])
def test_what_the_label_worker_prefers_is_read_back(patients, conditioning, with_cells):
    def knows(text: bytes) -> bytes:
        """Writes 1 for the label of those older than 55; the age is the first number of the row."""
        row = text.rsplit(b"\n", 1)[-1]
        is_label = row.endswith(b"][") or (row.count(b"[") > 1 and row.endswith(b"["))
        age = row.split(b"[")[1].split(b",")[0].split(b"]")[0]
        return b"" if not is_label or not age.isdigit() else b"01"[int(age) > 55 :][:1]

    patients = patients[["age", "sex", "outcome"]]
    with team_of(patients, knows, conditioning=conditioning) as team:
        scores = RowScorer(team).score(team.real, with_cells=with_cells)
    assert scores.labels is not None
    predicted = scores.labels["1"] > scores.labels["0"]
    assert predicted.tolist() == (team.real["age"] > 55).tolist()
    # The script is e^20 times likelier than another byte; the rest is the floor.
    assert np.exp(scores.labels.max(axis=1)).min() > 0.999
    assert len(scores.cells) == (len(patients) if with_cells else 0)


def test_a_cell_that_the_model_prefers_is_likelier_than_others(patients):
    def women(text: bytes) -> bytes:
        return b"F" if text.endswith(b'"') else b""

    with team_of(patients, women, labels="classifier") as team:
        cells = RowScorer(team).score(team.real).cells
    is_woman = (team.real["sex"] == "F").to_numpy()
    assert np.allclose(cells["sex"][is_woman], 0, atol=1e-6)
    assert np.allclose(cells["sex"][~is_woman], -20, atol=1e-6)


def test_a_label_that_is_a_number_is_read_as_the_number(patients):
    def writes(text: bytes) -> bytes:
        row = text.rsplit(b"\n", 1)[-1]
        label = row.rpartition(b"][")[2]
        return b"123]"[len(label) :] if b"][" in row else b""

    risk = patients[["age"]].assign(risk=np.arange(60) * 5)
    with team_of(risk, writes, target="risk") as team:
        labels = RowScorer(team).score(team.real.head(4)).labels
    assert labels["risk"].tolist() == [123.0] * 4


def test_a_row_that_the_grammar_does_not_allow_has_no_score(patients):
    with team_of(patients, labels="worker") as team:
        rows = team.real.head(3).copy()
        rows.loc[1, "age"] = 4000.0
        scores = RowScorer(team).score(rows)
    assert list(scores.cells.index) == [0, 2]
    assert scores.labels is None


def test_a_row_is_scored_after_the_prompt_that_is_passed(patients):
    model = ScriptedModel(lambda text: b"F" if b'["F"' in text[:-1] or b',"F"' in text else b"")
    with team_of(patients[["sex", "age", "outcome"]], model=model, labels="worker") as team:
        women = np.flatnonzero(team.real["sex"] == "F")[:3].tolist()
        men = np.flatnonzero(team.real["sex"] == "M")[:3].tolist()
        one = team.real.iloc[women[:1]]
        after_women, after_men = (
            RowScorer(team).score(one, prompt=team.prompt.tokens(shown)).cells["sex"].iloc[0]
            for shown in (women[1:], men)
        )
    assert np.isclose(after_women, 0, atol=1e-6)
    assert np.isclose(after_men, np.log(0.5))


@settings(max_examples=60)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.floats(-5, 5))
def test_tokens_are_summed_by_the_level_that_they_begin(scores, shared):
    rests, tokens = [b'low"]', b'high"]'], [b"l", b"lo", b"high", b"x"]
    p = np.exp(np.array([*scores, shared]))
    found = np.exp(level_log_probabilities(rests, tokens, np.log(p)))
    floor = 1e-4 * p.sum()
    assert np.allclose(
        found, np.array([p[0] + p[1] + floor, p[2] + floor]) / (p[:3].sum() + 2 * floor)
    )
    # A token that begins both goes to each as the others say.
    both = np.exp(
        level_log_probabilities(
            [b"aa", b"ab"], [b"a", b"aa", b"ab"], np.array([shared, scores[0], scores[1]])
        )
    )
    assert np.allclose(
        np.log(both[0] / both[1]),
        np.log(np.exp(scores[0]) + floor_of(scores, shared))
        - np.log(np.exp(scores[1]) + floor_of(scores, shared)),
    )


def floor_of(scores, shared):
    return 1e-4 * (np.exp(scores[0]) + np.exp(scores[1]) + np.exp(shared))
