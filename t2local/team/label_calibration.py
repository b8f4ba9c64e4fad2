"""Label policies: whose word counts for the label of a written row (METHOD section 1).

``worker``: the label worker's, as the paper has it. ``classifier``: that of an ensemble trained on the real rows. ``calibrated``:
both, p(y | x) proportional to p_worker(y | x)^a p_ensemble(y | x)^b, with a and b fitted on real rows that neither had seen. For
a number: their mean, weighted by the inverse of their squared errors. So a worker without skill does no harm, and a and b say what it has.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import FLOOR, encode_labels, fit_ensemble, predict_ensemble
from t2local.stats.folds import stratified_folds
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import Feature, FeatureDictionary

#: Real rows whose labels the worker is asked for, to measure its skill: more cost more than they tell.
MOST_ASKED = 60
FOLDS = 4
#: Prompts with which real rows are asked about: each shows examples from one half of the folds and asks about the other.
N_CALIBRATION_PROMPTS = 2
#: Weight of the prior a = 0, b = 1, in rows: with few real rows the worker has to be clearly right to be heard.
_PRIOR_ROWS = 2.0
#: A class of fewer real rows than this is not left with less than this share of its own share.
_FEW, _NEARLY_EMPTY = 5, 0.25
_WEIGHTS = [place / 20 for place in range(41)]


@dataclass(frozen=True)
class LabelCalibration:
    """What each source is worth on real rows that it had not seen: mean log loss for classes, squared error for a number."""

    worker_weight: float
    ensemble_weight: float
    worker_loss: float | None
    ensemble_loss: float
    both_loss: float
    rows: int


class Labeller:
    """Gives the labels of written rows.

    **Parameters:**

    * **real**: frame of values (n, d), every row with a label.
    """

    def __init__(self, real: pd.DataFrame, dictionary: FeatureDictionary, seed: int) -> None:
        self._target: Feature = dictionary[dictionary.target]
        self._encoder, self._seed = Encoder(dictionary.input_features, real), seed
        self._x = self._encoder.transform(real)
        self._y = encode_labels(real[self._target.name], self._target)
        self._counts = (
            np.bincount(self._y.astype(np.intp), minlength=len(self._target.levels))
            if self._target.levels
            else np.empty(0, dtype=np.intp)
        )
        self.folds, self.asked = (
            calibration_folds(self._y, seed),
            calibration_rows(len(self._y), seed),
        )
        self._held_out = self._out_of_fold()
        self._ensemble = fit_ensemble(self._x, self._y, self._target, seed)
        self.skill = self._weigh(None)

    def learn(self, worker: FloatArray) -> None:
        """Fit both weights.

        **Parameters:**

        * **worker**: what the label worker said of the rows ``asked``: log-probabilities (m, levels), or numbers (m, 1).
        """
        self.skill = self._weigh(worker)

    def label(
        self, rows: pd.DataFrame, worker: FloatArray | None, draw: np.random.Generator | None = None
    ) -> pd.Series:
        """The most likely label of each row, or with ``draw`` one by its probability; of a number the weighted mean. ``worker`` as in `learn`."""
        if rows.empty:
            return pd.Series([], dtype=object if self._target.levels else float)
        ensemble = predict_ensemble(self._ensemble, self._encoder.transform(rows), self._target)
        pooled = self._pool(ensemble, worker, self.skill.worker_weight, self.skill.ensemble_weight)
        if self._target.levels:
            # Gumbel's trick: the argmax with this noise is a draw by the probabilities.
            places = (
                (pooled + draw.gumbel(size=pooled.shape)).argmax(axis=1)
                if draw
                else likeliest(pooled, self._counts)
            )
            return pd.Series([self._target.levels[place] for place in places], dtype=object)
        low, high = self._target.steps
        return pd.Series(
            np.clip(np.round(pooled[:, 0] * 10.0**self._target.decimals), low, high)
            / 10.0**self._target.decimals
        )

    def _pool(
        self, ensemble: FloatArray, worker: FloatArray | None, a: float, b: float
    ) -> FloatArray:
        if worker is None:
            return ensemble
        if self._target.levels:
            logits = a * worker + b * ensemble
            return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return a * worker + b * ensemble

    def _weigh(self, worker: FloatArray | None) -> LabelCalibration:
        ensemble, y = self._held_out[self.asked], self._y[self.asked]
        if worker is None:
            loss = self._loss(ensemble, y)
            return LabelCalibration(0.0, 1.0, None, loss, loss, len(y))
        losses = self._loss(worker, y), self._loss(ensemble, y)
        if not self._target.levels:
            a = losses[1] / (losses[0] + losses[1])
            return LabelCalibration(
                a, 1 - a, *losses, self._loss(self._pool(ensemble, worker, a, 1 - a), y), len(y)
            )
        # Two weights, a convex loss: every pair on a grid is soon tried, and weights finer than this mean nothing.
        pairs = [(a, b) for a in _WEIGHTS for b in _WEIGHTS]
        prior = [_PRIOR_ROWS * (a**2 + (b - 1) ** 2) / len(y) for a, b in pairs]
        both = [self._loss(self._pool(ensemble, worker, *pair), y) for pair in pairs]
        best = int(np.argmin(np.add(both, prior)))
        return LabelCalibration(*pairs[best], *losses, both[best], len(y))

    def _loss(self, said: FloatArray, y: FloatArray) -> float:
        if self._target.levels:
            return float(-said[np.arange(len(y)), y.astype(np.intp)].mean())
        return float(((said[:, 0] - y) ** 2).mean()) or 1e-12

    def _out_of_fold(self) -> FloatArray:
        said = np.zeros((len(self._x), max(1, len(self._target.levels))))
        for fold in np.unique(self.folds):
            out = self.folds == fold
            said[out] = predict_ensemble(
                fit_ensemble(self._x[~out], self._y[~out], self._target, self._seed, n_trees=100),
                self._x[out],
                self._target,
            )
        return said


def likeliest(said: FloatArray, counts: IntArray) -> IntArray:
    """The most likely class of each row, unless that would nearly empty a class of which there are few real rows.

    Where such a class is left with less than a quarter of its share, the classes get their shares among the real rows, and the rows are dealt to
    them so that the sum of their log-probabilities is the highest. (Diabetes 7:2:1, 10 real rows, columns drawn independently: AUC of four models
    75.6 without, 77.3 with; 8:2:0 64.8 and 67.6. With more rows of each class it gained nothing, and lost a point on Drug-B.)

    **Parameters:**

    * **said**: log-probabilities (n, classes); **counts**: of the real rows, shape (classes,).
    """
    from scipy.optimize import linear_sum_assignment

    best: IntArray = said.argmax(axis=1)
    known = np.flatnonzero(
        counts[best] > 0
    )  # a class that no real row has stays where it was found
    shares = counts / counts.sum()
    emptied = np.bincount(best, minlength=len(counts)) < _NEARLY_EMPTY * shares * len(best)
    if not (emptied & (counts < _FEW)).any() or not len(known):
        return best
    edges = np.round(np.cumsum(shares) * len(known)).astype(np.intp)
    seats = np.repeat(np.arange(len(shares)), np.diff(edges, prepend=0))
    rows, taken = linear_sum_assignment(-said[known][:, seats])
    best[known[rows]] = seats[taken]
    return best


def calibration_folds(labels: FloatArray, seed: int) -> IntArray:
    """The fold of each real row: who judges a row has not seen its fold."""
    return stratified_folds(labels, FOLDS, generator(seed, Stream.CALIBRATION_FOLDS))


def calibration_rows(n: int, seed: int) -> IntArray:
    """The places of the real rows that the team is asked about."""
    return np.sort(
        generator(seed, Stream.CALIBRATION_ROWS).choice(n, min(MOST_ASKED, n), replace=False)
    )


def level_log_probabilities(
    rests: list[bytes], tokens: list[bytes], scores: FloatArray
) -> FloatArray:
    """Log-probabilities of the levels from the scores of the first token that is chosen.

    **Parameters:**

    * **rests**: what is left to write of each level; **tokens**: the bytes of the allowed tokens; **scores**: their logits.

    A token that begins several levels counts for each of them by what the other tokens say of it.
    """
    p = np.exp(scores - scores.max())
    starts = np.array([[rest.startswith(token) for rest in rests] for token in tokens])
    alone = starts.sum(axis=1) == 1
    mass = p[alone] @ starts[alone] + FLOOR * p.sum()
    for token in np.flatnonzero(starts.sum(axis=1) > 1):
        mass = mass + p[token] * starts[token] * mass / (starts[token] @ mass)
    return np.log(mass / mass.sum())
