"""Tables that are no plain CSV: compressed ones, sheets, JSON lines, and what pandas reads.

The cells of a sheet and of lines of JSON become records as those of CSV: header, words for missing
values and numbers with commas are understood in the same way. The files of statistics programs know
names and types; labels of values are levels.
"""

import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from t2local.errors import InputError
from t2local.events import Decision
from t2local.tables.files import cell_text, stripped
from t2local.tables.header import Record

#: Endings of Excel's files and of JSON lines.
SHEETS = (".xlsx", ".xlsm")
JSON_LINES = (".jsonl", ".ndjson")
_PACKED = (".gz", ".zip")


def _stata(path: Path) -> pd.DataFrame:
    try:
        return pd.read_stata(path)
    except ValueError:  # two values with one label: then the values are the levels
        return pd.read_stata(path, convert_categoricals=False)


def _sas(path: Path) -> pd.DataFrame:
    return pd.read_sas(path, encoding="infer")


#: What pandas reads, and the extra of t2local that brings the library for it (none for its own).
_FRAMES: Mapping[str, tuple[Callable[[Path], pd.DataFrame], str]] = {
    ".parquet": (pd.read_parquet, "parquet"),
    ".dta": (_stata, ""),
    ".sas7bdat": (_sas, ""),
    ".xpt": (_sas, ""),
    ".sav": (pd.read_spss, "spss"),
    ".zsav": (pd.read_spss, "spss"),
}
FRAMES = tuple(_FRAMES)


def unpacked(data: bytes, name: str, most: int) -> tuple[bytes, str]:
    """The content of a compressed file and its name; of any other file what it is.

    **Parameters:**

    * **most**: bytes; what unfolds to more is refused before it fills the memory.

    **Raises** `InputError` also for an archive of more than one file.
    """
    path = Path(name)
    if path.suffix.lower() not in _PACKED:
        return data, name
    try:
        if path.suffix.lower() == ".gz":
            inner, file = path.stem, gzip.GzipFile(fileobj=io.BytesIO(data))
            content = file.read(most + 1)
        else:
            inner, content = _only_member(data, name, most)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, ValueError) as error:
        raise InputError(
            f"{name} cannot be unpacked: {type(error).__name__}.", next_step="pass the file in it"
        ) from None
    if len(content) > most:
        raise InputError(
            f"{name} unfolds to more than {most / 1e6:,.0f} MB.",
            next_step="t2local is for small tables; pass a sample of the rows",
        )
    if Path(inner).suffix.lower() in (*FRAMES, *SHEETS, *_PACKED):
        raise InputError(f"{name} holds no CSV.", next_step="unpack it, and pass the file in it")
    return content, inner


def _only_member(data: bytes, name: str, most: int) -> tuple[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        # A Mac puts a second file beside each.
        members = [
            member
            for member in archive.infolist()
            if not member.is_dir() and not member.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            raise InputError(
                f"{name} holds {len(members)} files; there must be one.",
                next_step="unpack it, and pass one of them",
            )
        with archive.open(members[0]) as file:
            return members[0].filename, file.read(most + 1)


def read_frame(path: Path) -> pd.DataFrame:
    """A file of Stata, SAS, SPSS or Parquet as a frame; labels of values are its cells."""
    reader, extra = _FRAMES[path.suffix.lower()]
    return _by_library(path, extra, lambda: reader(path))


def sheet_records(path: Path, sheet: str) -> tuple[list[Record], list[Decision]]:
    """The rows of an Excel sheet (its first one where none is named) that are not blank."""
    with _by_library(path, "excel", lambda: pd.ExcelFile(path)) as book:
        names = [str(name) for name in book.sheet_names]
        if sheet and sheet not in names:
            raise InputError(
                f"{path.name} has no sheet {sheet!r}.",
                faults=[f"its sheets: {', '.join(names)}"],
                next_step="pass one of these with --sheet",
            )
        frame = _by_library(
            path,
            "excel",
            lambda: pd.read_excel(book, sheet_name=sheet or names[0], header=None, dtype=object),
        )
    rows = [[cell_text(value) or "" for value in row] for row in frame.itertuples(index=False)]
    decisions = []
    if len(names) > 1 and not sheet:
        reason = f"the first of {len(names)} sheets; name another with --sheet"
        decisions.append(Decision("sheet", names[0], reason))
    return [Record(line, row) for line, row in enumerate(rows, 1) if any(row)], decisions


def _by_library(path: Path, extra: str, read: Callable[[], Any]) -> Any:
    """**Raises** `InputError` where a library is missing, or finds the file to be none of its."""
    try:
        return read()
    except ImportError:
        raise InputError(
            f"{path.name} needs a library that is not installed.",
            next_step=f"pip install 't2local[{extra}]', or save it as CSV",
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 -- what they raise for a broken file is not said
        raise InputError(
            f"{path.name} cannot be read as {path.suffix[1:]}: {type(error).__name__}.",
            next_step="save it as CSV",
        ) from None


def json_records(text: str, source: str) -> list[Record]:
    """Lines of JSON objects as records; the first one has the names, in the order they come.

    **Raises** `InputError` with every line that is none, or that has lists or objects in it.
    """
    objects: list[tuple[int, Mapping[str, object]]] = []
    faults = []
    for line, part in enumerate(text.split("\n"), 1):
        if not part.strip():
            continue
        try:
            content = json.loads(part, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            faults.append(f"{source}, line {line}: no JSON object")
            continue
        faults += [
            f"{source}, line {line}, column {name!r}: a list or an object"
            for name, value in content.items()
            if isinstance(value, list | dict)
        ]
        objects.append((line, content))
    if faults:
        raise InputError(
            f"{source} cannot be read as lines of JSON:", faults=faults, next_step="save it as CSV"
        )
    names = list(dict.fromkeys(name for _, content in objects for name in content))
    if names and not any(map(stripped, names)):
        next_step = "give each value a name"
        raise InputError(f"In {source} no column has a name.", next_step=next_step)
    rows = [
        Record(line, [_plain(content.get(name)) for name in names]) for line, content in objects
    ]
    return [Record(0, list(map(stripped, names))), *rows] if rows else []


def _plain(value: object) -> str:
    if value is None:
        return ""
    return stripped(value) if isinstance(value, str) else str(value)
