"""Fetch a model from the Hugging Face hub, or a mirror of it (``HF_ENDPOINT``).

The only file that opens a socket, but for `t2local.run.cluster`. The bytes are hashed after the
download and compared with the hash that the hub has for this commit; only then does the file get
its name in the store. A download that was interrupted goes on where it stopped.
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
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils._fixes import WeakFileLock
from huggingface_hub.utils._headers import build_hf_headers

from t2local.errors import ModelError, ResourceError, T2LocalError, UsageError
from t2local.llm import gguf
from t2local.llm.blobs import blob_names, store_to_change
from t2local.llm.catalog import ChatFormat, Entry, chat_formats
from t2local.llm.chat_format import chosen_format, format_of
from t2local.llm.checks import check, open_apart
from t2local.llm.manifest import (
    Manifest,
    Part,
    check_name,
    folder,
    make_folder,
    manifests,
    now,
    record,
    refuse_taken,
)
from t2local.llm.store import as_name

#: The base of all errors of the HTTP library that this version of huggingface_hub uses: httpx, or
#: httpx2 from 2.0 on.
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
    revision: str | None = None,
    chat: str | None = None,
) -> Manifest:
    """Fetch a file (or, with its first, all parts of a model) into the store.

    **Parameters:**

    * **repository**: OWNER/NAME on the hub; **file**: its name there.
    * **agree**: is shown the offer with its licence; without a yes nothing is fetched.
    * **entry**: the model of the catalogue that this is; **name**: what ``--model`` will take.
    * **revision**: branch, tag or commit; none: the catalogue's commit, or main.
    * **chat**: the name of a chat format or a Jinja file; none: the catalogue's or the file's.

    **Raises** `ModelError`, `UsageError` or `ResourceError` with the hub's answer and what to do.
    """
    if chat:  # a mistake is better known before the download
        chosen_format(chat)
    check_name(name)
    revision = revision or (entry and entry.commit) or "main"
    with _explained(repository):
        offer = _request_offer(repository, gguf.part_names(file), entry, name, revision)
    refuse_taken(offer.name, [part.sha256 for part in offer.files])
    if not agree(offer):
        raise UsageError(
            f"The licence of {repository} was not accepted; nothing was fetched.",
            next_step="read it, then run this again with --yes",
        )
    make_folder()
    with _explained(repository), WeakFileLock(folder() / ".pull.lock"):
        if manifest := _present(offer, chat):  # another pull may have been faster
            return manifest
        _fetch_all(offer)
        return _keep(offer, chat, catalogued=entry is not None)


def _present(offer: Offer, chat: str | None) -> Manifest | None:
    """The manifest of a model that is here already, with the format that was chosen now, if any."""
    manifest = manifests().get(offer.name)
    if not manifest:
        return None
    header = manifest.check().header
    if not chat:
        return manifest
    return record(manifest.model_copy(update={"chat": chosen_format(chat, header)}))


def _keep(offer: Offer, chat: str | None, *, catalogued: bool) -> Manifest:
    """Give the files their names in the store, and the model its manifest."""
    digests = [part.sha256 for part in offer.files]
    header = check(_partial(offer.files[0]), digests[0]).header
    chat_format = _format(offer, header, chat)
    with store_to_change() as store:
        refuse_taken(offer.name, digests)
        names = blob_names(digests)
        partial_files = map(_partial, offer.files)
        paths = [
            path.replace(store / name) for path, name in zip(partial_files, names, strict=True)
        ]
        # A file that fails stays without a name: the next change of the store removes it, unless
        # another name has it.
        for path, digest in zip(paths, digests, strict=True):
            check(path, digest)
        if not catalogued:
            open_apart(paths[0])
        return record(
            Manifest(
                name=offer.name,
                files=tuple(
                    part.model_copy(update={"path": name})
                    for part, name in zip(offer.files, names, strict=True)
                ),
                repository=offer.repository,
                commit=offer.commit,
                licence=offer.licence,
                chat=chat_format,
                context=header.context_length,
                kv_bytes_per_token=header.kv_bytes_per_token,
                source="hub",
                added=now(),
            )
        )


def _format(offer: Offer, header: gguf.Header, chat: str | None) -> str | ChatFormat:
    """The format for the manifest; without one, what was fetched waits for a choice."""
    try:
        return format_of(Path(offer.files[0].path), header, chat, offer.chat)
    except ModelError as error:
        raise ModelError(
            f"{error.message} What was fetched is kept.",
            next_step="run the same command again with --chat NAME, with a template FILE or one of "
            f"{', '.join(chat_formats())}",
        ) from error


def _request_offer(
    repository: str, names: Sequence[str], entry: Entry | None, name: str | None, revision: str
) -> Offer:
    """What the hub has: commit, licence, sizes and hashes."""
    api = HfApi()
    info = api.model_info(repository, revision=revision)
    commit = info.sha or ""
    paths_info = api.get_paths_info(repository, list(names), revision=commit)
    items = {item.path: item for item in paths_info if isinstance(item, RepoFile)}
    missing = [file for file in names if file not in items]
    if missing:
        models = sorted(s.rfilename for s in info.siblings or [] if s.rfilename.endswith(".gguf"))
        raise ModelError(
            f"{repository} has no file {missing[0]}.",
            faults=[f"it has {file}" for file in models],
            next_step="pass one of these names",
        )
    files = tuple(_offered_part(repository, items[file], entry) for file in names)
    if entry:
        return Offer(
            name or entry.name, repository, commit, files, entry.licence, entry.chat or None
        )
    default_name = as_name(gguf.stem(Path(names[0]).name))
    licence = "not named by the repository"
    if info.card_data:
        licence = str(info.card_data.get("license") or licence)
    return Offer(name or default_name, repository, commit, files, licence, None)


def _offered_part(repository: str, item: RepoFile, entry: Entry | None) -> Part:
    """A file of the hub with its hash, which is the catalogue's where the catalogue has one."""
    # The hub hashes large files only (Git LFS); a model that is small may have none.
    digest = ""
    if item.lfs:
        digest = item.lfs.sha256
    elif entry:
        digest = entry.sha256
    if not digest:
        raise ModelError(
            f"The hub gives no hash for {item.path}, so it cannot be checked.",
            next_step="choose another repository",
        )
    if entry and entry.sha256 and digest != entry.sha256:
        raise ModelError(
            f"{repository} has another file under the name {item.path} than the catalogue knows.",
            faults=[f"sha256 expected {entry.sha256}", f"sha256 offered  {digest}"],
            next_step=f"python -m t2local models pull {repository} {item.path}, "
            "if you want that one",
        )
    return Part(path=item.path, bytes=item.size, sha256=digest)


