"""The folder of a run: which files it has, and that each of them appears whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from t2local.errors import ResourceError, UsageError
from t2local.run.ledger import BatchEntry
from t2local.system.atomic import atomic
from t2local.system.json_text import as_json
from t2local.tables.files import Table
from t2local.tables.reading import write_like


class RunFolder:
    """Where a run writes.

    A folder of an earlier run is written over; any other folder with files in it is refused.

    **Raises** `UsageError` before anything is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_dir():
            raise UsageError(
                f"{path} is a file, not a folder.", next_step="choose another folder with --out"
            )
        if path.is_dir() and any(path.iterdir()) and not (path / "journal.jsonl").is_file():
            raise UsageError(
                f"{path} holds files that are not of a run.",
                next_step="choose another folder with --out",
            )

    def start(self) -> None:
        """Create the folder and an empty journal.

        Files of an earlier run stay until `finish` replaces them.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.path / "journal.jsonl").write_text("")
        except OSError as error:
            raise ResourceError(
                f"{self.path} cannot be written: {error.strerror}.",
                next_step="choose another folder with --out",
            ) from error

    def note(self, entry: BatchEntry) -> None:
        """Append what happened to the journal; an entry holds counts and figures, never a cell."""
        with (self.path / "journal.jsonl").open("a", encoding="utf-8") as file:
            file.write(as_json(entry, indent=None))

    def finish(
        self, table: Table, kept: pd.DataFrame, rejected: pd.DataFrame, texts: Mapping[str, str]
    ) -> None:
        """Write the result: the kept rows and nothing else in synthetic.csv.

        Every other row stands with its reason in rejected.csv.

        **Parameters:**

        * **table**: gives delimiter and byte order mark.
        * **kept**, **rejected**: frames of cells; the rejected ones with their notes in front.
        * **texts**: the other files, by name; the last one is written last, and so marks a
          complete result.
        """
        write_like(table, self.path / "synthetic.csv", kept)
        # The notes need names.
        write_like(table, self.path / "rejected.csv", rejected, with_names=True)
        self.write(texts)

    def write(self, texts: Mapping[str, str]) -> None:
        """Write files of text, by name, in this order."""
        for name, text in texts.items():
            with atomic(self.path / name) as file:
                file.write(text)
