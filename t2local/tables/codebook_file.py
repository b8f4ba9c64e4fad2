"""Codebooks as hospitals have them.

REDCap and OMOP (CSV), Table Schema (JSON or YAML), FHIR Questionnaire (JSON).
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from t2local.errors import DictionaryError
from t2local.system.json_text import JsonObject
from t2local.tables import fhir_questionnaire, redcap
from t2local.tables.codebook import Codebook
from t2local.tables.dictionary import LeftOut
from t2local.tables.reading import read_text
from t2local.tables.table_schema import from_file
from t2local.tables.yaml_file import YamlFault, read_yaml

_OMOP_NAME = "cdmFieldName"
#: OMOP's endings of columns that repeat a value as the hospital's own system had it.
_OMOP_SOURCES = ("_source_value", "_source_concept_id")


def read_codebook_file(path: Path) -> Codebook:
    """The codebook in a file. **Raises** `DictionaryError` when there is none."""
    return read_codebook(read_text(path, DictionaryError), path.name)


def read_codebook(text: str, source: str) -> Codebook:
    """The codebook in a text: CSV of REDCap or OMOP, a Table Schema, or a FHIR Questionnaire.

    **Raises** `DictionaryError` for anything else.
    """
    try:
        header, *records = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    except csv.Error:  # then it may be a Table Schema
        header, records = [], []
    names = [name.strip().strip("\ufeff") for name in header]
    rows = [dict(zip(names, record, strict=False)) for record in records if any(record)]
    if redcap.NAME in names and redcap.TYPE in names:
        return redcap.read_redcap(rows, source)
    if _OMOP_NAME in names:
        return _omop(rows, source)
    if codebook := _of_objects(text, source):
        return codebook
    fault = (
        f"it has neither REDCap's columns ({redcap.NAME}, {redcap.TYPE} ...), nor OMOP's "
        f"({_OMOP_NAME} ...), nor the fields of a Table Schema, nor is it a FHIR Questionnaire"
    )
    raise DictionaryError(
        f"{source} is no codebook that is known.",
        faults=[fault],
        next_step="python -m t2local describe data.csv -o dictionary.yaml "
        "guesses from the rows alone",
    )


def _of_objects(text: str, source: str) -> Codebook | None:
    """The codebook in JSON or YAML; none where there is none."""
    try:
        _, raw = read_yaml(text)
    except YamlFault:
        return None
    if not isinstance(raw, Mapping):
        return None
    if raw.get("resourceType") != fhir_questionnaire.RESOURCE:
        return _table_schema(raw, source)
    try:
        return fhir_questionnaire.read_questionnaire(raw, source)
    except ValidationError as error:  # JSON can spell half a character
        raise DictionaryError(
            f"{source} is no codebook that can be used:",
            faults=[fault["msg"] for fault in error.errors(include_input=False, include_url=False)],
            next_step="mend the codebook, or describe the table without it",
        ) from None


def _table_schema(raw: Mapping[str, Any], source: str) -> Codebook | None:
    if not isinstance(raw.get("fields"), list):
        return None
    fields = [field for field in from_file(raw)["features"] if isinstance(field, dict)]
    for field in fields:
        field.pop("labels", None)  # a word of REDCap's here, and none of Table Schema
    return Codebook(source, facts={str(f["name"]): f for f in fields if "name" in f})


def _omop(rows: list[dict[str, str]], source: str) -> Codebook:
    """The fields of OMOP's Common Data Model, as its field list (CSV) names them."""
    codebook = Codebook(source)
    for row in rows:
        name = row[_OMOP_NAME].strip()
        is_concept = name.endswith("_concept_id")
        is_key = _says_yes(row, "isPrimaryKey")
        is_foreign_key = _says_yes(row, "isForeignKey") and not is_concept
        if is_key or is_foreign_key or name.endswith(_OMOP_SOURCES):
            codebook.hidden[name] = LeftOut(
                name=name,
                reason=f"a key or source value, by {source}",
                make="identifier" if is_key else "",
            )
            continue
        # The first sentence of the guidance says what the column is.
        facts: JsonObject = {"meaning": redcap.without_html(row.get("userGuidance", ""))}
        facts["meaning"] = facts["meaning"].split(". ")[0]
        if _says_yes(row, "isRequired"):
            facts["missing"] = False
        if is_concept:
            facts["type"] = "category"
        elif row.get("cdmDatatype", "").strip().lower() == "integer":
            facts["type"] = "integer"
        codebook.facts[name] = facts
    return codebook


def _says_yes(row: Mapping[str, str], key: str) -> bool:
    return row.get(key, "").strip().lower() in ("yes", "true", "1")
