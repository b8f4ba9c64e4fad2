"""Whether a model file is what it should be, before it is trusted.

It is hashed, its header is read, and a file of unknown origin is opened in a child process. The
result is remembered by size, times and inode of the file, so that the next start costs a look at
its stamp; after 30 days it is hashed again, whatever the stamp says. Nothing here knows llama.cpp:
for a file that was altered it is not even imported.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from t2local.errors import ModelError, ResourceError
from t2local.llm.gguf import Header, read_header
from t2local.settings import state_home
from t2local.system.atomic import atomic
from t2local.system.hashes import file_sha256
from t2local.system.json_text import JsonObject

#: Seconds for a first opening: what a small file may take, and one more for so many bytes, as slow
#: disks read them.
_OPENING_SECONDS, _SLOW_DISK = 10, 20_000_000
#: Seconds on the clock for a template; the child itself ends after 5 of computing.
_TEMPLATE_SECONDS = 30
#: Seconds, 30 days: a stamp that somebody forged, or a disk that changed a bit, is noticed then.
#: Hashing takes a second for so many gigabytes as the disk reads in it.
_STAMP_HOLDS = 30 * 86_400
#: What Python needs of the environment to find its packages.
_ENVIRONMENT = ("APPDATA", "LD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT")
#: Where ``-m t2local`` finds this package.
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Checked:
    """What a file is: its hash and its header.

    * ``hashed_at``: when it was, in seconds since 1970.
    * ``opened_by``: the version of llama-cpp-python that opened it in a child process, if any did.
    """

    sha256: str
    header: Header
    hashed_at: float = field(compare=False)
    opened_by: str = ""


def check(path: Path, expected: str | None = None, *, anew: bool = False) -> Checked:
    """Hash a file, then read its header; for 30 days its stamp is enough, unless ``anew``.

    **Raises** `ModelError` for another hash than the expected one, for no GGUF, and for a file that
    changes meanwhile.
    """
    stamp = _stamp(path)
    remembered = None
    if not anew:
        remembered = _remembered(path, stamp)
    if remembered:
        _compare(path, remembered.sha256, expected)
        return remembered
    digest = _digest(path)
    _compare(path, digest, expected)
    checked = Checked(digest, read_header(path), time.time())
    if _stamp(path) != stamp:
        raise ModelError(
            f"{path.name} changes while it is read.",
            next_step="wait until it is copied, then run this again",
        )
    _remember(path, stamp, checked)
    return checked


def open_apart(path: Path) -> Checked:
    """Let a child process load a file of unknown origin and decode two tokens.

    A crash there is an error message here.

    **Raises** `ModelError` when llama.cpp refuses the file, crashes on it, or does not end.
    """
    checked = check(path)
    llama_version = version("llama-cpp-python")
    if checked.opened_by == llama_version:
        return checked
    seconds = _OPENING_SECONDS + path.stat().st_size // _SLOW_DISK
    try:
        process = subprocess.run(
            [sys.executable, "-m", "t2local.llm.probe", str(path.resolve())],
            capture_output=True,
            timeout=seconds,
            check=False,
            cwd=_ROOT,
        )
    except subprocess.TimeoutExpired as error:
        raise _unusable(path, f"llama.cpp was not done with it after {seconds} s") from error
    lines = process.stderr.decode(errors="replace").strip().splitlines()
    if process.returncode == 1 and lines:
        raise _unusable(path, lines[-1])
    if process.returncode:
        raise _unusable(path, f"llama.cpp crashed on it (exit code {process.returncode})")
    opened = replace(checked, opened_by=llama_version)
    _remember(path, _stamp(path), opened)
    return opened


def compile_apart(template: str, begin: str, end: str) -> dict[str, Any]:
    """Let a child process compile a chat template (`t2local.llm.chat_template.Pieces`).

    **Parameters:**

    * **begin**, **end**: the texts of the tokens that begin and end a text.

    **Raises** `ValueError` that says why it cannot be compiled.
    """
    request = {"template": template, "begin": begin, "end": end}
    try:
        process = subprocess.run(
            [sys.executable, "-m", "t2local.llm.chat_template"],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=_TEMPLATE_SECONDS,
            check=False,
            cwd=_ROOT,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it was not done after {_TEMPLATE_SECONDS} s") from error
    if process.returncode:
        raise ValueError(f"it takes too much time or memory (exit code {process.returncode})")
    answer = json.loads(process.stdout)
    if problem := answer.get("problem"):
        raise ValueError(ascii(problem)[1:-1])
    texts = {name: str(answer[name]) for name in ("opening", "closing", "note")}
    thought = [str(text) for text in answer["thought"] or ()]
    return {**texts, "trim": bool(answer["trim"]), "thought": thought}


def _compare(path: Path, digest: str, expected: str | None) -> None:
    if expected and digest != expected:
        raise ModelError(
            f"{path} is not the file that it should be: it was altered, or cut short.",
            faults=[f"sha256 expected {expected}", f"sha256 found    {digest}"],
            next_step=f"rm '{path}', then copy or pull it again",
        )


def _unusable(path: Path, problem: str) -> ModelError:
    return ModelError(
        f"{path.name} was opened in a process of its own and cannot be used: {problem}.",
        next_step="python -m t2local models list",
    )


def _unreadable(path: Path, error: OSError) -> ModelError:
    return ModelError(
        f"{path} cannot be read: {error.strerror}.", next_step="python -m t2local models list"
    )


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _stamp(path: Path) -> list[int]:
    """What changes when a file does, its size, times and inode.

    The time of its last change of any kind is among them: a program cannot set that one back.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _memory_path() -> Path:
    return state_home() / "verified.json"


def _read_memory() -> JsonObject:
    """All that was remembered, by path of the file; empty where nothing can be read."""
    try:
        memory = json.loads(_memory_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def _remembered(path: Path, stamp: list[int]) -> Checked | None:
    entry = _read_memory().get(str(path.resolve()))
    try:
        if entry and entry["stamp"] == stamp and _is_recent(entry["hashed_at"]):
            header = Header(**entry["header"])
            return Checked(entry["sha256"], header, entry["hashed_at"], entry["opened_by"])
    except (KeyError, TypeError):  # written by another version
        return None
    return None


def _is_recent(hashed_at: float) -> bool:
    """Whether a file was hashed in the last 30 days; a clock that was set back says no."""
    return 0 <= time.time() - hashed_at < _STAMP_HOLDS


def _remember(path: Path, stamp: list[int], checked: Checked) -> None:
    """Keep what a file is, and forget files that are gone.

    Where nothing can be written, files are hashed each time.
    """
    memory = {name: entry for name, entry in _read_memory().items() if Path(name).exists()}
    memory[str(path.resolve())] = {"stamp": stamp, **asdict(checked)}
    try:
        _memory_path().parent.mkdir(parents=True, exist_ok=True)
        with atomic(_memory_path()) as file:
            json.dump(memory, file, indent=1)
    except (OSError, ResourceError):
        return
