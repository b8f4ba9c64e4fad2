"""An ensemble on a table: an averaged linear model and forests.

This is what a user could train without any synthetic row: the labels of the team and the benefit of
added rows are held against it. Where a person says which columns raise or lower the label, its
models know it (docs/method.md, "Labels" and "Effects").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.columns import Column
from t2local.stats.prior_effects import agreed_signs, fit_effects_regression
from t2local.stats.streams import Stream, random_state

#: Share of a uniform guess in every probability, so that no logarithm is infinite. Small beside the
#: 1/200 by which one tree of the forests moves a probability.
FLOOR = 1e-4


@dataclass(frozen=True)
class Ensemble:
    """Fitted models of equal weight.

    * ``classes``: the numbers of the classes that rows have, in the order of the models'
      probabilities; none for a number.
    * ``models``: scikit-learn's, or with its methods; none where rows have a single class.
    """

    classes: IntArray
    models: tuple[Any, ...]

    def predict(self, x: FloatArray) -> FloatArray:
        """Probabilities of ``classes`` (n, classes), or numbers (n,)."""
        if not len(self.classes):
            return np.mean([model.predict(x) for model in self.models], axis=0)
        if not self.models:
            return np.ones((len(x), 1))
        return np.mean([model.predict_proba(x) for model in self.models], axis=0)


@dataclass(frozen=True)
class Forests:
    """Fitted forests, whose trees have equal weights."""

    forests: list[Any]

    def predict(self, x: FloatArray) -> FloatArray:
        """Numbers, (n,)."""
        return self._mean([forest.predict(x) for forest in self.forests])

    def predict_proba(self, x: FloatArray) -> FloatArray:
        """Probabilities, (n, classes)."""
        return self._mean([forest.predict_proba(x) for forest in self.forests])

    def _mean(self, predictions: list[FloatArray]) -> FloatArray:
        sizes = [len(forest) for forest in self.forests]
        return np.average(predictions, axis=0, weights=sizes)


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
    effects: FloatArray | None = None,
) -> Ensemble:
    """The linear model, then the forests. With a single class in ``y`` the ensemble is that class.

    **Parameters:**

    * **x**: encoded rows (n, d); **y**: their labels by `encode_labels`, shape (n,).
    * **weights**: how much each row counts, shape (n,); all alike by default.
    * **effects**: what a person says of the columns (`Encoder.effects`), shape (d,); none: nothing.
    """
    classes, labels = _classes(y, target)
    if len(classes) == 1:
        return Ensemble(classes, ())
    rows = np.ones(len(x)) if weights is None else weights
    if effects is None or (len(classes) and target.positive_class not in classes):
        effects = np.full(x.shape[1], np.nan)  # nothing is said of a class that no row has
    linear = fit_effects_regression(x, labels, effects, rows, len(classes))
    signs = agreed_signs(x, labels, effects, rows)
    if len(classes) > 2:
        signs[:] = 0  # trees keep to directions of two classes or a number only
    forests = [
        _fit_one(forest, x, labels, rows)
        for forest in _forests(len(classes) > 0, n_trees, seed, signs)
    ]
    return Ensemble(classes, (linear, Forests(forests)))


def fit_linear(
    x: FloatArray, y: FloatArray, target: Column, weights: FloatArray | None = None
) -> Ensemble:
    """A linear model as it is commonly used, scikit-learn's with its defaults: it knows no effects.

    **Parameters:** as for `fit_ensemble`.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    classes, labels = _classes(y, target)
    if len(classes) == 1:
        return Ensemble(classes, ())
    model = LogisticRegression(max_iter=1000) if len(classes) else Ridge(1.0)
    return Ensemble(classes, (_fit_one(model, x, labels, weights),))


def _fit_one(model: Any, x: FloatArray, y: FloatArray, weights: FloatArray | None) -> Any:
    """scikit-learn's model, fitted."""
    return model.fit(x, y, sample_weight=weights)


def _classes(y: FloatArray, target: Column) -> tuple[IntArray, FloatArray]:
    """The classes of rows, the one that effects are on last, and the place of each row's in them.

    Of a number: no classes, and the numbers.
    """
    if not target.levels:
        return np.array([], dtype=np.intp), y
    classes = np.unique(y).astype(np.intp)
    order = np.argsort(classes == target.positive_class, kind="stable")
    places = np.argsort(order)[np.searchsorted(classes, y)]
    return classes[order], places.astype(np.float64)


def _forests(classify: bool, n_trees: int, seed: int, signs: IntArray) -> Iterator[Any]:
    """A random forest and extremely randomised trees, to be fitted.

    The latter cut at random places (Geurts et al. 2006, doi 10.1007/s10994-006-6226-1); theirs are
    bootstrap samples too. Half of the trees of each kind go only up (1) or down (-1) along columns
    with a sign; (d,).
    """
    from sklearn import ensemble

    kinds = [ensemble.RandomForestRegressor, ensemble.ExtraTreesRegressor]
    if classify:
        kinds = [ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier]
    parts: dict[Stream, IntArray | None] = {Stream.ENSEMBLE: None}
    if signs.any():
        parts[Stream.DIRECTED_FOREST] = signs
    shares = np.diff(np.linspace(0, n_trees, len(kinds) * len(parts) + 1).astype(int)).tolist()
    for share, (kind, (stream, own)) in zip(shares, product(kinds, parts.items()), strict=True):
        if share:
            # Leaves of two rows: leaves of one give probabilities of 0 and 1 on the few rows that
            # there are.
            yield kind(
                share,
                min_samples_leaf=2,
                bootstrap=True,
                random_state=random_state(seed, stream),
                monotonic_cst=own,
            )


def predict_ensemble(models: Ensemble, x: FloatArray, target: Column) -> FloatArray:
    """The mean of the models: log-probabilities of classes (n, levels), or numbers (n, 1)."""
    if not target.levels:
        return models.predict(x)[:, None]
    p = np.zeros((len(x), len(target.levels)))  # (n, levels)
    p[:, models.classes] = models.predict(x)
    return np.log((1 - FLOOR) * p + FLOOR / len(target.levels))
