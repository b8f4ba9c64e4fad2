"""A table as cells of text, with what is known of its file; frames as tables, and cells as CSV."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from itertools import chain
from pathlib import Path

import pandas as pd

from t2local.errors import InputError
from t2local.events import Decision
from t2local.system.atomic import atomic
from t2local.tables.affixes import Affix
from t2local.tables.characters import check_characters

#: What people write for "no value"; compared after stripping blanks, in any case.
MISSING = frozenset(
    {
        "", "na", "n/a", "n.a.", "#n/a", "nan", "<na>", "null", "?", "unknown", "missing",
        "not available",
    }
)  # fmt: skip


#: What Python strips, and the byte order mark, which is as invisible within a file.
_BLANKS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)


def stripped(text: str) -> str:
    """A cell without the blanks around it."""
    return text.strip(_BLANKS)


@dataclass(frozen=True)
class Table:
    """A table as it was read: cells of text (None is missing), and how the file was written.

    **Parameters:**

    * **lines**: the line of the file where each row begins.
    * **fewest**: rows that it needs at least.
    * **header**: by the names of the columns, how the file writes them; none without a header.
    * **missing**: for a column what it writes for a missing value (else nothing).
    * **styles**: for a column how it writes its numbers (else plainly).
    * **affixes**: for a column what stands around all its numbers, such as a unit.
    * **decisions**: choices that a person could have made otherwise.
    * **other_cells**: where the rows are a sample of a file (``cells`` are indexed by line then),
      for each column cells of other rows: levels, and the ends of its range
      (`t2local.tables.row_sample`).
    """

    cells: pd.DataFrame
    lines: list[int]
    source: str
    delimiter: str = ","
    bom: bool = False
    fewest: int = 2
    encoding: str = "utf-8"
    header: dict[str, str] | None = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    styles: dict[str, str] = field(default_factory=dict)
    affixes: dict[str, Affix] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    other_cells: Mapping[str, Sequence[str | None]] | None = None

    def __post_init__(self) -> None:
        n_rows = len(self.cells)
        if n_rows < self.fewest:
            rows = "row" if n_rows == 1 else "rows"
            raise InputError(
                f"{self.source} has {n_rows or 'no'} {rows} of data; "
                f"at least {self.fewest} are needed.",
                next_step="add rows: 10 or more give the quality stages something to judge with",
            )


def from_frame(frame: pd.DataFrame, source: str = "the DataFrame", fewest: int = 2) -> Table:
    """A DataFrame as a table of cells, for the Python API.

    Floats that are whole numbers lose their point. **Raises** `InputError` for columns of the same
    name, of several names or of none, and for half characters.
    """
    if frame.columns.nlevels > 1:
        raise InputError(
            f"{source} has columns of {frame.columns.nlevels} names each (a MultiIndex).",
            next_step='join them: df.columns = ["_".join(map(str, names)) for names in df.columns]',
        )
    counts = Counter(map(str, frame.columns))
    if duplicates := [name for name, count in counts.items() if count > 1]:
        raise InputError(
            f"{source} has columns of the same name.", faults=duplicates, next_step="rename them"
        )
    if "" in counts:
        raise InputError(f"{source} has a column without a name.", next_step="give it one")
    cells = cells_of(frame)
    check_characters(cells, source)
    return Table(cells, list(range(1, len(frame) + 1)), source, fewest=fewest)


def cells_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The cells of a frame as text, None for missing; rows are numbered from 0."""
    columns = {
        str(name): pd.Series([cell_text(value) for value in frame[name]], dtype=object)
        for name in frame.columns
    }
    return pd.DataFrame(columns)


def cell_text(value: object) -> str | None:
    """A value of a frame as the text of a cell, None for missing."""
    # Of a list it would ask each element.
    if pd.api.types.is_scalar(value) and pd.isna(value):  # type: ignore[call-overload]
        return None
    # pandas turns whole numbers into floats where a column has missing cells.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):  # pandas' timestamps are some
        is_day = value.time() == time(0)
        return value.date().isoformat() if is_day else value.isoformat(sep=" ")
    text = stripped(str(value))
    return None if text.casefold() in MISSING else text


def write_csv(
    path: Path,
    header: Iterable[str] | None,
    rows: Iterable[Iterable[str | None]],
    *,
    delimiter: str = ",",
    bom: bool = False,
    encoding: str = "utf-8",
    quote_all: bool = False,
) -> None:
    """Write cells as CSV, None as a blank cell; the file appears whole or not at all."""
    with atomic(path, encoding) as file:
        if bom:
            file.write("\ufeff")
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        # Python's writer puts quotes around its own line end, and not around the old Mac's.
        quoting_writer = csv.writer(
            file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL
        )
        for row in chain([header] if header is not None else [], rows):
            cells = [cell or "" for cell in row]
            has_line_end = any("\r" in cell for cell in cells)
            (quoting_writer if quote_all or has_line_end else writer).writerow(cells)
