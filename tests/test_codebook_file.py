"""Which codebook a text is: REDCap, OMOP, a Table Schema, or none."""

import numpy as np
import pandas as pd
import pytest

from t2local.errors import DictionaryError
from t2local.tables.codebook_file import read_codebook, read_codebook_file
from t2local.tables.describe import describe
from t2local.tables.files import from_frame


def test_omop_fields_say_types_keys_and_meanings():
    book = pd.DataFrame(
        [
            ["person", "person_id", "Yes", "integer", "Unique. More.", "Yes", "No"],
            ["person", "gender_concept_id", "Yes", "integer", "Sex at birth. Codes.", "No", "Yes"],
            ["person", "year_of_birth", "Yes", "integer", "Year of birth.", "No", "No"],
            ["person", "provider_id", "No", "integer", "", "No", "Yes"],
            ["person", "gender_source_value", "No", "varchar(50)", "", "No", "No"],
        ],
        columns=[
            "cdmTableName",
            "cdmFieldName",
            "isRequired",
            "cdmDatatype",
            "userGuidance",
            "isPrimaryKey",
            "isForeignKey",
        ],
    ).to_csv(index=False)
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "person_id": rng.permutation(9999)[:40],
            "gender_concept_id": rng.choice([8507, 8532], 40),
            "year_of_birth": rng.integers(1930, 2000, 40),
            "provider_id": rng.integers(1, 5, 40),
            "gender_source_value": rng.choice(["m", "f"], 40),
            "died": rng.choice(["yes", "no"], 40),
        }
    )
    cells = from_frame(rows).cells
    known = read_codebook(book, "omop.csv").apply(describe(cells, target="died"), cells)
    assert [(f.name, f.type) for f in known.features] == [
        ("gender_concept_id", "category"),
        ("year_of_birth", "integer"),
        ("died", "boolean"),
    ]
    assert known["gender_concept_id"].meaning == "Sex at birth"
    assert {out.name for out in known.left_out} == {
        "person_id",
        "provider_id",
        "gender_source_value",
    }


def test_a_file_that_is_not_there_or_no_text_says_so(tmp_path):
    with pytest.raises(DictionaryError, match="There is no file"):
        read_codebook_file(tmp_path / "gone.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DictionaryError, match="cannot be read as UTF-8"):
        read_codebook_file(tmp_path / "b.csv")


def test_a_table_schema_keeps_fields_that_have_a_name():
    text = "fields:\n- {name: age, type: integer}\n- {type: string}\n- 7\n"
    assert read_codebook(text, "s.yaml").facts == {"age": {"name": "age", "type": "integer"}}


def test_line_ends_of_old_macs_are_those_of_a_codebook_and_no_error_of_python():
    text = "cdmFieldName,isPrimaryKey\rage,No\rid,Yes\r"
    assert set(read_codebook(text, "o.csv").hidden) == {"id"}
    for broken in ("\ri", "a\x00,b", "[" * 5000, "fields: [!!timestamp x]", "x" * 200_000):
        with pytest.raises(DictionaryError, match="no codebook that is known"):
            read_codebook(broken, "b.csv")


def test_levels_of_a_table_schema_may_be_numbers_and_not_lists():
    cells = pd.DataFrame({"ward": ["1", "2"] * 6, "y": ["a", "b"] * 6}, dtype=object)
    guess = describe(cells, target="y")
    numbers = read_codebook(
        "fields: [{name: ward, type: string, constraints: {enum: [1, 2, 3]}}]", "s"
    )
    assert numbers.apply(guess, cells)["ward"].levels == ("1", "2", "3")
    labels = read_codebook("fields: [{name: ward, labels: [1], description: the ward}]", "s")
    assert labels.apply(guess, cells)["ward"].meaning == "the ward"
    for levels in ("[[1], 2]", "[{1: 2}]", "1: 2", "7"):
        text = f"fields:\n- name: ward\n  type: string\n  constraints: {{enum: {levels}}}"
        book = read_codebook(text.replace("{enum: 1: 2}", "{enum: {1: 2}}"), "s")
        with pytest.raises(DictionaryError, match="does not fit"):
            book.apply(guess, cells)
