"""What one column is, by its cells alone, with the reason for the guess.

The rules are plain and run in order: the first that fits decides. No cell value enters a reason.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from t2local.settings import TableSettings
from t2local.stats.arrays import FloatArray, IntArray
from t2local.tables import disclosure
from t2local.tables.calendar import DATE_LIKE
from t2local.tables.column_types import TEXT_TYPES, YES_AND_NO
from t2local.tables.dictionary import LeftOut
from t2local.tables.feature import MOST_DECIMALS, Feature
from t2local.tables.missing_texts import DECIMAL, missing_texts
from t2local.tables.ordered_levels import known_order, order_of_ranges
from t2local.tables.personal import personal_kind
from t2local.tables.zeros import with_doubt

#: Fifteen digits are exact in a double; pandas reads no digits of other scripts.
_INTEGER = re.compile(r"[+-]?\d{1,15}", re.ASCII)
_MANY_DIGITS = re.compile(r"\d{16,}", re.ASCII)
_LEADING_ZERO = re.compile(r"[+-]?0\d", re.ASCII)
_ID_NAME = re.compile(
    r"(^|[ _.-])(id|uuid|guid|mrn|key|index|no|nr|number)$|(?<=[a-z])(Id|ID|Key|No)$", re.IGNORECASE
)
#: At most this many different whole numbers that repeat are codes or small counts; in a target they
#: are classes.
_MAX_CODES = 10
#: Below this many rows a text column counts as a category as soon as one value repeats.
_FEW_ROWS = 20
#: Codes with leading zeros may have this many times as many levels as other texts: ICD, ZIP, ward.
_MORE_LEVELS = 4
#: At most so many whole numbers with gaps are codes or doses; more are a quantity on a grid.
_FEW_CODES = 4
#: An identifier that is not complete: at least this share of its values is different.
_LEAST_UNIQUE = 0.8
#: A level of fewer rows may be one person who came twice.
_ROWS_OF_A_GROUP = 3
#: A bound is rounded by a fiftieth of the span or one step; the span is at most twice the largest.
_ROUNDED = 1.2


@dataclass(frozen=True)
class _Column:
    """The present cells of a column as text, and what the rules ask of them."""

    name: str
    cells: list[str]
    #: The rows in which they stand, -1 where these are not known.
    places: IntArray
    #: The different ones, in the order in which they come, and how often each does.
    counts: Mapping[str, int]
    n_rows: int
    is_target: bool
    settings: TableSettings
    #: Texts that mean "missing" in this column.
    missing_values: tuple[str, ...] = ()

    @property
    def n_levels(self) -> int:
        """How many different values there are."""
        return len(self.counts)

    @cached_property
    def numbers(self) -> FloatArray:
        """The cells as numbers, where all of them are, shape (n,)."""
        return np.array(self.cells, dtype=object).astype(np.float64)

    @property
    def missing(self) -> bool:
        return len(self.cells) < self.n_rows

    @property
    def repeats(self) -> bool:
        """Whether each value stands there twice on average."""
        return 2 * self.n_levels <= len(self.cells)

    @property
    def looks_like_codes(self) -> bool:
        """Whether so few values come back so often that they are codes or small counts."""
        return self.n_levels == 2 or (self.n_levels <= _MAX_CODES and self.repeats)

    @property
    def min_count(self) -> int:
        """Rows that a level or a bound needs; a target keeps all its classes."""
        return disclosure.min_count(self.settings.min_count, self.n_rows)

    @cached_property
    def rare(self) -> list[str]:
        """The levels of too few rows; a target's are all kept: a person chose them."""
        return [] if self.is_target else disclosure.rare_levels(self.counts, self.min_count)

    @property
    def counts_on(self) -> bool:
        """Whether these whole numbers grow by one from row to row."""
        is_known = self.places >= 0
        numbers = np.array(self.cells, dtype=object)[is_known].astype(np.int64)
        return bool((np.diff(numbers) == np.diff(self.places[is_known])).all())

    @cached_property
    def most_decimals(self) -> int:
        """Decimals with which the widened range is exact in a double; below 0 for none."""
        largest = float(np.abs(self.numbers).max())
        # The quartiles are no further apart than twice the largest number.
        widened = largest * (_ROUNDED + 2 * self.settings.widen)
        if not widened < 2**53:
            return -1
        return min(MOST_DECIMALS, int(np.log10(2**53 / max(widened, 1.0))))

    def all_match(self, pattern: re.Pattern[str]) -> bool:
        return all(map(pattern.fullmatch, self.counts))

    def with_levels(self, kind: str, reason: str, levels: Sequence[str] = ()) -> Feature | LeftOut:
        """This column as one of levels, the rare ones pooled but for steps in a known order.

        Without an order of their own numbers come first. Of rare ones alone it is left out.
        """
        levels = levels or sorted(self.counts, key=_numbers_first)
        rare = [] if kind == "ordinal" else self.rare
        if len(rare) == len(levels):
            return self.left_out(f"{reason}, none in {self.min_count} rows: they may be persons")
        levels, pool = disclosure.pooled(levels, rare)
        if rare:
            reason += f"; {pool!r} stands for those of fewer than {self.min_count} rows"
        return self.feature(reason, type=kind, levels=levels, pool=pool)

    def with_range(self, decimals: int, reason: str) -> Feature:
        """This column as one of numbers."""
        widen = self.settings.widen
        if not decimals and self.looks_like_codes:
            widen = 0.0
            reason += "; so few that the range is not widened"
        else:
            reason += "; the range is the data's, widened"
        low, high = self.range(self.numbers, decimals, widen)
        kind = "decimal" if decimals else "integer"
        bounds = {"minimum": low, "maximum": high, "decimals": decimals}
        return with_doubt(self.feature(reason, type=kind, **bounds), self.numbers)

    def range(self, numbers: FloatArray, decimals: int, widen: float) -> tuple[float, float]:
        """The numbers' range, wider by ``widen`` interquartile ranges on each side and rounded."""
        margin = widen * float(np.subtract(*np.quantile(numbers, [0.75, 0.25])))
        return disclosure.outward_range(numbers, margin, decimals, self.min_count)

    def feature(self, reason: str, **fields: object) -> Feature:
        if self.missing_values:
            verb = "means" if len(self.missing_values) == 1 else "mean"
            reason += f"; {' and '.join(map(repr, self.missing_values))} {verb} missing"
        common = {
            "name": self.name,
            "missing": self.missing,
            "missing_values": self.missing_values,
            "reason": reason,
        }
        return Feature.model_validate({**common, **fields})

    def left_out(self, reason: str, **fields: object) -> LeftOut:
        return LeftOut.model_validate({"name": self.name, "reason": reason, **fields})


