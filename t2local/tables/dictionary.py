"""What each column may hold: the feature dictionary, its checks, and cells to values and back.

Inside t2local a table is a frame of *values*: numbers are float64 (NaN is missing), everything else is the text of a
level (None is missing). This file knows no CSV, no model and no prompt.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from t2local.errors import DictionaryError, InputError
from t2local.stats.arrays import Mask
from t2local.tables import calendar, table_schema
from t2local.tables.files import yaml_text
from t2local.tables.rules import Formula, Rule, RuleFault, binding

FeatureType = Literal[
    "integer", "decimal", "date", "datetime", "duration", "category", "ordinal", "boolean"
]
_TEMPORAL = ("date", "datetime", "duration")
#: Decimals beyond this are noise of floating point, and 10^decimals must stay exact in a double.
MOST_DECIMALS = 10
#: What floating point may take from a whole number of steps.
_ROUNDING = 1e-6


class Feature(BaseModel):
    """One column that is generated: its type, and the values that it allows.

    A date, a datetime and a duration are numbers here (`t2local.tables.calendar`); ``format`` says how the file writes them, and their bounds
    stand in a dictionary file as they are written there or as 2021-03-04. ``missing_values`` are texts that mean "missing" in this column.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    name: str = Field(min_length=1)
    type: FeatureType
    meaning: str = ""
    unit: str = ""
    format: str = ""
    minimum: float | None = None
    maximum: float | None = None
    decimals: int = Field(0, ge=0, le=MOST_DECIMALS)
    levels: tuple[str, ...] = ()
    missing: bool = False
    missing_values: tuple[str, ...] = ()
    reason: str = ""

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers: dates and durations too."""
        return self.type in ("integer", "decimal", *_TEMPORAL)

    @property
    def temporal(self) -> bool:
        """Whether its values are dates or durations, which are numbers inside and text outside."""
        return self.type in _TEMPORAL

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
    def _dated(cls, raw: Any) -> Any:
        """Bounds of dates and durations as numbers."""
        if not isinstance(raw, dict) or raw.get("type") not in _TEMPORAL:
            return raw
        form = str(
            raw.get("format")
            or (
                "H:MM"
                if raw["type"] == "duration"
                else "%Y-%m-%d"
                if raw["type"] == "date"
                else "%Y-%m-%d %H:%M"
            )
        )
        bounds = {
            name: calendar.number(raw[name], form, last=name == "maximum")
            for name in ("minimum", "maximum")
            if raw.get(name) is not None
        }
        return {**raw, "format": form, **bounds}

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        for name in ("minimum", "maximum") if self.temporal else ():
            fields[name] = self.plain(getattr(self, name))
        return fields

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = list(self._number_faults() if self.numeric else self._level_faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _number_faults(self) -> Iterable[str]:
        if self.levels:
            yield "a number has no levels"
        if self.type != "decimal" and self.decimals:
            yield f"{'an integer' if self.type == 'integer' else f'a {self.type}'} has no decimals"
        if self.minimum is None or self.maximum is None:
            yield "a number needs a minimum and a maximum"
        elif not (np.isfinite(self.minimum) and np.isfinite(self.maximum)):
            yield "minimum and maximum must be finite"
        elif self.minimum > self.maximum:
            yield "minimum is above maximum"
        elif max(abs(self.minimum), abs(self.maximum)) * 10.0**self.decimals >= 2**53:
            yield "minimum and maximum times 10^decimals must stay below 2^53"
        elif self.steps[0] > self.steps[1]:
            yield "no value with so few decimals lies between minimum and maximum"

    def _level_faults(self) -> Iterable[str]:
        if self.minimum is not None or self.maximum is not None or self.decimals:
            yield f"a {self.type} has levels, not minimum, maximum or decimals"
        if not self.levels:
            yield f"a {self.type} needs levels"
        if any(not level for level in self.levels):
            yield "an empty level means missing: use missing: true"
        if len(set(self.levels)) < len(self.levels):
            yield "a level stands there twice"
        if self.type == "boolean" and len(self.levels) != 2:
            yield "a boolean has two levels"

    def values(self, cells: pd.Series) -> pd.Series:
        """Cells of text (None is missing) as values: float64, or the text of levels."""
        cells = cells.astype(object).where(cells.notna() & ~cells.isin(self.missing_values), None)
        if not self.numeric:
            return cells
        if self.temporal and (text := cells.map(lambda cell: isinstance(cell, str))).any():
            cells[text] = calendar.to_numbers(cells[text], self.format)
        return pd.to_numeric(cells, errors="coerce").astype(np.float64)

    def cells(self, values: pd.Series) -> list[str | None]:
        """Values as cells of text, None for missing."""
        return [self.cell(value) for value in values]

    def cell(self, value: float | str | None) -> str | None:
        """One value as the text of a cell: the shortest that reads back as the same value."""
        if pd.isna(value):  # None or NaN
            return None
        if not self.numeric:
            return str(value)
        if self.temporal:
            return calendar.to_text(float(value), self.format)
        text = f"{float(value):.{self.decimals}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text

    def plain(self, value: float | str | None) -> str | None:
        """One value as models see it, and people in a dictionary: as `cell`, but dates as 2021-03-04."""
        return (
            calendar.to_text(float(value), calendar.plain_format(self.format))
            if self.temporal and not pd.isna(value)
            else self.cell(value)
        )

    @property
    def text_pattern(self) -> str:
        """A regular expression of the plain texts (`plain`) of all values, for a type that is text outside."""
        return calendar.pattern(*self.bounds, self.format)

    def from_plain(self, text: str) -> float:
        """The number of a plain text (`plain`), for a type that is text outside."""
        return calendar.from_text(text, calendar.plain_format(self.format))

    def number(self, text: str) -> float:
        """A number, a date or a duration as people write it. **Raises** `ValueError` for what is none."""
        return calendar.number(text, self.format) if self.temporal else float(text)

    def native(self, values: pd.Series) -> pd.Series:
        """Values with the type that people expect of such a column."""
        if self.temporal:
            return calendar.native(values, self.format)
        if self.type == "decimal":
            return values.astype("float64")
        if self.type == "integer" or all(
            re.fullmatch(r"0|-?[1-9]\d{0,14}", level) for level in self.levels
        ):
            return values.astype("float64").astype("Int64" if values.isna().any() else "int64")
        if set(self.levels) == {"True", "False"} and not values.isna().any():
            return values == "True"
        return values

    def obeyed(self, values: pd.Series) -> dict[str, Mask]:
        """For each constraint of this feature, which of the values keep it (all masks of length n)."""
        present = values.notna().to_numpy()
        checks = {"missing": present | self.missing}
        if not self.numeric:
            return {**checks, "levels": ~present | values.isin(self.levels).to_numpy()}
        low, high = self.steps
        steps = np.where(
            present, values.to_numpy(dtype=np.float64, na_value=np.nan) * 10.0**self.decimals, low
        )
        return {
            **checks,
            "minimum": steps >= low - _ROUNDING,
            "maximum": steps <= high + _ROUNDING,
            "step": np.abs(steps - np.round(steps)) <= _ROUNDING * np.maximum(1.0, np.abs(steps)),
        }


class LeftOut(BaseModel):
    """A column of which no model sees a cell, and why.

    ``make``: ``identifier`` for new ones made by code (`t2local.tables.identifiers`), ``text`` for short texts that a worker writes from the row and from
    ``meaning``, ``max_length`` letters at most (`t2local.team.texts`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    name: str
    reason: str
    make: Literal["", "identifier", "text"] = ""
    meaning: str = ""
    max_length: int = Field(80, ge=1, le=1000)


class Derived(BaseModel):
    """A column that is computed from others (`t2local.tables.rules.Formula`), rounded to ``decimals``; no model sees or writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    name: str
    formula: str = Field(max_length=2000)
    decimals: int = Field(2, ge=0, le=MOST_DECIMALS)


class Relation(BaseModel):
    """A rule between features (`t2local.tables.rules`), and why it holds, in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str = Field(max_length=2000)
    reason: str = ""


class FeatureDictionary(BaseModel):
    """All features of a table in column order, its target, the rules between them, and the columns that are left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    description: str = ""
    target: str
    target_reason: str = ""
    features: tuple[Feature, ...] = Field(min_length=2)
    rules: tuple[Relation, ...] = ()
    derived: tuple[Derived, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @field_validator("rules", mode="before")
    @classmethod
    def _plain_rules(cls, rules: Any) -> Any:
        """A rule without a reason may be a plain text."""
        return (
            [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]
            if isinstance(rules, list | tuple)
            else rules
        )

    def parsed_rules(self) -> dict[str, Rule]:
        """The rules by what is said of a row that breaks one: its reason, else its text. **Raises** `DictionaryError` with every fault."""
        columns = {feature.name: feature.levels for feature in self.features}
        parsed, faults = {}, []
        for relation in self.rules:
            try:
                parsed[relation.reason or relation.rule] = Rule(relation.rule, columns)
            except RuleFault as fault:
                faults.append(f"{relation.rule}: {fault}")
        if faults:
            raise DictionaryError(
                "Some rules cannot be used:",
                faults=faults,
                next_step="mend the rules in the dictionary",
            )
        return parsed

    def computed(self, values: pd.DataFrame) -> dict[str, pd.Series]:
        """The derived columns of a frame of values, as numbers."""
        columns = {feature.name: feature.levels for feature in self.features}
        return {
            d.name: pd.Series(Formula(d.formula, columns).values(values), index=values.index).round(
                d.decimals
            )
            for d in self.derived
        }

    def __getitem__(self, name: str) -> Feature:
        return next(feature for feature in self.features if feature.name == name)

    @property
    def names(self) -> list[str]:
        """Names of the generated columns, in the order of the table."""
        return [feature.name for feature in self.features]

    @property
    def inputs(self) -> list[str]:
        """Names of the features without the target."""
        return [name for name in self.names if name != self.target]

    @property
    def input_features(self) -> tuple[Feature, ...]:
        """The features without the target."""
        return tuple(feature for feature in self.features if feature.name != self.target)

    @property
    def classification(self) -> bool:
        """Whether the target is a class (else it is a number: regression)."""
        return not self[self.target].numeric

    def values(self, cells: pd.DataFrame) -> pd.DataFrame:
        """The generated columns of a frame of cells (text, None for missing) as values."""
        return pd.DataFrame(
            {f.name: f.values(cells[f.name]) for f in self.features}, index=cells.index
        )

    def cells(self, values: pd.DataFrame) -> pd.DataFrame:
        """A frame of values as text, None for missing."""
        columns = {
            f.name: pd.Series(f.cells(values[f.name]), index=values.index, dtype=object)
            for f in self.features
        }
        return pd.DataFrame(columns, index=values.index)

    def native(self, values: pd.DataFrame) -> pd.DataFrame:
        """A frame of values with the types that people expect: int64 (Int64 with missing cells), float64, bool, text."""
        return pd.DataFrame(
            {f.name: f.native(values[f.name]) for f in self.features}, index=values.index
        )

    def check_table(self, cells: pd.DataFrame, lines: list[int], source: str) -> list[str]:
        """Compare real cells with this dictionary.

        **Raises** `InputError` that lists the columns that are not there and the cells that cannot be read at all
        (by line and column, never by value). **Returns** a warning for each constraint that some real rows break.
        """
        absent = [
            f"column {name!r} is not in {source}"
            for name in self.names
            if name not in cells.columns
        ]
        unread, warnings = [], []
        for feature in self.features:
            if feature.name not in cells.columns:
                continue
            column, values = cells[feature.name], feature.values(cells[feature.name])
            broken = {name: ~mask for name, mask in feature.obeyed(values).items()}
            present = column.notna() & ~column.isin(feature.missing_values)
            unknown = (
                broken.pop("levels", None)
                if not feature.numeric
                else (present & values.isna()).to_numpy()
            )
            if unknown is not None:
                what = (
                    f"not {'an' if feature.type == 'integer' else 'a'} {feature.type}"
                    if feature.numeric
                    else "not one of its levels"
                )
                unread += [
                    f"{source}, line {lines[i]}, column {feature.name!r}: {what}"
                    for i in np.flatnonzero(unknown)
                ]
            warnings += [
                f"{feature.name}: {mask.sum()} real rows break its {name}"
                for name, mask in broken.items()
                if mask.any()
            ]
        if absent or unread:
            raise InputError(
                f"{source} does not fit the dictionary:",
                faults=[*absent, *unread],
                next_step="mend the dictionary or the table; 'python -m t2local describe' writes a dictionary that fits",
            )
        self._check_label(cells[self.target], lines, source)
        demoted = binding(self.parsed_rules(), self.values(cells))[1]
        disagree = {d.name: self._disagreement(d, cells) for d in self.derived if d.name in cells}
        warnings += [
            f"{name}: {count} of {len(cells)} real rows are not what the formula gives"
            for name, count in disagree.items()
            if count
        ]
        broken_rules = [
            f"rule {rule!r}: {count} of {len(cells)} real rows break it, so it is not enforced"
            for rule, count in demoted.items()
        ]
        return [*warnings, *broken_rules]

    def _disagreement(self, derived: Derived, cells: pd.DataFrame) -> int:
        """How many real rows have another number than the formula gives, beyond rounding."""
        told = pd.to_numeric(cells[derived.name], errors="coerce")
        given = self.computed(self.values(cells))[derived.name]
        return int(((told - given).abs() > 1.001 * 10.0**-derived.decimals).sum())

    def _check_label(self, labels: pd.Series, lines: list[int], source: str) -> None:
        """A label in every row, and two classes at least: without them nothing can be judged."""
        faults = [
            f"{source}, line {lines[i]}, column {self.target!r}: no label"
            for i in np.flatnonzero(labels.isna())
        ]
        if labels.nunique() < 2:
            faults.append(
                f"{source}, column {self.target!r}: only one class; there is nothing to predict"
            )
        if faults:
            raise InputError(
                f"The target {self.target!r} cannot be used as it is:",
                faults=faults,
                next_step="mend these rows, or pass another column with --target",
            )

    def to_yaml(self) -> str:
        """This dictionary as a file that a person can edit."""
        comment = "What each column may hold. Guesses carry their reason; change what is wrong and pass it on with --dictionary."
        return yaml_text(
            comment, table_schema.to_file(self.model_dump(mode="json", exclude_defaults=True))
        )

    def to_table_schema(self) -> str:
        """This dictionary as a Frictionless Table Schema (JSON), with a few words more that other tools pass over."""
        return (
            json.dumps(
                table_schema.to_file(self.model_dump(mode="json", exclude_defaults=True)),
                indent=2,
                ensure_ascii=False,
            )
            + "\n"
        )

    @staticmethod
    def json_schema() -> str:
        """The JSON Schema of dictionary files, for editors that complete and check them."""
        return (
            json.dumps(table_schema.json_schema(FeatureDictionary.model_json_schema()), indent=2)
            + "\n"
        )


def read_dictionary(text: str, source: str) -> FeatureDictionary:
    """The dictionary in a YAML text.

    **Raises** `DictionaryError` with every fault, each with its line and column in ``source``.
    """
    next_step = "mend the lines above; 'python -m t2local describe data.csv' writes a correct one"
    try:
        node = yaml.compose(_without_aliases(text), Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise DictionaryError(
            f"{source} is not readable YAML:", faults=[place + str(problem)], next_step=next_step
        ) from None
    told = table_schema.from_file(raw) if isinstance(raw, dict) else {}
    faults = (
        list(_cross_faults(told))
        if told
        else [((), "a dictionary is a mapping with target and fields")]
    )
    dictionary = None
    if told:
        try:
            dictionary = FeatureDictionary.model_validate(told)
        except ValidationError as error:
            # That a list is too short after its faulty entries were taken out is no fault of its own.
            told_all = len(told.get("features") or ()) > 1
            every = error.errors(include_input=False, include_url=False)
            found = [
                (e["loc"], e["msg"])
                for e in every
                if not (told_all and e["type"] == "too_short" and e["loc"] == ("features",))
            ]
            faults = [*found, *faults]
    if faults or dictionary is None:
        placed = [(table_schema.place_in_file(path, raw), what) for path, what in faults]
        described = [
            f"{source}, {_place(node, path)}: {'.'.join(map(str, path)) or 'file'}: {what}"
            for path, what in placed
        ]
        raise DictionaryError(
            f"{source} has {len(described)} faults:", faults=described, next_step=next_step
        )
    return dictionary


def _cross_faults(raw: dict[str, Any]) -> Iterable[tuple[tuple[str | int, ...], str]]:
    """Faults between the parts of a dictionary, found even where the parts themselves have faults."""
    features = raw.get("features")
    entries = features if isinstance(features, list) else []
    names = [str(entry.get("name")) if isinstance(entry, dict) else None for entry in entries]
    counts = Counter(name for name in names if name is not None)
    for position, name in enumerate(names):
        if name is not None and counts[name] > 1 and position != names.index(name):
            yield ("features", position, "name"), f"the name {name!r} stands there twice"
    columns = {
        str(entry.get("name")): tuple(map(str, entry.get("levels") or ()))
        for entry in entries
        if isinstance(entry, dict)
    }
    relations = raw.get("rules")
    for position, relation in enumerate(relations if isinstance(relations, list) else []):
        try:
            Rule(
                str(
                    relation["rule"]
                    if isinstance(relation, dict) and "rule" in relation
                    else relation
                ),
                columns,
            )
        except RuleFault as fault:
            yield ("rules", position), str(fault)
    formulas = raw.get("derived")
    for position, derived in enumerate(formulas if isinstance(formulas, list) else []):
        name = str(derived.get("name")) if isinstance(derived, dict) else ""
        if name in columns:
            yield ("derived", position, "name"), f"{name!r} is a field already; leave it out there"
        try:
            Formula(str(derived.get("formula") if isinstance(derived, dict) else derived), columns)
        except RuleFault as fault:
            yield ("derived", position), str(fault)
    if "target" in raw and str(raw["target"]) not in counts:
        yield ("target",), f"the target {str(raw['target'])!r} is not among the features"


def _without_aliases(text: str) -> str:
    """The text, if it has no YAML alias: a few lines of nested aliases can unfold to gigabytes."""
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken):
            raise yaml.scanner.ScannerError(None, None, "aliases are not allowed", token.start_mark)
    return text


def _place(node: yaml.Node | None, path: tuple[str | int, ...]) -> str:
    """Line and column of the deepest part of the path that the file has."""
    for key in path:
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == str(key)), node)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
    mark = node.start_mark if node is not None else None
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "line 1"
