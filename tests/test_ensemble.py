import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from t2local.stats.ensemble import (
    FLOOR,
    encode_labels,
    fit_ensemble,
    fit_linear,
    predict_ensemble,
)
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


def test_many_classes_of_few_rows_are_classes_without_a_warning():
    levels = tuple(f"c{number}" for number in range(15))
    target = Feature(name="y", type="category", levels=levels)
    models = fit_ensemble(X[:20], np.arange(20.0) % 15, target, 1, n_trees=2)
    assert predict_ensemble(models, X, target).shape == (40, 15)


def test_weights_count_rows_and_the_seed_decides_the_forest():
    counts = np.random.default_rng(0).integers(1, 4, 40)
    copied = fit_ensemble(np.repeat(X, counts, axis=0), np.repeat(Y, counts), CLASSES, 1, 5)
    weighted = fit_ensemble(X, Y, CLASSES, 1, 5, counts.astype(float))
    assert weighted[0].coef_ == pytest.approx(copied[0].coef_, abs=1e-3)
    forests = [fit_ensemble(X, Y, CLASSES, seed, 5)[1].predict_proba(X) for seed in (1, 1, 2)]
    assert (forests[0] == forests[1]).all()
    assert (forests[0] != forests[2]).any()


TWO = Feature(name="y", type="boolean", levels=("a", "b"))
EFFECTS = np.array([1.0, np.nan, 0.0])


def few_rows(seed, n=16, d=6):
    """Rows of two classes; every column raises the risk of class 1."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = (x.sum(axis=1) + rng.logistic(size=n) > 0).astype(float)
    y[:2] = 0, 1
    return x, y


def mean_loss(target, effects):
    """Log loss of ensembles on few rows."""
    x_test, y_test = few_rows(99, 300)
    losses = []
    for seed in range(6):
        x, y = few_rows(seed)
        models = fit_ensemble(x, y, target, 1, 20, effects=effects)
        log_p = predict_ensemble(models, x_test, target)
        losses.append(-log_p[np.arange(300), y_test.astype(int)].mean())
    return np.mean(losses)


def test_right_effects_help_and_are_on_the_positive_class():
    right, wrong = np.ones(6), -np.ones(6)
    first = TWO.model_copy(update={"positive": "a"})
    plain = mean_loss(TWO, None)
    assert mean_loss(TWO, right) < plain - 0.03
    assert mean_loss(first, wrong) == pytest.approx(mean_loss(TWO, right), abs=0.01)
    assert mean_loss(TWO, wrong) < plain + 0.05


def test_with_effects_classes_have_the_mean_probability_of_two_steps():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 40).astype(float)
    target = CLASSES.model_copy(update={"positive": "b"})
    models = fit_ensemble(X, y, target, 1, 10, effects=EFFECTS)
    p = np.exp(predict_ensemble(models, X, target))
    assert p.sum(axis=1) == pytest.approx(np.ones(40))
    rest = y != 1
    plain = fit_ensemble(X[rest], y[rest], target, 1, 10, weights=np.ones(rest.sum()))
    for i in range(40):
        mean = np.zeros(3)
        for model, others in zip(models, plain, strict=True):
            positive = model.positive.predict(X[i : i + 1])[0]
            mean[1] += positive / 2
            mean[[0, 2]] += (1 - positive) * others.predict_proba(X[i : i + 1])[0] / 2
        assert p[i] == pytest.approx((1 - FLOOR) * mean + FLOOR / 3)


def test_without_a_row_of_the_positive_class_effects_change_nothing():
    target = CLASSES.model_copy(update={"positive": "c"})
    plain = fit_ensemble(X, Y, target, 1, 5)
    informed = fit_ensemble(X, Y, target, 1, 5, effects=EFFECTS)
    expected = predict_ensemble(plain, X, target)
    assert (predict_ensemble(informed, X, target) == expected).all()
    assert fit_ensemble(X, np.full(40, 2.0), target, 1, 5, effects=EFFECTS) == [2]


def test_half_of_the_trees_keep_to_a_sign_on_which_the_rows_agree():
    x, y = few_rows(0, 60, 1)
    for target, labels in ((TWO, y), (NUMBER, 3 * x[:, 0] + y)):
        forest = fit_ensemble(x, labels, target, 1, 20, effects=np.ones(1))[1]
        forest = getattr(forest, "positive", forest)
        assert (len(forest.free), len(forest.directed)) == (10, 10)
        line = np.linspace(-2, 2, 50)[:, None]
        mean = forest.directed.predict(line)
        assert (np.diff(mean) >= 0).all()
        odd = fit_ensemble(x, labels, target, 1, 21, effects=np.ones(1))[1]
        odd = getattr(odd, "positive", odd)
        assert len(odd.free) + len(odd.directed) == 21


def test_effects_on_a_number_move_its_prediction_and_weights_count_rows():
    x, _ = few_rows(3, 30)
    y = 10 + 4 * x.sum(axis=1)
    models = fit_ensemble(x, y, NUMBER, 1, 20, np.ones(30), np.ones(6))
    predictions = predict_ensemble(models, x, NUMBER)
    assert predictions.shape == (30, 1)
    assert np.corrcoef(predictions[:, 0], y)[0, 1] > 0.9
    heavy = np.where(y > 10, 5.0, 0.1)
    weighted = fit_ensemble(x, y, NUMBER, 1, 20, heavy, np.ones(6))
    assert predict_ensemble(weighted, x, NUMBER).mean() > predictions.mean()


def test_the_linear_model_alone_is_the_first_of_the_ensemble():
    for target, y in ((CLASSES, Y), (NUMBER, Y), (CLASSES, np.ones(40))):
        alone = fit_linear(X, y, target)
        first = fit_ensemble(X, y, target, 1, 5)[:1]
        predictions = [predict_ensemble(models, X, target) for models in (alone, first)]
        assert (predictions[0] == predictions[1]).all()
