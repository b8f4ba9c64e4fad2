"""Dates and times as numbers and back: how a file writes them, and the pattern of those in a range.

Inside t2local a date is the number of days since 1970, a date with a time that of minutes or
seconds. Models read and write them as 2021-03-04 and 2021-03-04 17:05, whatever the file does.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import numpy as np
import pandas as pd

#: A text that looks like a date, with or without a time.
DATE_LIKE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
    r"([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm]|Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
#: Eight digits that are a day of the years 1900 to 2099.
_COMPACT_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", re.ASCII)
#: How models see a day; also what a person may write for any bound of a date in a dictionary.
_ISO_DAY = "%Y-%m-%d"
#: How dates are written, the unambiguous forms first; where day and month could be either, the day
#: comes first, as in most countries.
_DATES = (
    _ISO_DAY,
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
_TIMES = (
    *(" %H:%M", "T%H:%M", " %H:%M:%S", "T%H:%M:%S"),
    *(" %I:%M %p", " %I:%M%p", " %I:%M:%S %p", " %I:%M:%S%p"),
)
_DATETIMES = tuple(day + time for day in _DATES for time in _TIMES)
_DAY, _MINUTE, _SECOND = pd.Timedelta(days=1), pd.Timedelta(minutes=1), pd.Timedelta(seconds=1)
_EPOCH = pd.Timestamp(0)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1)
#: The year 9999 and negative years are mistakes; pandas counts nanoseconds between these.
_FIRST, _LAST = date(1700, 1, 1), date(2250, 12, 31)
_FIRST_STAMP, _END_STAMP = pd.Timestamp(_FIRST), pd.Timestamp(2251, 1, 1)
#: What stands between these tells most formats apart, and faster than to read cells.
_DIGITS = re.compile(r"(\d+|[AaPp][Mm])+", re.ASCII)
_FIELDS = re.compile(r"(%[a-zA-Z])+")
#: Cells that rule out other formats before all cells are read in each of them.
_FIRST_CELLS = 20
#: Between the formats of dates that are written in more than one way, and how many there may be.
_OR, _MOST_FORMATS = " | ", 3


def recognize_dates(cells: Sequence[str]) -> tuple[str, str] | None:
    """The format of these days and the reason for it; none where they are no days."""
    return _recognize(cells, _DATES)


def recognize_datetimes(cells: Sequence[str]) -> tuple[str, str] | None:
    """The format of these days with times and the reason for it; none where they are none."""
    return _recognize(cells, _DATETIMES)


def _recognize(cells: Sequence[str], formats: Sequence[str]) -> tuple[str, str] | None:
    if not any(all(map(shape.fullmatch, cells)) for shape in (DATE_LIKE, _COMPACT_DATE)):
        return None
    choice = date_format(cells, formats) or _mixed_format(cells, formats)
    if choice is None:
        return None
    form, reason = choice
    return form, f"dates, {reason}; the range is the data's, widened"


def _mixed_format(cells: Sequence[str], formats: Sequence[str]) -> tuple[str, str] | None:
    """The formats of dates that are written in a few ways, told apart by their form."""
    by_shape: dict[str, list[str]] = {}
    for cell in cells:
        by_shape.setdefault(_shape(cell), []).append(cell)
    choices = [date_format(group, formats) for group in sorted(by_shape.values(), key=len)[::-1]]
    if not 1 < len(choices) <= _MOST_FORMATS or None in choices:
        return None
    # Years of four digits first, as a form of two cannot write all that these say.
    forms = sorted((choice[0] for choice in choices if choice), key=lambda form: "%y" in form)
    if len({plain_format(form) for form in forms}) > 1:  # minutes in one, seconds in another
        return None
    months_first = {form.replace("%-", "%").startswith("%m/") for form in forms if "/" in form[:4]}
    if len(months_first) > 1:  # the day first in one, the month in another
        return None
    return _OR.join(forms), f"written in {len(forms)} ways; new ones in the first, {forms[0]}"


def _shape(cell: str) -> str:
    """A date without its digits, where two and four of them make a difference."""
    day = re.split("[ T]", cell)[0]
    return re.sub(r"\d{4}", "Y", day).translate(str.maketrans("", "", "0123456789"))


def date_format(
    cells: Sequence[str], formats: Sequence[str] = (*_DATES, *_DATETIMES)
) -> tuple[str, str] | None:
    """The first of these formats in which all of the cells are dates, and the reason.

    None where there is none. Months, days and hours to 12 without a leading zero are written
    ``%-m``, ``%-d`` and ``%-I``; am and pm ``%P``, where ``%p`` is AM and PM.
    """
    marks = _DIGITS.sub("0", cells[0])
    fitting = [form for form in formats if _FIELDS.sub("0", form) == marks]
    fitting = [form for form in fitting if _all_dates(cells[:_FIRST_CELLS], form)]
    fitting = [form for form in fitting if _all_dates(cells, form)]
    if not fitting:
        return None
    numbers = to_numbers(pd.Series(cells), fitting[0])
    forms = _spellings(fitting[0])
    exact = (f for f in forms if [to_text(number, f) for number in numbers] == list(cells))
    form = next(exact, "")
    reason = f"written {form or fitting[0]}"
    if not form:
        form = fitting[0]
        reason += ", some without a zero in front"
    if any(other != form and "%m/%d" in other for other in fitting[1:]):
        reason += " (the month could come first as well: if it does, say so in the dictionary)"
    return form, reason


def _spellings(form: str) -> list[str]:
    """A format with and without zeros in front, and in both cases of AM and PM."""
    days = (form, form.replace("%d", "%-d").replace("%m", "%-m"))
    hours = [each for day in days for each in (day, day.replace("%I", "%-I"))]
    return list(dict.fromkeys(each for hour in hours for each in (hour, hour.replace("%p", "%P"))))


def _all_dates(cells: Sequence[str], form: str) -> bool:
    stamps = pd.to_datetime(pd.Series(list(cells), dtype=object), format=form, errors="coerce")
    if stamps.isna().any():
        return False
    return stamps.min().date() >= _FIRST and stamps.max().date() <= _LAST


def to_numbers(cells: pd.Series, form: str) -> pd.Series:
    """Cells of a format as numbers; NaN for what is none.

    **Raises** `ValueError` for a format with a zone of time: numbers here have none.
    """
    if re.search("%z", form, re.IGNORECASE):
        raise ValueError("a format with a zone of time (%z) cannot be used")
    if _OR in form:
        first, others = form.split(_OR, 1)
        return to_numbers(cells, first).combine_first(to_numbers(cells, others))
    plain = form.replace("%-", "%").replace("%P", "%p")
    stamps = pd.to_datetime(cells.astype(object), format=plain, errors="coerce")
    # Whole seconds: a quotient of nanoseconds is off by a millionth of one before 1830.
    seconds = pd.Series(stamps.to_numpy("datetime64[s]").astype(np.int64), index=cells.index)
    return seconds.where(stamps.between(_FIRST_STAMP, _END_STAMP)) / _unit(form).total_seconds()


def to_text(number: float, form: str) -> str:
    """A number as it is written in a format."""
    form = _first_form(form)
    moment = _EPOCH_UTC + timedelta(seconds=round(number * _unit(form).total_seconds()))
    half = "AM" if moment.hour < 12 else "PM"
    # Not every system's strftime knows these, or writes AM in English.
    own = {"%-d": moment.day, "%-m": moment.month, "%-I": (moment.hour - 1) % 12 + 1}
    for field, text in {**own, "%p": half, "%P": half.lower()}.items():
        form = form.replace(field, str(text))
    return moment.strftime(form)


def _first_form(form: str) -> str:
    """The form in which dates are written, where they are read in several."""
    return form.split(_OR, maxsplit=1)[0]


def plain_format(form: str) -> str:
    """How models see what the file writes in a format."""
    if "%S" in form:
        return f"{_ISO_DAY} %H:%M:%S"
    return _ISO_DAY if is_day(form) else f"{_ISO_DAY} %H:%M"


def from_plain(text: str, form: str) -> float:
    """The number of a text that `to_text` wrote in this plain format."""
    moment = datetime.strptime(text, form).replace(tzinfo=UTC)
    return (moment - _EPOCH_UTC) / _unit(form).to_pytimedelta()


def to_bound(text: object, form: str, *, last: bool = False) -> float:
    """A bound of a dictionary as a number: one already, or written plainly or in the format.

    For a date with a time, a bare day is its first or its ``last`` moment.

    **Raises** `ValueError` for what is none of these.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    for each in (plain_format(form), form, _ISO_DAY):
        number = to_numbers(pd.Series([str(text)], dtype=object), each).iloc[0]
        if pd.isna(number):
            continue
        if each != _ISO_DAY or is_day(form):
            return float(number)
        first_moment = float(number) * _day_length(form)
        return first_moment + (_day_length(form) - 1) * last
    raise ValueError(
        f"not written as {plain_format(form)}, or not from {_FIRST.year} to {_LAST.year}"
    )


