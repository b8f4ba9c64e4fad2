"""The area under the ROC curve, as a mean of one value a row."""

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray, Mask


def auc_values(predictions: FloatArray, y: IntArray) -> FloatArray:
    """One value a row, of which the mean is the one-vs-rest AUC, averaged over the classes.

    Their variance over n is that of the AUC, so they are compared as losses are: these are the
    components of DeLong, DeLong and Clarke-Pearson (1988, doi 10.2307/2531595).

    **Parameters:**

    * **predictions**: log-probabilities (n, classes); **y**: class numbers of at least two classes,
      shape (n,).
    """
    classes = np.unique(y)
    if len(classes) == 2:
        classes = classes[:1]  # the other class has the same AUC
    return np.mean(
        [_one_vs_rest(predictions[:, number], y == number) for number in classes], axis=0
    )


def _one_vs_rest(score: FloatArray, positive: Mask) -> FloatArray:
    """The values of one class, shape (n,)."""
    positives, negatives = score[positive][:, None], score[~positive][None, :]
    higher = (positives > negatives) + 0.5 * (positives == negatives)  # (P, N)
    auc = higher.mean()
    values = np.full(len(score), auc)
    values[positive] += (higher.mean(axis=1) - auc) * len(score) / len(positives)
    values[~positive] += (higher.mean(axis=0) - auc) * len(score) / negatives.shape[1]
    return values
