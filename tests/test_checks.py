"""Hashes and their memory: a file is hashed when it is new or has changed, and only then."""

import json
import os
import time
from importlib.metadata import version

import pytest

from t2local.errors import ModelError
from t2local.llm import checks
from tests.tiny import tiny


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_file_is_hashed_once_and_again_when_it_changes(home, monkeypatch):
    path = tiny(home / "a.gguf")
    first = checks.check(path)
    path.write_bytes(path.read_bytes())  # the same content, another time: its stamp is stale
    assert checks.check(path) == first
    monkeypatch.setattr(checks, "_digest", lambda _: pytest.fail("hashed again"))
    assert checks.check(path) == first
    status = path.stat()
    tiny(path, seed=2)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(
        pytest.fail.Exception
    ):  # same size and time of writing, and still it is seen
        checks.check(path)


def test_a_verified_model_costs_next_to_nothing(home):
    path = home / "large.gguf"
    path.write_bytes(tiny(home / "a.gguf").read_bytes() + bytes(64 << 20))
    began = time.perf_counter()
    checks.check(path)
    middle = time.perf_counter()
    checks.check(path)
    assert (time.perf_counter() - middle) < 0.1 * (middle - began)


def test_another_hash_than_the_expected_one_is_refused_with_both(home):
    path = tiny(home / "a.gguf")
    digest = checks.check(path).sha256
    for anew in (False, True):  # by its stamp, and by its bytes
        with pytest.raises(ModelError) as caught:
            checks.check(path, "0" * 64, anew=anew)
        assert caught.value.faults == (f"sha256 expected {'0' * 64}", f"sha256 found    {digest}")
    assert checks.check(path, digest, anew=True).sha256 == digest


def test_a_file_of_another_hash_is_refused_before_its_header_is_read(home, monkeypatch):
    path = tiny(home / "a.gguf")
    monkeypatch.setattr(checks, "read_header", lambda _: pytest.fail("it was parsed"))
    with pytest.raises(ModelError, match="not the file that it should be"):
        checks.check(path, "0" * 64)


def test_a_memory_that_cannot_be_read_is_no_memory(home):
    path = tiny(home / "a.gguf")
    first = checks.check(path)
    memory = home / "home" / "verified.json"
    for content in ("", "[]", "not json", json.dumps({str(path): {"stamp": None}}), "{}"):
        memory.write_text(content)
        assert checks.check(path) == first
        assert json.loads(memory.read_text())[str(path)]["sha256"] == first.sha256


def test_the_memory_of_another_version_is_written_anew(home):
    path = tiny(home / "a.gguf")
    first = checks.check(path)
    memory = home / "home" / "verified.json"
    entries = json.loads(memory.read_text())
    entries[str(path)]["header"]["cell_bytes"] = 1
    memory.write_text(json.dumps(entries))
    assert checks.check(path) == first
    assert "cell_bytes" not in json.loads(memory.read_text())[str(path)]["header"]


def test_files_that_are_gone_are_forgotten(home):
    gone, path = tiny(home / "gone.gguf"), tiny(home / "a.gguf")
    checks.check(gone)
    gone.unlink()
    checks.check(path)
    assert list(json.loads((home / "home" / "verified.json").read_text())) == [str(path)]


def test_a_home_that_cannot_be_written_costs_a_hash_each_time(home, monkeypatch):
    (home / "file").write_text("")
    monkeypatch.setenv("T2LOCAL_HOME", str(home / "file" / "home"))
    path = tiny(home / "a.gguf")
    assert checks.check(path) == checks.check(path)


def test_a_missing_file_and_a_folder_are_model_errors(home):
    for path in (home / "no.gguf", home):
        with pytest.raises(ModelError, match="cannot be read"):
            checks.check(path)


def test_a_file_is_opened_apart_once_for_each_version_of_llama_cpp(home):
    # llama.cpp would crash on this one, as its heads are none.
    changes = {"tokenizer.ggml.bos_token_id": (4, 400_000), "llama.attention.head_count": (4, 0)}
    path = tiny(home / "bad.gguf", **changes)
    assert checks.check(path).opened_by == ""
    with pytest.raises(ModelError, match="process of its own"):
        checks.open_apart(path)
    memory = home / "home" / "verified.json"
    entries = json.loads(memory.read_text())
    entries[str(path)]["opened_by"] = version("llama-cpp-python")
    memory.write_text(json.dumps(entries))
    assert checks.open_apart(path).opened_by == version("llama-cpp-python")
    entries[str(path)]["opened_by"] = "another version"
    memory.write_text(json.dumps(entries))
    with pytest.raises(ModelError, match="process of its own"):
        checks.open_apart(path)


def test_a_file_that_was_opened_is_remembered_as_such(home):
    path = tiny(home / "a.gguf")
    assert checks.open_apart(path).opened_by == version("llama-cpp-python")
    assert checks.check(path).opened_by == version("llama-cpp-python")
