"""A large file as a sample of its rows, and for each column the cells that the sample lacks.

Every row is looked at once: how many cells it has, which texts a column holds, and where its range
ends. Only the rows of the sample stay in memory.
"""

import gc
import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np

from t2local.events import Decision
from t2local.stats.arrays import FloatArray
from t2local.stats.streams import Stream, generator
from t2local.tables.affixes import NO_AFFIX, affix_of, without_affix
from t2local.tables.calendar import DATE_LIKE
from t2local.tables.files import stripped
from t2local.tables.number_styles import COMMAS_FOR_THOUSANDS, DECIMAL_COMMAS, is_number, to_plain

#: A few thousand rows are what t2local is for; 5 million cells take 400 MB.
_MOST_ROWS, _MOST_CELLS = 5_000, 5_000_000
#: Cells that are looked at together, and the rows of a wide table: what fits a processor's cache is
#: twice as fast.
_CELLS_OF_A_BLOCK, _ROWS_OF_A_BLOCK = 100_000, 100
#: Different texts that are counted: a column of more has a range, or is free text. All columns of a
#: wide table share 200 MB.
_MOST_TEXTS, _MOST_TEXTS_OF_ALL = 250, 2_000_000
#: Numbers, dates and times of a column that are remembered: all days of 50 years.
#: All columns of a wide table share so many as there are texts to count.
_MEMORY_SIZE = 20_000
#: A level of so many rows or more is shown with so many: no rule asks for a larger group, unless a
#: person does.
_ROWS_OF_A_LEVEL = 12
#: The furthest values on each side of a range: behind -999 and -99 there is a lowest number too.
_ENDS = 10
#: Rows of another length than the first one that are kept, to be named as faults.
_MOST_UNEVEN = 1_000
_TIME = re.compile(r"\d{1,4}:\d{2}(:\d{2})?", re.ASCII)
_DIGITS = re.compile(r"\d+", re.ASCII)
#: The first year that two digits mean is 1969.
_PIVOT = 69

#: A row: the line where it begins, and its cells.
Row = tuple[int, list[str]]


