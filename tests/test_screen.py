"""Progress on stderr: lines in a log, one live line in a terminal, nothing when quiet."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import t2local
from t2local.cli.screen import Screen
from t2local.events import Decision, Notice, Progress

PROGRESS = Progress(100, 40, 30, {"sanity": 4, "cost": 6, "diversity": 0}, 12.4, 61.0)
EVENTS = [Decision("seed", 1, "asked for"), Notice("a column is blank"), PROGRESS]
LINES = [
    "seed: 1 (asked for)",
    "note: a column is blank",
    "40 rows written, 30 of 100 kept (rejected: sanity 4, cost 6), 12 tokens/s, about 61 s left",
]


def test_without_a_terminal_each_event_is_a_line_on_stderr(capsys):
    with Screen(seconds=0) as screen:
        for event in EVENTS:
            screen(event)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == LINES


def test_progress_comes_now_and_then_and_decisions_always(capsys):
    with Screen(seconds=3600) as screen:
        for event in EVENTS * 3:
            screen(event)
    assert capsys.readouterr().err.splitlines() == LINES[:2] * 3


def test_quiet_shows_nothing(capsys):
    with Screen(quiet=True, seconds=0) as screen:
        for event in EVENTS:
            screen(event)
    assert capsys.readouterr() == ("", "")


def test_an_error_passes_through():
    with pytest.raises(ZeroDivisionError), Screen():
        raise ZeroDivisionError


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_in_a_terminal_one_line_is_written_over_and_cleared():
    code = """
from t2local.cli.screen import Screen
from t2local.events import Notice, Progress
with Screen() as screen:
    screen(Notice("first"))
    screen(Progress(10, 5, 4, {"[red]": 1}, 1.0, None))
print("result")
"""
    terminal, stderr = os.openpty()
    root = str(Path(t2local.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": root, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(stderr)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert done.stdout == "result\n"
    assert "note: first" in shown
    assert "4 of 10 kept (rejected: [red] 1)" in shown  # a name in brackets is no colour
    assert shown.rstrip().endswith("\x1b[2K")  # the line is cleared at the end
