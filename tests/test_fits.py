"""The memory of fits that tests share: only the very same fit is not done again."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from t2local.stats import ensemble
from t2local.tables.dictionary import Feature
from tests.fits import Fits

CLASSES = Feature(name="y", type="category", levels=("a", "b"))
OTHERS = Feature(name="y", type="category", levels=("a", "b", "c"))
X = np.random.default_rng(1).normal(size=(20, 2))
Y = (X[:, 0] > 0).astype(float)
ONES = np.ones(20)


def forest(seed=1, trees=3):
    return RandomForestClassifier(trees, random_state=seed)


@pytest.fixture
def counted(fits_anew):
    """A memory, and the fits that it had done."""
    done = []

    def fit(*arguments):
        done.append(arguments)
        return ensemble._fit_one(*arguments)

    return Fits(fit), done


def test_the_same_fit_is_done_once_and_gives_the_same_model(counted):
    fits, done = counted
    first, again = (fits(forest(), X.copy(), Y, CLASSES, None) for _ in range(2))
    assert len(done) == 1
    assert first[0] is again[0]
    (fresh,) = ensemble._fit_one(forest(), X, Y, CLASSES, None)
    assert np.array_equal(fresh.predict_proba(X), again[0].predict_proba(X))


@pytest.mark.parametrize(
    "other",
    [
        (forest(2), X, Y, CLASSES, None),
        (forest(1, 4), X, Y, CLASSES, None),
        (forest(), X + 1, Y, CLASSES, None),
        (forest(), X, 1 - Y, CLASSES, None),
        (forest(), X, Y, OTHERS, None),
        (forest(), X, Y, CLASSES, ONES),
    ],
)
def test_what_differs_in_anything_is_fitted(counted, other):
    fits, done = counted
    fits(forest(), X, Y, CLASSES, None)
    fits(*other)
    assert len(done) == 2
