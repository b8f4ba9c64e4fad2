"""Ugly files: what hospitals send.

Each is read as a person would, says what was decided, and is written as it came.
"""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from t2local.errors import InputError
from t2local.tables.describe import describe
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.files import MISSING, Table, from_frame, stripped
from t2local.tables.reading import read_table, write_like
from tests.strategies import dictionaries, frame_of, values


def read(tmp_path, content, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path)


def said(table):
    return {note.what: note.value for note in table.decisions}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_encodings(tmp_path, encoding):
    text = "age;straße;naïve €\n" + "".join(f"{age};Höhe {age % 3};ja\n" for age in range(30, 50))
    table = read(tmp_path, text.encode(encoding))
    assert list(table.cells) == ["age", "straße", "naïve €"]
    assert table.cells["straße"][0] == "Höhe 0"
    assert bool(table.decisions) == (not encoding.startswith("utf-8"))
    write_like(table, tmp_path / "again.csv", table.cells)
    assert (tmp_path / "again.csv").read_bytes().decode(encoding).lstrip("\ufeff") == text


def test_latin_1_with_a_byte_that_windows_does_not_have(tmp_path):
    table = read(tmp_path, b"a,b\n1,\xe4\x81\n2,x\n")
    assert said(table)["encoding"] == "Latin-1"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_even_where_another_is_in_the_cells(tmp_path, delimiter):
    rows = [["name", "note", "n"], *([f"p{i}", f'"a{";,|"[i % 3]} b"', str(i)] for i in range(9))]
    table = read(tmp_path, "\n".join(delimiter.join(row) for row in rows))
    assert table.delimiter == delimiter
    assert table.cells["n"].tolist() == [str(i) for i in range(9)]


def test_decimal_commas_are_read_and_written_again(tmp_path):
    text = "id;kg;price;mixed\n1;70,5;1.234,50;1\n2;-3,25;12.000,00;2,5\n3;;7,10;x\n"
    table = read(tmp_path, text)
    assert table.cells["kg"].tolist() == ["70.5", "-3.25", None]
    assert table.cells["price"].tolist() == ["1234.50", "12000.00", "7.10"]
    assert table.cells["mixed"].tolist() == ["1", "2,5", "x"]
    assert said(table) == {"kg": "decimal commas", "price": "decimal commas, points for thousands"}
    write_like(table, tmp_path / "again.csv", table.cells)
    assert (tmp_path / "again.csv").read_text() == text


def test_commas_for_thousands(tmp_path):
    table = read(tmp_path, 'n,cost\n1,"1,234"\n2,"12,000.50"\n3,7\n')
    assert table.cells["cost"].tolist() == ["1234", "12000.50", "7"]
    assert said(table)["cost"] == "commas for thousands"
    assert read(tmp_path, "n;m\n1;1,234\n2;2,500\n").cells["m"].tolist() == ["1.234", "2.500"]


def test_missing_values_keep_their_code(tmp_path):
    text = "a,b,c,d\n1,Unknown,?,\n2,x,1.5,N/A\n3,Unknown,2.5,5\n4,y,?,6\n"
    table = read(tmp_path, text)
    assert table.cells.isna().sum().tolist() == [0, 2, 2, 2]
    assert table.missing["b"] == "Unknown"
    assert "b" in said(table)
    assert "c" not in said(table)
    write_like(table, tmp_path / "again.csv", table.cells)
    assert (tmp_path / "again.csv").read_text() == text.replace(
        "N/A", ""
    )  # the more common code of a column, the first of two


def test_a_header_is_found_missing(tmp_path):
    table = read(tmp_path, "34,F,1.5\n51,M,2.5\n29,F,0.5\n")
    assert list(table.cells) == ["column_1", "column_2", "column_3"]
    assert len(table.cells) == 3
    assert table.lines == [1, 2, 3]
    assert "header" in said(table)


@pytest.mark.parametrize(
    "header", ["2019,2020,2021", "1,2,3", "x,2020,z", "a,b,c", "age [years],27,q"]
)
def test_numbers_may_be_names(tmp_path, header):
    table = read(
        tmp_path, header + "\n" + "".join(f"{i},{i * 7 % 5},{i * 3}\n" for i in range(10, 20))
    )
    assert list(table.cells) == header.split(",")


def test_unnamed_and_doubled_columns_get_names(tmp_path):
    table = read(tmp_path, ",age,age,age_2\n0,1,2,3\n1,4,5,6\n2,7,8,9\n")
    assert list(table.cells) == ["column_1", "age", "age_2", "age_2_2"]
    assert said(table)["column 1"] == "column_1"


def test_a_delimiter_at_the_end_of_every_line_is_no_column(tmp_path):
    table = read(tmp_path, "a;b;\n1;2;\n3;4;\n")
    assert list(table.cells) == ["a", "b"]


def test_quotes_newlines_and_leading_blanks(tmp_path):
    table = read(tmp_path, 'a,b\n  x ,"say ""no"", he said"\n y,"two\nlines"\n')
    assert table.cells["a"].tolist() == ["x", "y"]
    assert table.cells["b"].tolist() == ['say "no", he said', "two\nlines"]
    assert table.lines == [2, 3]


