"""The types of columns, and the table of those that are numbers inside and text outside.

To add such a type: a module with its functions, its name in `FeatureType`, and its entry in
`TEXT_TYPES`. The dictionary, its file, the guesses and the grammars all read this table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import pandas as pd

from t2local.tables import calendar, durations

#: In the order in which a fault lists them; a type checker wants the names written out.
FeatureType = Literal[
    "integer", "decimal", "date", "datetime", "duration", "category", "ordinal", "boolean"
]
FEATURE_TYPES: tuple[str, ...] = get_args(FeatureType)
#: The pairs of levels that mean yes and no, in lower case.
YES_AND_NO = (("1", "0"), ("yes", "no"), ("true", "false"), ("y", "n"), ("t", "f"))


class _ToBound(Protocol):
    def __call__(self, text: object, form: str, *, last: bool) -> float: ...


def _same_range(low: float, high: float, form: str) -> tuple[float, float]:  # noqa: ARG001
    return low, high


@dataclass(frozen=True)
class TextType:
    """A type whose values are numbers inside and text outside: what each room needs of it.

    **Parameters:**

    * **recognize**: the format of a column's cells and the reason for this guess, or none.
    * **default_format**: that of a dictionary that names none.
    * **to_numbers**: cells in a format as numbers, NaN for what is none.
    * **to_text**: a number as text in a format; the inverse of ``to_numbers``.
    * **plain_format**: the format in which models and dictionaries see the values of a format.
    * **from_plain**: the number of a text in a plain format.
    * **to_bound**: a minimum or (``last``) a maximum that a person wrote, as a number; it raises
      `ValueError` for what is none.
    * **pattern**: a regular expression of the plain texts between two numbers, for the grammar.
    * **native**: numbers with the type that people expect in a frame.
    * **round_range**: a guessed range, widened to bounds that the pattern can hold.
    """

    recognize: Callable[[Sequence[str]], tuple[str, str] | None]
    default_format: str
    to_numbers: Callable[[pd.Series, str], pd.Series]
    to_text: Callable[[float, str], str]
    plain_format: Callable[[str], str]
    from_plain: Callable[[str, str], float]
    to_bound: _ToBound
    pattern: Callable[[float, float, str], str]
    native: Callable[[pd.Series, str], pd.Series]
    round_range: Callable[[float, float, str], tuple[float, float]] = _same_range


_DATE = TextType(
    recognize=calendar.recognize_dates,
    default_format="%Y-%m-%d",
    to_numbers=calendar.to_numbers,
    to_text=calendar.to_text,
    plain_format=calendar.plain_format,
    from_plain=calendar.from_plain,
    to_bound=calendar.to_bound,
    pattern=calendar.pattern,
    native=calendar.native,
    round_range=calendar.whole_days,
)
_DATETIME = replace(
    _DATE,
    recognize=calendar.recognize_datetimes,
    default_format="%Y-%m-%d %H:%M",
)
_DURATION = TextType(
    recognize=durations.recognize,
    default_format="H:MM",
    to_numbers=durations.to_numbers,
    to_text=durations.to_text,
    plain_format=durations.plain_format,
    from_plain=durations.from_plain,
    to_bound=durations.to_bound,
    pattern=durations.pattern,
    native=durations.native,
)
#: Every type that is a number inside and text outside, in the order in which they are guessed.
TEXT_TYPES: Mapping[str, TextType] = {
    "date": _DATE,
    "datetime": _DATETIME,
    "duration": _DURATION,
}
