"""The figures of a run: dataclasses inside, strict JSON with snake_case keys at the edge."""

import dataclasses
import json
import re

import pytest

import t2local
from t2local.llm.scripted import ScriptedModel
from t2local.run.report import RunReport

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture(scope="module")
def result():
    return _generate()


def _generate(**options):
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(3)
    age = rng.integers(20, 90, 40)
    frame = pd.DataFrame(
        {
            "age": age,
            "sex": rng.choice(["F", "M"], 40),
            "ill": np.where(age + rng.normal(0, 8, 40) > 55, "yes", "no"),
        }
    )
    options = {"plan": "manager", "rows": 20, "max_batches": 3, **options}
    return t2local.generate(frame, target="ill", model=ScriptedModel(), **options)


def keys_of(value):
    if isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from keys_of(part)
    if isinstance(value, list):
        for part in value:
            yield from keys_of(part)


def test_the_report_has_the_fields_of_its_dataclass_and_is_json(result):
    assert list(result.report) == [field.name for field in dataclasses.fields(RunReport)]
    assert result.report is result.report  # made once
    json.dumps(result.report, allow_nan=False)


def test_the_words_of_the_report_are_snake_case(result):
    # Names of columns, roles and levels are the table's own.
    own = {*result.dictionary.names, "no", "yes", *(c.role for c in result.plan.components)}
    keys = set(keys_of(result.report)) - own
    # Reasons are sentences: they are what is counted.
    keys -= set(result.report["reasons"])
    assert [key for key in keys if not re.fullmatch(r"[a-z][a-z0-9_]*", key)] == []


def test_rows_add_up_in_every_part_of_the_report(result):
    report = result.report
    rows = report["rows"]
    assert rows["generated"] == rows["kept"] + rows["rejected"]
    assert sum(report["rejected_by"].values()) == rows["rejected"]
    assert sum(report["reasons"].values()) == rows["rejected"]
    for count in ("rows", "kept"):
        total = sum(batch[count] for batch in report["batches"])
        assert total == {"rows": rows["generated"], "kept": rows["kept"]}[count]
    assert report["verdict"].startswith(f"{rows['kept']} of the 20 rows asked for were kept")


def test_the_counts_of_all_blocks_are_those_of_the_last_decision():
    report = _generate(rows=40, max_batches=9, settings={"team.block_rows": 20}).report
    batches = report["batches"]
    assert len(batches) > 1
    assert sum(batch["kept"] for batch in batches) == report["rows"]["kept"]
    for stage, count in report["rejected_by"].items():
        assert sum(batch["rejected_by"].get(stage, 0) for batch in batches) == count
    for batch in batches:
        assert batch["rows"] == batch["kept"] + sum(batch["rejected_by"].values())
    # What was measured is that of all rows that there were at that time.
    n_rows = [batch["figures"]["cost"]["rows"] for batch in batches]
    assert n_rows == sorted(n_rows)


def test_every_token_of_every_model_call_is_counted(result):
    tokens = result.report["tokens"]
    assert tokens["plan"] > 0  # the manager's
    assert 0 < tokens["calibration"] < tokens["prefix"] + tokens["rows"]
    assert tokens["texts"] == 0
    decoded = tokens["prefix"] + tokens["rows"]
    generated = result.report["rows"]["generated"]
    assert tokens["per_generated_row"] == pytest.approx(decoded / generated)


def test_every_second_is_counted_once(result):
    seconds = dict(result.report["seconds"])
    total, decode = seconds.pop("total"), seconds.pop("decode")
    assert 0.9 * total < sum(seconds.values()) <= total
    assert 0 < decode < seconds["assembly"] + seconds["calibration"]


def test_labels_and_cells_say_how_far_each_source_is_believed(result):
    labels, cells = result.report["labels"], result.report["cells"]
    assert labels["policy"] == cells["policy"] == "calibrated"
    assert set(labels["shares"]) == {"real", "kept"}
    assert labels["rows"] == 30
    assert set(cells["weights"]) == {"age", "sex"}
    sources = {"worker", "tree", "copula", "columns", "mixture", "independent"}
    assert set(cells["nats_per_row"]) == sources


def test_what_was_not_measured_is_null_and_not_absent():
    report = _generate(settings={"team.labels": "worker", "team.examples": 0}).report
    assert report["labels"]["worker_weight"] is None
    assert report["cells"]["nats_per_row"] is None


def test_a_plan_from_the_data_has_no_manager():
    assert _generate(plan="data").report["manager"] is None


def test_what_was_asked_of_the_rows_stands_in_the_report():
    given = _generate(where=["sex=F"], balance="uniform").report["given"]
    assert given["features"] == ["ill", "sex"]
    assert given["rows_by_label"] == {"no": 10, "yes": 10}
