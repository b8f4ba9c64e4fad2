"""Likelihoods of cells by their sources, and the mixture that gives cells by their weights."""

import numpy as np
import pandas as pd
import pytest

from t2local.stats.column_mixture import ColumnMixture
from t2local.team.cell_calibration import CellCalibration, CellMixture
from t2local.team.plan import Component
from tests.batches import patients as make_patients
from tests.teams import dictionary_and_values


@pytest.fixture
def calibration() -> CellCalibration:
    rng = np.random.default_rng(0)
    worker = pd.DataFrame(
        {
            "good": rng.normal(-1, 0.5, 400),
            "poor": rng.normal(-4, 1, 400),
            "even": rng.normal(-2, 1, 400),
        }
    )
    columns = pd.DataFrame({name: rng.normal(-2, 1, 400) for name in worker})
    return CellCalibration(worker, columns - 2, columns - 3, columns, columns - 1)


def test_the_summary_counts_nats_by_row_and_by_component(calibration):
    components = [
        Component(role="One", features=("good", "even", "y")),
        Component(role="Two", features=("poor",)),
        Component(role="Label", features=("y",)),
    ]
    summary = calibration.summary(components)
    assert summary.rows == 400
    assert list(summary.components) == ["One", "Two"]
    worker = calibration.worker
    total = sum(sum(worker.loc[row]) for row in worker.index) / 400
    assert summary.nats_per_row["worker"] == pytest.approx(total)
    assert summary.components["Two"]["worker"] == pytest.approx(sum(worker["poor"]) / 400)
    differences = [sum(worker.loc[i] - calibration.independent.loc[i]) for i in worker.index]
    assert summary.worker_minus_independent == pytest.approx(np.mean(differences))
    assert summary.standard_error == pytest.approx(np.std(differences, ddof=1) / 20)
    assert summary.weights == calibration.weights
    for sums in [summary.nats_per_row, *summary.components.values()]:
        assert list(sums) == ["worker", "tree", "copula", "columns", "mixture", "independent"]
    nats = summary.nats_per_row
    assert nats["mixture"] > max(nats["worker"], nats["columns"])


def test_one_row_has_no_standard_error(calibration):
    one = CellCalibration(*(frame.head(1) for frame in vars(calibration).values()))
    assert one.summary([]).standard_error is None
    assert one.summary([]).rows == 1


@pytest.fixture(scope="module")
def columns() -> ColumnMixture:
    dictionary, real = dictionary_and_values(make_patients())
    return ColumnMixture(dictionary.input_features, real, 1)


def test_a_gate_gives_a_cell_as_often_as_the_worker_does_not_write_it(columns):
    weights = {"age": 0.2, "sex": 0.7, "ward": 0.7, "smoker": 1.0}
    mixture = CellMixture(columns, weights)
    given = mixture.sample(np.random.default_rng(0).random((600, mixture.n_uniforms)))
    for name, weight in weights.items():
        assert abs(np.mean([name in cells for cells in given]) - (1 - weight)) < 0.06
    # One number decides a row: what has the larger weight is given only where the smaller one is.
    assert all("age" in cells for cells in given if "sex" in cells)
    assert all(("sex" in cells) == ("ward" in cells) for cells in given)
    assert not any("weight" in cells for cells in given)


def test_a_gate_gives_cells_of_one_row_of_the_model(columns):
    mixture = CellMixture(columns, dict.fromkeys(["age", "ward"], 0.0))
    uniforms = np.random.default_rng(5).random((9, mixture.n_uniforms))
    given = mixture.sample(uniforms)
    rows = columns.rows(uniforms[:, 1:])
    assert given == rows[["age", "ward"]].to_dict("records")
    assert mixture.sample(uniforms[3:4]) == given[3:4]
