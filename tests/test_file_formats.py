"""Tables that are no plain CSV: as their CSV would be read, or refused with what to do."""

import gzip
import io
import zipfile

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.cli import main
from t2local.errors import InputError
from t2local.tables.file_formats import unpacked
from t2local.tables.reading import read_table, write_like

CSV = "age;ward;kg\n34;A;70,5\n51;NA;61,0\n29;B;\n"


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_csv", ".csv"), content)
    return buffer.getvalue()


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert caught.value.next_step
    return str(caught.value)


def test_a_compressed_file_is_the_csv_in_it(tmp_path):
    (tmp_path / "t.csv").write_text(CSV)
    plain = read_table(tmp_path / "t.csv")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    (tmp_path / "t.zip").write_bytes(zipped(data_csv=CSV, **{"__MACOSX/._data.csv": "x"}))
    for name in ("t.csv.gz", "t.zip"):
        table = read_table(tmp_path / name)
        pd.testing.assert_frame_equal(table.cells, plain.cells)
        assert (table.delimiter, table.styles, table.source) == (";", plain.styles, name)
        write_like(table, tmp_path / "again.csv", table.cells)
        assert (tmp_path / "again.csv").read_text() == CSV


def test_archives_of_several_files_of_none_and_broken_ones_are_refused(tmp_path):
    path = tmp_path / "t.zip"
    path.write_bytes(zipped(a_csv=CSV, b_csv=CSV))
    assert "holds 2 files" in refusal(path)
    path.write_bytes(zipped())
    assert "holds 0 files" in refusal(path)
    path.write_bytes(zipped(**{"book.xlsx": "x"}))
    assert "holds no CSV" in refusal(path)
    for content in (b"PK\x03\x04", b"", zipped(a_csv=CSV)[:-30]):
        path.write_bytes(content)
        assert "cannot be unpacked" in refusal(path)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(CSV.encode())[:-12])
    assert "cannot be unpacked" in refusal(tmp_path / "t.csv.gz")


@pytest.mark.parametrize("name", ["t.gz", "t.zip"])
def test_what_unfolds_to_too_much_is_refused_before_it_is_unfolded(name):
    zeros = bytes(3 * 10**7)
    data = gzip.compress(zeros) if name == "t.gz" else zipped(a_csv=zeros)
    assert len(data) < 10**5
    with pytest.raises(InputError, match="unfolds to more than 1 MB"):
        unpacked(data, name, 10**6)


def test_lines_of_json_are_rows_with_the_texts_of_their_numbers(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"\ufeffage ": 34, "kg": 70.50, "dead": true}\n\n{"kg": null, "ward": " B "}\n'
    )
    table = read_table(path)
    assert table.cells.to_dict("list") == {
        "age": ["34", None],
        "kg": ["70.50", None],
        "dead": ["True", None],
        "ward": [None, "B"],
    }
    assert table.lines == [1, 3]


