"""A plan for people, and what the real rows say against it."""

import pytest

from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.team.drawing import Drawing
from t2local.team.plan import Component, Plan, from_data
from tests.teams import dictionary_and_values


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


def test_the_associations_are_the_strongest_of_any_two_features(patients):
    dictionary, real = dictionary_and_values(patients.assign(copy=patients["sex"]))
    components = (
        Component(role="A", features=("age", "sex")),
        Component(role="B", features=("weight", "copy", "smoker", "ward")),
        Component(role="Label", features=("outcome",), parents=("A", "B")),
    )
    drawing = Drawing.of(Plan(source="file", components=components), real, dictionary)
    assert set(drawing.associations) == {("A", "B"), ("A", "Label"), ("B", "Label")}
    assert drawing.associations["A", "B"] == pytest.approx(1)
    assert drawing.associations["A", "Label"] > 0.5
    assert all(0 <= association <= 1 for association in drawing.associations.values())


def test_the_old_name_of_the_associations_still_works(patients):
    dictionary, real = dictionary_and_values(patients)
    drawing = Drawing.of(from_data(real, dictionary), real, dictionary)
    with pytest.warns(DeprecationWarning, match="associations"):
        assert drawing.ties == drawing.associations
