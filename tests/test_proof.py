"""The proof from outside; a whole one with a real model is in test_air_gap."""

import platform
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from t2local.airgap import proof
from t2local.errors import NetworkRefused, T2LocalError

TRACE = """\
1234  10:11:12.5 socket(AF_INET, SOCK_STREAM, 0) = 3
1234  connect(3, {sa_family=AF_INET}, 16) = -1 ENETUNREACH
sendto(3, "x", 1, 0, NULL, 0) = 1
1234  --- SIGCHLD {si_signo=SIGCHLD} ---
1234  +++ exited with 0 +++
1234  <... recvfrom resumed>) = 0
"""


def test_system_calls_are_counted_and_signals_and_exits_are_not(tmp_path):
    (tmp_path / "calls.txt").write_text(TRACE)
    assert proof._network_calls(tmp_path / "calls.txt") == TRACE.splitlines()[:3]
    (tmp_path / "calls.txt").write_bytes(b"1 socket(\xff\xfe)\n")
    assert len(proof._network_calls(tmp_path / "calls.txt")) == 1
    assert proof._network_calls(tmp_path / "none.txt") == []


def test_calls_that_nobody_could_count_are_not_said_to_be_none():
    watched = proof._Run(["strace", "x"], 0, "", [])
    assert proof._counted_calls(watched) == "0 network system calls"
    alone = proof._Run(["x"], 0, "", [])
    assert "were not counted" in proof._counted_calls(alone)


def test_without_the_programs_nothing_is_claimed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert proof._namespace() == ([], "network namespace: not used, unshare is not here")
    assert proof._tracer(tmp_path / "calls.txt") == []
    for name in ("unshare", "strace"):
        (tmp_path / name).write_text("#!/bin/sh\necho no permission >&2\nexit 7\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    command, statement = proof._namespace()
    assert (command, statement.endswith("it is refused here (no permission)")) == ([], True)
    assert proof._tracer(tmp_path / "calls.txt") == []


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not here")
def test_a_program_that_opens_a_socket_is_caught(tmp_path):
    calls = tmp_path / "calls.txt"
    tracer = proof._tracer(calls)
    if not tracer:
        pytest.skip("strace is refused here")
    python = sys.executable
    quiet = [*tracer, python, "-c", "print(1)"]
    subprocess.run(quiet, check=True, capture_output=True)
    assert proof._network_calls(calls) == []
    loud = [*tracer, python, "-c", "import socket; socket.socket()"]
    subprocess.run(loud, check=True, capture_output=True)
    assert any("socket(" in call for call in proof._network_calls(calls))


@pytest.fixture
def run():
    return proof._Run(["strace", "python", "-m", "t2local"], 0, "", [])


@pytest.mark.parametrize("code", [0, 5])
def test_a_run_without_calls_that_did_its_work_is_the_proof(run, code):
    proof._check(replace(run, exit_code=code), Path("proof.txt"))


def test_a_network_call_is_more_than_a_failure(run):
    seen = replace(run, exit_code=1, calls=TRACE.splitlines()[:2])
    with pytest.raises(NetworkRefused, match="2 network system calls were seen") as caught:
        proof._check(seen, Path("proof.txt"))
    assert "proof.txt" in caught.value.next_step


@pytest.mark.parametrize("code", [1, 3, 4, 6, 130, -9])
def test_a_run_that_fails_is_an_error_with_the_end_of_its_output(run, code):
    failed = replace(run, exit_code=code, stderr="a\nb\nc\nd\n\n")
    with pytest.raises(T2LocalError, match="The run failed") as caught:
        proof._check(failed, Path("proof.txt"))
    assert caught.value.faults == ("b", "c", "d")


def test_the_transcript_has_versions_command_result_and_calls(run, tmp_path):
    transcript = tmp_path / "proof.txt"
    proof._write(transcript, replace(run, calls=["1 socket()"]), ["one", "two"])
    lines = transcript.read_text().splitlines()
    assert lines[0].startswith("t2local, offline proof, 20")
    assert lines[1] == f"python: {platform.python_version()}"
    assert lines[2].startswith("system: ")
    assert lines[3].startswith("packages: {'t2local': ")
    assert lines[4:] == ["", "$ strace python -m t2local", "", "one", "two", "1 socket()"]
