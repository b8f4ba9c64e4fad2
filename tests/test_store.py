"""Model files: headers, hashes, stamps, manifests. A tiny llama with random weights is the model (tests/tiny.py)."""

import contextlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from t2local.cli import main
from t2local.errors import ModelError, T2LocalError, UsageError
from t2local.llm import checks, gguf, store
from t2local.llm.catalog import chat_formats, entries
from tests.tiny import CONTEXT, TOKENS, tiny


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path / "home"))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


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


def test_the_header_says_what_the_model_is(tmp_path):
    header = gguf.read_header(tiny(tmp_path / "a.gguf"))
    assert (header.architecture, header.name, header.context_length, header.kv_bytes_per_token) == (
        "llama",
        "tiny",
        CONTEXT,
        128,
    )


def test_sizes_of_tensor_types_are_those_of_llama_cpp():
    from t2local.llm.outputs import _traits

    found = {kind: (_traits(kind).block_size, _traits(kind).type_size) for kind in gguf.BLOCKS}
    assert found == gguf.BLOCKS


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None
)
@given(data=st.data())
def test_any_bytes_are_a_header_or_a_clear_error(tmp_path, data):
    content = bytearray(tiny(tmp_path / "b.gguf").read_bytes())
    end = content.index(b"blk.0.ffn_norm.weight") + 60
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, end))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(content)))
    (tmp_path / "b.gguf").write_bytes(content[:cut])
    with contextlib.suppress(ModelError):
        gguf.read_header(tmp_path / "b.gguf")
        assert cut is None or cut == len(content)


@pytest.mark.parametrize("claim", [(1 << 62, 12), (3, 1 << 62)])
def test_counts_that_cannot_be_take_neither_time_nor_memory(tmp_path, claim):
    path = tmp_path / "bomb.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, *claim) + bytes(100))
    began = time.perf_counter()
    with pytest.raises(ModelError):
        gguf.read_header(path)
    assert time.perf_counter() - began < 1


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
    path.write_bytes(tiny(home / "a.gguf").read_bytes() + bytes(200 << 20))
    began = time.perf_counter()
    checks.check(path)
    middle = time.perf_counter()
    checks.check(path)
    assert (time.perf_counter() - middle) < 0.1 * (middle - began)


def test_models_are_added_shown_verified_and_removed(home):
    path = tiny(home / "My Model (v2).gguf")
    added = run("models", "add", path)
    assert added.exit_code == 0, added.output
    assert store.find("my-model-v2").path == home / "home" / "models" / path.name
    listed = {
        model["name"]: model
        for model in json.loads(run("models", "list", "--format", "json").stdout)
    }
    assert listed["my-model-v2"]["here"]
    assert listed["my-model-v2"]["fits"]
    assert "GB" in listed["llama-3.3-70b"]["fits_reason"]
    assert "apache-2.0" in run("models", "show", "my-model-v2").stdout
    assert run("models", "path", "my-model-v2").stdout.strip().endswith("My Model (v2).gguf")
    assert run("models", "verify").exit_code == 0
    tiny(home / "home" / "models" / path.name, seed=2)
    verified = run("models", "verify")
    assert verified.exit_code == 4
    assert "sha256 expected" in verified.stderr
    assert run("models", "rm", "my-model-v2").exit_code == 0
    assert list((home / "home" / "models").iterdir()) == []
    assert path.is_file()
    assert run("models", "rm", "my-model-v2").exit_code == 4


def test_a_linked_model_stays_where_it_is(home):
    path = tiny(home / "stick.gguf")
    assert run("models", "add", path, "--link", "--name", "mine").exit_code == 0
    assert store.find("mine").path == path
    assert [p.name for p in (home / "home" / "models").iterdir()] == ["stick.gguf.json"]
    run("models", "rm", "mine")
    assert path.is_file()
    path.unlink()


def test_a_manifest_beside_a_file_travels_with_it(home, monkeypatch):
    path = tiny(home / "a.gguf")
    run("models", "add", path, "--name", "one")
    written = home / "home" / "models" / "a.gguf.json"
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
    carried = store.manifests()["one"]
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
    add = "main(['models', 'add', 'x.gguf'])"
    done = fresh(
        f"import sys; from t2local.cli import main\ntry: {add}\nexcept SystemExit as end: print(end.code, 'llama_cpp' in sys.modules)",
        tmp_path,
    )
    assert done.stdout == "4 False\n", done.stderr


def test_a_crash_of_llama_cpp_is_an_error_message(home):
    # Its tokenizer says that token 400,000 is the beginning of a text: llama.cpp may do with this what it likes.
    path = tiny(
        home / "bad.gguf",
        **{"tokenizer.ggml.bos_token_id": (4, 400_000), "llama.attention.head_count": (4, 0)},
    )
    with pytest.raises(ModelError, match="process of its own"):
        store.add(path)
    assert store.manifests() == {}


def test_unknown_models_run_and_data_never_becomes_control_text(home):
    from t2local.llm.backbone import Backbone

    model = Backbone(store.find(str(tiny(home / "a.gguf"))))
    try:
        texts = ["[1,2]", "a <table> b", "<s>[</s>", "<table><table>", "1 12"]
        written = [
            "".join(TOKENS[token] for token in model.tokenize(text)).replace("▁", " ")
            for text in texts
        ]
        assert written == texts  # this tokenizer would put a blank before each text
        assert not {1, 2, 260} & {token for text in texts for token in model.tokenize(text)}
        assert model.tokenize("<table>", special=True)[-1] == 260
    finally:
        model.close()


def test_a_table_goes_through_with_a_model_that_nobody_knows(home):
    import t2local

    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 80, 40),
            "mark": rng.choice(["<table>", "<|im_end|>", "[INST]"], 40),
            "y": rng.choice(["</s>", "b"], 40),
        }
    )
    result = t2local.generate(
        frame,
        target="y",
        rows=5,
        max_batches=2,
        plan="data",
        model=str(tiny(home / "a.gguf")),
        settings={"team.cells": "worker"},
    )
    written = pd.concat([result.synthetic, result.rejected[list(frame)]])
    assert len(written) == result.report["rows"]["generated"] >= 10
    assert set(written["mark"]) <= set(frame["mark"])


def test_the_catalogue_is_whole():
    known = entries()
    assert {
        "starter",
        "smollm2-135m",
        "smollm2-1.7b",
        "qwen3-4b",
        "qwen2.5-7b",
        "llama-3.1-8b",
        "gemma-3-4b",
        "phi-4-mini",
        "llama-3.3-70b",
    } <= set(known)
    for entry in known.values():
        assert entry.chat in chat_formats()
        assert (entry.kind == "base") == (entry.chat == "plain")
        assert entry.repository or entry.wheels
        assert entry.licence
        assert not entry.sha256 or re.fullmatch("[0-9a-f]{64}", entry.sha256)


def test_commands_are_sealed_and_say_so(tmp_path):
    code = """
import os, sys
from t2local.cli import main
try: main(["models", "list"])
except SystemExit: pass
import socket, urllib.request
for attempt in (lambda: socket.socket(), lambda: socket.getaddrinfo("localhost", 80), lambda: urllib.request.urlopen("http://127.0.0.1:9")):
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
