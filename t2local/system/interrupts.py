"""Signals that ask a program to stop, where rows would be lost."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: Ctrl-C; what Slurm, systemd and Docker send; a terminal that closes; Ctrl-Break on Windows.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
#: Of this process, in order. A signal belongs to a process, and so does this list.
_received: list[int] = []

_Handler = Callable[[int, FrameType | None], Any]


class SecondInterrupt(KeyboardInterrupt):
    """A signal that came while the first was being obeyed: stop at once."""


@contextmanager
def stop_signals() -> Iterator[None]:
    """Let all signals that ask to stop raise `KeyboardInterrupt`, for a program of its own.

    One that the process ignores (``nohup``) stays ignored.
    """

    def stop(number: int, _: FrameType | None) -> None:
        _received.append(number)
        raise KeyboardInterrupt

    _received.clear()
    with _handled(stop, (signal.SIG_DFL, signal.default_int_handler)):
        yield


def exit_code() -> int:
    """What shells use: 128 and the number of the first signal that came, Ctrl-C if none did."""
    return 128 + (_received or [signal.SIGINT])[0]


@contextmanager
def deferred() -> Iterator[list[int]]:
    """Note a signal instead of stopping, for work of seconds that must not end halfway.

    **Returns** a list that gets the number of the signal when one comes. A second one stops the
    work all the same: it raises `SecondInterrupt`.

    Python gives signals to the main thread only, and a process that ignores one (``nohup``, a
    shell's background job) goes on ignoring it: in both cases nothing changes here. Nor does it
    for signals whose own handler is the system's, as in a program that imports t2local.
    """
    signals: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if signals:
            raise SecondInterrupt
        signals.append(number)
        _received.append(number)

    with _handled(note):
        yield signals


@contextmanager
def held_back() -> Iterator[None]:
    """Let signals wait until the block is over: in what C code calls, Python would drop them."""
    signals: list[int] = []
    try:
        with _handled(lambda number, _: signals.append(number)):
            yield
    finally:
        if signals:
            signal.raise_signal(signals[0])


@contextmanager
def _handled(handler: _Handler, instead_of: tuple[object, ...] = ()) -> Iterator[None]:
    """Handle signals that had one of these handlers; none named: any handler of Python."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {number: signal.getsignal(number) for number in _SIGNALS}
    ours = {
        n: old for n, old in earlier.items() if (old in instead_of if instead_of else callable(old))
    }
    for number in ours:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in ours.items():
            signal.signal(number, old)
