"""Figures of a report as text on a page, each with the place in report.json that it is from."""

import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from t2local.system.json_text import JsonObject

#: What stands where a report has no number.
_NO_NUMBER = "–"


class Figures:
    """Looks figures up in a report, and writes them down.

    A place is the keys and numbers on the way to a figure: ``"rows", "kept"``.
    """

    def __init__(self, report: JsonObject) -> None:
        self._report = report

    def value(self, *place: str | int) -> Any:
        """What stands at a place."""
        value: Any = self._report
        for key in place:
            value = value[key]
        return value

    def count(self, *place: str | int) -> Markup:
        """A whole number: 1,200."""
        return self._element(place, "{:,.0f}")

    def percent(self, *place: str | int) -> Markup:
        """A share, with one decimal where it is small: 43 %, 4.3 %."""
        value = self.value(*place)
        is_small = value is not None and 0 < abs(value) < 0.0995
        return self._element(place, "{:.1f} %" if is_small else "{:.0f} %", 100.0)

    def decimal(self, *place: str | int, places: int = 2) -> Markup:
        """A number with a fixed number of decimals."""
        return self._element(place, f"{{:z.{places}f}}")

    def _element(self, place: Sequence[str | int], form: str, factor: float = 1.0) -> Markup:
        value = self.value(*place)
        if value is None:
            return Markup('<span data-from="{}">{}</span>').format(pointer(place), _NO_NUMBER)
        return Markup('<data value="{}" data-from="{}">{}</data>').format(
            value, pointer(place), form.format(factor * value)
        )


def pointer(place: Sequence[str | int]) -> str:
    """The JSON pointer of a place (RFC 6901)."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in place)


def breakable(text: str) -> Markup:
    """A text that may go on in the next line after an underscore or a slash."""
    return Markup("<wbr>").join(re.split("(?<=[_/])", text))


def at(value: float, low: float = 0.0, high: float = 1.0) -> str:
    """Where a value lies on a scale from low to high, as a length: 43.21%."""
    share = (value - low) / (high - low) if high > low else 0.5
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"
