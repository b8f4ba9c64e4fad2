import csv

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2local.errors import InputError
from t2local.tables.files import from_frame, write_csv
from t2local.tables.reading import read_table


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_delimiters_and_bom_are_recognised_and_blanks_are_missing(tmp_path, delimiter, bom):
    lines = [
        ["age", "höhe, cm", "y"],
        ["1", "NA", "a"],
        [" 2 ", "n/a", "b"],
        ["", "?", "a"],
        ["3", '"4;,\t5"', "b"],
    ]
    path = tmp_path / "t.csv"
    path.write_bytes(
        bom
        + "\n".join(
            delimiter.join(f'"{c}"' if "," in c and c[0] != '"' else c for c in row)
            for row in lines
        ).encode()
    )
    table = read_table(path)
    assert (table.delimiter, table.bom) == (delimiter, bool(bom))
    assert list(table.cells) == ["age", "höhe, cm", "y"]
    assert table.cells["age"].tolist() == ["1", "2", None, "3"]
    assert table.cells["höhe, cm"].tolist() == [None, None, None, "4;,\t5"]


def test_lines_are_those_of_the_file_even_after_a_cell_with_a_newline(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"x\ny"\n\n2,z\n')
    assert read_table(path).lines == [2, 5]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ["is empty"]),
        (b"\n \n", ["is empty"]),
        (b";;\n;;\n", ["is empty"]),
        (b"a,b\n1," + b"x" * 200_000, ["line 2: field larger than field limit"]),
        (b"a,b\n", ["has no rows of data"]),
        (b"a,b\n1,2\n", ["has 1 row of data"]),
        (b"abc\n1\n2\n", ["only one column", "the delimiter must be"]),
        (
            b"Report 2024\n\nage;sex\n1;f\n2;m\n",
            ["line 1: there is only one column, and in line 3 there are 2", "above the header"],
        ),
        (b"a,b\n1,2\n3\n4,5,6\n", ["line 3: 1 cells", "line 4: 3 cells"]),
        (b"\xff\xfea\x00,", ["begins like UTF-16"]),
        (b'a,b\n1,"x\n2,3\n', ["line 2"]),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_what_next(tmp_path, content, expected):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    message = str(caught.value)
    assert [part for part in expected if part not in message] == []
    assert "bad.csv" in message
    assert "\nNext: " in message


def test_a_missing_file_names_itself(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        read_table(tmp_path / "nothing.csv")


def test_frames_become_cells_without_points_on_whole_floats():
    frame = pd.DataFrame(
        {"a": [1.0, None, 2.5], "b": [True, False, None], "c": ["x", " ", "NA"], 4: [1, 2, 3]}
    )
    cells = from_frame(frame).cells
    assert cells["a"].tolist() == ["1", None, "2.5"]
    assert cells["b"].tolist() == ["True", "False", None]
    assert cells["c"].tolist() == ["x", None, None]
    assert cells["4"].tolist() == ["1", "2", "3"]


@given(
    st.lists(
        st.lists(
            st.one_of(
                st.none(),
                st.text(st.characters(exclude_characters="\x00\r", exclude_categories=["Cs"])),
            ),
            min_size=2,
            max_size=2,
        ),
        max_size=5,
    )
)
def test_what_is_written_reads_back_equal(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("w") / "t.csv"
    write_csv(path, ["a", "b"], rows, delimiter=";", bom=True)
    with path.open(encoding="utf-8-sig", newline="") as file:
        back = list(csv.reader(file, delimiter=";"))
    assert back == [["a", "b"], *([cell or "" for cell in row] for row in rows)]


def test_frames_with_lists_and_without_a_name_are_a_table_or_an_error():
    table = from_frame(pd.DataFrame({"a": [[1], [], None], "b": [1, 2, 3]}))
    assert table.cells["a"].tolist() == ["[1]", "[]", None]
    with pytest.raises(InputError, match="without a name"):
        from_frame(pd.DataFrame({"": [1, 2], "b": [1, 2]}))
