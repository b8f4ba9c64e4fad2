"""The files of the store, named by their content: ``sha256-HASH.gguf``; manifests give them names.

A file gets its name when all of it is on the disk and has that hash. One process at a time changes
the store, and removes first what another left that was killed.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from t2local.errors import ModelError, ResourceError
from t2local.llm import gguf
from t2local.llm.catalog import entries
from t2local.llm.checks import check
from t2local.llm.manifest import folder, make_folder, manifests, unreadable
from t2local.system.atomic import atomic
from t2local.system.hashes import text_sha256
from t2local.system.lock import wait_lock

#: Bytes that are copied at a time.
_CHUNK = 1 << 20
#: What `atomic` writes into until a file is whole.
_TEMPORARY = re.compile(r"\..+\.(gguf|json)\.[a-z0-9_]{8}")
#: Seconds: copying a model of 40 GB from a slow stick takes as long.
_PATIENCE = 1800


def blob_names(digests: Sequence[str]) -> list[str]:
    """The files of a model in the store, by the hashes of its parts.

    llama.cpp looks for the other parts by the name of the first, so they share one hash.
    """
    key = digests[0]
    if len(digests) > 1:
        key = text_sha256("\n".join(digests))
    return gguf.file_names(f"sha256-{key}", len(digests))


@contextmanager
def store_to_change(n_bytes: int = 0) -> Iterator[Path]:
    """The folder of the store for this process alone, with room for so many bytes.

    **Raises** `ResourceError` when it cannot be written, is too small, or is not free for long.
    """
    make_folder()
    try:
        lock = wait_lock(folder() / ".lock", _PATIENCE)
    except OSError as error:
        raise ResourceError(
            f"{folder()} cannot be written: {error.strerror}.",
            next_step="set T2LOCAL_HOME to another folder",
        ) from error
    if lock is None:
        raise ResourceError(
            f"Another command is changing {folder()}.", next_step="wait for it, then try again"
        )
    try:
        _remove_leftovers()
        yield make_folder(n_bytes)
    finally:
        os.close(lock)


def write_blob(chunks: Iterable[bytes], name: str, sha256: str) -> Path:
    """Write a file of the store, unless it is there.

    **Raises** `ModelError` when it would have another hash; then it is not there.
    """
    path, digest = folder() / name, hashlib.sha256()
    if _intact(path, sha256):
        return path
    with atomic(path, encoding=None) as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        if digest.hexdigest() != sha256:
            raise ModelError(
                "The model changed while it was copied, or came damaged; nothing was kept.",
                faults=[f"sha256 expected {sha256}", f"sha256 found    {digest.hexdigest()}"],
                next_step="wait until the file is whole, then run this again",
            )
    check(path, sha256)
    return path


def chunks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a megabyte at a time."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _intact(path: Path, sha256: str) -> bool:
    with suppress(ModelError):
        return path.is_file() and bool(check(path, sha256))
    return False


def _remove_leftovers() -> None:
    """Remove what is half written, and whole files that no name and no catalogue knows.

    While a manifest cannot be read, its files are not known either: then whole files stay.
    """
    left = [path for path in folder().glob(".*") if _TEMPORARY.fullmatch(path.name)]
    if not unreadable():
        # A linked file may be one of the store.
        names = {path.name for manifest in manifests().values() for path in manifest.paths()}
        names |= {blob_names([entry.sha256])[0] for entry in entries().values()}
        left += [path for path in folder().glob("sha256-*.gguf") if path.name not in names]
    for path in left:
        with suppress(OSError):  # Windows: it is in use
            path.unlink()
