"""Data dictionaries that hospitals have already: REDCap (CSV), OMOP field lists (CSV), Frictionless Table Schema (JSON or YAML).

A codebook says what columns mean, their types and codes; what it leaves open (most ranges) is guessed from the rows. Identifiers
that it names are never shown to a model, whatever the rows look like.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import ValidationError

from t2local.errors import DictionaryError
from t2local.tables.dictionary import Feature, FeatureDictionary, LeftOut, Relation
from t2local.tables.rules import Rule, RuleFault
from t2local.tables.table_schema import from_file

_NAME, _TYPE, _LABEL = "Variable / Field Name", "Field Type", "Field Label"
_CHOICES, _VALIDATION = (
    "Choices, Calculations, OR Slider Labels",
    "Text Validation Type OR Show Slider Number",
)
_LOW, _HIGH = "Text Validation Min", "Text Validation Max"
_IDENTIFIER, _BRANCHING, _REQUIRED = (
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
)
_TOKEN = re.compile(
    r"\s*(\[[^\]]+\]|'[^']*'|\"[^\"]*\"|<>|!=|<=|>=|[=<>()+*/-]|\d+(?:\.\d+)?|\w+)", re.ASCII
)


@dataclass
class Codebook:
    """What a codebook says: facts of columns in the words of `Feature`, columns that no model may see, and relations."""

    source: str
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    hidden: dict[str, LeftOut] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def apply(self, guess: FeatureDictionary, cells: pd.DataFrame) -> FeatureDictionary:
        """The guessed dictionary with what the codebook says in place of guesses.

        **Raises** `DictionaryError` with every column that cannot be what the codebook says.
        """
        faults, features = list[str](), list[Feature]()
        for feature in guess.features:
            if feature.name in self.hidden and feature.name != guess.target:
                continue
            try:
                features.append(self._told(feature, cells[feature.name].dropna()))
            except ValidationError as error:
                faults += [
                    f"{self.source}: {feature.name}: {each['msg']}"
                    for each in error.errors(include_input=False, include_url=False)
                ]
        if faults:
            raise DictionaryError(
                f"{self.source} does not fit the table:",
                faults=faults,
                next_step="mend the codebook, or describe the table without it",
            )
        hidden = [
            LeftOut(name=name, reason=out.reason, make=out.make)
            for name, out in self.hidden.items()
            if name in cells and name != guess.target
        ]
        left_out = [*(out for out in guess.left_out if out.name not in self.hidden), *hidden]
        known = guess.model_copy(
            update={"features": tuple(features), "left_out": tuple(left_out), "rules": ()}
        )
        return known.model_copy(
            update={"rules": tuple(self._usable([*guess.rules, *self.relations], known))}
        )

    def _told(self, feature: Feature, present: pd.Series) -> Feature:
        """A feature with the facts of the codebook; codes that the rows do not use may be written all the same, rows with labels keep labels."""
        facts = dict(self.facts.get(feature.name, {}))
        if not facts:
            return feature
        labels = facts.pop("labels", {})
        if labels and not set(present) <= set(labels) and set(present) <= set(labels.values()):
            facts["levels"] = tuple(labels.values())
        if facts.get("levels") and not set(present) <= set(facts["levels"]):
            facts["levels"] = (*facts["levels"], *sorted(set(present) - set(facts["levels"])))
        known = feature.model_dump(exclude_defaults=True)
        kind = facts.get("type", feature.type)
        if kind in ("category", "ordinal", "boolean"):
            facts.setdefault("levels", feature.levels or tuple(sorted(set(present))))
            if kind == "boolean" and len(facts["levels"]) != 2:
                kind = facts["type"] = "category"
            known = {
                name: value
                for name, value in known.items()
                if name in ("name", "missing", "missing_values", "meaning")
            }
        elif not feature.numeric:  # a number that the rows do not have: what they have is right
            facts = {name: value for name, value in facts.items() if name in ("meaning", "unit")}
        elif (kind == "integer" and feature.type == "decimal") or feature.temporal:
            facts.pop("type", None)
        return Feature.model_validate({**known, **facts, "reason": f"from {self.source}"})

    def _usable(
        self, relations: Iterable[Relation], known: FeatureDictionary
    ) -> Iterable[Relation]:
        """Relations between columns that are there."""
        columns = {feature.name: feature.levels for feature in known.features}
        for relation in relations:
            # REDCap quotes numbers and codes alike.
            unquoted = relation.model_copy(
                update={"rule": re.sub(r'"(-?\d+(?:\.\d+)?)"', r"\1", relation.rule)}
            )
            faults = {each.rule: _fault(each.rule, columns) for each in (relation, unquoted)}
            if usable := [each for each in (relation, unquoted) if not faults[each.rule]]:
                yield usable[0]
            else:
                self.notes.append(
                    f"{self.source}: left out: {relation.reason}: {faults[relation.rule]}"
                )


def _fault(rule: str, columns: Mapping[str, tuple[str, ...]]) -> str:
    try:
        Rule(rule, columns)
    except RuleFault as fault:
        return str(fault)
    return ""


def read_codebook(text: str, source: str) -> Codebook:
    """The codebook in a text: CSV of REDCap or OMOP, or a Table Schema. **Raises** `DictionaryError` for anything else."""
    header = next(csv.reader(io.StringIO(text)), [])
    names = [name.strip().strip("\ufeff") for name in header]
    rows = [
        dict(zip(names, row, strict=False))
        for row in list(csv.reader(io.StringIO(text)))[1:]
        if any(row)
    ]
    if _NAME in names and _TYPE in names:
        return _redcap(rows, source)
    if "cdmFieldName" in names:
        return _omop(rows, source)
    try:
        raw = yaml.safe_load(text)  # JSON is YAML
    except yaml.YAMLError:
        raw = None
    if isinstance(raw, Mapping) and isinstance(raw.get("fields"), list):
        fields = from_file(raw)["features"]
        return Codebook(
            source,
            facts={
                str(entry["name"]): entry
                for entry in fields
                if isinstance(entry, dict) and "name" in entry
            },
        )
    raise DictionaryError(
        f"{source} is no codebook that is known.",
        faults=[
            f"it has neither REDCap's columns ({_NAME}, {_TYPE} ...), nor OMOP's (cdmFieldName ...), nor the fields of a Table Schema"
        ],
        next_step="python -m t2local describe data.csv -o dictionary.yaml guesses from the rows alone",
    )


def _redcap(rows: list[dict[str, str]], source: str) -> Codebook:
    book = Codebook(source)
    for place, row in enumerate(rows):
        name, kind = row[_NAME].strip(), row[_TYPE].strip().lower()
        if row.get(_IDENTIFIER, "").strip().lower() == "y" or place == 0:
            why = "the record's number" if place == 0 else "an identifier"
            book.hidden[name] = LeftOut(
                name=name, reason=f"{why}, by {source}", make="identifier" if place == 0 else ""
            )
        elif kind in ("notes", "file", "descriptive"):
            book.hidden[name] = LeftOut(name=name, reason=f"a field of type {kind}, by {source}")
        elif kind == "checkbox":
            for code, label in _choices(row.get(_CHOICES, "")).items():
                book.facts[f"{name}___{code}"] = {
                    "type": "boolean",
                    "levels": ("0", "1"),
                    "meaning": f"{_plain(row[_LABEL])}: {label}",
                }
        else:
            book.facts[name] = _redcap_facts(kind, row)
        if logic := row.get(_BRANCHING, "").strip():
            book.relations += _shown_if(name, logic, kind, row, book)
    return book


def _redcap_facts(kind: str, row: Mapping[str, str]) -> dict[str, Any]:
    """What a row of a REDCap dictionary says of its field."""
    facts: dict[str, Any] = {"meaning": _plain(row.get(_LABEL, ""))}
    if row.get(_REQUIRED, "").strip().lower() == "y":
        facts["missing"] = False
    validation = row.get(_VALIDATION, "").strip().lower()
    if kind in ("yesno", "truefalse"):
        return {**facts, "type": "boolean", "levels": ("0", "1")}
    if kind in ("dropdown", "radio"):
        labels = _choices(row.get(_CHOICES, ""))
        meaning = "; ".join(f"{code} {label}" for code, label in labels.items())
        return {
            **facts,
            "type": "category",
            "levels": tuple(labels),
            "labels": labels,
            "meaning": f"{facts['meaning']} ({meaning})",
        }
    if kind == "slider":
        return {
            **facts,
            "type": "integer",
            "minimum": _number(row.get(_LOW, ""), 0),
            "maximum": _number(row.get(_HIGH, ""), 100),
        }
    if kind == "calc" or validation.startswith(("integer", "number")):
        bounds = {"minimum": _number(row.get(_LOW, "")), "maximum": _number(row.get(_HIGH, ""))}
        return {
            **facts,
            **({"type": "integer"} if validation == "integer" else {}),
            **{name: value for name, value in bounds.items() if value is not None},
        }
    return facts


def _shown_if(
    name: str, logic: str, kind: str, row: Mapping[str, str], book: Codebook
) -> Iterable[Relation]:
    """Branching logic as a rule: a field that is not shown has no value."""
    columns = (
        [f"{name}___{code}" for code in _choices(row.get(_CHOICES, ""))]
        if kind == "checkbox"
        else [name]
    )
    condition = _condition(logic)
    if condition is None:
        book.notes.append(
            f"{book.source}: the branching logic of {name} is not understood and left out"
        )
    for column in columns if condition else ():
        shown = (
            f"isna(`{column}`)" if kind != "checkbox" else f'isna(`{column}`) or `{column}` == "0"'
        )
        yield Relation(
            rule=f"{shown} or ({condition})", reason=f"{column} is asked only if {logic}"
        )


def _condition(logic: str) -> str | None:
    """Branching logic in the language of rules; none where it says more than these can."""
    tokens, place = [], 0
    while place < len(logic.rstrip()):
        found = _TOKEN.match(logic, place)
        if found is None:
            return None
        tokens.append(found[1])
        place = found.end()
    result: list[str] = []
    for index, token in enumerate(tokens):
        if token.startswith("["):
            inner = re.fullmatch(r"\[(\w+)(?:\((\w+)\))?\]", token)
            if inner is None:
                return None
            result.append(f"`{inner[1]}___{inner[2]}`" if inner[2] else f"`{inner[1]}`")
        elif token in ("''", '""') and len(result) > 1 and result[-1] in ("==", "!="):
            sign, column = result.pop(), result.pop()
            result.append(f"isna({column})" if sign == "==" else f"not isna({column})")
        elif token.lower() in ("and", "or", "not"):
            result.append(token.lower())
        elif token.isalpha() or (token.isidentifier() and index):
            return None  # a function
        else:
            result.append(
                {"=": "==", "<>": "!="}.get(
                    token, f'"{token[1:-1]}"' if token[0] in "'\"" else token
                )
            )
    return " ".join(result)


def _omop(rows: list[dict[str, str]], source: str) -> Codebook:
    book = Codebook(source)
    for row in rows:
        name, kind = row["cdmFieldName"].strip(), row.get("cdmDatatype", "").strip().lower()
        keys = {
            key: row.get(key, "").strip().lower() in ("yes", "true", "1")
            for key in ("isPrimaryKey", "isForeignKey")
        }
        concept = name.endswith("_concept_id")
        if (
            keys["isPrimaryKey"]
            or (keys["isForeignKey"] and not concept)
            or name.endswith(("_source_value", "_source_concept_id"))
        ):
            book.hidden[name] = LeftOut(
                name=name,
                reason=f"a key or source value, by {source}",
                make="identifier" if keys["isPrimaryKey"] else "",
            )
            continue
        facts: dict[str, Any] = {"meaning": _plain(row.get("userGuidance", "")).split(". ")[0]}
        if row.get("isRequired", "").strip().lower() in ("yes", "true", "1"):
            facts["missing"] = False
        book.facts[name] = {
            **facts,
            **(
                {"type": "category"}
                if concept
                else {"type": "integer"}
                if kind == "integer"
                else {}
            ),
        }
    return book


def _choices(text: str) -> dict[str, str]:
    """REDCap's ``1, Yes | 2, No``: codes and their labels."""
    pairs = (each.partition(",") for each in text.split("|"))
    return {code.strip(): label.strip() for code, comma, label in pairs if comma and code.strip()}


def _plain(text: str) -> str:
    """A label without its HTML."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text or "")).strip()


def _number(text: str, otherwise: float | None = None) -> float | None:
    try:
        return float(text)
    except ValueError:
        return otherwise


def read_codebook_file(path: Path) -> Codebook:
    """The codebook in a file."""
    try:
        return read_codebook(path.read_text(encoding="utf-8-sig"), path.name)
    except FileNotFoundError:
        raise DictionaryError(f"There is no file {path}.", next_step="check the path") from None
    except (UnicodeDecodeError, OSError, csv.Error):
        raise DictionaryError(
            f"{path} cannot be read as UTF-8 text.", next_step="check that it is the right file"
        ) from None
