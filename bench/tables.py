"""The tables of bench/decoder.py, and what all benches share.

A table has real rows, what its columns may hold, and a team of four workers.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn.datasets
from scipy.stats import t

import t2local
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.plan import Component, Plan

#: Real rows in a prompt.
EXAMPLES = 20


@dataclass(frozen=True)
class Table:
    """Columns, rows and a plan; no plan for columns that the team does not write."""

    name: str
    columns: dict[str, dict[str, Any]]  # name -> JSON Schema of a cell
    examples: list[list[Any]]
    dictionary: FeatureDictionary | None = None
    values: pd.DataFrame | None = None
    plan: Plan | None = None

    def array_schema(self) -> dict[str, Any]:
        cells = list(self.columns.values())
        return {
            "type": "array",
            "prefixItems": cells,
            "items": False,
            "minItems": len(cells),
            "maxItems": len(cells),
        }

    def object_schema(self, names: list[str] | None = None) -> dict[str, Any]:
        properties = {name: self.columns[name] for name in names or self.columns}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def brief(self) -> str:
        columns = [f"{name} {_bounds(schema)}" for name, schema in self.columns.items()]
        return f"Rows of a table with these columns: {', '.join(columns)}\n"

    def records(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.examples]


def every() -> list[Table]:
    tables = [nine_numeric(), thirteen_mixed(), thirty_numeric(), free_text()]
    return [table for table in tables if table]


def nine_numeric() -> Table:
    """scikit-learn's diabetes patients in their own units.

    Eight measurements and the progression.
    """
    frame = sklearn.datasets.load_diabetes(as_frame=True, scaled=False).frame
    columns = ["age", "bmi", "bp", "s1", "s2", "s3", "s5", "s6", "target"]
    return _of_frame("9 numeric", frame[columns], "target")


def thirteen_mixed() -> Table | None:
    """Heart failure patients, from the folder of the real tables."""
    path = real_table("heart_failure.csv")
    if not path.is_file():
        missing = f"no {path.name} in {path.parent}"
        print(f"left out: 13 mixed columns ({missing}; set T2LOCAL_BENCH_DATA)")
        return None
    return _of_frame("13 mixed", pd.read_csv(path), None)


def thirty_numeric() -> Table:
    """scikit-learn's breast cancer measurements without the diagnosis."""
    frame = sklearn.datasets.load_breast_cancer(as_frame=True).frame.drop(columns="target")
    return _of_frame("30 numeric", frame, "worst fractal dimension")


def free_text() -> Table:
    """Two numbers, and a complaint in a patient's words."""
    columns = {
        "age": {"type": "integer", "minimum": 18, "maximum": 95},
        "complaint": {"type": "string", "minLength": 5, "maxLength": 40, "pattern": "^[a-z ,]+$"},
        "pain": {"type": "integer", "minimum": 0, "maximum": 10},
    }
    words = [
        "sharp pain in the left knee",
        "short of breath at night",
        "headache since two days",
        "cough with fever",
        "dizzy when standing up",
    ]
    examples = [[20 + 3 * i, words[i % 5], i % 11] for i in range(EXAMPLES)]
    return Table("free text", columns, examples)


def _of_frame(name: str, frame: pd.DataFrame, target: str | None) -> Table:
    dictionary = t2local.describe(frame, target=target)
    values = dictionary.values(frame[dictionary.names].apply(_text))
    columns = {feature.name: _cell(feature) for feature in dictionary.features}
    rows = values.sample(EXAMPLES, random_state=1)
    examples = [
        [_value(columns[name], row[name]) for name in columns] for row in rows.to_dict("records")
    ]
    return Table(name, columns, examples, dictionary, values, _plan(dictionary))


def _text(column: pd.Series) -> pd.Series:
    return column.map(repr if column.dtype == float else str)


def _plan(dictionary: FeatureDictionary) -> Plan:
    """Three workers with a third of the features each, and one for the label."""
    inputs = dictionary.inputs
    third = math.ceil(len(inputs) / 3)
    patient = Component(role="Patient", features=tuple(inputs[:third]))
    findings = Component(
        role="Findings", features=tuple(inputs[third : 2 * third]), parents=("Patient",)
    )
    laboratory = Component(
        role="Laboratory", features=tuple(inputs[2 * third :]), parents=("Patient",)
    )
    label = Component(
        role="Label",
        features=(dictionary.target,),
        parents=("Patient", "Findings", "Laboratory"),
    )
    return Plan(source="file", components=(patient, findings, laboratory, label))


def _cell(feature: Feature) -> dict[str, Any]:
    """What a user would write for this column by hand."""
    if not feature.numeric:
        return {"enum": list(feature.levels)}
    low, high = feature.bounds
    if feature.type == "integer":
        return {"type": "integer", "minimum": int(low), "maximum": int(high)}
    return {"type": "number", "minimum": low, "maximum": high, "multipleOf": 10**-feature.decimals}


def _value(schema: dict[str, Any], value: Any) -> Any:
    return int(value) if schema.get("type") == "integer" else value


def _bounds(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "(" + " or ".join(map(str, schema["enum"])) + ")"
    if "minimum" in schema:
        return f"({schema['minimum']} to {schema['maximum']})"
    return "(short text)"


def real_table(name: str) -> Path:
    """A file among the real tables; the folder is `T2LOCAL_BENCH_DATA`."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("T2LOCAL_BENCH_DATA") or beside) / name


def interval(values: list[float] | np.ndarray) -> tuple[float, float]:
    """Mean, and half the width of its 95 % interval (Student's t)."""
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1)) / math.sqrt(len(values))
    return float(np.mean(values)), half
