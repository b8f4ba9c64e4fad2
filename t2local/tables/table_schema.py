"""A dictionary in the words of Frictionless Table Schema, and back.

These words are ``constraints.minimum``, ``enum``, ``missingValues`` and so on. A dictionary file is
a Table Schema with some words more: ``target``, ``unit``, ``decimals``, ``pool``, ``reason`` (of a
guess), ``effect``, ``level_effects``, ``positive``, ``rules``, ``left_out``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from t2local.system.json_text import JsonObject
from t2local.tables.column_types import FEATURE_TYPES
from t2local.tables.yaml_file import KeyPath

#: Table Schema's names of types, and ours.
_TYPES_FROM_FILE = {"number": "decimal", "string": "category", "any": "category", "year": "integer"}
#: Our names of types, and Table Schema's.
_TYPES_TO_FILE = {"decimal": "number", "category": "string", "ordinal": "string"}
#: What a field has in our words, and where that stands in a file.
_PLACES: Mapping[str, KeyPath] = {
    "meaning": ("description",),
    "minimum": ("constraints", "minimum"),
    "maximum": ("constraints", "maximum"),
    "levels": ("constraints", "enum"),
    "missing": ("constraints", "required"),
    "missing_values": ("missingValues",),
}
#: What a person knows (`t2local.tables.effects`), in a file as in our words.
_EFFECT_WORDS = ("effect", "level_effects", "positive")
#: How a file and the command line say that no column is to be predicted.
NO_TARGET = "none"
#: Words of a file that say nothing about its columns.
_UNUSED_IN_FILE = ("$schema", "primaryKey", "foreignKeys", "missingValues")
#: Words of Table Schema that say nothing about what a column may hold here.
_UNUSED = (
    "title", "rdfType", "example", "bareNumber", "decimalChar", "groupChar", "trueValues",
    "falseValues", "categoriesOrdered", "categories",
)  # fmt: skip
_UNUSED_CONSTRAINTS = (
    "unique", "pattern", "minLength", "maxLength", "jsonSchema", "exclusiveMinimum",
    "exclusiveMaximum",
)  # fmt: skip


def means_no_target(target: object, names: Iterable[object]) -> bool:
    """Whether a target says that there is none; a column of that name is a target all the same."""
    return target == NO_TARGET and NO_TARGET not in map(str, names)


def from_file(raw: Mapping[str, Any]) -> JsonObject:
    """What a file says, in the words of `t2local.tables.dictionary`.

    What is not understood is passed on, and refused there.
    """
    fields = {str(key): value for key, value in raw.items() if key not in _UNUSED_IN_FILE}
    if "fields" in fields:
        fields["features"] = fields.pop("fields")
    if isinstance(fields.get("features"), list):
        shared = _texts(raw.get("missingValues"))
        fields["features"] = [
            field_from_file(entry, shared) if isinstance(entry, Mapping) else entry
            for entry in fields["features"]
        ]
    if means_no_target(fields.get("target"), _names(fields.get("features"))):
        fields["target"] = None
    return fields


def _names(entries: Any) -> list[Any]:
    """The names of the columns of a file; of what is no list of mappings none."""
    if not isinstance(entries, list):
        return []
    return [entry.get("name") for entry in entries if isinstance(entry, Mapping)]


def field_from_file(entry: Mapping[str, Any], shared: list[str]) -> JsonObject:
    """One field of a file in our words; ``shared`` are the file's texts for "missing"."""
    in_constraints = ("constraints", "description", "missingValues", *_UNUSED)
    field = {str(key): value for key, value in entry.items() if key not in in_constraints}
    constraints = entry.get("constraints") or {}
    if not isinstance(constraints, Mapping):
        field["constraints"] = constraints  # passed on, and refused as it is
        constraints = {}
    if "description" in entry:
        field["meaning"] = entry["description"]
    if missing_values := [text for text in (*_texts(entry.get("missingValues")), *shared) if text]:
        field["missing_values"] = missing_values
    if "constraints" in entry or "fields" in entry:
        field["missing"] = not constraints.get("required", False)
    levels = constraints.get("enum") or _categories(entry) or _booleans(entry)
    if levels is not None:
        field["levels"] = levels
    elsewhere = ("enum", "required", *_UNUSED_CONSTRAINTS)
    field |= {str(key): value for key, value in constraints.items() if key not in elsewhere}
    if entry.get("categoriesOrdered"):
        field["type"] = "ordinal"
    elif isinstance(kind := field.get("type"), str):
        field["type"] = _TYPES_FROM_FILE.get(kind, kind)
    if field.get("format") in ("default", "any"):
        del field["format"]
    return field


