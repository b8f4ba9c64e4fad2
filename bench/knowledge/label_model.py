"""The label given all features, learnt from many rows: the best of some models, calibrated.

Means of logistic regression, a random forest and boosted trees are compared by 5-fold
cross-validation; the one with the lowest loss is kept. A temperature, fitted on the same held-out
predictions, calibrates its probabilities (Guo et al. 2017, arXiv 1706.04599).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge

from bench.streams import Stream, generator
from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.columns import Column
from t2local.stats.ensemble import FLOOR
from t2local.stats.folds import stratified_folds

_N_FOLDS = 5
#: The means that are tried, by the models in them. With single models among them the choice was
#: worse, since small populations mislead it: test loss 0.478 instead of 0.463 on eight tables below
#: 700 rows, 0.461 instead of 0.459 on ten larger ones.
_CANDIDATES = (
    ("linear", "forest"),
    ("forest", "boosted"),
    ("linear", "forest", "boosted"),
)
#: Small trees and short steps: boosting that stops by itself would need rows of its own.
_BOOSTING = {"max_iter": 80, "learning_rate": 0.05, "max_leaf_nodes": 8, "min_samples_leaf": 10}
_FOREST = {"n_estimators": 100, "min_samples_leaf": 5, "max_features": "sqrt"}
#: Bounds of the logarithm of the temperature.
_LOG_TEMPERATURES = (-1.5, 1.5)


@dataclass(frozen=True)
class LabelModel:
    """Fitted models whose predictions are averaged.

    **Parameters:**

    * **names**: of the models; **temperature**: divides log-probabilities.
    * **loss**: held-out loss in the population, calibrated: mean -log p, or squared error.
    """

    target: Column
    names: tuple[str, ...]
    models: tuple[Any, ...]
    temperature: float
    loss: float

    @classmethod
    def fit(cls, x: FloatArray, y: FloatArray, target: Column, seed: int) -> "LabelModel":
        """The best candidate on all rows.

        **Parameters:**

        * **x**: encoded rows (n, w); **y**: labels by `t2local.stats.ensemble.encode_labels`, (n,).
        """
        rng = generator(seed, Stream.ORACLE_LABELS)
        state = int(rng.integers(2**31))
        folds = stratified_folds(y, _N_FOLDS, rng)
        parts: dict[str, FloatArray] = {}
        for name, model in _models(target, state).items():
            parts[name] = _held_out(model, x, y, target, folds)
        means = {names: np.mean([parts[n] for n in names], axis=0) for names in _CANDIDATES}
        best = min(means, key=lambda names: _loss(means[names], y, target, 1.0))
        temperature = _temperature(means[best], y, target)
        fitted = _models(target, state)
        models = tuple(fitted[name].fit(x, _labels(y, target)) for name in best)
        return cls(target, best, models, temperature, _loss(means[best], y, target, temperature))

    def predict(self, x: FloatArray) -> FloatArray:
        """Log-probabilities (m, levels), or numbers (m, 1), of encoded rows (m, w)."""
        mean = np.mean([_predictions(model, x, self.target) for model in self.models], axis=0)
        if self.target.numeric:
            return mean
        return _log_probabilities(mean, self.temperature)


def _models(target: Column, state: int) -> dict[str, Any]:
    """Models that are not fitted yet, by name."""
    if target.numeric:
        return {
            "linear": Ridge(1.0),
            "forest": RandomForestRegressor(random_state=state, **_FOREST),
            "boosted": HistGradientBoostingRegressor(random_state=state, **_BOOSTING),
        }
    return {
        "linear": LogisticRegression(max_iter=1000),
        "forest": RandomForestClassifier(random_state=state, **_FOREST),
        "boosted": HistGradientBoostingClassifier(random_state=state, **_BOOSTING),
    }


def _labels(y: FloatArray, target: Column) -> FloatArray | IntArray:
    return y if target.numeric else y.astype(np.intp)


def _held_out(
    model: Any, x: FloatArray, y: FloatArray, target: Column, folds: IntArray
) -> FloatArray:
    """Predictions of each row by the model fitted on the other folds: (n, levels) or (n, 1)."""
    predictions = np.zeros((len(x), len(target.levels) or 1))
    labels = _labels(y, target)
    for fold in np.unique(folds):
        inside = folds == fold
        model.fit(x[~inside], labels[~inside])
        predictions[inside] = _predictions(model, x[inside], target)
    return predictions


def _predictions(model: Any, x: FloatArray, target: Column) -> FloatArray:
    """Probabilities (m, levels), 0 for a class that the model has not seen; or numbers (m, 1)."""
    if target.numeric:
        return model.predict(x)[:, None]
    p = np.zeros((len(x), len(target.levels)))
    p[:, model.classes_] = model.predict_proba(x)
    return p


def _log_probabilities(p: FloatArray, temperature: float) -> FloatArray:
    floored = np.log((1 - FLOOR) * p + FLOOR / p.shape[1]) / temperature  # (m, levels)
    return floored - np.logaddexp.reduce(floored, axis=1, keepdims=True)


def _loss(predictions: FloatArray, y: FloatArray, target: Column, temperature: float) -> float:
    if target.numeric:
        return float(((predictions[:, 0] - y) ** 2).mean())
    logs = _log_probabilities(predictions, temperature)  # (n, levels)
    return float(-logs[np.arange(len(y)), y.astype(np.intp)].mean())


def _temperature(predictions: FloatArray, y: FloatArray, target: Column) -> float:
    """The temperature of the lowest held-out loss; a number has none."""
    if target.numeric:
        return 1.0
    best = minimize_scalar(
        lambda log: _loss(predictions, y, target, np.exp(log)),
        bounds=_LOG_TEMPERATURES,
        method="bounded",
    )
    return float(np.exp(best.x))
