"""Half characters are refused where a table or a dictionary is read; all others can be written."""

import pandas as pd
import pytest
from pydantic import ValidationError

import t2local
from t2local.errors import DictionaryError, InputError
from t2local.tables.dictionary import Feature
from t2local.tables.dictionary_file import read_dictionary

HALF = "\ud83d"
BASE = {"age": [31, 42, 53, 64, 35, 46] * 3, "y": ["yes", "no"] * 9}


def test_describe_lists_all_columns_with_half_characters_at_once():
    frame = pd.DataFrame(
        {
            **BASE,
            "ward": ["secret", f"secret{HALF}", None] * 6,
            f"na{HALF}me": [1, 2, 3] * 6,
            "note": [f"{i} days after the operation{HALF * (i == 4)}" for i in range(18)],
        }
    )
    with pytest.raises(InputError) as caught:
        t2local.describe(frame, target="y")
    assert caught.value.faults == (
        "the DataFrame, column 'ward': 6 cells, the first in line 2",
        "the DataFrame, column 'na\\ud83dme': its name",
        "the DataFrame, column 'note': 1 cells, the first in line 5",
    )
    assert caught.value.exit_code == 3
    assert "secret" not in str(caught.value)
    str(caught.value).encode()  # a terminal can show it


def test_whole_characters_of_any_kind_are_no_fault():
    odd = ["\U0001f600", "\x00\x07", "\u2581", "\ufffe", "\ue000", "\U0010ffff"] * 3
    assert t2local.describe(pd.DataFrame({**BASE, "w": odd}), target="y")["w"].levels


@pytest.mark.parametrize("place", ["name", "meaning", "unit", "levels"])
def test_a_dictionary_has_none_in_what_a_model_reads(place):
    fields = {"name": "a", "type": "category", "levels": ("x", "y")}
    text = f"x{HALF}"
    with pytest.raises(ValidationError, match=r"half a character|unicode"):
        Feature(**{**fields, place: (text, "y") if place == "levels" else text})


def test_half_characters_that_a_file_escapes_are_named_by_line():
    text = (
        'description: "\\ud800"\ntarget: y\nfields:\n'
        '- {name: a, type: category, levels: ["\\ud83d\\ude00", b]}\n'
        "- {name: y, type: category, levels: [c, d]}\n"
    )
    with pytest.raises(DictionaryError) as caught:
        read_dictionary(text, "d.yaml")
    first, second = caught.value.faults
    assert "line 1" in first
    assert "line 4" in second
    assert all("half a character" in fault for fault in caught.value.faults)
