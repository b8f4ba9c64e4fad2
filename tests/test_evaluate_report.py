"""The report as a whole: every figure with its reference, as JSON and as text."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import t2local
from t2local.cli import main
from t2local.errors import InputError
from t2local.evaluate import plausibility
from t2local.evaluate import report as report_module
from t2local.evaluate.metric import measure
from t2local.evaluate.report import METRICS, Evaluation, Figure
from t2local.stats.intervals import Interval
from tests.pairs import pair_of, two


@pytest.fixture(scope="module")
def tables():
    return two(24), two(24, seed=2), two(24, seed=3)


@pytest.fixture(scope="module")
def report(tables, tmp_path_factory):
    """The report of the command line with a holdout, as it is printed; the file is the same."""
    folder = tmp_path_factory.mktemp("evaluate")
    for name, rows in zip(("real", "made", "kept"), tables, strict=True):
        rows.to_csv(folder / f"{name}.csv", index=False)
    real, made, kept = (str(folder / f"{name}.csv") for name in ("real", "made", "kept"))
    command = ["evaluate", real, made, "--target", "y", "--holdout", kept, "--format", "json"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    file = json.loads((folder / "made.evaluated" / "report.json").read_text())
    assert json.loads(done.stdout) == file
    return file


@pytest.fixture(scope="module")
def of_a_number(tmp_path_factory):
    """What the command line prints without a holdout, and the text of its report.json."""
    folder = tmp_path_factory.mktemp("number")
    rng = np.random.default_rng(1)
    columns = {"p": rng.normal(0, 1, 60).round(3), "q": rng.normal(0, 1, 60).round(3)}
    frame = pd.DataFrame(columns).assign(y=lambda rows: (1000 + 50 * rows["p"]).round(2))
    frame.iloc[:40].to_csv(folder / "real.csv", index=False)
    frame.iloc[40:].to_csv(folder / "made.csv", index=False)
    real, made = (str(folder / name) for name in ("real.csv", "made.csv"))
    done = CliRunner().invoke(main, ["evaluate", real, made, "--target", "y"])
    assert done.exit_code == 0, done.output
    return done.stdout, (folder / "made.evaluated" / "report.json").read_text()


def test_every_figure_has_range_direction_and_reference(report):
    assert list(report)[:6] == ["rows", "target", "seed", "figures", "privacy", "notes"]
    assert report["rows"] == {"real": 24, "synthetic": 24, "holdout": 24}
    groups = {figure["group"] for figure in report["figures"]}
    assert groups == {"utility (%)", "fidelity", "plausibility"}
    for figure in report["figures"]:
        lowest, highest = figure["lowest"], figure["highest"]  # None: no bound
        assert lowest is None or lowest <= figure["value"]
        assert highest is None or figure["value"] <= highest
        assert np.isfinite(figure["reference"])
        assert figure["better"]
        assert figure["against"]


def test_the_text_of_a_report_and_its_json_without_a_bound(of_a_number):
    text, report = of_a_number  # a number: its r2 has no lower bound
    assert "alpha-precision" in text
    assert max(len(line) for line in text.splitlines() if "  " in line.strip()) <= 80
    assert "half of the real rows" in text
    assert "-inf to 100" in text
    assert json.loads(report)["figures"][0]["lowest"] is None
    assert "Infinity" not in report
    assert "NaN" not in report


def test_a_number_as_target(of_a_number):
    figures = [f for f in json.loads(of_a_number[1])["figures"] if f["group"] == "utility (%)"]
    assert {f["label"] for f in figures} == {"r2, real + synthetic", "r2, synthetic"}
    assert {f["name"] for f in figures} == {"r2_real_and_synthetic", "r2_synthetic"}
    assert all(f["value"] > 50 for f in figures)


def test_a_sample_of_very_many_rows_is_said(tables, monkeypatch):
    monkeypatch.setattr(report_module, "METRICS", plausibility.METRICS)  # no model is trained
    for n_rows, is_said in ((5000, False), (5001, True)):
        evaluation = t2local.evaluate(tables[0], two(n_rows, seed=2), target="none")
        said = "note: Utility and fidelity are those of 5,000 rows at random"
        assert (said in evaluation.text()) == is_said


def test_pair_metrics_are_held_against_the_holdout(tables, report):
    real, synthetic, holdout = tables
    own = {f["name"]: f for f in report["figures"] if f["against"] == "holdout"}
    assert list(own) == [metric.name for metric in METRICS]
    slow = ("c2st_auc_trees", "detection_goggle")
    quick = [metric for metric in METRICS if metric.name not in slow]
    values = measure(quick, pair_of(real, synthetic))
    references = measure(quick, pair_of(real, holdout))
    assert {name: own[name]["value"] for name in values} == pytest.approx(values)
    assert {name: own[name]["reference"] for name in values} == pytest.approx(references)
    last = report["figures"][-1]
    assert (last["name"], last["against"]) == ("dcr", "rows drawn at random")
    assert (last["better"], last["value"]) == ("between both", own["dcr"]["value"])
    assert last["reference"] == plausibility.distance_of_random_rows(pair_of(real, synthetic))


def test_halves_of_the_real_rows_are_the_reference_where_there_is_no_holdout(of_a_number):
    report = json.loads(of_a_number[1])
    against = [f["against"] for f in report["figures"]]
    assert against.count("half of the real rows against the other") == len(METRICS)
    assert len(report["notes"]) == 2
    assert report["rows"] == {"real": 40, "synthetic": 20}


def test_the_report_has_one_line_for_a_figure_under_its_group():
    figure = Figure("g", "a_b", "a, b", 0.5, 0.0, 1.0, "higher", 0.25, "holdout")
    other = replace(figure, group="h", label="c", lowest=-np.inf)
    text = Evaluation({"real": 10}, "y", 1, (figure, figure, other), None, ("a note",)).text()
    lines = text.splitlines()
    assert [line.split()[0] for line in lines] == ["value", "g,", "a,", "a,", "h,", "c", "note:"]
    assert lines[2].split() == ["a,", "b", "0.500", "0", "to", "1", "higher", "0.250"]
    assert lines[1] == "g, beside holdout"
    assert "-inf to 1" in lines[5]


@pytest.mark.parametrize(("high", "n"), [(-0.1, 1), (0.1, 0), (float("nan"), 0)])
def test_a_loss_beyond_chance_is_a_sentence_with_both_figures(high, n):
    difference = Interval(-8.0, -16.0, high)
    figure = Figure(
        "utility (%)",
        "auc_synthetic",
        "auc, synthetic",
        80.0,
        0.0,
        100.0,
        "higher",
        88.0,
        "real rows alone",
        difference,
    )
    other = replace(figure, name="f1_synthetic", difference=None)
    losses = Evaluation({"real": 10}, "y", 1, (figure, other), None, ()).losses
    assert len(losses) == n
    assert all("(AUC 80.0 %, where the real rows alone give 88.0 %)" in one for one in losses)


def test_what_cannot_be_evaluated_is_said():
    with pytest.raises(InputError, match="10 are needed"):
        t2local.evaluate(two(), two(5), target="y")
    with pytest.raises(InputError, match="lack columns"):
        t2local.evaluate(two(), two().drop(columns="q"), target="y")
    with pytest.raises(InputError, match="no label"):
        t2local.evaluate(two(), two().assign(y=None), target="y")
    with pytest.raises(InputError, match="60 synthetic rows have a label"):
        t2local.evaluate(two(), two().assign(y="maybe"), target="y")
