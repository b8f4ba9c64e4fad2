"""How strongly two columns are associated, on one scale for numbers and levels.

Numbers are cut at their quartiles; a missing cell is a category of its own. The measure is Cramer's
V with Bergsma's bias correction (doi 10.1016/j.jkss.2012.10.002): it is near 0 for unrelated
columns even when rows are few, where the plain V is far above 0.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.columns import Column

#: Quartiles: finer bins have too few rows each in the tables that t2local is for.
_N_BINS = 4


def associations(values: pd.DataFrame, columns: Sequence[Column]) -> FloatArray:
    """The association of each pair of columns.

    **Parameters:**

    * **values**: frame of values (n, d) with at least one row.

    **Returns** a symmetric matrix (d, d) of numbers from 0 to 1, in the order of the columns. The
    diagonal is 1.
    """
    categories = [_categories(column, values[column.name]) for column in columns]
    matrix = np.eye(len(categories))  # (d, d)
    for i, first in enumerate(categories):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = _cramers_v(first, categories[j])
    return matrix


def _categories(column: Column, cells: pd.Series) -> IntArray:
    """The category of each cell, 0, 1, ... without gaps; shape (n,)."""
    if column.numeric:
        codes = _quartile_bins(cells.to_numpy(dtype=np.float64, na_value=np.nan))
    else:
        levels = pd.Index(column.levels, dtype=object)
        codes = levels.get_indexer(pd.Index(cells, dtype=object))  # -1 for a missing cell
    return np.unique(codes, return_inverse=True)[1]


def _quartile_bins(numbers: FloatArray) -> IntArray:
    """The bin of each number, -1 for a missing one; shape (n,)."""
    missing = np.isnan(numbers)  # (n,)
    if missing.all():
        return np.full(len(numbers), -1)
    # Quartiles that are equal (a value that many rows have) are one edge.
    edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, _N_BINS + 1)[1:-1]))
    return np.where(missing, -1, np.searchsorted(edges, numbers, side="left"))


def _cramers_v(first: IntArray, second: IntArray) -> float:
    """Bias-corrected Cramer's V of two columns of categories, both of shape (n,)."""
    n = len(first)
    n_rows = int(first.max()) + 1
    n_columns = int(second.max()) + 1
    if min(n_rows, n_columns) < 2 or n < 2:
        return 0.0
    counts = np.bincount(first * n_columns + second, minlength=n_rows * n_columns)
    counts = counts.reshape(n_rows, n_columns)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n  # (n_rows, n_columns)
    phi_squared = float(((counts - expected) ** 2 / expected).sum()) / n
    # Bergsma (2013): subtract what independent columns show on average, and shrink both dimensions
    # alike.
    corrected = max(0.0, phi_squared - (n_rows - 1) * (n_columns - 1) / (n - 1))
    corrected_rows = n_rows - (n_rows - 1) ** 2 / (n - 1)
    corrected_columns = n_columns - (n_columns - 1) ** 2 / (n - 1)
    largest = min(corrected_rows, corrected_columns) - 1
    if largest <= 0:  # as many categories as rows: nothing can be said
        return 0.0
    return min(1.0, float(np.sqrt(corrected / largest)))
