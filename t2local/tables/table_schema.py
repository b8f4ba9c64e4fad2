"""A dictionary in the words of Frictionless Table Schema (``constraints.minimum``, ``enum``, ``missingValues``), and back.

A dictionary file is a Table Schema with some words more: ``target``, ``unit``, ``decimals``, ``reason`` (of a guess), ``rules``, ``left_out``.
"""

from collections.abc import Mapping
from typing import Any

Path = tuple[str | int, ...]

#: Table Schema's names of types, and ours.
_TYPES = {"number": "decimal", "string": "category", "any": "category", "year": "integer"}
#: What a field has in our words, and where that stands in a file.
_PLACES: dict[str, Path] = {
    "meaning": ("description",),
    "minimum": ("constraints", "minimum"),
    "maximum": ("constraints", "maximum"),
    "levels": ("constraints", "enum"),
    "missing": ("constraints", "required"),
    "missing_values": ("missingValues",),
}
#: Words of Table Schema that say nothing about what a column may hold here.
_UNUSED = (
    "title",
    "rdfType",
    "example",
    "bareNumber",
    "decimalChar",
    "groupChar",
    "trueValues",
    "falseValues",
    "categoriesOrdered",
    "categories",
)
_UNUSED_CONSTRAINTS = (
    "unique",
    "pattern",
    "minLength",
    "maxLength",
    "jsonSchema",
    "exclusiveMinimum",
    "exclusiveMaximum",
)


def from_file(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says, in the words of `t2local.tables.dictionary`; what is not understood is passed on, and refused there."""
    result = {
        ("features" if key == "fields" else str(key)): value
        for key, value in raw.items()
        if key not in ("$schema", "primaryKey", "foreignKeys", "missingValues")
    }
    shared = tuple(map(str, raw.get("missingValues") or ()))
    if isinstance(result.get("features"), list):
        result["features"] = [
            field_from_file(entry, shared) if isinstance(entry, Mapping) else entry
            for entry in result["features"]
        ]
    return result


def field_from_file(entry: Mapping[str, Any], shared: tuple[str, ...] = ()) -> dict[str, Any]:
    """One field of a file in our words."""
    constraints = entry.get("constraints")
    field = {
        str(key): value
        for key, value in entry.items()
        if key not in ("constraints", "description", "missingValues", *_UNUSED)
    }
    if constraints is not None and not isinstance(constraints, Mapping):
        field["constraints"] = constraints  # refused as it is
        constraints = {}
    constraints = dict(constraints or {})
    if "description" in entry:
        field["meaning"] = entry["description"]
    missing = [text for text in (*map(str, entry.get("missingValues") or ()), *shared) if text]
    if missing:
        field["missing_values"] = missing
    if "required" in constraints or "constraints" in entry or "fields" in entry:
        field["missing"] = not constraints.pop("required", False)
    levels = (
        constraints.pop("enum", None) or _categories(entry.get("categories")) or _booleans(entry)
    )
    if levels is not None:
        field["levels"] = levels
    field |= {
        str(key): value for key, value in constraints.items() if key not in _UNUSED_CONSTRAINTS
    }
    kind = field.get("type")
    if entry.get("categoriesOrdered"):
        field["type"] = "ordinal"
    elif isinstance(kind, str):
        field["type"] = _TYPES.get(kind, kind)
    if field.get("format") in ("default", "any"):
        del field["format"]
    return field


def _categories(found: Any) -> list[str] | None:
    return (
        [str(each["value"] if isinstance(each, Mapping) else each) for each in found]
        if isinstance(found, list)
        else None
    )


def _booleans(entry: Mapping[str, Any]) -> list[str] | None:
    pair = [*(entry.get("falseValues") or [])[:1], *(entry.get("trueValues") or [])[:1]]
    return [str(each) for each in pair] if len(pair) == 2 else None


def to_file(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A dictionary (as ``model_dump`` gives it) in the words of a file."""
    entries = [field_to_file(entry) for entry in fields["features"]]
    return {
        ("fields" if key == "features" else key): (entries if key == "features" else value)
        for key, value in fields.items()
    }


def field_to_file(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One field in the words of a file."""
    names = {"decimal": "number", "category": "string", "ordinal": "string"}
    result: dict[str, Any] = {
        "name": entry["name"],
        "type": names.get(entry["type"], entry["type"]),
    }
    if entry.get("meaning"):
        result["description"] = entry["meaning"]
    result |= {key: entry[key] for key in ("unit", "format", "decimals") if entry.get(key)}
    if entry["type"] == "ordinal":
        result["categoriesOrdered"] = True
    constraints = {key: entry[key] for key in ("minimum", "maximum") if entry.get(key) is not None}
    if entry.get("levels"):
        constraints["enum"] = list(entry["levels"])
    result["constraints"] = {**constraints, "required": not entry.get("missing", False)}
    if entry.get("missing_values"):
        result["missingValues"] = list(entry["missing_values"])
    return {**result, **({"reason": entry["reason"]} if entry.get("reason") else {})}


def place_in_file(path: Path, raw: Any) -> Path:
    """Where in a file that stands which a fault of our words is about."""
    if not isinstance(raw, Mapping) or path[:1] != ("features",) or "features" in raw:
        return path
    in_file = ("fields", *path[1:2])
    return (
        (*in_file, *_PLACES.get(str(path[2]), path[2:3]), *path[3:]) if len(path) > 2 else in_file
    )


def json_schema(model: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a file, from that of the model."""
    definitions = {name: dict(definition) for name, definition in model["$defs"].items()}
    own = definitions["Feature"]["properties"]
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
    fields = {name: own[name] for name in ("name", "unit", "format", "decimals", "reason")}
    fields |= {
        "description": own["meaning"],
        "missingValues": own["missing_values"],
        "categoriesOrdered": {"type": "boolean"},
        "constraints": constraints,
    }
    fields["type"] = {
        "enum": ["integer", "number", "date", "datetime", "duration", "string", "boolean"]
    }
    definitions["Feature"] = {
        "type": "object",
        "properties": fields,
        "required": ["name", "type"],
        "additionalProperties": False,
    }
    properties = {
        ("fields" if name == "features" else name): value
        for name, value in model["properties"].items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": ["target", "fields"],
        "$defs": definitions,
        "additionalProperties": False,
    }
