"""Do no harm: do the kept rows help a model to predict held-out real rows?

Measured with the linear model that is commonly used, and held against an ensemble on the real rows
alone, which costs a user nothing: much of what synthetic rows seem to bring, such an ensemble
knows (docs/method.md, Benefit). Effects that the dictionary states are known to the ensemble,
since it can be trained with them, and not to the linear model. What a model of all real rows said
of the kept ones is said anew by one that has not seen the held-out rows (`t2local.trim.replay`).
What else the writing and the judging took from the held-out rows stays, so the figures are the most
that can be hoped for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray, Mask
from t2local.stats.auc import auc_values
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import (
    Ensemble,
    encode_labels,
    fit_ensemble,
    fit_linear,
    predict_ensemble,
)
from t2local.stats.folds import stratified_folds
from t2local.stats.intervals import FOLDS, Change, Interval
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.trim.replay import Candidates, EncodedSource

_REPEATS = 3
#: Trees of each forest: 15 folds are averaged.
_TREES = 30
#: Of more rows that were written a sample: 15 fits with 100,000 would be most of what a run takes
#: beside the writing.
MOST_ROWS = 20_000
#: With fewer real rows no interval means anything.
_MIN_ROWS = 10

_PLAIN: dict[Change, str] = {
    "helps": "With them a simple model predicts unseen real rows better than without,",
    "harms": "They harm: with them a simple model predicts unseen real rows worse than without.",
    "unclear": "Whether they help to predict is not shown: what changes may be chance.",
}
_PLAIN_AGAINST_ENSEMBLE: dict[Change, str] = {
    "helps": "and better than a strong model of the real rows alone.",
    "harms": "but worse than a strong model of the real rows alone.",
    "unclear": "but no better than a strong model of the real rows alone.",
}


@dataclass(frozen=True)
class Benefit:
    """What models predict of held-out real rows, without the kept rows and with them.

    A loss is the mean log loss for classes, the squared error over the label's variance for a
    number.

    * ``losses``, ``auc`` (one-vs-rest mean; classes only): by model and what it was trained on,
      such as ``linear_real_and_kept``; ``linear_real_oversampled``: the real rows, with those of
      rare classes repeated until the classes are equal.
    * ``gain``: the paired change of the linear model's loss with the kept rows.
    * ``against_ensemble``: its loss with the kept rows less that of the ensemble on the real rows.
    * ``auc_gain``, ``auc_against_ensemble``: the same differences of the AUC; none for a number.
    * ``against_real``: of each model less that of ``linear_real``, paired: of the AUC, or of the
      loss where there is none.
    """

    rows: int
    losses: dict[str, float]
    auc: dict[str, Interval]
    gain: Interval
    against_ensemble: Interval
    auc_gain: Interval | None = None
    auc_against_ensemble: Interval | None = None
    against_real: dict[str, Interval] = field(default_factory=dict)

    @property
    def harms(self) -> bool:
        """Whether a linear model predicts held-out rows worse with the kept rows."""
        gain = self.gain if self.auc_gain is None else self.auc_gain.negative()
        return self.rows >= _MIN_ROWS and gain.change == "harms"

    @property
    def plain_verdict(self) -> str:
        """In one sentence without figures, for people who train no models."""
        if self.rows < _MIN_ROWS:
            return f"Whether they help to predict cannot be measured on {self.rows} real rows."
        gain, ensemble = self.gain, self.against_ensemble
        if self.auc_gain is not None and self.auc_against_ensemble is not None:
            gain, ensemble = self.auc_gain.negative(), self.auc_against_ensemble.negative()
        if gain.change != "helps":
            return _PLAIN[gain.change]
        return f"{_PLAIN['helps']} {_PLAIN_AGAINST_ENSEMBLE[ensemble.change]}"

    @property
    def verdict(self) -> str:
        """In one sentence or two, with figures.

        Classes are judged by the AUC: labels that are given as the likeliest class make a model
        surer than it should be, which harms its log loss and not the order of its predictions.
        """
        if self.rows < _MIN_ROWS:
            return f"Whether they help a model cannot be measured on {self.rows} real rows."
        if self.auc_gain is None or self.auc_against_ensemble is None:
            figures = _figures("loss", self.losses)
            return _in_words(self.gain.change, self.against_ensemble.change, figures)
        aucs = {name: interval.mean for name, interval in self.auc.items()}
        sentence = _in_words(
            self.auc_gain.negative().change,
            self.auc_against_ensemble.negative().change,
            _figures("AUC", aucs),
        )
        if self.gain.change != "harms":
            return sentence
        return (
            f"{sentence} The probabilities of a linear model get worse with them: calibrate it on "
            f"real rows ({_figures('log loss', self.losses)})."
        )


def _in_words(gain: Change, against_ensemble: Change, figures: str) -> str:
    """One sentence; that they help is said only of rows that beat the ensemble too."""
    if gain == "harms":
        return f"They harm: a linear model predicts held-out real rows worse with them ({figures})."
    if gain == "unclear":
        return f"That they help a model is not shown: it may be chance ({figures})."
    if against_ensemble == "helps":
        return (
            "They help: with them a linear model predicts held-out real rows better than an "
            f"ensemble on the real rows alone ({figures})."
        )
    comparison = {"unclear": "no better", "harms": "worse"}[against_ensemble]
    return (
        "With them a linear model predicts held-out real rows better than without, but "
        f"{comparison} than an ensemble on the real rows alone ({figures})."
    )


def _figures(name: str, by_model: Mapping[str, float]) -> str:
    return (
        f"{name} {by_model['linear_real']:.3f} without them, "
        f"{by_model['linear_real_and_kept']:.3f} with them, "
        f"{by_model['ensemble_real']:.3f} of the ensemble"
    )


@dataclass(frozen=True)
class _Data:
    """Real rows, encoded: x (n, d), y (n,), weights (n,); and the source of the kept ones.

    ``effects``: what a person says of the columns, (d,); none: nothing.
    """

    target: Feature
    effects: FloatArray | None
    seed: int
    x: FloatArray
    y: FloatArray
    weights: FloatArray
    source: EncodedSource

    @classmethod
    def of(
        cls,
        real: pd.DataFrame,
        kept: pd.DataFrame,
        dictionary: FeatureDictionary,
        seed: int,
        weights: FloatArray,
        ensemble_label_share: float,
        candidates: Candidates | None,
    ) -> "_Data":
        """Encode frames of values."""
        target = dictionary.target_feature
        encoder = Encoder(dictionary.input_features, real)
        rows, wanted = kept, None
        predictions, draw_noise = None, None
        if candidates is not None and target.levels:
            rows = candidates.rows
            predictions, draw_noise = candidates.predictions, candidates.draw_noise
            kept_y = encode_labels(kept[target.name], target).astype(np.intp)
            wanted = np.bincount(kept_y, minlength=len(target.levels))
        source = EncodedSource(
            x=encoder.transform(rows),
            y=encode_labels(rows[target.name], target),
            n_classes=len(target.levels),
            model_weight=ensemble_label_share,
            wanted=wanted,
            predictions=predictions,
            draw_noise=draw_noise,
        )
        return cls(
            target=target,
            effects=encoder.effects,
            seed=seed,
            x=encoder.transform(real),
            y=encode_labels(real[target.name], target),
            weights=weights,
            source=source.sample(MOST_ROWS, generator(seed, Stream.BENEFIT_ROWS)),
        )


def benefit(
    real: pd.DataFrame,
    kept: pd.DataFrame,
    dictionary: FeatureDictionary,
    seed: int,
    weights: FloatArray | None = None,
    ensemble_label_share: float = 0.0,
    candidates: Candidates | None = None,
    on_all: Ensemble | None = None,
) -> Benefit:
    """Compare what models learn from the real rows, and from these with the kept ones.

    **Parameters:**

    * **real**, **kept**: frames of values (n, d) and (m, d), every row with a label; n >= 2 and
      m >= 1.
    * **weights**: what each real row counts for, in training and in the losses; (n,), mean 1.
    * **ensemble_label_share**: how much of the kept rows' labels is the word of the ensemble that
      was trained on all real rows: its weight in their predictions.
    * **candidates**: the rows that the kept ones were chosen from, where the clearest ones were;
      none: all were kept, or no model chose.
    * **on_all**: what `fit_ensemble` gives of all real rows with this seed, if it is there already.
    """
    if weights is None:
        weights = np.ones(len(real))
    data = _Data.of(real, kept, dictionary, seed, weights, ensemble_label_share, candidates)
    predictions = _held_out_predictions(data, on_all)
    losses = {name: weights * _loss(p, data.y, data.target) for name, p in predictions.items()}
    alone, joined = losses["linear_real"], losses["linear_real_and_kept"]
    figures = Benefit(
        rows=len(real),
        losses={name: float(loss.mean()) for name, loss in losses.items()},
        auc={},
        gain=Interval.of_losses(joined - alone),
        against_ensemble=Interval.of_losses(joined - losses["ensemble_real"]),
        against_real={name: Interval.of_losses(loss - alone) for name, loss in losses.items()},
    )
    if len(np.unique(data.y)) < 2 or not data.target.levels:
        return figures
    return _with_auc(figures, predictions, data.y.astype(np.intp))


def _with_auc(figures: Benefit, predictions: Mapping[str, FloatArray], y: IntArray) -> Benefit:
    """The figures with those of the AUC; at least two classes among the labels y (n,)."""
    values = {name: auc_values(p, y) for name, p in predictions.items()}
    counts = np.bincount(y)
    n_smallest = int(counts[counts > 0].min())
    alone, joined = values["linear_real"], values["linear_real_and_kept"]
    return replace(
        figures,
        against_real={
            name: Interval.of_auc(own - alone, n_smallest) for name, own in values.items()
        },
        auc={name: Interval.of_auc(own, n_smallest) for name, own in values.items()},
        auc_gain=Interval.of_auc(joined - alone, n_smallest),
        auc_against_ensemble=Interval.of_auc(joined - values["ensemble_real"], n_smallest),
    )


def _held_out_predictions(data: _Data, on_all: Ensemble | None) -> dict[str, FloatArray]:
    """Predictions for the real rows by models that have not seen them, mean over the repeats.

    Shape (n, classes) or (n, 1), by model and what it was trained on.
    """
    source = data.source
    whole = None
    if source.knows_all:
        if on_all is None:
            on_all = fit_ensemble(data.x, data.y, data.target, data.seed, effects=data.effects)
        whole = predict_ensemble(on_all, source.x, data.target)
    predictions: dict[str, list[FloatArray]] = {}
    for train in _training_masks(data.y, data.seed):
        real_only = _fit_real(data, train)
        rows, labels = source.x, source.y
        if whole is not None:
            part = predict_ensemble(real_only.ensemble, source.x, data.target)
            rows, labels = source.replayed(whole, part)
        models = {
            **real_only.by_name("real"),
            **_fit_joined(data, train, rows, labels).by_name("real_and_kept"),
            "linear_kept": fit_linear(rows, labels, data.target),
        }
        if data.target.levels:
            models["linear_real_oversampled"] = _fit_oversampled(data, train)
        for name, model in models.items():
            held_out = predict_ensemble(model, data.x, data.target)
            repeats = predictions.setdefault(name, [])
            repeats.append(np.where(train[:, None], np.nan, held_out))
    return {name: np.nanmean(repeats, axis=0) for name, repeats in predictions.items()}


@dataclass(frozen=True)
class _Models:
    """The linear model that is commonly used, and the ensemble."""

    linear: Ensemble
    ensemble: Ensemble

    def by_name(self, rows: str) -> dict[str, Ensemble]:
        """Both, by what they are and what they were trained on."""
        return {f"linear_{rows}": self.linear, f"ensemble_{rows}": self.ensemble}


def _fit_real(data: _Data, train: Mask) -> _Models:
    return _fit(data, data.x[train], data.y[train], data.weights[train])


def _fit_joined(data: _Data, train: Mask, rows: FloatArray, labels: FloatArray) -> _Models:
    x = np.vstack([data.x[train], rows])
    y = np.concatenate([data.y[train], labels])
    weights = np.concatenate([data.weights[train], np.ones(len(labels))])
    return _fit(data, x, y, weights)


def _fit_oversampled(data: _Data, train: Mask) -> Ensemble:
    """The linear model of the real rows, repeated so that all classes are equally common."""
    y, weights = data.y[train], data.weights[train]
    classes = y.astype(np.intp)
    totals = np.bincount(classes, weights)
    # A weight does what as many copies of the row would.
    repeats = totals.max() / np.where(totals > 0, totals, 1.0)
    return fit_linear(data.x[train], y, data.target, weights * repeats[classes])


def _fit(data: _Data, x: FloatArray, y: FloatArray, weights: FloatArray) -> _Models:
    ensemble = fit_ensemble(x, y, data.target, data.seed, _TREES, weights, data.effects)
    if data.effects is None:
        return _Models(ensemble[:1], ensemble)  # it is one of the ensemble
    return _Models(fit_linear(x, y, data.target, weights), ensemble)


def _training_masks(y: FloatArray, seed: int) -> Iterator[Mask]:
    """The rows that are trained on; every row is held out once a repeat."""
    rng = generator(seed, Stream.BENEFIT_FOLDS)
    for _ in range(_REPEATS):
        fold = stratified_folds(y, FOLDS, rng)
        for number in np.unique(fold):
            yield fold != number


def _loss(predictions: FloatArray, y: FloatArray, target: Feature) -> FloatArray:
    """The loss of each row, shape (n,)."""
    if target.levels:
        return -predictions[np.arange(len(y)), y.astype(np.intp)]
    return (predictions[:, 0] - y) ** 2 / (y.var() or 1.0)
