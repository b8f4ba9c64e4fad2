"""Times and durations as numbers and back, and the pattern of those in a range.

Inside t2local a duration is its length in minutes (``H:MM``) or in seconds (``H:MM:SS``).
"""

import re
from collections.abc import Sequence

import pandas as pd

_DURATION = re.compile(r"(\d{1,4}):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
#: Ranges of more single texts than this name whole hours only: a grammar of 200,000 alternatives
#: takes seconds to compile.
_MAX_SINGLE_TEXTS = 2 * 10**5


def duration_format(cells: Sequence[str]) -> str | None:
    """``H:MM``, ``HH:MM``, or one of these with ``:SS``, where all of these cells are written so.

    With ``HH`` an hour has two digits at least, as times of day often have.
    """
    matches = [match for cell in cells if (match := _DURATION.fullmatch(cell))]
    if not matches or len(matches) < len(cells):
        return None
    if len({match[3] is None for match in matches}) > 1:
        return None
    hours = [match[1] for match in matches]
    is_padded = any(hour[0] == "0" for hour in hours) and all(len(hour) > 1 for hour in hours)
    return f"{'HH' if is_padded else 'H'}:MM{':SS' if matches[0][3] else ''}"


def recognize(cells: Sequence[str]) -> tuple[str, str] | None:
    """The format of these cells and the reason for it; none where they are no durations."""
    if (form := duration_format(cells)) is None:
        return None
    return form, f"times or durations, written {form}"


def to_numbers(cells: pd.Series, form: str) -> pd.Series:
    """Cells of a format as numbers; NaN for what is none."""
    parts = cells.astype("string").str.extract(_DURATION).astype(float)
    minutes = parts[0] * 60 + parts[1]
    return minutes * 60 + parts[2] if _has_seconds(form) else minutes


def to_text(number: float, form: str) -> str:
    """A number as it is written in a format."""
    rest, seconds = divmod(round(number), 60) if _has_seconds(form) else (round(number), 0)
    hour = f"{rest // 60:02}" if form.startswith("HH") else str(rest // 60)
    text = f"{hour}:{rest % 60:02}"
    return f"{text}:{seconds:02}" if _has_seconds(form) else text


def plain_format(form: str) -> str:
    """Models see a duration as the file writes it, without a zero in front."""
    return form.replace("HH", "H")


def from_plain(text: str, form: str) -> float:  # noqa: ARG001 -- the text says it all
    """The number of a text that `to_text` wrote in this format."""
    number = 0
    for part in text.split(":"):
        number = number * 60 + int(part)
    return float(number)


def to_bound(text: object, form: str, *, last: bool) -> float:  # noqa: ARG001
    """A bound of a dictionary as a number: one already, or written in the format.

    **Raises** `ValueError` for what is neither.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    number = to_numbers(pd.Series([str(text)], dtype=object), form).iloc[0]
    if pd.isna(number):
        raise ValueError(f"not written as {form}")
    return float(number)


def native(values: pd.Series, form: str) -> pd.Series:
    """Numbers as pandas' time deltas."""
    return pd.to_timedelta(values, unit="s" if _has_seconds(form) else "min")


def pattern(low: float, high: float, form: str) -> str:
    """A regular expression of the texts from ``low`` to ``high``.

    Whole hours between the bounds have all minutes; the first and the last hour have some.
    """
    first = round(low)
    last = round(high)
    hour = 60
    below = "[0-5][0-9]"
    if _has_seconds(form):
        hour = 3600
        below = "[0-5][0-9]:[0-5][0-9]"
    whole_hours = [str(hours) for hours in range(-(-first // hour), (last + 1) // hour)]
    alternatives = []
    if whole_hours:
        alternatives.append(f"({'|'.join(whole_hours)}):{below}")
    if last - first < _MAX_SINGLE_TEXTS:
        alternatives += [
            re.escape(to_text(number, plain_format(form)))
            for number in range(first, last + 1)
            if str(number // hour) not in whole_hours
        ]
    return "|".join(alternatives)


def _has_seconds(form: str) -> bool:
    return form.endswith("SS")
