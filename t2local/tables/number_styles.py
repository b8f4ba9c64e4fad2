"""How a column writes its numbers: with decimal commas, with marks for thousands, or plainly."""

import re
from collections.abc import Sequence

#: A number, with a decimal point or a decimal comma.
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_COMMA = re.compile(r"[+-]?\d*,\d+", re.ASCII)
# No zero in front: 0,123 has no thousands.
_POINTS_AND_COMMA = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", re.ASCII)

DECIMAL_COMMAS = "decimal commas"
POINTS_FOR_THOUSANDS = "decimal commas, points for thousands"
COMMAS_FOR_THOUSANDS = "commas for thousands"


def style_of(cells: Sequence[str], delimiter: str) -> str:
    """The style of a column of numbers.

    Blank for plain numbers, and for columns that hold anything else. 1,234 has a decimal comma
    unless commas split the file: who writes those quotes a number for its thousands only.
    """
    with_commas = [cell for cell in cells if "," in cell]
    if not with_commas:
        return ""
    only_thousands = all(map(_THOUSANDS.fullmatch, with_commas))
    if _each_matches(cells, _WHOLE, _COMMA, _POINTS_AND_COMMA):
        if any(map(_POINTS_AND_COMMA.fullmatch, cells)):
            return POINTS_FOR_THOUSANDS
        if not (only_thousands and delimiter == ","):
            return DECIMAL_COMMAS
    if only_thousands and _each_matches(cells, NUMBER, _THOUSANDS):
        return COMMAS_FOR_THOUSANDS
    return ""


def _each_matches(cells: Sequence[str], *patterns: re.Pattern[str]) -> bool:
    return all(any(pattern.fullmatch(cell) for pattern in patterns) for cell in cells)


def is_number(cell: str) -> bool:
    """Whether a text is a number in one of the styles."""
    return any(shape.fullmatch(cell) for shape in (NUMBER, _POINTS_AND_COMMA, _THOUSANDS))


def to_plain(cell: str, style: str) -> str:
    """A number of a style with a decimal point and nothing else."""
    if not style:
        return cell
    if style == COMMAS_FOR_THOUSANDS:
        return cell.replace(",", "")
    return cell.replace(".", "").replace(",", ".")


def styled(cell: str, style: str) -> str:
    """A plain number as the column writes its numbers; a level with a comma is none."""
    if not style or "," in cell:
        return cell
    whole, point, decimals = cell.partition(".")
    digits = whole.lstrip("+-")
    sign = whole[: len(whole) - len(digits)]
    # 1e6 is a number too, and 07 may stand among them.
    if digits.isdecimal() and digits[0] != "0" and style != DECIMAL_COMMAS:
        digits = f"{int(digits):,}"
    if style != COMMAS_FOR_THOUSANDS:
        digits = digits.replace(",", ".")
        point = point.replace(".", ",")
    return f"{sign}{digits}{point}{decimals}"


def styled_as_read(cells: Sequence[str], style: str, delimiter: str) -> list[str]:
    """Plain numbers as their column writes them, in a style that reading sees in them again.

    4,968 means 4.968 where no other cell shows that commas stand for thousands: then it is 4968.
    """
    for choice in (style, DECIMAL_COMMAS):
        texts = [styled(cell, choice) for cell in cells]
        seen = style_of(texts, delimiter)
        if [to_plain(text, seen) for text in texts] == list(cells):
            return texts
    return list(cells)
