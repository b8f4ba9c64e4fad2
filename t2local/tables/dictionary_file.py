"""A dictionary file read back: every fault in one message, each with its line and column."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from t2local.errors import DictionaryError
from t2local.system.json_text import JsonObject
from t2local.tables import table_schema
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.effects import target_faults
from t2local.tables.rules import Formula, Rule, RuleFault
from t2local.tables.yaml_file import Fault, KeyPath, parse, place

_NEXT_STEP = "mend the lines above; 'python -m t2local describe data.csv' writes a correct one"


def read_dictionary(text: str, source: str) -> FeatureDictionary:
    """The dictionary in a YAML text.

    **Raises** `DictionaryError` with every fault, each with its line and column in ``source``.
    """
    node, raw = parse(text, source, DictionaryError, _NEXT_STEP)
    fields = table_schema.from_file(raw) if isinstance(raw, dict) else {}
    if not fields:
        faults: list[Fault] = [((), "a dictionary is a mapping with target and fields")]
    else:
        faults = [*_field_faults(fields), *_cross_faults(fields)]
    if not faults:
        return FeatureDictionary.model_validate(fields)
    descriptions = []
    for path, what in faults:
        file_path = table_schema.place_in_file(path, raw)
        dotted = ".".join(map(str, _without_levels(file_path))) or "file"
        descriptions.append(f"{source}, {place(node, file_path)}: {dotted}: {what}")
    raise DictionaryError(
        f"{source} has {len(descriptions)} faults:", faults=descriptions, next_step=_NEXT_STEP
    )


def _without_levels(path: KeyPath) -> KeyPath:
    """A path as a message may show it: the keys of ``level_effects`` are levels."""
    return path[: path.index("level_effects") + 1] if "level_effects" in path else path


def _field_faults(fields: JsonObject) -> Iterable[Fault]:
    """Faults inside the parts of a dictionary."""
    try:
        FeatureDictionary.model_validate(fields)
    except ValidationError as error:
        enough = len(_entries(fields, "features")) > 0
        for fault in error.errors(include_input=False, include_url=False):
            # pydantic takes faulty entries out of a list and then finds it too short: no fault.
            too_short = fault["type"] == "too_short" and fault["loc"] == ("features",)
            if not (too_short and enough):
                yield fault["loc"], fault["msg"]


def _cross_faults(fields: JsonObject) -> Iterable[Fault]:
    """Faults between the parts of a dictionary, even where the parts themselves have faults."""
    entries = _entries(fields, "features")
    yield from _repeated_names(entries)
    columns = {
        str(entry.get("name")): tuple(map(str, _entries(entry, "levels")))
        for entry in entries
        if isinstance(entry, dict)
    }
    yield from _rule_faults(_entries(fields, "rules"), columns)
    yield from _formula_faults(_entries(fields, "derived"), columns)
    yield from _link_faults(_entries(fields, "left_out"))
    target = fields.get("target")
    if target is not None:
        target = str(target)
    yield from target_faults(target, entries)
    if target is not None and target not in columns:
        yield ("target",), f"the target {target!r} is not among the features"
    if list(columns) == [target]:
        yield ("target",), "a target needs a field beside it; 'none' needs no other"


def _entries(fields: JsonObject, key: str) -> list[Any]:
    """A list of a file; nothing where the file has something else in its place."""
    entries = fields.get(key)
    return entries if isinstance(entries, list) else []


def _repeated_names(entries: list[Any]) -> Iterable[Fault]:
    first_places: dict[str, int] = {}
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            continue
        name = str(entry.get("name"))
        if first_places.setdefault(name, position) != position:
            yield ("features", position, "name"), f"the name {name!r} stands there twice"


def _rule_faults(relations: list[Any], columns: Mapping[str, tuple[str, ...]]) -> Iterable[Fault]:
    for position, relation in enumerate(relations):
        rule = relation
        if isinstance(relation, dict):
            rule = relation.get("rule", relation)
        try:
            Rule(str(rule), columns)
        except RuleFault as fault:
            yield ("rules", position), str(fault)


def _link_faults(left_out: list[Any]) -> Iterable[Fault]:
    columns = [column for column in left_out if isinstance(column, dict)]
    keys = {str(each.get("name")) for each in columns if each.get("make") == "identifier"}
    for position, column in enumerate(left_out):
        if column in columns and column.get("make") == "link" and str(column.get("to")) not in keys:
            what = "a link needs the name of a column that is left out with make: identifier"
            yield ("left_out", position, "to"), what


def _formula_faults(
    derived_columns: list[Any], columns: Mapping[str, tuple[str, ...]]
) -> Iterable[Fault]:
    for position, derived in enumerate(derived_columns):
        formula = derived
        if isinstance(derived, dict):
            formula = derived.get("formula")
            name = str(derived.get("name"))
            if name in columns:
                what = f"{name!r} is a field already; leave it out there"
                yield ("derived", position, "name"), what
        try:
            Formula(str(formula), columns)
        except RuleFault as fault:
            yield ("derived", position), str(fault)
