"""One column: its type, the values that it allows, and its cells as values and back.

Inside t2local a column of numbers is float64 (NaN is missing); any other holds the text of a level
(None is missing).
"""

import math
import re
import warnings
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from t2local.stats.arrays import Mask
from t2local.system.json_text import JsonObject
from t2local.tables.affixes import affix_of, without_affix
from t2local.tables.characters import Text
from t2local.tables.column_types import TEXT_TYPES, FeatureType
from t2local.tables.effects import StatedEffects, effect_faults
from t2local.tables.number_styles import style_of, to_plain

#: Decimals beyond this are noise of floating point, and 10^decimals must stay exact in a double.
MOST_DECIMALS = 10
#: Floating point may take this share from a whole number of steps: 0.3 / 0.1 is 2.9999999999999996.
_ROUNDING = 1e-6
#: A level that is a whole number in its shortest form; 15 digits are exact in a double.
_WHOLE_LEVEL = re.compile(r"0|-?[1-9]\d{0,14}")


class _OldNames:
    """What features were asked before the names changed; for one version."""

    @property
    def temporal(self) -> bool:
        """Old name of ``written_as_text``."""
        _warn("Feature.temporal", "Feature.written_as_text")
        return bool(getattr(self, "written_as_text"))  # noqa: B009

    def cells(self, values: pd.Series) -> list[str | None]:
        """Values as cells of text; now `FeatureDictionary.cells`, or `Feature.cell` for each."""
        _warn("Feature.cells", "Feature.cell")
        return [getattr(self, "cell")(value) for value in values]  # noqa: B009


def _warn(old: str, new: str) -> None:
    warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=3)


