"""Ctrl-C where rows would be lost."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred() -> Iterator[list[int]]:
    """Note Ctrl-C in the list that this gives, for work of seconds that must not stop halfway; a second one stops it all the same.

    Only the main thread gets Ctrl-C, and a process that ignores it goes on ignoring it: there nothing is changed.
    """
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield came
        return

    def note(number: int, _: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)
