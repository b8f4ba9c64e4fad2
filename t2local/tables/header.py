"""The first line of a CSV file: names of columns, or data already."""

from collections.abc import Sequence
from dataclasses import dataclass

from t2local.errors import InputError
from t2local.events import Decision
from t2local.tables.files import MISSING
from t2local.tables.number_styles import NUMBER


@dataclass(frozen=True)
class Record:
    """One record of a CSV file, and the line where it begins."""

    line: int
    cells: list[str]


@dataclass(frozen=True)
class Header:
    """Names of the columns, the rows below, and what was decided about them."""

    names: list[str]
    rows: list[Record]
    decisions: list[Decision]


def read_header(records: Sequence[Record], source: str) -> Header:
    """Split the records of a file into names and rows of data.

    **Raises** `InputError` for a file of one column.
    """
    if len(records[0].cells) < 2:
        fault = (
            f"{source}, line 1: there is only one column; the delimiter must be a comma, "
            "a semicolon, a tab or a bar"
        )
        raise InputError(
            f"The header of {source} cannot be used:",
            faults=[fault],
            next_step="pass a table with two columns or more",
        )
    records, decisions = _without_blank_last_column(records)
    first = [cell.strip() for cell in records[0].cells]
    if _is_data(first, records[1:]):
        decision = Decision(
            "header",
            "none: column_1, column_2 ...",
            "the first line holds numbers like the lines below it",
        )
        names = [f"column_{place}" for place in range(1, len(first) + 1)]
        return Header(names, list(records), [*decisions, decision])
    names, renamed = _names(first)
    return Header(names, list(records[1:]), [*decisions, *renamed])


def _without_blank_last_column(
    records: Sequence[Record],
) -> tuple[Sequence[Record], list[Decision]]:
    """The records without the column that a delimiter at the end of every line makes."""
    width = len(records[0].cells)
    last_cells = [record.cells[-1] for record in records if len(record.cells) == width]
    if width < 3 or any(cell.strip() for cell in last_cells):
        return records, []
    decision = Decision(
        "last column",
        "left out",
        "it has no name and no cell: every line ends with the delimiter",
    )
    shorter = [
        # A longer or shorter line stays as it is, to be named as a fault.
        Record(record.line, record.cells[: -1 if len(record.cells) == width else None])
        for record in records
    ]
    return shorter, [decision]


def _names(first: Sequence[str]) -> tuple[list[str], list[Decision]]:
    """A name of its own for each column."""
    names: list[str] = []
    decisions = []
    for place, cell in enumerate(first, 1):
        base = name = cell or f"column_{place}"
        count = 2
        while name in names:
            name = f"{base}_{count}"
            count += 1
        names.append(name)
        if name != cell:
            reason = "its name stands there before" if cell else "it has no name"
            decisions.append(Decision(f"column {place}", name, reason))
    return names, decisions


def _is_data(first: Sequence[str], rows: Sequence[Record]) -> bool:
    """Whether the first line holds numbers in most columns of numbers.

    Years and numbers that count the columns may be names.
    """
    numeric = [place for place in range(len(first)) if _is_numeric(place, rows)]
    numbers = [first[place] for place in numeric if NUMBER.fullmatch(first[place])]
    if not numbers or 2 * len(numbers) < len(numeric):
        return False
    whole = sorted({int(number) for number in numbers if number.isdecimal()})
    if len(whole) < len(numbers) or len(whole) < 2:
        return True
    are_years = whole[0] >= 1900 and whole[-1] <= 2100
    count_on = whole[-1] - whole[0] == len(whole) - 1
    return not (are_years or count_on)


def _is_numeric(place: int, rows: Sequence[Record]) -> bool:
    """Whether all cells of a column that are not missing are numbers, and there is one."""
    cells = [row.cells[place].strip() for row in rows if place < len(row.cells)]
    present = [cell for cell in cells if cell.casefold() not in MISSING]
    return bool(present) and all(map(NUMBER.fullmatch, present))
