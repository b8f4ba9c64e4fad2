"""The folder of a run: it appears whole when the run ends, and takes nothing finished away.

A run writes into a hidden folder beside the one that it was given, and gives it that name at the
end. So a folder never holds files of two runs, and what was there before stays until then.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pandas as pd

from t2local.errors import ResourceError, UsageError
from t2local.run.ledger import BatchEntry
from t2local.system.atomic import atomic
from t2local.system.json_text import as_json
from t2local.system.lock import try_lock
from t2local.tables.files import Table
from t2local.tables.reading import write_like

#: A folder with a journal and nothing but these is of a run: it may be replaced.
_FILES = frozenset(
    {
        "journal.jsonl", "synthetic.csv", "rejected.csv", "report.json", "report.html",
        "manifest.json", "dictionary.yaml", "plan.yaml", "knowledge.yaml",
    }
)  # fmt: skip
_LOCK = ".lock"


class RunFolder:
    """Where a run writes; a context manager, because it holds a lock from its start on.

    **Parameters:**

    * **replace**: whether a finished result at ``path`` gives way to the new one, once that is
      complete.

    **Raises** `UsageError` before anything is written: for a file, a folder with other files, or a
    finished result that is not to be replaced.
    """

    def __init__(self, path: Path, *, replace: bool = False) -> None:
        self.path = path
        self._place = path.resolve()  # "." has no name of its own, and a link none to be moved
        #: Where the files of the run are until they are published, and those of the run before
        #: while they are exchanged.
        self._part, self._before = (
            self._place.with_name(f".{self._place.name}.{end}") for end in ("part", "before")
        )
        #: Where a finished result is kept when the new one is not what was wanted: a new name.
        names = (f"{self._place.name}.earlier{n}" for n in ("", *range(2, 10_000)))
        self.earlier = next(p for p in map(self._place.with_name, names) if not p.exists())
        self._lock: int | None = None
        self._replace = replace
        self._check()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A run that ended with an error lets the next one write here.
        self._unlock()

    def start(self) -> None:
        """Take the hidden folder, and make an empty journal in it.

        **Raises** `ResourceError` when it cannot be written, or while another run has it.
        """
        try:
            self._part.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = try_lock(self._part / _LOCK)
            if self._lock is None:
                raise ResourceError(
                    f"Another run is writing to {self.path}.",
                    next_step="wait for it, or choose another folder with --out",
                )
            self._clear()
            self._check()
            os.close(os.open(self._part / "journal.jsonl", os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as error:
            raise ResourceError(
                f"{self.path} cannot be written: {error.strerror}.",
                next_step="choose another folder with --out",
            ) from error

    def note(self, entry: BatchEntry) -> None:
        """Append what happened to the journal; an entry holds counts and figures, never a cell."""
        with (self._part / "journal.jsonl").open("a", encoding="utf-8") as file:
            file.write(as_json(entry, indent=None))

    def finish(
        self,
        table: Table,
        kept: pd.DataFrame,
        rejected: pd.DataFrame,
        texts: Mapping[str, str],
        *,
        complete: bool = True,
    ) -> bool:
        """Write the result: the kept rows and nothing else in synthetic.csv.

        Every other row stands with its reason in rejected.csv.

        **Parameters:**

        * **table**: gives delimiter and byte order mark.
        * **kept**, **rejected**: frames of cells; the rejected ones with their notes in front.
        * **texts**: the other files, by name.
        * **complete**: whether this is what was wanted. If not, a finished result that was here is
          kept in the folder ``earlier``.

        **Returns** whether one is kept.
        """
        write_like(table, self._part / "synthetic.csv", kept)
        # The notes need names.
        write_like(table, self._part / "rejected.csv", rejected, with_names=True)
        keeps = not complete and (self._place / "manifest.json").is_file()
        if keeps:
            self._before = self.earlier
        self.write(texts)
        return keeps

    def write(self, texts: Mapping[str, str]) -> None:
        """Write files of text, by name, and publish all files of the run."""
        for name, text in texts.items():
            with atomic(self._part / name) as file:
                file.write(text)
        try:
            self._publish()
        except OSError as error:
            raise ResourceError(
                f"{self.path} cannot be written: {error.strerror}.",
                next_step=f"the files are in {self._part}; move them to another folder",
            ) from error

    def _check(self) -> None:
        path = self.path
        if path.exists() and not path.is_dir():
            raise UsageError(
                f"{path} is a file, not a folder.", next_step="choose another folder with --out"
            )
        names = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
        if not names:
            return
        if "journal.jsonl" not in names or names - _FILES - {_LOCK}:
            raise UsageError(
                f"{path} holds files that are not of a run.",
                next_step="choose another folder with --out",
            )
        if (path / "manifest.json").is_file() and not self._replace:
            raise UsageError(
                f"{path} holds a finished result.",
                next_step="choose another folder with --out; or --replace, which keeps it until "
                "the new result is complete",
            )

    def _publish(self) -> None:
        """Give the hidden folder its name, in the place of what was there."""
        if sys.platform == "win32":  # it renames no folder with an open file in it
            self._unlock()
        if self._place.exists():
            self._place.rename(self._before)
        self._part.rename(self._place)
        (self._place / _LOCK).unlink()
        self._unlock()
        if self._before != self.earlier:
            shutil.rmtree(self._before, ignore_errors=True)

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _clear(self) -> None:
        """Remove what a run left that was killed, and put back a result that it had moved."""
        for left in self._part.iterdir():
            if left.name != _LOCK:
                left.unlink()
        if self._before.is_dir() and not self._place.exists():
            self._before.rename(self._place)
        shutil.rmtree(self._before, ignore_errors=True)
