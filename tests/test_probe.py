"""The program that opens files of unknown origin."""

import subprocess
import sys

import pytest

from t2local.llm.probe import probe
from tests.tiny import tiny


def test_a_model_that_works_has_nothing_wrong(tmp_path):
    assert probe(str(tiny(tmp_path / "a.gguf"))) == ""


@pytest.mark.parametrize(
    "changes", [{"general.architecture": (8, "nothing")}, {"llama.block_count": (4, 9)}]
)
def test_a_model_that_llama_cpp_refuses_is_said_to_be(tmp_path, changes):
    assert probe(str(tiny(tmp_path / "a.gguf", **changes))) == "llama.cpp refuses it"


def test_as_a_program_it_ends_with_1_and_a_line(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF")
    command = [sys.executable, "-m", "t2local.llm.probe", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "llama.cpp refuses it\n")
