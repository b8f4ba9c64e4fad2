"""What an unfinished run has so far, on disk: answers of models, and blocks of rows.

Each entry is one file: the hash of its content, then the content as JSON. It appears whole or not
at all, and these files alone say how far a run is. An entry that is damaged counts as missing.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from t2local.errors import ResourceError
from t2local.system.atomic import atomic
from t2local.system.hashes import text_sha256
from t2local.system.json_text import JsonObject

_FINGERPRINT, MACHINE = "fingerprint", "machine"
#: What to do when a run ends because the disk is full.
GO_ON = "free some disk, then run the same command again"

_Answer = TypeVar("_Answer")
#: What names of blocks begin with.
_BLOCK = "block-"


class Checkpoint:
    """Entries by name; without a folder they last as long as this object, and blocks not at all."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._texts: dict[str, str] = {}

    def get(self, name: str) -> Any:
        """An entry, or none."""
        if self.folder is None:
            return json.loads(self._texts.get(name, "null"))
        try:
            digest, _, text = self._path(name).read_text(encoding="utf-8").partition("\n")
        except (OSError, UnicodeDecodeError):
            return None
        return json.loads(text) if digest == text_sha256(text) else None

    def put(self, name: str, entry: object) -> Any:
        """Keep an entry, and return it as it will be read.

        **Raises** `ResourceError` when the disk is full.
        """
        # NaN and infinity stay: a float is to come back as it was, bit by bit.
        text = json.dumps(entry)
        if self.folder is None:
            if not name.startswith(_BLOCK):  # a run asks for a block once
                self._texts[name] = text
            return json.loads(text)
        try:
            with atomic(self._path(name)) as file:
                file.write(f"{text_sha256(text)}\n{text}")
        except ResourceError as error:
            raise ResourceError(error.message, next_step=GO_ON) from error
        return json.loads(text)

    def put_all(self, entries: Mapping[str, object]) -> None:
        """Keep entries by name. **Raises** `ResourceError` when the disk is full."""
        for name, entry in entries.items():
            self.put(name, entry)

    def recall(
        self,
        name: str,
        make: Callable[[], _Answer],
        encode: Callable[[_Answer], object],
        decode: Callable[[Any], _Answer],
    ) -> _Answer:
        """What an entry holds, or what is made now and kept.

        Both go through the same form, so that a run that goes on has what an unbroken one has.
        """
        entry = self.get(name)
        if entry is None:
            entry = self.put(name, encode(make()))
        return decode(entry)

    def entries(self, beginning: str) -> JsonObject:
        """All entries whose names begin so, by name."""
        names = list(self._texts)
        if self.folder is not None:
            names = [path.stem for path in self.folder.glob("*.json")]
        return {name: self.get(name) for name in sorted(names) if name.startswith(beginning)}

    def begin(self, fingerprint: Mapping[str, str]) -> Self:
        """Keep the entries of a run."""
        assert self.folder is not None
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if self.fingerprint != fingerprint:
            self.put(_FINGERPRINT, dict(fingerprint))
        return self

    @property
    def fingerprint(self) -> JsonObject | None:
        """What decides the rows of this run; none: there is no run."""
        fingerprint: JsonObject | None = self.get(_FINGERPRINT)
        return fingerprint

    @property
    def rows(self) -> int:
        """Rows in the blocks that are complete."""
        return sum(len(entry["answer"]["rows"]) for entry in self._blocks())

    @property
    def empty(self) -> bool:
        """Whether no model has answered yet."""
        if self.folder is None:
            return True
        return all(path.stem in (_FINGERPRINT, MACHINE) for path in self.folder.glob("[!.]*.json"))

    def differences(self, fingerprint: Mapping[str, str]) -> list[str]:
        """The names of what differs from another run."""
        own = self.fingerprint or {}
        return sorted(
            n for n in own.keys() | fingerprint.keys() if own.get(n) != fingerprint.get(n)
        )

    def _blocks(self) -> Iterator[JsonObject]:
        number = 0
        while (entry := self.get(block_name(number))) is not None:
            yield entry
            number += 1

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{name}.json"


def block_name(number: int) -> str:
    """The name of the entry of a block."""
    return f"{_BLOCK}{number:05d}"
