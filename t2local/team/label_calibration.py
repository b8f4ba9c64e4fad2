"""Who decides the label of a written row: weights of two predictions, fitted on real rows.

Settings ``team.labels`` (docs/method.md, "Labels"):

* ``worker``: the label worker decides, as in the paper (arXiv 2602.04785).
* ``classifier``: an ensemble that is trained on the real rows decides.
* ``calibrated``: both, as a logarithmic opinion pool: p(y | x) is proportional to
  p_worker(y | x)^a p_ensemble(y | x)^b. The weights a and b are fitted on real rows that neither
  had seen. For a number the pool is the mean, weighted by the inverse of the squared errors.

So a worker without skill does no harm, and a says how much skill it has.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble
from t2local.stats.folds import stratified_folds
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.labels import label_values

#: Real rows whose labels the worker is asked for: more rows cost more than they tell.
MAX_ASKED = 60
#: Folds of the ensemble's cross-fitting.
N_FOLDS = 4
#: Prompts with which real rows are asked about: each shows examples from one half of the folds
#: and asks about the other half. Two prompts cost half of what one for each fold would.
N_CALIBRATION_PROMPTS = 2
#: Prior of the weights a and b: means, deviations and correlation of a normal distribution, fitted
#: over five tables, two sizes and workers from no knowledge to much (empirical Bayes,
#: bench/knowledge/label_prior.py). With few real rows it decides how far a worker is heard.
_PRIOR_MEANS = (0.3, 0.7)
_PRIOR_DEVIATIONS = (0.35, 0.3)
_PRIOR_CORRELATION = -0.5
#: Candidates for a and b: finer weights mean nothing with so few rows.
_GRID = np.arange(41) / 20  # 0 to 2
#: Trees of the forests that are fitted once for each fold: half of those of the final ensemble.
_TREES_OF_A_FOLD = 100


@dataclass(frozen=True)
class LabelCalibration:
    """The weights of both predictions, and their losses on real rows that neither had seen.

    The loss is the mean log loss for classes, the mean squared error for a number.
    ``worker_loss`` is none where the label worker was not asked.
    """

    worker_weight: float
    ensemble_weight: float
    worker_loss: float | None
    ensemble_loss: float
    combined_loss: float
    rows: int


class LabelEnsemble:
    """An ensemble that predicts labels, trained on the real rows.

    **Parameters:**

    * **real**: frame of values (n, d), every row with a label.
    * **folds**: the fold of each row, shape (n,), for predictions of rows that are left out.
    """

    def __init__(
        self, real: pd.DataFrame, dictionary: FeatureDictionary, folds: IntArray, seed: int
    ) -> None:
        self.target: Feature = dictionary[dictionary.target]
        self._encoder = Encoder(dictionary.input_features, real)
        self._seed = seed
        x = self._encoder.transform(real)
        #: The real labels as class numbers, or as numbers; shape (n,).
        self.truth = encode_labels(real[self.target.name], self.target)
        #: Predictions of each real row by an ensemble that did not see it, shape as `predict`.
        self.out_of_fold = self._out_of_fold(x, folds)
        self._models = fit_ensemble(x, self.truth, self.target, seed, effects=self._encoder.effects)

    @property
    def class_counts(self) -> IntArray:
        """How many real rows each class has, shape (levels,)."""
        return np.bincount(self.truth.astype(np.intp), minlength=len(self.target.levels))

    def predict(self, rows: pd.DataFrame) -> FloatArray:
        """Log-probabilities, shape (m, levels), or numbers, shape (m, 1)."""
        return predict_ensemble(self._models, self._encoder.transform(rows), self.target)

    def _out_of_fold(self, x: FloatArray, folds: IntArray) -> FloatArray:
        predictions = np.zeros((len(x), max(1, len(self.target.levels))))
        for fold in np.unique(folds):
            out = folds == fold
            models = fit_ensemble(
                x[~out],
                self.truth[~out],
                self.target,
                self._seed,
                n_trees=_TREES_OF_A_FOLD,
                effects=self._encoder.effects,
            )
            predictions[out] = predict_ensemble(models, x[out], self.target)
        return predictions


@dataclass(frozen=True)
class OpinionPool:
    """Predicts the labels of written rows, by the predictions of the ensemble and of the worker."""

    ensemble: LabelEnsemble
    calibration: LabelCalibration

    def predict(self, rows: pd.DataFrame, worker: FloatArray | None) -> FloatArray:
        """Log-probabilities, shape (m, levels), or numbers, shape (m, 1).

        **Parameters:**

        * **rows**: frame of values (m, d), with any label.
        * **worker**: what the label worker predicts, of the same shape; none: the ensemble decides
          alone.
        """
        if rows.empty:
            return np.zeros((0, max(1, len(self.ensemble.target.levels))))
        predictions = self.ensemble.predict(rows)
        if worker is None:
            return predictions
        return pool_predictions(worker, predictions, self.calibration, self.ensemble.target)

    def labels(self, predictions: FloatArray, choice: str, rng: np.random.Generator) -> pd.Series:
        """The labels of rows by their predictions (`label_values`), with the real rows' shares."""
        shares = self.ensemble.class_counts / len(self.ensemble.truth)
        return label_values(self.ensemble.target, predictions, shares, choice, rng)