@dataclass(frozen=True)
class RowSample:
    """The first row of a file and a sample of the others, in their order.

    * ``n_rows``: how many others there are in the file.
    * ``lacking``: for each column texts that the sample lacks (`_Column.lacking`).
    """

    rows: list[Row]
    n_rows: int
    lacking: list[list[str]]

    def decisions(self) -> list[Decision]:
        """What is said of a sample of rows; nothing where it has all."""
        n_sample = len(self.rows) - 1
        if n_sample == self.n_rows:
            return []
        reason = (
            "drawn, each as likely as any other: the file is large. Missing cells, levels and the "
            "ends of ranges are those of all rows; what else is guessed or written comes from these"
        )
        return [Decision("rows", f"{n_sample:,} of {self.n_rows:,}", reason)]


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Rows of texts form no cycles, and to look for some would take most of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_no_garbage_collection()
def row_sample(rows: Iterator[Row], min_count: int = 0) -> RowSample:
    """Draw rows, each as likely as any other, and look at all of them.

    Rows of another length than the first one are always among them, and a row whose last cell is
    not blank: where there is none, every line ends with a delimiter.

    **Parameters:**

    * **min_count**: rows that a person wants of a level.
    """
    if (first := next(rows, None)) is None:
        return RowSample([], 0, [])
    width = len(first[1])
    most_texts = min(_MOST_TEXTS, _MOST_TEXTS_OF_ALL // width)
    memory_size = min(_MEMORY_SIZE, _MOST_TEXTS_OF_ALL // width)
    rows_of_a_level = max(_ROWS_OF_A_LEVEL, min_count)
    columns = [_Column(most_texts, memory_size, rows_of_a_level) for _ in range(width)]
    draw = _Draw(max(1, min(_MOST_ROWS, _MOST_CELLS // width)))
    uneven: list[Row] = []
    last_cell: list[Row] = []
    n_rows = 0
    while block := list(islice(rows, max(_ROWS_OF_A_BLOCK, _CELLS_OF_A_BLOCK // width))):
        n_rows += len(block)
        even = [row for row in block if len(row[1]) == width]
        if len(even) < len(block):
            uneven += [row for row in block if len(row[1]) != width]
            del uneven[_MOST_UNEVEN:]
        last_cell = last_cell or list(islice((row for row in even if stripped(row[1][-1])), 1))
        draw.add(even)
        for column, cells in zip(columns, _transposed(even), strict=False):
            column.add(cells)
    drawn = draw.rows()
    if not any(stripped(row[1][-1]) for row in drawn):
        drawn += last_cell
    columns_drawn = zip(columns, _transposed(drawn), strict=False)
    lacking = [column.lacking(cells) for column, cells in columns_drawn]
    return RowSample([first, *sorted([*drawn, *uneven])], n_rows, lacking)


def _transposed(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """The cells of each column; none without a row."""
    return zip(*(cells for _, cells in rows), strict=True)


class _Draw:
    """Rows that are as likely as any other: those with the smallest of random numbers."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rng = generator(1, Stream.FILE_ROWS)
        self._drawn: list[tuple[float, Row]] = []
        self._limit = 1.0

    def add(self, block: Sequence[Row]) -> None:
        """More rows."""
        numbers = self._rng.random(len(block))
        places = np.flatnonzero(numbers < self._limit).tolist()
        self._drawn += [(float(numbers[place]), block[place]) for place in places]
        if len(self._drawn) > 2 * self._most:
            self._cut()

    def rows(self) -> list[Row]:
        """The rows that are drawn of all so far."""
        self._cut()
        return [row for _, row in self._drawn]

    def _cut(self) -> None:
        self._drawn = heapq.nsmallest(self._most, self._drawn)
        if len(self._drawn) == self._most:
            self._limit = self._drawn[-1][0]


class _Column:
    """What one column holds: its levels with their counts, and the ends of its range."""

    def __init__(self, most_texts: int, memory_size: int, rows_of_a_level: int) -> None:
        self._most_texts = most_texts
        self._memory_size = memory_size
        self._rows_of_a_level = rows_of_a_level
        #: Of all texts; once these are too many, of those that are neither number nor date.
        self._counts: Counter[str] = Counter()
        #: All texts, once each is frequent.
        self._frequent: set[str] = set()
        self._has_range = self._is_free_text = False
        #: Numbers, dates and times that were looked at: to read them again changes nothing.
        self._memory: set[str] = set()
        #: What stands around most of its numbers, such as a unit; a text without it is a word.
        self._affix = NO_AFFIX
        #: The lowest and the highest numbers with their texts, for each way to read these.
        self._ends: dict[str, dict[float, str]] = {}

    def add(self, cells: Sequence[str]) -> None:
        """More cells."""
        if self._is_free_text:
            return
        if self._has_range:
            self._add_to_range(cells)
            return
        if self._frequent.issuperset(cells):  # faster than to count them
            return
        self._counts.update(cells)
        if min(self._counts.values()) >= self._rows_of_a_level:
            self._frequent = set(self._counts)
        if len(self._counts) > self._most_texts:
            self._has_range = True
            affixes = Counter(affix_of([stripped(text)]) for text in self._counts)
            self._affix = affixes.most_common(1)[0][0]
            self._memory.update(self._measures(list(self._counts)))
            for text in self._memory:
                del self._counts[text]
            self._is_free_text = len(self._counts) > self._most_texts

    def _add_to_range(self, cells: Sequence[str]) -> None:
        if self._keep_numbers(cells):
            return
        texts = set(cells)
        for text in texts & self._counts.keys():
            if self._counts[text] < self._rows_of_a_level:
                self._counts[text] += cells.count(text)
        new = texts - self._counts.keys()
        if new <= self._memory:
            return
        words = new.difference(self._measures(list(new)))
        if len(self._memory) < self._memory_size:
            self._memory |= new - words
        self._is_free_text = len(self._counts) + len(words) > self._most_texts
        if not self._is_free_text:
            self._counts.update({text: cells.count(text) for text in words})

    def _measures(self, texts: list[str]) -> list[str]:
        """Those of these texts that are numbers, dates or times; the ends of them are kept."""
        if self._keep_numbers(texts):
            return texts
        moments = [text for text in texts if DATE_LIKE.fullmatch(text) or _TIME.fullmatch(text)]
        others = set(texts).difference(moments)
        numbers = [text for text in texts if text in others and is_number(self._bare(text))]
        self._keep_numbers(numbers)
        self._keep_ends("moments", _moments(moments), moments)
        return [*numbers, *moments]

    def _keep_numbers(self, texts: Sequence[str]) -> bool:
        """Whether all of these are numbers in one of the ways to write them; if so, keep ends."""
        is_one = False
        bare = texts if self._affix == NO_AFFIX else [*map(self._bare, texts)]
        for style in ("", DECIMAL_COMMAS, COMMAS_FOR_THOUSANDS):
            plain = bare
            if style:  # all at once, as each costs a microsecond by itself
                if DATE_LIKE.fullmatch(bare[0]):  # 24.12.1987 has no points for thousands
                    return False
                plain = to_plain("\n".join(bare), style).split("\n")
            try:
                numbers = np.fromiter(map(float, plain), np.float64)
            except ValueError:
                continue
            if len(numbers) == len(texts) and np.isfinite(numbers.sum()):
                self._keep_ends(style, numbers, texts)
                if not style:
                    return True
                is_one = True
        return is_one

    def _bare(self, text: str) -> str:
        """A text without the affix of the column; blank where another one stands there, or none."""
        if self._affix == NO_AFFIX:
            return text
        before, after = self._affix
        text = stripped(text)
        has_affix = text.startswith(before) and text.endswith(after)
        return without_affix(text, self._affix) if has_affix else ""

    def _keep_ends(self, reading: str, numbers: FloatArray, texts: Sequence[str]) -> None:
        """Keep the texts of the lowest and the highest numbers among these and earlier ones."""
        ends = self._ends.setdefault(reading, {})
        is_new = np.ones(len(numbers), dtype=bool)
        if len(ends) == 2 * _ENDS:
            order = sorted(ends)
            is_new = (numbers < order[_ENDS - 1]) | (numbers > order[_ENDS])
        places = np.flatnonzero(is_new)
        first = np.unique(numbers[places], return_index=True)[1]
        for place in places[[*first[:_ENDS], *first[-_ENDS:]]].tolist():
            ends[float(numbers[place])] = texts[place]
        order = sorted(ends)
        for number in order[_ENDS:-_ENDS]:
            del ends[number]

    def lacking(self, cells: Iterable[str]) -> list[str]:
        """Texts of this column that a sample of its cells has not, or not often enough.

        Levels and words for missing values, each as often as it takes to show a group; the ends of
        ranges once.
        """
        if self._is_free_text:
            return []
        own = Counter(map(stripped, cells))
        counts: Counter[str] = Counter()
        for text, count in self._counts.items():
            counts[stripped(text)] += count
        levels = [
            text
            for text, count in counts.items()
            for _ in range(min(count, self._rows_of_a_level) - own[text])
        ]
        ends = {stripped(text) for by_number in self._ends.values() for text in by_number.values()}
        return [*levels, *sorted(ends - own.keys())]


def _moments(texts: Sequence[str]) -> FloatArray:
    """Dates and times as numbers that sort as they do; the year is whole, other parts follow."""
    parts = [[*map(int, _DIGITS.findall(text))] for text in texts]
    ends_in_year = [not (_TIME.fullmatch(text) or text[:4].isdecimal()) for text in texts]
    month_first = any(late and part[1] > 12 for part, late in zip(parts, ends_in_year, strict=True))
    for part, late in zip(parts, ends_in_year, strict=True):
        if late:
            first, second, year = part[:3]
            part[:3] = [_full_year(year), *((first, second) if month_first else (second, first))]
    padded = [(*part[:6], *[0] * (6 - len(part))) for part in parts]
    return np.array(padded, np.float64).reshape(-1, 6) @ 100.0 ** -np.arange(6)


def _full_year(year: int) -> int:
    if year >= 100:
        return year
    return year + 1900 if year >= _PIVOT else year + 2000
