"""Codebooks: REDCap with every type of field, Table Schema; and dictionaries in its words."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

import t2local
from t2local import pipeline
from t2local.errors import DictionaryError
from t2local.llm.scripted import ScriptedModel
from t2local.tables.codebook_file import read_codebook
from t2local.tables.describe import describe
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.files import from_frame
from tests.strategies import dictionaries

pytestmark = pytest.mark.usefixtures("few_trees")

HEADER = [
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note",
    "Text Validation Type OR Show Slider Number", "Text Validation Min", "Text Validation Max",
    "Identifier?", "Branching Logic (Show field only if...)", "Required Field?",
    "Custom Alignment", "Question Number (surveys only)",
    "Matrix Group Name", "Matrix Ranking?", "Field Annotation",
]  # fmt: skip
#: name, type, label, choices, validation, min, max, identifier, branching, required
FIELDS = [
    ("record_id", "text", "Record", "", "", "", "", "", "", ""),
    ("surname", "text", "Surname", "", "", "", "", "y", "", ""),
    ("age", "text", "<b>Age</b> in years", "", "integer", "18", "99", "", "", "y"),
    ("kg", "text", "Weight", "", "number_1dp", "30", "200", "", "", ""),
    ("visit", "text", "Visit", "", "date_ymd", "", "", "", "", ""),
    ("sex", "radio", "Sex", "1, female | 2, male", "", "", "", "", "", "y"),
    (
        "ward",
        "dropdown",
        "Ward",
        "A, East wing | B, West wing | C, Intensive care",
        "",
        "",
        "",
        "",
        "",
        "",
    ),
    ("smoker", "yesno", "Smokes?", "", "", "", "", "", "", ""),
    ("consent", "truefalse", "Consent", "", "", "", "", "", "", ""),
    ("drug", "checkbox", "Drugs", "1, Aspirin | 2, Statin", "", "", "", "", "", ""),
    ("pregnant", "yesno", "Pregnant?", "", "", "", "", "", "[sex] = '1' and [age] < 50", ""),
    ("packs", "text", "Packs a day", "", "number", "0", "9", "", "[smoker] = '1'", ""),
    ("statin_mg", "text", "Dose", "", "integer", "5", "80", "", "[drug(2)] = '1'", ""),
    ("bmi", "calc", "BMI", "round([kg]/3,1)", "", "", "", "", "", ""),
    ("pain", "slider", "Pain", "none | some | worst", "number", "", "", "", "", ""),
    ("story", "notes", "History", "", "", "", "", "", "", ""),
    ("scan", "file", "Scan", "", "", "", "", "", "", ""),
    ("hint", "descriptive", "Read this", "", "", "", "", "", "", ""),
    ("died", "yesno", "Died", "", "", "", "", "", "", "y"),
    ("odd", "text", "Odd", "", "", "", "", "", "datediff([visit], 'today', 'd') > 3", ""),
]


def redcap():
    rows = []
    for (
        name,
        kind,
        label,
        choices,
        validation,
        low,
        high,
        identifier,
        branching,
        required,
    ) in FIELDS:
        rows.append(
            [
                name,
                "f",
                "",
                kind,
                label,
                choices,
                "",
                validation,
                low,
                high,
                identifier,
                branching,
                required,
                "",
                "",
                "",
                "",
                "",
            ]
        )
    return pd.DataFrame(rows, columns=HEADER).to_csv(index=False)


def export(rows=60):
    """The rows that REDCap exports for it."""
    rng = np.random.default_rng(4)
    sex, smoker, age = (
        rng.integers(1, 3, rows),
        rng.integers(0, 2, rows),
        rng.integers(20, 80, rows),
    )
    drug = rng.integers(0, 2, (rows, 2))
    return pd.DataFrame(
        {
            "record_id": np.arange(1, rows + 1),
            "surname": [f"Secretname{n:03}" for n in range(rows)],
            "age": age,
            "kg": rng.normal(70, 10, rows).round(1),
            "visit": (
                pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 500, rows), unit="D")
            ).strftime("%Y-%m-%d"),
            "sex": sex,
            "ward": rng.choice(["A", "B"], rows),
            "smoker": smoker,
            "consent": rng.integers(0, 2, rows),
            "drug___1": drug[:, 0],
            "drug___2": drug[:, 1],
            "pregnant": np.where(
                (sex == 1) & (age < 50), rng.integers(0, 2, rows).astype(float), np.nan
            ),
            "packs": np.where(smoker == 1, rng.integers(1, 4, rows).astype(float), np.nan),
            "statin_mg": np.where(drug[:, 1] == 1, rng.choice([10.0, 20.0, 40.0], rows), np.nan),
            "bmi": rng.normal(25, 3, rows).round(1),
            "pain": rng.integers(0, 101, rows),
            "story": [f"Storysecret{n:03} told at length" for n in range(rows)],
            "scan": ["scan.pdf"] * rows,
            "died": np.where(age + rng.normal(0, 8, rows) > 55, 1, 0),
        }
    ).astype(dict.fromkeys(("pregnant", "packs", "statin_mg"), "Int64"))


@pytest.fixture
def described(tmp_path):
    (tmp_path / "book.csv").write_text(redcap())
    export().to_csv(tmp_path / "rows.csv", index=False)
    heard = []
    return pipeline.describe(
        tmp_path / "rows.csv", target="died", codebook=tmp_path / "book.csv", on_event=heard.append
    ), heard


def test_every_field_type_of_redcap_is_taken_over(described):
    known, heard = described
    types = {feature.name: feature.type for feature in known.features}
    assert types == {
        "age": "integer", "kg": "decimal", "visit": "date", "sex": "category",
        "ward": "category", "smoker": "boolean", "consent": "boolean",
        "drug___1": "boolean", "drug___2": "boolean", "pregnant": "boolean",
        "packs": "integer", "statin_mg": "integer", "bmi": "decimal",
        "pain": "integer", "died": "boolean",
    }  # fmt: skip
    assert known["age"].bounds == (18, 99)
    assert known["age"].meaning == "Age in years"
    assert known["kg"].bounds == (30, 200)
    assert known["ward"].levels == ("A", "B", "C")
    assert "C Intensive care" in known["ward"].meaning
    assert known["pain"].bounds == (0, 100)
    assert {out.name for out in known.left_out} == {
        "record_id",
        "surname",
        "story",
        "scan",
        "hint",
    } - {"hint"}
    assert next(out for out in known.left_out if out.name == "record_id").make == "identifier"
    assert any("branching logic of odd" in getattr(event, "message", "") for event in heard)
    assert read_dictionary(known.to_yaml(), "d.yaml") == known


def test_branching_logic_shows_in_the_rules_and_in_the_plan(described, tmp_path):
    known, _ = described
    rules = {relation.rule for relation in known.rules}
    assert 'isna(`pregnant`) or (`sex` == "1" and `age` < 50)' in rules
    assert 'isna(`packs`) or (`smoker` == "1")' in rules
    assert 'isna(`statin_mg`) or (`drug___2` == "1")' in rules
    plan = pipeline.plan(tmp_path / "rows.csv", dictionary=known, source="data").plan
    home = {name: component.role for component in plan.components for name in component.features}
    paths = plan.paths()
    for one, other in (("sex", "pregnant"), ("smoker", "packs"), ("drug___2", "statin_mg")):
        assert (
            home[one] == home[other] or {(home[one], home[other]), (home[other], home[one])} & paths
        )


def test_what_the_codebook_hides_never_reaches_a_prompt_a_log_or_a_file(described, tmp_path):
    known, _ = described
    model, heard = ScriptedModel(), []
    out = tmp_path / "out"
    result = t2local.generate(
        tmp_path / "rows.csv",
        dictionary=known,
        model=model,
        rows=20,
        max_batches=4,
        out=out,
        on_event=lambda e: heard.append(str(e)),
    )
    everything = (
        "".join(model.prompts)
        + "".join(heard)
        + "".join(path.read_text() for path in out.iterdir())
        + result.synthetic.to_csv()
    )
    assert "Secretname" not in everything
    assert "Storysecret" not in everything
    assert result.synthetic["record_id"].tolist() == list(range(61, 61 + len(result.synthetic)))
    both = pd.concat([result.synthetic, result.rejected])
    kept = result.synthetic
    assert not (kept["packs"].notna() & (kept["smoker"] == 0)).any()
    assert len(both) >= 20


def test_a_table_schema_is_read_and_written(patients, tmp_path):
    cells = from_frame(patients).cells
    schema = {
        "missingValues": ["", "-9"],
        "fields": [
            {
                "name": "age",
                "type": "integer",
                "title": "Age",
                "description": "in years",
                "constraints": {"minimum": 18, "maximum": 100, "required": True},
            },
            {
                "name": "ward",
                "type": "string",
                "constraints": {"enum": ["A, left", 'B "new"', "C", "D"], "required": True},
            },
            {"name": "smoker", "type": "boolean", "trueValues": ["yes"], "falseValues": ["no"]},
            {"name": "weight", "type": "number", "format": "default"},
        ],
    }
    known = read_codebook(json.dumps(schema), "schema.json").apply(
        describe(cells, target="outcome"), cells
    )
    assert known["age"].bounds == (18, 100)
    assert known["age"].meaning == "in years"
    assert known["ward"].levels[-1] == "D"
    assert known["smoker"].levels == ("no", "yes")
    assert known["weight"].missing_values == ("-9",)
    exported = json.loads(known.to_table_schema())
    assert exported["fields"][0]["constraints"] == {
        "minimum": 18.0,
        "maximum": 100.0,
        "required": True,
    }
    again = read_codebook(known.to_table_schema(), "again.json").apply(
        describe(cells, target="outcome"), cells
    )
    assert [f.model_dump(exclude={"reason"}) for f in again.features] == [
        f.model_dump(exclude={"reason"}) for f in known.features
    ]


def test_a_codebook_that_contradicts_itself_or_is_none_says_so(patients):
    cells = from_frame(patients).cells
    wrong = {
        "fields": [
            {"name": "age", "type": "integer", "constraints": {"minimum": 90, "maximum": 10}}
        ]
    }
    with pytest.raises(DictionaryError, match="age: Value error, minimum is above maximum"):
        read_codebook(json.dumps(wrong), "schema.json").apply(describe(cells), cells)
    for text in ("", "a,b\n1,2\n", "{", "fields: 3"):
        with pytest.raises(DictionaryError, match="no codebook that is known"):
            read_codebook(text, "x.csv")


@settings(max_examples=25, deadline=None)
@given(dictionaries())
def test_files_are_valid_by_the_schema_for_editors(dictionary):
    import yaml

    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(yaml.safe_load(dictionary.to_yaml()), json.loads(dictionary.json_schema()))
    jsonschema.validate(
        json.loads(dictionary.to_table_schema()), json.loads(dictionary.json_schema())
    )


def test_faults_in_the_words_of_the_file_have_their_places():
    text = "target: y\nfields:\n- name: age\n  type: integer\n"
    text += "  constraints:\n    minimum: old\n    maximum: 9\n"
    text += "- {name: y, type: string, constraints: {enum: [a, b]}, colour: red}\n"
    with pytest.raises(DictionaryError) as caught:
        read_dictionary(text, "d.yaml")
    message = str(caught.value)
    assert "d.yaml, line 6, column 14: fields.0.constraints.minimum" in message
    assert "line 8, column 64: fields.1.colour" in message
