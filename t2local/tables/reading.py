"""A CSV file as it comes, to a table of cells; and cells to a file that looks like it.

Encoding, delimiter, header, decimal commas, and what stands for a missing value are guessed. Every
choice that a person could have made otherwise is a decision with its reason, and is kept in the
table, so that what is written later looks like what was read.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import pandas as pd

from t2local.errors import InputError
from t2local.events import Decision
from t2local.system.input_file import read_bytes
from t2local.tables.affixes import NO_AFFIX, Affix, affix_of, with_affix, without_affix
from t2local.tables.characters import check_characters
from t2local.tables.file_formats import (
    FRAMES,
    JSON_LINES,
    SHEETS,
    json_records,
    read_frame,
    sheet_records,
    unpacked,
)
from t2local.tables.files import MISSING, Table, from_frame, stripped, write_csv
from t2local.tables.formulas import guarded, unguarded
from t2local.tables.header import Header, Record, read_header
from t2local.tables.number_styles import is_number, style_of, styled_as_read, to_plain
from t2local.tables.row_sample import Row, row_sample

_DELIMITERS = (",", ";", "\t", "|")
#: A patients' table is small; a file beyond this is a mistake that would fill the memory.
_MOST_BYTES = 2 * 10**9
#: The delimiter shows in the first records; the rest of a long file would only take time.
_RECORDS_FOR_DELIMITER = 50
#: Text in UTF-16 has a zero in nearly every second byte, text in any other encoding none.
_SHARE_OF_ZEROS = 1 / 5
_NO_TABLE = "check the path; 'python -m t2local sample wine -o wine.csv' writes a table to try"
#: Words for "missing" that might have been meant as a level.
_DOUBTFUL_MISSING = frozenset({"unknown", "missing"})
#: A dictionary of 10,000 columns has 3 MB.
_MOST_BYTES_OF_TEXT = 20 * 10**6
_BOM = b"\xef\xbb\xbf"
#: A table of a few thousand rows is smaller; of a larger one only a sample of rows fits.
_MOST_BYTES_OF_ALL_ROWS = 16 * 10**6
#: Bytes that are tried in an encoding at a time.
_BYTES_OF_A_PART = 2**20
#: What stands for a row in which every cell is missing and none has a code: a blank line is no row.
_MISSING_ROW = "NA"


@dataclass(frozen=True)
class _Column:
    """Cells of a column, and how it writes missing values and numbers (blank: plainly)."""

    cells: list[str | None]
    missing: str
    style: str
    affix: Affix
    decisions: list[Decision]


def read_table(
    path: Path | str,
    *,
    fewest: int = 2,
    first_line: str = "auto",
    sheet: str = "",
    all_rows: bool = True,
    min_count: int = 0,
) -> Table:
    """Read a CSV file, compressed or not, or one of `t2local.tables.file_formats`.

    **Parameters:**

    * **fewest**: rows of data that the file needs at least.
    * **first_line**: of CSV and Excel: ``names``, ``data``, or ``auto`` for what it looks like.
    * **sheet**: of an Excel file; its first one where none is named.
    * **all_rows**: else a CSV file of more than 16 MB is read as a sample of its rows
      (`t2local.tables.row_sample`), with as many cells of a level as **min_count** where the file
      has them.

    **Raises** `InputError` that names file, line and column of every fault.
    """
    path = Path(path)
    packed = read_bytes(path, _MOST_BYTES, InputError, _NO_TABLE)
    data, name = unpacked(packed, path.name, _MOST_BYTES)
    kind = Path(name).suffix.lower()
    if kind in FRAMES:
        return from_frame(read_frame(path), source=path.name, fewest=fewest)
    if kind in SHEETS:
        records, decisions = sheet_records(path, sheet)
        return _table(records, decisions, path.name, fewest, first_line)
    if kind in JSON_LINES:
        text, _, decisions = _decoded(data, path.name)
        table = _table(json_records(text, path.name), decisions, path.name, fewest, "names")
        check_characters(table.cells, path.name)  # JSON can spell half of one
        return table
    least = None if all_rows else min_count
    return _csv_table(data, path.name, fewest, first_line, least)


def _csv_table(
    data: bytes, source: str, fewest: int, first_line: str, min_count: int | None
) -> Table:
    """The table in a CSV file; with a ``min_count`` a large one is read as a sample of rows."""
    encoding, decisions = _encoding(data, source)
    lines = partial(_lines, data, encoding)
    delimiter = _delimiter(lines)
    rows, lacking = _csv_rows(lines(), delimiter, source), None
    if min_count is not None and len(data) > _MOST_BYTES_OF_ALL_ROWS:
        sample = row_sample(rows, min_count)
        rows, lacking = iter(sample.rows), [[*map(unguarded, own)] for own in sample.lacking]
        decisions += sample.decisions()
    table = _table(_records(rows), decisions, source, fewest, first_line, delimiter, lacking)
    return replace(table, encoding=encoding, bom=encoding == "utf-8" and data.startswith(_BOM))


def _table(
    records: Sequence[Record],
    decisions: Sequence[Decision],
    source: str,
    fewest: int,
    first_line: str,
    delimiter: str = ",",
    lacking: Sequence[Sequence[str]] | None = None,
) -> Table:
    """The table in the records of a file; ``lacking``: cells of other rows, by column."""
    if not records:
        raise _empty(source)
    header = read_header(records, source, first_line)
    columns = _columns(header, delimiter, source, lacking)
    lines = [row.line for row in header.rows]
    frame = {name: column.cells[: len(lines)] for name, column in columns.items()}
    others = {name: column.cells[len(lines) :] for name, column in columns.items()}
    return Table(
        cells=pd.DataFrame(frame, None if lacking is None else lines, header.names, dtype=object),
        lines=lines,
        other_cells=None if lacking is None else others,
        header=None if header.texts is None else dict(zip(header.names, header.texts, strict=True)),
        source=source,
        delimiter=delimiter,
        fewest=fewest,
        missing={name: column.missing for name, column in columns.items() if column.missing},
        styles={name: column.style for name, column in columns.items() if column.style},
        affixes={name: column.affix for name, column in columns.items() if any(column.affix)},
        decisions=(
            *decisions,
            *header.decisions,
            *(decision for column in columns.values() for decision in column.decisions),
        ),
    )


def read_text(path: Path, error: type[InputError]) -> str:
    """The text of a small file, such as a dictionary; **raises** ``error`` when there is none."""
    data = read_bytes(path, _MOST_BYTES_OF_TEXT, error, "check the path")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise error(
            f"{path} cannot be read as UTF-8 text.", next_step="check that it is the right file"
        ) from None


def _decoded(data: bytes, source: str) -> tuple[str, str, list[Decision]]:
    """The text, its encoding, and why that one."""
    encoding, decisions = _encoding(data, source)
    return data.removeprefix(_BOM).decode(encoding), encoding, decisions


def _encoding(data: bytes, source: str) -> tuple[str, list[Decision]]:
    """The encoding of a text, which all of its bytes fit, and why that one."""
    has_mark = data.startswith(_BOM)
    data = data.removeprefix(_BOM)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _utf_16(data, "utf-16", "the file begins with its mark", source)
    if not has_mark and data.count(b"\0") > len(data) * _SHARE_OF_ZEROS:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        return _utf_16(data, encoding, "every second byte is zero", source)
    if (place := _misfit(data, "utf-8")) is None:
        return "utf-8", []
    line = data.count(b"\n", 0, place) + 1
    reason = (
        f"line {line} is not UTF-8; if names look wrong: "
        f"iconv -f ENCODING -t UTF-8 {source} -o utf8.csv"
    )
    # Bytes 0x80 to 0x9F are letters and signs in Windows-1252 and control characters, which no
    # table has, in Latin-1; Latin-1 reads every byte.
    if _misfit(data, "cp1252") is None:
        return "cp1252", [Decision("encoding", "Windows-1252", reason)]
    return "latin-1", [Decision("encoding", "Latin-1", reason)]


def _utf_16(data: bytes, encoding: str, reason: str, source: str) -> tuple[str, list[Decision]]:
    if _misfit(data, encoding) is not None:
        raise InputError(
            f"{source} begins like {encoding.upper()} and is not.", next_step="save it as UTF-8"
        )
    return encoding, [Decision("encoding", encoding.upper(), reason)]


def _misfit(data: bytes, encoding: str) -> int | None:
    """Where bytes begin that are none of an encoding; they are tried in parts, to save memory."""
    decoder = codecs.getincrementaldecoder(encoding)()
    for start in range(0, len(data) + 1, _BYTES_OF_A_PART):
        end = start + _BYTES_OF_A_PART
        n_before = len(decoder.getstate()[0])
        try:
            decoder.decode(data[start:end], final=end > len(data))
        except UnicodeDecodeError as error:
            return start - n_before + error.start
    return None


def _lines(data: bytes, encoding: str) -> Iterable[str]:
    """The lines of a text with their ends; only those that are one for Python's reader of CSV."""
    file = io.BytesIO(data.removeprefix(_BOM))
    return io.TextIOWrapper(file, encoding=encoding, newline="")


