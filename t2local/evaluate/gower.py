"""Gower's distance between rows of numbers and levels (doi 10.2307/2528823)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, Mask
from t2local.tables.dictionary import FeatureDictionary

#: Rows whose distances to all others are in memory at once: 256 rows to 100,000 take 200 MB.
_CHUNK = 256


@dataclass(frozen=True)
class _ColumnPair:
    """One column of two tables: numbers in units of the real range, or codes of levels."""

    numeric: bool
    rows: FloatArray  # (n,)
    others: FloatArray  # (m,)

    def differences(self, part: slice) -> FloatArray:
        """From 0 to 1, of a slice of the rows to all others; shape (len(part), m)."""
        rows = self.rows[part][:, None]
        others = self.others[None, :]
        if not self.numeric:
            return (rows != others).astype(np.float64)
        gaps = np.minimum(np.abs(rows - others), 1.0)
        missing: Mask = np.isnan(rows)
        other_missing: Mask = np.isnan(others)
        gaps = np.where(missing | other_missing, 1.0, gaps)
        return np.where(missing & other_missing, 0.0, gaps)


class Gower:
    """Gower's distance: the mean over columns of a difference between 0 and 1.

    The difference of two numbers is a share of the real range, at most 1. Levels differ by 1 or 0.
    A missing cell is 0 from a missing cell and 1 from any other.

    **Parameters:**

    * **names**: columns that count; **real**: frame of values (n, d) that gives the ranges.
    """

    def __init__(self, dictionary: FeatureDictionary, names: list[str], real: pd.DataFrame) -> None:
        self._names = names
        ranges = {
            name: float(np.ptp(real[name].dropna().to_numpy(dtype=np.float64)))
            for name in names
            if dictionary[name].numeric and real[name].notna().any()
        }
        # A constant column: any other value differs by 1 or more of its own units.
        self._ranges = {name: width or 1.0 for name, width in ranges.items()}
        self._steps = {name: 10.0 ** -dictionary[name].decimals for name in ranges}

    @classmethod
    def of_mean_differences(
        cls, dictionary: FeatureDictionary, names: list[str], real: pd.DataFrame
    ) -> "Gower":
        """The distance in which numbers count as much as levels, in the same form.

        Two numbers differ by their share of twice the mean difference of two real ones (Gini's), at
        most 1. With the range instead a single extreme number makes all others of its column alike.
        """
        gower = cls(dictionary, names, real)
        for name in gower._ranges:
            numbers = np.sort(real[name].dropna().to_numpy(dtype=np.float64))
            if not len(numbers) or numbers[0] == numbers[-1]:
                continue  # rounding would make a constant column's range anything near 0
            weights = 2 * np.arange(len(numbers)) - len(numbers) + 1  # (n,)
            n_pairs = len(numbers) * (len(numbers) - 1) / 2
            gower._ranges[name] = 2 * float(weights @ numbers) / n_pairs
        return gower

    @property
    def half_step(self) -> float:
        """Half of the smallest distance of two rows that are not equal: what rounding hides."""
        steps = [min(step / self._ranges[name], 1.0) for name, step in self._steps.items()]
        return min(steps, default=1.0) / 2 / self.n_columns

    @property
    def n_columns(self) -> int:
        """How many columns count."""
        return len(self._names)

    def nearest(
        self, rows: pd.DataFrame, others: pd.DataFrame, n: int = 1, *, same_table: bool = False
    ) -> FloatArray:
        """The distances of each row to its n nearest others, ascending; shape (len(rows), n).

        Where there are fewer than n others, the rest is infinite.

        **Parameters:**

        * **same_table**: both frames are one table; no row is its own neighbour.
        """
        pairs = [self._pair(name, rows[name], others[name]) for name in self._names]
        nearest = np.full((len(rows), n), np.inf)
        n_neighbours = min(n, len(others))
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            distances = np.mean([pair.differences(part) for pair in pairs], axis=0)
            if same_table:
                own = np.arange(len(distances))
                distances[own, start + own] = np.inf
            closest = np.partition(distances, n_neighbours - 1, axis=1)[:, :n_neighbours]
            nearest[part, :n_neighbours] = np.sort(closest, axis=1)
        return nearest

    def differences(self, rows: pd.DataFrame, others: pd.DataFrame) -> Iterator[FloatArray]:
        """The difference of each row from each other row, column by column, each (n, m).

        Their mean is the distance.
        """
        for name in self._names:
            yield self._pair(name, rows[name], others[name]).differences(slice(None))

    def distances(self, rows: pd.DataFrame, others: pd.DataFrame) -> FloatArray:
        """The distance of each row to each other row, (n, m); for tables that fit in memory."""
        total = np.zeros((len(rows), len(others)))
        for differences in self.differences(rows, others):
            total += differences
        return total / self.n_columns

    def _pair(self, name: str, rows: pd.Series, others: pd.Series) -> _ColumnPair:
        if name in self._ranges:
            numbers = [
                column.to_numpy(dtype=np.float64, na_value=np.nan) / self._ranges[name]
                for column in (rows, others)
            ]
            return _ColumnPair(True, numbers[0], numbers[1])
        # Levels, or numbers of a column that is blank in all real rows.
        both = np.concatenate([rows.to_numpy(dtype=object), others.to_numpy(dtype=object)])
        codes = pd.factorize(both)[0].astype(np.float64)  # -1 for all missing cells
        return _ColumnPair(False, codes[: len(rows)], codes[len(rows) :])


@dataclass(frozen=True)
class Distances:
    """Gower's distances between n real and m synthetic rows of some columns.

    ``synthetic_to_real`` (m, 2): of each synthetic row to its two nearest real ones.
    ``real_to_synthetic`` and ``real_to_real`` (n,): of each real row to the nearest synthetic row
    and to the nearest other real row.
    """

    n_columns: int
    synthetic_to_real: FloatArray
    real_to_synthetic: FloatArray
    real_to_real: FloatArray

    @classmethod
    def between(cls, gower: Gower, real: pd.DataFrame, synthetic: pd.DataFrame) -> "Distances":
        """The distances of two frames of values."""
        return cls(
            gower.n_columns,
            gower.nearest(synthetic, real, 2),
            gower.nearest(real, synthetic)[:, 0],
            gower.nearest(real, real, same_table=True)[:, 0],
        )
