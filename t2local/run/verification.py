"""Whether the files of a result are still those that a run wrote."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from t2local.errors import InputError
from t2local.run.folder import CHECKPOINT, LOCK
from t2local.system.hashes import file_sha256
from t2local.system.input_file import read_bytes

_MANIFEST = "manifest.json"
#: A manifest has some kilobytes.
_MOST_BYTES = 20_000_000
_NEXT_STEP = "pass the folder of a result of 'generate'"


def check_files(folder: Path) -> int:
    """Hold the files of a result against the hashes in its manifest.

    The manifest cannot hold a hash of itself: whoever can change it can change all.

    **Returns** the number of files that were compared.

    **Raises** `InputError` for a folder without such a manifest, and where files were changed,
    added or removed; all of them are listed.
    """
    hashes = _hashes(folder / _MANIFEST)
    if faults := list(_faults(folder, hashes)):
        raise InputError(
            f"{folder} is not as it was written:",
            faults=faults,
            next_step="take it from a copy, or write it again with the same command",
        )
    return len(hashes)


def _hashes(manifest: Path) -> Mapping[str, str]:
    """The hash of each file, by name."""
    content = read_bytes(manifest, _MOST_BYTES, InputError, _NEXT_STEP)
    try:
        hashes = json.loads(content)["files"]
        if all(isinstance(text, str) for text in hashes.values()):
            return dict(hashes)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise InputError(f"{manifest} has no hashes of files.", next_step=_NEXT_STEP)


def _faults(folder: Path, hashes: Mapping[str, str]) -> Iterator[str]:
    names = {path.name for path in folder.iterdir()} - {_MANIFEST, LOCK, CHECKPOINT}
    for name in sorted(hashes.keys() | names):
        if name not in names:
            yield f"{name} is missing"
        elif name not in hashes:
            yield f"{name} was added"
        elif not (folder / name).is_file() or file_sha256(folder / name) != hashes[name]:
            yield f"{name} was changed"
