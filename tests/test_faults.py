"""A sample of the faults that tests/faults/points.py makes at every call (docs/reliability.md)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import t2local

ROOT = str(Path(t2local.__file__).parents[1])


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="needs LD_PRELOAD and a C compiler"
)
def test_a_run_that_dies_or_finds_the_disk_full_leaves_one_whole_result_and_goes_on(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.points", "--one"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts == {"points": 4, "wrong": 0}, done.stdout