_Guess = Feature | LeftOut | None


def guess_column(
    column: pd.Series, *, is_target: bool, settings: TableSettings
) -> Feature | LeftOut:
    """What a column is: a feature, or left out; each with its reason.

    **Parameters:**

    * **column**: cells of text, None for missing, with the places of their rows (-1: not known);
      its name is the column's.
    * **is_target**: the whole numbers of a target are classes where few of them repeat.
    """
    # Plain lists: most columns are short, and each step of pandas takes a tenth of a millisecond.
    present = np.flatnonzero(column.notna())
    cells = list(map(str, column.to_numpy()[present]))
    counts = Counter(cells)
    if missing_values := missing_texts(counts):
        present = present[[cell not in missing_values for cell in cells]]
        cells = [cell for cell in cells if cell not in missing_values]
        counts = Counter(cells)
    facts = _Column(
        name=str(column.name),
        cells=cells,
        places=column.index.to_numpy()[present],
        counts=counts,
        n_rows=len(column),
        is_target=is_target,
        settings=settings,
        missing_values=missing_values,
    )
    for rule in _RULES:
        if guess := rule(facts):
            return guess
    if 2 * sum(n for text, n in counts.items() if DECIMAL.fullmatch(text)) > len(cells):
        return facts.left_out(
            "mostly numbers, but some cells are texts, such as those of a total row or below a "
            "limit: make them numbers or blanks"
        )
    return facts.left_out(f"free text: {facts.n_levels} different values in {len(cells)} cells")


def _blank(column: _Column) -> _Guess:
    if column.cells:
        return None
    return column.left_out("every cell is blank")


def _constant(column: _Column) -> _Guess:
    if column.n_levels > 1:
        return None
    return column.with_levels("category", "every cell has the same value")


def _boolean(column: _Column) -> _Guess:
    texts = set(map(str.casefold, column.counts))
    if column.n_levels != 2 or texts not in map(set, YES_AND_NO):
        return None
    return column.with_levels("boolean", "two values that mean yes and no")


def _identifier(column: _Column) -> _Guess:
    if column.is_target:
        return None
    is_complete = not column.missing and column.n_levels == column.n_rows >= 3
    is_whole = column.all_match(_INTEGER)
    if is_complete and is_whole and column.counts_on:
        return column.left_out("an identifier: it counts the rows", make="identifier")
    if is_complete and column.all_match(_MANY_DIGITS):
        return column.left_out(
            "an identifier: many digits, and no value repeats", make="identifier"
        )
    if (column.all_match(DECIMAL) and not is_whole) or not _ID_NAME.search(column.name):
        return None
    # Who came twice, or has no number, is a person still: nothing to draw numbers from.
    if is_complete or (
        column.n_rows >= _FEW_ROWS and column.n_levels >= _LEAST_UNIQUE * len(column.cells)
    ):
        few = "no value repeats" if is_complete else "few values repeat"
        return column.left_out(f"an identifier: by its name, and {few}", make="identifier")
    return None


def _personal(column: _Column) -> _Guess:
    """Texts that point at a person: they never become levels unless a person says so."""
    if column.is_target:
        return None
    kind = personal_kind(column.name, column.counts)
    return column.left_out(f"{kind}, by their form or the column's name") if kind else None


