"""The folder of a run: it appears whole when the run ends, and takes nothing finished away.

A run writes into a hidden folder beside the one that it was given, and gives it that name at the
end. So a folder never holds files of two runs, and what was there before stays until then. Answers
of models and blocks of rows are kept in it from the first on (`Checkpoint`): a run that did not
come to its end goes on when the same command is given again.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pandas as pd

from t2local.errors import ResourceError, UsageError
from t2local.run.checkpoint import GO_ON, Checkpoint
from t2local.run.ledger import BatchEntry
from t2local.run.unfinished import Unfinished
from t2local.system.atomic import atomic, sync_folder
from t2local.system.hashes import file_sha256
from t2local.system.json_text import JsonObject, as_json
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
_JOURNAL = "journal.jsonl"
#: Hidden files of a run that are no part of its result.
LOCK, CHECKPOINT = ".lock", ".checkpoint"


class RunFolder:
    """Where a run writes; a context manager, because it holds a lock from its start on.

    **Parameters:**

    * **replace**: whether a finished result at ``path`` gives way to the new one, once that is
      complete, and an unfinished run with other settings at once.
    * **resume**: whether there has to be an unfinished run to go on with.

    **Raises** `UsageError` before anything is written: for a file, a folder with other files, or a
    finished result that is not to be replaced.
    """

    def __init__(self, path: Path, *, replace: bool = False, resume: bool = False) -> None:
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
        self._resume = resume
        #: Whether what is at the place is a part of this run, which Ctrl-C ended.
        self._own_part_is_there = False
        self._check()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A run that ended with an error lets the next one write here, and go on.
        if self._lock is not None and Checkpoint(self._part / CHECKPOINT).empty:
            shutil.rmtree(self._part, ignore_errors=True)
        self._unlock()

    def start(self, fingerprint: Mapping[str, str] | None = None) -> Checkpoint:
        """Take the hidden folder, and make an empty journal in it.

        **Parameters:**

        * **fingerprint**: what decides the rows, by name; none: this run cannot be resumed.

        **Returns** what an unfinished run of the same fingerprint had.

        **Raises** `ResourceError` when it cannot be written, or while another run has it;
        `UsageError` where there is an unfinished run of another fingerprint.
        """
        with self._faults("choose another folder with --out"):
            self._part.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = try_lock(self._part / LOCK)
        if self._lock is None:
            raise ResourceError(
                f"Another run is writing to {self.path}.",
                next_step="wait for it, or choose another folder with --out",
            )
        with self._faults("choose another folder with --out"):
            if self._before.is_dir() and not self._place.exists():
                self._before.rename(self._place)  # a run was killed between two renames
            shutil.rmtree(self._before, ignore_errors=True)
            self._check()
            self._take_over(dict(fingerprint or {}))
            self._clear()
            os.close(os.open(self._part / _JOURNAL, os.O_CREAT | os.O_WRONLY, 0o600))
            if fingerprint is None:
                return Checkpoint()
            return Checkpoint(self._part / CHECKPOINT).begin(fingerprint)

    def note(self, entry: BatchEntry) -> None:
        """Append what happened to the journal; an entry holds counts and figures, never a cell."""
        with (
            self._faults(GO_ON),
            (self._part / _JOURNAL).open("a", encoding="utf-8") as file,
        ):
            file.write(as_json(entry, indent=None))

    def write_rows(self, table: Table, kept: pd.DataFrame, rejected: pd.DataFrame) -> None:
        """Write the kept rows and nothing else into synthetic.csv, all others into rejected.csv.

        **Parameters:**

        * **table**: gives delimiter and byte order mark.
        * **kept**, **rejected**: frames of cells; the rejected ones with their notes in front.
        """
        with self._faults(GO_ON):
            write_like(table, self._part / "synthetic.csv", kept)
            # The notes need names.
            write_like(table, self._part / "rejected.csv", rejected, with_names=True)

    def write(self, texts: Mapping[str, str]) -> None:
        """Write files of text, by name."""
        with self._faults(GO_ON):
            for name, text in texts.items():
                with atomic(self._part / name) as file:
                    file.write(text)

    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each file of the result so far, by name."""
        names = sorted(path.name for path in self._part.iterdir() if path.name in _FILES)
        return {name: file_sha256(self._part / name) for name in names}

    def publish(self, *, complete: bool = True, finished: bool = True) -> bool:
        """Give the hidden folder its name, in the place of what was there.

        **Parameters:**

        * **complete**: whether this is what was wanted. If not, a finished result that was here is
          kept in the folder ``earlier``.
        * **finished**: whether nothing is left to be written; if not, the next run can go on.

        **Returns** whether one is kept.
        """
        is_result = (self._place / "manifest.json").is_file() and not self._own_part_is_there
        keeps = not complete and is_result
        if keeps:
            self._before = self.earlier
        with self._faults(f"the files are in {self._part}; move them to another folder"):
            self._exchange()
        if finished:
            shutil.rmtree(self._place / CHECKPOINT, ignore_errors=True)
        if not keeps:
            shutil.rmtree(self._before, ignore_errors=True)
        return keeps

    def _exchange(self) -> None:
        """Rename the folders: from one moment to the next the new files are there, all of them."""
        handle = os.open(self._part / _JOURNAL, os.O_RDWR)
        os.fsync(handle)
        os.close(handle)
        sync_folder(self._part)
        if sys.platform == "win32":  # it renames no folder with an open file in it
            self._unlock()
        if self._place.exists():
            self._place.rename(self._before)
        self._part.rename(self._place)
        sync_folder(self._place.parent)
        (self._place / LOCK).unlink()
        self._unlock()

    def _check(self) -> None:
        path = self.path
        if path.exists() and not path.is_dir():
            raise UsageError(
                f"{path} is a file, not a folder.", next_step="choose another folder with --out"
            )
        names = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
        if not names:
            return
        if _JOURNAL not in names or names - _FILES - {LOCK, CHECKPOINT}:
            raise UsageError(
                f"{path} holds files that are not of a run.",
                next_step="choose another folder with --out",
            )
        if "manifest.json" in names and CHECKPOINT not in names and not self._replace:
            raise UsageError(
                f"{path} holds a finished result.",
                next_step="choose another folder with --out; or --replace, which keeps it until "
                "the new result is complete",
            )

    def _take_over(self, fingerprint: JsonObject) -> None:
        """Keep what an unfinished run of the same fingerprint had; what another had goes."""
        own, delivered = (folder / CHECKPOINT for folder in (self._part, self._place))
        unfinished = Unfinished(Checkpoint(own), Checkpoint(delivered), fingerprint)
        if self._resume or not self._replace:
            unfinished.check(self.path, resume=self._resume)
        self._own_part_is_there = unfinished.delivered in unfinished.same
        unfinished.move()

    def _clear(self) -> None:
        """Remove what a run left that was killed, but for its checkpoint."""
        for left in self._part.iterdir():
            if left.name not in (LOCK, CHECKPOINT):
                left.unlink()
        for left in (self._part / CHECKPOINT).glob(".*"):
            left.unlink()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _faults(self, next_step: str) -> Iterator[None]:
        """Turn faults of the disk into an error that says what to do here."""
        try:
            yield
        except ResourceError as error:
            raise ResourceError(error.message, next_step=next_step) from error
        except OSError as error:
            reason = error.strerror or "some files cannot be copied"
            message = f"{self.path} cannot be written: {reason}."
            raise ResourceError(message, next_step=next_step) from error
