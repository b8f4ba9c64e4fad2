"""From predictions to labels, so that the classes keep their shares (docs/method.md, "Labels").

The likeliest label of each row empties rare classes. Setting ``team.label_choice``:

* ``shares``: each class gets the number of rows that its share says, and rows are assigned so that
  the sum of their log-probabilities is the highest. Once all rows are there, those of a rare class
  are drawn by their odds instead (`noise_for_rare_classes`).
* ``likeliest``: the likeliest label of each row. ``drawn``: a label drawn by its probability.
"""

import numpy as np
import pandas as pd
from numpy.random import Generator

from t2local.stats.arrays import FloatArray, IntArray, Mask
from t2local.stats.quotas import assign, none_lost, quotas
from t2local.tables.dictionary import Feature

#: A class is rare with at most this share, and with at most half of an equal one. The rows that
#: fit it best are then its extremes (of a class of 5 %: cases of 95 years where real ones have 74).
#: Drawn rows make better models where one of two classes has 5 % of the real rows, worse ones where
#: it has 20 % (docs/method.md, "Labels").
_RARE, _RARE_OF_EQUAL = 0.1, 0.5
#: Added to the log-probability of a label that a rule forbids, before those of a row are weighed.
#: No model is half as sure.
FORBIDDEN = -100.0


def label_values(
    target: Feature,
    predictions: FloatArray,
    shares: FloatArray,
    choice: str,
    rng: Generator,
) -> pd.Series:
    """The labels of rows as values, shape (m,); of a number its prediction on the allowed steps.

    **Parameters:**

    * **predictions**: log-probabilities (m, levels), or numbers (m, 1).
    * **shares**: of the levels, shape (levels,), with the sum 1; those of real rows, or wanted.
    * **choice**: ``shares``, ``likeliest`` or ``drawn``.
    """
    if not len(predictions):
        return pd.Series([], dtype=object if target.levels else float)
    if not target.levels:
        return number_values(target, predictions[:, 0])
    if choice == "drawn":
        predictions = predictions + gumbel_noise(predictions.shape, rng)
    classes = predictions.argmax(axis=1)
    if choice == "shares":
        classes = labels_under_shares(predictions, shares)
    return pd.Series([target.levels[place] for place in classes], dtype=object)


def number_values(target: Feature, numbers: FloatArray) -> pd.Series:
    """Numbers (m,) on the steps and within the bounds of the target."""
    low, high = target.steps
    grid = 10.0**target.decimals
    return pd.Series(np.clip(np.round(numbers * grid), low, high) / grid)


def labels_under_shares(
    log_probabilities: FloatArray,
    shares: FloatArray,
    never_lost: Mask | None = None,
    draw_noise: FloatArray | None = None,
) -> IntArray:
    """The class of each row, shape (m,), when every class keeps its share.

    A row whose likeliest class has no share keeps it: no real row says how many there should be. So
    does a row that would get a label which a rule forbids (`FORBIDDEN`).

    **Parameters:**

    * **never_lost**: the classes that get a row even if their share is less than one, (classes,).
    * **draw_noise**: added before rows are assigned, so that classes are drawn, (m, classes).
    """
    classes: IntArray = log_probabilities.argmax(axis=1)
    shared = np.flatnonzero(shares > 0)
    rows = np.flatnonzero(np.isin(classes, shared))
    counts = quotas({str(place): float(shares[place]) for place in shared}, len(rows))
    if never_lost is not None:
        counts = none_lost(counts, [str(place) for place in shared[never_lost[shared]]])
    scores = log_probabilities[np.ix_(rows, shared)]
    if draw_noise is not None:
        scores = scores + draw_noise[np.ix_(rows, shared)]
    assigned = shared[assign(scores, list(counts.values()))]
    allowed = log_probabilities[rows, assigned] > FORBIDDEN / 2
    classes[rows[allowed]] = assigned[allowed]
    return classes


def allowed_shares(shares: FloatArray, predictions: FloatArray) -> FloatArray:
    """The shares of the classes nearest to those given that no forbidden label is needed for.

    A row that the rules leave one label keeps it. Shapes (classes,); with the sum 1.

    **Parameters:**

    * **predictions**: log-probabilities of the rows, (m, classes).
    """
    allowed = predictions > FORBIDDEN / 2  # (m, classes)
    decided = allowed & (allowed.sum(axis=1, keepdims=True) == 1)
    clipped = np.clip(shares, decided.mean(axis=0), allowed.mean(axis=0))
    return clipped / clipped.sum()


def gumbel_noise(shape: tuple[int, ...], rng: Generator) -> FloatArray:
    """With this noise the highest log-probability is a draw by the probabilities."""
    return rng.gumbel(size=shape)


def noise_for_rare_classes(noise: FloatArray, shares: FloatArray) -> FloatArray:
    """`gumbel_noise` (m, classes) for the rare classes alone.

    Of two classes the rows with the highest log-odds and this noise are a sample without
    replacement, by the odds (the Gumbel top-k trick, Kool, van Hoof and Welling 2019, arXiv
    1903.06059); of more, roughly.

    **Parameters:**

    * **shares**: of the classes, (classes,), with the sum 1.
    """
    limit = min(_RARE, _RARE_OF_EQUAL / np.count_nonzero(shares))
    rare = (shares > 0) & (shares <= limit)
    return np.where(rare, noise, 0.0)


def numbers_like(
    real: FloatArray, predictions: FloatArray, error: float, rng: Generator
) -> FloatArray:
    """Numbers with the distribution of the real ones, in the order of the noisy predictions; (m,).

    A mean prediction is too near the middle: rows that are to look like the table need its noise.

    **Parameters:**

    * **real**: the real numbers, shape (n,); **predictions**: means, shape (m,).
    * **error**: the deviation of the prediction errors.
    """
    noisy = predictions + error * rng.standard_normal(len(predictions))  # (m,)
    ranks = np.argsort(np.argsort(noisy, kind="stable"), kind="stable")
    numbers: FloatArray = np.quantile(real, (ranks + 0.5) / len(ranks))
    return numbers
