"""The feature dictionary: all columns of a table, its target, and the rules between columns.

Inside t2local a table is a frame of *values*: numbers are float64 (NaN is missing), everything else
is the text of a level (None is missing). This file knows no CSV, no model and no prompt.
"""

from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from t2local.errors import DictionaryError, UsageError
from t2local.system.json_text import JsonObject, as_json
from t2local.tables import check, table_schema
from t2local.tables.characters import Text
from t2local.tables.column_types import FeatureType
from t2local.tables.effects import check_effects
from t2local.tables.feature import MOST_DECIMALS, Feature
from t2local.tables.rules import Formula, Rule, RuleFault, binding
from t2local.tables.yaml_file import yaml_text

__all__ = ["Derived", "Feature", "FeatureDictionary", "FeatureType", "LeftOut", "Relation"]


class LeftOut(BaseModel):
    """A column of which no model sees a cell, and why.

    ``make`` says what new rows get: ``identifier`` for new ones made by code
    (`t2local.tables.identifiers`), ``link`` for those of other new rows, in column ``to``
    (`t2local.tables.links`), ``text`` for short texts that a worker writes from the row and from
    ``meaning``, ``max_length`` letters at most (`t2local.team.texts`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    name: Text
    reason: str
    make: Literal["", "identifier", "link", "text"] = ""
    to: Text = ""
    meaning: Text = ""
    max_length: int = Field(80, ge=1, le=1000)


class Derived(BaseModel):
    """A column that is computed from others, rounded to ``decimals``.

    No model sees or writes it (`t2local.tables.rules.Formula`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    name: str
    formula: str = Field(max_length=2000)
    decimals: int = Field(2, ge=0, le=MOST_DECIMALS)


class Relation(BaseModel):
    """A rule between features (`t2local.tables.rules`), and why it holds, in words.

    ``support``: for one that `describe` proposes, in how many real rows it could be broken; none
    breaks it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str = Field(max_length=2000)
    reason: str = ""
    support: int = Field(0, ge=0)


def _plain_rules(rules: Any) -> Any:
    """A rule without a reason may be a plain text."""
    if not isinstance(rules, list | tuple):
        return rules
    return [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]


class FeatureDictionary(BaseModel):
    """All features of a table, its target, the rules between them, and the columns left out.

    The features stand in the order of the columns. Without a target nothing is to be predicted:
    rows are written and judged by their cells alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    description: Text = ""
    target: str | None
    target_reason: str = ""
    features: tuple[Feature, ...] = Field(min_length=1)
    rules: Annotated[tuple[Relation, ...], BeforeValidator(_plain_rules)] = ()
    derived: tuple[Derived, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def parsed_rules(self) -> dict[str, Rule]:
        """The rules by what is said of a row that breaks one: its reason, else its text.

        **Raises** `DictionaryError` with every fault.
        """
        columns = _levels(self)
        rules: dict[str, Rule] = {}
        faults: list[str] = []
        for relation in self.rules:
            words = relation.reason or relation.rule
            while words in rules:  # two rules may have one reason
                words = f"{words} ({relation.rule})"
            try:
                rules[words] = Rule(relation.rule, columns)
            except RuleFault as fault:
                faults.append(f"{relation.rule}: {fault}")
        if faults:
            raise DictionaryError(
                "Some rules cannot be used:",
                faults=faults,
                next_step="mend the rules in the dictionary",
            )
        return rules

    def computed(self, values: pd.DataFrame) -> dict[str, pd.Series]:
        """The derived columns of a frame of values, as numbers."""
        columns = _levels(self)
        computed = {}
        for derived in self.derived:
            numbers = Formula(derived.formula, columns).values(values)
            computed[derived.name] = pd.Series(numbers, index=values.index).round(derived.decimals)
        return computed

    def __getitem__(self, name: str) -> Feature:
        return next(feature for feature in self.features if feature.name == name)

    @property
    def target_feature(self) -> Feature:
        """The feature that is to be predicted.

        **Raises** `UsageError` where there is none.
        """
        if self.target is None:
            raise UsageError(
                "This needs a column to predict, and the table has no target.",
                next_step="name one with --target COLUMN, or as target in the dictionary",
            )
        return self[self.target]

    @property
    def names(self) -> list[str]:
        """Names of the generated columns, in the order of the table."""
        return [feature.name for feature in self.features]

    @property
    def inputs(self) -> list[str]:
        """Names of the features without the target; all of them where there is none."""
        return [name for name in self.names if name != self.target]

    @property
    def input_features(self) -> tuple[Feature, ...]:
        """The features without the target; all of them where there is none."""
        return tuple(feature for feature in self.features if feature.name != self.target)

    @property
    def classification(self) -> bool:
        """Whether the target is a class (else it is a number: regression; or there is none)."""
        return self.target is not None and not self.target_feature.numeric

    def values(self, cells: pd.DataFrame) -> pd.DataFrame:
        """The generated columns of a frame of cells (text, None for missing) as values."""
        columns = {feature.name: feature.values(cells[feature.name]) for feature in self.features}
        return pd.DataFrame(columns, index=cells.index)

    def cells(self, values: pd.DataFrame) -> pd.DataFrame:
        """A frame of values as text, None for missing."""
        columns = {}
        for feature in self.features:
            cells = [feature.cell(value) for value in values[feature.name]]
            columns[feature.name] = pd.Series(cells, index=values.index, dtype=object)
        return pd.DataFrame(columns, index=values.index)

    def native(self, values: pd.DataFrame) -> pd.DataFrame:
        """A frame of values with the types that people expect.

        int64 (Int64 with missing cells), float64, bool, timestamps, time deltas, text.
        """
        columns = {feature.name: feature.native(values[feature.name]) for feature in self.features}
        return pd.DataFrame(columns, index=values.index)

    def check_table(self, cells: pd.DataFrame, lines: list[int], source: str) -> list[str]:
        """Compare real cells with this dictionary.

        **Returns** a warning for each constraint, formula and rule that some real rows break.

        **Raises** `InputError` that lists the columns that are not there, the cells that cannot be
        read at all and the labels that are missing, by line and column, never by value;
        `DictionaryError` where its effects or rules cannot be used.
        """
        check_effects(self.target, self.features)
        warnings = check.check_cells(self.features, cells, lines, source)
        if self.target is not None:
            check.check_labels(cells[self.target], lines, source)
        values = self.values(cells)
        demoted = binding(self.parsed_rules(), values)[1]
        decimals = {derived.name: derived.decimals for derived in self.derived}
        warnings += check.check_formulas(self.computed(values), decimals, cells)
        warnings += [
            f"rule {rule!r}: {count} of {len(cells)} real rows break it, so it is not enforced"
            for rule, count in demoted.items()
        ]
        return warnings

    def to_yaml(self) -> str:
        """This dictionary as a file that a person can edit."""
        comment = (
            "What each column may hold. Guesses carry their reason; "
            "change what is wrong and pass it on with --dictionary."
        )
        return yaml_text(comment, _file_fields(self))

    def to_table_schema(self) -> str:
        """This dictionary as a Frictionless Table Schema (JSON).

        It has a few words more, which other tools pass over.
        """
        return as_json(_file_fields(self))

    @staticmethod
    def json_schema() -> str:
        """The JSON Schema of dictionary files, for editors that complete and check them."""
        return as_json(table_schema.json_schema(FeatureDictionary.model_json_schema()))


def _levels(dictionary: FeatureDictionary) -> dict[str, tuple[str, ...]]:
    """The levels of each column, none for a number: what a rule needs to know."""
    return {feature.name: feature.levels for feature in dictionary.features}


def _file_fields(dictionary: FeatureDictionary) -> JsonObject:
    return table_schema.to_file(dictionary.model_dump(mode="json", exclude_defaults=True))
