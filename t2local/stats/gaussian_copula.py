"""A shrunk Gaussian copula of mixed columns, written cell by cell in the order of the line.

Each column has a place on the scale of a standard normal variable: its smoothed distribution cuts
this scale into one interval for each code, and the score of a cell is the mean of the variable in
its interval. The variable of the next column is a linear regression on the scores of the cells
before it, with the variance that is left. So the probability of a cell is that of its interval: a
number has many, an ordered or binary column a few (thresholds). Columns of three or more levels are
indicators as predictors, and have a linear discriminant of their own. A missing cell is a binary
column before the one that it belongs to.

The regressions are ridge regressions, which is the same as a correlation matrix shrunk towards the
identity: with ``penalty`` p and n rows all correlations are n / (n + p) of what the rows show
(Schäfer and Strimmer 2005, doi 10.2202/1544-6115.1175, for the idea). Scores in place of the normal
variables make the conditional distributions exact without integrals over intervals.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri, softmax

from t2local.stats.arrays import FloatArray
from t2local.stats.columns import Column
from t2local.stats.densities import N_UNIFORMS, by_column
from t2local.stats.kernels import PRIOR_COUNT
from t2local.stats.margins import Interval, Margins, ScaledCells, ScaledRows

#: No column is a function of those before it: the least standard deviation that is left, where the
#: column has 1.
_MIN_DEVIATION = 0.1


@dataclass(frozen=True)
class Regression:
    """The normal variable of a column, given the predictors: its mean is linear in them.

    * ``coefficients``: shape (p,); ``deviation``: what is left, 0 to 1.
    """

    coefficients: FloatArray
    deviation: float

    @classmethod
    def fit(
        cls,
        predictors: FloatArray,
        scores: FloatArray,
        penalty: float,
        gram: FloatArray | None = None,
    ) -> "Regression":
        """Fit to the predictors (n, p) and the scores (n,) of real rows.

        ``gram``: the products of all predictors (p, p), where they are known.

        The scores of few intervals vary less than the variable does, by ``information``: so do
        their covariances with the predictors, and so little do they tell. The variance that is left
        is 1 minus that of the mean, so that the column keeps its distribution.
        """
        information = float((scores**2).sum()) / max(1, len(scores))
        if gram is None:
            gram = predictors.T @ predictors
        ridge = information * gram + penalty * np.eye(len(gram))
        coefficients: FloatArray
        coefficients = np.linalg.solve(ridge, predictors.T @ scores).astype(np.float64)
        explained = float(coefficients @ gram @ coefficients) / max(1, len(scores))
        most = 1 - _MIN_DEVIATION**2
        if explained > most:
            coefficients = coefficients * math.sqrt(most / explained)
        return cls(coefficients, math.sqrt(1 - min(explained, most)))

    def probability(self, predictors: FloatArray, interval: Interval) -> FloatArray:
        """The probability of each interval, shape (m,)."""
        mean = predictors @ self.coefficients  # (m,)
        upper = ndtr((interval.upper - mean) / self.deviation)
        return upper - ndtr((interval.lower - mean) / self.deviation)

    def draw(self, predictors: FloatArray, uniforms: FloatArray) -> FloatArray:
        """Values of the variable, shape (m,); ``uniforms``: random numbers from 0 to 1, (m,)."""
        return self._mean(predictors) + self.deviation * ndtri(uniforms)

    def draw_within(
        self, predictors: FloatArray, uniforms: FloatArray, interval: Interval
    ) -> FloatArray:
        """As `draw`, but within an interval of each row."""
        mean = self._mean(predictors)
        lower, upper = (interval.lower - mean, interval.upper - mean)
        # Above the mean probabilities are near 1, where doubles are far apart: the other side.
        sign = np.where(lower > 0, -1.0, 1.0)
        low, high = np.sort([sign * lower, sign * upper], axis=0) / self.deviation
        below, above = ndtr(low), ndtr(high)
        return mean + sign * self.deviation * ndtri(below + uniforms * (above - below))

    def _mean(self, predictors: FloatArray) -> FloatArray:
        # Not by @: its rounding depends on how many rows there are.
        mean: FloatArray = (predictors * self.coefficients).sum(axis=1)
        return mean


@dataclass(frozen=True)
class Discriminant:
    """The level of a column, given the predictors: a linear discriminant (Fisher 1936).

    * ``directions``: shape (p, levels); ``constants``: (levels,).
    """

    directions: FloatArray
    constants: FloatArray

    @classmethod
    def fit(
        cls,
        predictors: FloatArray,
        levels: FloatArray,
        n_levels: int,
        penalty: float,
        gram: FloatArray,
    ) -> "Discriminant":
        """Fit to the predictors (n, p), their products (p, p), and the numbers of levels (n,).

        The mean of a level with k rows is k / (k + penalty) of what they show.
        """
        member = np.equal(levels[:, None], np.arange(n_levels)).astype(np.float64)  # (n, levels)
        counts = member.sum(axis=0)  # (levels,)
        means = member.T @ predictors / (counts + penalty)[:, None]  # (levels, p)
        within = gram - (means.T * counts) @ means  # (p, p)
        within = (within + penalty * np.eye(len(within))) / (len(levels) + penalty)
        directions = np.linalg.solve(within, means.T)  # (p, levels)
        # A level without a row gets the smallest prior; the uniform part makes it possible.
        priors = np.maximum(counts, np.finfo(np.float64).tiny) / max(1, len(levels))
        constants = np.log(priors) - 0.5 * np.einsum("lp,pl->l", means, directions)
        return cls(directions, constants)

    def probabilities(self, predictors: FloatArray) -> FloatArray:
        """Of each level, shape (m, levels)."""
        return softmax(predictors @ self.directions + self.constants, axis=1)

    def draw(self, predictors: FloatArray, uniforms: FloatArray) -> FloatArray:
        """Numbers of levels, shape (m,); ``uniforms``: random numbers from 0 to 1, (m,)."""
        # Not by @, as in `Regression.draw`.
        products = (predictors[:, :, None] * self.directions).sum(axis=1)  # (m, levels)
        cumulative = softmax(products + self.constants, axis=1).cumsum(axis=1)
        return (uniforms[:, None] >= cumulative[:, :-1]).sum(axis=1).astype(np.float64)


class CopulaColumn:
    """One column, given the predictors that the cells before it make.

    **Parameters:**

    * **margins**: of all columns and real rows; **name**: of this one.
    """

    def __init__(self, margins: Margins, name: str, penalty: float) -> None:
        self.margin = margins.columns[name]
        start = margins.n_before[name]
        predictors = margins.real.predictors[:, :start]  # (n, p)
        own = margins.real.predictors[:, start:]  # first the scores of this column
        gram = margins.gram[:start, :start]  # (p, p)
        codes = margins.real.cells[name].codes
        present = ~np.isnan(codes)  # (n,)
        self._n = len(codes)
        self._missing: Regression | None = None
        if self.margin.missing_scores:
            scores = own[:, self.margin.n_predictors - 1]
            self._missing = Regression.fit(predictors, scores, penalty, gram)
        # Rows in which the cell is missing may be others in every column.
        self._centre = np.zeros(start)
        if not present.all():
            mean = predictors[present].sum(axis=0) / max(1, present.sum())  # (p,)
            self._centre = mean - predictors.mean(axis=0)
            predictors = predictors[present] - self._centre
            gram = predictors.T @ predictors
        self._value: Regression | Discriminant
        if n_levels := self.margin.n_levels:
            self._value = Discriminant.fit(predictors, codes[present], n_levels, penalty, gram)
        else:
            self._value = Regression.fit(predictors, own[present, 0], penalty, gram)

    def log_probability(self, cells: ScaledCells, predictors: FloatArray) -> FloatArray:
        """Log-probability of each cell, shape (m,)."""
        codes, near, interval = cells
        missing = self._missing_probability(predictors)
        predictors = predictors - self._centre
        if isinstance(self._value, Discriminant):
            # The place of a missing cell is any: `blend` takes the probability of missing.
            places = np.nan_to_num(codes).astype(np.intp)[:, None]
            levels = self._value.probabilities(predictors)
            near = np.take_along_axis(levels, places, axis=1)[:, 0]
        elif interval is not None:
            near = near * self._value.probability(predictors, interval) / interval.probability
        return np.log(self.margin.density.blend(codes, near, missing))

    def draw(self, predictors: FloatArray, uniforms: FloatArray) -> FloatArray:
        """Codes, shape (m,); the uniform part writes none, as in `ColumnDensity.draw`.

        **Parameters:**

        * **uniforms**: random numbers from 0 to 1, shape (m, `N_UNIFORMS`).
        """
        missing = uniforms[:, 1] < self._missing_probability(predictors)
        codes = self._value.draw(predictors - self._centre, uniforms[:, 2])
        if isinstance(self._value, Regression):
            codes = self.margin.scores.codes(codes)
        return np.where(missing, np.nan, codes)

    def draw_within(
        self,
        predictors: FloatArray,
        uniforms: FloatArray,
        lowest: FloatArray,
        highest: FloatArray,
    ) -> FloatArray:
        """As `draw`, but codes from the lowest to the highest of each row, shape (m,) each.

        None is missing. Where no real cell is near, all codes between are alike.
        """
        if isinstance(self._value, Discriminant):
            return lowest  # levels are asked for one by one
        interval = self.margin.scores.between(lowest, highest)
        normal = self._value.draw_within(predictors - self._centre, uniforms[:, 2], interval)
        near = np.clip(self.margin.scores.codes(normal), lowest, highest)
        alike = lowest + np.floor(uniforms[:, 2] * (highest - lowest + 1))
        return np.where(interval.probability > 0, near, alike)

    def _missing_probability(self, predictors: FloatArray) -> FloatArray:
        """With Jeffreys' prior, shape (m,)."""
        if self._missing is None or self.margin.missing_scores is None:
            return np.zeros(len(predictors))
        interval = self.margin.missing_scores.interval(np.ones(len(predictors)))
        n_missing = self._n * self._missing.probability(predictors, interval)
        return (n_missing + PRIOR_COUNT) / (self._n + 2 * PRIOR_COUNT)


