"""Mixtures of two sources of cells, with a weight for each column (expectation maximisation)."""

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray

#: The weight of a column starts at that of all columns, worth so many rows.
_PRIOR_ROWS = 10.0
#: Expectation maximisation has settled after so many steps; each is a few array operations.
_N_STEPS = 50
#: No source is ever fully responsible for a cell: a weight of 0 or 1 could not change any more.
_LEAST_RESPONSIBILITY = 1e-6


def mixture_weights(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, float]:
    """The weight of the first source in its mixture with the second, by column.

    First one weight is fitted for all columns, then one for each column that is shrunk towards the
    first.

    **Parameters:**

    * **first**, **second**: log-likelihoods of the same cells, (m, columns), of rows that neither
      source has seen.
    """
    log_ratio = first.to_numpy() - second.to_numpy()  # (m, columns)
    shared = np.full(1, 0.5)
    for _ in range(_N_STEPS):
        shared = _responsibility(shared, log_ratio).mean(keepdims=True)[0]
    weights = np.repeat(shared, log_ratio.shape[1])
    for _ in range(_N_STEPS):
        sums = _responsibility(weights, log_ratio).sum(axis=0)
        weights = (sums + _PRIOR_ROWS * shared) / (len(log_ratio) + _PRIOR_ROWS)
    return dict(zip(map(str, first), weights.tolist(), strict=True))


def mixture(first: pd.DataFrame, second: pd.DataFrame, weights: dict[str, float]) -> pd.DataFrame:
    """Log-likelihood of each cell under w first + (1 - w) second, of their shape.

    **Parameters:**

    * **first**, **second**: log-likelihoods of the same cells.
    * **weights**: w by column, above 0 and below 1.
    """
    w = np.array([weights[str(name)] for name in first])
    return pd.DataFrame(
        np.logaddexp(np.log(w) + first.to_numpy(), np.log1p(-w) + second.to_numpy()),
        columns=first.columns,
        index=first.index,
    )


def _responsibility(weights: FloatArray, log_ratio: FloatArray) -> FloatArray:
    """The probability that a cell is the first source's, shape of ``log_ratio``."""
    log_odds = np.log(weights) - np.log1p(-weights) + log_ratio
    # Beyond 500 the exponential overflows.
    probability = 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
    return np.clip(probability, _LEAST_RESPONSIBILITY, 1 - _LEAST_RESPONSIBILITY)
