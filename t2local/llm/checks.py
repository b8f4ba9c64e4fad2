"""Whether a model file is what it should be: hashed, its header read, and opened in a child process, before it is trusted.

What was found is remembered by size, times and inode of the file, so that the next start costs a look at its stamp.
Nothing here knows llama.cpp: for a file that was altered it is not even imported.
"""

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from t2local.errors import ModelError, ResourceError
from t2local.llm.gguf import Header, read_header
from t2local.settings import state_home
from t2local.system.atomic import atomic

#: Seconds for a first opening: what a small file may take, and bytes read in a second from a slow disk beyond that.
_OPENING_SECONDS, _SLOW_DISK = 10, 20_000_000


@dataclass(frozen=True)
class Checked:
    """What a file is: its hash and its header. ``opened_by``: the version of llama-cpp-python that opened it in a child process."""

    sha256: str
    header: Header
    opened_by: str = ""


def check(path: Path, expected: str | None = None, *, anew: bool = False) -> Checked:
    """Hash a file, then read its header; at a later call its stamp is enough, unless ``anew``.

    **Raises** `ModelError` for another hash than the expected one, for no GGUF, and for a file that changes meanwhile.
    """
    stamp = _stamp(path)
    found = None if anew else _remembered(path, stamp)
    digest = found.sha256 if found else _digest(path)
    if expected and digest != expected:
        raise ModelError(
            f"{path} is not the file that it should be: it was altered, or cut short.",
            faults=[f"sha256 expected {expected}", f"sha256 found    {digest}"],
            next_step=f"rm '{path}', then copy or pull it again",
        )
    if found:
        return found
    checked = Checked(digest, read_header(path))
    if _stamp(path) != stamp:
        raise ModelError(
            f"{path.name} changes while it is read.",
            next_step="wait until it is copied, then run this again",
        )
    _remember(path, stamp, checked)
    return checked


def open_apart(path: Path) -> Checked:
    """Let a child process load a file of unknown origin and decode two tokens: a crash there is an error message here.

    **Raises** `ModelError` when llama.cpp refuses the file, crashes on it, or does not end.
    """
    checked, present = check(path), version("llama-cpp-python")
    if checked.opened_by == present:
        return checked
    seconds = _OPENING_SECONDS + path.stat().st_size // _SLOW_DISK
    try:
        done = subprocess.run(
            [sys.executable, "-m", "t2local.llm.probe", str(path.resolve())],
            capture_output=True,
            timeout=seconds,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    except subprocess.TimeoutExpired as error:
        raise _unusable(path, f"llama.cpp was not done with it after {seconds} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise _unusable(
            path,
            said[-1]
            if done.returncode == 1 and said
            else f"llama.cpp crashed on it (exit code {done.returncode})",
        )
    opened = Checked(checked.sha256, checked.header, present)
    _remember(path, _stamp(path), opened)
    return opened


def _unusable(path: Path, problem: str) -> ModelError:
    return ModelError(
        f"{path.name} was opened in a process of its own and cannot be used: {problem}.",
        next_step="python -m t2local models list",
    )


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror}.", next_step="python -m t2local models list"
        ) from error


def _stamp(path: Path) -> list[int]:
    """What changes when a file does; the time of its last change of any kind included, which cannot be set back."""
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror}.", next_step="python -m t2local models list"
        ) from error
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _stamps() -> Path:
    return state_home() / "verified.json"


def _read_stamps() -> dict[str, Any]:
    try:
        found = json.loads(_stamps().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remembered(path: Path, stamp: list[int]) -> Checked | None:
    entry = _read_stamps().get(str(path.resolve()))
    try:
        return (
            Checked(entry["sha256"], Header(**entry["header"]), entry["opened_by"])
            if entry and entry["stamp"] == stamp
            else None
        )
    except (KeyError, TypeError):  # written by another version
        return None


def _remember(path: Path, stamp: list[int], checked: Checked) -> None:
    """Keep what was found, and forget files that are gone; where nothing can be written, files are hashed each time."""
    known = {name: entry for name, entry in _read_stamps().items() if Path(name).exists()}
    known[str(path.resolve())] = {"stamp": stamp, **asdict(checked)}
    try:
        _stamps().parent.mkdir(parents=True, exist_ok=True)
        with atomic(_stamps()) as file:
            json.dump(known, file, indent=1)
    except (OSError, ResourceError):
        return
