"""Files held against files: what the commands trim and evaluate write."""

import json

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.errors import InputError, UsageError
from t2local.evaluate import fidelity
from t2local.evaluate import report as report_of_two
from t2local.run.two_tables import evaluate_files, trim_files
from t2local.tables.dictionary import Relation
from tests.test_page import check_figures

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture
def files(patients, tmp_path):
    synthetic = patients.sample(30, random_state=1).assign(age=lambda rows: rows["age"] + 1)
    paths = tmp_path / "real.csv", tmp_path / "synthetic.csv"
    patients.to_csv(paths[0], index=False)
    synthetic.to_csv(paths[1], index=False, sep=";")
    return paths


def test_trimmed_rows_are_written_as_the_synthetic_file_was(files, patients, tmp_path):
    out = tmp_path / "out"
    trimmed = trim_files(*files, out=out, target="outcome")
    kept = pd.read_csv(out / "synthetic.csv", sep=";")
    rejected = pd.read_csv(out / "rejected.csv", sep=";")
    assert (len(kept), len(rejected)) == (len(trimmed.kept), len(trimmed.rejected))
    assert len(kept) + len(rejected) == 30
    report = json.loads((out / "report.json").read_text())
    assert report["rows"] == {"generated": 30, "kept": len(kept), "rejected": len(rejected)}
    assert report == trimmed.report
    html = (out / "report.html").read_text(encoding="utf-8")
    assert {place.split("/")[1] for place in check_figures(html, report)} >= {"rows", "marginals"}
    assert "Who wrote what" not in html


def test_a_dictionary_file_decides_what_is_judged(files, patients, tmp_path):
    dictionary = t2local.describe(patients)
    narrow = tuple(
        f.model_copy(update={"maximum": 50.0}) if f.name == "age" else f
        for f in dictionary.features
    )
    path = tmp_path / "d.yaml"
    path.write_text(dictionary.model_copy(update={"features": narrow}).to_yaml())
    trimmed = trim_files(*files, out=tmp_path / "out", dictionary=path)
    assert (trimmed.kept["age"].astype(float) <= 50).all()


def test_evaluation_is_written_as_a_report(files, tmp_path, monkeypatch):
    for module in (report_of_two, fidelity):  # what is measured is tested elsewhere
        monkeypatch.setattr(module, "_N_FOLDS", 2)
    evaluation = evaluate_files(*files, out=tmp_path / "out", target="outcome")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["rows"] == {"real": 60, "synthetic": 30}
    assert len(report["figures"]) == len(evaluation.figures)
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    places = check_figures(html, report)
    figures = report["figures"]
    n_shown = 2 * len(figures) + 2 * sum(figure["difference"] is not None for figure in figures)
    assert sum(place.startswith("/figures/") for place in places) == n_shown
    assert "The story of the rows" not in html


def test_rows_that_break_a_rule_of_all_real_ones_are_no_green_light(tmp_path, monkeypatch):
    for module in (report_of_two, fidelity):
        monkeypatch.setattr(module, "_N_FOLDS", 2)
    rng = np.random.default_rng(0)
    low = rng.integers(0, 40, 120)
    real = pd.DataFrame({"low": low, "high": low + rng.integers(1, 40, 120)})
    broken = real.sample(60, random_state=1)
    broken.iloc[:3, 1] = broken["low"].iloc[:3] - 1
    for name, rows in (("real", real), ("broken", broken)):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    dictionary = tmp_path / "d.yaml"
    described = t2local.describe(real, target="none")
    rule = Relation(rule="low < high")
    dictionary.write_text(described.model_copy(update={"rules": (rule,)}).to_yaml())
    out = tmp_path / "out"
    evaluate_files(
        tmp_path / "real.csv", tmp_path / "broken.csv", out=out, dictionary=dictionary
    )  # fmt: skip
    answers = json.loads((out / "report.json").read_text())["answers"]
    assert answers["light"] != "go"
    assert "Rows break 1 of 1 rules." in answers["use"]


def test_a_foreign_folder_is_refused_before_any_work(files, tmp_path):
    with pytest.raises(UsageError, match="not of a run"):
        trim_files(*files, out=tmp_path)  # it holds the tables themselves
    with pytest.raises(InputError):
        evaluate_files(tmp_path / "none.csv", files[1], out=tmp_path / "out")
