"""The store: models come, are checked and go. The model is a tiny random llama (tests/tiny.py)."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from t2local.cli import main
from t2local.errors import ModelError, T2LocalError, UsageError
from t2local.llm import gguf, store
from t2local.llm.catalog import chat_formats, entries
from t2local.llm.manifest import manifests
from tests.tiny import tiny


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path / "home"))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def in_store(home):
    return {path.name for path in (home / "home" / "models").glob("[!.]*")}


def fresh(code, folder):
    """What a new process says; the audit hook and the imports of this one are not in it."""
    environment = {
        **os.environ,
        "T2LOCAL_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=folder,
    )


def test_models_are_added_shown_verified_and_removed(home):
    path = tiny(home / "My Model (v2).gguf")
    added = run("models", "add", path)
    assert added.exit_code == 0, added.output
    stored = store.find("my-model-v2").path
    assert stored.name == f"sha256-{sha256(path)}.gguf"
    listed = {
        model["name"]: model
        for model in json.loads(run("models", "list", "--format", "json").stdout)
    }
    assert listed["my-model-v2"]["here"]
    assert listed["my-model-v2"]["fits"]
    assert "GB" in listed["llama-3.3-70b"]["fits_reason"]
    assert "apache-2.0" in run("models", "show", "my-model-v2").stdout
    assert run("models", "path", "my-model-v2").stdout.strip() == str(stored)
    assert run("models", "verify").exit_code == 0
    tiny(stored, seed=2)
    verified = run("models", "verify")
    assert verified.exit_code == 4
    assert "sha256 expected" in verified.stderr
    assert run("models", "rm", "my-model-v2").exit_code == 0
    assert in_store(home) == set()
    assert path.is_file()
    assert run("models", "rm", "my-model-v2").exit_code == 4


def test_a_linked_model_stays_where_it_is(home):
    path = tiny(home / "stick.gguf")
    assert run("models", "add", path, "--link", "--name", "mine").exit_code == 0
    assert store.find("mine").path == path
    assert in_store(home) == {"mine.manifest.json"}
    run("models", "rm", "mine")
    assert path.is_file()
    path.unlink()


def test_a_manifest_beside_a_file_travels_with_it(home, monkeypatch):
    path = tiny(home / "a.gguf")
    run("models", "add", path, "--name", "one")
    written = home / "home" / "models" / "one.manifest.json"
    manifest = {
        **json.loads(written.read_text()),
        "repository": "o/r",
        "commit": "f" * 40,
        "licence": "MIT",
        "chat": "chatml",
    }
    (home / "a.gguf.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("T2LOCAL_HOME", str(home / "other"))
    assert run("models", "add", path).exit_code == 0
    carried = manifests()["one"]
    assert (carried.repository, carried.commit, carried.licence, carried.chat) == (
        "o/r",
        "f" * 40,
        "MIT",
        "chatml",
    )
    assert store.find("one").chat == chat_formats()["chatml"]
    tiny(path, seed=2)
    refused = run("models", "add", path, "--name", "two")
    assert refused.exit_code == 4
    assert "sha256 expected" in refused.stderr
    (home / "a.gguf.json").write_text(json.dumps({**manifest, "name": "../../evil"}))
    assert run("models", "add", path).exit_code == 4


def test_a_name_that_is_taken_is_not_given_twice(home):
    store.add(tiny(home / "a.gguf"))
    assert store.add(home / "a.gguf").name == "a"  # the same again is fine
    with pytest.raises(UsageError, match="another model"):
        store.add(tiny(home / "b.gguf", seed=2), name="a")


def test_all_parts_of_a_split_model_belong_together(home):
    names = [f"m-0000{i}-of-00002.gguf" for i in (1, 2)]
    for seed, name in enumerate(names, start=1):
        tiny(home / name, seed=seed, **{"split.count": (4, 2)})
    with pytest.raises(ModelError, match="part 2"):
        gguf.parts(home / names[1])
    assert [path.name for path in gguf.parts(home / names[0])] == names
    (home / names[1]).unlink()
    with pytest.raises(ModelError, match="00002-of-00002"):
        store.add(home / names[0])


@pytest.mark.parametrize("content", [b"", b"not a model, a text", b"GGUF", b"GGML" + bytes(100)])
def test_what_is_no_model_is_refused_before_llama_cpp_is_imported(tmp_path, content):
    (tmp_path / "x.gguf").write_bytes(content)
    code = """
import sys
from t2local.cli import main
try: main(["models", "add", "x.gguf"])
except SystemExit as end: print(end.code, "llama_cpp" in sys.modules)
"""
    done = fresh(code, tmp_path)
    assert done.stdout == "4 False\n", done.stderr


def test_a_crash_of_llama_cpp_is_an_error_message(home):
    # Its tokenizer says that token 400,000 is the beginning of a text: llama.cpp may do with this
    # what it likes.
    path = tiny(
        home / "bad.gguf",
        **{"tokenizer.ggml.bos_token_id": (4, 400_000), "llama.attention.head_count": (4, 0)},
    )
    with pytest.raises(ModelError, match="process of its own"):
        store.add(path)
    assert manifests() == {}


def test_commands_are_sealed_and_say_so(tmp_path):
    code = """
import os, sys
from t2local.cli import main
try: main(["models", "list"])
except SystemExit: pass
import socket, urllib.request
attempts = (
    lambda: socket.socket(),
    lambda: socket.getaddrinfo("localhost", 80),
    lambda: urllib.request.urlopen("http://127.0.0.1:9"),
)
for attempt in attempts:
    try: attempt()
    except Exception as error: print(type(error).__name__)
