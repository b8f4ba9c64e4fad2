"""From a table to its feature dictionary, with the reason for every guess.

The rules are plain and run in order: the first that fits decides. No cell value enters a reason.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd

from t2local.errors import InputError
from t2local.settings import TableSettings
from t2local.tables.calendar import date_format, duration_format, is_day, to_numbers, whole_days
from t2local.tables.dictionary import MOST_DECIMALS, Feature, FeatureDictionary, LeftOut, Relation

_INTEGER = re.compile(r"[+-]?\d{1,15}")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_LEADING_ZERO = re.compile(r"[+-]?0\d")
_DATE_LIKE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?"
)
_ID_NAME = re.compile(
    r"(^|[ _.-])(id|uuid|guid|mrn|key|index|no|nr|number)$|(?<=[a-z])(Id|ID|Key|No)$", re.IGNORECASE
)
_BOOLEANS = ({"0", "1"}, {"yes", "no"}, {"true", "false"}, {"y", "n"}, {"t", "f"})
#: Names that mean "what is to be predicted" in the tables that people bring.
_TARGET_NAMES = (
    "y", "label", "labels", "target", "class", "outcome", "response", "diagnosis", "survived", "survival",
    "died", "death", "death_event", "mortality", "readmitted", "event",
)  # fmt: skip
#: Numbers that stand for "missing", where they lie far from all others.
_SENTINELS = (
    -9,
    *(sign * int(digit * times) for digit in "987" for times in (2, 3, 4, 5) for sign in (-1, 1)),
)
#: Words and signs that stand for "missing" in a column of numbers or dates.
_ABSENT = frozenset(
    {
        "-",
        "--",
        ".",
        "nd",
        "n.d.",
        "not done",
        "not known",
        "not recorded",
        "not measured",
        "refused",
        "pending",
    }
)
#: Rows in which both of two dates stand, at least, before their order is taken for a rule.
_FEWEST_DATES = 5
#: At most this many different whole numbers that repeat are codes or small counts; in a target they are classes.
_MOST_CODES = 10
#: Below this many rows a text column counts as a category as soon as one value repeats.
_FEW_ROWS = 20


#: Eight digits that are a day of the years 1900 to 2099.
_COMPACT_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
#: A range: 10-14, <18, 65+, 80 and more.
_BIN = re.compile(
    r"(<=?|≤|>=?|≥|under |over )?\s*(\d+(?:\.\d+)?)(?:\s*(?:-|–|to)\s*\d+(?:\.\d+)?)?\s*(\+|and more|or more)?",
    re.IGNORECASE,
)
_ORDERS = (
    ("very low", "low", "medium", "moderate", "high", "very high"),
    ("none", "mild", "moderate", "severe", "very severe", "critical"),
    ("never", "rarely", "sometimes", "often", "always"),
    ("poor", "fair", "good", "very good", "excellent"),
    ("i", "ii", "iii", "iv", "v"),
    ("0", "1+", "2+", "3+", "4+"),
)


@dataclass(frozen=True)
class _Column:
    name: str
    cells: pd.Series  # the present cells, as text
    rows: int
    is_target: bool
    settings: TableSettings
    absent: tuple[str, ...] = ()  # texts that mean "missing" in this column

    @property
    def distinct(self) -> int:
        return int(self.cells.nunique())

    @property
    def missing(self) -> bool:
        return len(self.cells) < self.rows

    @property
    def few(self) -> bool:
        """Whether so few values come back so often that they are codes or small counts."""
        return self.distinct == 2 or (
            self.distinct <= _MOST_CODES and 2 * self.distinct <= len(self.cells)
        )

    def all_match(self, pattern: re.Pattern[str]) -> bool:
        return bool(self.cells.str.fullmatch(pattern).all())

    def with_levels(self, kind: str, reason: str, levels: tuple[str, ...] = ()) -> Feature:
        ordered = levels or tuple(
            sorted(
                set(self.cells),
                key=lambda text: (
                    (0, float(text), text) if _DECIMAL.fullmatch(text) else (1, 0.0, text)
                ),
            )
        )
        return self.feature({"type": kind, "levels": ordered}, reason)

    def feature(self, fields: dict[str, object], reason: str) -> Feature:
        if self.absent:
            reason += f"; {' and '.join(map(repr, self.absent))} mean{'s' * (len(self.absent) == 1)} missing"
        return Feature.model_validate(
            {
                "name": self.name,
                **fields,
                "missing": self.missing,
                "missing_values": self.absent,
                "reason": reason,
            }
        )

    def with_range(self, decimals: int, reason: str) -> Feature:
        codes = not decimals and self.few
        low, high = _widened(
            self.cells.astype(float).to_numpy(), decimals, 0.0 if codes else self.settings.widen
        )
        reason += (
            "; so few that the range is not widened"
            if codes
            else "; the range is the data's, widened"
        )
        return self.feature(
            {
                "type": "decimal" if decimals else "integer",
                "minimum": low,
                "maximum": high,
                "decimals": decimals,
            },
            reason,
        )


def describe(
    cells: pd.DataFrame,
    *,
    target: str | None = None,
    settings: TableSettings | None = None,
    source: str = "the table",
) -> FeatureDictionary:
    """The feature dictionary of a table.

    **Parameters:**

    * **cells**: frame of text, None for missing (`files.read_table`).
    * **target**: the column to predict; else one named like a label, else the last one that can be generated.
    * **source**: how errors name the table.

    **Raises** `InputError` for a target that is not there or cannot be one, and for fewer than two usable columns.
    """
    settings = settings or TableSettings()
    if target is not None and target not in cells.columns:
        raise InputError(
            f"{source} has no column {target!r}.",
            faults=[f"its columns: {', '.join(cells.columns)}"],
            next_step="pass one of these with --target",
        )
    named = target or next(
        (
            name
            for wanted in _TARGET_NAMES
            for name in cells.columns
            if name.strip().casefold() == wanted
        ),
        None,
    )
    guesses = {
        name: _guess(cells[name], is_target=name == named, settings=settings)
        for name in cells.columns
    }
    if named is None or (target is None and isinstance(guesses[named], LeftOut)):
        usable = [name for name, guess in guesses.items() if isinstance(guess, Feature)]
        chosen, why = (
            (usable[-1] if usable else cells.columns[-1]),
            "the last column; name another with --target",
        )
        guesses[chosen] = _guess(cells[chosen], is_target=True, settings=settings)
    else:
        chosen, why = (
            named,
            "asked for" if target else "named like a label; name another with --target",
        )
    if isinstance(guess := guesses[chosen], LeftOut):
        raise InputError(
            f"{source}: column {chosen!r} cannot be the target.",
            faults=[guess.reason],
            next_step="pass another column with --target",
        )
    features = tuple(guess for guess in guesses.values() if isinstance(guess, Feature))
    left_out = tuple(guess for guess in guesses.values() if isinstance(guess, LeftOut))
    if len(features) < 2:
        raise InputError(
            f"{source} has too few columns that can be generated: a target and at least one more are needed.",
            faults=[f"{column.name}: {column.reason}" for column in left_out],
            next_step="add columns of numbers or categories",
        )
    rules = tuple(_orders(features, cells))
    return FeatureDictionary(
        target=chosen, target_reason=why, features=features, left_out=left_out, rules=rules
    )


def _orders(features: Sequence[Feature], cells: pd.DataFrame) -> Iterable[Relation]:
    """The order of dates that follow each other in every real row, as rules."""
    for kind in ("date", "datetime"):
        dates = {
            f.name: f.values(cells[f.name])
            for f in features
            if f.type == kind and "`" not in f.name
        }
        held = {
            (one, other)
            for one, other in permutations(dates, 2)
            if _never_after(dates[one], dates[other])
        }
        for one, other in sorted(
            held, key=lambda pair: (list(dates).index(pair[0]), list(dates).index(pair[1]))
        ):
            if (other, one) not in held and not any(
                (one, between) in held and (between, other) in held for between in dates
            ):
                yield Relation(
                    rule=f"`{one}` <= `{other}`",
                    reason=f"{one} is never after {other} in the real rows; a guess",
                )


def _never_after(one: pd.Series, other: pd.Series) -> bool:
    both = one.notna() & other.notna()
    return bool(both.sum() >= _FEWEST_DATES and (one[both] <= other[both]).all())


def _guess(column: pd.Series, *, is_target: bool, settings: TableSettings) -> Feature | LeftOut:
    present = column.dropna().astype(str)
    absent = _absent(present)
    facts = _Column(
        str(column.name), present[~present.isin(absent)], len(column), is_target, settings, absent
    )
    for rule in _RULES:
        if guess := rule(facts):
            return guess
    return LeftOut(
        name=facts.name,
        reason=f"free text: {facts.distinct} different values in {len(facts.cells)} cells",
    )


def _absent(present: pd.Series) -> tuple[str, ...]:
    """Texts of a column of numbers or dates that mean "missing": numbers such as -999 far from all others, and words."""
    counts = present.value_counts()
    numeric = counts[counts.index.str.fullmatch(_DECIMAL)]
    words = [str(text) for text in counts.index if text.casefold() in _ABSENT]
    others = counts.drop(words)
    if (
        words
        and len(others) >= 3
        and (len(numeric) == len(others) or others.index.str.fullmatch(_DATE_LIKE).all())
    ):
        return tuple(words)
    if len(numeric) < len(counts) or len(counts) < 4:
        return ()
    values = pd.Series(numeric.index.astype(float), index=numeric.index)
    odd = values[values.isin(_SENTINELS)]
    rest = values.drop(odd.index)
    if len(rest) < 3:
        return ()
    below = odd[(odd < 0) & (rest.min() >= 0)] if rest.min() >= 0 else odd[odd < 3 * rest.min()]
    above = odd[(odd > 3 * max(rest.max(), 1.0)) & (numeric[odd.index] > 1)]
    return tuple(map(str, [*below.index, *above.index]))


def _blank(column: _Column) -> LeftOut | None:
    return LeftOut(name=column.name, reason="every cell is blank") if column.cells.empty else None


def _constant(column: _Column) -> Feature | None:
    return (
        column.with_levels("category", "every cell has the same value")
        if column.distinct == 1
        else None
    )


def _boolean(column: _Column) -> Feature | None:
    folded = {cell.casefold() for cell in column.cells.unique()}
    return (
        column.with_levels("boolean", "two values that mean yes and no")
        if folded in _BOOLEANS and column.distinct == 2
        else None
    )


def _identifier(column: _Column) -> LeftOut | None:
    if column.is_target or column.missing or column.distinct < column.rows or column.rows < 3:
        return None
    if column.all_match(_INTEGER):
        numbers = column.cells.astype(int).to_numpy()
        if (np.diff(numbers) == 1).all():
            return LeftOut(
                name=column.name, reason="an identifier: it counts the rows", make="identifier"
            )
    elif column.all_match(_DECIMAL):
        return None
    by_name = LeftOut(
        name=column.name,
        reason="an identifier: by its name, and no value repeats",
        make="identifier",
    )
    return by_name if _ID_NAME.search(column.name) else None


def _codes(column: _Column) -> Feature | None:
    """Numbers that are names: codes with leading zeros, and the class codes of a target."""
    if column.all_match(_INTEGER) and column.cells.str.match(_LEADING_ZERO).any():
        return _category(column, "codes with leading zeros")
    if column.is_target and column.few and column.all_match(_INTEGER):
        return column.with_levels(
            "category", f"the target, with {column.distinct} different whole numbers: classes"
        )
    return None


def _number(column: _Column) -> Feature | None:
    if column.all_match(_INTEGER):
        return column.with_range(0, f"whole numbers, {column.distinct} different ones")
    if column.all_match(_DECIMAL):
        decimals = min(int(column.cells.map(_decimals).max()), MOST_DECIMALS)
        return column.with_range(
            decimals,
            f"numbers with up to {decimals} decimals"
            if decimals
            else "whole numbers, some written with a point",
        )
    return None


def _date(column: _Column) -> Feature | LeftOut | None:
    if not column.all_match(_DATE_LIKE) and not column.all_match(_COMPACT_DATE):
        return None
    found = date_format(column.cells.tolist())
    if found is None:
        return (
            LeftOut(name=column.name, reason="dates that are not all written in one way")
            if column.all_match(_DATE_LIKE)
            else None
        )
    form, why = found
    numbers = to_numbers(column.cells, form).to_numpy(dtype=np.float64)
    low, high = _widened(numbers, 0, column.settings.widen)
    if not is_day(form):
        low, high = whole_days(low, high, form)
    kind = "date" if is_day(form) else "datetime"
    return column.feature(
        {"type": kind, "format": form, "minimum": low, "maximum": high},
        f"dates, {why}; the range is the data's, widened",
    )


def _duration(column: _Column) -> Feature | None:
    form = duration_format(column.cells.tolist())
    if form is None:
        return None
    low, high = _widened(
        to_numbers(column.cells, form).to_numpy(dtype=np.float64), 0, column.settings.widen
    )
    return column.feature(
        {"type": "duration", "format": form, "minimum": low, "maximum": high},
        f"times or durations, written {form}",
    )


def _ordinal(column: _Column) -> Feature | None:
    """Levels that have an order which a person knows: low, medium, high; 10-14, 15-19."""
    folded = {cell.casefold(): cell for cell in column.cells.unique()}
    if not 2 < len(
        folded
    ) == column.distinct <= column.settings.max_levels or 2 * column.distinct > len(column.cells):
        return None
    for order in _ORDERS:
        if set(folded) <= set(order):
            return column.with_levels(
                "ordinal",
                "levels with a known order",
                tuple(folded[level] for level in order if level in folded),
            )
    bins = {cell: _BIN.fullmatch(cell) for cell in folded.values()}
    if all(bins.values()) and any("-" in cell[1:] or "–" in cell for cell in bins):
        starts = {
            cell: float(match[2])
            + (
                -0.5
                if (match[1] or "").strip() in ("<", "≤", "<=", "under")
                else 0.5
                if match[1] or match[3]
                else 0.0
            )
            for cell, match in bins.items()
            if match
        }
        return column.with_levels(
            "ordinal",
            "ranges, in their order",
            tuple(sorted(starts, key=lambda cell: starts[cell])),
        )
    return None


def _category(column: _Column, reason: str = "") -> Feature | None:
    repeats = (
        column.distinct < len(column.cells)
        if column.rows < _FEW_ROWS
        else 2 * column.distinct <= len(column.cells)
    )
    if repeats and column.distinct <= column.settings.max_levels:
        return column.with_levels(
            "category", reason or f"text with {column.distinct} different values that repeat"
        )
    return None


_RULES: tuple[Callable[[_Column], Feature | LeftOut | None], ...] = (
    _blank,
    _constant,
    _boolean,
    _identifier,
    _codes,
    _date,
    _number,
    _duration,
    _ordinal,
    _category,
)


def _decimals(text: str) -> int:
    mantissa, _, exponent = text.lower().partition("e")
    written = len(mantissa.partition(".")[2].rstrip("0"))
    return max(0, written - int(exponent or 0))


def _widened(values: np.ndarray, decimals: int, widen: float) -> tuple[float, float]:
    """The data's range, wider by ``widen`` interquartile ranges, on the grid of its decimals, with the sign of the data."""
    low, high = values.min(), values.max()
    quarter, three_quarters = np.quantile(values, [0.25, 0.75])
    margin, grid = widen * (three_quarters - quarter), 10.0**decimals
    lower = np.floor((low - margin) * grid + 1e-9) / grid
    upper = np.ceil((high + margin) * grid - 1e-9) / grid
    return (max(lower, 0.0) if low >= 0 else lower), (min(upper, 0.0) if high <= 0 else upper)
