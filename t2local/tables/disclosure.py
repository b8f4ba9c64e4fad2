"""What of a table may leave it: levels, bounds and shares that no few patients stand behind.

The page docs/what-may-leave.md says it in sentences, and `tests/test_disclosure.py` tests each. A
level may leave when enough rows have it, when it is a step of a scale (`is_common`), or when a
person's dictionary names it. The others are pooled: one level stands for all of them.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.tables.feature import Feature

#: Statistical offices and health data centres publish no figure of ten rows or fewer.
MIN_ROWS = 11
#: The level that stands for all levels of too few patients.
POOL = "other"
#: Rows that a level needs. Of a small table 5 patients are a large part: there it is a twentieth of
#: all rows, but never fewer than 3, as of two patients each knows who the other one is.
_ROWS_OF_A_LEVEL, _SHARE_OF_ROWS, _LEAST_ROWS_OF_A_LEVEL = 5, 1 / 20, 3
#: The steps of a scale: 0 to 10 or a Roman numeral, with a letter or a sign after it; one letter or
#: sign; with the name of the scale before it; and those of tumours (pT2a, N0, M1, G3).
_STEP = re.compile(
    r"(?:(?:stage|grade|class|level|type|group|arm|phase|stadium|grad|klasse|typ|gruppe)[ _-]?)?"
    r"(?:(?:10|\d|[ivx]{1,4})[a-d]?|[a-z]|ab)?[+-]{0,3}|[cpy]{0,2}[tnmg][0-4x][a-d]?",
    re.IGNORECASE | re.ASCII,
)
#: A step by its number after a word that all steps of the scale have.
_NUMBERED = re.compile(r"([^\W\d]+[ _-]?)(?:10|[0-9])")
#: What floating point may add to a bound before it is rounded.
_ROUNDING = 1e-9
#: A range is rounded to so many parts of it or more.
_UNITS_OF_A_SPAN = 50
#: Whole numbers up to this are steps of a scale too.
_LAST_STEP = 10
#: Words of closed scales. None of them is about one patient; a rare disease, a place or an employer
#: never stands here.
_COMMON_WORDS = frozenset(
    word
    for words in (
        "yes/no/true/false/none/other/ja/nein",
        "male/female/man/woman/boy/girl/diverse/m\u00e4nnlich/weiblich/divers",
        "left/right/both/bilateral/links/rechts/beidseits",
        "positive/negative/normal/abnormal/present/absent/never/former/current/ever",
        "very low/low/medium/moderate/high/very high/mild/severe/very severe/critical",
        "rarely/sometimes/often/always/poor/fair/good/very good/excellent/small/large",
        "single/married/divorced/widowed/separated/ledig/verheiratet/geschieden/verwitwet",
        "child/adult/young/old/urban/rural/public/private",
        "monday/tuesday/wednesday/thursday/friday/saturday/sunday/mon/tue/wed/thu/fri/sat/sun",
        "january/february/march/april/may/june/july/august/september/october/november/december",
        "jan/feb/mar/apr/jun/jul/aug/sep/oct/nov/dec/spring/summer/autumn/fall/winter",
    )
    for word in words.split("/")
)


def min_count(setting: int | None, n_rows: int) -> int:
    """How many rows a level needs to leave a table of so many rows.

    **Parameters:**

    * **setting**: of a person (``table.min_count``); none: 5, and in a table of fewer than 100 rows
      a twentieth of them, 3 at least.
    """
    if setting is not None:
        return setting
    share = math.ceil(n_rows * _SHARE_OF_ROWS)
    return min(_ROWS_OF_A_LEVEL, max(_LEAST_ROWS_OF_A_LEVEL, share))


def is_common(level: str) -> bool:
    """Whether a text is only a step of a scale, which says who nobody is: IIIa, 4, yes, female."""
    return bool(_STEP.fullmatch(level)) or level.casefold() in _COMMON_WORDS


def rare_levels(counts: Mapping[str, int], least: int) -> list[str]:
    """The levels that may not leave.

    **Parameters:**

    * **counts**: how many rows have each level; **least**: rows that a level needs.
    """
    if _is_scale(counts):
        return []
    return [level for level, count in counts.items() if count < least and not is_common(level)]


def _is_scale(levels: Iterable[str]) -> bool:
    """Whether levels are one word with a number from 0 to 10 after it: CL0, CL1, CL2."""
    steps = [_NUMBERED.fullmatch(level) for level in levels if level.casefold() != POOL]
    return all(steps) and len({step[1] for step in steps if step}) == 1


def pool_of(levels: Iterable[str]) -> str:
    """The level that means "other" among these, as they write it; blank where none does."""
    return next((level for level in levels if level.casefold() == POOL), "")


def pooled(levels: Sequence[str], rare: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """The levels that may leave, in their order, then the pool; and the pool, blank without one."""
    hidden = set(rare)
    pool = pool_of(levels) or (POOL if hidden else "")
    kept = tuple(level for level in levels if level not in hidden and level != pool)
    return (*kept, pool) if pool else kept, pool


def is_small(n_with: int, n_rows: int) -> bool:
    """Whether a share is of too few rows, or leaves too few others; one of none says nothing."""
    return 0 < min(n_with, n_rows - n_with) < MIN_ROWS


def hidden_shares(labels: pd.Series) -> dict[str, str]:
    """The levels among labels whose share may not be said, each with what is said in its place.

    Where only their number together would still be small, and so follow from the other shares, the
    rarest of these is not shown either.
    """
    counts = _counts(labels)
    if len(counts) < 2:  # all rows have it, and who knows their number knows this
        return {}
    words = {level: f"under {MIN_ROWS}" for level, count in counts.items() if count < MIN_ROWS}
    others = [level for level in counts if level not in words]
    if others and 0 < sum(counts[level] for level in words) < MIN_ROWS:
        words[min(others, key=counts.__getitem__)] = "not shown"
    return words


def open_shares(labels: pd.Series) -> dict[str, float | str]:
    """The share of each level among labels, or what is said in its place."""
    counts, words = _counts(labels), hidden_shares(labels)
    n_rows = sum(counts.values())
    return {level: words.get(level, count / n_rows) for level, count in counts.items()}


def _counts(labels: pd.Series) -> dict[str, int]:
    return {str(level): int(count) for level, count in labels.value_counts().items() if count}


def notices(
    features: Iterable[Feature],
    target: str | None,
    cells: Mapping[str, pd.Series] | pd.DataFrame,
    least: int,
) -> Iterator[str]:
    """What a person should know of rare levels: columns and numbers, and no level.

    **Parameters:**

    * **features**: of a dictionary, guessed or a person's; **cells**: of the real rows, as text,
      by column.
    * **least**: rows that a level needs.
    """
    hidden, shown = {}, {}
    for feature in features:
        if feature.numeric or feature.name == target:
            continue
        counts = Counter(map(str, cells[feature.name].dropna()))
        shown[feature.name] = len(set(rare_levels(counts, least)).intersection(feature.levels))
        if feature.pool:
            texts = pd.Series(list(counts), dtype=object)
            levels = feature.values(texts)
            hidden[feature.name] = int(((levels != texts) & (levels == feature.pool)).sum())
    if any(hidden.values()):
        yield (
            f"levels of few rows are written as the pool of their column: {_listed(hidden)}; name "
            "those that may leave under enum in a dictionary: "
            "python -m t2local describe data.csv -o dictionary.yaml"
        )
    if any(shown.values()):
        yield (
            f"the dictionary names levels of fewer than {least} rows: {_listed(shown)}; if they "
            f"point at patients, take them out of enum and add {POOL} there, and as pool"
        )


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({number})" for name, number in numbers.items() if number)


def outward_range(
    values: FloatArray, margin: float, decimals: int, least: int
) -> tuple[float, float]:
    """Bounds beyond the data by a margin on each side, of which none is a patient's own value.

    They are rounded outwards to a fiftieth of the span or less, or to one step. A bound that enough
    rows have, or that is a whole number from -10 to 10, may be the data's; it also keeps the sign
    of the data: an age is never negative.

    **Parameters:**

    * **values**: shape (n,); **margin**: 0 or more; **decimals**: of the grid.
    * **least**: rows that a value needs.
    """
    low, high = float(values.min()), float(values.max())
    unit = max(rounding_unit(high - low), 10.0**-decimals)
    upper = _beyond(values, high, margin, unit, least)
    lower = -_beyond(-values, -low, margin, unit, least)
    if low >= 0:
        lower = max(lower, 0.0)
    if high <= 0:
        upper = min(upper, 0.0)
    return round(lower, decimals) + 0.0, round(upper, decimals) + 0.0  # no -0.0


def rounding_unit(span: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is at most a fiftieth of a span."""
    if not span > 0:
        return 0.0
    largest = span / _UNITS_OF_A_SPAN * (1 + _ROUNDING)
    power = 10.0 ** math.floor(math.log10(largest))
    return max([power, *(step * power for step in (2, 5) if step * power <= largest)])


def is_open(values: FloatArray, value: float, least: int) -> bool:
    """Whether a number of the data may leave as it is: a step of a scale, or one of enough rows."""
    is_step = float(value).is_integer() and abs(value) <= _LAST_STEP
    return is_step or int((values == value).sum()) >= least


def _beyond(values: FloatArray, edge: float, margin: float, unit: float, least: int) -> float:
    """The bound above the highest value."""
    if not margin and is_open(values, edge, least):
        return edge
    bound = math.ceil((edge + margin) / unit - _ROUNDING) * unit
    return bound if bound > edge + _ROUNDING * unit else bound + unit
