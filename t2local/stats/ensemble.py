"""A plain ensemble on a table, a regularised linear model and a forest: what a user could train without any synthetic row."""

from typing import Any

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.stats.columns import Column
from t2local.stats.streams import Stream, random_state

Fitted = list[Any]
#: Share of a uniform guess in every probability, so that no log is infinite.
FLOOR = 1e-4


def codes(labels: pd.Series, target: Column) -> FloatArray:
    """Class numbers by the dictionary's levels (-1 for another), or the numbers themselves; shape (n,)."""
    if not target.levels:
        return labels.to_numpy(dtype=np.float64)
    return pd.Categorical(labels, categories=list(target.levels)).codes.astype(np.float64)


def fit(
    x: FloatArray,
    y: FloatArray,
    target: Column,
    seed: int,
    trees: int = 200,
    weights: FloatArray | None = None,
) -> Fitted:
    """The linear model, then the forest; a lone class when there is no other.

    **Parameters:**

    * **x**: encoded rows (n, d); **y**: their `codes`; **weights**: what each counts for.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    if not target.levels:
        forest = RandomForestRegressor(
            trees, min_samples_leaf=2, random_state=random_state(seed, Stream.ENSEMBLE)
        )
        return [
            Ridge(1.0).fit(x, y, sample_weight=weights),
            forest.fit(x, y, sample_weight=weights),
        ]
    classes = y.astype(np.intp)
    if len(np.unique(classes)) < 2:
        return [int(classes[0])]
    forest = RandomForestClassifier(
        trees, min_samples_leaf=2, random_state=random_state(seed, Stream.ENSEMBLE)
    )
    return [
        LogisticRegression(max_iter=1000).fit(x, classes, sample_weight=weights),
        forest.fit(x, classes, sample_weight=weights),
    ]


def predict(models: Fitted, x: FloatArray, target: Column) -> FloatArray:
    """Log-probabilities (n, levels), or numbers (n, 1): the mean of the models."""
    if not target.levels:
        return np.mean([model.predict(x) for model in models], axis=0)[:, None]
    p = np.zeros((len(x), len(target.levels)))
    for model in models:
        if isinstance(model, int):
            p[:, model] += 1.0 / len(models)
        else:
            p[:, model.classes_] += model.predict_proba(x) / len(models)
    return np.log((1 - FLOOR) * p + FLOOR / len(target.levels))
