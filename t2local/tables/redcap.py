"""REDCap's data dictionary (CSV) as a codebook, with its branching logic as rules."""

import re
from collections.abc import Iterable, Mapping

from t2local.system.json_text import JsonObject
from t2local.tables.codebook import Codebook
from t2local.tables.dictionary import LeftOut, Relation

NAME = "Variable / Field Name"
TYPE = "Field Type"
_LABEL = "Field Label"
_CHOICES = "Choices, Calculations, OR Slider Labels"
_VALIDATION = "Text Validation Type OR Show Slider Number"
_LOW = "Text Validation Min"
_HIGH = "Text Validation Max"
_IDENTIFIER = "Identifier?"
_BRANCHING = "Branching Logic (Show field only if...)"
_REQUIRED = "Required Field?"
#: A column in brackets, a text in quotes, a sign, a number, a word.
_TOKEN = re.compile(
    r"\s*(\[[^\]]+\]|'[^']*'|\"[^\"]*\"|<>|!=|<=|>=|[=<>()+*/-]|\d+(?:\.\d+)?|\w+)", re.ASCII
)
_COLUMN = re.compile(r"\[(\w+)(?:\((\w+)\))?\]")
#: REDCap's signs, and those of rules.
_SIGNS = {"=": "==", "<>": "!="}


def read_redcap(rows: list[dict[str, str]], source: str) -> Codebook:
    """The codebook in the rows of a REDCap data dictionary.

    Its first field is the number of the record.
    """
    codebook = Codebook(source)
    for place, row in enumerate(rows):
        name = row.get(NAME, "").strip()
        kind = row.get(TYPE, "").strip().lower()
        if place == 0:
            reason = f"the record's number, by {source}"
            codebook.hidden[name] = LeftOut(name=name, reason=reason, make="identifier")
        elif _says_yes(row, _IDENTIFIER):
            codebook.hidden[name] = LeftOut(name=name, reason=f"an identifier, by {source}")
        elif kind in ("notes", "file", "descriptive"):
            reason = f"a field of type {kind}, by {source}"
            codebook.hidden[name] = LeftOut(name=name, reason=reason)
        elif kind == "checkbox":
            for code, label in _choices(row).items():
                codebook.facts[f"{name}___{code}"] = {
                    "type": "boolean",
                    "levels": ("0", "1"),
                    "meaning": f"{without_html(row.get(_LABEL, ''))}: {label}",
                }
        else:
            codebook.facts[name] = _facts(kind, row)
        if logic := row.get(_BRANCHING, "").strip():
            codebook.relations += _shown_if(name, logic, kind, row, codebook)
    return codebook


def _facts(kind: str, row: Mapping[str, str]) -> JsonObject:
    """What a row of the dictionary says of its field."""
    meaning = without_html(row.get(_LABEL, ""))
    facts: JsonObject = {"meaning": meaning}
    if _says_yes(row, _REQUIRED):
        facts["missing"] = False
    validation = row.get(_VALIDATION, "").strip().lower()
    if kind in ("yesno", "truefalse"):
        return {**facts, "type": "boolean", "levels": ("0", "1")}
    if kind in ("dropdown", "radio"):
        labels = _choices(row)
        legend = "; ".join(f"{code} {label}" for code, label in labels.items())
        return {
            **facts,
            "type": "category",
            "levels": tuple(labels),
            "labels": labels,
            "meaning": f"{meaning} ({legend})",
        }
    if kind == "slider":  # from 0 to 100 unless the dictionary says otherwise
        return {**facts, "type": "integer", "minimum": 0, "maximum": 100, **_bounds(row)}
    if validation == "integer":
        facts["type"] = "integer"
    if kind == "calc" or validation.startswith(("integer", "number")):
        facts |= _bounds(row)
    return facts


def _bounds(row: Mapping[str, str]) -> dict[str, float]:
    """The bounds that a row has."""
    bounds: dict[str, float] = {}
    for name, column in (("minimum", _LOW), ("maximum", _HIGH)):
        try:
            bounds[name] = float(row.get(column, ""))
        except ValueError:
            continue  # blank, or a date
    return bounds


def _shown_if(
    name: str, logic: str, kind: str, row: Mapping[str, str], codebook: Codebook
) -> Iterable[Relation]:
    """Branching logic as a rule: a field that is not shown has no value."""
    condition = to_rule(logic)
    if condition is None:
        codebook.notes.append(
            f"{codebook.source}: the branching logic of {name} is not understood and left out"
        )
        return
    blanks = {name: f"isna(`{name}`)"}
    if kind == "checkbox":
        columns = [f"{name}___{code}" for code in _choices(row)]
        blanks = {column: f'isna(`{column}`) or `{column}` == "0"' for column in columns}
    for column, blank in blanks.items():
        yield Relation(
            rule=f"{blank} or ({condition})", reason=f"{column} is asked only if {logic}"
        )


def to_rule(logic: str) -> str | None:
    """Branching logic in the language of rules; none where it says more than these can."""
    parts: list[str] = []
    for index, token in enumerate(_tokens(logic)):
        if token in ("''", '""') and len(parts) > 1 and parts[-1] in ("==", "!="):
            sign = parts.pop()
            blank = f"isna({parts.pop()})"
            parts.append(blank if sign == "==" else f"not {blank}")
        elif (part := _part(token, is_first=index == 0)) is not None:
            parts.append(part)
        else:
            return None
    return " ".join(parts)


def _tokens(logic: str) -> Iterable[str]:
    """The words and signs of branching logic; a blank one for what is neither."""
    place = 0
    while place < len(logic.rstrip()):
        match = _TOKEN.match(logic, place)
        if match is None:
            yield ""
            return
        yield match[1]
        place = match.end()


def _part(token: str, *, is_first: bool) -> str | None:
    """A word or sign of branching logic in the language of rules; none where that has none."""
    if match := _COLUMN.fullmatch(token):
        column, choice = match.groups()
        return f"`{column}___{choice}`" if choice else f"`{column}`"
    if not token or token.startswith("["):
        return None
    if token.lower() in ("and", "or", "not"):
        return token.lower()
    if token.isalpha() or (token.isidentifier() and not is_first):
        return None  # a function
    if token[0] in "'\"":
        return f'"{token[1:-1]}"'
    return _SIGNS.get(token, token)


def _says_yes(row: Mapping[str, str], column: str) -> bool:
    return row.get(column, "").strip().lower() == "y"


def _choices(row: Mapping[str, str]) -> dict[str, str]:
    """REDCap's ``1, Yes | 2, No``: codes and their labels."""
    pairs = [choice.partition(",") for choice in row.get(_CHOICES, "").split("|")]
    return {code.strip(): label.strip() for code, comma, label in pairs if comma and code.strip()}


def without_html(text: str) -> str:
    """A label without its HTML."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)).strip()
