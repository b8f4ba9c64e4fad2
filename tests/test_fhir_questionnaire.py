"""A FHIR Questionnaire as a codebook of the table that its answers became."""

import json

import numpy as np
import pandas as pd
import pytest

from t2local.errors import DictionaryError
from t2local.tables.codebook_file import read_codebook
from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.tables.operands import Levels

SDC = "http://hl7.org/fhir/StructureDefinition/"


def coding(code, display):
    return {"valueCoding": {"system": "http://example.org/codes", "code": code, "display": display}}


INTAKE = {
    "resourceType": "Questionnaire",
    "status": "active",
    "title": "Intake",
    "item": [
        {"linkId": "hello", "type": "display", "text": "Please answer all questions."},
        {
            "linkId": "person",
            "type": "group",
            "item": [
                {
                    "linkId": "age",
                    "type": "integer",
                    "text": "Age in <b>years</b>",
                    "required": True,
                    "extension": [
                        {"url": SDC + "minValue", "valueInteger": 18},
                        {"url": SDC + "maxValue", "valueInteger": 110},
                    ],
                },
                {
                    "linkId": "kg",
                    "type": "quantity",
                    "text": "Weight",
                    "extension": [
                        {"url": SDC + "questionnaire-unit", "valueCoding": {"code": "kg"}}
                    ],
                },
                {
                    "linkId": "pain",
                    "type": "choice",
                    "text": "Pain",
                    "answerOption": [coding("1", "none"), coding("2", "some"), coding("9", "much")],
                },
            ],
        },
        {"linkId": "smokes", "type": "boolean", "text": "Do you smoke?"},
        {
            "linkId": "smoking",
            "type": "group",
            "enableWhen": [{"question": "smokes", "operator": "=", "answerBoolean": True}],
            "item": [{"linkId": "a day", "type": "integer", "text": "How many?", "required": True}],
        },
        {"linkId": "drugs", "type": "choice", "text": "Which drugs?", "repeats": True},
        {"linkId": "story", "type": "text", "text": "What happened?"},
    ],
}


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    smokes = rng.choice(["true", "false"], 60)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 90, 60),
            "kg": rng.normal(70, 9, 60).round(1),
            "pain": rng.choice(["none", "some"], 60),
            "smokes": smokes,
            "a day": np.where(smokes == "true", rng.integers(1, 30, 60).astype(float), np.nan),
            "drugs": rng.choice(["a", "a, b"], 60),
            "story": rng.choice(["fell", "came"], 60),
            "died": rng.choice(["yes", "no"], 60),
        }
    )
    return from_frame(frame).cells


def test_items_say_types_codes_bounds_and_units(cells):
    known = read_codebook(json.dumps(INTAKE), "intake.json").apply(describe(cells), cells)
    assert (known["age"].minimum, known["age"].maximum) == (18, 110)
    assert (known["age"].meaning, known["age"].missing) == ("Age in years", False)
    assert (known["kg"].type, known["kg"].unit) == ("decimal", "kg")
    assert known["pain"].levels == ("none", "some", "much")  # the rows have labels, not codes
    assert known["pain"].meaning == "Pain (1 none; 2 some; 9 much)"
    assert known["drugs"].levels == ("a", "a, b")
    assert known["a day"].missing
    assert "story" in {column.name for column in known.left_out}


@pytest.mark.parametrize(("yes", "no"), [("true", "false"), ("1", "0"), ("Yes", "No")])
def test_a_question_that_is_asked_only_sometimes_is_a_rule(cells, yes, no):
    cells = cells.assign(smokes=cells["smokes"].map({"true": yes, "false": no}))
    book = read_codebook(json.dumps(INTAKE), "intake.json")
    known = book.apply(describe(cells), cells)
    (rule,) = (rule for rule in known.parsed_rules().values() if "== True" in rule.text)
    assert rule.text == "isna(`a day`) or (`smokes` == True)"
    rows = pd.DataFrame({"smokes": [yes, no, no], "a day": [3.0, 3.0, np.nan]})
    assert rule.obeyed(rows).tolist() == [True, False, True]
    assert book.notes == []


@pytest.mark.parametrize(
    "levels", [("True", "False", "Former"), ("No", "Yes", "Unknown"), ("true",)]
)
def test_yes_and_no_may_stand_among_other_levels(levels):
    values = Levels("smokes", levels, pd.Series(levels))
    yes = next(level for level in levels if level.casefold() in ("true", "yes"))
    assert values.level(True) == yes


def test_a_condition_on_an_answer_that_the_rows_do_not_give_is_said(cells):
    cells = cells.assign(smokes=cells["smokes"].map({"true": "ja", "false": "nein"}))
    book = read_codebook(json.dumps(INTAKE), "intake.json")
    book.apply(describe(cells), cells)
    (note,) = book.notes
    assert note.endswith(": smokes has no levels that mean yes and no")


@pytest.mark.parametrize(
    ("when", "rule"),
    [
        ([{"question": "a", "operator": "exists", "answerBoolean": True}], "(not isna(`a`))"),
        ([{"question": "a", "operator": ">=", "answerDecimal": 1.5}], '(`a` >= "1.5")'),
        (
            [
                {"question": "a", "operator": "!=", "answerCoding": {"code": "x"}},
                {"question": "b", "operator": "=", "answerInteger": 2},
            ],
            '(`a` != "x" or `b` == 2)',
        ),
    ],
)
def test_conditions_in_the_language_of_rules(when, rule):
    item = {"linkId": "c", "type": "date", "enableWhen": when, "enableBehavior": "any"}
    book = read_codebook(json.dumps({"resourceType": "Questionnaire", "item": [item]}), "q.json")
    assert [relation.rule for relation in book.relations] == [f"isna(`c`) or {rule}"]


@pytest.mark.parametrize("item", [None, "x", [1], [{"linkId": 3}], [{"answerOption": [{}]}]])
def test_what_is_no_item_says_nothing(item):
    book = read_codebook(json.dumps({"resourceType": "Questionnaire", "item": item}), "q.json")
    assert not book.relations


def test_half_a_character_is_a_fault_that_quotes_nothing():
    item = {"linkId": "\ud83d", "type": "text"}
    with pytest.raises(DictionaryError, match="can be used") as caught:
        read_codebook(json.dumps({"resourceType": "Questionnaire", "item": [item]}), "q.json")
    assert "surrogate" in str(caught.value.faults)
