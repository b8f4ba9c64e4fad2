"""Do no harm: do the kept rows help a model to predict held-out real rows?

Measured with the linear model that is commonly used, and held against an ensemble on the real rows
alone, which costs a user nothing: much of what synthetic rows seem to bring, such an ensemble
knows (docs/method.md, Evaluation). Effects that the dictionary states are known to the ensemble,
since it can be trained with them, and not to the linear model. Labels that a model trained on all
real rows gave would tell of the held-out ones; such labels are given anew, by a model that has not
seen these. What else the writing and the judging took from the held-out rows stays, so the figures
are the most that can be hoped for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, Mask
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import (
    Ensemble,
    encode_labels,
    fit_ensemble,
    fit_linear,
    predict_ensemble,
)
from t2local.stats.folds import stratified_folds
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import Feature, FeatureDictionary

_FOLDS = 5
_REPEATS = 3
#: Trees of each forest: 15 folds are averaged.
_TREES = 30
#: Bootstrap samples behind the interval of an AUC.
_BOOTSTRAPS = 200
#: Half the width of a 95 % interval, in standard errors.
_WIDTH = 1.96
#: With fewer real rows no interval means anything.
_MIN_ROWS = 10

Change = Literal["helps", "harms", "unclear"]


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, differences: FloatArray) -> "Interval":
        """By the normal approximation, from one value a row; shape (n,)."""
        mean = float(differences.mean())
        half = _WIDTH * float(differences.std(ddof=1)) / len(differences) ** 0.5
        return cls(mean, mean - half, mean + half)

    @property
    def change(self) -> Change:
        """Of a loss: below zero helps."""
        if self.high < 0:
            return "helps"
        if self.low > 0:
            return "harms"
        return "unclear"


@dataclass(frozen=True)
class Benefit:
    """Losses on held-out real rows.

    A loss is the mean log loss for classes, the squared error over the label's variance for a
    number.

    * ``losses``, ``auc`` (one-vs-rest mean; classes only): by model and what it was trained on,
      such as ``linear_real_and_kept``.
    * ``gain``: the paired change of the linear model's loss with the kept rows.
    * ``against_ensemble``: its loss with the kept rows less that of the ensemble on the real rows.
    """

    rows: int
    losses: dict[str, float]
    auc: dict[str, Interval]
    gain: Interval
    against_ensemble: Interval

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.rows < _MIN_ROWS:
            return f"Whether they help a model cannot be measured on {self.rows} real rows."
        losses = (
            f"loss on held-out real rows {self.losses['linear_real']:.3f} before, "
            f"{self.losses['linear_real_and_kept']:.3f} with them, "
            f"{self.losses['ensemble_real']:.3f} for an ensemble on the real rows alone"
        )
        if self.gain.change == "harms":
            return f"They harm a linear model: {losses}."
        if self.gain.change == "unclear":
            return f"That they help a linear model is not shown: {losses}."
        if self.against_ensemble.change == "helps":
            return f"They help, beyond what an ensemble makes of the real rows alone: {losses}."
        return (
            "They help a linear model, but no more than training an ensemble on the real rows "
            f"alone would: {losses}."
        )


@dataclass(frozen=True)
class _Data:
    """Real rows, encoded: x (n, d), y (n,), weights (n,); and the kept ones: (m, d), (m,).

    ``effects``: what a person says of the columns, (d,); none: nothing.
    """

    target: Feature
    effects: FloatArray | None
    seed: int
    x: FloatArray
    y: FloatArray
    weights: FloatArray
    kept_x: FloatArray
    kept_y: FloatArray

    @classmethod
    def of(
        cls,
        real: pd.DataFrame,
        kept: pd.DataFrame,
        dictionary: FeatureDictionary,
        seed: int,
        weights: FloatArray,
    ) -> "_Data":
        """Encode frames of values."""
        target = dictionary[dictionary.target]
        encoder = Encoder(dictionary.input_features, real)
        return cls(
            target=target,
            effects=encoder.effects,
            seed=seed,
            x=encoder.transform(real),
            y=encode_labels(real[target.name], target),
            weights=weights,
            kept_x=encoder.transform(kept),
            kept_y=encode_labels(kept[target.name], target),
        )


def benefit(
    real: pd.DataFrame,
    kept: pd.DataFrame,
    dictionary: FeatureDictionary,
    seed: int,
    weights: FloatArray | None = None,
    ensemble_label_share: float = 0.0,
) -> Benefit:
    """Compare what models learn from the real rows, and from these with the kept ones.

    **Parameters:**

    * **real**, **kept**: frames of values (n, d) and (m, d), every row with a label; n >= 2 and
      m >= 1.
    * **weights**: what each real row counts for, in training and in the losses; (n,), mean 1.
    * **ensemble_label_share**: how much of the kept rows' labels is the word of the ensemble that
      was trained on all real rows, 0 to 1.
    """
    if weights is None:
        weights = np.ones(len(real))
    data = _Data.of(real, kept, dictionary, seed, weights)
    predictions = _held_out_predictions(data, ensemble_label_share)
    losses = {name: weights * _loss(p, data.y, data.target) for name, p in predictions.items()}
    auc: dict[str, Interval] = {}
    if data.target.levels:
        draws = _draws(len(real), seed)
        auc = {name: _auc(p, data.y, draws) for name, p in predictions.items()}
    joined = losses["linear_real_and_kept"]
    return Benefit(
        rows=len(real),
        losses={name: float(loss.mean()) for name, loss in losses.items()},
        auc=auc,
        gain=Interval.of(joined - losses["linear_real"]),
        against_ensemble=Interval.of(joined - losses["ensemble_real"]),
    )


def _held_out_predictions(data: _Data, ensemble_label_share: float) -> dict[str, FloatArray]:
    """Predictions for the real rows by models that have not seen them, mean over the repeats.

    Shape (n, classes) or (n, 1), by model and what it was trained on.
    """
    whole = None
    if ensemble_label_share:
        on_all = fit_ensemble(data.x, data.y, data.target, data.seed, effects=data.effects)
        whole = predict_ensemble(on_all, data.kept_x, data.target)
    predictions: dict[str, list[FloatArray]] = {
        "linear_real": [],
        "ensemble_real": [],
        "linear_real_and_kept": [],
        "ensemble_real_and_kept": [],
    }
    for train in _training_masks(data.y, data.seed):
        real_only = _fit_real(data, train)
        labels = data.kept_y
        if whole is not None:
            part = predict_ensemble(real_only.ensemble, data.kept_x, data.target)
            labels = _relabelled(data, whole, part, ensemble_label_share)
        joined = _fit_joined(data, train, labels)
        for name, models in (("real", real_only), ("real_and_kept", joined)):
            linear = predict_ensemble(models.linear, data.x, data.target)
            ensemble = predict_ensemble(models.ensemble, data.x, data.target)
            predictions[f"linear_{name}"].append(np.where(train[:, None], np.nan, linear))
            predictions[f"ensemble_{name}"].append(np.where(train[:, None], np.nan, ensemble))
    return {name: np.nanmean(repeats, axis=0) for name, repeats in predictions.items()}


@dataclass(frozen=True)
class _Models:
    """The linear model that is commonly used, and the ensemble."""

    linear: Ensemble
    ensemble: Ensemble


def _fit_real(data: _Data, train: Mask) -> _Models:
    return _fit(data, data.x[train], data.y[train], data.weights[train])


def _fit_joined(data: _Data, train: Mask, labels: FloatArray) -> _Models:
    x = np.vstack([data.x[train], data.kept_x])
    y = np.concatenate([data.y[train], labels])
    weights = np.concatenate([data.weights[train], np.ones(len(labels))])
    return _fit(data, x, y, weights)


def _fit(data: _Data, x: FloatArray, y: FloatArray, weights: FloatArray) -> _Models:
    ensemble = fit_ensemble(x, y, data.target, data.seed, _TREES, weights, data.effects)
    if data.effects is None:
        return _Models(ensemble[:1], ensemble)  # it is one of the ensemble
    return _Models(fit_linear(x, y, data.target, weights), ensemble)


def _relabelled(
    data: _Data, whole: FloatArray, part: FloatArray, ensemble_label_share: float
) -> FloatArray:
    """The kept rows' labels with the word of one ensemble replaced by that of another.

    ``whole`` are the predictions of the ensemble on all real rows, ``part`` of one on some of them.
    """
    if not data.target.levels:
        return data.kept_y + ensemble_label_share * (part - whole)[:, 0]
    return np.where(data.kept_y == whole.argmax(axis=1), part.argmax(axis=1), data.kept_y)


def _training_masks(y: FloatArray, seed: int) -> Iterator[Mask]:
    """The rows that are trained on; every row is held out once a repeat."""
    rng = generator(seed, Stream.BENEFIT_FOLDS)
    for _ in range(_REPEATS):
        fold = stratified_folds(y, _FOLDS, rng)
        for number in np.unique(fold):
            yield fold != number


def _loss(predictions: FloatArray, y: FloatArray, target: Feature) -> FloatArray:
    """The loss of each row, shape (n,)."""
    if target.levels:
        return -predictions[np.arange(len(y)), y.astype(np.intp)]
    return (predictions[:, 0] - y) ** 2 / (y.var() or 1.0)


def _draws(n: int, seed: int) -> FloatArray:
    """How often each row is drawn: once as the rows are, then in bootstrap samples; (R + 1, n)."""
    rng = generator(seed, Stream.BENEFIT_BOOTSTRAP)
    samples = rng.multinomial(n, np.full(n, 1 / n), _BOOTSTRAPS)
    return np.vstack([np.ones(n), samples])


def _auc(predictions: FloatArray, y: FloatArray, draws: FloatArray) -> Interval:
    """Mean one-vs-rest AUC over the classes of the real rows, with a bootstrap interval.

    **Parameters:**

    * **draws**: how often each row is drawn, shape (R + 1, n); the first row gives the mean.
    """
    classes = np.unique(y)
    if len(classes) == 2:
        classes = classes[:1]  # the other class has the same AUC
    scores = [_weighted_auc(predictions[:, int(c)], y == c, draws) for c in classes]
    aucs = np.mean(scores, axis=0)  # (R + 1,)
    low, high = np.nan, np.nan
    if np.isfinite(aucs[1:]).any():
        low, high = np.nanquantile(aucs[1:], [0.025, 0.975])
    return Interval(float(aucs[0]), float(low), float(high))


def _weighted_auc(score: FloatArray, positive: Mask, draws: FloatArray) -> FloatArray:
    """AUC for each row of ``draws``, shape (R + 1,).

    It is the weighted share of pairs in which the positive row has the higher score.
    """
    positives = score[positive][:, None]
    negatives = score[~positive][None, :]
    higher = (positives > negatives) + 0.5 * (positives == negatives)  # (P, N)
    pairs = draws[:, positive].sum(axis=1) * draws[:, ~positive].sum(axis=1)
    right = ((draws[:, positive] @ higher) * draws[:, ~positive]).sum(axis=1)
    return np.divide(right, pairs, out=np.full(len(draws), np.nan), where=pairs > 0)
