"""The command line when it is told to stop, when the disk is full, and when nobody listens."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import t2local
from t2local import pipeline
from t2local.cli import main
from t2local.run.resumption import ResumableWriter
from t2local.system import atomic
from tests.tiny import tiny

pytestmark = pytest.mark.usefixtures("few_trees")

ROOT = Path(t2local.__file__).parents[1]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def generate(tmp_path, monkeypatch):
    """A run of three blocks with a tiny model, by the command line."""
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(1)
    age = rng.integers(60, 90, 24)
    frame = pd.DataFrame({"age": age, "sex": rng.choice(["F", "M"], 24), "y": age > 75})
    frame.to_csv(tmp_path / "t.csv", index=False)
    tiny(tmp_path / "tiny.gguf")
    fast = [
        f"--set=team.{s}"
        for s in ("labels=worker", "cells=worker", "block_rows=10", "examples_for=10")
    ]
    command = ["generate", tmp_path / "t.csv", "--model", tmp_path / "tiny.gguf", "--keep", "all"]
    return lambda *more: run(*command, *fast, "--rows", 24, "--set=trim.candidates=1", *more)


@pytest.fixture
def at_second_block(monkeypatch):
    """Do something when the second block is begun, once."""

    def patched(action):
        write, begun = ResumableWriter.write, []

        def writing(self, request, on_row):
            begun.append(request.number)
            if len(begun) == 2:
                action()
            return write(self, request, on_row)

        monkeypatch.setattr(ResumableWriter, "write", writing)

    return patched


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_delivers_what_is_there_and_the_same_command_goes_on(
    generate, at_second_block, name, tmp_path
):
    number = getattr(signal, name)
    at_second_block(lambda: signal.raise_signal(number))
    stopped = generate()
    assert stopped.exit_code == 128 + number, stopped.output
    assert "run the same command again" in stopped.stderr
    out = tmp_path / "t.t2local"
    report = json.loads((out / "report.json").read_text())
    assert report["interrupted"]
    assert report["rows"]["generated"] == 10
    assert run("verify", out).exit_code == 0
    done = generate("--resume")
    assert done.exit_code == 0, done.output
    assert "10 rows of the earlier run are taken over" in done.stderr
    assert run("verify", out).stdout == f"{out}: all 7 files are as they were written\n"


def test_a_second_signal_stops_at_once_and_no_block_is_lost(
    generate, at_second_block, monkeypatch, tmp_path
):
    finish = pipeline.finish

    def impatient(*arguments):
        signal.raise_signal(signal.SIGTERM)
        return finish(*arguments)

    at_second_block(lambda: signal.raise_signal(signal.SIGTERM))
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "finish", impatient)
        stopped = generate()
    assert stopped.exit_code == 128 + signal.SIGTERM
    assert "Interrupted before the end" in stopped.stderr
    assert not (tmp_path / "t.t2local").exists()
    assert "10 rows of the earlier run are taken over" in generate().stderr


def test_a_full_disk_ends_with_one_clear_error_and_the_same_command_goes_on(
    generate, at_second_block, monkeypatch, tmp_path
):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        at_second_block(lambda: patch.setattr(atomic.os, "fsync", full))
        stopped = generate()
    assert stopped.exit_code == 6
    assert stopped.stderr.count("Error: ") == 1
    assert "No space left on device.\nNext: free some disk, then run the same" in stopped.stderr
    done, whole = generate(), generate("--out", tmp_path / "whole")
    assert done.exit_code == whole.exit_code == 0
    assert "10 rows of the earlier run are taken over" in done.stderr
    # llama.cpp begins with the prompt of the second block, and gives the same numbers.
    for name in ("synthetic.csv", "rejected.csv", "journal.jsonl"):
        files = (tmp_path / folder / name for folder in ("t.t2local", "whole"))
        assert len({file.read_bytes() for file in files}) == 1, name
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "home", "t.csv", "t.t2local", "tiny.gguf", "whole",
    ]  # fmt: skip


def test_all_that_a_run_writes_is_its_owners_whatever_the_mask(generate, at_second_block, tmp_path):
    modes = {}

    def look():
        for path in (tmp_path / ".t.t2local.part").rglob("*"):
            modes[path.name] = stat.S_IMODE(path.stat().st_mode)

    at_second_block(look)
    before = os.umask(0)
    try:
        assert generate().exit_code == 0
    finally:
        os.umask(before)
    assert modes.pop(".checkpoint") == 0o700
    assert set(modes.values()) == {0o600}
    assert {"block-00000.json", "journal.jsonl", ".lock"} <= modes.keys()
    result = tmp_path / "t.t2local"
    assert stat.S_IMODE(result.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in result.iterdir()} == {0o600}


SHELL = """
cd "$1"; shift
"$@" > /dev/full 2> full; echo $?
"$@" >&- 2> closed; echo $?
"$@" 2> pipe | true; echo ${PIPESTATUS[0]}
"$@" 2>&- > out; echo $?
env -u HOME TMPDIR=/nonexistent "$@" > out 2> home; echo $?
"""


def test_output_that_nobody_gets_is_an_error_without_a_traceback(tmp_path):
    rows = [f"{60 + i % 7},{'FM'[i % 2]},{'pq'[i % 3 > 0]}" for i in range(24)]
    (tmp_path / "t.csv").write_text("\n".join(["age,sex,y", *rows]))
    command = [tmp_path, sys.executable, "-m", "t2local", "describe", "t.csv", "--target", "y"]
    done = subprocess.run(
        ["bash", "-c", SHELL, "bash", *command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split()[:2] == ["6", "6"]
    assert done.stdout.split()[2] in ("0", "6")  # whether it was read in time
    assert done.stdout.split()[3:] == ["0", "0"]
    texts = [(tmp_path / name).read_text() for name in ("full", "closed", "pipe", "home")]
    assert not [text for text in texts if "Traceback" in text or "Exception ignored" in text]
    assert "No space left on device" in texts[0]
    assert "stdout is closed" in texts[1]
    assert "target: y" in (tmp_path / "out").read_text()
