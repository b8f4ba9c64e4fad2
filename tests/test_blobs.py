"""The store by content: names share files, nothing is written over, and a killed add leaves none.

Each model comes with a manifest, so that no process has to open it first.
"""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from t2local.airgap.doctor import _stored_models
from t2local.cli import main
from t2local.errors import ModelError, UsageError
from t2local.llm import blobs, checks, store
from t2local.llm.catalog import entries
from t2local.llm.gguf import file_names, part_names
from t2local.llm.manifest import manifests, unreadable
from t2local.system.lock import try_lock, wait_lock
from tests.tiny import tiny


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path / "home"))
    return tmp_path


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model(*paths, name="one"):
    """Models of one or several files, with their manifest beside the first."""
    for seed, path in enumerate(paths, start=1):
        split = {"split.count": (4, len(paths))} if len(paths) > 1 else {}
        if not path.exists():
            tiny(path, seed=seed, **split)
    files = [{"path": p.name, "bytes": p.stat().st_size, "sha256": sha256(p)} for p in paths]
    facts = {"name": name, "files": files, "chat": "plain", "source": "file", "added": "today"}
    paths[0].with_name(f"{paths[0].name}.json").write_text(json.dumps(facts))
    return paths[0]


def in_store(home):
    return {path.name for path in (home / "home" / "models").iterdir()} - {".lock"}


def test_two_names_share_one_file_and_the_last_one_takes_it_along(home):
    path = model(home / "a.gguf")
    one, two = store.add(path, name="one"), store.add(path, name="two")
    blob = f"sha256-{sha256(path)}.gguf"
    assert one.paths() == two.paths() == [home / "home" / "models" / blob]
    assert in_store(home) == {blob, "one.manifest.json", "two.manifest.json"}
    removed = store.remove("one")
    assert (removed.bytes, removed.shared) == (0, ("two",))
    assert store.find("two").sha256 == sha256(path)
    removed = store.remove("two")
    assert (removed.bytes, removed.shared) == (path.stat().st_size, ())
    assert in_store(home) == set()


def test_files_of_one_name_and_other_content_lie_side_by_side(home):
    (home / "sub").mkdir()
    first, second = model(home / "a.gguf"), model(tiny(home / "sub" / "a.gguf", seed=2), name="two")
    store.add(first)
    store.add(second)
    assert store.find("one").sha256 == sha256(first)
    assert store.find("two").sha256 == sha256(second)
    before = in_store(home)
    for name, word in (("one", "store has another"), ("starter", "catalogue has another")):
        with pytest.raises(UsageError, match=word):
            store.add(second, name=name)
    assert in_store(home) == before


@pytest.mark.parametrize("name", ["../../evil", "A", "", "a b", "-x", "a" * 101, "a\n"])
def test_what_is_no_name_is_refused_before_the_file_is_read(home, name):
    with pytest.raises(UsageError, match="cannot be the name of a model"):
        store.add(home / "nothing.gguf", name=name or " ")


def test_a_model_in_parts_keeps_names_that_llama_cpp_looks_for(home):
    path = model(*(home / name for name in file_names("m", 3)))
    stored = [path.name for path in store.add(path).paths()]
    assert stored == part_names(stored[0])
    assert stored[0].startswith("sha256-")
    assert stored[0].endswith("-00001-of-00003.gguf")
    assert store.find("one").path.name == stored[0]
    # The first part alone says nothing about the others, which may be of two models.
    assert blobs.blob_names(["a", "b"]) != blobs.blob_names(["a", "c"])


def test_an_older_store_goes_on_working_and_its_files_go_with_their_name(home):
    folder = home / "home" / "models"
    folder.mkdir(parents=True)
    old = model(folder / "file.gguf", name="old")
    entry = tiny(folder / entries()["qwen3-4b"].file, seed=3)
    assert store.present(entries()["qwen3-4b"]) == entry
    assert store.find("old").path == old
    store.add(model(tiny(home / "file.gguf", seed=2), name="new"))
    assert store.find("old").sha256 == sha256(old) != store.find("new").sha256
    # Added once more it gets the newer form.
    store.add(model(tiny(home / "again.gguf"), name="old"))
    names = {f"sha256-{store.find(name).sha256}.gguf" for name in ("old", "new")}
    left = {entry.name, "file.gguf.json", "old.manifest.json", "new.manifest.json"} | names
    assert in_store(home) == left - {"file.gguf.json"}
    store.remove("qwen3-4b")
    assert not entry.exists()


def test_a_manifest_that_cannot_be_read_stops_nothing_and_its_file_stays(home):
    path = model(home / "a.gguf")
    written = store.add(path).path
    written.write_text("{")
    assert manifests() == {}
    (error,) = unreadable()
    assert str(written) in error.message
    with pytest.raises(ModelError) as caught:
        store.find("one")
    assert caught.value.faults == (error.message,)
    assert list(_stored_models()) == [error.message]
    for command, code, said in (
        (["list"], 0, "Warning: "),
        (["path", str(path)], 0, "Warning: "),
        (["verify"], 4, "  - "),
        (["list", "--help"], 0, None),
    ):
        done = CliRunner().invoke(main, ["models", *command])
        assert done.exit_code == code, done.output
        assert done.stderr.count(error.message) == (said is not None)
        assert said is None or f"{said}{error.message}" in done.stderr
    store.add(model(tiny(home / "b.gguf", seed=2), name="two"))
    assert f"sha256-{sha256(path)}.gguf" in in_store(home)
    store.add(path)
    assert unreadable() == []
    assert set(manifests()) == {"one", "two"}


