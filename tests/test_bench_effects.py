"""The bench of stated effects: what a person states is what the encoder hands to the ensemble."""

import numpy as np
import pandas as pd
import pytest

effects = pytest.importorskip("bench.effects", reason="bench/ is not beside an installed package")

from t2local.stats.encoding import Encoder  # noqa: E402

Table, cells = effects.Table, effects.cells


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    age, ward, sex = (
        rng.normal(50, 9, 400).round(),
        rng.choice(["a", "b", "c"], 400),
        rng.choice(["F", "M"], 400),
    )
    risk = (age - 50) / 9 + 2 * (ward == "a") - (sex == "M") + rng.logistic(size=400)
    frame = pd.DataFrame({"age": age, "ward": ward, "sex": sex, "y": (risk > 0.5).astype(int)})
    frame.loc[::7, "age"] = None
    return Table.of("simulated", frame, "y")


def stated(table, *words):
    dictionary = table.informed(*words)
    return Encoder(dictionary.input_features, table.pool).effects


def test_of_the_true_signs_all_none_or_some_are_right(table):
    coefficients = table.coefficients
    flag = np.array([False, True, False, False, False, False])  # of missing ages: nothing is said
    true = np.where(flag, np.nan, np.sign(coefficients))
    assert (coefficients[0], coefficients[2], -coefficients[5]) > (0, 0, 0)
    assert np.array_equal(stated(table, "all", 1.0, 1), true, equal_nan=True)
    assert np.array_equal(stated(table, "all", 0.0, 1), -true, equal_nan=True)
    agreement = [np.nanmean(stated(table, "all", 0.8, seed) == true) for seed in range(60)]
    assert 5 / 6 * 0.7 < np.mean(agreement) < 5 / 6 * 0.9


def test_half_are_the_larger_coefficients(table):
    sizes = np.abs(table.coefficients)
    said = ~np.isnan(stated(table, "half", 1.0, 1))
    assert said.sum() <= 3
    assert sizes[said].min() >= np.median(sizes)


def test_samples_are_of_the_pool_with_both_classes(table):
    real = table.sample(20, 3)
    assert len(real) == 20
    assert real["y"].nunique() == 2
    assert set(table.pool.index).isdisjoint(table.test.index)
    assert len(table.test) == 133


def test_what_is_done_is_not_run_again(table):
    first = list(cells(table, 20, 0, set()))
    assert len(first) == 10
    assert {cell.accuracy for cell in first if cell.change > -50} == {0.0, 0.5, 0.65, 0.8, 1.0}
    assert not list(cells(table, 20, 0, {cell.key for cell in first}))
    (left,) = cells(table, 20, 0, {cell.key for cell in first[1:]})
    assert left == first[0]
