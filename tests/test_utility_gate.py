"""Held-out likelihood and the randomization test, against plain loops and scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from t2local.stats.learners import learner
from t2local.stats.penalized_regression import PenalizedRegression
from t2local.stats.streams import Stream, generator
from t2local.trim import utility
from t2local.trim.crossfit import crossfit
from t2local.trim.utility import randomization_p_value, utility_control
from tests.problems import problem


@pytest.fixture(scope="module")
def fold():
    x, y = problem(60)
    return crossfit(x, y, learner("logistic", 2, 1), seed=1)


@pytest.fixture(scope="module")
def numeric_fold():
    x, _ = problem(60)
    return crossfit(x, x[:, 0] + 0.1 * x[:, 1], learner("logistic", 0, 1), seed=1)


def p_value(fold, x, y, level=0.1, seed=1):
    return randomization_p_value(fold, x, y, level, np.random.default_rng(seed))


def test_utility_is_the_mean_gain_of_held_out_likelihood():
    x, y = problem(50)
    new_x, new_y = problem(10, seed=5)
    fold = crossfit(x, y, learner("logistic", 2, 1), seed=1)
    model = PenalizedRegression(2)
    total = 0.0
    for train in fold.train.astype(bool):
        plain = model.fit(x[train], y[train], np.ones((1, train.sum())))
        rows = np.vstack([x[train], new_x])
        joined = model.fit(rows, np.concatenate([y[train], new_y]), np.ones((1, len(rows))))
        gains = joined.log_likelihood(x[~train], y[~train])
        total += (gains - plain.log_likelihood(x[~train], y[~train])).sum()
    assert np.isclose(utility.utility(fold, new_x, new_y), total / 150, atol=1e-6)


def test_no_rows_bring_nothing(fold):
    assert utility.utility(fold, fold.x[:0], fold.y[:0]) == pytest.approx(0.0, abs=1e-6)


def test_true_labels_bring_more_than_flipped_ones(fold):
    x, y = problem(300)
    assert utility.utility(fold, x[60:], y[60:]) > utility.utility(fold, x[60:], 1 - y[60:])


def test_the_control_is_the_utility_of_training_rows_that_stand_there_twice(fold):
    rng = generator(7, Stream.UTILITY_CONTROL)
    gains = []
    for _ in range(10):
        total = 0.0
        for row in fold.train:
            weights = row + rng.multinomial(8, row / row.sum())
            fit = PenalizedRegression(2).fit(fold.x, fold.y, weights[None])
            out = row == 0
            total += fit.log_likelihood(fold.x, fold.y)[0][out].sum()
        gains.append(total / (fold.train == 0).sum() - fold.held_out.mean())
    control = utility_control(fold, size=8, k=1.5, seed=7)
    assert control.mean == pytest.approx(np.mean(gains), abs=1e-5)
    assert control.sd == pytest.approx(np.std(gains, ddof=1), abs=1e-5)
    assert control.k == 1.5


def simulated_p_value(fold, x, y, draws=20000):
    """The p-value by plain simulation, with scikit-learn's fits."""
    rng = np.random.default_rng(5)
    shares = np.bincount(fold.y) / len(fold.y)
    logs = np.zeros((len(x), 2))
    x1 = np.hstack([fold.x, np.ones((len(fold.x), 1))])
    new_x1 = np.hstack([x, np.ones((len(x), 1))])
    for train in fold.train.astype(bool):
        model = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10)
        model.fit(x1[train], fold.y[train])
        logs += np.log(model.predict_proba(new_x1)) / len(fold.train)
    labelings = rng.choice(2, (draws, len(x)), p=shares)
    sums = logs[np.arange(len(x)), labelings].sum(axis=1)
    own = logs[np.arange(len(x)), y].sum()
    return (sums > own + 1e-9).mean() + (np.abs(sums - own) <= 1e-9).mean() / 2


def test_the_p_value_is_the_share_of_random_labelings_that_fit_as_well(fold):
    new_x, new_y = problem(12, seed=4)
    for labels in (new_y, 1 - new_y, np.random.default_rng(0).integers(0, 2, 12)):
        difference = p_value(fold, new_x, labels) - simulated_p_value(fold, new_x, labels)
        assert abs(difference) < 0.09  # 400 labelings: four standard errors at most


def test_the_p_value_is_that_of_a_plain_loop_over_the_same_labelings(fold):
    new_x, new_y = problem(9, seed=8)
    rng = np.random.default_rng(3)
    order = rng.permutation(9)
    x, y = new_x[order], new_y[order]
    shares = [np.mean(fold.y == 0), np.mean(fold.y == 1)]
    labelings = rng.choice(2, size=(400, 9), p=shares)
    own = fold.mean_log_likelihood(x, y).sum()
    total = 0.0
    for labels in labelings:
        fit = fold.mean_log_likelihood(x, labels).sum()
        if abs(fit - own) <= 1e-9:
            total += 0.5
        elif fit > own:
            total += 1
    assert p_value(fold, new_x, new_y, seed=3) == pytest.approx(total / 400)


def test_a_repeated_row_is_the_evidence_of_one(fold):
    for row in range(20):
        x = np.repeat(fold.x[[row]], 10, axis=0)
        assert p_value(fold, x, np.repeat(fold.y[row], 10)) > 0.15


def test_near_copies_are_the_evidence_of_one_row_too(fold):
    rng = np.random.default_rng(0)
    for row in range(5):
        x = fold.x[[row]] + rng.normal(0, 1e-3, (10, 4))
        assert p_value(fold, x, np.repeat(fold.y[row], 10)) > 0.15


def test_labels_that_are_drawn_too_often_are_not_judged(fold):
    # Two labels agree by chance too often.
    assert p_value(fold, fold.x[:2], fold.y[:2]) is None
    assert p_value(fold, fold.x[:2], fold.y[:2], level=0.9) is not None


def test_numbers_are_judged_by_quantiles_of_the_real_ones(numeric_fold):
    x = numeric_fold.x[:12]
    right = x[:, 0]
    wrong = right[::-1]
    assert p_value(numeric_fold, x, right) < 0.01
    assert p_value(numeric_fold, x, wrong) > 0.1


def test_a_p_value_is_the_same_again_and_changes_nothing(fold):
    x, y = problem(12, seed=4)
    before = x.copy(), y.copy()
    assert p_value(fold, x, y) == p_value(fold, x, y)
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])


def test_flipping_all_labels_of_two_equal_classes_turns_the_p_value_round():
    x, _ = problem(60)
    y = (x[:, 0] > np.median(x[:, 0])).astype(int)
    fold = crossfit(x, y, learner("logistic", 2, 1), seed=1)
    new_x, _ = problem(12, seed=4)
    labels = (new_x[:, 0] > 0).astype(int)
    assert p_value(fold, new_x, labels) < 0.02
    assert p_value(fold, new_x, 1 - labels) > 0.98
