"""Dates, times and durations as numbers and back: how they are written in a file, and the patterns of those in a range.

Inside t2local a date is the number of days since 1970, a date with a time that of minutes or seconds, a duration its length in
minutes or seconds. Models read and write them as 2021-03-04 and 2021-03-04 17:05, whatever the file does.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import pandas as pd

#: How dates are written, the unambiguous forms first; where day and month could be either, the day comes first, as in most countries.
_DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%m/%d/%Y",
    "%m-%d-%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
)
_TIMES = (" %H:%M", "T%H:%M", " %H:%M:%S", "T%H:%M:%S")
_EPOCH = pd.Timestamp(0)
#: The year 9999 and negative years are mistakes; pandas counts nanoseconds between these.
_FIRST, _LAST = date(1700, 1, 1), date(2250, 12, 31)
_DURATION = re.compile(r"(\d{1,4}):([0-5]\d)(?::([0-5]\d))?")


def date_format(cells: Sequence[str]) -> tuple[str, str] | None:
    """The format in which all of these cells are dates or dates with times, and the reason; none if there is none.

    Months and days without a leading zero are written ``%-m`` and ``%-d``.
    """
    fitting = [
        form
        for form in (*_DATES, *(day + time for day in _DATES for time in _TIMES))
        if _parsed(cells[:20], form) is not None
    ]
    fitting = [form for form in fitting if _parsed(cells, form) is not None]
    if not fitting:
        return None
    form = fitting[0]
    bare = form.replace("%d", "%-d").replace("%m", "%-m")
    numbers = to_numbers(pd.Series(cells), form)
    if [to_text(number, form) for number in numbers] != list(cells):
        form = bare
        if [to_text(number, form) for number in numbers] != list(cells):
            return None  # some with a leading zero and some without: it could not be written as it was read
    other = (
        " (the month could come first as well: if it does, say so in the dictionary)"
        if any(f != form and "%m/%d" in f for f in fitting[1:])
        else ""
    )
    return form, f"written {form}{other}"


def duration_format(cells: Sequence[str]) -> str | None:
    """``H:MM`` or ``H:MM:SS`` where all of these cells are durations of that form."""
    found = [_DURATION.fullmatch(cell) for cell in cells]
    if not found or not all(found):
        return None
    seconds = {match[3] is not None for match in found if match}
    return None if len(seconds) > 1 else "H:MM:SS" if seconds.pop() else "H:MM"


def to_numbers(cells: pd.Series, form: str) -> pd.Series:
    """Cells of a format as numbers; NaN for what is none."""
    if form.startswith("H"):
        parts = cells.astype("string").str.extract(_DURATION).astype(float)
        return (
            parts[0] * 60 + parts[1]
            if form == "H:MM"
            else parts[0] * 3600 + parts[1] * 60 + parts[2]
        )
    stamps = pd.to_datetime(cells.astype(object), format=form.replace("%-", "%"), errors="coerce")
    return (stamps - _EPOCH) / _unit(form)


def to_text(number: float, form: str) -> str:
    """A number as it is written in a format."""
    if form.startswith("H"):
        minutes, seconds = divmod(round(number), 60) if form == "H:MM:SS" else (round(number), 0)
        return f"{minutes // 60}:{minutes % 60:02}" + (
            f":{seconds:02}" if form == "H:MM:SS" else ""
        )
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        seconds=round(number * _unit(form).total_seconds())
    )
    return moment.strftime(form.replace("%-d", str(moment.day)).replace("%-m", str(moment.month)))


def number(text: object, form: str, *, last: bool = False) -> float:
    """A bound as a number: one that is a number already, or written plainly, or in the format; of a datetime the day's first or ``last`` moment.

    **Raises** `ValueError` for what is none of these.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    for each in (plain_format(form), form, "%Y-%m-%d") if not form.startswith("H") else (form,):
        found = to_numbers(pd.Series([str(text)], dtype=object), each).iloc[0]
        if not pd.isna(found) and each == "%Y-%m-%d" and not is_day(form):
            day = pd.Timedelta(days=1) / _unit(form)
            return float(found) * day + (day - 1 if last else 0)
        if not pd.isna(found):
            return float(found)
    raise ValueError(f"not written as {plain_format(form)}")


def native(values: pd.Series, form: str) -> pd.Series:
    """Numbers as pandas' own timestamps, or time deltas for durations."""
    if form.startswith("H"):
        return pd.to_timedelta(values, unit="s" if form == "H:MM:SS" else "min")
    return _EPOCH + pd.to_timedelta(values * (_unit(form) / pd.Timedelta(seconds=1)), unit="s")


