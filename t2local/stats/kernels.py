"""Kernels of one column: how likely a new cell is, drawn near one of the real cells.

A cell is handled as its code: a number counts steps of 10^-decimals, a level has its place among
the levels, and a missing cell is NaN. `LevelKernel` and `NumberKernel` have the same interface,
`Kernel`.
"""

from typing import Any, Protocol

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.columns import Column

#: Share of the uniform distribution in a column of numbers: small, so that the real rows decide,
#: but no allowed number is impossible.
_UNIFORM_SHARE = 0.05
#: Added to each count (Jeffreys' prior, doi 10.1098/rspa.1946.0056).
PRIOR_COUNT = 0.5
#: Silverman's rule of thumb: 0.9 min(sd, IQR / 1.34) n^(-1/5) (Silverman 1986, "Density Estimation
#: for Statistics and Data Analysis", equation 3.31). 1.34 is the IQR of a standard normal.
_SILVERMAN = 0.9
_NORMAL_IQR = 1.34
#: The narrowest kernel, in steps: its neighbours on the grid stay within reach.
_MIN_BANDWIDTH = 0.5
#: A draw outside the allowed range is repeated at most this often; then the real value stands.
_N_ATTEMPTS = 20
#: Beyond this the logistic function is 0 or 1 in doubles; exp overflows at 709.
_MAX_LOGIT = 500
#: Of the numbers on a grid, nine tenths are not on the next coarser one.
_FINE_SHARE = 10 / 9


class Kernel(Protocol):
    """A distribution around each of n real cells.

    ``codes`` are the real cells, shape (n,). ``lowest`` and ``highest`` are the allowed codes.
    ``uniform_share`` is the weight of the uniform distribution that is mixed in.
    """

    codes: FloatArray
    lowest: int
    highest: int
    uniform_share: float

    def encode(self, cells: pd.Series) -> FloatArray:
        """Cells as codes, shape (m,)."""

    def decode(self, code: float) -> float | str:
        """The value of a code."""

    def density(self, codes: FloatArray) -> FloatArray:
        """The probability of each code under the kernel of each real cell, shape (m, n)."""

    def sample(self, place: int, rng: np.random.Generator) -> float:
        """A code from the kernel of the real cell at a place."""

    def quantiles(self, n_points: int) -> FloatArray:
        """Codes that stand for all kernels: of each as many, equally likely ones, in any order."""


def kernel_of(column: Column, cells: pd.Series) -> Kernel:
    """The kernel of a column's kind; ``cells``: the column in the real rows, shape (n,)."""
    if column.numeric:
        return NumberKernel(column, cells)
    return LevelKernel(column, cells)


class LevelKernel:
    """Levels: a new cell has the level of the real cell."""

    def __init__(self, column: Column, cells: pd.Series) -> None:
        self._levels = column.levels
        self.codes = self.encode(cells)  # (n,)
        self.lowest = 0
        self.highest = len(column.levels) - 1
        prior = PRIOR_COUNT * len(column.levels)
        n_present = int((~np.isnan(self.codes)).sum())
        # With this weight each level's count is raised by `PRIOR_COUNT`.
        self.uniform_share = prior / (n_present + prior)

    def encode(self, cells: pd.Series) -> FloatArray:
        """Places among the levels, shape (m,); NaN for a cell that has none of them."""
        levels = pd.Index(self._levels, dtype=object)
        places = levels.get_indexer(pd.Index(cells, dtype=object))
        return np.where(places < 0, np.nan, places)

    def decode(self, code: float) -> str:
        """The level of a code."""
        return self._levels[int(code)]

    def density(self, codes: FloatArray) -> FloatArray:
        """1 where the levels are equal, else 0; shape (m, n)."""
        return np.equal(codes[:, None], self.codes).astype(np.float64)

    def sample(self, place: int, rng: np.random.Generator) -> float:  # noqa: ARG002
        """The level of the real cell; nothing is random."""
        return float(self.codes[place])

    def quantiles(self, n_points: int) -> FloatArray:  # noqa: ARG002
        """The real cells, shape (present,): each kernel is a single level."""
        return self.codes[~np.isnan(self.codes)]


