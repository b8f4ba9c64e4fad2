import numpy as np
import pytest

from t2local.stats.learners import AverageLearner, learner
from t2local.stats.penalized_regression import PenalizedRegression
from t2local.stats.sklearn_models import SklearnLearner
from tests.problems import problem


@pytest.mark.parametrize("kind", ["logistic", "svm", "mlp", "forest", "several"])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_every_learner_gives_likelihoods_that_beat_a_guess_and_copes_with_an_absent_class(
    kind, classes
):
    x, y = problem(80, 3, classes)
    weights = np.ones((2, 80))
    guess = -0.5 * np.log(2 * np.pi) - 0.5 * np.mean(y**2)
    if classes:
        weights[1] = y == 0
        guess = -np.log(classes)
    model = learner(kind, classes, 1)
    fit = model.fit(x, y, weights)
    likelihood = fit.log_likelihood(x, y)
    assert likelihood.shape == (2, 80)
    assert np.isfinite(likelihood).all()
    assert likelihood[0].mean() > guess
    # An earlier fit to begin from changes the way, not the result.
    again = model.fit(x, y, weights, fit).log_likelihood(x, y)
    assert again == pytest.approx(likelihood, abs=1e-3)


def test_names_of_the_settings():
    assert learner("logistic", 3, 1) == PenalizedRegression(3)
    assert learner("svm", 2, 5) == SklearnLearner("svm", 2, 5)
    several = learner("several", 2, 5)
    assert several.learners == (PenalizedRegression(2), SklearnLearner("forest", 2, 5))


def test_several_have_the_mean_of_their_probabilities():
    x, y = problem(30, 3, 2)
    weights = np.random.default_rng(0).integers(0, 3, (2, 30)).astype(float)
    models = (PenalizedRegression(2), SklearnLearner("svm", 2, 1))
    found = AverageLearner(models).fit(x, y, weights).log_likelihood(x, y)
    one, two = (model.fit(x, y, weights).log_likelihood(x, y) for model in models)
    for r in range(2):
        for i in range(30):
            mean = (np.exp(one[r, i]) + np.exp(two[r, i])) / 2
            assert found[r, i] == pytest.approx(np.log(mean))