def _delimiter(lines: Callable[[], Iterable[str]]) -> str:
    """The delimiter that splits the records most often into as many cells as the first one.

    Quotes that do not fit speak against a delimiter.

    **Parameters:**

    * **lines**: gives the lines of the text, from the first one each time.
    """

    def fit(delimiter: str) -> tuple[bool, float, int]:
        counts: list[int] = []
        whole = True
        try:
            reader = csv.reader(lines(), delimiter=delimiter, strict=True)
            for row in islice(reader, _RECORDS_FOR_DELIMITER):
                counts += [len(row)] * (len(row) > 1 or any(map(str.strip, row)))
        except csv.Error:
            whole = False
        if not counts or counts[0] < 2:
            return False, 0.0, max(counts, default=0)  # it shows where a table begins
        return whole, counts.count(counts[0]) / len(counts), counts[0]

    return max(_DELIMITERS, key=fit)


def _csv_rows(lines: Iterable[str], delimiter: str, source: str) -> Iterator[Row]:
    """Every row that is not blank. **Raises** `InputError` for quotes that do not fit."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            # The first letter shows it of most rows, and faster than all cells.
            if (row and row[0][:1].isalnum()) or any(map(stripped, row)):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        next_step = "mend the quotes on that line"
        if "limit" in str(error):
            most = f"{csv.field_size_limit():,}"
            next_step = f"leave out that column: no cell may have more than {most} characters"
        raise InputError(
            f"{source} cannot be read as CSV.",
            faults=[f"{source}, line {line}: {error}"],
            next_step=next_step,
        ) from None


def _records(rows: Iterable[Row]) -> list[Record]:
    return [Record(line, [unguarded(stripped(cell)) for cell in row]) for line, row in rows]


def _empty(source: str) -> InputError:
    return InputError(f"{source} is empty.", next_step="pass a CSV file with a header and rows")


def _columns(
    header: Header, delimiter: str, source: str, lacking: Sequence[Sequence[str]] | None
) -> dict[str, _Column]:
    """The columns by name, with the cells of other rows behind those of the header's.

    **Raises** `InputError` for rows of another length than the header.
    """
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
    others = lacking or [[]] * n_columns
    return {
        name: _column(name, [*(row.cells[place] for row in header.rows), *others[place]], delimiter)
        for place, name in enumerate(header.names)
    }


def _column(name: str, texts: Sequence[str], delimiter: str) -> _Column:
    cells = [None if text.casefold() in MISSING else text for text in texts]
    codes = Counter(text for text in texts if text.casefold() in MISSING)
    code = next((code for code, _ in codes.most_common(1)), "")
    decisions = []
    if code.casefold() in _DOUBTFUL_MISSING:
        decisions.append(Decision(name, "missing", f"cells with {code!r} are missing values"))
    affix = affix_of([cell for cell in cells if cell is not None])
    if affix != NO_AFFIX:
        decisions.append(Decision(name, with_affix("...", affix), "so are its numbers written"))
        cells = [cell and without_affix(cell, affix) for cell in cells]
    style = style_of([cell for cell in cells if cell is not None], delimiter)
    if style:
        decisions.append(Decision(name, style, "so are its numbers written"))
        cells = [cell and to_plain(cell, style) for cell in cells]
    return _Column(cells, code, style, affix, decisions)


def write_like(table: Table, path: Path, cells: pd.DataFrame, *, with_names: bool = False) -> None:
    """Write cells (None is missing) the way the table was written.

    This means its header or none, delimiter, encoding, decimal commas and codes for missing values.
    A code page that lacks a character of the cells gives way to UTF-8.

    **Parameters:**

    * **with_names**: the columns are named also where the table has no header.
    """
    columns = [_written(table, str(name), column) for name, column in cells.items()]
    records = list(_rows(zip(*columns, strict=True)))
    if table.header is not None or with_names:
        texts = table.header or {}
        records.insert(0, tuple(guarded(texts.get(str(name), str(name))) for name in cells))
    # Reading takes a last column without a name and a cell for the ends of the lines.
    if len(cells.columns) > 2 and not any(stripped(record[-1]) for record in records):
        records = [(*record, "") for record in records]
    fits = _fits(table.encoding, records)
    write_csv(
        path,
        None,
        records,
        delimiter=table.delimiter,
        bom=table.bom or not fits,
        encoding=table.encoding if fits else "utf-8",
        quote_all=_is_ambiguous(records[: _RECORDS_FOR_DELIMITER + 1], table.delimiter),
    )


def _rows(rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The rows, none of them blank."""
    for row in rows:
        yield row if any(map(stripped, row)) else (_MISSING_ROW, *row[1:])


def _fits(encoding: str, records: Iterable[Sequence[str]]) -> bool:
    """Whether an encoding has all characters of a file, and is the one that reading would guess."""
    text = "\n".join(cell for record in records for cell in record)
    try:
        return _decoded(text.encode(encoding), "")[0] == text
    except (UnicodeEncodeError, InputError):
        return False


def _is_ambiguous(records: Iterable[Sequence[str]], delimiter: str) -> bool:
    """Whether reading would take another delimiter for that of these records."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\n").writerows(records)
    return _delimiter(partial(io.StringIO, buffer.getvalue(), newline="")) != delimiter


def _written(table: Table, name: str, cells: pd.Series) -> list[str]:
    """The cells of a column as it writes them."""
    texts = cells.dropna().astype(str).tolist()
    if style := table.styles.get(name, ""):
        texts = styled_as_read(texts, style, table.delimiter)
    affix = table.affixes.get(name, NO_AFFIX)
    texts = [with_affix(text, affix) if is_number(text) else text for text in texts]
    if not style:
        texts = [guarded(text) for text in texts]
    present = iter(texts)
    missing = table.missing.get(name, "")
    return [missing if blank else next(present) for blank in cells.isna()]