@given(frame=st.integers(0, 2**32 - 1))
def test_random_tables_are_written_and_read_back_equal(tmp_path_factory, frame):
    rng = np.random.default_rng(frame)
    rows = int(rng.integers(3, 12))
    letters = np.array(list("abcÄß,;\"|\n' "))
    columns = {
        "text": ["x" + "".join(rng.choice(letters, 5)).strip() for _ in range(rows)],
        "whole": rng.integers(-999, 999, rows).astype(str),
        "number": [f"{x:.2f}" for x in rng.normal(0, 100, rows)],
        "gaps": [None if rng.random() < 0.3 else "v" for _ in range(rows)],
    }
    cells = pd.DataFrame(columns, dtype=object)
    path = tmp_path_factory.mktemp("r") / "t.csv"
    delimiter = str(rng.choice([",", ";", "\t"]))
    from t2local.tables.files import write_csv

    blank = cells.where(cells.notna(), None)
    write_csv(path, cells.columns, blank.itertuples(index=False), delimiter=delimiter)
    table = read_table(path)
    pd.testing.assert_frame_equal(table.cells, cells.where(cells.notna(), None).astype(object))
    write_like(table, path.with_name("again.csv"), table.cells)
    assert path.with_name("again.csv").read_bytes() == path.read_bytes()


def readable(dictionary):
    """Whether every level survives the stated rules of reading.

    Blanks around a cell go, some words mean missing, some commas are decimal.
    """
    levels = [level for feature in dictionary.features for level in feature.levels]
    return all(
        level == stripped(level)
        and level.casefold() not in MISSING
        and not re.fullmatch(r"[\d.,]*,[\d.,]*", level)
        for level in levels
    )


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(
    data=st.data(),
    dictionary=dictionaries(most=4).filter(readable),
    decimal=st.sampled_from(["", "decimal commas", "decimal commas, points for thousands"]),
)
def test_frames_of_every_type_are_written_and_read_back_equal(
    tmp_path_factory, data, dictionary, decimal
):
    rows = [
        {f.name: data.draw(values(f)) for f in dictionary.features}
        for _ in range(data.draw(st.integers(2, 5)))
    ]
    assume(
        all(any(value is not None for value in row.values()) for row in rows)
    )  # a line of nothing is no row
    frame = frame_of(dictionary, rows)
    names = {f.name: f"column {i}" for i, f in enumerate(dictionary.features)}
    plain = dictionary.model_copy(
        update={
            "features": tuple(
                f.model_copy(update={"name": names[f.name]}) for f in dictionary.features
            )
        }
    )
    cells = plain.cells(frame.rename(columns=names))
    styles = (
        {
            f.name: decimal
            for f in plain.features
            if f.type == "decimal" and any("." in (cell or "") for cell in cells[f.name])
        }
        if decimal
        else {}
    )
    path = tmp_path_factory.getbasetemp() / "frame.csv"
    write_like(Table(cells, list(range(len(cells))), "t", ";", styles=styles), path, cells)
    back = read_table(path)
    pd.testing.assert_frame_equal(plain.values(back.cells), frame.rename(columns=names))


def again(tmp_path, table, name="again.csv"):
    write_like(table, tmp_path / name, table.cells)
    return read_table(tmp_path / name)


@pytest.mark.parametrize("content", ["3\t\t\t\n0\t\t", "3\t\t\t\n0\t\t\t", "a,b,,\n1,2,,\n3,4,,\n"])
def test_a_blank_last_column_comes_back_again_and_again(tmp_path, content):
    """The first delimiter at the end of the lines is taken for their end, as in any file."""
    table = read(tmp_path, content)
    assert table.cells.shape == (2, 3)
    first_line = "data" if table.header is None else "names"
    for _ in range(2):
        write_like(table, tmp_path / "again.csv", table.cells)
        back = read_table(tmp_path / "again.csv", first_line=first_line)
        pd.testing.assert_frame_equal(back.cells, table.cells)
        table = back


ODD = [
    "=A", "'=A", "''=A", "'40-49'", "@x", "-SUM(1)", "a\rb", "a\r\nb", "a\nb", ",", ";", "|", '"',
    "a,b", "1.234,56", "0,123", "12,5", "\u0663", "a\u2028b", "a\ufeffb", "ß", "日",
    "a\x0bb", "a\x1cb",
]  # fmt: skip
#: Names that no cell has, and that are no numbers: the first line is not taken for data.
NAMES = ["=n", "'=n", "-n(m)", "'n'", "n\rm", "n,m", "n;m", "n|m", 'n"', "age", "Größe"]


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.none() | st.sampled_from(ODD)] * 3), min_size=2, max_size=6),
    names=st.lists(st.sampled_from(NAMES), min_size=3, max_size=3, unique=True),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "cp1252", "latin-1", "utf-16", "utf-16-le"]),
)
def test_any_table_that_was_read_is_described_as_the_same_after_it_was_written(
    tmp_path_factory, rows, names, delimiter, encoding
):
    folder = tmp_path_factory.mktemp("same")
    cells = pd.DataFrame(rows, columns=names, dtype=object)
    first = Table(cells, list(range(len(cells))), "t", delimiter, encoding=encoding)
    table = again(folder, first, "data.csv")  # decimal commas are numbers from here on
    assert table.cells.shape == cells.shape
    back = again(folder, table)
    pd.testing.assert_frame_equal(back.cells, table.cells)
    try:
        dictionary = describe(table.cells)
    except InputError:
        return
    assert describe(back.cells) == dictionary


