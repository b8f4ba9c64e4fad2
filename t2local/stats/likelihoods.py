"""Log-likelihoods of labels from the predictions of a model, for the learners."""

import numpy as np

from t2local.stats.arrays import FloatArray

#: Share of a uniform guess in every probability: one confident error must not decide a mean of
#: logarithms.
PROBABILITY_FLOOR = 1e-3


def class_log_likelihood(p: FloatArray, n_classes: int) -> FloatArray:
    """Log-probabilities, mixed with a uniform guess so that none is infinite; shape of ``p``."""
    return np.log((1 - PROBABILITY_FLOOR) * p + PROBABILITY_FLOOR / n_classes)


def normal_log_likelihood(residuals: FloatArray) -> FloatArray:
    """Log-densities of residuals under a standard normal, as labels are standardised."""
    return -0.5 * (residuals**2 + np.log(2 * np.pi))
