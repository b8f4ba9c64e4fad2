"""A CSV file as it comes, to a table of cells; and cells to a file that looks like it.

Encoding, delimiter, header, decimal commas, and what stands for a missing value are guessed. Every
choice that a person could have made otherwise is a decision with its reason, and is kept in the
table, so that what is written later looks like what was read.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import pandas as pd

from t2local.errors import InputError
from t2local.events import Decision
from t2local.tables.files import MISSING, Table, from_frame, write_csv
from t2local.tables.header import Header, Record, read_header
from t2local.tables.number_styles import style_of, styled, to_plain

_DELIMITERS = (",", ";", "\t", "|")
#: A patients' table is small; a file beyond this is a mistake that would fill the memory.
_MAX_BYTES = 2 * 1024**3
#: The delimiter shows in the first lines; the rest of a long file would only take time.
_LINES_FOR_DELIMITER = 50
#: Text in UTF-16 has a zero in nearly every second byte, text in any other encoding none.
_SHARE_OF_ZEROS = 1 / 5
#: File endings that pandas reads with a library of its own, and the extra that brings it.
_EXTRAS = {".parquet": "parquet", ".xlsx": "excel"}
#: Words for "missing" that might have been meant as a level.
_DOUBTFUL_MISSING = frozenset({"unknown", "missing"})
#: What a spreadsheet would run: =, @ or a tab in front; + and - only where a call or a link
#: follows, because +, -ve and A+ are findings.
_FORMULA = re.compile(r"[=@\t\r]|[+-].*[(|!]", re.DOTALL)


@dataclass(frozen=True)
class _Column:
    """Cells of a column, and how it writes missing values and numbers (blank: plainly)."""

    cells: list[str | None]
    missing: str
    style: str
    decisions: list[Decision]


def read_table(path: Path | str, *, fewest: int = 2, first_line: str = "auto") -> Table:
    """Read a CSV file, or Parquet and Excel where their libraries are installed.

    **Parameters:**

    * **fewest**: rows of data that the file needs at least.
    * **first_line**: of a CSV file: ``names``, ``data``, or ``auto`` for what it looks like.

    **Raises** `InputError` that names file, line and column of every fault.
    """
    path = Path(path)
    data = _bytes(path)
    if path.suffix.lower() in _EXTRAS:
        return _read_by_library(path, fewest)
    text, encoding, decisions = _decoded(data, path.name)
    delimiter = _delimiter(text, path.name)
    header = read_header(_records(text, delimiter, path.name), path.name, first_line)
    columns = _columns(header, delimiter, path.name)
    frame = {name: column.cells for name, column in columns.items()}
    return Table(
        cells=pd.DataFrame(frame, columns=header.names, dtype=object),
        lines=[row.line for row in header.rows],
        header=None if header.texts is None else dict(zip(header.names, header.texts, strict=True)),
        source=path.name,
        delimiter=delimiter,
        bom=data.startswith(b"\xef\xbb\xbf"),
        fewest=fewest,
        encoding=encoding,
        missing={name: column.missing for name, column in columns.items() if column.missing},
        styles={name: column.style for name, column in columns.items() if column.style},
        decisions=(
            *decisions,
            *header.decisions,
            *(decision for column in columns.values() for decision in column.decisions),
        ),
    )


def read_text(path: Path, error: type[InputError]) -> str:
    """The text of a small file, such as a dictionary; **raises** ``error`` when there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise error(f"There is no file {path}.", next_step="check the path") from None
    except (UnicodeDecodeError, OSError):
        raise error(
            f"{path} cannot be read as UTF-8 text.", next_step="check that it is the right file"
        ) from None


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(
            f"There is no file {path}.",
            next_step="check the path; "
            "'python -m t2local sample wine -o wine.csv' writes a table to try",
        )
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(
            f"{path.name} is larger than 2 GB.",
            next_step="t2local is for small tables; pass a sample of the rows",
        )
    return path.read_bytes()


def _read_by_library(path: Path, fewest: int) -> Table:
    extra = _EXTRAS[path.suffix.lower()]
    try:
        frame = pd.read_parquet(path) if extra == "parquet" else pd.read_excel(path)
    except ImportError:
        raise InputError(
            f"{path.name} needs a library that is not installed.",
            next_step=f"pip install 't2local[{extra}]', or save it as CSV",
        ) from None
    except (ValueError, KeyError, OSError, BadZipFile) as error:  # a file that is none of its kind
        raise InputError(
            f"{path.name} cannot be read as {extra}: {type(error).__name__}.",
            next_step="save it as CSV",
        ) from None
    return from_frame(frame, source=path.name, fewest=fewest)


