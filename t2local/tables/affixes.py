"""What stands around every number of a column: a unit, a currency, a percent sign.

``12 mg`` is read as 12, and written as ``12 mg`` again.
"""

import re
from collections.abc import Sequence

from t2local.tables.number_styles import is_number

_CURRENCY = r"(?:[€$£¥]|EUR|USD|GBP|CHF)"
#: Units of clinical tables. The list is closed: 50s is a decade, and 3rd a rank.
_UNIT = (
    r"(?:%|‰|(?:[kmµμu]g|g|mmol|[µμu]mol|mol|m?IU|m?U|mEq)(?:/(?:[dm]?[lL]|kg|h|d|day|min))?"
    r"|[dmµμu]?[lL]|[cmk]?m|kg/m2|kg/m²|mm ?Hg|cmH2O|bpm|/min|°C|°F|lbs?|in|kcal"
    r"|years?|yrs?|months?|weeks?|days?|hours?|hrs?|h|min|minutes?|sec)"
)
_WITH_AFFIX = re.compile(
    rf"(?P<before>{_CURRENCY} ?)?(?P<number>[+-]?[\d.,]*\d(?:[eE][+-]?\d+)?)"
    rf"(?P<after> ?(?:{_CURRENCY}|{_UNIT}))?",
    re.ASCII,
)

#: The text before a number, and the text behind it.
Affix = tuple[str, str]
NO_AFFIX: Affix = ("", "")


def affix_of(cells: Sequence[str]) -> Affix:
    """What stands around the number in all of these cells; nothing where it differs."""
    affixes: set[Affix] = set()
    for cell in cells:
        match = _WITH_AFFIX.fullmatch(cell)
        if match is None or not is_number(match["number"]):
            return NO_AFFIX
        affixes.add((match["before"] or "", match["after"] or ""))
        if len(affixes) > 1:
            return NO_AFFIX
    return affixes.pop() if affixes else NO_AFFIX


def without_affix(cell: str, affix: Affix) -> str:
    """The number in a cell with this affix."""
    before, after = affix
    return cell.removeprefix(before).removesuffix(after)


def with_affix(number: str, affix: Affix) -> str:
    """A number as its column writes it."""
    before, after = affix
    return f"{before}{number}{after}"
