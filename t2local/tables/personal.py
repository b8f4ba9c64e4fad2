"""Texts that point at one person: by the name of a column, and by the form of its cells.

A text is cautiously taken for personal: a person can put the column back in the dictionary, but
nobody can take a name back out of a file that has left the house.
"""

import re
from collections.abc import Mapping, Sequence
from statistics import median

from t2local.tables.calendar import DATE_LIKE

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.\w+")
#: A call number: seven digits or more, with signs between them or a plus or zero in front.
_PHONE = re.compile(r"(?:\+|0|\()[\d ()/.-]{6,}\d")
_DIGITS, _NUMBER = re.compile(r"[+\d ()/.-]{6,}"), re.compile(r"[\d.]+")
#: One word of a person's name, and two of them or more.
_WORD = r"[^\W\d_a-zß-ÿ][\w'’-]*\.?"
_NAME, _FULL_NAME = (
    re.compile(rf"{_WORD}(?:[ ,]+{_WORD})*"),
    re.compile(rf"{_WORD}(?:[ ,]+{_WORD})+"),
)
_STREET = re.compile(
    r"\d+\w?,? .*\b(?:st|street|road|rd|avenue|ave|lane|drive|way)\b.*"
    r"|.*(?:stra(?:ß|ss)e|str\.|weg|platz|gasse|allee) ?\d+.*"
    r"|\d+\w?,? (?:rue|avenue|boulevard|place) .*",
    re.IGNORECASE,
)
_NAME_COLUMN = re.compile(
    r"(?:(?:patient|full|first|last|middle|family|given|maiden|birth|doctor|physician)[s']*)?"
    r"[ _.-]?name|surname|forename|firstname|lastname|vorname|nachname|familienname|pr[eé]nom|nom"
    r"|nombre|apellidos?|doctor|physician|nurse|arzt|pfleger",
    re.IGNORECASE,
)
_PHONE_COLUMN = re.compile(
    r".*(?:phone|mobile|telefon|(?<![^\W_])(?:t[eé]l|fax)(?![^\W_])|handy).*", re.IGNORECASE
)
_ADDRESS_COLUMN = re.compile(
    r".*(?:address|adresse|street|stra(?:ß|ss)e|direcci[oó]n).*", re.IGNORECASE
)
#: Fewer names than this may be those of wards or sites.
_MIN_NAMES = 5
#: Names without a column that says so: at most this many rows each, in the middle.
_ROWS_OF_A_PERSON = 3


def personal_kind(name: str, counts: Mapping[str, int]) -> str:
    """What of persons a column holds; empty where it does not look so.

    **Parameters:**

    * **name**: of the column; **counts**: how often each text is there.
    """
    levels = list(counts)
    if len(levels) < _MIN_NAMES:
        return ""
    few_rows_each = median(counts.values()) <= _ROWS_OF_A_PERSON
    signs = {
        "e-mail addresses": _most(_EMAIL, levels),
        "telephone numbers": _are_call_numbers(name, levels),
        "addresses": _most(_STREET, levels)
        or (bool(_ADDRESS_COLUMN.fullmatch(name)) and not _most(_NUMBER, levels)),
        "names of persons": (bool(_NAME_COLUMN.fullmatch(name)) and _most(_NAME, levels))
        or (few_rows_each and _most(_FULL_NAME, levels)),
    }
    kinds = [kind for kind, sign in signs.items() if sign]
    return kinds[0] if kinds else ""


def _are_call_numbers(name: str, levels: Sequence[str]) -> bool:
    if _PHONE_COLUMN.fullmatch(name):
        return _most(_DIGITS, levels)
    return _most(_PHONE, levels) and not _most(DATE_LIKE, levels) and not _most(_NUMBER, levels)


def _most(pattern: re.Pattern[str], levels: Sequence[str]) -> bool:
    """Whether most of the different texts have a form."""
    return 2 * sum(bool(pattern.fullmatch(level)) for level in levels) > len(levels)
