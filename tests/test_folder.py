"""The folder of a run: nothing foreign is touched, and each file appears whole."""

import json
import stat

import pandas as pd
import pytest

from t2local.errors import ResourceError, UsageError
from t2local.run.folder import RunFolder
from t2local.tables.files import from_frame

CELLS = pd.DataFrame({"a": ["1", None], "b": ["x", "y;z"]})


def test_a_new_folder_is_made_with_its_parents_and_is_its_owners(tmp_path):
    path = tmp_path / "deep" / "run"
    RunFolder(path).start()
    assert (path / "journal.jsonl").read_text() == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_making_the_object_writes_nothing(tmp_path):
    RunFolder(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_in_the_way_and_a_foreign_folder_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        RunFolder(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    RunFolder(tmp_path / "folder")  # an empty one may be used
    (tmp_path / "folder" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="not of a run"):
        RunFolder(tmp_path / "folder")


def test_a_folder_of_a_run_is_used_again(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start()
    folder.write({"report.json": "{}"})
    RunFolder(tmp_path / "run").start()
    assert (tmp_path / "run" / "report.json").read_text() == "{}"  # until it is replaced


def test_a_folder_that_cannot_be_made_is_an_error_with_a_way_out(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError) as caught:
        RunFolder(tmp_path / "file" / "run").start()
    assert "--out" in caught.value.next_step


def test_the_journal_has_a_line_for_each_entry(tmp_path):
    folder = RunFolder(tmp_path)
    folder.start()
    for number in range(3):
        folder.note({"batch": number, "mean": float("nan")})
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"batch": i, "mean": None} for i in range(3)]


def test_the_result_is_written_as_the_table_was(tmp_path):
    table = from_frame(CELLS)
    folder = RunFolder(tmp_path)
    folder.start()
    notes = CELLS.assign(reason=["r", "s"])[["reason", "a", "b"]]
    folder.finish(table, CELLS, notes, {"report.json": "{}", "manifest.json": "{}"})
    assert (tmp_path / "synthetic.csv").read_text() == "a,b\n1,x\n,y;z\n"
    assert (tmp_path / "rejected.csv").read_text() == "reason,a,b\nr,1,x\ns,,y;z\n"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "journal.jsonl",
        "manifest.json",
        "rejected.csv",
        "report.json",
        "synthetic.csv",
    ]
