"""The first line of a CSV file: names of columns, or data already."""

from collections import Counter
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
    """Names of the columns, the rows below, and what was decided about them.

    ``texts``: the first line as it stands in the file; none where it is data already.
    """

    names: list[str]
    rows: list[Record]
    decisions: list[Decision]
    texts: list[str] | None


def read_header(records: Sequence[Record], source: str, first_line: str = "auto") -> Header:
    """Split the records of a file into names and rows of data.

    **Parameters:**

    * **first_line**: ``names``, ``data``, or ``auto`` for what it looks like.

    **Raises** `InputError` for a file of one column.
    """
    if len(records[0].cells) < 2:
        raise _one_column(records, source)
    records, decisions = _without_blank_last_column(records)
    first = [cell.strip() for cell in records[0].cells]
    reason = "asked for" if first_line == "data" else ""
    names_numbers = True
    if first_line == "auto":
        over_numbers = [cell for p, cell in enumerate(first) if _is_numeric(p, records[1:])]
        names_numbers = any(map(_is_word, over_numbers))
        reason = _sign_of_data(first, records[1:], over_numbers)
    if reason:
        decision = Decision("header", "none: column_1, column_2 ...", reason)
        names = [f"column_{place}" for place in range(1, len(first) + 1)]
        return Header(names, list(records), [*decisions, decision], None)
    if not names_numbers:
        reason = "no column of numbers shows whether it is; if it is a row of data: --no-header"
        decisions.append(Decision("header", "the first line", reason))
    names, renamed = _names(first)
    return Header(names, list(records[1:]), [*decisions, *renamed], first)


def _one_column(records: Sequence[Record], source: str) -> InputError:
    """That the first line has one cell, which may be a title above the header."""
    fault = f"{source}, line {records[0].line}: there is only one column"
    next_step = "pass a table with two columns or more"
    wide = [record for record in records if len(record.cells) > 1]
    if 2 * len(wide) > len(records):
        fault += f", and in line {wide[0].line} there are {len(wide[0].cells)}"
        next_step = f"take the lines above the header out of {source}"
    else:
        fault += "; the delimiter must be a comma, a semicolon, a tab or a bar"
    message = f"The header of {source} cannot be used:"
    return InputError(message, faults=[fault], next_step=next_step)


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
        "it has no name and no cell",
    )
    shorter = [
        # A longer or shorter line stays as it is, to be named as a fault.
        Record(record.line, record.cells[: -1 if len(record.cells) == width else None])
        for record in records
    ]
    return shorter, [decision]


def _names(first: Sequence[str]) -> tuple[list[str], list[Decision]]:
    """A name of its own for each column."""
    names: dict[str, None] = {}
    counts: Counter[str] = Counter()
    decisions = []
    for place, cell in enumerate(first, 1):
        base = name = cell or f"column_{place}"
        while name in names:
            counts[base] += 1
            name = f"{base}_{counts[base] + 1}"
        names[name] = None
        if name != cell:
            reason = "its name stands there before" if cell else "it has no name"
            decisions.append(Decision(f"column {place}", name, reason))
    return list(names), decisions


def _sign_of_data(first: Sequence[str], rows: Sequence[Record], over_numbers: Sequence[str]) -> str:
    """Why the first line is data; empty where it is names.

    **Parameters:**

    * **over_numbers**: those of its cells that stand over columns of numbers.
    """
    if _holds_numbers(over_numbers):
        return "the first line holds numbers like the lines below it"
    if not any(map(_is_word, over_numbers)) and _holds_levels(first, rows):
        return "the first line holds words that the lines below it hold in the same columns"
    return ""


def _holds_numbers(cells: Sequence[str]) -> bool:
    """Whether half of the cells over columns of numbers, or more, are numbers.

    Years and numbers that count the columns may be names.
    """
    numbers = [cell for cell in cells if NUMBER.fullmatch(cell)]
    if not numbers or 2 * len(numbers) < len(cells):
        return False
    whole = sorted({int(number) for number in numbers if number.isdecimal()})
    if len(whole) < len(numbers) or len(whole) < 2:
        return True
    are_years = whole[0] >= 1900 and whole[-1] <= 2100
    count_on = whole[-1] - whole[0] == len(whole) - 1
    return not (are_years or count_on)


def _holds_levels(first: Sequence[str], rows: Sequence[Record]) -> bool:
    """Whether the first line's words stand below it as well, in half of the columns or in two.

    One may by chance: a column can have the name of one of its levels.
    """
    # A header that stands in the file again, as where two files were joined, is no sign of data.
    below = [row for row in rows if [cell.strip() for cell in row.cells] != list(first)]
    words = [(place, cell) for place, cell in enumerate(first) if cell.casefold() not in MISSING]
    repeated = [cell in _cells(place, below) for place, cell in words]
    return sum(repeated) >= 2 or (any(repeated) and 2 * sum(repeated) >= len(words))


def _is_word(cell: str) -> bool:
    """Whether a cell of the first line is neither a number nor a word for "missing"."""
    return not NUMBER.fullmatch(cell) and cell.casefold() not in MISSING


def _cells(place: int, rows: Sequence[Record]) -> list[str]:
    """The cells of a column."""
    return [row.cells[place].strip() for row in rows if place < len(row.cells)]


def _is_numeric(place: int, rows: Sequence[Record]) -> bool:
    """Whether all cells of a column that are not missing are numbers, and there is one."""
    present = [cell for cell in _cells(place, rows) if cell.casefold() not in MISSING]
    return bool(present) and all(map(NUMBER.fullmatch, present))
