"""Folds for cross-fitting: the one way in which rows are dealt."""

import numpy as np
from numpy.random import Generator

from t2local.stats.arrays import FloatArray, IntArray


def stratified_folds(labels: FloatArray | IntArray, n_folds: int, rng: Generator) -> IntArray:
    """The fold (0, 1, ...) of each row, shape (n,); with fewer rows than folds each row is a fold of its own.

    The rows of a class are dealt to the folds in turn, in random order, so that every class is spread as evenly
    as can be. Numbers are dealt in the order of their size, which spreads them the same way.

    **Parameters:**

    * **labels**: class numbers, or numbers; shape (n,).
    """
    order = rng.permutation(len(labels))
    order = order[np.argsort(np.asarray(labels)[order], kind="stable")]
    folds: IntArray = np.empty(len(labels), dtype=np.intp)
    folds[order] = np.arange(len(labels)) % min(n_folds, len(labels))
    return folds
