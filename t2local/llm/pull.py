"""Fetch a model from the Hugging Face hub, or a mirror of it (``HF_ENDPOINT``). The only file that opens a socket.

The bytes are hashed after the download and held against the hash that the hub has for this commit; only then does the file
get its name in the store. A download that was interrupted goes on where it stopped.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils._fixes import WeakFileLock
from huggingface_hub.utils._headers import build_hf_headers

from t2local.errors import ModelError, ResourceError, T2LocalError, UsageError
from t2local.llm import gguf
from t2local.llm.catalog import Entry
from t2local.llm.checks import check, open_apart
from t2local.llm.store import (
    Manifest,
    Part,
    as_name,
    folder,
    make_folder,
    manifests,
    now,
    record,
    refuse_taken,
)

#: The base of all errors of the HTTP library that this version of huggingface_hub uses (httpx, or httpx2 from 2.0 on).
_TransportError: type[Exception] = HfHubHTTPError.__bases__[0]


@dataclass(frozen=True)
class Offer:
    """What would be fetched: shown before a byte of it is."""

    name: str
    repository: str
    commit: str
    files: tuple[Part, ...]
    licence: str
    chat: str | None


def pull(
    repository: str,
    file: str,
    agree: Callable[[Offer], bool],
    *,
    entry: Entry | None = None,
    name: str | None = None,
    revision: str = "main",
) -> Manifest:
    """Fetch a file (or, with its first, all parts of a model) into the store.

    **Parameters:**

    * **agree**: is shown the offer with its licence; without a yes nothing is fetched.
    * **entry**: the model of the catalogue that this is; **name**: what ``--model`` will take.
    * **revision**: branch, tag or commit; resolved to a commit, which the manifest keeps.

    **Raises** `ModelError`, `UsageError` or `ResourceError` that says what the hub answered, and what to do.
    """
    with _explained(repository):
        offer = _ask(repository, gguf.part_names(file), entry, name, revision)
    digests = [part.sha256 for part in offer.files]
    refuse_taken(offer.name, digests)
    if not agree(offer):
        raise UsageError(
            f"The licence of {repository} was not accepted; nothing was fetched.",
            next_step="read it, then run this again with --yes",
        )
    make_folder()
    with _explained(repository), WeakFileLock(folder() / ".pull.lock"):
        there = manifests().get(offer.name)  # another pull may have been faster
        if there and there.check():
            return there
        make_folder(
            sum(part.bytes for part in offer.files)
            - sum(p.stat().st_size for p in map(_partial, offer.files) if p.is_file())
        )
        for part in offer.files:
            _fetch(offer, part)
        return _keep(offer, known=entry is not None)


def _keep(offer: Offer, *, known: bool) -> Manifest:
    """Give the files their names and the model its manifest."""
    paths = [_partial(part).replace(folder() / Path(part.path).name) for part in offer.files]
    try:
        headers = [
            check(path, part.sha256).header for path, part in zip(paths, offer.files, strict=True)
        ]
        if not known:
            open_apart(paths[0])
    except ModelError:
        for path in paths:
            path.unlink()
        raise
    files = tuple(
        Part(path=path.name, bytes=part.bytes, sha256=part.sha256)
        for path, part in zip(paths, offer.files, strict=True)
    )
    about = {
        "repository": offer.repository,
        "commit": offer.commit,
        "licence": offer.licence,
        "chat": offer.chat,
    }
    return record(
        Manifest(
            name=offer.name,
            files=files,
            source="hub",
            added=now(),
            context=headers[0].context,
            cell_bytes=headers[0].cell_bytes,
            **about,
        )
    )


def _ask(
    repository: str, names: Sequence[str], entry: Entry | None, name: str | None, revision: str
) -> Offer:
    """What the hub has: commit, licence, sizes and hashes."""
    api = HfApi()
    about = api.model_info(repository, revision=revision)
    commit = about.sha or ""
    found = {
        item.path: item for item in api.get_paths_info(repository, list(names), revision=commit)
    }
    if missing := [file for file in names if file not in found]:
        has = sorted(s.rfilename for s in about.siblings or [] if s.rfilename.endswith(".gguf"))
        raise ModelError(
            f"{repository} has no file {missing[0]}.",
            faults=[f"it has {file}" for file in has],
            next_step="pass one of these names",
        )
    parts = []
    for file in names:
        large = getattr(found[file], "lfs", None)
        digest = large.sha256 if large else entry.sha256 if entry else ""
        if not digest:
            raise ModelError(
                f"The hub gives no hash for {file}, so it cannot be checked.",
                next_step="choose another repository",
            )
        if entry and entry.sha256 and digest != entry.sha256:
            raise ModelError(
                f"{repository} has another file under the name {file} than the catalogue knows.",
                faults=[f"sha256 expected {entry.sha256}", f"sha256 offered  {digest}"],
                next_step=f"python -m t2local models pull {repository} {file}, if you want that one",
            )
        parts.append(Part(path=file, bytes=getattr(found[file], "size", 0), sha256=digest))
    card = about.card_data.get("license") if about.card_data else None
    licence = entry.licence if entry else str(card or "not named by the repository")
    return Offer(
        name or (entry.name if entry else as_name(gguf.stem(Path(names[0]).name))),
        repository,
        commit,
        tuple(parts),
        licence,
        entry.chat if entry else None,
    )


def _partial(part: Part) -> Path:
    """Where a file grows until it is whole and checked; named by its hash, so that a later pull of the same finds it."""
    return folder() / f".{part.sha256}.part"


def _fetch(offer: Offer, part: Part) -> None:
    """Download a file, or the rest of it, and check its hash."""
    growing = _partial(part)
    have = growing.stat().st_size if growing.is_file() else 0
    if have > part.bytes:
        have = 0
    with growing.open("r+b" if have else "wb") as file:
        file.seek(have)
        url = hf_hub_url(offer.repository, part.path, revision=offer.commit)
        http_get(
            url,
            file,
            resume_size=have,
            headers=build_hf_headers(),
            expected_size=part.bytes,
            displayed_filename=Path(part.path).name,
        )
    try:
        check(growing, part.sha256)
    except ModelError as error:
        growing.unlink()
        raise ModelError(
            f"What came is not {part.path} as the hub describes it; it was deleted.",
            faults=[error.message, *error.faults],
            next_step="run the same command again; if it fails again, report it to the owner of the repository",
        ) from error


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """What went wrong between here and the hub, as our own errors."""
    try:
        yield
    except (HFValidationError, EntryNotFoundError, _TransportError, OSError) as error:
        raise _explain(error, repository) from error


_AGAIN = "run the same command again: what was fetched is kept"
#: Error of the hub's client to what happened and what to do; the first that fits.
_ANSWERS: tuple[tuple[type[Exception], str, str], ...] = (
    (
        HFValidationError,
        "{} is not the name of a repository.",
        "pass OWNER/NAME, as its page shows it",
    ),
    (
        GatedRepoError,
        "{} is gated: its owner wants you to accept a licence on its page first.",
        "do so, then set HF_TOKEN to a token of yours",
    ),
    (
        RevisionNotFoundError,
        "{} has no such revision.",
        "pass a branch, a tag or a commit with --revision",
    ),
    (EntryNotFoundError, "{} does not have that file.", "look at the files on its page"),
    (
        RepositoryNotFoundError,
        "The hub has no repository {}, or does not show it to you.",
        "check its name; set HF_TOKEN if it is private",
    ),
    (
        OfflineModeIsEnabled,
        "HF_HUB_OFFLINE is set, so nothing of {} can be fetched.",
        "unset HF_HUB_OFFLINE on a machine that has a network",
    ),
)
_CODES = {
    401: "set HF_TOKEN to a valid token",
    403: "set HF_TOKEN to a token that may read it",
    429: "wait a few minutes, then run this again",
}


def _explain(error: Exception, repository: str) -> T2LocalError:
    for kind, message, next_step in _ANSWERS:
        if isinstance(error, kind):
            return ModelError(message.format(repository), next_step=next_step)
    if isinstance(error, HfHubHTTPError):
        code = error.response.status_code
        return ModelError(
            f"The hub answered {code} for {repository}.", next_step=_CODES.get(code, _AGAIN)
        )
    if isinstance(error, _TransportError):
        return ModelError(
            f"The hub cannot be reached ({type(error).__name__}).",
            next_step="check network, proxy and HF_ENDPOINT; " + _AGAIN,
        )
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError(f"{folder()} is full.", next_step="free some disk; " + _AGAIN)
    if number is None:  # huggingface_hub: fewer bytes came than were announced
        return ModelError(f"The download from {repository} stopped too early.", next_step=_AGAIN)
    return ResourceError(
        f"{folder()} cannot be written: {os.strerror(number)}.",
        next_step="set T2LOCAL_HOME to another folder",
    )
