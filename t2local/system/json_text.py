"""Figures as JSON: the one edge where dataclasses become plain objects."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

#: A JSON object: a schema, a report, a manifest.
JsonObject: TypeAlias = dict[str, Any]
#: Characters that are no text in YAML, or that end a line there: a dictionary in JSON is read as
#: YAML too.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def to_json(value: Any) -> Any:
    """Dataclasses, mappings and sequences as plain JSON values.

    An infinite number or NaN (a mean of nothing, a missing lower bound) becomes null: JSON has no
    other word for it. Any other number, such as numpy's, becomes a float.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def as_json(value: Any, *, indent: int | None = 2) -> str:
    """A report or a manifest as the text of its file; without an indent it is one line."""
    text = json.dumps(to_json(value), indent=indent, ensure_ascii=False, allow_nan=False)
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"
