"""The memory of fits that tests share: only the very same fit is not done again."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from t2local.stats import column_mixture, ensemble
from t2local.tables.dictionary import Feature
from tests.fits import members, mixtures

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

    return members(fit), done


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


COLUMNS = (
    Feature(name="age", type="integer", minimum=0, maximum=99),
    Feature(name="sex", type="category", levels=("f", "m")),
)
REAL = pd.DataFrame({"age": [30.0, 41.0, 52.0, 63.0], "sex": ["f", "m", "f", "m"]})


def test_the_same_mixture_is_fitted_once_and_all_others_anew(monkeypatch):
    fits = mixtures(lambda *arguments: list(arguments))
    first, again = (fits(list(COLUMNS), REAL.copy(), 1) for _ in range(2))
    assert first[1] is again[1]
    wider = (COLUMNS[0].model_copy(update={"maximum": 120}), COLUMNS[1])
    for columns, real, seed in (
        (COLUMNS[::-1], REAL, 1),
        (wider, REAL, 1),
        (COLUMNS, REAL.assign(age=REAL["age"] + 1), 1),
        (COLUMNS, REAL.assign(sex=["f", "m", "f", None]), 1),
        (COLUMNS, REAL.set_axis([1, 2, 3, 5]), 1),
        (COLUMNS, REAL.head(3), 1),
        (COLUMNS, REAL, 2),
    ):
        assert fits(columns, real, seed)[1] is real
    monkeypatch.setattr(column_mixture, "_N_FOLDS", 2)
    assert fits(COLUMNS, REAL, 1)[1] is REAL
