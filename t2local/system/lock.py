"""A lock that one process holds, and that goes when the process goes, however it ends."""

import os
import sys
import time
from pathlib import Path

#: Seconds between two attempts.
_PAUSE = 0.1


def try_lock(path: Path) -> int | None:
    """Lock a file, which is made if it is not there; none where another process holds it.

    **Returns** a file descriptor: the lock lasts until it is closed, or the process ends.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(handle)
    except (BlockingIOError, PermissionError):  # what flock and msvcrt.locking say of a held one
        os.close(handle)
        return None
    except OSError:  # a network disk without locks
        os.close(handle)
        raise
    return handle


def wait_lock(path: Path, seconds: float) -> int | None:
    """Lock a file as `try_lock` does, as soon as it is free; none after so many seconds."""
    end = time.monotonic() + seconds
    while (handle := try_lock(path)) is None and time.monotonic() < end:
        time.sleep(_PAUSE)
    return handle


if sys.platform == "win32":  # written from documentation, not run by the developers

    def _lock(handle: int) -> None:
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:

    def _lock(handle: int) -> None:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
