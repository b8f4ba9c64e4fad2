"""How strongly two columns are associated, on one scale for numbers and levels.

Numbers are cut at their quartiles; a missing cell is a category of its own. The measure is Cramer's
V with Bergsma's bias correction (doi 10.1016/j.jkss.2012.10.002): it is near 0 for unrelated
columns even when rows are few, where the plain V is far above 0.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.columns import Column, level_codes

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
    sizes = np.array([1 + own.max() for own in categories])  # (d,)
    starts = np.concatenate([[0], sizes.cumsum()[:-1]])
    member = np.zeros((len(values), sizes.sum()))  # (n, categories of all columns)
    for start, own in zip(starts, categories, strict=True):
        member[np.arange(len(own)), start + own] = 1
    matrix = _cramers_v(member.T @ member, starts, sizes)
    np.fill_diagonal(matrix, 1)
    return matrix


def _categories(column: Column, cells: pd.Series) -> IntArray:
    """The category of each cell, 0, 1, ... without gaps; shape (n,)."""
    if column.numeric:
        codes = _quartile_bins(cells.to_numpy(dtype=np.float64, na_value=np.nan))
    else:
        codes = level_codes(column, cells)
    return np.unique(codes, return_inverse=True)[1]


def _quartile_bins(numbers: FloatArray) -> IntArray:
    """The bin of each number, -1 for a missing one; shape (n,)."""
    missing = np.isnan(numbers)  # (n,)
    if missing.all():
        return np.full(len(numbers), -1)
    # Quartiles that are equal (a value that many rows have) are one edge.
    edges = np.unique(np.quantile(numbers[~missing], np.linspace(0, 1, _N_BINS + 1)[1:-1]))
    return np.where(missing, -1, np.searchsorted(edges, numbers, side="left"))


def _cramers_v(counts: FloatArray, starts: IntArray, sizes: IntArray) -> FloatArray:
    """Bias-corrected Cramer's V of each pair of columns, shape (d, d).

    **Parameters:**

    * **counts**: rows in which two categories meet, (categories, categories); **starts**: the first
      category of each column; **sizes**: how many it has; both (d,).
    """
    totals = counts.diagonal()  # (categories,)
    n = totals[: sizes[0]].sum()
    if n < 2:
        return np.zeros((len(sizes), len(sizes)))
    # Pearson's statistic over n is the sum of count^2 / (row total * column total), minus 1.
    ratios = counts**2 / np.outer(totals, totals)
    sums = np.add.reduceat(np.add.reduceat(ratios, starts, axis=0), starts, axis=1)  # (d, d)
    sums = (sums + sums.T) / 2  # of which both may be rounded in another way
    # Bergsma (2013): subtract what independent columns show on average, and shrink both dimensions
    # alike.
    corrected = np.maximum(0, sums - 1 - np.outer(sizes - 1, sizes - 1) / (n - 1))
    shrunk = sizes - (sizes - 1) ** 2 / (n - 1)  # (d,)
    largest = np.minimum.outer(shrunk, shrunk) - 1
    # 0 with one category, and with as many as there are rows: nothing can be said.
    ratio = np.where(largest > 0, corrected, 0) / np.where(largest > 0, largest, 1)
    return np.minimum(1, np.sqrt(ratio))
