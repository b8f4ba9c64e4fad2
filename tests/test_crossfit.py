"""Real rows judged by fits that have not seen them."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from t2local.stats.learners import learner
from t2local.trim.crossfit import crossfit
from tests.problems import problem


def fold_of(x, y, classes=2, weights=None, seed=1):
    return crossfit(x, y, learner("logistic", classes, seed), seed, weights)


def with_ones(x):
    return np.hstack([x, np.ones((len(x), 1))])


def test_held_out_costs_come_from_fits_that_did_not_see_the_row():
    x, y = problem(50)
    fold = fold_of(x, y)
    assert fold.repeats == 3
    by_hand = np.zeros(50)
    x1 = with_ones(x)
    for train in fold.train.astype(bool):
        model = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10).fit(x1[train], y[train])
        p = model.predict_proba(x1[~train])[np.arange((~train).sum()), y[~train]]
        by_hand[~train] += np.log(p) / 3
    assert np.allclose(fold.held_out, by_hand, atol=5e-3)  # the floor of the probabilities


@pytest.mark.parametrize("n", [2, 3, 7, 199, 200])
@pytest.mark.parametrize("classes", [0, 2])
def test_every_row_is_held_out_once_a_repeat(n, classes):
    x, y = problem(n, 2, classes)
    fold = fold_of(x, y, classes)
    repeats = 3 if n < 200 else 1
    assert fold.repeats == repeats
    assert ((fold.train == 0).sum(axis=0) == repeats).all()
    assert len(fold.train) == repeats * min(5, n)
    assert np.isfinite(fold.held_out).all()
    assert fold.numeric == (classes == 0)


def test_means_are_weighted_sums():
    x, y = problem(30)
    weights = np.random.default_rng(0).uniform(0.5, 1.5, 30)
    fold = fold_of(x, y, weights=weights)
    table = np.random.default_rng(1).normal(size=fold.train.shape)
    total = 0.0
    weight = 0.0
    for r, row in enumerate(fold.train):
        for i, count in enumerate(row):
            if count == 0:
                total += weights[i] * table[r, i]
                weight += weights[i]
    assert fold.mean_held_out(table) == pytest.approx(total / weight)
    assert fold.mean == pytest.approx(np.average(fold.held_out, weights=weights))
    assert np.array_equal(np.unique(fold.train[:, 3]), [0, weights[3]])


def test_the_mean_over_the_fits_holds_for_rows_that_none_has_seen():
    x, y = problem(30)
    new_x, new_y = problem(6, seed=2)
    fold = fold_of(x, y)
    fits = [fold.learner.fit(x, y, row[None]).log_likelihood(new_x, new_y)[0] for row in fold.train]
    assert np.allclose(fold.mean_log_likelihood(new_x, new_y), np.mean(fits, axis=0), atol=1e-6)


def test_a_class_with_a_single_row_costs_much_and_is_no_error():
    x, y = problem(30)
    y = np.where(np.arange(30) == 4, 2, y)
    fold = fold_of(x, y, classes=3)
    assert fold.held_out[4] == fold.held_out.min()
    assert np.isfinite(fold.held_out).all()


def test_folds_follow_from_the_seed():
    x, y = problem(40)
    same = [fold_of(x, y, seed=seed).train for seed in (1, 1, 2)]
    assert np.array_equal(same[0], same[1])
    assert not np.array_equal(same[0], same[2])
