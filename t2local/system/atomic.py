"""Files that appear whole, or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from t2local.errors import ResourceError


@contextmanager
def atomic(path: Path, encoding: str | None = "utf-8") -> Iterator[IO[Any]]:
    """Open a file that appears at ``path`` whole, or not at all; readable by its owner only. Without an encoding it takes bytes."""
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(
            handle, "w" if encoding else "wb", encoding=encoding, newline="" if encoding else None
        ) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        raise ResourceError(
            f"{path} cannot be written: {error.strerror}.",
            next_step="free some disk, or choose another folder (--out; T2LOCAL_HOME for models)",
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
