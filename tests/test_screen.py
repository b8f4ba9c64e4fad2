"""Progress on stderr: lines in a log, one live line in a terminal, nothing when quiet."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import t2local
from t2local.cli import bar
from t2local.cli.bar import duration
from t2local.cli.screen import Screen
from t2local.events import Decision, Notice, Phase, Progress

PROGRESS = Progress(100, 40, 30, {"sanity": 4, "cost": 6, "diversity": 0}, 12.4, 61.0)
EVENTS = [
    Decision("target", "y", "asked for"),
    Decision("threads", 2, "one for each core"),
    Notice("a column is blank"),
    Phase("loading the model", None),
    PROGRESS,
]
LINES = [
    "target: y (asked for)",
    "note: a column is blank",
    "loading the model ...",
    "40 rows written, 30 of 100 kept (rejected: sanity 4, cost 6), 12 tokens/s, about 61 s left",
]


def test_without_a_terminal_each_event_is_a_line_on_stderr(capsys):
    with Screen(seconds=0) as screen:
        for event in EVENTS:
            screen(event)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == LINES


def test_what_was_decided_about_the_machine_is_said_when_asked_for(capsys):
    with Screen(verbose=True, seconds=3600) as screen:
        for event in EVENTS:
            screen(event)
    assert "threads: 2 (one for each core)" in capsys.readouterr().err.splitlines()


def test_progress_comes_now_and_then_and_a_kind_of_decision_once(capsys):
    with Screen(seconds=3600) as screen:
        for event in EVENTS * 3:
            screen(event)
    assert capsys.readouterr().err.splitlines() == [LINES[0], *[LINES[1]] * 3]


def test_quiet_shows_nothing(capsys):
    with Screen(quiet=True, seconds=0) as screen:
        for event in EVENTS:
            screen(event)
    assert capsys.readouterr() == ("", "")


def test_an_error_passes_through():
    with pytest.raises(ZeroDivisionError), Screen():
        raise ZeroDivisionError


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_in_a_terminal_a_bar_moves_by_the_clock_and_is_cleared():
    code = """
import time
from t2local.cli.screen import Screen
from t2local.events import Notice, Phase, Progress
with Screen() as screen:
    screen(Notice("first, and then so many words that they do not fit into a line of eighty"))
    screen(Phase("[red] is no colour", 1.0))
    time.sleep(0.9)
    screen(Progress(10, 1, 0, {}, 1.0, 0.1))
    time.sleep(0.3)
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
        env={**os.environ, "PYTHONPATH": root, "TERM": "xterm", "COLUMNS": "70"},
    )
    os.close(stderr)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert done.stdout == "result\n"
    text = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", shown)
    assert max(map(len, re.split("[\r\n]+", text))) <= 70
    assert "note: first, and then so many words that they do not fit into a line" in text
    assert "[red] is no colour" in text
    assert "1 row written, 0 of 10 kept" in text
    assert shown.rstrip().endswith("\x1b[?25h") or shown.rstrip().endswith("\x1b[2K")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (45, "45 s"), (89, "89 s"), (170, "3 min"), (7500, "2 h 5 min")],
)
def test_seconds_as_people_say_them(seconds, words):
    assert duration(seconds) == words


def test_the_bar_moves_between_two_events_and_never_backwards(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(bar.time, "monotonic", lambda: now[0])
    shown = bar.Bar()

    def done(second, seconds_left=None):
        now[0] = 100.0 + second
        if seconds_left is not None:
            shown.move("writing rows", seconds_left)
        cells = [next(iter(column.cells)) for column in shown.picture().columns]
        return cells[0].completed, str(cells[2])

    assert done(2) == (0, "2 s")
    assert done(10, 10) == (0.5, "about 10 s left")
    assert done(15) == (0.75, "about 5 s left")
    later = done(40)  # longer than was guessed
    assert 0.9 < later[0] < 1
    assert done(40, 60) == (later[0], "about 60 s left")