def test_what_a_killed_add_left_is_gone_after_the_next_one(home):
    folder = home / "home" / "models"
    folder.mkdir(parents=True)
    digest = "0" * 64
    kept = {f".{digest}.part", "mine.txt", ".pull.lock", entries()["starter"].file}
    kept |= {f"sha256-{entries()['starter'].sha256}.gguf"}
    left = {f".sha256-{digest}.gguf.abcd_123", f"sha256-{digest}.gguf"}
    left |= {".gemma-3-270m-q4_k_m.gguf.xyz12345", ".one.manifest.json.12345678"}
    for name in kept | left:
        (folder / name).touch()
    stored = store.add(model(home / "a.gguf"))
    assert in_store(home) == kept | {stored.path.name, stored.files[0].path}


def test_an_add_that_is_killed_leaves_no_name_and_the_next_goes_through(home):
    path = model(home / "a.gguf")
    code = """
import os, sys
from pathlib import Path
from t2local.llm import blobs, store
whole = blobs.chunks_of
def half(path):
    for chunk in whole(path):
        yield chunk[:1000]
        os._exit(9)
store.chunks_of = half
store.add(Path(sys.argv[1]))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(path)]
    assert subprocess.run(command, check=False, env=environment).returncode == 9
    assert len(in_store(home)) == 1
    assert manifests() == {}
    store.add(path)  # the lock went with the process
    assert in_store(home) == {"one.manifest.json", f"sha256-{sha256(path)}.gguf"}


def test_a_file_that_changes_while_it_is_copied_is_not_kept(home, monkeypatch):
    path = model(home / "a.gguf")
    monkeypatch.setattr(store, "chunks_of", lambda path: [path.read_bytes()[:-1]])
    with pytest.raises(ModelError, match="changed while it was copied"):
        store.add(path)
    assert in_store(home) == set()


def test_a_damaged_file_of_the_store_is_mended_by_adding_it_again(home):
    path = model(home / "a.gguf")
    (blob,) = store.add(path).paths()
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelError, match="altered"):
        store.find("one")
    store.add(path)
    assert store.find("one").sha256 == sha256(path)


def test_one_process_at_a_time_changes_the_store(home, monkeypatch):
    monkeypatch.setattr(blobs, "_PATIENCE", 0.0)
    path = model(home / "a.gguf")
    store.add(path)
    handle = try_lock(home / "home" / "models" / ".lock")
    for change in (lambda: store.add(path), lambda: store.remove("one")):
        with pytest.raises(Exception, match="Another command is changing"):
            change()
    assert store.find("one").sha256 == sha256(path)  # reading waits for nobody
    os.close(handle)
    os.close(wait_lock(home / "home" / "models" / ".lock", 0.0))
    store.remove("one")


def test_the_starter_is_put_together_under_its_hash(home, monkeypatch):
    path = tiny(home / "a.gguf")
    parts = [home / "part0", home / "part1"]
    for part, content in zip(
        parts, (path.read_bytes()[:500], path.read_bytes()[500:]), strict=True
    ):
        part.write_bytes(content)
    entry = replace(
        entries()["starter"], name="small", bytes=path.stat().st_size, sha256=sha256(path)
    )
    monkeypatch.setitem(entries(), "small", entry)
    monkeypatch.setattr("t2local.llm.catalog._installed", lambda part: parts[int(part[-1])])
    object.__setattr__(entry, "wheels", ("x/0", "x/1"))
    assert store.find("small").path.name == f"sha256-{sha256(path)}.gguf"
    assert store.present(entry)
    parts[1].write_bytes(b"")  # it is not put together again
    assert store.find("small").sha256 == sha256(path)
    assert store.remove("small").bytes == path.stat().st_size
    with pytest.raises(ModelError, match="came damaged"):
        store.find("small")
    assert in_store(home) == set()


@pytest.mark.parametrize("days", [31, -1])
def test_a_forged_stamp_does_not_pass_for_ever(home, days):
    path = model(home / "a.gguf")
    (blob,) = store.add(path).paths()
    memory = home / "home" / "verified.json"
    tiny(blob, seed=2)
    content = json.loads(memory.read_text())
    content[str(blob)]["stamp"] = checks._stamp(blob)
    memory.write_text(json.dumps(content))
    store.find("one")  # who can write to the store can do this, for a while
    with pytest.raises(ModelError, match="altered"):
        store.checkable()["one"](anew=True)  # `models verify` is not deceived
    content[str(blob)]["hashed_at"] -= days * 86_400
    memory.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="altered"):
        store.find("one")


def test_a_name_that_links_to_a_file_of_the_store_keeps_it(home):
    blob = store.add(model(home / "a.gguf")).paths()[0]
    linked = store.add(model(blob), name="linked", link=True)
    assert store.remove("one").shared == ("linked",)
    store.add(model(tiny(home / "b.gguf", seed=2), name="two"))  # leftovers go first
    assert linked.paths() == [blob]
    assert blob.is_file()


def test_a_file_stays_while_a_manifest_that_may_name_it_cannot_be_read(home):
    path = model(home / "a.gguf")
    one, two = store.add(path, name="one"), store.add(path, name="two")
    two.path.write_text("{")
    assert store.remove("one").bytes == 0
    assert one.paths()[0].is_file()


def test_content_is_found_by_another_name_where_one_is_broken(home):
    (home / "sub").mkdir()
    path = model(home / "sub" / "a.gguf", name="aa")
    digest = sha256(path)
    store.add(path, link=True)
    store.add(path, name="whole")
    path.unlink()
    assert store.find_content(digest, "nowhere").name == "whole"
