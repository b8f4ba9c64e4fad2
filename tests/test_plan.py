"""Plans: a partition of the features, an acyclic graph, the label last."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.errors import PlanError
from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.team.plan import Component, Plan, from_data, plan_of_roles, read_plan
from tests.strategies import dictionaries, frame_of, values


@pytest.fixture
def known(patients):
    return describe(from_frame(patients).cells)


@pytest.fixture
def real(patients, known):
    return known.values(from_frame(patients).cells)


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


@settings(max_examples=30, deadline=None)
@given(data=st.data(), dictionary=dictionaries())
def test_a_plan_from_any_data_is_valid(data, dictionary):
    frame = frame_of(
        dictionary, [{f.name: data.draw(values(f)) for f in dictionary.features} for _ in range(4)]
    )
    assert from_data(frame, dictionary).check(dictionary) == []


def test_generations_follow_the_graph(known):
    plan = plan_of_roles(
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


@pytest.mark.parametrize(
    "text", ["", "[]", "a: [", "components: 3", "- !!int x", "[" * 5000, "x: *y"]
)
def test_no_text_is_more_than_a_plan_error(text, known):
    with pytest.raises(PlanError):
        read_plan(text, "plan.yaml", known)
