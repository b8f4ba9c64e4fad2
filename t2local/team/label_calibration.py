"""Who decides the label of a written row: weights of two predictions, fitted on real rows.

Settings ``team.labels`` (docs/method.md, "Labels"):

* ``worker``: the label worker decides, as in the paper (arXiv 2602.04785).
* ``classifier``: an ensemble that is trained on the real rows decides.
* ``calibrated``: both, as a logarithmic opinion pool: p(y | x) is proportional to
  p_worker(y | x)^a p_ensemble(y | x)^b. The weight a is the probability that the worker knows the
  label better, by real rows that neither had seen; b is 1 - a. For a number the pool is a weighted
  mean.

So a worker without skill does no harm, and a says how much skill it has.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.llm.catalog import KNOWS_LABELS
from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble
from t2local.stats.folds import stratified_folds
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.labels import label_values

#: Folds of the ensemble's cross-fitting.
N_FOLDS = 4
#: The ensemble of a few dozen rows may be too sure of itself, and then any guess of the shares
#: seems to know more. So probable is that, and so much do its predictions then count beside the
#: shares of the classes (docs/method.md, "Labels").
_TOO_SURE = 0.2
_CALMER = np.arange(4) / 4
#: Candidates for the weight of a worker that predicts numbers.
_SHARES = np.arange(21) / 20  # 0 to 1
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
        self.target: Feature = dictionary.target_feature
        self._encoder = Encoder(dictionary.input_features, real)
        self._seed = seed
        x = self._encoder.transform(real)
        #: The real labels as class numbers, or as numbers; shape (n,).
        self.truth = encode_labels(real[self.target.name], self.target)
        #: Predictions of each real row by an ensemble that did not see it, shape as `predict`.
        self.out_of_fold = self._out_of_fold(x, folds)
        #: The models of all real rows, on the columns of the dictionary's `Encoder`.
        self.models = fit_ensemble(x, self.truth, self.target, seed, effects=self._encoder.effects)

    @property
    def class_counts(self) -> IntArray:
        """How many real rows each class has, shape (levels,)."""
        return np.bincount(self.truth.astype(np.intp), minlength=len(self.target.levels))

    def predict(self, rows: pd.DataFrame) -> FloatArray:
        """Log-probabilities, shape (m, levels), or numbers, shape (m, 1)."""
        return predict_ensemble(self.models, self._encoder.transform(rows), self.target)

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
        weight = self.calibration.worker_weight
        return pool_predictions(worker, predictions, weight, self.ensemble.target)

    def labels(self, predictions: FloatArray, choice: str, rng: np.random.Generator) -> pd.Series:
        """The labels of rows by their predictions (`label_values`), with the real rows' shares."""
        shares = self.ensemble.class_counts / len(self.ensemble.truth)
        return label_values(self.ensemble.target, predictions, shares, choice, rng)


def calibrate_labels(
    worker: FloatArray | None,
    ensemble: FloatArray,
    truth: FloatArray,
    target: Feature,
    prior: float = KNOWS_LABELS,
) -> LabelCalibration:
    """The posterior means of the weights, by the losses on real rows.

    **Parameters:**

    * **worker**, **ensemble**: predictions by models that had not seen the rows: log-probabilities
      (m, levels), or numbers (m, 1). With no worker the ensemble has all the weight.
    * **truth**: class numbers, or numbers; shape (m,).
    * **prior**: as for `probability_knows`.
    """
    ensemble_loss = _loss(ensemble, truth, target)
    if worker is None:
        return LabelCalibration(0.0, 1.0, None, ensemble_loss, ensemble_loss, len(truth))
    worker_loss = _loss(worker, truth, target)
    if target.levels:
        a = probability_knows(worker, ensemble, truth, prior)
    else:
        a = _number_weight(worker, ensemble, truth)
    combined_loss = _loss(pool_predictions(worker, ensemble, a, target), truth, target)
    return LabelCalibration(a, 1 - a, worker_loss, ensemble_loss, combined_loss, len(truth))


def pool_predictions(
    worker: FloatArray, ensemble: FloatArray, worker_weight: float, target: Feature
) -> FloatArray:
    """Both predictions as one, of their shape: log-probabilities (m, levels), or numbers (m, 1)."""
    pooled = worker_weight * worker + (1 - worker_weight) * ensemble
    if not target.levels:
        return pooled
    return pooled - np.logaddexp.reduce(pooled, axis=1, keepdims=True)


def calibration_folds(labels: FloatArray, seed: int) -> IntArray:
    """The fold of each real row, shape (n,): who predicts a row has not seen its fold."""
    return stratified_folds(labels, N_FOLDS, generator(seed, Stream.CALIBRATION_FOLDS))


def probability_knows(
    worker: FloatArray, ensemble: FloatArray, truth: FloatArray, prior: float = KNOWS_LABELS
) -> float:
    """The posterior probability that the worker knows the labels better than the ensemble.

    **Parameters:**

    * **prior**: that probability before the rows are seen (`t2local.llm.catalog.knows_labels`).
    """
    log_odds = np.log(prior) - np.log1p(-prior)
    log_odds += _log_likelihood(worker, truth) - _log_likelihood_of_few(ensemble, truth)
    # Beyond 500 the exponential overflows.
    return float(1 / (1 + np.exp(-np.clip(log_odds, -500, 500))))


def _log_likelihood(predictions: FloatArray, truth: FloatArray) -> FloatArray:
    """Of the labels under log-probabilities (..., m, levels); shape (...)."""
    rows, classes = np.arange(len(truth)), truth.astype(np.intp)
    return predictions[..., rows, classes].sum(axis=-1)


def _log_likelihood_of_few(ensemble: FloatArray, truth: FloatArray) -> float:
    """Of the labels under an ensemble of few rows: as it is, or calmer where it is too sure."""
    n_levels = ensemble.shape[1]
    counts = np.bincount(truth.astype(np.intp), minlength=n_levels) + 0.5
    share = _CALMER[:, None, None]  # (values, 1, 1)
    calmer = share * ensemble + (1 - share) * np.log(counts / counts.sum())  # (values, m, levels)
    calmer -= np.logaddexp.reduce(calmer, axis=2, keepdims=True)
    mean = np.logaddexp.reduce(_log_likelihood(calmer, truth)) - np.log(len(_CALMER))
    as_it_is = np.log1p(-_TOO_SURE) + _log_likelihood(ensemble, truth)
    return float(np.logaddexp(as_it_is, np.log(_TOO_SURE) + mean))


def _number_weight(worker: FloatArray, ensemble: FloatArray, truth: FloatArray) -> float:
    """The posterior mean of a, with b = 1 - a, all values from 0 to 1 alike before the rows."""
    a = _SHARES  # (values,)
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


def _loss(predictions: FloatArray, truth: FloatArray, target: Feature) -> float:
    if target.levels:
        return float(-predictions[np.arange(len(truth)), truth.astype(np.intp)].mean())
    # An error of exactly 0 would have an infinite weight.
    return float(((predictions[:, 0] - truth) ** 2).mean()) or 1e-12
