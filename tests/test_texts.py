"""Short texts for rows: bounded by their columns, written by the row and the dictionary alone."""

import re

import numpy as np
import pytest

from t2local.errors import DecodeError
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.tables.dictionary import LeftOut
from t2local.team.texts import write_texts
from tests.teams import dictionary_and_values

NOTE = LeftOut(name="note", reason="free text", make="text", meaning="a remark", max_length=12)
STORY = LeftOut(name="story", reason="free text", make="text", max_length=3)


def write(patients, columns, model=None, seed=1, n_rows=6):
    dictionary, real = dictionary_and_values(patients)
    rows = real.head(n_rows)
    return write_texts(model or ScriptedModel(), dictionary, columns, rows, Settings(), seed)


def test_every_row_has_a_text_of_each_column_within_its_length(patients):
    texts = write(patients, [NOTE, STORY])
    assert list(texts.columns) == ["note", "story"]
    for column in (NOTE, STORY):
        written = texts.columns[column.name]
        assert len(written) == 6
        assert all(text is None or 1 <= len(text) <= column.max_length for text in written)
    assert texts.counters.row_tokens > 0
    assert texts.counters.prefix_tokens > 0
    assert write(patients, [NOTE, STORY]).columns == texts.columns
    assert write(patients, [NOTE, STORY], seed=2).columns != texts.columns


def test_a_text_depends_on_its_own_row_alone(patients):
    every = write(patients, [NOTE], n_rows=6).columns["note"]
    assert write(patients, [NOTE], n_rows=2).columns["note"] == every[:2]


def test_the_model_sees_the_row_and_the_dictionary_but_no_real_text(patients):
    def script(text: bytes) -> bytes:
        """The age of the row, then the end of the text."""
        row = re.search(rb"\[(\d+),[^\[]*\]\[\"(\d*)$", text)
        return (row[1] + b'"')[len(row[2]) :] if row else b""

    model = ScriptedModel(script)
    texts = write(patients, [NOTE], model)
    assert texts.columns["note"] == [str(age) for age in patients["age"].head(6)]
    (prompt,) = model.prompts
    assert "note: a remark (at most 12 letters)" in prompt
    assert "[" not in prompt


def test_a_prompt_that_does_not_fit_is_an_error(patients):
    with pytest.raises(DecodeError, match="do not fit"):
        write(patients, [NOTE], ScriptedModel(context_length=200))


def test_texts_do_not_disturb_the_rows(patients):
    dictionary, real = dictionary_and_values(patients)
    before = real.copy()
    write_texts(ScriptedModel(), dictionary, [STORY], real, Settings(), 1)
    assert real.equals(before)
    assert np.array_equal(real.index, np.arange(60))
