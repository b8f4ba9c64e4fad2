"""The bench of the README's commands: what it runs, and whose memory it counts."""

import sys
from pathlib import Path

import pytest

bench = pytest.importorskip("bench.readme_check", reason="bench/ is not beside a package")


def test_the_commands_are_those_of_the_readme_with_another_model():
    sample, generate = bench.commands("qwen-1.5b", Path("/venv/bin/python"))
    assert sample[:5] == ["/venv/bin/python", "-m", "t2local", "sample", "diabetes"]
    assert "--model" not in sample
    assert generate[3:5] == ["generate", sample[-1]]
    assert generate[-2:] == ["--model", "qwen-1.5b"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_that_of_all_processes_together(tmp_path):
    own = "x = b'x' * 60_000_000; import time; time.sleep(1)"
    program = f"import subprocess as s, sys; p = s.Popen([sys.executable, '-c', {own!r}]); {own}"
    figures = bench.measured([sys.executable, "-c", f"{program}; p.wait()"], tmp_path)
    assert figures["exit code"] == 0
    assert figures["seconds"] > 1
    assert 120e6 < figures["peak bytes"] < 250e6
