"""Texts of a column of numbers or dates that mean "missing": words, and numbers such as -999."""

import re
from collections.abc import Iterable, Mapping

from t2local.tables.calendar import DATE_LIKE

DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
#: Numbers that stand for "missing" where they lie far from all others: -9, and 77, 888, -9999 ...
_SENTINELS = frozenset(
    {-9}
    | {sign * int(digit * times) for digit in "987" for times in (2, 3, 4, 5) for sign in (-1, 1)}
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


def missing_texts(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Texts of a column of numbers or dates that mean "missing", the most frequent ones first.

    These are numbers such as -999 far from all others, and words.

    **Parameters:**

    * **counts**: how often each text of the column is there.
    """
    words = [text for text in counts if text.casefold() in _MISSING_WORDS]
    others = [text for text in counts if text not in words]
    if words and len(others) >= _MIN_OTHER_VALUES:
        for shape in (DECIMAL, DATE_LIKE):
            if all(map(shape.fullmatch, others)):
                return _by_count(words, counts)
    if not all(map(DECIMAL.fullmatch, counts)):
        return ()
    values = {text: float(text) for text in counts}
    candidates = [text for text, value in values.items() if value in _SENTINELS]
    usual = [value for value in values.values() if value not in _SENTINELS]
    if not candidates or len(usual) < _MIN_OTHER_VALUES:
        return ()
    negative_limit = min(0.0, _FAR * min(usual))
    positive_limit = _FAR * max(*usual, 1.0)
    below = [text for text in candidates if values[text] < negative_limit]
    # A single 99 may be somebody's age; the code of a missing value comes back.
    repeated = [text for text in candidates if counts[text] > 1]
    above = [text for text in repeated if values[text] > positive_limit]
    return (*_by_count(below, counts), *_by_count(above, counts))


def _by_count(texts: Iterable[str], counts: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(texts, key=counts.__getitem__, reverse=True))
