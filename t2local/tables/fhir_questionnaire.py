"""HL7 FHIR's Questionnaire (JSON, releases 4 and 5) as a codebook.

An item is a column by its ``linkId``, a group has the items in it. What a question is asked on
(``enableWhen``) becomes a rule. Codes are those of ``answerOption``: a set of values that stands
elsewhere (``answerValueSet``) is not fetched. See https://hl7.org/fhir/questionnaire.html.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from t2local.system.json_text import JsonObject
from t2local.tables.codebook import Codebook
from t2local.tables.dictionary import LeftOut, Relation
from t2local.tables.redcap import without_html

RESOURCE = "Questionnaire"
#: Items that ask nothing.
_NO_QUESTION = ("group", "display")
#: Answers that are no cell of a table, or long texts.
_HIDDEN = ("text", "attachment", "reference")
_CHOICES = ("choice", "open-choice", "coding")
_TYPES = {"boolean": "boolean", "integer": "integer", "decimal": "decimal", "quantity": "decimal"}
#: The ends of the addresses of extensions, and what they say in our words.
_BOUNDS = {"minValue": "minimum", "maxValue": "maximum"}
_UNIT, _DECIMALS = "questionnaire-unit", "maxDecimalPlaces"


def read_questionnaire(raw: Mapping[str, Any], source: str) -> Codebook:
    """The codebook in a questionnaire."""
    codebook = Codebook(source)
    for item, condition in _questions(raw.get("item"), ""):
        name, kind = str(item["linkId"]), str(item.get("type"))
        if kind in _HIDDEN:
            reason = f"a question of type {kind}, by {source}"
            codebook.hidden[name] = LeftOut(name=name, reason=reason)
            continue
        codebook.facts[name] = _facts(item, kind, always=not condition)
        if condition:
            rule = f"isna(`{name}`) or {condition}"
            reason = f"{name} is asked only if another answer allows it"
            codebook.relations.append(Relation(rule=rule, reason=reason))
    return codebook


def _questions(items: Any, outer: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every question, and the condition on which it and all around it are asked."""
    for item in _objects(items):
        condition = " and ".join(filter(None, (outer, _condition(item))))
        if item.get("linkId") and item.get("type") not in _NO_QUESTION:
            yield item, condition
        yield from _questions(item.get("item"), condition)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list of the file; none where it has something else in its place."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _facts(item: Mapping[str, Any], kind: str, *, always: bool) -> JsonObject:
    """What an item says of its column; of several answers in one cell its text alone."""
    facts: JsonObject = {"meaning": without_html(str(item.get("text", "")))}
    if item.get("repeats") is True:
        return facts
    if item.get("required") is True and always:
        facts["missing"] = False
    if kind in _TYPES:
        facts["type"] = _TYPES[kind]
    labels = dict(_codes_and_labels(item))
    if kind in _CHOICES and labels:
        legend = "; ".join(f"{code} {label}" for code, label in labels.items() if label != code)
        meaning = f"{facts['meaning']} ({legend})" if legend else facts["meaning"]
        codes = {"type": "category", "levels": tuple(labels), "labels": labels}
        return {**facts, **codes, "meaning": meaning}
    for extension in _objects(item.get("extension")):
        word, value = str(extension.get("url")).rsplit("/", 1)[-1], _value(extension)
        if word in _BOUNDS and kind in ("integer", "decimal"):
            facts[_BOUNDS[word]] = value
        elif word == _UNIT and isinstance(value, Mapping):
            facts["unit"] = str(value.get("code") or value.get("display") or "")
        elif word == _DECIMALS and kind in ("decimal", "quantity"):
            facts["decimals"] = value
    return facts


def _value(element: Mapping[str, Any], prefix: str = "value") -> Any:
    """FHIR's ``value[x]``: valueInteger, valueCoding and so on."""
    return next((value for key, value in element.items() if key.startswith(prefix)), None)


def _codes_and_labels(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for option in _objects(item.get("answerOption")):
        value = _value(option)
        coding = value if isinstance(value, Mapping) else {"code": value}
        code = coding.get("code", coding.get("display"))
        if code not in (None, ""):
            yield str(code), str(coding.get("display", code))


def _condition(item: Mapping[str, Any]) -> str:
    """On which answers an item is asked, in the language of rules; blank for always."""
    parts = [_part(each) for each in _objects(item.get("enableWhen"))]
    joint = " or " if item.get("enableBehavior") == "any" else " and "
    condition = joint.join(parts)
    return f"({condition})" if condition else ""


def _part(when: Mapping[str, Any]) -> str:
    column, answer = f"`{when.get('question')}`", _value(when, "answer")
    if when.get("operator") == "exists":
        return f"not isna({column})" if answer is True else f"isna({column})"
    if isinstance(answer, Mapping):
        answer = str(answer.get("code", answer.get("value")))
    sign = {"=": "=="}.get(str(when.get("operator")), when.get("operator"))
    constant = repr(answer) if isinstance(answer, bool) else json.dumps(answer, ensure_ascii=False)
    return f"{column} {sign} {constant}"