def from_text(text: str, form: str) -> float:
    """What `to_text` wrote in a format, as a number again; for texts that are known to be right."""
    if form.startswith("H"):
        parts = [int(part) for part in text.split(":")]
        return float(
            parts[0] * 60 + parts[1]
            if form == "H:MM"
            else parts[0] * 3600 + parts[1] * 60 + parts[2]
        )
    return (
        datetime.strptime(text, form).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    ) / _unit(form).to_pytimedelta()


def whole_days(low: float, high: float, form: str) -> tuple[float, float]:
    """The bounds, widened to the first and the last moment of their days."""
    day = pd.Timedelta(days=1) / _unit(form)
    return low // day * day, high // day * day + day - 1


def plain_format(form: str) -> str:
    """How models see what the file writes in a format."""
    if form.startswith("H"):
        return form
    return "%Y-%m-%d" + (" %H:%M:%S" if "%S" in form else " %H:%M" if "%H" in form else "")


def is_day(form: str) -> bool:
    """Whether a format has no time."""
    return "%H" not in form and not form.startswith("H")


def _unit(form: str) -> pd.Timedelta:
    return (
        pd.Timedelta(days=1)
        if is_day(form)
        else pd.Timedelta(seconds=1)
        if "%S" in form
        else pd.Timedelta(minutes=1)
    )


def _parsed(cells: Sequence[str], form: str) -> pd.Series | None:
    stamps = pd.to_datetime(pd.Series(list(cells), dtype=object), format=form, errors="coerce")
    if stamps.isna().any() or stamps.min().date() < _FIRST or stamps.max().date() > _LAST:
        return None
    return stamps


def pattern(low: float, high: float, form: str) -> str:
    """A regular expression of what `plain_format` writes from ``low`` to ``high``; of dates with times whole days are bounded."""
    if form.startswith("H"):
        return _durations(round(low), round(high), seconds=form == "H:MM:SS")
    day = pd.Timedelta(days=1) / _unit(form)
    days = _days(
        date(1970, 1, 1) + timedelta(days=low // day),
        date(1970, 1, 1) + timedelta(days=high // day),
    )
    time = (
        ""
        if is_day(form)
        else " ([01][0-9]|2[0-3]):[0-5][0-9]" + (":[0-5][0-9]" if "%S" in form else "")
    )
    return f"({days}){time}"


def _durations(low: int, high: int, *, seconds: bool) -> str:
    """Whole hours between the bounds have all minutes; the first and the last hour have some."""
    hour = 3600 if seconds else 60
    below = "[0-5][0-9]:[0-5][0-9]" if seconds else "[0-5][0-9]"
    whole = [str(hours) for hours in range(-(-low // hour), (high + 1) // hour)]
    parts = [f"({'|'.join(whole)}):{below}"] if whole else []
    edges = (
        [moment for moment in range(low, high + 1) if str(moment // hour) not in whole]
        if high - low < 2 * 10**5
        else []
    )
    parts += [re.escape(to_text(moment, "H:MM:SS" if seconds else "H:MM")) for moment in edges]
    return "|".join(parts)


def _days(first: date, last: date) -> str:
    """Real calendar dates: years that allow the same days share one alternative."""
    years = [
        (year, _months(max(first, date(year, 1, 1)), min(last, date(year, 12, 31))))
        for year in range(first.year, last.year + 1)
    ]
    ordered = sorted(years, key=lambda pair: pair[1])
    return "|".join(
        f"({_either(str(year) for year, _ in group)})-({months})"
        for months, group in groupby(ordered, key=lambda pair: pair[1])
    )


def _months(first: date, last: date) -> str:
    """Days of one year."""
    months = []
    for month in range(first.month, last.month + 1):
        start = first.day if month == first.month else 1
        end = last.day if month == last.month else _length(first.year, month)
        months.append((f"{month:02}", _either(f"{day:02}" for day in range(start, end + 1))))
    ordered = sorted(months, key=lambda pair: pair[1])
    return "|".join(
        f"({_either(month for month, _ in group)})-({days})"
        for days, group in groupby(ordered, key=lambda pair: pair[1])
    )


def _length(year: int, month: int) -> int:
    return ((date(year + month // 12, month % 12 + 1, 1)) - date(year, month, 1)).days


def _either(texts: Iterable[str]) -> str:
    return "|".join(texts)
