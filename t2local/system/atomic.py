"""Files that appear whole, or not at all."""

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from t2local.errors import ResourceError


@contextmanager
def atomic(path: Path, encoding: str | None = "utf-8") -> Iterator[IO[Any]]:
    """Open a file that appears at ``path`` whole, or not at all; only its owner can read it.

    An older file at ``path`` stays as it is until the new one is complete.

    **Parameters:**

    * **encoding**: of the text; without one the file takes bytes. Line ends are written as given.

    **Raises** `ResourceError` when the disk is full or the folder cannot be written.
    """
    temporary: Path | None = None
    try:
        # In the same folder: only within one file system does a rename replace a file at once.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with _opened(handle, encoding) as file:
            yield file
            file.flush()
            # A rename may reach the disk before the content does, unless that is forced out first.
            os.fsync(file.fileno())
        temporary.replace(path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise ResourceError(
            f"{path} cannot be written: {error.strerror}.",
            next_step="free some disk, or choose another folder (--out; T2LOCAL_HOME for models)",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _opened(handle: int, encoding: str | None) -> IO[Any]:
    if encoding is None:
        return os.fdopen(handle, "wb")
    return os.fdopen(handle, "w", encoding=encoding, newline="")


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk: without it a power cut may undo a rename."""
    if sys.platform == "win32":  # opens no folder; its renames are in the journal of the disk
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network disks know no such call; there is nothing to be done about it.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
