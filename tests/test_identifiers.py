"""Identifiers are made by code, look like the real ones and are none of them.

What a spreadsheet would run is guarded.
"""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.llm.scripted import ScriptedModel
from t2local.tables import reading, row_sample
from t2local.tables.files import from_frame
from t2local.tables.identifiers import new_identifiers, numbered
from t2local.tables.reading import write_like

pytestmark = pytest.mark.usefixtures("few_trees")

LOOSE = {"trim.significance_level": 1, "trim.worst_share": 0, "trim.replicates": 50}


@settings(deadline=None)
@given(
    st.lists(st.text("ABab01-_é ", min_size=1, max_size=6), min_size=1, max_size=30, unique=True),
    st.integers(0, 60),
    st.integers(1, 9),
)
def test_new_ones_are_unique_and_none_of_the_real_ones(real, rows, seed):
    made = new_identifiers(pd.Series(real, name="id", dtype=object), rows, seed)
    assert len(made) == rows == len(set(made))
    assert not set(made) & set(real)


def test_they_look_like_the_real_ones():
    made = new_identifiers(pd.Series([f"P-{n:04}x" for n in (31, 7, 999)], name="id"), 50, 1)
    assert all(re.fullmatch(r"[A-Z]-\d{4}[a-z]", text) for text in made)
    assert new_identifiers(pd.Series(["7", "8", "9"], name="n"), 3, 1) == ["10", "11", "12"]
    assert new_identifiers(pd.Series(["007", "008"], name="n"), 2, 1) == ["009", "010"]


@pytest.mark.parametrize(
    "text",
    ["{}".format, "{:07}".format, "P{}".format, "1{:016}".format, "{:x}".format, "{}-ä".format],
)
def test_those_of_a_large_file_are_none_of_its_real_ones_outside_the_sample(
    text, tmp_path, monkeypatch
):
    monkeypatch.setattr(reading, "_MOST_BYTES_OF_ALL_ROWS", 0)
    monkeypatch.setattr(row_sample, "_MOST_ROWS", 100)
    numbers = np.random.default_rng(1).permutation(30_000)
    real = [text(int(number)) for number in numbers]
    rows = [f"{name},{number % 90}" for name, number in zip(real, numbers, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["id,age", *rows]))
    table = reading.read_table(tmp_path / "t.csv", all_rows=False)
    assert len(table.cells) < len(real)
    made = new_identifiers(table.cells["id"], 200, 1, table.other_cells["id"])
    assert len(made) == len(set(made)) == 200
    assert not set(made) & set(real)


def test_whole_numbers_of_any_length_stay_exact_beside_blanks():
    cells = pd.Series(["12345678901234567", None, "12345678901234569"], dtype=object)
    assert numbered(cells).dropna().tolist() == [12345678901234567, 12345678901234569]
    assert numbered(cells).dtype == "Int64"
    assert numbered(cells.dropna()).dtype == "int64"
    assert numbered(pd.Series(["007", None], dtype=object)).tolist() == ["007", None]


def test_rows_get_new_identifiers_in_the_order_of_the_file(patients, tmp_path):
    frame = patients.copy()
    frame.insert(
        0, "patient_id", [f"P{n:05}" for n in np.random.default_rng(1).permutation(99_999)[:60]]
    )
    frame["row"] = np.arange(1, 61)
    result = t2local.generate(
        frame,
        target="outcome",
        model=ScriptedModel(),
        plan="data",
        rows=10,
        max_batches=2,
        settings=LOOSE,
        out=tmp_path / "out",
    )
    assert list(result.synthetic) == list(frame)
    assert not set(result.synthetic["patient_id"]) & set(frame["patient_id"])
    assert result.synthetic["row"].tolist() == list(range(61, 61 + len(result.synthetic)))
    assert result.augmented.dtypes.equals(frame.dtypes)
    assert (tmp_path / "out" / "synthetic.csv").read_text().splitlines()[0] == ",".join(frame)


def test_numbers_for_missing_are_missing_inside_and_come_back_outside(patients, tmp_path):
    frame = patients.assign(
        weight=patients["weight"].fillna(-999.0),
        sex=patients["sex"].where(patients.index % 6 > 0, "Unknown"),
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    result = t2local.generate(
        tmp_path / "t.csv",
        target="outcome",
        model=ScriptedModel(),
        plan="data",
        rows=20,
        max_batches=4,
        settings=LOOSE,
        out=tmp_path / "out",
    )
    weight = result.dictionary["weight"]
    assert (weight.missing, weight.minimum > 0, weight.missing_values) == (True, True, ("-999.0",))
    assert result.dictionary["sex"].levels == ("F", "M")
    written = pd.read_csv(tmp_path / "out" / "synthetic.csv", dtype=str, keep_default_na=False)
    assert (written["weight"] == "-999.0").sum() == result.synthetic["weight"].isna().sum() > 0
    assert (written["sex"] == "Unknown").sum() == result.synthetic["sex"].isna().sum()


def test_what_a_spreadsheet_would_run_is_guarded_and_findings_are_not(tmp_path):
    cells = [
        "=1+1",
        "@SUM(A1)",
        "+cmd|' /C calc'!A0",
        "-2+3+cmd|x",
        "-HYPERLINK(1)",
        "+",
        "-",
        "A+",
        "+ve",
        "-ve",
        "-3.5",
        "+7",
        "3+",
        "a=b",
    ]
    frame = pd.DataFrame({"x": cells, "y": ["1"] * len(cells)}, dtype=object)
    write_like(from_frame(frame), tmp_path / "t.csv", frame)
    written = pd.read_csv(tmp_path / "t.csv", dtype=str)["x"].tolist()
    assert written == [f"'{cell}" for cell in cells[:5]] + cells[5:]
