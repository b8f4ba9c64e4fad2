"""The review as a person meets it: keys and screens of a terminal of 80 columns."""

import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import t2local
from t2local.cli import main
from t2local.tables import reading, row_sample
from t2local.tables.dictionary_file import read_dictionary
from tests.test_review import doubtful

pty = pytest.importorskip("pty", reason="a pseudo-terminal is needed")
termios = pytest.importorskip("termios", reason="a pseudo-terminal is needed")

ROOT = Path(t2local.__file__).parents[1]
#: The last line of a screen: only then a key is read.
END = "leave; nothing is written"
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    doubtful().to_csv("data.csv", index=False)
    return tmp_path


def review(*arguments, keys=()):
    """The screens of a review in a pseudo-terminal, each answered by a key, and its exit code."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "t2local", "review", "data.csv", *arguments],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)},
    )
    os.close(terminal)
    screens, text, left = [], "", list(keys)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        text += _read(master)
        if END in text and left and _waits_for_a_key(master):
            screens.append(text)
            text = ""
            os.write(master, left.pop(0).encode())
        elif process.poll() is not None:
            text += _read(master)
            break
    process.kill()
    os.close(master)
    return [*screens, text], process.wait()


def _waits_for_a_key(master):
    """Whether keys are read one by one: what is typed before that is thrown away."""
    return not termios.tcgetattr(master)[3] & termios.ICANON


def _read(master):
    """What the terminal shows next, without colours; blank for nothing within a moment."""
    if not select.select([master], [], [], 0.2)[0]:
        return ""
    try:
        return _ESCAPE.sub("", os.read(master, 65536).decode())
    except OSError:  # how Linux says that the other end is closed
        return ""


def test_keys_change_guesses_and_the_file_has_them(table):
    # Target, number, name, bmi, children, dose, ward, lab, note, the rule; "?" is no key.
    keys = ["n", "\r", "\r", "z", "l", "\r", "x", "\r", "\r", "x"]
    screens, code = review(keys=keys)
    assert code == 0, screens[-1]
    assert all(len(line) <= 80 for screen in screens for line in screen.splitlines())
    assert all(len(screen.splitlines()) <= 24 for screen in screens)
    assert "The target" in screens[0]
    assert "bmi  (3 of 8)" in screens[3]
    assert "Next: python -m t2local generate data.csv --dictionary dictionary.yaml" in screens[-1]
    dictionary = read_dictionary(Path("dictionary.yaml").read_text(), "dictionary.yaml")
    assert dictionary.target is None
    assert dictionary["bmi"].missing_values == ("0.0",)
    assert dictionary["children"].type == "category"
    assert "ward" not in dictionary.names
    assert dictionary.rules == ()


@pytest.mark.parametrize("last", ["\x03", "\x04", "q"])
def test_who_leaves_writes_nothing(table, last):
    screens, code = review(keys=["\r", last])
    assert code == 130
    assert "The review was left; nothing was written." in screens[-1]
    assert [path.name for path in table.iterdir()] == ["data.csv"]


def test_the_first_line_may_be_a_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["x,left,no"] * 6 + ["y,right,yes"] * 6 + ["z,left,yes"] * 6
    Path("data.csv").write_text("\n".join(["word,side,ill", *rows]) + "\n")
    screens, code = review(keys=["f", *["\r"] * 4])
    assert code == 0, screens
    assert "The first line" in screens[0]
    assert "generate data.csv --no-header --dictionary dictionary.yaml" in screens[-1]
    dictionary = read_dictionary(Path("dictionary.yaml").read_text(), "dictionary.yaml")
    assert dictionary.names == ["column_1", "column_2", "column_3"]


def run(*arguments):
    return CliRunner().invoke(main, ["review", "data.csv", *arguments])


def test_without_a_terminal_all_guesses_are_taken_or_nothing_is_done(table):
    refused = run()
    assert refused.exit_code == 2
    assert "there is no terminal" in refused.stderr
    assert "--yes" in refused.stderr
    assert not Path("dictionary.yaml").exists()
    assert run("--yes").exit_code == 0
    described = CliRunner().invoke(main, ["describe", "data.csv"])
    assert Path("dictionary.yaml").read_text() == described.stdout


def test_a_file_that_is_there_is_not_replaced(table):
    Path("dictionary.yaml").write_text("mine")
    refused = run("--yes")
    assert refused.exit_code == 2
    assert "dictionary.yaml is there already" in refused.stderr
    assert Path("dictionary.yaml").read_text() == "mine"
    assert run("--yes", "-o", "other.yaml", "--target", "none").exit_code == 0
    assert "target: none\n" in Path("other.yaml").read_text()


def test_guesses_about_a_large_file_are_those_about_all_its_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reading, "_MOST_BYTES_OF_ALL_ROWS", 0)
    monkeypatch.setattr(row_sample, "_MOST_ROWS", 50)
    rows = [f"{age % 60 + 20},{'AB'[age % 2]},{age % 3 % 2}" for age in range(2000)]
    rows[1700:1707] = ["119,Zwettl,1"] * 7
    Path("data.csv").write_text("\n".join(["age,ward,died", *rows]) + "\n")
    assert run("--yes").exit_code == 0
    dictionary = read_dictionary(Path("dictionary.yaml").read_text(), "dictionary.yaml")
    assert dictionary["ward"].levels == ("A", "B", "Zwettl")
    assert dictionary["age"].maximum >= 119
