"""A plain ensemble on a table: a regularised linear model and a random forest, averaged.

This is what a user could train without any synthetic row: the labels of the team and the benefit of
added rows are held against it.
"""

from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.stats.columns import Column
from t2local.stats.streams import Stream, random_state

#: scikit-learn models, or the number of the only class that the training rows have.
Ensemble: TypeAlias = list[Any]
#: Share of a uniform guess in every probability, so that no logarithm is infinite. Small beside the
#: 1/200 by which one tree of the forest moves a probability.
FLOOR = 1e-4


def encode_labels(labels: pd.Series, target: Column) -> FloatArray:
    """Class numbers by the levels (-1 for another label), or the numbers as they are: (n,)."""
    if not target.levels:
        return labels.to_numpy(dtype=np.float64)
    levels = pd.Index(target.levels, dtype=object)
    return levels.get_indexer(pd.Index(labels, dtype=object)).astype(np.float64)


def fit_ensemble(
    x: FloatArray,
    y: FloatArray,
    target: Column,
    seed: int,
    n_trees: int = 200,
    weights: FloatArray | None = None,
) -> Ensemble:
    """The linear model, then the forest. With a single class in ``y`` the ensemble is that class.

    **Parameters:**

    * **x**: encoded rows (n, d); **y**: their labels by `encode_labels`, shape (n,).
    * **weights**: how much each row counts, shape (n,); all alike by default.
    """
    if not target.levels:
        models = _regressors(n_trees, seed)
        return [model.fit(x, y, sample_weight=weights) for model in models]
    classes = y.astype(np.intp)
    if len(np.unique(classes)) < 2:
        return [int(classes[0])]
    models = _classifiers(n_trees, seed)
    return [model.fit(x, classes, sample_weight=weights) for model in models]


def _regressors(n_trees: int, seed: int) -> list[Any]:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge

    state = random_state(seed, Stream.ENSEMBLE)
    return [Ridge(1.0), RandomForestRegressor(n_trees, min_samples_leaf=2, random_state=state)]


def _classifiers(n_trees: int, seed: int) -> list[Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    state = random_state(seed, Stream.ENSEMBLE)
    # Leaves of two rows: leaves of one give probabilities of 0 and 1 on the few rows that there
    # are.
    forest = RandomForestClassifier(n_trees, min_samples_leaf=2, random_state=state)
    return [LogisticRegression(max_iter=1000), forest]


def predict_ensemble(models: Ensemble, x: FloatArray, target: Column) -> FloatArray:
    """The mean of the models: log-probabilities of classes (n, levels), or numbers (n, 1)."""
    if not target.levels:
        return np.mean([model.predict(x) for model in models], axis=0)[:, None]
    p = np.zeros((len(x), len(target.levels)))  # (n, levels)
    for model in models:
        if isinstance(model, int):
            p[:, model] += 1.0 / len(models)
        else:
            p[:, model.classes_] += model.predict_proba(x) / len(models)
    return np.log((1 - FLOOR) * p + FLOOR / len(target.levels))
