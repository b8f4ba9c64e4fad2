"""What a run keeps on disk: each entry comes back as it was, or counts as missing."""

import math
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from t2local.errors import ResourceError
from t2local.run.checkpoint import Checkpoint, block_name

VALUES = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(), parts, max_size=4),
    max_leaves=20,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=VALUES)
def test_an_entry_comes_back_as_it_was_bit_by_bit(tmp_path, value):
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.put("entry", value) == Checkpoint(tmp_path).get("entry") == value
    assert Checkpoint().put("entry", value) == value  # the form is the same


def test_numbers_that_json_does_not_know_come_back_too(tmp_path):
    kept = Checkpoint(tmp_path).put("entry", [math.nan, -math.inf, -0.0, 0.1 + 0.2])
    assert math.isnan(kept[0])
    assert kept[1:] == [-math.inf, -0.0, 0.1 + 0.2]
    assert math.copysign(1, kept[2]) == -1


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"", lambda b: b"\xff" + b])
def test_a_damaged_entry_counts_as_missing(tmp_path, damage):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.put("entry", {"a": 1})
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(damage(file.read_bytes()))
    assert checkpoint.get("entry") is None
    assert checkpoint.recall("entry", lambda: 7, lambda n: [n], lambda entry: entry[0]) == 7
    assert checkpoint.recall("entry", lambda: 8, lambda n: [n], lambda entry: entry[0]) == 7


@pytest.mark.parametrize("on_disk", [True, False])
def test_without_a_folder_entries_last_as_long_as_the_run(on_disk, tmp_path):
    checkpoint, made = Checkpoint(tmp_path if on_disk else None), iter(range(9))
    assert [checkpoint.recall("n", lambda: next(made), int, int) for _ in range(3)] == [0, 0, 0]
    checkpoint.put("scores-b", 5)
    assert checkpoint.entries("scores-") == {"scores-b": 5}
    assert (Checkpoint().entries(""), Checkpoint().empty, Checkpoint().rows) == ({}, True, 0)


def test_rows_are_those_of_the_blocks_up_to_the_first_that_is_missing(tmp_path):
    checkpoint = Checkpoint(tmp_path / "kept").begin({"--seed": "1"})
    assert checkpoint.empty
    for number, rows in ((0, [[1], [2]]), (1, [[3]]), (3, [[4]])):
        checkpoint.put(block_name(number), {"answer": {"rows": rows}})
    assert not checkpoint.empty
    assert checkpoint.rows == 3
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700


def test_what_differs_is_named_and_what_is_equal_is_not(tmp_path):
    checkpoint = Checkpoint(tmp_path).begin({"--seed": "1", "--rows": "20", "version of x": "1"})
    assert checkpoint.differences({"--seed": "2", "--rows": "20", "new": ""}) == [
        "--seed",
        "new",
        "version of x",
    ]


def test_a_disk_without_room_says_what_to_do(tmp_path):
    with pytest.raises(ResourceError, match="cannot be written") as caught:
        Checkpoint(tmp_path / "not there").put("entry", 1)
    assert "run the same command again" in caught.value.next_step
