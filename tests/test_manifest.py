"""Manifests: what is written reads back, and a faulty one names its faults."""

import json

import pytest
from pydantic import ValidationError

from t2local.errors import ModelError, ResourceError, UsageError
from t2local.llm import manifest
from t2local.llm.manifest import Manifest, Part


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path / "home"))
    return tmp_path


def example(**changes) -> Manifest:
    return Manifest(
        **{
            "name": "mine",
            "files": (Part(path="a.gguf", bytes=7, sha256="0" * 64),),
            "kv_bytes_per_token": 128,
            "context": 4096,
            "source": "file",
            "added": manifest.now(),
            **changes,
        }
    )


def test_a_manifest_reads_back_as_it_was_written(home):
    written = manifest.record(example(chat="chatml", repository="o/r", commit="f" * 40))
    assert manifest.manifests() == {"mine": written}
    assert written.path == home / "home" / "models" / "a.gguf.json"
    assert manifest.read_manifest(written.path).origin == manifest.Origin(
        "o/r", "f" * 40, manifest.UNKNOWN_LICENCE, "chatml"
    )


def test_the_file_keeps_the_keys_of_its_format(home):
    written = manifest.record(example())
    content = json.loads(written.path.read_text())
    assert content["cell_bytes"] == 128
    assert set(content) == {
        *("format", "name", "files", "repository", "commit", "licence", "chat", "context"),
        *("cell_bytes", "source", "added"),
    }


def test_sizes_and_paths_are_of_all_files(home):
    files = tuple(
        Part(path=path, bytes=size, sha256="0" * 64)
        for path, size in (("a.gguf", 3), (str(home / "b.gguf"), 4))
    )
    assert example(files=files).bytes == 7
    assert example(files=files).paths() == [home / "home" / "models" / "a.gguf", home / "b.gguf"]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../../evil"},
        {"name": "Upper"},
        {"name": "x" * 101},
        {"files": ()},
        {"context": -1},
        {"source": "elsewhere"},
        {"format": 2},
        {"surprise": 1},
    ],
)
def test_what_a_manifest_cannot_say_is_refused(changes):
    with pytest.raises(ValidationError):
        example(**changes)


@pytest.mark.parametrize("changes", [{"bytes": 0}, {"sha256": "abc"}, {"sha256": "G" * 64}])
def test_what_a_part_cannot_be_is_refused(changes):
    with pytest.raises(ValidationError):
        Part(**{"path": "a", "bytes": 1, "sha256": "0" * 64, **changes})


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b'{"name": "a"}'])
def test_a_manifest_that_cannot_be_read_names_itself(home, content):
    path = manifest.make_folder() / "a.gguf.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.gguf\.json cannot be read"):
        manifest.manifests()


def test_every_fault_of_a_manifest_is_named(home):
    path = home / "a.gguf.json"
    path.write_text(json.dumps({"name": "A B", "files": [], "source": "file", "added": ""}))
    with pytest.raises(ModelError) as caught:
        manifest.read_manifest(path)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["name", "files"]


def test_a_name_is_taken_by_other_hashes_only(home):
    manifest.record(example())
    manifest.refuse_taken("mine", ["0" * 64])
    manifest.refuse_taken("yours", ["1" * 64])
    for digests in (["1" * 64], ["0" * 64, "0" * 64]):
        with pytest.raises(UsageError, match="another model with the name 'mine'"):
            manifest.refuse_taken("mine", digests)


def test_a_store_needs_room_and_a_folder(home, monkeypatch):
    assert manifest.make_folder().is_dir()
    with pytest.raises(ResourceError, match="are needed"):
        manifest.make_folder(1 << 60)
    (home / "file").write_text("")
    monkeypatch.setenv("T2LOCAL_HOME", str(home / "file" / "home"))
    with pytest.raises(ResourceError, match="cannot be written"):
        manifest.make_folder()
