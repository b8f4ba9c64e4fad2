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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri, softmax

from t2local.stats.arrays import FloatArray
from t2local.stats.columns import Column
from t2local.stats.densities import ColumnDensity
from t2local.stats.kernels import PRIOR_COUNT

#: No column is a function of those before it: the least standard deviation that is left, where the
#: column has 1.
_MIN_DEVIATION = 0.1


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

    def scores(self, codes: FloatArray) -> FloatArray:
        """The mean of the variable in the interval of each code, shape (m,); 0 for NaN."""
        lower, upper, probability = self.interval(codes)
        means = (_normal_density(lower) - _normal_density(upper)) / probability
        return np.where(np.isnan(codes), 0.0, means)

    def codes(self, normal: FloatArray) -> FloatArray:
        """The codes of values of the variable, shape (m,)."""
        places = (ndtr(normal) * len(self._codes)).astype(np.intp)
        return self._codes[np.minimum(places, len(self._codes) - 1)]


@dataclass(frozen=True)
class Regression:
    """The normal variable of a column, given the predictors: its mean is linear in them.

    * ``coefficients``: shape (p,); ``deviation``: what is left, 0 to 1.
    """

    coefficients: FloatArray
    deviation: float

    @classmethod
    def fit(cls, predictors: FloatArray, scores: FloatArray, penalty: float) -> "Regression":
        """Fit to the predictors (n, p) and the scores (n,) of real rows.

        The scores of few intervals vary less than the variable does, by ``information``: so do
        their covariances with the predictors, and so little do they tell. The variance that is left
        is 1 minus that of the mean, so that the column keeps its distribution.
        """
        information = float((scores**2).sum()) / max(1, len(scores))
        gram = predictors.T @ predictors  # (p, p)
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

    def draw(self, predictors: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Values of the variable, shape (m,)."""
        noise = rng.standard_normal(len(predictors))
        return predictors @ self.coefficients + self.deviation * noise


@dataclass(frozen=True)
class Discriminant:
    """The level of a column, given the predictors: a linear discriminant (Fisher 1936).

    * ``directions``: shape (p, levels); ``constants``: (levels,).
    """

    directions: FloatArray
    constants: FloatArray

    @classmethod
    def fit(
        cls, predictors: FloatArray, levels: FloatArray, n_levels: int, penalty: float
    ) -> "Discriminant":
        """Fit to the predictors (n, p) and the numbers of levels (n,) of real rows.

        The mean of a level with k rows is k / (k + penalty) of what they show.
        """
        member = np.equal(levels[:, None], np.arange(n_levels)).astype(np.float64)  # (n, levels)
        counts = member.sum(axis=0)  # (levels,)
        means = member.T @ predictors / (counts + penalty)[:, None]  # (levels, p)
        within = predictors.T @ predictors - (means.T * counts) @ means  # (p, p)
        within = (within + penalty * np.eye(len(within))) / (len(levels) + penalty)
        directions = np.linalg.solve(within, means.T)  # (p, levels)
        # A level without a row gets the smallest prior; the uniform part makes it possible.
        priors = np.maximum(counts, np.finfo(np.float64).tiny) / max(1, len(levels))
        constants = np.log(priors) - 0.5 * np.einsum("lp,pl->l", means, directions)
        return cls(directions, constants)

    def probabilities(self, predictors: FloatArray) -> FloatArray:
        """Of each level, shape (m, levels)."""
        return softmax(predictors @ self.directions + self.constants, axis=1)


class CopulaColumn:
    """One column, given the predictors that the cells before it make.

    **Parameters:**

    * **density**: of the column by itself; **codes**: of the real rows, shape (n,);
      **predictors**: shape (n, p).
    """

    def __init__(
        self,
        column: Column,
        density: ColumnDensity,
        codes: FloatArray,
        predictors: FloatArray,
        penalty: float,
    ) -> None:
        self.density = density
        missing = np.isnan(codes).astype(np.float64)  # (n,)
        present = missing == 0
        self._n = len(codes)
        self._n_levels = len(column.levels)
        self._missing: Regression | None = None
        if column.missing:
            self._missing_scores = NormalScores(np.sort(missing))
            scores = self._missing_scores.scores(missing)
            self._missing = Regression.fit(predictors, scores, penalty)
        self._scores = NormalScores(self.density.quantiles())
        # Rows in which the cell is missing may be others in every column.
        mean = predictors[present].sum(axis=0) / max(1, present.sum())  # (p,)
        self._centre = mean - predictors.mean(axis=0)  # (p,)
        predictors = predictors[present] - self._centre
        self._value: Regression | Discriminant
        if self._n_levels > 2:
            self._value = Discriminant.fit(predictors, codes[present], self._n_levels, penalty)
            member = np.equal(codes[present, None], np.arange(self._n_levels))
            self._shares = member.sum(axis=0) / max(1, len(member))  # (levels,)
        else:
            scores = self._scores.scores(codes)[present]
            self._value = Regression.fit(predictors, scores, penalty)

    def predictors(self, codes: FloatArray) -> FloatArray:
        """What later columns see of the codes (m,): scores or indicators, mean 0; shape (m, k)."""
        if self._n_levels > 2:
            member = np.equal(codes[:, None], np.arange(self._n_levels)) - self._shares
            columns = [np.where(np.isnan(codes)[:, None], 0.0, member)]
        else:
            columns = [self._scores.scores(codes)[:, None]]
        if self._missing:
            missing = np.isnan(codes).astype(np.float64)
            columns.append(self._missing_scores.scores(missing)[:, None])
        return np.hstack(columns)

    def log_probability(self, codes: FloatArray, predictors: FloatArray) -> FloatArray:
        """Log-probability of each code, shape (m,)."""
        missing = self._missing_probability(predictors)
        predictors = predictors - self._centre
        if isinstance(self._value, Discriminant):
            # The place of a missing cell is any: `blend` takes the probability of missing.
            places = np.nan_to_num(codes).astype(np.intp)[:, None]
            levels = self._value.probabilities(predictors)
            near = np.take_along_axis(levels, places, axis=1)[:, 0]
        else:
            interval = self._scores.interval(codes)
            ratio = self._value.probability(predictors, interval) / interval.probability
            near = self.density.near(codes) * ratio
        return np.log(self.density.blend(codes, near, missing))

    def draw(self, predictors: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Codes, shape (m,); the uniform part writes none, as in `ColumnDensity.draw`."""
        missing = rng.random(len(predictors)) < self._missing_probability(predictors)
        predictors = predictors - self._centre
        if isinstance(self._value, Discriminant):
            cumulative = self._value.probabilities(predictors).cumsum(axis=1)
            codes = (rng.random((len(predictors), 1)) >= cumulative[:, :-1]).sum(axis=1)
        else:
            codes = self._scores.codes(self._value.draw(predictors, rng))
        return np.where(missing, np.nan, codes)

    def _missing_probability(self, predictors: FloatArray) -> FloatArray:
        """With Jeffreys' prior, shape (m,)."""
        if self._missing is None:
            return np.zeros(len(predictors))
        interval = self._missing_scores.interval(np.ones(len(predictors)))
        n_missing = self._n * self._missing.probability(predictors, interval)
        return (n_missing + PRIOR_COUNT) / (self._n + 2 * PRIOR_COUNT)


class GaussianCopula:
    """The columns of a table, each given all before it.

    **Parameters:**

    * **columns**: in the order in which one may depend on others; **real**: frame of values (n,
      d) with at least one row; **penalty**: rows against any dependence.
    * **densities**: of these columns and rows, where they are known already.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        real: pd.DataFrame,
        penalty: float,
        densities: Mapping[str, ColumnDensity] | None = None,
    ) -> None:
        densities = densities or column_densities(columns, real)
        #: In order, by name.
        self.columns: dict[str, CopulaColumn] = {}
        predictors = np.zeros((len(real), 0))
        for column in columns:
            density = densities[column.name]
            codes = density.encode(real[column.name])
            own = CopulaColumn(column, density, codes, predictors, penalty)
            self.columns[column.name] = own
            predictors = np.hstack([predictors, own.predictors(codes)])

    def log_probability(self, values: pd.DataFrame) -> pd.DataFrame:
        """Log-probability of each cell, given the cells before it; shape (m, columns)."""
        log_probabilities = {}
        predictors = np.zeros((len(values), 0))
        for name, column in self.columns.items():
            codes = column.density.encode(values[name])
            log_probabilities[name] = column.log_probability(codes, predictors)
            predictors = np.hstack([predictors, column.predictors(codes)])
        return pd.DataFrame(log_probabilities, index=values.index)

    def rows(self, n_rows: int, rng: np.random.Generator) -> pd.DataFrame:
        """New rows as a frame of values (n_rows, columns)."""
        rows = {}
        predictors = np.zeros((n_rows, 0))
        for name, column in self.columns.items():
            codes = column.draw(predictors, rng)
            predictors = np.hstack([predictors, column.predictors(codes)])
            rows[name] = [column.density.decode(code) for code in codes.tolist()]
        return pd.DataFrame(rows)


def column_densities(columns: Sequence[Column], real: pd.DataFrame) -> dict[str, ColumnDensity]:
    """The density of each column by itself, by name; frame of values (n, d)."""
    return {column.name: ColumnDensity(column, real[column.name]) for column in columns}


def _normal_density(normal: FloatArray) -> FloatArray:
    """The density of a standard normal variable; 0 at infinity."""
    return np.exp(-0.5 * normal**2) / np.sqrt(2 * np.pi)
