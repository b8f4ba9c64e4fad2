"""A sample of the faults that tests/faults makes one after another (docs/reliability.md)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import t2local

ROOT = str(Path(t2local.__file__).parents[1])


def counts(tmp_path, *program):
    """What a program of tests/faults counts."""
    done = subprocess.run(
        [sys.executable, "-m", *program],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    figures = json.loads(last)
    assert figures.pop("wrong") == 0, lines
    return figures


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="needs LD_PRELOAD and a C compiler"
)
def test_a_run_that_dies_or_finds_the_disk_full_leaves_one_whole_result_and_goes_on(tmp_path):
    assert counts(tmp_path, "tests.faults.points", "--one") == {"points": 4}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_run_that_is_told_to_stop_delivers_what_it_has_and_goes_on(tmp_path):
    assert counts(tmp_path, "tests.faults.signals", "--every", "19", "--cheap")["signals"] == 3
