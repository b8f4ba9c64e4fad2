"""The bench that watches a terminal: what it reads off it."""

import sys

import pytest

pytest.importorskip("bench", reason="bench/ is not part of the package")

from bench.terminal import _error, _guesses, _sight, watch


def test_seconds_left_are_read_in_all_their_forms():
    text = "\x1b[2Kabout 45 s left   about 3 min left about 2 h 5 min left about nothing"
    assert _guesses(text) == [45, 180, 7500]


def test_the_first_guess_after_a_tenth_of_the_time_counts():
    assert _error([(1, 500), (12, 38), (60, 1)], 100) == pytest.approx(2)
    assert _error([(10, 140)], 100) == pytest.approx(1.5)


def test_silence_is_the_longest_time_between_two_changes():
    seen = [(0.5, "starting"), (2.0, "read: 3 rows"), (7.0, "about 9 s left"), (8.0, "Yes.")]
    sight = _sight(seen, 9.0, 0)
    assert (sight.first_sign, sight.first_sentence, sight.first_movement) == (0.5, 2.0, 7.0)
    assert sight.longest_silence == 5.0


def test_a_program_is_watched_in_a_terminal_until_it_ends(tmp_path):
    code = "import sys, time; time.sleep(0.1); print('read: me', sys.stderr.isatty()); sys.exit(3)"
    sight = watch([sys.executable, "-c", code], tmp_path)
    assert sight.exit_code == 3
    assert 0 < sight.first_sentence <= sight.total
