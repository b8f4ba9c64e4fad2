"""Ctrl-C while rows would be lost: noted at first, obeyed at second."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import t2local
from t2local.system.interrupts import SecondInterrupt, deferred, exit_code, held_back, stop_signals


@pytest.fixture(autouse=True)
def _as_before():
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, before)


def test_a_first_ctrl_c_is_noted_and_the_work_goes_on():
    work = []
    with deferred() as signals:
        assert signals == []
        signal.raise_signal(signal.SIGINT)
        work.append("done")
    assert work == ["done"]
    assert signals == [signal.SIGINT]


def test_without_ctrl_c_the_list_is_empty():
    with deferred() as signals:
        pass
    assert not signals


def test_a_second_ctrl_c_is_not_put_off():
    def impatient():
        with deferred() as came:
            signal.raise_signal(signal.SIGINT)
            assert came
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        impatient()
    assert signal.getsignal(signal.SIGINT) is before


def test_after_the_work_ctrl_c_stops_as_before():
    with deferred():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_one_within_another_notes_in_the_inner_list_first():
    with deferred() as outer:
        with deferred() as inner:
            signal.raise_signal(signal.SIGINT)
        assert (len(inner), len(outer)) == (1, 0)
        signal.raise_signal(signal.SIGINT)
        assert (len(inner), len(outer)) == (1, 1)


def test_an_error_of_the_work_passes_through():
    with pytest.raises(ZeroDivisionError), deferred():
        raise ZeroDivisionError


def test_another_thread_changes_nothing():
    handlers = []

    def work():
        with deferred() as signals:
            handlers.append((signal.getsignal(signal.SIGINT), list(signals)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [(signal.getsignal(signal.SIGINT), [])]


def test_a_process_that_ignores_ctrl_c_goes_on_ignoring_it():
    code = """
import signal
from t2local.system.interrupts import deferred
signal.signal(signal.SIGINT, signal.SIG_IGN)
with deferred() as signals:
    for _ in range(3): signal.raise_signal(signal.SIGINT)
print(signals, signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(t2local.__file__).parents[1])},
    )
    assert done.stdout == "[] True\n"


def test_ctrl_c_is_heard_after_the_block():
    finished = []

    def interrupted():
        with held_back():
            signal.raise_signal(signal.SIGINT)
            finished.append(True)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert finished == [True]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_leave_the_handler_alone():
    handlers = []

    def work():
        with held_back():
            handlers.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_in_a_program_each_signal_that_asks_to_stop_stops_as_ctrl_c_does(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)

    def stopped():
        with stop_signals():
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert exit_code() == 128 + number
    assert signal.getsignal(number) is before


def test_in_a_program_the_work_of_seconds_is_finished_first_and_the_second_signal_stops_it():
    work = []

    def impatient():
        with stop_signals(), deferred() as came:
            signal.raise_signal(signal.SIGTERM)
            work.append(list(came))
            signal.raise_signal(signal.SIGHUP)
            work.append("never")

    with pytest.raises(SecondInterrupt):
        impatient()
    assert work == [[signal.SIGTERM]]
    assert exit_code() == 128 + signal.SIGTERM


def test_a_program_that_imports_t2local_keeps_its_own_end():
    with deferred():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with stop_signals():
        pass
    assert exit_code() == 130  # of this program nothing has come
