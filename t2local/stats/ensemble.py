"""A plain ensemble on a table: a regularised linear model and a random forest, averaged.

This is what a user could train without any synthetic row: the labels of the team and the benefit of
added rows are held against it. Where a person says which columns raise or lower the label, both
models know it (docs/method.md, "Effects").
"""

import warnings
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.columns import Column, level_codes
from t2local.stats.prior_effects import EffectsRegression, agreed_signs, fit_effects_regression
from t2local.stats.streams import Stream, random_state

#: Fitted models: scikit-learn's, `OneAgainstOthers`, or the number of the only class that the
#: training rows have.
Ensemble: TypeAlias = list[Any]
#: Share of a uniform guess in every probability, so that no logarithm is infinite. Small beside the
#: 1/200 by which one tree of the forest moves a probability.
FLOOR = 1e-4


def encode_labels(labels: pd.Series, target: Column) -> FloatArray:
    """Class numbers by the levels (-1 for another label), or the numbers as they are: (n,)."""
    if not target.levels:
        return labels.to_numpy(dtype=np.float64)
    return level_codes(target, labels).astype(np.float64)


def fit_ensemble(
    x: FloatArray,
    y: FloatArray,
    target: Column,
    seed: int,
    n_trees: int = 200,
    weights: FloatArray | None = None,
    effects: FloatArray | None = None,
) -> Ensemble:
    """The linear model, then the forest. With a single class in ``y`` the ensemble is that class.

    **Parameters:**

    * **x**: encoded rows (n, d); **y**: their labels by `encode_labels`, shape (n,).
    * **weights**: how much each row counts, shape (n,); all alike by default.
    * **effects**: what a person says of the columns (`Encoder.effects`), shape (d,); none: nothing.
    """
    if effects is not None:
        return _fit_informed(x, y, target, seed, n_trees, weights, effects)
    linear = fit_linear(x, y, target, weights)
    if isinstance(linear[0], int):
        return linear
    return [*linear, *_fit_one(_forest(target, n_trees, seed), x, y, target, weights)]


def fit_linear(
    x: FloatArray, y: FloatArray, target: Column, weights: FloatArray | None = None
) -> Ensemble:
    """The linear model alone, as it is commonly used: it knows no effects.

    **Parameters:** as for `fit_ensemble`.
    """
    return _fit_one(_linear(target), x, y, target, weights)


def _fit_one(
    model: Any, x: FloatArray, y: FloatArray, target: Column, weights: FloatArray | None
) -> Ensemble:
    """A fitted model, or the only class."""
    if not target.levels:
        return [model.fit(x, y, sample_weight=weights)]
    classes = y.astype(np.intp)
    if len(np.unique(classes)) < 2:
        return [int(classes[0])]
    with warnings.catch_warnings():
        # Many classes of few rows are classes all the same.
        warnings.filterwarnings("ignore", "The number of unique classes")
        return [model.fit(x, classes, sample_weight=weights)]


def _linear(target: Column) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    if target.levels:
        return LogisticRegression(max_iter=1000)
    return Ridge(1.0)


def _forest(
    target: Column,
    n_trees: int,
    seed: int,
    stream: Stream = Stream.ENSEMBLE,
    signs: IntArray | None = None,
) -> Any:
    """A forest; with ``signs`` (d,) its trees go only up (1) or down (-1) along these columns."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestClassifier if target.levels else RandomForestRegressor
    # Leaves of two rows: leaves of one give probabilities of 0 and 1 on the few rows that there
    # are.
    return kind(
        n_trees, min_samples_leaf=2, random_state=random_state(seed, stream), monotonic_cst=signs
    )


@dataclass(frozen=True)
class EffectsForest:
    """Two fitted forests of equal size, the second along signs on which rows and person agree."""

    free: Any
    directed: Any
    binary: bool

    def predict(self, x: FloatArray) -> FloatArray:
        """The probability of class 1, or the number; (m,)."""
        forests = (self.free, self.directed)
        if self.binary:
            return np.mean([forest.predict_proba(x)[:, 1] for forest in forests], axis=0)
        return np.mean([forest.predict(x) for forest in forests], axis=0)


@dataclass(frozen=True)
class OneAgainstOthers:
    """A classifier of two steps: the class that effects are on or not, and if not, which other.

    This is a nested dichotomy (Frank and Kramer 2004, doi 10.1145/1015330.1015363).

    * ``classes_``: numbers of the classes that rows have, ``positive`` first.
    * ``others``: scikit-learn's model of the other classes, or the only one.
    """

    classes_: IntArray
    positive: EffectsRegression | EffectsForest
    others: Any

    def predict_proba(self, x: FloatArray) -> FloatArray:
        """Probabilities, shape (m, classes)."""
        p = self.positive.predict(x)[:, None]  # (m, 1)
        others = np.ones((len(x), 1))
        if not isinstance(self.others, int):
            others = self.others.predict_proba(x)  # (m, classes - 1)
        return np.hstack([p, (1.0 - p) * others])


def _fit_informed(
    x: FloatArray,
    y: FloatArray,
    target: Column,
    seed: int,
    n_trees: int,
    weights: FloatArray | None,
    effects: FloatArray,
) -> Ensemble:
    """The ensemble whose models know effects. Without a row of their class there are none."""
    rows = np.ones(len(x)) if weights is None else weights
    if not target.levels:
        return _informed_models(x, y, target, seed, n_trees, rows, effects)
    positive = y == target.positive_class
    if positive.all() or not positive.any():
        return fit_ensemble(x, y, target, seed, n_trees, weights)
    is_positive = positive.astype(np.float64)
    informed = _informed_models(x, is_positive, target, seed, n_trees, rows, effects)
    plain = fit_ensemble(x[~positive], y[~positive], target, seed, n_trees, rows[~positive])
    if len(plain) == 1:  # only one other class
        plain = plain * len(informed)
    classes = np.unique(y[~positive]).astype(np.intp)
    classes = np.concatenate([[target.positive_class], classes])
    return [
        OneAgainstOthers(classes, model, others)
        for model, others in zip(informed, plain, strict=True)
    ]


def _informed_models(
    x: FloatArray,
    y: FloatArray,
    target: Column,
    seed: int,
    n_trees: int,
    weights: FloatArray,
    effects: FloatArray,
) -> list[EffectsRegression | EffectsForest]:
    """The linear model and the forest of a number, or of a class (``y`` is 1) against others."""
    binary = bool(target.levels)
    signs = agreed_signs(x, y, effects, weights)
    free = _forest(target, n_trees - n_trees // 2, seed)
    directed = _forest(target, n_trees // 2, seed, Stream.DIRECTED_FOREST, signs)
    labels = y.astype(np.intp) if binary else y
    for forest in (free, directed):
        forest.fit(x, labels, sample_weight=weights)
    linear = fit_effects_regression(x, y, effects, weights, binary=binary)
    return [linear, EffectsForest(free, directed, binary)]


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
