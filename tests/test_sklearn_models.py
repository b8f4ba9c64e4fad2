import numpy as np
import pytest
from scipy.stats import norm
from sklearn.svm import SVC, SVR

from t2local.stats.sklearn_models import SklearnLearner
from tests.problems import problem


def test_two_classes_of_an_svm_have_the_softmax_of_their_margin():
    x, y = problem(40, 3, 2)
    found = SklearnLearner("svm", 2, 1).fit(x, y, np.ones((1, 40))).log_likelihood(x, y)[0]
    margins = SVC().fit(x, y).decision_function(x)
    for i in range(40):
        sign = 1 if y[i] else -1
        p = 1 / (1 + np.exp(-2 * sign * margins[i]))
        assert found[i] == pytest.approx(np.log(0.999 * p + 0.001 / 2))


def test_three_classes_of_an_svm_have_the_softmax_of_their_margins():
    x, y = problem(40, 3, 3)
    found = SklearnLearner("svm", 3, 1).fit(x, y, np.ones((1, 40))).log_likelihood(x, y)[0]
    margins = SVC(decision_function_shape="ovr").fit(x, y).decision_function(x)
    p = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    assert found == pytest.approx(np.log(0.999 * p[np.arange(40), y] + 0.001 / 3))


def test_a_number_has_a_normal_around_the_prediction():
    x, y = problem(40, 3, 0)
    found = SklearnLearner("svm", 0, 1).fit(x, y, np.ones((1, 40))).log_likelihood(x, y)[0]
    assert found == pytest.approx(norm.logpdf(y - SVR().fit(x, y).predict(x)))


@pytest.mark.parametrize("unit", [1.0, 0.25])
def test_weights_are_copies_counted_in_the_smallest_one(unit):
    x, y = problem(30, 2, 2)
    counts = np.random.default_rng(0).integers(0, 4, 30)
    model = SklearnLearner("svm", 2, 1)
    weighted = model.fit(x, y, unit * counts[None, :].astype(float)).log_likelihood(x, y)
    copies = np.repeat(np.arange(30), counts)
    copied = model.fit(x[copies], y[copies], np.ones((1, len(copies)))).log_likelihood(x, y)
    assert weighted == pytest.approx(copied)


def test_rows_of_weight_0_are_not_seen():
    x, y = problem(60, 3, 2)
    weights = np.ones((1, 60))
    weights[0, 40:] = 0
    model = SklearnLearner("forest", 2, 1)
    other = np.where(np.arange(60) < 40, y, 1 - y)
    one, two = (model.fit(x, labels, weights).log_likelihood(x, y) for labels in (y, other))
    assert (one == two).all()


def test_a_lone_class_is_certain_and_other_classes_have_the_floor():
    x, y = problem(20, 2, 3)
    fit = SklearnLearner("mlp", 3, 1).fit(x, y, (y == 2)[None, :].astype(float))
    assert fit.estimators == [2]
    expected = np.where(y == 2, np.log(0.999 + 0.001 / 3), np.log(0.001 / 3))
    assert fit.log_likelihood(x, y)[0] == pytest.approx(expected)


def test_the_seed_decides_a_forest():
    x, y = problem(40, 3, 2)
    found = [
        SklearnLearner("forest", 2, seed).fit(x, y, np.ones((1, 40))).log_likelihood(x, y)
        for seed in (1, 1, 2)
    ]
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).any()