class NumberKernel:
    """Numbers: a logistic kernel around each real cell, on the column's grid and in its range.

    Two habits of written numbers are kept. A value that real rows repeat (a rounded weight, a
    score) is written again in half of the cases. And a column of 3 decimals may hold whole numbers
    mostly: each number of decimals has a share of its own.
    """

    def __init__(self, column: Column, cells: pd.Series) -> None:
        self._decimals = column.decimals
        self.lowest, self.highest = column.steps
        self.codes = self.encode(cells)  # (n,)
        present = self.codes[~np.isnan(self.codes)]
        self.uniform_share = _UNIFORM_SHARE
        if not len(present):  # nothing was seen: every allowed number alike
            self.uniform_share = 1.0
        values, counts = np.unique(present, return_counts=True)
        self._repeated = np.isin(self.codes, values[counts > 1])  # (n,)
        counts = np.bincount(self._n_decimals(present), minlength=self._decimals + 1)
        smoothed = counts + PRIOR_COUNT  # (decimals + 1,)
        self._decimal_shares = smoothed / smoothed.sum()
        bandwidth = _bandwidth(present)
        # The standard deviation of a logistic distribution is its scale times pi / sqrt(3).
        self._scale = bandwidth * np.sqrt(3) / np.pi
        self._centres = _shrunk(self.codes, present, bandwidth)  # (n,)

    def encode(self, cells: pd.Series) -> FloatArray:
        """Numbers of steps, shape (m,)."""
        numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.round(numbers * 10.0**self._decimals)

    def decode(self, code: float) -> float:
        """The number of a code."""
        return code / 10.0**self._decimals

    def density(self, codes: FloatArray) -> FloatArray:
        """The probability of each number as it is written, shape (m, n)."""
        smooth = self._smooth(codes)  # (m, n)
        equal = np.equal(codes[:, None], self.codes)  # (m, n)
        return np.where(self._repeated, (equal + smooth) / 2, smooth)

    def sample(self, place: int, rng: np.random.Generator) -> float:
        """The number of the real cell, or one near it with as many decimals."""
        code = float(self.codes[place])
        if not (self._repeated[place] and rng.random() < 1 / 2):
            n_decimals = int(self._n_decimals(self.codes[[place]])[0])
            grid = 10.0 ** (self._decimals - n_decimals)
            noise = self._scale * rng.logistic(size=_N_ATTEMPTS)  # (attempts,)
            attempts = np.round((float(self._centres[place]) + noise) / grid) * grid
            allowed = [a for a in attempts.tolist() if self.lowest <= a <= self.highest]
            code = next(iter(allowed), code)
        return float(np.clip(code, self.lowest, self.highest))

    def quantiles(self, n_points: int) -> FloatArray:
        """Of each kernel ``n_points`` codes (an even number), shape (present * n_points,).

        They are what `sample` draws: of a number that real rows repeat, half are the number itself.
        """
        present = ~np.isnan(self.codes)
        codes = self.codes[present, None]  # (present, 1)
        repeated = self._repeated[present, None]  # (present, 1)
        half = (np.arange(n_points // 2) + 0.5) / (n_points // 2)  # (n_points / 2,)
        points = (np.arange(n_points) + 0.5) / n_points  # (n_points,)
        # A column with NaN holds the number itself.
        halves = np.concatenate([half, np.full(n_points - len(half), np.nan)])
        p = np.where(repeated, halves, points)  # (present, n_points)
        lowest = self._below(self.lowest - 0.5)[present, None]
        highest = self._below(self.highest + 0.5)[present, None]
        p = lowest + p * (highest - lowest)
        smooth = self._centres[present, None] + self._scale * np.log(p / (1 - p))
        grid = 10.0 ** (self._decimals - self._n_decimals(codes))  # (present, 1)
        smooth = np.clip(np.round(smooth / grid) * grid, self.lowest, self.highest)
        return np.where(np.isnan(p), codes, smooth).ravel()

    def _smooth(self, codes: FloatArray) -> FloatArray:
        """The share of each kernel in the interval that rounds to a number, shape (m, n)."""
        n_decimals = self._n_decimals(codes)  # (m,)
        half = 0.5 * 10.0 ** (self._decimals - n_decimals)[:, None]  # (m, 1)
        inside = self._below(self.highest + 0.5) - self._below(self.lowest - 0.5)  # (n,)
        interval = self._below(codes[:, None] + half) - self._below(codes[:, None] - half)  # (m, n)
        shares = self._decimal_shares[n_decimals] * np.where(n_decimals, _FINE_SHARE, 1.0)  # (m,)
        return shares[:, None] * (interval / inside)

    def _below(self, codes: Any) -> FloatArray:
        """The share of each kernel below a code: the logistic distribution function."""
        logits = np.clip((codes - self._centres) / self._scale, -_MAX_LOGIT, _MAX_LOGIT)
        return 1 / (1 + np.exp(-logits))

    def _n_decimals(self, codes: FloatArray) -> IntArray:
        """With how many decimals each number is written, shape (m,)."""
        powers = range(1, self._decimals + 1)
        zeros = np.sum([codes % 10.0**power == 0 for power in powers], axis=0, dtype=np.intp)
        return self._decimals - np.broadcast_to(zeros, codes.shape)


def _bandwidth(present: FloatArray) -> float:
    """Silverman's rule of thumb, in steps; of a column with a single value the narrowest kernel."""
    if len(np.unique(present)) < 2:
        return _MIN_BANDWIDTH
    quartile_range = np.quantile(present, 0.75) - np.quantile(present, 0.25)
    # A column that is mostly one value has no quartile range; then the deviation alone decides.
    spread = min(present.std(), quartile_range / _NORMAL_IQR or np.inf)
    return float(max(_SILVERMAN * spread * len(present) ** -0.2, _MIN_BANDWIDTH))


def _shrunk(codes: FloatArray, present: FloatArray, bandwidth: float) -> FloatArray:
    """The centres of the kernels, shrunk towards the mean: the smoothed column keeps its variance.

    Source: Silverman and Young 1987, "The bootstrap: to smooth or not to smooth?", doi
    10.1093/biomet/74.3.469.
    """
    if not len(present):
        return codes
    mean = present.mean()
    variance = present.var()
    return mean + (codes - mean) * np.sqrt(variance / (variance + bandwidth**2))