def _decoded(data: bytes, source: str) -> tuple[str, str, list[Decision]]:
    """The text, its encoding, and why that one."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        decision = Decision("encoding", "UTF-16", "the file begins with its mark")
        return _utf_16(data, "utf-16", source), "utf-16", [decision]
    if data.count(b"\0") > len(data) * _SHARE_OF_ZEROS:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        decision = Decision("encoding", encoding.upper(), "every second byte is zero")
        return _utf_16(data, encoding, source), encoding, [decision]
    try:
        return data.decode("utf-8-sig"), "utf-8", []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = (
            f"line {line} is not UTF-8; if names look wrong: "
            f"iconv -f ENCODING -t UTF-8 {source} -o utf8.csv"
        )
    # Bytes 0x80 to 0x9F are letters and signs in Windows-1252 and control characters, which no
    # table has, in Latin-1; Latin-1 reads every byte.
    try:
        return data.decode("cp1252"), "cp1252", [Decision("encoding", "Windows-1252", reason)]
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1", [Decision("encoding", "Latin-1", reason)]


def _utf_16(data: bytes, encoding: str, source: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise InputError(
            f"{source} begins like {encoding.upper()} and is not.", next_step="save it as UTF-8"
        ) from None


def _delimiter(text: str, source: str) -> str:
    """The delimiter that splits the lines most often into as many cells as the first one."""
    lines = [line for line in text.splitlines()[:_LINES_FOR_DELIMITER] if line.strip()]
    if not lines:
        raise _empty(source)

    def fit(delimiter: str) -> tuple[float, int]:
        try:
            counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        except csv.Error:  # a cell beyond 128 kB: `_records` names its line
            return 0.0, 0
        if counts[0] < 2:
            return 0.0, counts[0]
        return counts.count(counts[0]) / len(counts), counts[0]

    return max(_DELIMITERS, key=fit)


def _records(text: str, delimiter: str, source: str) -> list[Record]:
    """Every record that is not blank."""
    records: list[Record] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                records.append(Record(line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{source} cannot be read as CSV.",
            faults=[f"{source}, line {line}: {error}"],
            next_step="mend the quotes on that line",
        ) from None
    if not records:
        raise _empty(source)
    return records


def _empty(source: str) -> InputError:
    return InputError(f"{source} is empty.", next_step="pass a CSV file with a header and rows")


def _columns(header: Header, delimiter: str, source: str) -> dict[str, _Column]:
    """The columns by name. **Raises** `InputError` for rows of another length than the header."""
    n_columns = len(header.names)
    uneven = [
        f"{source}, line {row.line}: {len(row.cells)} cells, the header has {n_columns}"
        for row in header.rows
        if len(row.cells) != n_columns
    ]
    if uneven:
        raise InputError(
            f"{source} has rows of another length than its header:",
            faults=uneven,
            next_step="mend these lines; a cell that holds the delimiter needs quotes",
        )
    return {
        name: _column(name, [row.cells[place].strip() for row in header.rows], delimiter)
        for place, name in enumerate(header.names)
    }


def _column(name: str, texts: Sequence[str], delimiter: str) -> _Column:
    cells = [None if text.casefold() in MISSING else text for text in texts]
    codes = Counter(text for text in texts if text.casefold() in MISSING)
    code = next((code for code, _ in codes.most_common(1)), "")
    decisions = []
    if code.casefold() in _DOUBTFUL_MISSING:
        decisions.append(Decision(name, "missing", f"cells with {code!r} are missing values"))
    style = style_of([cell for cell in cells if cell is not None], delimiter)
    if style:
        decisions.append(Decision(name, style, "so are its numbers written"))
        cells = [cell and to_plain(cell, style) for cell in cells]
    return _Column(cells, code, style, decisions)


def write_like(table: Table, path: Path, cells: pd.DataFrame, *, with_names: bool = False) -> None:
    """Write cells (None is missing) the way the table was written.

    This means its header or none, delimiter, encoding, decimal commas and codes for missing values.

    **Parameters:**

    * **with_names**: the columns are named also where the table has no header.
    """
    columns = [
        [_written(table, str(name), cell) for cell in column] for name, column in cells.items()
    ]
    header = None
    if table.header is not None or with_names:
        texts = table.header or {}
        header = [_guarded(texts.get(str(name), str(name))) for name in cells]
    write_csv(
        path,
        header,
        zip(*columns, strict=True),
        delimiter=table.delimiter,
        bom=table.bom,
        encoding=table.encoding,
    )


def _written(table: Table, name: str, cell: str | None) -> str | None:
    """A cell as its column writes it."""
    if pd.isna(cell):
        return table.missing.get(name)
    if style := table.styles.get(name):
        return styled(str(cell), style)
    return _guarded(str(cell))


def _guarded(cell: str) -> str:
    """A cell with an apostrophe before what a spreadsheet would run."""
    return f"'{cell}" if _FORMULA.match(cell) else cell
