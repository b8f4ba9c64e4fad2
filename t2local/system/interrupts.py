"""Ctrl-C where rows would be lost."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred() -> Iterator[list[int]]:
    """Note Ctrl-C instead of stopping, for work of seconds that must not end halfway.

    **Returns** a list that gets the number of the signal when Ctrl-C comes. A second Ctrl-C stops
    the work all the same.

    Python gives Ctrl-C to the main thread only, and a process that ignores it (``nohup``, a shell's
    background job) goes on ignoring it: in both cases nothing changes here.
    """
    signals: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield signals
        return

    def note(number: int, _: FrameType | None) -> None:
        if signals:
            raise KeyboardInterrupt
        signals.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield signals
    finally:
        signal.signal(signal.SIGINT, handler)
