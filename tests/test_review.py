"""What a review asks about, and what its answers change; no terminal."""

import numpy as np
import pandas as pd
import pytest

from t2local.settings import TableSettings
from t2local.tables.describe import describe
from t2local.tables.dictionary_file import read_dictionary
from t2local.tables.files import from_frame
from t2local.tables.review import column_questions, rule_questions

SETTINGS = TableSettings()
N = 120


def doubtful() -> pd.DataFrame:
    """A table in which something may be wrong with most columns."""
    rng = np.random.default_rng(1)
    first = rng.choice(["Anna", "Otto", "Maria", "Jan"], N)
    last = rng.choice(["Huber", "Meier", "Novak", "Rossi"], N)
    days = pd.date_range("2021-01-01", periods=N)
    return pd.DataFrame(
        {
            "number": rng.permutation(9000)[:N] + 1000,
            "name": [f"{a} {b}" for a, b in zip(first, last, strict=True)],
            "age": rng.integers(20, 90, N),
            "bmi": np.where(rng.random(N) < 0.2, 0, rng.normal(28, 3, N)).round(1),
            "children": rng.integers(0, 5, N),
            "dose": rng.choice([10, 20, 40], N),
            "ward": ["Zwettl", "C", *rng.choice(["A", "B"], N - 1)[1:]],
            "admitted": days.strftime("%Y-%m-%d"),
            "discharged": (days + pd.to_timedelta(rng.integers(0, 9, N), "D")).strftime("%Y-%m-%d"),
            "lab": np.where(rng.random(N) < 0.1, -999, rng.integers(3, 40, N)),
            "note": [f"note number {i} of this" for i in range(N)],
            "blank": [None] * N,
            "died": rng.choice(["yes", "no"], N),
        }
    )


CELLS = from_frame(doubtful()).cells
DICTIONARY = describe(CELLS)
QUESTIONS = {q.subject: q for q in column_questions(DICTIONARY, CELLS, SETTINGS)}


def answered(subject, key, dictionary=DICTIONARY):
    changes = {answer.key: answer.change for answer in QUESTIONS[subject].answers}
    changed = changes[key](dictionary)
    # The file reads back, and the table fits it.
    assert read_dictionary(changed.to_yaml(), "d.yaml") == changed
    changed.check_table(CELLS, list(range(N)), "the table")
    return changed


def test_only_what_may_be_wrong_is_asked_about_in_the_order_of_the_table():
    assert list(QUESTIONS) == ["number", "name", "bmi", "children", "dose", "ward", "lab", "note"]


def test_a_question_holds_no_cell_and_no_small_count():
    texts = " ".join(
        text
        for question in QUESTIONS.values()
        for text in (question.guess, *question.doubts, *(a.words for a in question.answers))
    )
    assert not any(word in texts for word in ("Zwettl", "Anna", "note number", "1 row"))
    assert "1 of 3 levels stand in fewer than 5 rows" in QUESTIONS["ward"].doubts[0]
    few = CELLS.assign(bmi=["0", *CELLS["bmi"].where(CELLS["bmi"] != "0", "28.1")[1:]])
    question = next(q for q in column_questions(describe(few), few, SETTINGS) if q.subject == "bmi")
    assert "fewer than 11 rows" in question.doubts[0]


def test_zeros_become_missing_cells_and_the_range_that_of_the_others():
    feature = answered("bmi", "z")["bmi"]
    assert (feature.missing, feature.missing_values) == (True, ("0",))
    assert feature.minimum > 10
    values = feature.values(CELLS["bmi"])
    assert values.isna().sum() == (CELLS["bmi"] == "0").sum() > 0


def test_codes_and_quantities_change_places():
    codes = answered("children", "l")["children"]
    assert (codes.type, codes.levels) == ("category", ("0", "1", "2", "3", "4"))
    quantity = answered("dose", "n")["dose"]
    assert (quantity.type, quantity.bounds) == ("integer", (10, 40))


def test_a_code_of_a_missing_value_may_be_a_number():
    feature = answered("lab", "v")["lab"]
    assert (feature.minimum, feature.missing, feature.missing_values) == (-999, False, ())


@pytest.mark.parametrize(("key", "make"), [("i", "identifier"), ("t", "text")])
def test_what_is_left_out_may_be_made(key, make):
    changed = answered("note", key)
    assert {column.name: column.make for column in changed.left_out}["note"] == make
    assert [column.name for column in changed.left_out] == ["number", "name", "note", "blank"]


def test_texts_become_levels_only_where_a_person_says_so():
    assert "name" not in DICTIONARY.names
    changed = answered("name", "l")
    assert changed["name"].pool == changed["name"].levels[-1] == "other"  # of names of few rows
    assert len(changed["name"].levels) == 14
    assert changed.names[0] == "name"  # in the order of the table


def test_answers_go_together_and_a_column_takes_its_rules_along():
    changed = DICTIONARY
    for subject in ("bmi", "children", "lab"):
        changed = answered(subject, "x", changed)
    assert not {"bmi", "children", "lab"} & set(changed.names)
    dates = CELLS.assign(discharged=CELLS["discharged"].where(CELLS.index > 0, "2021-01-05"))
    dictionary = describe(dates)
    (question,) = rule_questions(dictionary)
    assert question.subject == "admitted <= discharged"
    assert question.answers[0].change(dictionary).rules == ()


def test_the_target_is_never_left_out():
    dictionary = describe(CELLS, target="dose")
    (question,) = [q for q in column_questions(dictionary, CELLS, SETTINGS) if q.subject == "dose"]
    assert [answer.key for answer in question.answers] == ["n"]


def test_pooled_levels_are_not_asked_about_and_the_others_by_the_number_that_is_set():
    words = ["A1x"] * 100 + ["B2x"] * 60 + [f"R{n}q" for n in range(20) for _ in "ab"] + ["C"] * 6
    cells = pd.DataFrame({"w": words, "y": ["a", "b"] * 103}, dtype=object)
    assert describe(cells)["w"].levels == ("A1x", "B2x", "C", "other")
    assert not list(column_questions(describe(cells), cells, SETTINGS))
    ten = TableSettings(min_count=10)
    (question,) = column_questions(describe(cells, settings=ten), cells, ten)
    assert "1 of 3 levels stand in fewer than 10 rows" in question.doubts[0]
    others = {"w": ["C"] * 6, "y": ["a"] * 6}
    assert not list(column_questions(describe(cells, settings=ten), cells, ten, others))


def test_codes_of_few_rows_are_pooled_and_bounds_are_no_patients_own():
    wards = [101] * 60 + [102] * 50 + [203] * 8 + [777]
    frame = pd.DataFrame({"ward": wards, "died": ["yes", "no", "no"] * 39 + ["no"] * 2})
    cells = from_frame(frame).cells
    dictionary = describe(cells)
    assert dictionary["ward"].type == "integer"

    def answer(key, guess):
        questions = column_questions(guess, cells, SETTINGS)
        changes = {answer.key: answer.change for one in questions for answer in one.answers}
        return changes[key](guess)

    codes = answer("l", dictionary)
    assert codes["ward"].levels == ("101", "102", "203", "other")
    assert answer("n", codes)["ward"].bounds[1] > 777
