"""The manifests of the store: ``NAME.manifest.json`` for each name that a model has there.

A manifest says where a model comes from, its licence, and the hash of each of its files, which may
be those of another name too (`t2local.llm.blobs`). Up to version 0.1 a store had ``FILE.gguf`` and
``FILE.gguf.json`` instead; both are read as they are.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from t2local.errors import ModelError, ResourceError, UsageError
from t2local.llm.catalog import ChatFormat, chat_formats, entries
from t2local.llm.checks import Checked, check
from t2local.settings import state_home
from t2local.system.atomic import atomic

UNKNOWN_LICENCE = "unknown: ask who gave you the file"
#: What --model takes, and the name of a file.
_NAME, _MAX_NAME = "[a-z0-9][a-z0-9._-]*", 100


class Part(BaseModel):
    """One file of a model; ``path`` is beside the manifest, or absolute for a linked file."""

    # An unknown key is an error: a manifest may come from a stranger's stick.
    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Origin:
    """Where a model comes from, and on what terms.

    ``chat`` is its chat format, or the name of one in the catalogue; none when only the file itself
    can tell it.
    """

    repository: str = ""
    commit: str = ""
    licence: str = UNKNOWN_LICENCE
    chat: str | ChatFormat | None = None


class Trial(BaseModel):
    """What ``models check`` said of a model, when and with which versions.

    ``speed``: rows, tokens and seconds of loading on the machine of that day; none where the model
    did not write.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    date: str
    t2local: str
    llama_cpp_python: str
    faults: tuple[str, ...] = ()
    speed: dict[str, float] | None = None

    @property
    def word(self) -> str:
        """The result in a few words."""
        result = "does not hold all" if self.faults else "passes"
        return f"checked {self.date[:10]}: {result}"


class Manifest(BaseModel):
    """What is known of a model in the store."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    format: Literal[1] = 1
    name: str = Field(pattern=f"^{_NAME}$", max_length=_MAX_NAME)
    files: tuple[Part, ...] = Field(min_length=1)
    repository: str = ""
    commit: str = ""
    licence: str = UNKNOWN_LICENCE
    chat: str | ChatFormat | None = None
    context: int = Field(0, ge=0)  # tokens that it was trained for
    # The files of stores and sticks have the name that this had in version 0.1.
    kv_bytes_per_token: int = Field(0, ge=0, alias="cell_bytes")
    source: Literal["hub", "file", "link"]
    added: str
    checked: Trial | None = None  # by `models check`

    @field_validator("chat")
    @classmethod
    def _check_chat(cls, chat: str | ChatFormat | None) -> str | ChatFormat | None:
        if isinstance(chat, str) and chat not in chat_formats():
            raise ValueError(f"not a chat format: {', '.join(chat_formats())}")
        return chat

    def paths(self) -> list[Path]:
        """Where its files lie, whether they are there or not."""
        return [folder() / part.path for part in self.files]

    @property
    def path(self) -> Path:
        """Where the manifest itself lies in the store, once it is recorded."""
        return folder() / f"{self.name}.manifest.json"

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


def folder() -> Path:
    """Where model files are kept."""
    return state_home() / "models"


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


def manifests() -> dict[str, Manifest]:
    """The models of the store, by name; what cannot be read is left aside (`unreadable`)."""
    return {manifest.name: manifest for _, manifest in _readable()}


def unreadable() -> list[ModelError]:
    """For each manifest that cannot be read: what is wrong with it."""
    return [error for _, error in _read_all() if isinstance(error, ModelError)]


def _readable() -> Iterator[tuple[Path, Manifest]]:
    return ((path, content) for path, content in _read_all() if isinstance(content, Manifest))


def _read_all() -> Iterator[tuple[Path, Manifest | ModelError]]:
    """All manifests with their places; of two with one name the newer form comes last."""
    for form in ("*.gguf.json", "*.manifest.json"):
        for path in sorted(folder().glob(form)):
            try:
                yield path, read_manifest(path)
            except ModelError as error:
                yield path, error


def read_manifest(path: Path) -> Manifest:
    """The manifest of a file. **Raises** `ModelError` with every fault that it has."""
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        details = error.errors(include_input=False)
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in details]
        raise _unreadable(path, faults) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, []) from error


def _unreadable(path: Path, faults: list[str]) -> ModelError:
    return ModelError(
        f"The manifest {path} cannot be read.",
        faults=faults,
        next_step=f"rm '{path}', then add the model again",
    )


def record(manifest: Manifest) -> Manifest:
    """Write the manifest of files that lie in their place, for its name alone."""
    make_folder()
    with atomic(manifest.path) as file:
        # What is none is left out: earlier versions refuse a key that they do not know.
        file.write(manifest.model_dump_json(indent=2, by_alias=True, exclude_none=True) + "\n")
    for path in manifest_paths(manifest.name):
        if path != manifest.path:
            path.unlink(missing_ok=True)
    return manifest


def manifest_paths(name: str) -> list[Path]:
    """Where the manifests of a name lie: one, or two after a crash."""
    return [path for path, manifest in _readable() if manifest.name == name]


def check_name(name: str | None) -> None:
    """**Raises** `UsageError` for what cannot be the name of a model; none is no name yet."""
    if name is not None and not re.fullmatch(f"(?=.{{1,{_MAX_NAME}}}$){_NAME}", name):
        raise UsageError(
            f"{name!r} cannot be the name of a model.",
            next_step=f"pass --name with at most {_MAX_NAME} small letters, digits, dots, hyphens "
            "and underscores, the first of them a letter or a digit",
        )


def refuse_taken(name: str, digests: list[str]) -> None:
    """**Raises** `UsageError` when the store or the catalogue has another model of this name."""
    manifest, entry = manifests().get(name), entries().get(name)
    if manifest and [part.sha256 for part in manifest.files] != digests:
        raise UsageError(
            f"The store has another model with the name {name!r}.",
            next_step=f"python -m t2local models rm {name}, or pass --name",
        )
    if entry and entry.sha256 not in ("", digests[0]):
        raise UsageError(
            f"The catalogue has another model with the name {name!r}.", next_step="pass --name"
        )


def now() -> str:
    """The time, for a manifest."""
    return datetime.now(UTC).isoformat(timespec="seconds")
