import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.errors import PlanError
from t2local.llm.grammar import Grammar, byte_tokenizer
from t2local.llm.scripted import ScriptedModel
from t2local.stats.association import associations
from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.team.drawing import Drawing
from t2local.team.manager import max_plan_bytes, parse_plan, plan_schema, propose
from t2local.team.plan import Component, Plan, from_data, read_plan, with_label
from tests.strategies import dictionaries, random_text


@pytest.fixture
def known(patients):
    return describe(from_frame(patients).cells)


@pytest.fixture
def real(patients, known):
    return known.values(from_frame(patients).cells)


@settings(max_examples=100, deadline=None)
@given(dictionary=dictionaries(most=12), seed=st.integers(0, 2**32 - 1))
def test_every_plan_that_the_grammar_accepts_is_a_partition_and_acyclic(dictionary, seed):
    tokenizer = byte_tokenizer()
    grammar = Grammar(plan_schema(len(dictionary.inputs)), tokenizer)
    text = random_text(
        grammar, tokenizer, np.random.default_rng(seed), max_plan_bytes(len(dictionary.inputs))
    )
    plan = parse_plan(json.loads(text), dictionary)
    assert plan.check(dictionary) == []
    assert plan.line()[-1].features == (dictionary.target,)


def test_the_manager_reads_the_dictionary_and_three_rows_and_its_plan_is_followed(real, known):
    wish = (
        '{"roles":["Who","Measured"],"features":{"1":1,"2":2,"3":1,"4":2,"5":2},"depends":[[],[1]]}'
    )
    model = ScriptedModel(
        lambda text: wish.encode()[len(text.partition(b"Some rows:")[2].partition(b"Plan:\n")[2]) :]
    )
    plan = propose(real, known, model, seed=1).plan
    assert [(c.role, c.features, c.parents) for c in plan.components[:2]] == [
        ("Who", ("age", "sex"), ()),
        ("Measured", ("weight", "smoker", "ward"), ("Who",)),
    ]
    assert plan.source == "manager"
    (prompt,) = model.prompts
    assert '5 ward ("A, left" or "B \\"new\\"" or "C")' in prompt
    assert "Goal: outcome" in prompt


def test_a_plan_from_the_data_puts_together_what_hangs_together():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=200), rng.normal(size=200)
    frame = pd.DataFrame(
        {
            "a": one,
            "b": two,
            "a2": one + 0.1 * rng.normal(size=200),
            "b2": two + 0.1 * rng.normal(size=200),
            "y": rng.choice(["p", "q"], 200),
        }
    )
    known = describe(from_frame(frame.round(3)).cells)
    plan = from_data(known.values(from_frame(frame.round(3)).cells), known)
    assert plan.check(known) == []
    assert {c.features for c in plan.components} == {("a", "a2"), ("b", "b2"), ("y",)}


@settings(max_examples=50, deadline=None)
@given(data=st.data(), dictionary=dictionaries())
def test_a_plan_from_any_data_is_valid(data, dictionary):
    from tests.strategies import frame_of, values

    frame = frame_of(
        dictionary, [{f.name: data.draw(values(f)) for f in dictionary.features} for _ in range(4)]
    )
    assert from_data(frame, dictionary).check(dictionary) == []


def test_associations_are_high_for_copies_and_near_zero_for_noise():
    rng = np.random.default_rng(1)
    x = rng.normal(size=400).round(2)
    frame = pd.DataFrame(
        {
            "x": x,
            "copy": 2 * x,
            "noise": rng.normal(size=400).round(2),
            "sign": np.where(x > 0, "up", "down"),
        }
    )
    known = describe(from_frame(frame).cells)
    matrix = associations(known.values(from_frame(frame).cells), known.features)
    assert np.allclose(matrix, matrix.T)
    assert matrix[0, 1] > 0.95
    assert matrix[0, 2] < 0.15
    assert matrix[0, 3] > 0.9


def test_generations_follow_the_graph(known):
    plan = with_label(
        [("A", ["age", "sex"], []), ("B", ["weight"], ["A"]), ("C", ["smoker", "ward"], ["A"])],
        known,
        "data",
    )
    assert [[c.role for c in generation] for generation in plan.generations()] == [
        ["A"],
        ["B", "C"],
        ["Label"],
    ]


def test_a_plan_comes_back_from_its_file(known, real):
    plan = from_data(real, known)
    again = read_plan(plan.to_yaml(), "plan.yaml", known)
    assert again.components == plan.components
    assert again.source == "file"


def test_all_faults_of_a_plan_come_in_one_message(known):
    components = (
        Component(role="A", features=("age", "nothing"), parents=("B",)),
        Component(role="B", features=("age", "weight"), parents=("A", "Z")),
        Component(role="B", features=("sex", "outcome")),
    )
    with pytest.raises(PlanError) as caught:
        read_plan(Plan(source="file", components=components).to_yaml(), "plan.yaml", known)
    message = str(caught.value)
    expected = [
        "'B' stands there twice",
        "'smoker' is in no component",
        "'age' is in more than one",
        "'nothing' is not a feature",
        "unknown parent 'Z'",
        "needs a component of its own",
        "wait for each other",
    ]
    assert [fault for fault in expected if fault not in message] == []


@pytest.mark.parametrize("text", ["", "[]", "a: [", "components: 3"])
def test_no_text_is_more_than_a_plan_error(text, known):
    with pytest.raises(PlanError):
        read_plan(text, "plan.yaml", known)


def test_a_plan_is_drawn_with_its_ties_and_the_missing_paths_are_said(patients):
    twin = patients.assign(pulse=patients["age"] + 3, mood=patients["smoker"])
    table = from_frame(twin)
    known = describe(table.cells, target="outcome")
    components = [
        Component(role="Who", features=("age", "sex")),
        Component(role='Ward "A"', features=("ward", "weight", "mood")),
        Component(role="Body", features=("pulse", "smoker"), parents=('Ward "A"',)),
        Component(role="Label", features=("outcome",), parents=("Who", 'Ward "A"', "Body")),
    ]
    drawing = Drawing.of(
        Plan(source="file", components=tuple(components)), known.values(table.cells), known
    )
    assert [warning.count("'Who'") for warning in drawing.warnings()] == [1]
    assert "'Body'" in drawing.warnings()[0]
    assert drawing.associations['Ward "A"', "Body"] == 1.0
    text = drawing.text()
    assert '2. Body: pulse, smoker\n     1.00  after Ward "A"' in text
    mermaid = drawing.mermaid()
    assert mermaid.startswith("flowchart TD\n")
    assert '"A"' not in mermaid
    assert sum("-->" in line for line in mermaid.splitlines()) == 4
    # A way through another component is a way.
    linked = [
        components[0],
        components[1].model_copy(update={"parents": ("Who",)}),
        *components[2:],
    ]
    assert (
        Drawing.of(
            Plan(source="file", components=tuple(linked)), known.values(table.cells), known
        ).warnings()
        == []
    )
