"""Tables in and out: delimiter, encoding, missing cells, and files that appear whole or not at all."""

import csv
import io
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pandas as pd
import yaml

from t2local.errors import InputError, ResourceError

#: What people write for "no value"; compared after stripping blanks, in any case.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "?"})
_DELIMITERS = (",", ";", "\t")
#: A patients' table is small; a file beyond this is a mistake that would fill the memory.
_MOST_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Table:
    """A table as it was read: cells of text (None is missing), and how the file was written."""

    cells: pd.DataFrame
    lines: list[int]  # the line of the file where each row begins
    source: str
    delimiter: str = ","
    bom: bool = False

    fewest: int = 2

    def __post_init__(self) -> None:
        if len(self.cells) < self.fewest:
            raise InputError(
                f"{self.source} has {len(self.cells) or 'no'} row{'s' * (len(self.cells) != 1)} of data; at least {self.fewest} are needed.",
                next_step="add rows: 10 or more give the quality stages something to judge with",
            )


def read_table(path: Path | str, *, fewest: int = 2) -> Table:
    """Read a CSV file: UTF-8 with or without BOM; comma, semicolon or tab; with this many rows at least.

    **Raises** `InputError` that names file, line and column of every fault.
    """
    path = Path(path)
    text, bom = _decode(path)
    delimiter = _delimiter(text, path)
    rows = _records(text, delimiter, path)
    header = [name.strip() for name in rows[0][1]]
    _check_header(header, path)
    uneven = [f"{path.name}, line {line}: {len(row)} cells, the header has {len(header)}" for line, row in rows[1:] if len(row) != len(header)]
    if uneven:
        raise InputError(
            f"{path.name} has rows of another length than its header:",
            faults=uneven,
            next_step="mend these lines; a cell that holds the delimiter needs quotes",
        )
    cells = [[None if (cell := raw.strip()).casefold() in MISSING else cell for raw in row] for _, row in rows[1:]]
    frame = pd.DataFrame(cells, columns=header, dtype=object)
    return Table(frame, [line for line, _ in rows[1:]], path.name, delimiter, bom, fewest)


def from_frame(frame: pd.DataFrame) -> Table:
    """A DataFrame as a table of cells, for the Python API; floats that are whole numbers lose their point."""
    duplicates = [str(name) for name, count in Counter(map(str, frame.columns)).items() if count > 1]
    if duplicates:
        raise InputError("The DataFrame has columns of the same name.", faults=duplicates, next_step="rename them")
    return Table(cells_of(frame), list(range(1, len(frame) + 1)), "the DataFrame")


def cells_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The cells of a frame as text, None for missing; rows are numbered from 0."""
    return pd.DataFrame({str(name): pd.Series([_cell(value) for value in frame[name]], dtype=object) for name in frame.columns})


def _cell(value: object) -> str | None:
    if pd.isna(value):  # type: ignore[call-overload]
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return None if text.casefold() in MISSING else text


def _decode(path: Path) -> tuple[str, bool]:
    if not path.is_file():
        raise InputError(f"There is no file {path}.", next_step="check the path; 'python -m t2local sample wine -o wine.csv' writes a table to try")
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"{path.name} is larger than 2 GB.", next_step="t2local is for small tables; pass a sample of the rows")
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig"), data.startswith(b"\xef\xbb\xbf")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise InputError(
            f"{path.name} is not UTF-8.", faults=[f"{path.name}, line {line}, byte {column}"], next_step=f"iconv -f LATIN1 -t UTF-8 {path.name} -o utf8.csv"
        ) from None


def _delimiter(text: str, path: Path) -> str:
    """The delimiter that splits the header most often."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise InputError(f"{path.name} is empty.", next_step="pass a CSV file with a header and rows")
    counts = {delimiter: len(next(csv.reader([first], delimiter=delimiter), [])) for delimiter in _DELIMITERS}
    return max(counts, key=lambda delimiter: counts[delimiter])


def _records(text: str, delimiter: str, path: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of every record that is not blank."""
    records: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                records.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path.name} cannot be read as CSV.", faults=[f"{path.name}, line {line}: {error}"], next_step="mend the quotes on that line"
        ) from None
    return records


def _check_header(header: list[str], path: Path) -> None:
    faults = [f"column {position} has no name" for position, name in enumerate(header, 1) if not name]
    faults += [f"column name {name!r} stands there {count} times" for name, count in Counter(header).items() if name and count > 1]
    if len(header) < 2:
        faults.append("there is only one column; the delimiter must be a comma, a semicolon or a tab")
    if faults:
        raise InputError(
            f"The header of {path.name} cannot be used:",
            faults=[f"{path.name}, line 1: {fault}" for fault in faults],
            next_step="give every column its own name",
        )


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which writes NEL and the Unicode line separators so that it reads them back as blanks."""

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if re.search("[\x85\u2028\u2029]", text) else None)


_Dumper.add_representer(str, _Dumper.represent_text)


def yaml_text(comment: str, fields: Mapping[str, object]) -> str:
    """Fields as a YAML file that a person can edit, with a comment on top."""
    return f"# {comment}\n" + yaml.dump(dict(fields), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


@contextmanager
def atomic(path: Path) -> Iterator[IO[str]]:
    """Open a text file that appears at ``path`` whole, or not at all; readable by its owner only."""
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        raise ResourceError(f"{path} cannot be written: {error.strerror}.", next_step="free some disk space, or choose another folder with --out") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[str | None]], *, delimiter: str = ",", bom: bool = False) -> None:
    """Write cells as CSV, None as a blank cell; the file appears whole or not at all."""
    with atomic(path) as file:
        if bom:
            file.write("\ufeff")
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