def test_a_mark_before_a_code_page_is_no_letter(tmp_path):
    table = read(tmp_path, b"\xef\xbb\xbfa,b\n1,\xe4\n2,x\n")
    assert list(table.cells) == ["a", "b"]
    assert not table.bom
    assert again(tmp_path, table).cells.equals(table.cells)


def test_marks_within_a_file_are_blanks(tmp_path):
    table = read(tmp_path, "a,\ufeffb\n1,\ufeff\n2,x\ufeff \n")
    assert list(table.cells) == ["a", "b"]
    assert table.cells["b"].tolist() == [None, "x"]


def test_a_character_that_the_code_page_lacks_is_written_as_utf_8_with_a_mark(tmp_path):
    table = read(tmp_path, "a,b\n1,ä\n2,x\n".encode("cp1252"))
    table.cells["b"] = ["日", "ä"]
    assert again(tmp_path, table).cells["b"].tolist() == ["日", "ä"]
    assert (tmp_path / "again.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_a_row_in_which_all_is_missing_stays_a_row(tmp_path):
    table = read(tmp_path, "a,b\n1,2\nNA,\n,NA\n,\n3,\n")
    assert table.lines == [2, 3, 4, 6]
    assert len(again(tmp_path, table).cells) == 4


def test_quotes_speak_for_a_delimiter_where_counts_do_not(tmp_path):
    cells = pd.DataFrame({",": [None, None], "b": [",x", ",y"]}, dtype=object)
    table = Table(cells, [2, 3], "t", ";")
    assert again(tmp_path, table).cells.equals(cells)


def test_a_very_long_cell_is_named_with_what_helps(tmp_path):
    content = "a,b\n1,2\n3," + "x" * 10_000_000 + "\n"
    with pytest.raises(InputError, match=r"line 3(.|\n)*131,072 characters"):
        read(tmp_path, content)


def test_levels_of_a_dictionary_that_look_like_numbers_with_commas_stay_levels(tmp_path):
    frame = pd.DataFrame({"a": ["1.234,56", "7", "1.234,56"], "y": ["p", "q", "p"]}, dtype=object)
    dictionary = FeatureDictionary(
        target="y",
        features=(
            Feature(name="a", type="category", levels=("1.234,56", "7")),
            Feature(name="y", type="category", levels=("p", "q")),
        ),
    )
    table = again(tmp_path, Table(from_frame(frame).cells, [1, 2, 3], "t", ";"))
    assert dictionary.check_table(table.cells, table.lines, "t") == []
    values = dictionary.values(table.cells)
    assert values["a"].tolist() == frame["a"].tolist()
    write_like(table, tmp_path / "third.csv", dictionary.cells(values))
    assert read_table(tmp_path / "third.csv").cells.equals(table.cells)


def test_parquet_and_excel_without_their_library_say_what_to_install(tmp_path):
    for name, extra in (("t.parquet", "parquet"), ("t.xlsx", "excel")):
        (tmp_path / name).write_bytes(b"not one")
        with pytest.raises(InputError) as error:
            read_table(tmp_path / name)
        assert f"t2local[{extra}]" in str(error.value) or "cannot be read" in str(error.value)


def test_excel_and_parquet_are_read_where_their_libraries_are(tmp_path):
    frame = pd.DataFrame(
        {
            "age": [34, 51, 29],
            "kg": [70.5, None, 61.0],
            "day": pd.to_datetime(["2021-03-04", "2021-05-06", None]),
        }
    )
    pytest.importorskip("openpyxl")
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    cells = read_table(tmp_path / "t.xlsx").cells
    assert cells["age"].tolist() == ["34", "51", "29"]
    assert cells["kg"].tolist() == ["70.5", None, "61"]
    assert cells["day"].tolist() == ["2021-03-04", "2021-05-06", None]
    pytest.importorskip("pyarrow")
    frame.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet").cells, cells)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.text('a1,;."\n\r\t |€\x00', max_size=80).map(str.encode),
        st.text("ab1,;\n", max_size=60).map(lambda text: text.encode("utf-16")),
    )
)
def test_any_bytes_are_a_table_or_an_input_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        table = read_table(path)
    except InputError as error:
        assert "any.csv" in str(error)  # noqa: PT017 -- both outcomes are right
        return
    assert len(table.cells) == len(table.lines) >= 2
    assert table.lines == sorted(set(table.lines))
    assert table.cells.columns.is_unique
    write_like(table, path.with_name("again.csv"), table.cells)