def native(values: pd.Series, form: str) -> pd.Series:
    """Numbers as pandas' timestamps."""
    return _EPOCH + pd.to_timedelta(values * (_unit(form) / _SECOND), unit="s")


def whole_days(low: float, high: float, form: str) -> tuple[float, float]:
    """The bounds, widened to the first and the last moment of their days.

    A guessed range ends where dates do; years of two digits mean 1969 to 2068.
    """
    day = _day_length(form)
    first, last = _FIRST, _LAST
    if "%y" in _first_form(form):
        first, last = date(1969, 1, 1), date(2068, 12, 31)
    low = max(low, (first - _EPOCH_DAY).days * day)
    high = min(high, (last - _EPOCH_DAY).days * day)
    return low // day * day, high // day * day + day - 1


def is_day(form: str) -> bool:
    """Whether a format has no time."""
    return not any(hour in form for hour in ("%H", "%I", "%-I"))


def _unit(form: str) -> pd.Timedelta:
    """What a number of this format counts."""
    if is_day(form):
        return _DAY
    return _SECOND if "%S" in form else _MINUTE


def _day_length(form: str) -> float:
    """The length of a day in the unit of a format."""
    return _DAY / _unit(form)


def pattern(low: float, high: float, form: str) -> str:
    """A regular expression of what `plain_format` writes from ``low`` to ``high``.

    Of dates with times whole days are bounded.
    """
    first, last = (_EPOCH_DAY + timedelta(days=bound // _day_length(form)) for bound in (low, high))
    time = ""
    if not is_day(form):
        time = " ([01][0-9]|2[0-3]):[0-5][0-9]"
    if "%S" in form:
        time += ":[0-5][0-9]"
    return f"({_days(first, last)}){time}"


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
    """Days of one year: months that allow the same days share one alternative."""
    months = []
    for month in range(first.month, last.month + 1):
        start = max(first, date(first.year, month, 1)).day
        end = min(last, date(first.year, month, _month_length(first.year, month))).day
        months.append((f"{month:02}", _either(f"{day:02}" for day in range(start, end + 1))))
    ordered = sorted(months, key=lambda pair: pair[1])
    return "|".join(
        f"({_either(month for month, _ in group)})-({days})"
        for days, group in groupby(ordered, key=lambda pair: pair[1])
    )


def _month_length(year: int, month: int) -> int:
    return (date(year + month // 12, month % 12 + 1, 1) - date(year, month, 1)).days


def _either(texts: Iterable[str]) -> str:
    return "|".join(texts)
