import re
from typing import get_args

from t2local.evaluate import utility
from t2local.evaluate.metric import Better, Metric, measure
from t2local.evaluate.report import METRICS


def test_every_metric_has_a_name_of_its_own_a_label_a_direction_and_bounds():
    metrics = [*METRICS, *utility.METRICS]
    names = [metric.name for metric in metrics]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in names)
    assert {metric.group for metric in metrics} == {"utility (%)", "fidelity", "plausibility"}
    for metric in metrics:
        assert metric.better in get_args(Better)
        assert 0 < len(metric.label) <= 30  # the width of the text table
        assert metric.lowest < metric.highest


def test_metrics_are_measured_by_name_in_their_order():
    metrics = [
        Metric("half", "a half", "g", "lower", lambda x: x / 2),
        Metric("double", "two of them", "g", "lower", lambda x: 2 * x),
    ]
    assert measure(metrics, 3) == {"half": 1.5, "double": 6.0}
    assert list(measure(metrics, 3)) == ["half", "double"]


def test_the_names_stay():
    """They are the keys of report.json."""
    assert [metric.name for metric in METRICS] == [
        "alpha_precision",
        "beta_recall",
        "c2st_auc_linear",
        "c2st_auc_trees",
        "detection_goggle",
        "copies",
        "near_copies",
        "dcr",
        "dcr_5_percent",
        "nndr",
        "identifiable",
    ]