class Feature(_OldNames, StatedEffects):
    """One column that is generated: its type, and the values that it allows.

    A date, a datetime and a duration are numbers here (`t2local.tables.column_types`); ``format``
    says how the file writes them, and their bounds stand in a dictionary file as they are written
    there or as 2021-03-04. ``missing_values`` are texts that mean "missing" in this column.
    ``pool`` is the level that stands for all texts that are no level (`t2local.tables.disclosure`).
    ``effect``, ``level_effects`` and ``positive`` say what a person knows
    (`t2local.tables.effects`).
    """

    name: Text = Field(min_length=1)
    type: FeatureType
    meaning: Text = ""
    unit: Text = ""
    format: str = ""
    minimum: float | None = None
    maximum: float | None = None
    decimals: int = Field(0, ge=0, le=MOST_DECIMALS)
    missing: bool = False
    missing_values: tuple[Text, ...] = ()
    pool: Text = ""
    reason: str = ""

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers: dates and durations too."""
        return self.type in ("integer", "decimal") or self.written_as_text

    @property
    def written_as_text(self) -> bool:
        """Whether its values are numbers inside and text outside: dates and durations."""
        return self.type in TEXT_TYPES

    @property
    def bounds(self) -> tuple[float, float]:
        """Minimum and maximum of a number."""
        if self.minimum is None or self.maximum is None:
            raise TypeError(f"a {self.type} has no bounds")
        return self.minimum, self.maximum

    @property
    def steps(self) -> tuple[int, int]:
        """The smallest and the largest value of a number, counted in steps of 10^-decimals."""
        low, high = (bound * 10.0**self.decimals for bound in self.bounds)
        return math.ceil(low - _ROUNDING), math.floor(high + _ROUNDING)

    @model_validator(mode="before")
    @classmethod
    def _with_numbers_as_bounds(cls, raw: Any) -> Any:
        """The fields of a file, with the bounds of dates and durations as numbers."""
        text_type = isinstance(raw, dict) and TEXT_TYPES.get(str(raw.get("type")))
        if not text_type:
            return raw
        form = str(raw.get("format") or text_type.default_format)
        bounds = {
            name: text_type.to_bound(raw[name], form, last=name == "maximum")
            for name in ("minimum", "maximum")
            if raw.get(name) is not None
        }
        return {**raw, "format": form, **bounds}

    @model_serializer(mode="wrap")
    def _with_plain_bounds(self, handler: SerializerFunctionWrapHandler) -> JsonObject:
        """The fields of a file: dates and durations as people write them."""
        fields: JsonObject = handler(self)
        if self.written_as_text:
            fields["minimum"] = self.plain(self.minimum)
            fields["maximum"] = self.plain(self.maximum)
        return fields

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults_of_kind = _number_faults if self.numeric else _level_faults
        effects = effect_faults(self, ordered=self.numeric or self.type == "ordinal")
        if faults := [*faults_of_kind(self), *effects]:
            raise ValueError("; ".join(faults))
        return self

    def values(self, cells: pd.Series) -> pd.Series:
        """Cells of text (None is missing) as values: float64, or the text of levels.

        A text that is no number of the type becomes NaN; one that is no level becomes the pool,
        where there is one.
        """
        cells = cells.astype(object).where(cells.notna() & ~cells.isin(self.missing_values), None)
        if not self.numeric:
            plain_levels = _plain_levels(self.levels)
            levels = cells.replace(plain_levels) if plain_levels else cells
            is_other = levels.notna() & ~levels.isin(self.levels)
            if not (is_other.any() and self.pool):
                return levels
            # "6 mg" is the level 6 of a column in which other words stand too.
            numbers = {text: _plain_number(text) for text in levels[is_other].unique()}
            others = {t: n if n in self.levels else self.pool for t, n in numbers.items()}
            return levels.where(~is_other, levels.map(others))
        if self.written_as_text:
            # Bounds and draws are numbers already; only text has a format.
            is_text = cells.map(lambda cell: isinstance(cell, str))
            if is_text.any():
                cells[is_text] = TEXT_TYPES[self.type].to_numbers(cells[is_text], self.format)
        return pd.to_numeric(cells, errors="coerce").astype(np.float64)

    def cell(self, value: float | str | None) -> str | None:
        """One value as the text of a cell: the shortest that reads back as the same value.

        None for missing.
        """
        if pd.isna(value):  # None or NaN
            return None
        if not self.numeric:
            return str(value)
        if self.written_as_text:
            return TEXT_TYPES[self.type].to_text(float(value), self.format)
        text = f"{float(value):.{self.decimals}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return "0" if text == "-0" else text

    def plain(self, value: float | str | None) -> str | None:
        """One value as models see it, and people in a dictionary.

        As `cell`, but a date is written as 2021-03-04.
        """
        if not self.written_as_text or pd.isna(value):
            return self.cell(value)
        text_type = TEXT_TYPES[self.type]
        return text_type.to_text(float(value), text_type.plain_format(self.format))

    @property
    def text_pattern(self) -> str:
        """A regular expression of the plain texts (`plain`) of all values.

        For a type that is text outside.
        """
        return TEXT_TYPES[self.type].pattern(*self.bounds, self.format)

    def from_plain(self, text: str) -> float:
        """The number of a plain text (`plain`), for a type that is text outside."""
        text_type = TEXT_TYPES[self.type]
        return text_type.from_plain(text, text_type.plain_format(self.format))

    def number(self, text: str) -> float:
        """A number, a date or a duration as people write it.

        **Raises** `ValueError` for what is none.
        """
        if self.written_as_text:
            return TEXT_TYPES[self.type].to_bound(text, self.format, last=False)
        return float(text)

    def native(self, values: pd.Series) -> pd.Series:
        """Values with the type that people expect of such a column.

        Int64 instead of int64 where cells are missing; levels that are whole numbers are integers.
        """
        if self.written_as_text:
            return TEXT_TYPES[self.type].native(values, self.format)
        if self.type == "decimal":
            return values.astype("float64")
        has_blanks = bool(values.isna().any())
        if self.type == "integer" or all(map(_WHOLE_LEVEL.fullmatch, self.levels)):
            return values.astype("float64").astype("Int64" if has_blanks else "int64")
        if set(self.levels) == {"True", "False"} and not has_blanks:
            return values == "True"
        return values

    def obeyed(self, values: pd.Series) -> dict[str, Mask]:
        """For each constraint of this feature, which of the values keep it (masks of length n)."""
        present = values.notna().to_numpy()
        masks = {"missing": present | self.missing}
        if not self.numeric:
            return {**masks, "levels": ~present | values.isin(self.levels).to_numpy()}
        low, high = self.steps
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        steps = np.where(present, numbers * 10.0**self.decimals, low)
        from_whole = np.abs(steps - np.round(steps))
        return {
            **masks,
            "minimum": steps >= low - _ROUNDING,
            "maximum": steps <= high + _ROUNDING,
            "step": from_whole <= _ROUNDING * np.maximum(1.0, np.abs(steps)),
        }


def with_article(noun: str) -> str:
    """The name of a type with "a" or "an" before it."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _number_faults(feature: Feature) -> Iterable[str]:
    if feature.levels or feature.pool:
        yield "a number has no levels"
    if feature.type != "decimal" and feature.decimals:
        yield f"{with_article(feature.type)} has no decimals"
    if feature.minimum is None or feature.maximum is None:
        yield "a number needs a minimum and a maximum"
    elif not (np.isfinite(feature.minimum) and np.isfinite(feature.maximum)):
        yield "minimum and maximum must be finite"
    elif feature.minimum > feature.maximum:
        yield "minimum is above maximum"
    elif feature.written_as_text and not (
        feature.minimum.is_integer() and feature.maximum.is_integer()
    ):
        # Inside they count whole days or seconds; half of one would not come back from a file.
        yield f"the bounds of {with_article(feature.type)} are not of its format"
    elif max(abs(feature.minimum), abs(feature.maximum)) * 10.0**feature.decimals >= 2**53:
        yield "minimum and maximum times 10^decimals must stay below 2^53"
    elif feature.written_as_text and not _come_back(feature, feature.bounds):
        yield f"its format does not hold its bounds: {with_article(feature.type)} gets lost in it"
    elif feature.steps[0] > feature.steps[1]:
        yield "no value with so few decimals lies between minimum and maximum"


def _plain_levels(levels: tuple[str, ...]) -> dict[str, str]:
    """Levels such as 1.234,56 and 5 mg by the number that a column of nothing else is read as."""
    plain = {_plain_number(level): level for level in levels}
    return {number: level for number, level in plain.items() if number not in levels}


def _plain_number(level: str) -> str:
    number = without_affix(level, affix_of([level]))
    return to_plain(number, style_of([number], ";"))


def _come_back(feature: Feature, numbers: tuple[float, ...]) -> bool:
    """Whether numbers are the same after they were written in the format of the feature."""
    try:
        cells = pd.Series([feature.cell(number) for number in numbers], dtype=object)
        return TEXT_TYPES[feature.type].to_numbers(cells, feature.format).tolist() == [*numbers]
    except (ValueError, OverflowError):  # no format, no date
        return False


def _level_faults(feature: Feature) -> Iterable[str]:
    if feature.minimum is not None or feature.maximum is not None or feature.decimals:
        yield f"{with_article(feature.type)} has levels, not minimum, maximum or decimals"
    if not feature.levels:
        yield f"{with_article(feature.type)} needs levels"
    if any(not level for level in feature.levels):
        yield "an empty level means missing: use missing: true"
    if len(set(feature.levels)) < len(feature.levels):
        yield "a level stands there twice"
    if feature.pool and feature.pool not in feature.levels:
        yield "pool is not one of the levels"
    if feature.type == "boolean" and len(feature.levels) != 2:
        yield "a boolean has two levels"