def calibrate_labels(
    worker: FloatArray | None, ensemble: FloatArray, truth: FloatArray, target: Feature
) -> LabelCalibration:
    """The posterior means of the weights, by the losses on real rows.

    **Parameters:**

    * **worker**, **ensemble**: predictions by models that had not seen the rows: log-probabilities
      (m, levels), or numbers (m, 1). With no worker the ensemble has all the weight.
    * **truth**: class numbers, or numbers; shape (m,).
    """
    ensemble_loss = _loss(ensemble, truth, target)
    if worker is None:
        return LabelCalibration(0.0, 1.0, None, ensemble_loss, ensemble_loss, len(truth))
    worker_loss = _loss(worker, truth, target)
    if target.levels:
        a, b = _class_weights(worker, ensemble, truth)
    else:
        a = _number_weight(worker, ensemble, truth)
        b = 1 - a
    combined_loss = _loss(_pool(worker, ensemble, a, b, target), truth, target)
    return LabelCalibration(a, b, worker_loss, ensemble_loss, combined_loss, len(truth))


def pool_predictions(
    worker: FloatArray, ensemble: FloatArray, calibration: LabelCalibration, target: Feature
) -> FloatArray:
    """Both predictions as one, of their shape."""
    a = calibration.worker_weight
    b = calibration.ensemble_weight
    return _pool(worker, ensemble, a, b, target)


def calibration_folds(labels: FloatArray, seed: int) -> IntArray:
    """The fold of each real row, shape (n,): who predicts a row has not seen its fold."""
    return stratified_folds(labels, N_FOLDS, generator(seed, Stream.CALIBRATION_FOLDS))


def calibration_rows(n_rows: int, seed: int) -> IntArray:
    """The places of the real rows that the team is asked about, in order."""
    rng = generator(seed, Stream.CALIBRATION_ROWS)
    return np.sort(rng.choice(n_rows, min(MAX_ASKED, n_rows), replace=False))


def _class_weights(
    worker: FloatArray, ensemble: FloatArray, truth: FloatArray
) -> tuple[float, float]:
    """The posterior means of a and b, on a grid."""
    a, b = (grid.ravel() for grid in np.meshgrid(_GRID, _GRID, indexing="ij"))  # (pairs,)
    pooled = a[:, None, None] * worker + b[:, None, None] * ensemble  # (pairs, m, classes)
    pooled -= np.logaddexp.reduce(pooled, axis=2, keepdims=True)
    log_likelihood = pooled[:, np.arange(len(truth)), truth.astype(np.intp)].sum(axis=1)  # (pairs,)
    posterior = _normalised(log_likelihood + _log_prior(a, b))  # (pairs,)
    return float(posterior @ a), float(posterior @ b)


def _log_prior(a: FloatArray, b: FloatArray) -> FloatArray:
    """The log of the normal prior, up to a constant; shape of a and b."""
    z = (a - _PRIOR_MEANS[0]) / _PRIOR_DEVIATIONS[0]
    v = (b - _PRIOR_MEANS[1]) / _PRIOR_DEVIATIONS[1]
    rho = _PRIOR_CORRELATION
    return -0.5 * (z**2 - 2 * rho * z * v + v**2) / (1 - rho**2)


def _number_weight(worker: FloatArray, ensemble: FloatArray, truth: FloatArray) -> float:
    """The posterior mean of a, with b = 1 - a, all values from 0 to 1 alike before the rows."""
    a = _GRID[_GRID <= 1]  # (values,)
    pooled = a[:, None] * worker[:, 0] + (1 - a[:, None]) * ensemble[:, 0]  # (values, m)
    squares = ((pooled - truth) ** 2).mean(axis=1)  # (values,)
    # The likelihood of normal errors whose deviation is not known, at its best value.
    posterior = _normalised(-0.5 * len(truth) * np.log(np.maximum(squares, 1e-12)))
    return float(posterior @ a)


def _normalised(log_weights: FloatArray) -> FloatArray:
    """Weights with the sum 1 from their logarithms."""
    weights = np.exp(log_weights - log_weights.max())
    normalised: FloatArray = weights / weights.sum()
    return normalised


def _pool(
    worker: FloatArray, ensemble: FloatArray, a: float, b: float, target: Feature
) -> FloatArray:
    pooled = a * worker + b * ensemble
    if not target.levels:
        return pooled
    return pooled - np.logaddexp.reduce(pooled, axis=1, keepdims=True)


def _loss(predictions: FloatArray, truth: FloatArray, target: Feature) -> float:
    if target.levels:
        return float(-predictions[np.arange(len(truth)), truth.astype(np.intp)].mean())
    # An error of exactly 0 would have an infinite weight.
    return float(((predictions[:, 0] - truth) ** 2).mean()) or 1e-12
