"""Do no harm: does a model trained on the real and the kept rows predict held-out real rows better than on the real rows alone?

Measured with the linear model that is commonly used, and held against an ensemble on the real rows alone, which costs a user
nothing (METHOD section 1: much of what synthetic rows seem to bring is what such an ensemble knows). Labels that a model trained
on all real rows gave would tell of the held-out ones; such labels are given anew, by a model that has not seen these. What
else the writing and the judging took from the held-out rows stays, so the figures are the most that can be hoped for.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, Mask
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble
from t2local.stats.folds import stratified_folds
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import Feature, FeatureDictionary

_FOLDS = 5
_REPEATS = 3
#: Trees of each forest: 15 folds are averaged.
_TREES = 30
_BOOTSTRAPS = 200
#: Half the width of a 95 % interval, in standard errors.
_WIDTH = 1.96
#: With fewer real rows no interval means anything.
_FEWEST_ROWS = 10

Change = Literal["helps", "harms", "unclear"]


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def change(self) -> Change:
        """Of a loss: below zero helps."""
        return "helps" if self.high < 0 else "harms" if self.low > 0 else "unclear"


@dataclass(frozen=True)
class Benefit:
    """Losses on held-out real rows: mean log loss for classes, squared error over the label's variance for a number.

    ``losses`` and ``auc`` (one-vs-rest mean; classes only) by what was trained on what; ``gain`` is the paired change of the linear model's
    loss with the kept rows, ``against_ensemble`` its loss with the kept rows less that of the ensemble on the real rows alone.
    """

    rows: int
    losses: dict[str, float]
    auc: dict[str, Interval]
    gain: Interval
    against_ensemble: Interval

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.rows < _FEWEST_ROWS:
            return f"Whether they help a model cannot be measured on {self.rows} real rows."
        before, after, ensemble = (
            f"{self.losses[name]:.3f}"
            for name in ("linear, real", "linear, real + kept", "ensemble, real")
        )
        measured = f"loss on held-out real rows {before} before, {after} with them, {ensemble} for an ensemble on the real rows alone"
        if self.gain.change == "harms":
            return f"They harm a linear model: {measured}."
        if self.gain.change == "unclear":
            return f"That they help a linear model is not shown: {measured}."
        if self.against_ensemble.change == "helps":
            return f"They help, beyond what an ensemble makes of the real rows alone: {measured}."
        return f"They help a linear model, but no more than training an ensemble on the real rows alone would: {measured}."

    def figures(self) -> dict[str, Any]:
        """For the report."""
        auc = {name: vars(value) for name, value in self.auc.items()}
        return {
            "rows": self.rows,
            "losses": self.losses,
            "auc": auc,
            "gain": vars(self.gain),
            "against_ensemble": vars(self.against_ensemble),
        }


def benefit(
    real: pd.DataFrame,
    kept: pd.DataFrame,
    dictionary: FeatureDictionary,
    seed: int,
    weights: FloatArray | None = None,
    taught: float = 0.0,
) -> Benefit:
    """Compare, by cross-fitting on the real rows, what models learn from the real rows and from these with the kept ones.

    **Parameters:**

    * **real**, **kept**: frames of values (n, d) and (m, d), every row with a label; n >= 2, m >= 1.
    * **weights**: what each real row counts for, in training and in the losses, shape (n,), mean 1.
    * **taught**: how much of the kept rows' labels is the word of the ensemble that was trained on all real rows (0 to 1).
    """
    target, encoder = dictionary[dictionary.target], Encoder(dictionary.input_features, real)
    x, y = encoder.transform(real), encode_labels(real[target.name], target)
    new_x, new_y = encoder.transform(kept), encode_labels(kept[target.name], target)
    weights = np.ones(len(y)) if weights is None else weights
    whole = predict_ensemble(fit_ensemble(x, y, target, seed), new_x, target) if taught else None
    said: dict[str, list[FloatArray]] = {
        "linear, real": [],
        "ensemble, real": [],
        "linear, real + kept": [],
        "ensemble, real + kept": [],
    }
    for train in _trains(y, seed):
        alone = fit_ensemble(x[train], y[train], target, seed, _TREES, weights[train])
        labels = (
            new_y
            if whole is None
            else _anew(new_y, whole, predict_ensemble(alone, new_x, target), target, taught)
        )
        counted = np.concatenate([weights[train], np.ones(len(kept))])
        joined = fit_ensemble(
            np.vstack([x[train], new_x]),
            np.concatenate([y[train], labels]),
            target,
            seed,
            _TREES,
            counted,
        )
        for name, models in (("real", alone), ("real + kept", joined)):
            said[f"linear, {name}"].append(
                np.where(train[:, None], np.nan, predict_ensemble(models[:1], x, target))
            )
            said[f"ensemble, {name}"].append(
                np.where(train[:, None], np.nan, predict_ensemble(models, x, target))
            )
    mean = {name: np.nanmean(found, axis=0) for name, found in said.items()}
    losses = {name: weights * _loss(found, y, target) for name, found in mean.items()}
    gain = _interval(losses["linear, real + kept"] - losses["linear, real"])
    against = _interval(losses["linear, real + kept"] - losses["ensemble, real"])
    # The rows as they are, then bootstrap samples of them.
    draws = np.vstack(
        [
            np.ones(len(y)),
            generator(seed, Stream.BENEFIT_BOOTSTRAP).multinomial(
                len(y), np.full(len(y), 1 / len(y)), _BOOTSTRAPS
            ),
        ]
    )
    auc = {name: _auc(found, y, draws) for name, found in mean.items()} if target.levels else {}
    return Benefit(
        len(real), {name: float(loss.mean()) for name, loss in losses.items()}, auc, gain, against
    )


def _anew(
    labels: FloatArray, whole: FloatArray, part: FloatArray, target: Feature, taught: float
) -> FloatArray:
    """The labels with the word of the ensemble on all real rows (``whole``) replaced by that of one on some of them (``part``)."""
    if not target.levels:
        return labels + taught * (part - whole)[:, 0]
    return np.where(labels == whole.argmax(axis=1), part.argmax(axis=1), labels)


def _trains(y: FloatArray, seed: int) -> list[Mask]:
    """Masks of the rows that are trained on; every row is held out once a repeat, its class dealt to the folds in turn."""
    rng, masks = generator(seed, Stream.BENEFIT_FOLDS), []
    for _ in range(_REPEATS):
        fold = stratified_folds(y, _FOLDS, rng)
        masks += [fold != number for number in np.unique(fold)]
    return masks


def _loss(said: FloatArray, y: FloatArray, target: Feature) -> FloatArray:
    if target.levels:
        return -said[np.arange(len(y)), y.astype(np.intp)]
    return (said[:, 0] - y) ** 2 / (y.var() or 1.0)


def _interval(values: FloatArray) -> Interval:
    mean, half = float(values.mean()), _WIDTH * float(values.std(ddof=1)) / len(values) ** 0.5
    return Interval(mean, mean - half, mean + half)


def _auc(said: FloatArray, y: FloatArray, draws: FloatArray) -> Interval:
    """Mean one-vs-rest AUC over the classes of the real rows, and its interval over bootstrap samples (how often each row is drawn, shape (R, n))."""
    classes = np.unique(y)
    found = np.mean(
        [
            _ranked(said[:, int(number)], y == number, draws)
            for number in (classes[:1] if len(classes) == 2 else classes)
        ],
        axis=0,
    )
    low, high = (
        np.nanquantile(found[1:], [0.025, 0.975])
        if np.isfinite(found[1:]).any()
        else (np.nan, np.nan)
    )
    return Interval(float(found[0]), float(low), float(high))


def _ranked(score: FloatArray, positive: Mask, draws: FloatArray) -> FloatArray:
    """AUC for each row of ``draws``: the weighted share of pairs in which the positive row has the higher score."""
    above, below = score[positive][:, None], score[~positive][None, :]
    higher = (above > below) + 0.5 * (above == below)
    pairs = draws[:, positive].sum(axis=1) * draws[:, ~positive].sum(axis=1)
    right = ((draws[:, positive] @ higher) * draws[:, ~positive]).sum(axis=1)
    return np.divide(right, pairs, out=np.full(len(draws), np.nan), where=pairs > 0)
