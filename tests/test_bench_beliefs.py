"""The bench of beliefs: what goes into it, and that its stored answers can be read."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

beliefs = pytest.importorskip("bench.beliefs", reason="bench/ is not beside an installed package")

from t2local.llm.scripted import ScriptedModel  # noqa: E402
from t2local.tables.belief_file import Knowledge  # noqa: E402


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(50, 9, 300).round(),
            "smoker": rng.choice(["no", "yes"], 300),
            "ward": rng.choice(["surgery", "cardiology", "children"], 300),
        }
    )
    risk = (frame["age"] - 50) / 5 + (frame["smoker"] == "yes") + rng.logistic(size=300)
    return beliefs.Table.of("simulated", frame.assign(y=(risk > 0).astype(int)), "y")


def test_who_knows_nothing_believes_that_everything_raises_the_risk(table):
    knowledge = beliefs.everything_raises(table)
    effects = beliefs.effects_of(table, knowledge, table.pool)
    assert effects[:2].tolist() == [1.0, 1.0]
    assert np.isnan(effects[2:]).all()
    assert beliefs.alone(table, knowledge) > 80


def test_a_permutation_has_the_same_strengths_and_the_same_gaps(table):
    effects = np.array([1.0, np.nan, -2.0, 3.0, np.nan])
    orders = [beliefs.permutation(effects, table, seed) for seed in range(9)]
    for permuted in orders:
        assert np.isnan(permuted).tolist() == np.isnan(effects).tolist()
        assert sorted(permuted[~np.isnan(permuted)]) == [-2, 1, 3]
    assert len({tuple(np.nan_to_num(permuted)) for permuted in orders}) > 2


def test_a_sample_has_a_cell_for_each_opinion_and_none_twice(table, monkeypatch):
    monkeypatch.setattr(beliefs, "N_TREES", 10)
    own = {"everything raises": beliefs.everything_raises(table)}
    cells = list(beliefs.cells(table, own, 20, 0, set()))
    assert [cell.permuted for cell in cells] == [False, True]
    assert all(0 <= cell.rank <= 1 and 40 < cell.auc < 100 for cell in cells)
    assert not list(beliefs.cells(table, own, 20, 0, {cell.key for cell in cells}))
    assert not list(beliefs.cells(table, own, 201, 0, set()))


def test_what_small_models_write_are_means_of_columns(table):
    by_feature = {b.feature: b.effect for b in beliefs.column_means(table).beliefs}
    assert by_feature == {"age": pytest.approx(50, abs=2), "smoker": 0.3}


@pytest.mark.parametrize("name", ["starter", "qwen-0.5b", "qwen-1.5b"])
def test_stored_answers_are_those_of_a_file_of_beliefs(name):
    path = Path(__file__).parents[1] / beliefs.ANSWERS
    by_table = json.loads(path.read_text()).get(name, {})
    for answer in by_table.values():
        knowledge = Knowledge.model_validate(answer)
        assert knowledge.beliefs
        assert len({(b.feature, b.level) for b in knowledge.beliefs}) == len(knowledge.beliefs)


def test_a_line_under_a_grammar_is_a_belief(table):
    grammar = pytest.importorskip("bench.belief_grammar")

    def script(text):
        sentence = text.decode().rpartition("\n")[2]
        if sentence.endswith("strength "):
            return b"3"
        return b"r" if "a higher age" in sentence else b"l"

    knowledge = grammar.ask_lines(ScriptedModel(script), table.dictionary)
    by_subject = {(b.feature, b.level): b.effect for b in knowledge.beliefs}
    assert by_subject["age", ""] > 0
    assert by_subject["ward", "surgery"] == 0
