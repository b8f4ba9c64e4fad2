"""The notebooks of docs/ run from a clean kernel; what is stored with them is small and whole.

To store what they show anew: ``jupyter execute --inplace docs/notebooks/*.ipynb``.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
if not FOLDER.is_dir():
    pytest.skip("the documents are not beside an installed package", allow_module_level=True)

STORED = sorted(FOLDER.glob("*.ipynb"))
#: With the starter model; the others say that a scripted one takes its place.
WITH_STARTER = {"first-table"}
MAX_BYTES = 150_000
#: A kernel is spoken to through sockets of this machine, which tests may not open: a process of
#: its own does it.
EXECUTE = "from nbclient.cli import main; main()"


def search_path() -> str:
    """A line of a notebook that begins with ``!python`` means the Python of the tests."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def marked(path: Path):
    marks = [pytest.mark.model] if path.stem in WITH_STARTER else []
    return pytest.param(path, marks=marks, id=path.stem)


@pytest.mark.parametrize("path", [marked(path) for path in STORED])
def test_a_notebook_runs_from_a_clean_kernel_and_all_that_it_asserts_holds(path, tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = shutil.copy(path, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(notebook)],
        cwd=tmp_path,
        env={**os.environ, "IPYTHONDIR": str(tmp_path), "PATH": search_path()},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_notebook_is_small_was_run_in_order_and_ends_with_what_the_rows_are_for(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert path.stat().st_size < MAX_BYTES
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert "error" not in {output["output_type"] for output in outputs}
    assert "stderr" not in {output.get("name") for output in outputs}
    assert "assert " in str([cell["source"] for cell in code])
    assert "## What these rows are for, and what not\n" in cells[-1]["source"]
    scripted = "ScriptedModel" in str([cell["source"] for cell in code])
    assert scripted == (path.stem not in WITH_STARTER)


def test_there_are_three_notebooks():
    assert {path.stem for path in STORED} == {"first-table", "privacy-report", "trial-arm"}
