"""How strongly the columns of a table hang together, on one scale for numbers and levels.

Columns are cut into a few bins (missing is a bin of its own); the measure is Cramer's V with Bergsma's correction
(doi 10.1016/j.jkss.2012.10.002), which is near 0 for unrelated columns even when rows are few.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.columns import Column

#: Quartiles: finer bins have too few rows each in the tables that t2local is for.
_BINS = 4


def associations(values: pd.DataFrame, columns: Sequence[Column]) -> FloatArray:
    """Matrix (d, d) of associations between 0 and 1, in the order of the columns; the diagonal is 1."""
    codes = [_codes(feature, values[feature.name]) for feature in columns]
    result = np.eye(len(codes))
    for i, one in enumerate(codes):
        for j in range(i):
            result[i, j] = result[j, i] = _cramers_v(one, codes[j])
    return result


def _codes(feature: Column, column: pd.Series) -> IntArray:
    if feature.numeric:
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        edges = (
            np.unique(np.nanquantile(numbers, np.linspace(0, 1, _BINS + 1)[1:-1]))
            if (~np.isnan(numbers)).any()
            else np.empty(0)
        )
        binned = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="left"))
    else:
        binned = pd.Categorical(column, categories=list(feature.levels)).codes
    return np.unique(binned, return_inverse=True)[1]


def _cramers_v(one: IntArray, two: IntArray) -> float:
    n, r, c = len(one), int(one.max()) + 1, int(two.max()) + 1
    if min(r, c) < 2 or n < 2:
        return 0.0
    table = np.bincount(one * c + two, minlength=r * c).reshape(r, c)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi2 = float(((table - expected) ** 2 / expected).sum()) / n
    corrected = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    rows, columns = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    smaller = min(rows, columns) - 1
    return min(1.0, float(np.sqrt(corrected / smaller))) if smaller > 0 else 0.0
