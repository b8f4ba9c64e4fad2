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
from t2local.stats.prior_effects import fit_effects_regression
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
    models = fit_ensemble(X, Y, CLASSES, 1, n_trees=6)
    log_p = predict_ensemble(models, X, CLASSES)
    assert log_p.shape == (40, 3)
    assert np.exp(log_p).sum(axis=1) == pytest.approx(np.ones(40))
    assert np.exp(log_p[:, 2]) == pytest.approx(np.full(40, FLOOR / 3))
    nothing = np.full(3, np.nan)
    linear = fit_effects_regression(X, Y, nothing, np.ones(40), 2).predict_proba(X)
    every = [tree for forest in models.models[1].forests for tree in forest]
    assert len(every) == 6
    forests = np.mean([tree.predict_proba(X) for tree in every], axis=0)
    for i in range(40):
        for k in range(2):
            mean = (linear[i, k] + forests[i, k]) / 2
            assert np.exp(log_p[i, k]) == pytest.approx((1 - FLOOR) * mean + FLOOR / 3)
    assert (log_p.argmax(axis=1) == Y).mean() > 0.9


def test_a_number_is_the_mean_of_both_models():
    y = 10 * X[:, 0] + X[:, 1]
    models = fit_ensemble(X, y, NUMBER, 1, n_trees=5)
    predictions = predict_ensemble(models, X, NUMBER)
    assert predictions.shape == (40, 1)
    linear = fit_effects_regression(X, y, np.full(3, np.nan), np.ones(40), 0).predict(X)
    every = [tree for forest in models.models[1].forests for tree in forest]
    assert len(every) == 5
    forests = np.mean([tree.predict(X) for tree in every], axis=0)
    assert predictions[:, 0] == pytest.approx((linear + forests) / 2)


def test_a_lone_class_is_certain_but_for_the_floor():
    for fit in (fit_ensemble, fit_linear):
        models = fit(X, np.full(40, 1.0), CLASSES, 1)
        p = np.exp(predict_ensemble(models, X[:2], CLASSES))
        assert p == pytest.approx(np.tile([FLOOR / 3, 1 - FLOOR + FLOOR / 3, FLOOR / 3], (2, 1)))


def test_classes_may_have_any_order_and_the_positive_one_any_place():
    y = (X[:, 0] > 0).astype(float) + (X[:, 1] > 0.5)
    places = np.array([2, 0, 1])
    for positive in CLASSES.levels:
        target = CLASSES.model_copy(update={"positive": positive})
        p, moved = (
            np.exp(predict_ensemble(fit_ensemble(X, labels, target, 1, 50), X, target))
            for labels in (y, places[y.astype(int)].astype(float))
        )
        assert (p.argmax(axis=1) == y).mean() > 0.8
        assert moved[:, places] == pytest.approx(p, abs=0.15)


def test_weights_count_rows_and_the_seed_decides_the_forest():
    counts = np.random.default_rng(0).integers(1, 4, 40)
    copied = fit_ensemble(np.repeat(X, counts, axis=0), np.repeat(Y, counts), CLASSES, 1, 5)
    weighted = fit_ensemble(X, Y, CLASSES, 1, 5, counts.astype(float))
    linear = [models.models[0].predict_proba(X) for models in (weighted, copied)]
    assert linear[0] == pytest.approx(linear[1], abs=1e-3)
    forests = [
        fit_ensemble(X, Y, CLASSES, seed, 5).models[1].predict_proba(X) for seed in (1, 1, 2)
    ]
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


def test_of_three_classes_effects_are_on_the_positive_one():
    x, positive = few_rows(1, 24)
    up = np.array([[-1.0] * 6, [1.0] * 6])
    for place, level in enumerate(CLASSES.levels):
        target = CLASSES.model_copy(update={"positive": level})
        others = np.delete(np.arange(3), place)
        y = np.where(positive == 1, place, others[np.arange(24) % 2]).astype(float)
        none, stated = (
            np.exp(predict_ensemble(fit_ensemble(x, y, target, 1, 10, effects=own), up, target))
            for own in (None, np.ones(6))
        )
        change = (stated - none)[:, place]
        assert change[0] < 0 < change[1]
        assert stated.sum(axis=1) == pytest.approx(np.ones(2))


def test_without_a_row_of_the_positive_class_effects_change_nothing():
    target = CLASSES.model_copy(update={"positive": "c"})
    plain = fit_ensemble(X, Y, target, 1, 5)
    informed = fit_ensemble(X, Y, target, 1, 5, effects=EFFECTS)
    expected = predict_ensemble(plain, X, target)
    assert (predict_ensemble(informed, X, target) == expected).all()
    assert fit_ensemble(X, np.full(40, 2.0), target, 1, 5, effects=EFFECTS).models == ()


def test_nothing_said_is_the_same_as_no_effects():
    for target, y in ((TWO, Y), (NUMBER, X[:, 0])):
        first, second = (
            predict_ensemble(fit_ensemble(X, y, target, 1, 6, effects=own), X, target)
            for own in (None, np.full(3, np.nan))
        )
        assert (first == second).all()


def test_half_of_the_trees_of_each_kind_keep_to_a_sign_on_which_the_rows_agree():
    x, y = few_rows(0, 60, 1)
    line = np.linspace(-2, 2, 50)[:, None]
    for target, labels in ((TWO, y), (NUMBER, 3 * x[:, 0] + y)):
        for n_trees in (1, 20, 21):
            models = fit_ensemble(x, labels, target, 1, n_trees, effects=np.ones(1)).models
            forests = models[1].forests
            assert sum(map(len, forests)) == n_trees
            directed = [forest for forest in forests if forest.monotonic_cst is not None]
            assert abs(2 * sum(map(len, directed)) - n_trees) <= 2
            for forest in directed:
                means = forest.predict(line)
                assert (np.diff(means) >= 0).all()


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


def test_the_linear_model_alone_is_scikit_learns():
    alone = predict_ensemble(fit_linear(X, Y, CLASSES), X, CLASSES)
    p = LogisticRegression(max_iter=1000).fit(X, Y).predict_proba(X)
    assert np.exp(alone[:, :2]) == pytest.approx((1 - FLOOR) * p + FLOOR / 3)
    y = 10 * X[:, 0] + X[:, 1]
    numbers = predict_ensemble(fit_linear(X, y, NUMBER), X, NUMBER)[:, 0]
    assert numbers == pytest.approx(Ridge(1.0).fit(X, y).predict(X))
