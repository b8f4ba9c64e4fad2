"""Rows as text and back: features in words, cells as a JSON array, and the schema of such an array.

Values only, no blanks: ``[71,3,28.1,"F"]``. The columns are named once in the prompt.
"""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TypeAlias

import pandas as pd

from t2local.llm.grammar import fragment
from t2local.system.json_text import JsonObject
from t2local.tables.dictionary import Feature

Value: TypeAlias = float | str | None
Record: TypeAlias = dict[str, Value]

#: Whole numbers as JSON writes them; a double holds any of 15 characters exactly.
_CODE = re.compile(r"(?=.{1,15}$)(0|-?[1-9][0-9]*)")
#: A prompt that lists 200 levels teaches the model less than the rows that it leaves no room for.
_LEVELS_SHOWN = 12


def feature_description(feature: Feature, statistics: str = "") -> str:
    """A feature in words: name, meaning, range or levels, and statistics of the real rows."""
    values = _range_in_words(feature) if feature.numeric else _levels_in_words(feature.levels)
    if feature.meaning:
        values = f"{feature.meaning}: {values}"
    if feature.missing:
        values += " or null"
    if statistics:
        values += f"; {statistics}"
    return f"{feature.name} ({values})"


def _range_in_words(feature: Feature) -> str:
    words = " to ".join(str(feature.plain(bound)) for bound in feature.bounds)
    return f"{words} {feature.unit}" if feature.unit else words


def _levels_in_words(levels: Sequence[str]) -> str:
    words = [_json(_level(level)) for level in levels[:_LEVELS_SHOWN]]
    if len(levels) > len(words):
        words.append(f"{len(levels) - len(words)} more")
    return " or ".join(words)


def array(features: Sequence[Feature], row: Mapping[str, Value]) -> str:
    """The cells of some features in one row, as JSON text."""
    return f"[{','.join(_cell(feature, row[feature.name]) for feature in features)}]"


def records(values: pd.DataFrame) -> list[Record]:
    """A frame of values as one mapping a row."""
    return [{str(name): value for name, value in row.items()} for row in values.to_dict("records")]


def cell_ends(features: Sequence[Feature], row: Mapping[str, Value]) -> list[int]:
    """Where each cell of `array` ends, with the comma or bracket after it, in bytes."""
    sizes = [len(_cell(feature, row[feature.name]).encode()) + 1 for feature in features]
    return [1 + end for end in accumulate(sizes)]


def schema(features: Sequence[Feature], cells: Mapping[str, Value] | None = None) -> JsonObject:
    """The JSON Schema of the arrays that `array` writes.

    **Parameters:**

    * **cells**: given cells, by feature; the schema then accepts only arrays with these cells.
    """
    fixed = cells or {}
    items = [
        {"enum": [json.loads(_cell(f, fixed[f.name]))]} if f.name in fixed else _cell_schema(f)
        for f in features
    ]
    return {
        **fragment("cells"),
        "prefixItems": items,
        "minItems": len(items),
        "maxItems": len(items),
    }


def parse(features: Sequence[Feature], text: str) -> Record:
    """The values in a text that the schema accepts."""
    cells = json.loads(text)
    return {f.name: _value(f, cell) for f, cell in zip(features, cells, strict=True)}


def max_bytes(features: Sequence[Feature]) -> int:
    """The most bytes that the schema of these features accepts; a token has at least one."""
    return sum(_max_cell_bytes(feature) + 1 for feature in features) + 1


def _cell(feature: Feature, value: Value) -> str:
    text = feature.plain(value)
    if text is None:
        return "null"
    if feature.written_as_text:
        return _json(text)
    return text if feature.numeric else _json(_level(text))


def _cell_schema(feature: Feature) -> JsonObject:
    cell = _value_schema(feature)
    return {"anyOf": [cell, fragment("missing")]} if feature.missing else cell


def _value_schema(feature: Feature) -> JsonObject:
    if not feature.numeric:
        return {**fragment("level"), "enum": [_level(level) for level in feature.levels]}
    if feature.written_as_text:
        return {**fragment("date"), "pattern": f"^({feature.text_pattern})$"}
    if feature.decimals:
        return _decimal_schema(feature)
    return _numbers(*feature.steps, 0)


def _decimal_schema(feature: Feature) -> JsonObject:
    """The numbers of a decimal feature: one alternative for each number of decimals in the text.

    One range with a step would say the same, but llguidance 1.9 refuses texts with fewer decimals
    than its bounds near these bounds (0.7 in 0.681 to 0.718). In each alternative the bounds have
    the decimals of the texts.
    """
    low, high = feature.steps
    alternatives = []
    for decimals in range(feature.decimals + 1):
        coarse = 10 ** (feature.decimals - decimals)
        first = -(-low // coarse)
        last = high // coarse
        # llguidance takes a range of one decimal number for empty: it is written as a level.
        if first == last and (first % 10 or not decimals):
            number = first / 10**decimals if decimals else first
            alternatives.append({**fragment("level"), "enum": [number]})
        elif first < last:
            alternatives.append(_numbers(first, last, decimals))
    return {"anyOf": alternatives}


def _numbers(first: int, last: int, decimals: int) -> JsonObject:
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
    """A level as a JSON value.

    Codes such as 1, 2, 3 are numbers, which cost fewer tokens; 01 and 1.0 stay text.
    """
    return int(level) if _CODE.fullmatch(level) else level


def _value(feature: Feature, cell: object) -> Value:
    if cell is None:
        return None
    if feature.written_as_text:
        return feature.from_plain(str(cell))
    return float(cell) if feature.numeric else str(cell)  # type: ignore[arg-type]


def _max_cell_bytes(feature: Feature) -> int:
    size = _max_value_bytes(feature)
    return max(size, len("null")) if feature.missing else size


def _max_value_bytes(feature: Feature) -> int:
    if feature.written_as_text:
        return 2 + max(len(str(feature.plain(bound))) for bound in feature.bounds)
    if not feature.numeric:
        return max(2 + sum(map(_max_character_bytes, level)) for level in feature.levels)
    whole = max(len(str(int(bound))) for bound in feature.bounds)
    point = bool(feature.decimals)
    # A sign more: -0.5 has the whole part 0.
    return whole + 1 + point + feature.decimals


def _max_character_bytes(character: str) -> int:
    # A control character may be written as \u00xx even where JSON has a shorter escape.
    if character < " " or character in '"\\\x7f':
        return len("\\u0000")
    return len(character.encode())


def _json(value: object) -> str:
    # JSON may leave DEL as it is; llguidance writes it escaped, as all control characters.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
