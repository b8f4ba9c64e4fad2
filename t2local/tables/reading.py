"""A CSV file as it comes, to a table of cells: encoding, delimiter, header, decimal commas, and what stands for a missing value.

Every choice that a person could have made otherwise is a note with its reason, and is kept in the table, so that what is written
later looks like what was read.
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

_DELIMITERS = (",", ";", "\t", "|")
#: A patients' table is small; a file beyond this is a mistake that would fill the memory.
_MOST_BYTES = 2 * 1024**3
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?")
_COMMA = re.compile(r"[+-]?\d*,\d+")
_POINTS_AND_COMMA = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_WHOLE = re.compile(r"[+-]?\d+")
#: Lines that are looked at for the delimiter.
_LOOKED_AT = 50


@dataclass(frozen=True)
class _Record:
    line: int
    cells: list[str]


def read_table(path: Path | str, *, fewest: int = 2) -> Table:
    """Read a CSV file, or Parquet and Excel where their libraries are installed; with this many rows at least.

    **Raises** `InputError` that names file, line and column of every fault.
    """
    path = Path(path)
    data = _bytes(path)
    if path.suffix.lower() in _BY_LIBRARY:
        return _read_by_library(path, fewest)
    text, encoding, notes = _decoded(data, path.name)
    delimiter = _delimiter(text, path.name)
    records = _records(text, delimiter, path.name)
    names, rows, more = _header(records, path.name)
    uneven = [
        f"{path.name}, line {row.line}: {len(row.cells)} cells, the header has {len(names)}"
        for row in rows
        if len(row.cells) != len(names)
    ]
    if uneven:
        next_step = "mend these lines; a cell that holds the delimiter needs quotes"
        raise InputError(
            f"{path.name} has rows of another length than its header:",
            faults=uneven,
            next_step=next_step,
        )
    columns, missing, styles = dict[str, list[str | None]](), dict[str, str](), dict[str, str]()
    found: list[Decision] = []
    for place, name in enumerate(names):
        cells, missing[name], styles[name], said = _column(
            name, [row.cells[place].strip() for row in rows], delimiter
        )
        columns[name], found = cells, [*found, *said]
    frame = pd.DataFrame(columns, columns=names, dtype=object)
    bom = data.startswith(b"\xef\xbb\xbf")
    written = {name: style for name, style in styles.items() if style}
    return Table(
        frame,
        [row.line for row in rows],
        path.name,
        delimiter,
        bom,
        fewest,
        encoding,
        {n: m for n, m in missing.items() if m},
        written,
        (*notes, *more, *found),
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
            next_step="check the path; 'python -m t2local sample wine -o wine.csv' writes a table to try",
        )
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(
            f"{path.name} is larger than 2 GB.",
            next_step="t2local is for small tables; pass a sample of the rows",
        )
    return path.read_bytes()


#: File endings that pandas reads with a library of its own, and the extra that brings it.
_BY_LIBRARY = {".parquet": "parquet", ".xlsx": "excel"}


def _read_by_library(path: Path, fewest: int) -> Table:
    extra = _BY_LIBRARY[path.suffix.lower()]
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


def _decoded(data: bytes, name: str) -> tuple[str, str, list[Decision]]:
    """The text, its encoding, and why that one."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return (
            _strictly(data, "utf-16", name),
            "utf-16",
            [Decision("encoding", "UTF-16", "the file begins with its mark")],
        )
    if data.count(b"\0") > len(data) / 5:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        return (
            _strictly(data, encoding, name),
            encoding,
            [Decision("encoding", encoding.upper(), "every second byte is zero")],
        )
    try:
        return data.decode("utf-8-sig"), "utf-8", []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        why = f"line {line} is not UTF-8; if names look wrong: iconv -f ENCODING -t UTF-8 {name} -o utf8.csv"
    # Bytes 0x80 to 0x9F are letters and signs in Windows-1252 and control characters, which no table has, in Latin-1.
    for encoding, title in (("cp1252", "Windows-1252"), ("latin-1", "Latin-1")):
        try:
            return data.decode(encoding), encoding, [Decision("encoding", title, why)]
        except UnicodeDecodeError:
            continue
    raise InputError(f"{name} is text in no encoding that is known.", next_step="save it as UTF-8")


