"""Rows as text and back: a feature in words, a component's cells as a JSON array, and the schema of such an array.

Values only, no blanks: ``[71,3,28.1,"F"]``. The columns are named once in the prompt.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import pandas as pd

from t2local.llm.grammar import fragment
from t2local.tables.dictionary import Feature

Value = float | str | None
#: A prompt that lists 200 levels teaches the model less than the rows that it leaves no room for.
_LEVELS_SHOWN = 12


def brief(feature: Feature, told: str = "") -> str:
    """A feature in words: name, meaning, range or levels, and what is told of the real rows."""
    if feature.numeric:
        values = " to ".join(str(feature.plain(bound)) for bound in feature.bounds) + (
            f" {feature.unit}" if feature.unit else ""
        )
    else:
        shown = [_json(_level(level)) for level in feature.levels[:_LEVELS_SHOWN]]
        values = " or ".join(shown) + (
            f" or {len(feature.levels) - len(shown)} more"
            if len(feature.levels) > len(shown)
            else ""
        )
    return f"{feature.name} ({feature.meaning + ': ' if feature.meaning else ''}{values}{' or null' if feature.missing else ''}{'; ' + told if told else ''})"


def array(features: Sequence[Feature], row: Mapping[str, Value]) -> str:
    """The cells of some features in one row, as JSON text."""
    return f"[{','.join(_cell(feature, row[feature.name]) for feature in features)}]"


def records(values: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame of values as one mapping a row."""
    return [{str(name): value for name, value in row.items()} for row in values.to_dict("records")]


def cell_ends(features: Sequence[Feature], row: Mapping[str, Value]) -> list[int]:
    """Where each cell of `array` ends, with the comma or bracket after it, in bytes."""
    return [
        1 + end
        for end in accumulate(
            len(_cell(feature, row[feature.name]).encode()) + 1 for feature in features
        )
    ]


def schema(features: Sequence[Feature], given: Mapping[str, Value] | None = None) -> dict[str, Any]:
    """The JSON Schema of the arrays that `array` writes for all values that the features allow, or for those alone that have the given cells."""
    given = given or {}
    cells = [
        {"enum": [json.loads(_cell(f, given[f.name]))]} if f.name in given else _cell_schema(f)
        for f in features
    ]
    return {
        **fragment("cells"),
        "prefixItems": cells,
        "minItems": len(cells),
        "maxItems": len(cells),
    }


def parse(features: Sequence[Feature], text: str) -> dict[str, Value]:
    """The values in a text that the schema accepts."""
    return {
        feature.name: _value(feature, cell)
        for feature, cell in zip(features, json.loads(text), strict=True)
    }


def longest(features: Sequence[Feature]) -> int:
    """The most bytes that the schema of these features accepts; a token has at least one."""
    return sum(_longest_cell(feature) + 1 for feature in features) + 1


def _cell(feature: Feature, value: Value) -> str:
    text = feature.plain(value)
    if text is None:
        return "null"
    return _json(text) if feature.temporal else text if feature.numeric else _json(_level(text))


def _cell_schema(feature: Feature) -> dict[str, Any]:
    if not feature.numeric:
        cell = {**fragment("level"), "enum": [_level(level) for level in feature.levels]}
    elif feature.temporal:
        cell = {
            **fragment("date"),
            "pattern": f"^({feature.text_pattern})$",
        }
    elif feature.decimals:
        cell = _decimal_schema(feature)
    else:
        cell = _numbers(*feature.steps, 0)
    return {"anyOf": [cell, fragment("missing")]} if feature.missing else cell


def _decimal_schema(feature: Feature) -> dict[str, Any]:
    """The numbers of a decimal feature: one alternative for each number of decimals that a value may be written with.

    One range with a step would say the same, but llguidance 1.9 refuses texts with fewer decimals than its bounds near
    these bounds (0.7 in 0.681 to 0.718). In each alternative the bounds have the decimals of the texts.
    """
    low, high = feature.steps
    alternatives = []
    for decimals in range(feature.decimals + 1):
        coarse, grid = 10 ** (feature.decimals - decimals), 10**decimals
        first, last = -(-low // coarse), high // coarse
        if first == last and (first % 10 or not decimals):
            alternatives.append(
                {**fragment("level"), "enum": [first / grid if decimals else first]}
            )
        elif first < last:
            alternatives.append(_numbers(first, last, decimals))
    return {"anyOf": alternatives}


def _numbers(first: int, last: int, decimals: int) -> dict[str, Any]:
    """A range whose bounds are counted in steps of 10^-decimals."""
    if not decimals:
        return {**fragment("integer"), "minimum": first, "maximum": last}
    grid = 10**decimals
    return {
        **fragment("decimal"),
        "minimum": first / grid,
        "maximum": last / grid,
        "multipleOf": 1 / grid,
    }


def _level(level: str) -> int | str:
    """A level as a JSON value: codes such as 1, 2, 3 as numbers, which cost fewer tokens; 01 and 1.0 stay text."""
    canonical = (
        level.lstrip("-").isdecimal()
        and level.isascii()
        and len(level) <= 15
        and str(int(level)) == level
    )
    return int(level) if canonical else level


def _value(feature: Feature, cell: object) -> Value:
    if cell is None:
        return None
    if feature.temporal:
        return feature.from_plain(str(cell))
    return float(cell) if feature.numeric else str(cell)  # type: ignore[arg-type]


def _longest_cell(feature: Feature) -> int:
    if feature.temporal:
        size = 2 + max(len(str(feature.plain(bound))) for bound in feature.bounds)
    elif feature.numeric:
        whole = max(len(str(int(bound))) for bound in feature.bounds)
        # A sign more: -0.5 has the whole part 0.
        size = whole + 1 + (feature.decimals + 1 if feature.decimals else 0)
    else:
        # A control character may be written as \u00xx even where JSON has a shorter escape.
        size = max(
            2 + sum(6 if char < " " or char in '"\\\x7f' else len(char.encode()) for char in level)
            for level in feature.levels
        )
    return max(size, len("null")) if feature.missing else size


def _json(value: object) -> str:
    # JSON may leave DEL as it is; llguidance writes it escaped, as all control characters.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
