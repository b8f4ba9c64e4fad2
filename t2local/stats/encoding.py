"""A table as a matrix: what scikit-learn's models, clusters and distances see.

Numbers are standardised, levels are one-hot, a missing number is the mean and a flag. Means and
deviations come from the real rows only, so that generated rows cannot move them.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.stats.columns import Column


class Encoder:
    """Encodes columns of a frame of values.

    **Parameters:**

    * **columns**: types and levels; levels that the real rows lack have a column of the matrix too.
    * **real**: frame of values (n, d) that gives means and deviations.
    """

    def __init__(self, columns: Sequence[Column], real: pd.DataFrame) -> None:
        self._columns = tuple(columns)
        self._scales = {
            column.name: _mean_and_deviation(real[column.name])
            for column in self._columns
            if column.numeric
        }

    def transform(self, values: pd.DataFrame) -> FloatArray:
        """The rows as a matrix of shape (n_rows, width); a missing level is all zeros."""
        blocks = [self._block(column, values[column.name]) for column in self._columns]
        return np.hstack(blocks)

    @property
    def effects(self) -> FloatArray | None:
        """What a person says of the columns of the matrix, as strengths; shape (width,).

        NaN where nothing is said of one, none where nothing is said of any.
        """
        strengths = np.concatenate([_effects(column) for column in self._columns])
        if np.isnan(strengths).all():
            return None
        return strengths

    def _block(self, column: Column, cells: pd.Series) -> FloatArray:
        """The columns of the matrix for one column of the table, shape (n_rows, 1 or more)."""
        parts = self._number(column, cells) if column.numeric else _one_hot(column, cells)
        if column.missing:
            parts.append(cells.isna().to_numpy().astype(np.float64))
        return np.stack(parts, axis=1)

    def _number(self, column: Column, cells: pd.Series) -> list[FloatArray]:
        mean, deviation = self._scales[column.name]
        numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)  # (n_rows,)
        standardised: FloatArray = np.nan_to_num((numbers - mean) / deviation)
        return [standardised]


def _one_hot(column: Column, cells: pd.Series) -> list[FloatArray]:
    """One array (n_rows,) of zeros and ones for each level."""
    levels = column.levels
    # Two levels are one question: a second column would only repeat the first.
    if len(levels) == 2:
        levels = levels[1:]
    texts = cells.to_numpy(dtype=object)
    return [(texts == level).astype(np.float64) for level in levels]


def _effects(column: Column) -> FloatArray:
    """The stated strength of each column of the matrix for one column of the table."""
    strengths = list(column.effects)
    if len(column.levels) == 2:
        # Of the second level against the first: what is said of both counts once.
        against = [-strengths[0], strengths[1]]
        stated = [strength for strength in against if not np.isnan(strength)]
        strengths = [sum(stated) / len(stated)] if stated else [np.nan]
    if column.missing:
        strengths.append(np.nan)
    return np.array(strengths, dtype=np.float64)


def _mean_and_deviation(cells: pd.Series) -> tuple[float, float]:
    """Of the numbers that are not missing; a constant column has deviation 1: no division by 0."""
    numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    present = numbers[~np.isnan(numbers)]
    if not len(present):
        return 0.0, 1.0
    return float(present.mean()), float(present.std()) or 1.0
