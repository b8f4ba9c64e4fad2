"""The folder of a run: nothing foreign is touched, and each file appears whole."""

import json
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from t2local.errors import ResourceError, UsageError
from t2local.run.folder import RunFolder
from t2local.tables.files import from_frame

CELLS = pd.DataFrame({"a": ["1", None], "b": ["x", "y;z"]})


TABLE = from_frame(CELLS)
NOTES = CELLS.assign(reason=["r", "s"])[["reason", "a", "b"]]
TEXTS = {"report.json": "{}", "manifest.json": "{}"}
NAMES = ["journal.jsonl", "manifest.json", "rejected.csv", "report.json", "synthetic.csv"]


def finish(folder: RunFolder, cells=CELLS, **options) -> bool:
    folder.write_rows(TABLE, cells, NOTES)
    folder.write(TEXTS)
    return folder.publish(**options)


def names(path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_a_new_folder_appears_whole_with_its_parents_and_is_its_owners(tmp_path):
    path = tmp_path / "deep" / "run"
    folder = RunFolder(path)
    assert not path.parent.exists()  # making the object writes nothing
    folder.start()
    folder.note({"batch": 0})
    assert not path.exists()
    finish(folder)
    assert names(path) == NAMES
    assert names(path.parent) == ["run"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}


def test_a_file_in_the_way_and_a_foreign_folder_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        RunFolder(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    RunFolder(tmp_path / "folder")  # an empty one may be used
    (tmp_path / "folder" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="not of a run"):
        RunFolder(tmp_path / "folder")


def test_a_finished_result_is_replaced_on_request_only_and_not_before_the_new_one_is_whole(
    tmp_path,
):
    path = tmp_path / "run"
    for rows in (CELLS, CELLS.head(1)):
        folder = RunFolder(path, replace=True)
        folder.start()
        folder.note({"batch": 0})
        if path.exists():
            assert names(path) == NAMES
            assert (path / "synthetic.csv").read_text() == "a,b\n1,x\n,y;z\n"
        finish(folder, rows)
    assert (path / "synthetic.csv").read_text() == "a,b\n1,x\n"
    assert names(tmp_path) == ["run"]
    with pytest.raises(UsageError, match="holds a finished result") as caught:
        RunFolder(path)
    assert "--replace" in caught.value.next_step


def test_a_folder_in_which_a_person_has_put_a_file_is_never_replaced(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start()
    finish(folder)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not of a run"):
        RunFolder(tmp_path / "run", replace=True)


def test_a_result_that_is_not_what_was_wanted_takes_no_finished_one_away(tmp_path):
    path = tmp_path / "run"
    kept = []
    for rows, complete in ((CELLS, True), (CELLS.head(0), False), (CELLS.head(1), False)):
        folder = RunFolder(path, replace=True)
        folder.start()
        kept.append(finish(folder, rows, complete=complete))
    assert kept == [False, True, True]
    assert (tmp_path / "run.earlier" / "synthetic.csv").read_text() == "a,b\n1,x\n,y;z\n"
    assert (path / "synthetic.csv").read_text() == "a,b\n1,x\n"
    # What was kept before is not given up for what is kept now.
    assert (tmp_path / "run.earlier2" / "synthetic.csv").read_text() == "a,b\n"


def test_a_folder_without_a_name_and_a_link_are_written_as_any_other(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    monkeypatch.chdir(tmp_path / "run")
    for path in (Path("."), tmp_path / "link"):  # noqa: PTH201 -- what --out . gives
        folder = RunFolder(path, replace=True)
        folder.start()
        finish(folder)
        assert names(tmp_path / "run") == NAMES
        assert names(tmp_path) == ["link", "run"]


def test_a_run_that_ended_with_an_error_lets_the_next_one_write(tmp_path):
    with suppress(ValueError), RunFolder(tmp_path / "run") as folder:
        folder.start()
        raise ValueError("a fault of the run")
    again = RunFolder(tmp_path / "run")
    again.start()
    finish(again)
    assert names(tmp_path) == ["run"]


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    first.start()
    first.note({"batch": 0})
    with pytest.raises(ResourceError, match="Another run"):
        second.start()
    finish(first)
    assert json.loads((tmp_path / "run" / "journal.jsonl").read_text()) == {"batch": 0}
    again = RunFolder(tmp_path / "run", replace=True)
    again.start()
    finish(again)


KILL = """
import os, pathlib, shutil, sys
from tests.test_folder import CELLS, NAMES, RunFolder, finish
step, point = int(sys.argv[2]), [0]
def killing(function):
    def killed(*arguments, **options):
        point[0] += 1
        if point[0] == step:
            os._exit(9)
        return function(*arguments, **options)
    return killed
for place, name in ((pathlib.Path, "rename"), (pathlib.Path, "replace"), (pathlib.Path, "unlink"),
                    (pathlib.Path, "mkdir"), (os, "fsync"), (os, "open"), (shutil, "rmtree")):
    setattr(place, name, killing(getattr(place, name)))
folder = RunFolder(pathlib.Path(sys.argv[1]), replace=True)
folder.start()
folder.note({"batch": 1})
finish(folder, CELLS.head(1))
os._exit(0)
"""


def test_a_run_that_is_killed_anywhere_leaves_one_whole_result_and_the_next_run_cleans_up(tmp_path):
    path, old, new = tmp_path / "run", "a,b\n1,x\n,y;z\n", "a,b\n1,x\n"
    seen = set()
    # A few points of the folder alone, as test_faults.py has a few of whole runs.
    for step in (*range(4, 24, 5), 99):
        shutil.rmtree(path, ignore_errors=True)
        folder = RunFolder(path, replace=True)
        folder.start()
        finish(folder)
        command = [sys.executable, "-c", KILL, str(path), str(step)]
        code = subprocess.run(command, check=False, cwd=Path(__file__).parents[1]).returncode
        # A kill between the two renames leaves the old result under another name, until the next.
        again = RunFolder(path, replace=True)
        again.start()
        content = (path / "synthetic.csv").read_text()
        assert names(path) in (NAMES, [".lock", *NAMES])
        assert content in (old, new)
        seen.add(content)
        if code == 0:
            break
        finish(again)
        assert names(tmp_path) == ["run"]
    assert seen == {old, new}
    assert code == 0


def test_a_folder_that_cannot_be_made_is_an_error_with_a_way_out(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError) as caught:
        RunFolder(tmp_path / "file" / "run").start()
    assert "--out" in caught.value.next_step


def test_the_journal_has_a_line_for_each_entry(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start()
    for number in range(3):
        folder.note({"batch": number, "mean": float("nan")})
    finish(folder)
    lines = (tmp_path / "run" / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"batch": i, "mean": None} for i in range(3)]


def test_the_result_is_written_as_the_table_was(tmp_path):
    path = tmp_path / "run"
    folder = RunFolder(path)
    folder.start()
    finish(folder)
    assert (path / "synthetic.csv").read_text() == "a,b\n1,x\n,y;z\n"
    assert (path / "rejected.csv").read_text() == "reason,a,b\nr,1,x\ns,,y;z\n"
