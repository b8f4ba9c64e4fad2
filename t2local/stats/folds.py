"""Folds for cross-fitting: the one way in which rows are split."""

import numpy as np
from numpy.random import Generator

from t2local.stats.arrays import FloatArray, IntArray


def stratified_folds(labels: FloatArray | IntArray, n_folds: int, rng: Generator) -> IntArray:
    """The fold of each row, 0 to n_folds - 1.

    Rows are shuffled, sorted by label and dealt to the folds in turn. So each class is spread over
    the folds as evenly as possible, and so are numbers by their size. With fewer rows than folds,
    each row has a fold of its own.

    **Parameters:**

    * **labels**: class numbers, or numbers; shape (n,).

    **Returns** an array of shape (n,).
    """
    order = rng.permutation(len(labels))  # (n,)
    # A stable sort keeps the shuffled order within a class.
    order = order[np.argsort(np.asarray(labels)[order], kind="stable")]
    folds: IntArray = np.empty(len(labels), dtype=np.intp)
    folds[order] = np.arange(len(labels)) % min(n_folds, len(labels))
    return folds
