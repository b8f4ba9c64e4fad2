"""Texts of a column of numbers or dates that mean "missing": words, and numbers such as -999."""

import re
from collections import Counter

import pandas as pd

from t2local.tables.calendar import DATE_LIKE

DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
#: Numbers that stand for "missing" where they lie far from all others: -9, and 77, 888, -9999 ...
_SENTINELS = (
    -9,
    *(sign * int(digit * times) for digit in "987" for times in (2, 3, 4, 5) for sign in (-1, 1)),
)
#: Words and signs that stand for "missing" in a column of numbers or dates.
_MISSING_WORDS = frozenset(
    {
        "-", "--", ".", "nd", "n.d.", "not done", "not known", "not recorded", "not measured",
        "refused", "pending",
    }
)  # fmt: skip
#: Fewer different values than this show no range that a number could lie far from.
_MIN_OTHER_VALUES = 3
#: A sentinel lies this many times as far out as the furthest other value.
_FAR = 3


def missing_texts(cells: pd.Series) -> tuple[str, ...]:
    """Texts of a column of numbers or dates that mean "missing".

    These are numbers such as -999 far from all others, and words.
    """
    counts = dict(Counter(cells).most_common())
    words = [text for text in counts if text.casefold() in _MISSING_WORDS]
    others = [text for text in counts if text not in words]
    if words and len(others) >= _MIN_OTHER_VALUES:
        for shape in (DECIMAL, DATE_LIKE):
            if all(map(shape.fullmatch, others)):
                return tuple(words)
    if not all(map(DECIMAL.fullmatch, counts)):
        return ()
    # Most columns have none, and to build a frame of counts takes longer than to look.
    if not any(float(text) in _SENTINELS for text in counts):
        return ()
    return _sentinels(pd.Series(counts))


def _sentinels(counts: pd.Series) -> tuple[str, ...]:
    """Numbers that mean "missing" among those with these counts, by text."""
    values = pd.Series(counts.index.astype(float), index=counts.index)
    candidates = values[values.isin(_SENTINELS)]
    others = values.drop(candidates.index)
    if len(others) < _MIN_OTHER_VALUES:
        return ()
    negative_limit = min(0.0, _FAR * others.min())
    positive_limit = _FAR * max(others.max(), 1.0)
    below = candidates[candidates < negative_limit]
    # A single 99 may be somebody's age; the code of a missing value comes back.
    above = candidates[(candidates > positive_limit) & (counts[candidates.index] > 1)]
    return tuple(map(str, [*below.index, *above.index]))
