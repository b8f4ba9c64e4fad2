"""A result is held against its manifest: what was changed, added or removed is named."""

import json

import pytest

from t2local.errors import InputError
from t2local.run.folder import CHECKPOINT, LOCK
from t2local.run.verification import check_files
from t2local.system.hashes import file_sha256


@pytest.fixture
def result(tmp_path):
    for name in ("synthetic.csv", "rejected.csv", "journal.jsonl"):
        (tmp_path / name).write_text(f"of {name}\n")
    hashes = {path.name: file_sha256(path) for path in tmp_path.iterdir()}
    (tmp_path / "manifest.json").write_text(json.dumps({"format": 1, "files": hashes}))
    return tmp_path


def test_a_result_as_it_was_written_has_as_many_files_as_were_compared(result):
    (result / LOCK).touch()
    (result / CHECKPOINT).mkdir()  # of a run that goes on: no part of its result
    assert check_files(result) == 3


def test_every_file_that_was_changed_added_or_removed_is_named(result):
    (result / "synthetic.csv").write_text("a,b\n1,2\n")
    (result / "journal.jsonl").unlink()
    (result / "notes.txt").write_text("mine")
    (result / "rejected.csv").unlink()
    (result / "rejected.csv").mkdir()
    with pytest.raises(InputError) as caught:
        check_files(result)
    assert caught.value.faults == (
        "journal.jsonl is missing",
        "notes.txt was added",
        "rejected.csv was changed",
        "synthetic.csv was changed",
    )
    assert "1,2" not in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "manifest", ["{", "[]", "{}", '{"files": [1]}', '{"files": {"a": 1}}', "[" * 100_000]
)
def test_a_manifest_without_hashes_is_named(result, manifest):
    (result / "manifest.json").write_text(manifest)
    with pytest.raises(InputError, match="has no hashes of files"):
        check_files(result)


def test_a_folder_without_a_manifest_is_no_result(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        check_files(tmp_path / "nothing")
