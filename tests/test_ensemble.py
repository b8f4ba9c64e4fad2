import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from t2local.stats.ensemble import FLOOR, encode_labels, fit_ensemble, predict_ensemble
from t2local.tables.dictionary import Feature

CLASSES = Feature(name="y", type="category", levels=("a", "b", "c"))
NUMBER = Feature(name="y", type="decimal", minimum=-100, maximum=100, decimals=2)
RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(float)  # class c has no row


def test_labels_are_numbered_by_the_levels_and_numbers_stay():
    labels = pd.Series(["c", "a", "other", None, "b"], dtype=object)
    assert encode_labels(labels, CLASSES).tolist() == [2, 0, -1, -1, 1]
    assert encode_labels(pd.Series([1.5, -2.0]), NUMBER).tolist() == [1.5, -2.0]


def test_classes_have_the_mean_probability_of_both_models_and_a_floor():
    models = fit_ensemble(X, Y, CLASSES, 1, n_trees=5)
    log_p = predict_ensemble(models, X, CLASSES)
    assert log_p.shape == (40, 3)
    assert np.exp(log_p).sum(axis=1) == pytest.approx(np.ones(40))
    assert np.exp(log_p[:, 2]) == pytest.approx(np.full(40, FLOOR / 3))
    linear = LogisticRegression(max_iter=1000).fit(X, Y).predict_proba(X)
    forest = models[1].predict_proba(X)
    for i in range(40):
        for k in range(2):
            mean = (linear[i, k] + forest[i, k]) / 2
            assert np.exp(log_p[i, k]) == pytest.approx((1 - FLOOR) * mean + FLOOR / 3)
    assert (log_p.argmax(axis=1) == Y).mean() > 0.9


def test_a_number_is_the_mean_of_both_models():
    y = 10 * X[:, 0] + X[:, 1]
    models = fit_ensemble(X, y, NUMBER, 1, n_trees=5)
    found = predict_ensemble(models, X, NUMBER)
    assert found.shape == (40, 1)
    linear = Ridge(1.0).fit(X, y).predict(X)
    assert found[:, 0] == pytest.approx((linear + models[1].predict(X)) / 2)


def test_a_lone_class_is_certain_but_for_the_floor():
    models = fit_ensemble(X, np.full(40, 1.0), CLASSES, 1)
    assert models == [1]
    p = np.exp(predict_ensemble(models, X[:2], CLASSES))
    assert p == pytest.approx(np.tile([FLOOR / 3, 1 - FLOOR + FLOOR / 3, FLOOR / 3], (2, 1)))


def test_weights_count_rows_and_the_seed_decides_the_forest():
    counts = np.random.default_rng(0).integers(1, 4, 40)
    copied = fit_ensemble(np.repeat(X, counts, axis=0), np.repeat(Y, counts), CLASSES, 1, 5)
    weighted = fit_ensemble(X, Y, CLASSES, 1, 5, counts.astype(float))
    assert weighted[0].coef_ == pytest.approx(copied[0].coef_, abs=1e-3)
    forests = [fit_ensemble(X, Y, CLASSES, seed, 5)[1].predict_proba(X) for seed in (1, 1, 2)]
    assert (forests[0] == forests[1]).all()
    assert (forests[0] != forests[2]).any()