def _strictly(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise InputError(
            f"{name} begins like {encoding.upper()} and is not.", next_step="save it as UTF-8"
        ) from None


def _delimiter(text: str, name: str) -> str:
    """The delimiter that splits the lines most often into as many cells as the first one."""
    lines = [line for line in text.splitlines()[:_LOOKED_AT] if line.strip()]
    if not lines:
        raise InputError(f"{name} is empty.", next_step="pass a CSV file with a header and rows")

    def fit(delimiter: str) -> tuple[float, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        return (
            sum(count == counts[0] for count in counts) / len(counts) if counts[0] > 1 else 0.0
        ), counts[0]

    return max(_DELIMITERS, key=fit)


def _records(text: str, delimiter: str, name: str) -> list[_Record]:
    """Every record that is not blank."""
    records: list[_Record] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                records.append(_Record(line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{name} cannot be read as CSV.",
            faults=[f"{name}, line {line}: {error}"],
            next_step="mend the quotes on that line",
        ) from None
    return records


def _header(
    records: Sequence[_Record], name: str
) -> tuple[list[str], list[_Record], list[Decision]]:
    """Names of the columns, the rows of data, and what was decided about them."""
    if len(records[0].cells) < 2:
        fault = f"{name}, line 1: there is only one column; the delimiter must be a comma, a semicolon, a tab or a bar"
        raise InputError(
            f"The header of {name} cannot be used:",
            faults=[fault],
            next_step="pass a table with two columns or more",
        )
    first, notes = [cell.strip() for cell in records[0].cells], []
    if (
        all(not record.cells[-1].strip() for record in records if len(record.cells) == len(first))
        and len(first) > 2
    ):
        records = [
            _Record(r.line, r.cells[:-1] if len(r.cells) == len(first) else r.cells)
            for r in records
        ]
        first = first[:-1]
        notes.append(
            Decision(
                "last column",
                "left out",
                "it has no name and no cell: every line ends with the delimiter",
            )
        )
    if _is_data(first, records[1:]):
        notes.append(
            Decision(
                "header",
                "none: column_1, column_2 ...",
                "the first line holds numbers like the lines below it",
            )
        )
        return [f"column_{place}" for place in range(1, len(first) + 1)], list(records), notes
    names: list[str] = []
    for place, cell in enumerate(first, 1):
        wanted = cell or f"column_{place}"
        free, count = wanted, 2
        while free in names:
            free, count = f"{wanted}_{count}", count + 1
        names.append(free)
        if free != cell:
            notes.append(
                Decision(
                    f"column {place}",
                    free,
                    "its name stands there before" if cell else "it has no name",
                )
            )
    return names, list(records[1:]), notes


def _is_data(first: Sequence[str], rows: Sequence[_Record]) -> bool:
    """Whether the first line holds numbers in most columns of numbers; years and counts may be names."""
    numeric = [
        place
        for place in range(len(first))
        if (
            below := [
                row.cells[place].strip()
                for row in rows
                if place < len(row.cells) and row.cells[place].strip().casefold() not in MISSING
            ]
        )
        and all(_NUMBER.fullmatch(cell) for cell in below)
    ]
    numbers = [first[place] for place in numeric if _NUMBER.fullmatch(first[place])]
    if not numbers or 2 * len(numbers) < len(numeric):
        return False
    whole = [int(number) for number in numbers if number.isdecimal()]
    years = all(1900 <= number <= 2100 for number in whole)
    counted = len(whole) > 1 and sorted(whole) == list(range(min(whole), min(whole) + len(whole)))
    return not (
        len(whole) == len(numbers) == len(set(whole)) and len(whole) > 1 and (years or counted)
    )


def _column(
    name: str, raw: list[str], delimiter: str
) -> tuple[list[str | None], str, str, list[Decision]]:
    """Cells, the code that the column writes for a missing value, how its numbers are written (blank: plainly), and notes."""
    absent = Counter(cell for cell in raw if cell.casefold() in MISSING)
    cells = [None if cell.casefold() in MISSING else cell for cell in raw]
    present = [cell for cell in cells if cell is not None]
    code = absent.most_common(1)[0][0] if absent else ""
    notes = (
        [Decision(name, "missing", f"cells with {code!r} are missing values")]
        if code.casefold() in _SAID
        else []
    )
    style = _style(present, delimiter)
    if not style:
        return cells, code, "", notes
    notes.append(Decision(name, style, "so are its numbers written"))
    plain = [None if cell is None else _plain(cell, style) for cell in cells]
    return plain, code, style, notes


#: Words for "missing" that might have been meant as a level.
_SAID = frozenset({"unknown", "missing"})


def _style(present: Sequence[str], delimiter: str) -> str:
    """How numbers are written that are not plain ones; blank for plain numbers and for columns that hold others."""
    commas = [cell for cell in present if "," in cell]
    points = [cell for cell in present if _POINTS_AND_COMMA.fullmatch(cell)]
    if not commas:
        return ""
    if all(
        _WHOLE.fullmatch(c) or _COMMA.fullmatch(c) or _POINTS_AND_COMMA.fullmatch(c)
        for c in present
    ):
        thousands = not points and all(_THOUSANDS.fullmatch(cell) for cell in commas)
        if not (thousands and delimiter == ","):
            return "decimal commas, points for thousands" if points else "decimal commas"
    if all(_NUMBER.fullmatch(c) or _THOUSANDS.fullmatch(c) for c in present) and all(
        _THOUSANDS.fullmatch(c) for c in commas
    ):
        return "commas for thousands"
    return ""


def _plain(cell: str, style: str) -> str:
    return (
        cell.replace(",", "")
        if style == "commas for thousands"
        else cell.replace(".", "").replace(",", ".")
    )


def styled(cell: str, style: str) -> str:
    """A plain number as the column writes its numbers."""
    if not style:
        return cell
    whole, point, rest = cell.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    if style == "decimal commas":
        return f"{sign}{digits}{',' if point else ''}{rest}"
    mark, comma = (".", ",") if style.startswith("decimal") else (",", ".")
    grouped = f"{int(digits):,}".replace(",", mark) if digits else digits
    return f"{sign}{grouped}{comma if point else ''}{rest}"


#: What a spreadsheet would run: =, @ or a tab in front; + and - only where a call or a link follows, because +, -ve and A+ are findings.
_FORMULA = re.compile(r"[=@\t\r]|[+-].*[(|!]", re.DOTALL)


def _guarded(cell: str) -> str:
    """A cell with an apostrophe before what a spreadsheet would run."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def write_like(table: Table, path: Path, cells: pd.DataFrame) -> None:
    """Write cells (None is missing) the way the table was written: delimiter, encoding, decimal commas, codes for missing values."""
    columns = []
    for name in cells:
        style, code = table.styles.get(str(name), ""), table.missing.get(str(name))
        columns.append(
            [
                code
                if pd.isna(cell)
                else styled(str(cell), style)
                if style
                else _guarded(str(cell))
                for cell in cells[name]
            ]
        )
    write_csv(
        path,
        (_guarded(str(name)) for name in cells),
        zip(*columns, strict=True),
        delimiter=table.delimiter,
        bom=table.bom,
        encoding=table.encoding,
    )