print(os.environ["HF_HUB_OFFLINE"], "huggingface_hub" in sys.modules)
"""
    done = fresh(code, tmp_path)
    assert done.stdout.splitlines()[-4:] == ["NetworkRefused"] * 3 + ["1 False"], done.stderr


@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not here")
def test_a_store_that_cannot_be_written_is_said_and_a_stamp_that_cannot_is_not(tmp_path):
    tiny(tmp_path / "a.gguf")
    mounted = [
        "unshare",
        "-rm",
        "bash",
        "-c",
        f'mkdir -p {tmp_path}/home && mount -t tmpfs -o ro tmpfs {tmp_path}/home && exec "$@"',
        "-",
    ]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a user mount a file system")
    environment = {
        **os.environ,
        "T2LOCAL_HOME": str(tmp_path / "home"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [*mounted, sys.executable, "-m", "t2local", "models"]
    added = subprocess.run(
        [*command, "add", "a.gguf"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert (added.returncode, "Read-only" in added.stderr) == (6, True), added.stderr
    found = subprocess.run(
        [*command, "path", "a.gguf"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert found.returncode == 0, found.stderr


def test_errors_of_models_are_ours(home):
    for wanted in ("nothing", str(home), str(home / "no.gguf")):
        with pytest.raises(T2LocalError):
            store.find(wanted)
    with pytest.raises(T2LocalError):
        store.add(Path(home / "no.gguf"))


def test_a_file_of_the_catalogues_name_must_have_the_catalogues_hash(home):
    path = tiny(home / "gemma-3-270m-q4_k_m.gguf")
    with pytest.raises(ModelError, match="altered, or cut short"):
        store.find(str(path))
    with pytest.raises(ModelError, match="altered, or cut short"):
        store.add(path)


def test_a_path_to_a_file_that_nobody_knows_is_opened_and_named_after_it(home):
    file = store.find(str(tiny(home / "Some Model.gguf", **{"general.license": (8, "mit")})))
    assert (file.name, file.licence, file.chat.name) == ("Some Model", "mit", "plain")
    template = {"tokenizer.chat_template": (8, "<u>{{ messages[0].content }}<a>")}
    chat = store.find(str(tiny(home / "Another.gguf", **template))).chat
    assert (chat.name, chat.opening, chat.closing) == ("template", "<u>", "<a>")


def test_the_format_of_a_stored_model_is_data_that_was_compiled_once(home, monkeypatch):
    template = {"tokenizer.chat_template": (8, "<u>{{ messages[0].content }}<a>")}
    path = tiny(home / "a.gguf", **template)
    written = store.add(path).path
    assert store.find("a").chat.reason == "compiled from the template in the file"
    old = {**json.loads(written.read_text()), "chat": None}
    monkeypatch.setattr("t2local.llm.chat_format.compile_apart", lambda *_: pytest.fail("again"))
    assert store.find("a").chat.opening == "<u>"
    monkeypatch.undo()
    monkeypatch.setenv("T2LOCAL_HOME", str(home / "home"))
    written.write_text(json.dumps(old))  # as version 0.1 wrote it
    assert store.find("a").chat.opening == "<u>"


def test_a_person_chooses_another_format(home):
    broken = {"tokenizer.chat_template": (8, "{{ messages[1].content }}")}
    path = tiny(home / "a.gguf", **broken)
    refused = run("models", "add", path)
    assert (refused.exit_code, "--chat" in refused.stderr) == (4, True)
    for choice in ("chatgpt", home / "no.jinja"):
        refused = run("models", "add", path, "--chat", choice)
        assert refused.exit_code == 4
        assert "one of plain, chatml, gemma, llama3, phi" in refused.stderr
    assert not (home / "home" / "models").exists()
    assert run("models", "add", path, "--chat", "gemma").exit_code == 0
    chat = store.find("a").chat
    assert (chat.name, chat.reason) == ("gemma", "chosen with --chat")
    (home / "own.jinja").write_text("{{ bos_token }}<u>{{ messages[0].content }}<a>")
    assert run("models", "add", path, "--chat", home / "own.jinja").exit_code == 0
    assert store.find("a").chat.opening == "<s><u>"


def test_a_manifest_must_list_all_files_that_are_there(home):
    path = tiny(home / "a.gguf")
    manifest = store.add(path).path
    content = json.loads(manifest.read_text())
    (home / "a.gguf.json").write_text(json.dumps({**content, "files": content["files"] * 2}))
    with pytest.raises(ModelError, match="lists 2 files, and 1 belong"):
        store.add(path)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My Model (v2)", "my-model-v2"),
        ("../../evil", "evil"),
        ("日本", "model"),
        ("a" * 200, "a" * 100),
        ("-._x", "x"),
    ],
)
def test_any_text_is_made_a_name(text, name):
    assert store.as_name(text) == name


def test_all_that_is_here_can_be_hashed_anew(home):
    path = tiny(home / "a.gguf")
    store.add(path, link=True, name="mine")
    check = store.checkable()["mine"]
    assert check(anew=True).sha256 == manifests()["mine"].files[0].sha256
    tiny(path, seed=2)
    with pytest.raises(ModelError, match="altered"):
        check(anew=True)


def test_a_file_of_the_catalogue_without_a_named_format_has_its_own(home, monkeypatch):
    template = "{{ '[U]' + messages[0].content | trim + '[A]' }}"
    folder = home / "home" / "models"
    folder.mkdir(parents=True)
    path = tiny(folder / "own.gguf", **{"tokenizer.chat_template": (8, template)})
    digest = sha256(path)
    entry = replace(entries()["qwen3.5-4b"], name="own", file=path.name, sha256=digest)
    monkeypatch.setitem(entries(), "own", entry)
    chat = store.find("own").chat
    assert (chat.opening, chat.closing, chat.trim) == ("[U]", "[A]", True)
