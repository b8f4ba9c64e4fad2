"""What is known of a model: by the catalogue, by the store, and by this machine."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from t2local.llm.catalog import Entry
    from t2local.llm.manifest import Manifest


@dataclass(frozen=True)
class KnownModel:
    """A model of the store or the catalogue, and whether this machine can hold it."""

    name: str
    here: bool = False
    parameters: str = ""
    bytes: int = 0
    context: int = 0
    kind: str = ""
    fits: bool = False
    fits_reason: str = ""
    licence: str = ""
    gated: str = "unknown"
    thinking: str = "unknown"
    cache: str = ""
    measured: str = ""
    repository: str = ""
    good_for: str = "added here"
    checked: str = ""


def known_model(name: str, manifest: "Manifest | None") -> KnownModel:
    """What the catalogue and the store know of a model, and whether it fits this machine now."""
    from t2local.llm.catalog import entries, memory_need
    from t2local.llm.machine import fits

    model = KnownModel(name)
    bytes_per_token = 0
    if entry := entries().get(name):
        model = _of_catalogue(model, entry)
        bytes_per_token = entry.kv_bytes_per_token
    if manifest:
        # The store knows the file itself, the catalogue only the one that it names.
        model = replace(
            model,
            here=True,
            bytes=manifest.bytes,
            context=manifest.context,
            licence=manifest.licence,
            checked=manifest.checked.word if manifest.checked else "",
        )
        bytes_per_token = manifest.kv_bytes_per_token
    fit = fits(memory_need(model.bytes, bytes_per_token))
    return replace(model, fits=bool(fit.value), fits_reason=fit.reason)


def _of_catalogue(model: KnownModel, entry: "Entry") -> KnownModel:
    from t2local.llm.store import present

    return replace(
        model,
        here=bool(present(entry) or entry.parts()),
        parameters=entry.parameters,
        bytes=entry.bytes,
        context=entry.context,
        kind=entry.kind,
        licence=entry.licence,
        gated=entry.gated,
        thinking=entry.thinking,
        cache=entry.cache,
        measured=entry.measured or "not run here",
        repository=entry.repository,
        good_for=entry.good_for,
    )
