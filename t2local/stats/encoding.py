"""A table as a matrix: what scikit-learn's models, clusters and distances see.

Numbers are standardised, levels are one-hot, a missing number is the mean and a flag. Fitted on the real rows only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.stats.columns import Column


class Encoder:
    """Encodes columns of a frame of values.

    **Parameters:**

    * **columns**: types and levels; levels that the real rows lack have a column too.
    * **real**: frame of values (n, d) that gives means and deviations.
    """

    def __init__(self, columns: Sequence[Column], real: pd.DataFrame) -> None:
        self._features = tuple(columns)
        self._scales = {f.name: _scale(real[f.name]) for f in self._features if f.numeric}

    def transform(self, values: pd.DataFrame) -> FloatArray:
        """Frame of values to a matrix of shape (n_rows, n_columns)."""
        blocks = [self._block(feature, values[feature.name]) for feature in self._features]
        return (
            np.hstack(blocks)
            if len(values)
            else np.empty((0, sum(block.shape[1] for block in blocks)))
        )

    def _block(self, feature: Column, column: pd.Series) -> FloatArray:
        if feature.numeric:
            mean, deviation = self._scales[feature.name]
            numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
            parts: list[np.ndarray[Any, Any]] = [np.nan_to_num((numbers - mean) / deviation)]
        else:
            cells = column.to_numpy(dtype=object)
            # Two levels need one column; more are one-hot.
            levels = feature.levels[1:] if len(feature.levels) == 2 else feature.levels
            parts = [cells == level for level in levels]
        if feature.missing:
            parts.append(column.isna().to_numpy())
        return np.stack(parts, axis=1).astype(np.float64)


def _scale(column: pd.Series) -> tuple[float, float]:
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    present = numbers[~np.isnan(numbers)]
    if not len(present):
        return 0.0, 1.0
    return float(present.mean()), float(present.std()) or 1.0