def _partial(part: Part) -> Path:
    """Where a file grows until it is whole and checked.

    It is named by its hash, so that a later pull of the same file goes on with it.
    """
    return folder() / f".{part.sha256}.part"


def _fetch_all(offer: Offer) -> None:
    """Download what is missing of all files, where there is room for it."""
    partial_files = [path for path in map(_partial, offer.files) if path.is_file()]
    present_bytes = sum(path.stat().st_size for path in partial_files)
    make_folder(sum(part.bytes for part in offer.files) - present_bytes)
    for part in offer.files:
        _fetch(offer, part)


def _fetch(offer: Offer, part: Part) -> None:
    """Download a file, or the rest of it, and check its hash."""
    path = _partial(part)
    n_present = 0
    if path.is_file() and path.stat().st_size <= part.bytes:
        n_present = path.stat().st_size
    if n_present == part.bytes:
        _check_fetched(path, part)
        return
    with path.open("r+b" if n_present else "wb") as file:
        file.seek(n_present)
        http_get(
            hf_hub_url(offer.repository, part.path, revision=offer.commit),
            file,
            resume_size=n_present,
            headers=build_hf_headers(),
            expected_size=part.bytes,
            displayed_filename=Path(part.path).name,
        )
    _check_fetched(path, part)


def _check_fetched(path: Path, part: Part) -> None:
    """**Raises** `ModelError`, and removes the file, where its hash is not the hub's."""
    try:
        check(path, part.sha256)
    except ModelError as error:
        path.unlink()
        raise ModelError(
            f"What came is not {part.path} as the hub describes it; it was deleted.",
            faults=[error.message, *error.faults],
            next_step="run the same command again; if it fails again, report it to the owner of "
            "the repository",
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
        "open https://huggingface.co/{} in a browser, accept it, then set HF_TOKEN to your token",
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
#: What to do about a status of HTTP; about all others, to try again.
_ADVICE = {
    401: "set HF_TOKEN to a valid token",
    403: "set HF_TOKEN to a token that may read it",
    429: "wait a few minutes, then run this again",
}


def _explain(error: Exception, repository: str) -> T2LocalError:
    for kind, message, next_step in _ANSWERS:
        if isinstance(error, kind):
            return ModelError(message.format(repository), next_step=next_step.format(repository))
    if isinstance(error, HfHubHTTPError):
        code = error.response.status_code
        return ModelError(
            f"The hub answered {code} for {repository}.", next_step=_ADVICE.get(code, _AGAIN)
        )
    if isinstance(error, _TransportError):
        return ModelError(
            f"The hub cannot be reached ({type(error).__name__}).",
            next_step="check network, proxy and HF_ENDPOINT; " + _AGAIN,
        )
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError(f"{folder()} is full.", next_step="free some disk; " + _AGAIN)
    if number is None:  # huggingface_hub: fewer bytes came than were announced
        return ModelError(f"The download from {repository} stopped too early.", next_step=_AGAIN)
    return ResourceError(
        f"{folder()} cannot be written: {os.strerror(number)}.",
        next_step="set T2LOCAL_HOME to another folder",
    )