class GaussianCopula:
    """The columns of a table, each given all before it.

    **Parameters:**

    * **columns**: in the order in which one may depend on others; **real**: frame of values (n,
      d) with at least one row; **penalty**: rows against any dependence.
    * **margins**: of these columns and rows, where they are known already.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        real: pd.DataFrame,
        penalty: float,
        margins: Margins | None = None,
    ) -> None:
        self.margins = margins or Margins(columns, real)
        self.n_uniforms = N_UNIFORMS * len(columns)
        #: In order, by name.
        self.columns: dict[str, CopulaColumn] = {}
        for name in self.margins.columns:
            self.columns[name] = CopulaColumn(self.margins, name, penalty)

    def log_probability(self, values: pd.DataFrame) -> pd.DataFrame:
        """Log-probability of each cell, given the cells before it; shape (m, columns)."""
        log_probability = self.log_probability_of(self.margins.scaled(values))
        return log_probability.set_axis(values.index)

    def log_probability_of(self, rows: ScaledRows) -> pd.DataFrame:
        """Log-probability of each cell of rows on the scale of normal variables."""
        log_probabilities = {}
        for name, cells in rows.cells.items():
            predictors = rows.predictors[:, : self.margins.n_before[name]]
            log_probabilities[name] = self.columns[name].log_probability(cells, predictors)
        return pd.DataFrame(log_probabilities)

    def rows(self, uniforms: FloatArray) -> pd.DataFrame:
        """New rows as a frame of values (m, columns).

        **Parameters:**

        * **uniforms**: random numbers from 0 to 1, shape (m, ``n_uniforms``).
        """
        rows = {}
        predictors = np.zeros((len(uniforms), 0))
        for (name, column), own in zip(self.columns.items(), by_column(uniforms), strict=True):
            codes = column.draw(predictors, own)
            predictors = np.hstack([predictors, column.margin.predictors(codes)])
            rows[name] = column.margin.density.decode(codes)
        return pd.DataFrame(rows)
