"""Columns by themselves, on the scale of a standard normal variable: what a copula joins.

The smoothed distribution of a column cuts the scale into one interval for each code, and the score
of a cell is the mean of the variable in its interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from t2local.stats.arrays import FloatArray
from t2local.stats.columns import Column
from t2local.stats.densities import ColumnDensity


class Interval(NamedTuple):
    """Intervals of a standard normal variable, shape (m,) each, and their probabilities."""

    lower: FloatArray
    upper: FloatArray
    probability: FloatArray


class NormalScores:
    """A column on the scale of a standard normal variable.

    **Parameters:**

    * **codes**: that stand for its distribution, equally likely ones in order, shape (q,).
    """

    def __init__(self, codes: FloatArray) -> None:
        self._codes = codes

    def interval(self, codes: FloatArray) -> Interval:
        """The interval of each code, shape (m,); one that does not occur has a narrow one."""
        n = len(self._codes)
        # NaN would be sorted behind all codes; its interval is never used.
        codes = np.where(np.isnan(codes), self._codes[0], codes)
        lower = np.searchsorted(self._codes, codes, side="left").astype(np.float64)
        upper = np.searchsorted(self._codes, codes, side="right").astype(np.float64)
        between = lower == upper
        lower = np.where(between, np.maximum(lower - 0.5, 0), lower) / n
        upper = np.where(between, np.minimum(upper + 0.5, n), upper) / n
        return Interval(ndtri(lower), ndtri(upper), upper - lower)

    def between(self, lowest: FloatArray, highest: FloatArray) -> Interval:
        """The interval of all codes from the lowest to the highest, shape (m,)."""
        n = len(self._codes)
        lower = np.searchsorted(self._codes, lowest, side="left") / n
        upper = np.searchsorted(self._codes, highest, side="right") / n
        return Interval(ndtri(lower), ndtri(upper), upper - lower)

    def scores(self, codes: FloatArray) -> FloatArray:
        """The mean of the variable in the interval of each code, shape (m,); 0 for NaN."""
        lower, upper, probability = self.interval(codes)
        means = (_normal_density(lower) - _normal_density(upper)) / probability
        return np.where(np.isnan(codes), 0.0, means)

    def codes(self, normal: FloatArray) -> FloatArray:
        """The codes of values of the variable, shape (m,)."""
        places = (ndtr(normal) * len(self._codes)).astype(np.intp)
        return self._codes[np.minimum(places, len(self._codes) - 1)]


class ScaledCells(NamedTuple):
    """Cells of a column on the scale of a normal variable.

    * ``codes``: shape (m,); ``near``: their probabilities without other columns, where they are not
      missing; ``interval``: of ordered codes.
    """

    codes: FloatArray
    near: FloatArray
    interval: Interval | None


class Margin:
    """A column by itself, on the scale of a normal variable.

    **Parameters:**

    * **cells**: the column in the real rows, values of shape (n,).
    """

    def __init__(self, column: Column, cells: pd.Series) -> None:
        self.density = ColumnDensity(column, cells)
        #: Of a column that the discriminant predicts; else 0.
        self.n_levels = len(column.levels) * (len(column.levels) > 2)
        self.scores = NormalScores(self.density.quantiles())
        codes = self.density.encode(cells)
        self.missing_scores: NormalScores | None = None
        if column.missing:
            self.missing_scores = NormalScores(np.sort(np.isnan(codes).astype(np.float64)))
        member = np.equal(codes[~np.isnan(codes), None], np.arange(self.n_levels))
        self._shares = member.sum(axis=0) / max(1, len(member))  # (levels,)
        #: How many predictors it is for later columns.
        self.n_predictors = max(1, self.n_levels) + column.missing

    def scaled(self, cells: pd.Series) -> ScaledCells:
        """Cells of any rows, (m,)."""
        codes = self.density.encode(cells)
        interval = None
        if not self.n_levels:
            interval = self.scores.interval(codes)
        return ScaledCells(codes, self.density.near(codes), interval)

    def predictors(self, codes: FloatArray) -> FloatArray:
        """What later columns see of the codes (m,): scores or indicators, mean 0; shape (m, k)."""
        if self.n_levels:
            member = np.equal(codes[:, None], np.arange(self.n_levels)) - self._shares
            columns = [np.where(np.isnan(codes)[:, None], 0.0, member)]
        else:
            columns = [self.scores.scores(codes)[:, None]]
        if self.missing_scores:
            missing = np.isnan(codes).astype(np.float64)
            columns.append(self.missing_scores.scores(missing)[:, None])
        return np.hstack(columns)


@dataclass(frozen=True)
class ScaledRows:
    """Rows on the scale of normal variables: cells by column, and all predictors (m, p)."""

    cells: dict[str, ScaledCells]
    predictors: FloatArray


class Margins:
    """All that a copula knows without its penalty.

    **Parameters:**

    * **columns**: in the order in which one may depend on others; **real**: frame of values (n,
      d) with at least one row.
    """

    def __init__(self, columns: Sequence[Column], real: pd.DataFrame) -> None:
        #: In order, by name.
        self.columns = {column.name: Margin(column, real[column.name]) for column in columns}
        widths = [margin.n_predictors for margin in self.columns.values()]
        ends = np.cumsum([0, *widths]).tolist()
        #: How many predictors are before those of each column.
        self.n_before: dict[str, int] = dict(zip(self.columns, ends, strict=False))
        self.real = self.scaled(real)
        #: The products of the predictors of the real rows, shape (p, p).
        self.gram = self.real.predictors.T @ self.real.predictors

    def scaled(self, values: pd.DataFrame) -> ScaledRows:
        """Rows (m, d) on the scale of normal variables."""
        cells = {name: margin.scaled(values[name]) for name, margin in self.columns.items()}
        predictors = [self.columns[name].predictors(own.codes) for name, own in cells.items()]
        return ScaledRows(cells, np.hstack([np.zeros((len(values), 0)), *predictors]))


def _normal_density(normal: FloatArray) -> FloatArray:
    """The density of a standard normal variable; 0 at infinity."""
    return np.exp(-0.5 * normal**2) / np.sqrt(2 * np.pi)
