"""The paper's k by cross-validation: standard deviations above the null that a batch must reach.

For each fold the real rows of the others stand for D: f, the null and the comparisons are computed
for them alone, and for each k a model is trained on them and the refined batches that this k
accepts. The rows of the fold say which k served best. The candidates are the batches of the first
block; they were written after all real rows had been seen, those of the fold too
(docs/method.md, Information gain).
"""

from collections.abc import Sequence

import numpy as np

from t2local.settings import TrimSettings
from t2local.stats.arrays import FloatArray, Mask
from t2local.stats.folds import stratified_folds
from t2local.stats.learners import learner
from t2local.stats.penalized_regression import PenalizedRegression
from t2local.stats.streams import Stream, generator
from t2local.trim.crossfit import Crossfit, crossfit
from t2local.trim.information import (
    Comparison,
    Information,
    bootstrap_comparison,
    costs,
    null_threshold,
)
from t2local.trim.state import Batch, Reference
from t2local.trim.threshold import Threshold

#: The values that the paper tries.
CANDIDATES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
#: With fewer real rows, or fewer rows of a class, nothing is tuned: folds would say nothing.
MIN_ROWS = 25
MIN_ROWS_OF_A_CLASS = 5
#: The k that is then taken: the middle of the paper's values that still accept batches.
WITHOUT_TUNING = 1.0
_FOLDS = 5
#: Replicates of each fold's null: enough for its deviation.
_REPLICATES = 200


def untuned_k(settings: TrimSettings) -> float:
    """The k to begin with: the given one, else 0 for ``utility``, whose test of labels keeps
    chance out, and 1 for the paper's gates.
    """
    if settings.gate_sd is not None:
        return settings.gate_sd
    return 0.0 if settings.gate in ("source", "utility") else WITHOUT_TUNING


def can_tune(reference: Reference) -> bool:
    """Whether k is to be chosen, and there are rows enough to choose it by."""
    settings = reference.settings
    tunes = settings.gate_sd is None and settings.gate not in ("source", "utility")
    if not tunes or reference.dictionary.target is None or len(reference.real) < MIN_ROWS:
        return False
    y = reference.fold.y
    if not reference.n_classes:
        return True
    return bool(np.unique(y, return_counts=True)[1].min() >= MIN_ROWS_OF_A_CLASS)


def choose_k(reference: Reference, batches: Sequence[Batch]) -> float:
    """The k with the best mean held-out log-likelihood; the larger one of two that are equal.

    **Parameters:**

    * **batches**: candidates, of any sizes.
    """
    rng = generator(reference.seed, Stream.TUNING_FOLDS)
    fold = stratified_folds(reference.fold.y, _FOLDS, rng)
    totals = np.zeros(len(CANDIDATES))
    for number in range(_FOLDS):
        totals += _held_out(reference, fold == number, batches)
    rounded = np.round(totals, 9)
    best = np.flatnonzero(rounded == rounded.max())[-1]
    return CANDIDATES[int(best)]


def _held_out(reference: Reference, out: Mask, batches: Sequence[Batch]) -> FloatArray:
    """Sum of the log-likelihoods of the rows ``out`` for each candidate, shape (candidates,)."""
    x, y = reference.fold.x, reference.fold.y
    seed, n_classes = reference.seed, reference.n_classes
    model = learner(reference.settings.model, n_classes, seed)
    train = crossfit(x[~out], y[~out], model, seed)
    scores, comparisons = _comparisons(reference, train, batches)
    rows = np.vstack([train.x, *(batch.x for batch in batches)])
    labels = np.concatenate([train.y, *(batch.y for batch in batches)])
    weights = np.stack([_weights(train, scores, comparisons, k) for k in CANDIDATES])
    fits = PenalizedRegression(n_classes).fit(rows, labels, weights)
    return fits.log_likelihood(x[out], y[out]).sum(axis=1)


def _comparisons(
    reference: Reference, train: Crossfit, batches: Sequence[Batch]
) -> tuple[FloatArray, list[Comparison]]:
    """For each batch its Delta in deviations of the null, and the comparison that gave it."""
    settings = reference.settings
    information = Information.of(train.x, train.y, reference.n_classes, settings.gate)
    null_settings = settings.model_copy(update={"replicates": _REPLICATES})
    cost = costs(train.held_out)
    thresholds: dict[int, Threshold] = {
        size: null_threshold(information, cost, size, null_settings, 0.0, reference.seed)
        for size in {len(batch.rows) for batch in batches}
    }
    rng = generator(reference.seed, Stream.TUNING_COMPARISONS)
    comparisons = [
        bootstrap_comparison(information, train, batch.x, batch.y, settings, rng)
        for batch in batches
    ]
    scores = []
    for batch, comparison in zip(batches, comparisons, strict=True):
        threshold = thresholds[len(batch.rows)]
        scores.append((comparison.delta - threshold.mean) / (threshold.sd or 1.0))
    return np.array(scores), comparisons


def _weights(
    train: Crossfit, scores: FloatArray, comparisons: Sequence[Comparison], k: float
) -> FloatArray:
    """What each row counts for when k decides: the real ones, and refined batches above k."""
    accepted = [c.inside * (score > k) for c, score in zip(comparisons, scores, strict=True)]
    return np.concatenate([np.ones(len(train.x)), *accepted])
