"""Mixture weights of worker and tree, and the gate that gives cells by them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.stats.densities import ChowLiuTree
from t2local.team.cell_calibration import CellCalibration, MixtureGate, mixture
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
    tree = pd.DataFrame({name: rng.normal(-2, 1, 400) for name in worker})
    return CellCalibration(worker, tree, tree - 1)


def test_the_weight_of_a_column_is_the_one_of_the_highest_likelihood(calibration):
    worker, tree = calibration.worker, calibration.tree
    for name, weight in calibration.weights.items():
        grid = np.linspace(0.01, 0.99, 99)
        one = [mixture(worker[[name]], tree[[name]], {name: w}).to_numpy().sum() for w in grid]
        assert abs(weight - grid[int(np.argmax(one))]) < 0.05
    nats = calibration.summary([]).nats_per_row
    assert nats["mixture"] > max(nats["worker"], nats["tree"])


def test_with_few_rows_all_columns_have_about_the_same_weight(calibration):
    few = CellCalibration(
        calibration.worker.head(2), calibration.tree.head(2), calibration.independent.head(2)
    )
    spread = [max(c.weights.values()) - min(c.weights.values()) for c in (few, calibration)]
    assert spread[0] < 0.2 < spread[1]
    assert all(0 < weight < 1 for weight in few.weights.values())


def test_a_source_that_is_never_right_has_almost_no_weight():
    worker = pd.DataFrame({"a": np.full(200, -800.0), "b": np.full(200, -1.0)})
    tree = pd.DataFrame({"a": np.full(200, -1.0), "b": np.full(200, -800.0)})
    weights = CellCalibration(worker, tree, tree).weights
    assert weights["a"] < 0.05
    assert weights["b"] > 0.95


@settings(max_examples=40)
@given(st.integers(0, 999), st.floats(0.01, 0.99))
def test_a_mixture_is_the_weighted_mean_of_the_probabilities(seed, weight):
    rng = np.random.default_rng(seed)
    frames = [pd.DataFrame({"a": np.log(rng.uniform(0.01, 1, 5))}, index=range(3, 8)) for _ in "wt"]
    mixed = mixture(frames[0], frames[1], {"a": weight})
    for row in mixed.index:
        p, q = (np.exp(frame.loc[row, "a"]) for frame in frames)
        assert np.exp(mixed.loc[row, "a"]) == pytest.approx(weight * p + (1 - weight) * q)


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
        assert list(sums) == ["worker", "tree", "mixture", "independent"]


def test_one_row_has_no_standard_error(calibration):
    one = CellCalibration(
        calibration.worker.head(1), calibration.tree.head(1), calibration.independent.head(1)
    )
    assert one.summary([]).standard_error is None
    assert one.summary([]).rows == 1


@pytest.fixture(scope="module")
def tree() -> ChowLiuTree:
    dictionary, real = dictionary_and_values(make_patients())
    return ChowLiuTree(dictionary.input_features, real, 1)


def test_a_gate_gives_a_cell_as_often_as_the_worker_does_not_write_it(tree):
    weights = {"age": 0.2, "sex": 0.7, "ward": 0.7, "smoker": 1.0}
    gate = MixtureGate(tree, weights)
    given = [gate.sample(np.random.default_rng(row)) for row in range(600)]
    for name, weight in weights.items():
        assert abs(np.mean([name in cells for cells in given]) - (1 - weight)) < 0.06
    # One number decides a row: what has the larger weight is given only where the smaller one is.
    assert all("age" in cells for cells in given if "sex" in cells)
    assert all(("sex" in cells) == ("ward" in cells) for cells in given)
    assert not any("weight" in cells for cells in given)


def test_a_gate_gives_cells_of_one_row_of_the_tree(tree):
    gate = MixtureGate(tree, dict.fromkeys(["age", "ward"], 0.0))
    cells = gate.sample(np.random.default_rng(5))
    rng = np.random.default_rng(5)
    rng.random()
    row = tree.row(rng)
    assert cells == {"age": row["age"], "ward": row["ward"]}
    assert gate.sample(np.random.default_rng(5)) == cells