def test_lines_of_json_without_any_name_are_no_table(tmp_path):
    """Two blank names would be one in the file that is written."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"":8}\n{"":6}\n{" ":6}\n')
    with pytest.raises(InputError, match="no column has a name"):
        read_table(path)


def test_every_line_that_is_no_row_is_named(tmp_path):
    path = tmp_path / "t.ndjson"
    path.write_text('{"a": 1, "b": 2}\n[1]\n{"a": [1], "b": {"c": 2}}\n{"a"\n' + "[" * 5000)
    message = refusal(path)
    for part in ("line 2: no", "line 3, column 'a': a list", "column 'b'", "line 4: no", "line 5"):
        assert part in message
    path.write_text('{"a": "\\ud800", "b": 1}\n{"a": "x", "b": 2}\n')
    assert "half characters" in refusal(path)
    path.write_text("\n\n")
    assert "is empty" in refusal(path)


def test_labels_of_stata_are_levels_and_its_types_stay(tmp_path):
    frame = pd.DataFrame(
        {
            "sex": pd.Categorical(["female", "male", None]),
            "age": [34.0, 51.0, None],
            "day": pd.to_datetime(["2021-03-04", None, "2021-05-06"]),
            "code": ["007", "010", "007"],
        }
    )
    frame.to_stata(tmp_path / "t.dta", write_index=False, convert_dates={"day": "td"})
    assert read_table(tmp_path / "t.dta").cells.to_dict("list") == {
        "sex": ["female", "male", None],
        "age": ["34", "51", None],
        "day": ["2021-03-04", None, "2021-05-06"],
        "code": ["007", "010", "007"],
    }


def test_spss_is_read_where_its_library_is(tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    frame = pd.DataFrame({"sex": [1.0, 2.0, 1.0], "age": [34.0, 51.0, None]})
    labels = {"sex": {1.0: "female", 2.0: "male"}}
    pyreadstat.write_sav(frame, tmp_path / "t.sav", variable_value_labels=labels)
    cells = read_table(tmp_path / "t.sav").cells
    assert cells.to_dict("list") == {"sex": ["female", "male", "female"], "age": ["34", "51", None]}


@settings(max_examples=60, deadline=None)
@given(
    ending=st.sampled_from(["parquet", "dta", "sas7bdat", "xpt", "sav", "xlsx", "gz", "jsonl"]),
    content=st.binary(max_size=300),
)
def test_any_bytes_are_refused_with_a_next_step(tmp_path_factory, ending, content):
    path = tmp_path_factory.getbasetemp() / f"any.{ending}"
    path.write_bytes(content)
    assert "any." in refusal(path)


def test_a_stata_file_that_was_altered_is_a_table_or_refused(tmp_path):
    frame = pd.DataFrame({"sex": pd.Categorical(["f", "m", "f"]), "age": [34.0, 51.0, 20.0]})
    frame.to_stata(tmp_path / "t.dta", write_index=False)
    content = (tmp_path / "t.dta").read_bytes()
    for place in range(0, len(content), 17):
        (tmp_path / "b.dta").write_bytes(content[:place] + b"\xff" + content[place + 1 :])
        try:
            read_table(tmp_path / "b.dta")
        except InputError as error:
            assert error.next_step  # noqa: PT017 -- both outcomes are right


def test_sheets_of_excel_are_read_by_name_with_the_header_of_csv(tmp_path):
    pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    first = pd.DataFrame([["age", "age", None], [34, 1.5, "x"], [51, None, "y"]])
    second = pd.DataFrame([["when", "n"], [pd.Timestamp("2021-03-04"), "007"], ["NA", "'=A"]])
    with pd.ExcelWriter(path) as book:
        first.to_excel(book, sheet_name="visits", header=False, index=False)
        second.to_excel(book, sheet_name="codes", header=False, index=False)
    table = read_table(path)
    assert list(table.cells) == ["age", "age_2", "column_3"]
    assert table.cells["age_2"].tolist() == ["1.5", None]
    assert table.decisions[0].what == "sheet"
    codes = read_table(path, sheet="codes", first_line="names")
    assert codes.cells.to_dict("list") == {"when": ["2021-03-04", None], "n": ["007", "'=A"]}
    with pytest.raises(InputError, match=r"no sheet 'none'(.|\n)*visits, codes(.|\n)*--sheet"):
        read_table(path, sheet="none")


def test_the_command_line_takes_a_sheet(tmp_path):
    pytest.importorskip("openpyxl")
    path = str(tmp_path / "t.xlsx")
    numbers = [17 * n % 60 for n in range(20)]
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"notes": ["x"]}).to_excel(book, sheet_name="read me", index=False)
        pd.DataFrame({"age": numbers, "y": ["a", "b"] * 10}).to_excel(
            book, sheet_name="data", index=False
        )
    result = CliRunner().invoke(main, ["describe", path, "--sheet", "data"])
    assert result.exit_code == 0, result.output
    assert "name: age" in result.stdout
    assert CliRunner().invoke(main, ["describe", path]).exit_code == 3