def _codes(column: _Column) -> _Guess:
    """Numbers that are names: codes with leading zeros, and the class codes of a target."""
    codes = [text for text in column.counts if text.casefold() != disclosure.POOL]
    if not all(map(_INTEGER.fullmatch, codes)):
        return None
    if any(map(_LEADING_ZERO.match, codes)):
        # As numbers they would lose their zeros, and most of the numbers between them are no codes.
        if column.repeats and column.n_levels <= _MORE_LEVELS * column.settings.max_levels:
            return column.with_levels("category", "codes with leading zeros")
        n_cells = len(column.cells)
        return _category(column, "codes with leading zeros") or column.left_out(
            f"codes with leading zeros: {column.n_levels} different ones in {n_cells} cells"
        )
    if column.is_target and column.looks_like_codes:
        return column.with_levels(
            "category", f"the target, with {column.n_levels} different whole numbers: classes"
        )
    return None


def _codes_with_gaps(column: _Column) -> _Guess:
    """Few whole numbers that repeat, with others between them: 1 and 9; 3, 6 and 7; 10, 20, 40.

    Counts (0, 1, 2, 5) have gaps too, by chance, but begin with 0 and 1, or with 1 and 2.
    """
    if not column.all_match(_INTEGER) or not (column.looks_like_codes and column.repeats):
        return None
    numbers = sorted(set(map(int, column.counts)))
    is_count = numbers[0] in (0, 1) and numbers[1] == numbers[0] + 1
    has_gap = numbers[-1] - numbers[0] >= len(numbers)
    if is_count or not has_gap or len(numbers) > _FEW_CODES or column.rare:
        return None
    texts = sorted(column.counts, key=int)
    if len(texts) > len(numbers):  # one number is written in two ways
        return None
    reason = f"{len(numbers)} different whole numbers that repeat, with none of those between them"
    return column.with_levels("ordinal" if len(texts) > 2 else "category", reason, texts)


def _text_type(column: _Column) -> _Guess:
    """Dates, durations and other types that are numbers inside and text outside."""
    for kind, text_type in TEXT_TYPES.items():
        if (recognition := text_type.recognize(column.cells)) is None:
            continue
        form, reason = recognition
        cells = pd.Series(column.cells, dtype=object)
        numbers = text_type.to_numbers(cells, form).to_numpy(dtype=np.float64)
        low, high = column.range(numbers, 0, column.settings.widen)
        low, high = text_type.round_range(low, high, form)
        return column.feature(reason, type=kind, format=form, minimum=low, maximum=high)
    return None


def _mixed_dates(column: _Column) -> _Guess:
    if not column.all_match(DATE_LIKE):
        return None
    return column.left_out("dates that are not all written in one way")


def _number(column: _Column) -> _Guess:
    if not column.all_match(DECIMAL) or column.most_decimals < 0:
        return None  # or codes of so many digits that no number tells them apart
    if column.all_match(_INTEGER):
        return column.with_range(0, f"whole numbers, {column.n_levels} different ones")
    decimals = min(max(map(_decimals, column.counts)), column.most_decimals)
    if not decimals:
        return column.with_range(0, "whole numbers, some written with a point")
    return column.with_range(decimals, f"numbers with up to {decimals} decimals")


def _ordinal(column: _Column) -> _Guess:
    """Levels that have an order which a person knows: low, medium, high; 10-14, 15-19."""
    if not (2 < column.n_levels <= column.settings.max_levels and column.repeats):
        return None
    levels = list(column.counts)
    if order := known_order(levels):
        return column.with_levels("ordinal", "levels with a known order", order)
    if order := order_of_ranges(levels):
        return column.with_levels("ordinal", "ranges, in their order", order)
    return None


def _category(column: _Column, reason: str = "") -> _Guess:
    repeats = column.repeats
    if column.n_rows < _FEW_ROWS:
        repeats = column.n_levels < len(column.cells)
    if not repeats or column.n_levels > column.settings.max_levels:
        return None
    in_groups = sum(n for n in column.counts.values() if n >= _ROWS_OF_A_GROUP)
    if column.n_rows >= _FEW_ROWS and not column.is_target and 2 * in_groups < len(column.cells):
        return column.left_out(
            f"{column.n_levels} different texts, most of one or two rows each: they may be persons"
        )
    reason = reason or f"text with {column.n_levels} different values that repeat"
    return column.with_levels("category", reason)


#: In this order: a code is a whole number too, and 20210304 a date and a number.
_RULES: tuple[Callable[[_Column], _Guess], ...] = (
    _blank,
    _constant,
    _boolean,
    _personal,
    _identifier,
    _codes,
    _codes_with_gaps,
    _text_type,
    _mixed_dates,
    _number,
    _ordinal,
    _category,
)


def _numbers_first(level: str) -> tuple[int, float, str]:
    if DECIMAL.fullmatch(level):
        return 0, float(level), level
    return 1, 0.0, level


def _decimals(text: str) -> int:
    """How many decimals a number needs, whatever its exponent: 1.50e-3 needs four."""
    mantissa, _, exponent = text.lower().partition("e")
    n_written = len(mantissa.partition(".")[2].rstrip("0"))
    return max(0, n_written - int(exponent or 0))