def _texts(value: Any) -> list[str]:
    """A list of a file as texts; nothing where the file has something else in its place."""
    return [str(each) for each in value] if isinstance(value, list) else []


def _categories(entry: Mapping[str, Any]) -> list[str] | None:
    categories = entry.get("categories")
    if not isinstance(categories, list):
        return None
    return [
        str(each.get("value")) if isinstance(each, Mapping) else str(each) for each in categories
    ]


def _booleans(entry: Mapping[str, Any]) -> list[str] | None:
    pair = [*_texts(entry.get("falseValues"))[:1], *_texts(entry.get("trueValues"))[:1]]
    return pair if len(pair) == 2 else None


def to_file(fields: Mapping[str, Any]) -> JsonObject:
    """A dictionary (as ``model_dump`` gives it) in the words of a file."""
    entries = [field_to_file(entry) for entry in fields["features"]]
    target = fields["target"]
    if target is None and means_no_target(NO_TARGET, _names(entries)):
        target = NO_TARGET  # else null, as the word is a column's name
    return _renamed({**fields, "target": target, "features": entries})


def _renamed(fields: Mapping[str, Any]) -> JsonObject:
    """The same in the same order, with the features under their name in a file."""
    return {{"features": "fields"}.get(name, name): value for name, value in fields.items()}


def field_to_file(entry: Mapping[str, Any]) -> JsonObject:
    """One field in the words of a file; what is not said is not written."""
    kind = entry["type"]
    constraints = {
        "minimum": entry.get("minimum"),
        "maximum": entry.get("maximum"),
        "enum": list(entry.get("levels", ())) or None,
        "required": not entry.get("missing", False),
    }
    field = {
        "description": entry.get("meaning"),
        "unit": entry.get("unit"),
        "format": entry.get("format"),
        "decimals": entry.get("decimals"),
        "categoriesOrdered": kind == "ordinal",
        "constraints": {key: value for key, value in constraints.items() if value is not None},
        "missingValues": list(entry.get("missing_values", ())),
        "pool": entry.get("pool"),
        **{key: entry.get(key) for key in _EFFECT_WORDS},
        "reason": entry.get("reason"),
    }
    words = {key: value for key, value in field.items() if value}
    return {"name": entry["name"], "type": _TYPES_TO_FILE.get(kind, kind), **words}


def place_in_file(path: KeyPath, raw: Any) -> KeyPath:
    """Where in a file that says ``raw`` a fault of our words is about."""
    if not isinstance(raw, Mapping) or path[:1] != ("features",) or "features" in raw:
        return path
    if len(path) < 3:
        return ("fields", *path[1:])
    return ("fields", path[1], *_PLACES.get(str(path[2]), path[2:3]), *path[3:])


def json_schema(model: Mapping[str, Any]) -> JsonObject:
    """The JSON Schema of a file, from that of the model."""
    definitions = dict(model["$defs"])
    definitions["Feature"] = _field_schema(definitions["Feature"]["properties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": _renamed(model["properties"]),
        "required": ["target", "fields"],
        "$defs": definitions,
        "additionalProperties": False,
    }


def _field_schema(own: Mapping[str, Any]) -> JsonObject:
    """The JSON Schema of one field in the words of a file."""
    constraints = {
        "type": "object",
        "properties": {
            "minimum": {"type": ["number", "string"]},
            "maximum": {"type": ["number", "string"]},
            "enum": own["levels"],
            "required": {"type": "boolean"},
        },
        "additionalProperties": False,
    }
    kinds = dict.fromkeys(_TYPES_TO_FILE.get(kind, kind) for kind in FEATURE_TYPES)
    return {
        "type": "object",
        "properties": {
            **{
                name: own[name] for name in ("name", "unit", "format", "decimals", "pool", "reason")
            },
            **{name: own[name] for name in _EFFECT_WORDS},
            "description": own["meaning"],
            "missingValues": own["missing_values"],
            "categoriesOrdered": {"type": "boolean"},
            "constraints": constraints,
            "type": {"enum": list(kinds)},
        },
        "required": ["name", "type"],
        "additionalProperties": False,
    }
