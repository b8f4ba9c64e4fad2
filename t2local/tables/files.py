"""Tables in and out: delimiter, encoding, missing cells."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import yaml

from t2local.errors import InputError
from t2local.events import Decision
from t2local.system.atomic import atomic

#: What people write for "no value"; compared after stripping blanks, in any case.
MISSING = frozenset(
    {
        "",
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "nan",
        "<na>",
        "null",
        "?",
        "unknown",
        "missing",
        "not available",
    }
)


@dataclass(frozen=True)
class Table:
    """A table as it was read: cells of text (None is missing), and how the file was written.

    ``missing`` has for a column what it writes for a missing value (else nothing), ``styles`` how it writes its numbers.
    """

    cells: pd.DataFrame
    lines: list[int]  # the line of the file where each row begins
    source: str
    delimiter: str = ","
    bom: bool = False
    fewest: int = 2
    encoding: str = "utf-8"
    missing: dict[str, str] = field(default_factory=dict)
    styles: dict[str, str] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()

    def __post_init__(self) -> None:
        if len(self.cells) < self.fewest:
            raise InputError(
                f"{self.source} has {len(self.cells) or 'no'} row{'s' * (len(self.cells) != 1)} of data; at least {self.fewest} are needed.",
                next_step="add rows: 10 or more give the quality stages something to judge with",
            )


def from_frame(frame: pd.DataFrame, source: str = "the DataFrame", fewest: int = 2) -> Table:
    """A DataFrame as a table of cells, for the Python API; floats that are whole numbers lose their point."""
    duplicates = [
        str(name) for name, count in Counter(map(str, frame.columns)).items() if count > 1
    ]
    if duplicates:
        raise InputError(
            f"{source} has columns of the same name.", faults=duplicates, next_step="rename them"
        )
    return Table(cells_of(frame), list(range(1, len(frame) + 1)), source, fewest=fewest)


def cells_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The cells of a frame as text, None for missing; rows are numbered from 0."""
    return pd.DataFrame(
        {
            str(name): pd.Series([_cell(value) for value in frame[name]], dtype=object)
            for name in frame.columns
        }
    )


def _cell(value: object) -> str | None:
    if pd.isna(value):  # type: ignore[call-overload]
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, pd.Timestamp):
        return value.isoformat(sep=" ") if value != value.normalize() else value.date().isoformat()
    text = str(value).strip()
    return None if text.casefold() in MISSING else text


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which writes NEL and the Unicode line separators so that it reads them back as blanks."""

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar(
            "tag:yaml.org,2002:str",
            text,
            style='"' if re.search("[\x85\u2028\u2029]", text) else None,
        )


_Dumper.add_representer(str, _Dumper.represent_text)


def yaml_text(comment: str, fields: Mapping[str, object]) -> str:
    """Fields as a YAML file that a person can edit, with a comment on top."""
    return f"# {comment}\n" + yaml.dump(
        dict(fields), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120
    )


def write_csv(
    path: Path,
    header: Iterable[str],
    rows: Iterable[Iterable[str | None]],
    *,
    delimiter: str = ",",
    bom: bool = False,
    encoding: str = "utf-8",
) -> None:
    """Write cells as CSV, None as a blank cell; the file appears whole or not at all."""
    with atomic(path, encoding) as file:
        if bom:
            file.write("\ufeff")
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
