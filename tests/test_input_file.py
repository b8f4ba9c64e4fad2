"""What a person names as a file and is none: nothing waits, and nothing is read without end."""

import os
from pathlib import Path

import pytest

from t2local.errors import DictionaryError, InputError
from t2local.system.input_file import read_bytes
from t2local.tables.codebook_file import read_codebook_file
from t2local.tables.reading import read_table, read_text


def refusal(path, most=100):
    with pytest.raises(DictionaryError) as caught:
        read_bytes(path, most, DictionaryError, "look again")
    assert caught.value.next_step
    return str(caught.value)


def test_a_file_of_the_largest_size_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert read_bytes(tmp_path / "a", 100, DictionaryError, "") == b"x" * 100
    assert "larger than" in refusal(tmp_path / "a", 99)


def test_what_is_no_file_is_said_to_be_what_it_is(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert "is a folder" in refusal(tmp_path)
    assert "a pipe or a device" in refusal(tmp_path / "fifo")
    assert "There is no file" in refusal(tmp_path / "none")
    assert "There is no file" in refusal(Path("a\0b"))
    assert "cannot be read" in refusal(tmp_path / ("x" * 300))


@pytest.mark.parametrize(
    "read", [read_table, lambda path: read_text(path, InputError), read_codebook_file]
)
def test_no_reader_waits_for_a_pipe_or_a_device(tmp_path, read):
    os.mkfifo(tmp_path / "data.csv")
    for path in (tmp_path / "data.csv", tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError, match=r"a pipe or a device|a folder"):
            read(path)


@pytest.mark.parametrize(
    ("read", "most"),
    [(read_table, 2 * 10**9), (lambda path: read_text(path, InputError), 20 * 10**6)],
)
def test_a_file_larger_than_any_of_its_kind_is_not_read(tmp_path, read, most):
    with (tmp_path / "data.csv").open("wb") as file:  # with a hole: it takes no room on the disk
        file.truncate(most + 1)
    with pytest.raises(InputError, match=f"larger than {most / 1e6:,.0f} MB"):
        read(tmp_path / "data.csv")
