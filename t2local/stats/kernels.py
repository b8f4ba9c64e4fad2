"""Kernels of one column: how likely a new cell is, drawn near one of the real cells.

A cell is handled as its code: a number counts steps of 10^-decimals, a level has its place among
the levels, and a missing cell is NaN. `LevelKernel` and `NumberKernel` have the same interface,
`Kernel`.
"""

import math
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.special import expit, logit

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
#: At most so many cells tell how often values are repeated: each is compared with all.
_MAX_CELLS = 500
#: Cells before any is seen, half of them repeated.
_PRIOR_CELLS = 4.0
#: Steps of expectation maximisation: plenty for one weight, so nothing tests for convergence.
N_EM_STEPS = 30
#: Cells that nothing explains divide by it.
_TINY = 1e-300
#: Beyond this a logistic distribution has nothing in doubles; exp overflows at 709.
_MAX_LOGIT = 300
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

    def decode(self, codes: FloatArray) -> Any:
        """The values of codes, shape (m,): numbers with NaN, or levels with None."""

    def density(self, codes: FloatArray) -> FloatArray:
        """The probability of each code under the kernel of each real cell, shape (m, n)."""

    def sample(self, places: IntArray, uniforms: FloatArray) -> FloatArray:
        """Codes from the kernels of the real cells at some places, shape (m,).

        **Parameters:**

        * **uniforms**: 0 to 1, shape (m,): a code is a quantile of its kernel.
        """


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
        places = {level: float(place) for place, level in enumerate(self._levels)}
        # An index of pandas takes twenty times as long for a few hundred cells.
        return np.array([places.get(cell, np.nan) for cell in cells.tolist()], dtype=np.float64)

    def decode(self, codes: FloatArray) -> Any:
        """The levels of codes, shape (m,); None for NaN."""
        levels = np.array([*self._levels, None], dtype=object)
        return levels[np.where(np.isnan(codes), -1, codes).astype(np.intp)]

    def density(self, codes: FloatArray) -> FloatArray:
        """1 where the levels are equal, else 0; shape (m, n)."""
        return np.equal(codes[:, None], self.codes).astype(np.float64)

    def sample(self, places: IntArray, uniforms: FloatArray) -> FloatArray:  # noqa: ARG002
        """The levels of the real cells; nothing is random."""
        return self.codes[places]


class NumberKernel:
    """Numbers: a logistic kernel around each real cell, on the column's grid and in its range.

    Two habits of written numbers are kept. A value that real rows repeat (a rounded weight, a
    score) is written again as often as the real rows do so. And a column of 3 decimals may hold
    whole numbers mostly: each number of decimals has a share of its own.
    """

    def __init__(self, column: Column, cells: pd.Series) -> None:
        self._decimals = column.decimals
        self.lowest, self.highest = column.steps
        self.codes = self.encode(cells)  # (n,)
        present = self.codes[~np.isnan(self.codes)]
        self.uniform_share = _UNIFORM_SHARE
        if not len(present):  # nothing was seen: every allowed number alike
            self.uniform_share = 1.0
        decimals = np.bincount(self._n_decimals(present), minlength=self._decimals + 1)
        smoothed = decimals + PRIOR_COUNT  # (decimals + 1,)
        self._decimal_shares = smoothed / smoothed.sum()
        bandwidth = _bandwidth(present)
        # The standard deviation of a logistic distribution is its scale times pi / sqrt(3).
        self._scale = bandwidth * np.sqrt(3) / np.pi
        # Equal real cells have one kernel: of the values, shape (v,), NaN among them.
        self._values, self._places, counts = np.unique(
            self.codes, return_inverse=True, return_counts=True
        )
        self._repeated = (counts > 1) & ~np.isnan(self._values)  # (v,)
        self._centres = _shrunk(self._values, present, bandwidth)  # (v,)
        #: How often the kernel of a repeated value is the value itself.
        self._again = self._share_of_repetition(present)

    def encode(self, cells: pd.Series) -> FloatArray:
        """Numbers of steps, shape (m,)."""
        numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.round(numbers * 10.0**self._decimals)

    def decode(self, codes: FloatArray) -> Any:
        """The numbers of codes, shape (m,)."""
        return codes / 10.0**self._decimals

    def density(self, codes: FloatArray) -> FloatArray:
        """The probability of each number as it is written, shape (m, n)."""
        unique, places = np.unique(codes, return_inverse=True)  # (k,), (m,)
        smooth = self._smooth(unique, np.arange(len(self._values)))  # (k, v)
        equal = np.equal(unique[:, None], self._values)  # (k, v)
        again = np.where(self._repeated, self._again, 0.0)  # (v,)
        density = again * equal + (1 - again) * smooth
        return density.take(self._places, axis=1).take(places, axis=0)

    def sample(self, places: IntArray, uniforms: FloatArray) -> FloatArray:
        """The numbers of the real cells, or others near them with as many decimals, shape (m,)."""
        own = self._places[places]  # (m,)
        values, repeated = self._values[own], self._repeated[own]
        again = np.where(repeated, self._again, 0.0)  # (m,)
        p = (uniforms - again) / (1 - again)  # below 0: the number itself
        grid = 10.0 ** (self._decimals - self._n_decimals(values))  # (m,)
        lowest = np.ceil(self.lowest / grid) * grid
        highest = np.floor(self.highest / grid) * grid
        below = self._below(lowest - grid / 2, own)
        p = below + p * (self._below(highest + grid / 2, own) - below)
        smooth = np.round((self._centres[own] + self._scale * logit(p)) / grid) * grid
        return np.where(uniforms < again, values, np.clip(smooth, lowest, highest))

    def _share_of_repetition(self, present: FloatArray) -> float:
        """The share with the highest likelihood on cells left out one by one, by EM.

        A cell that is left out was written again where two others have its value.
        """
        cells = present[:: math.ceil(len(present) / _MAX_CELLS) or 1]
        values, counts = np.unique(cells, return_counts=True)  # (k,)
        others = counts - np.eye(len(values))  # (k, k)
        smooth = others * self._smooth(values, np.searchsorted(self._values, values))
        repeated = others > 1
        equal = np.where(repeated, others, 0).diagonal()  # (k,)
        near = np.where(repeated, smooth, 0).sum(axis=1)  # (k,)
        rest = np.where(repeated, 0, smooth).sum(axis=1)  # (k,)
        share = 0.5
        for _ in range(N_EM_STEPS):
            total = share * equal + (1 - share) * near + rest + _TINY
            again = counts @ (share * equal / total)
            afresh = counts @ ((1 - share) * near / total)
            share = float((again + _PRIOR_CELLS / 2) / (again + afresh + _PRIOR_CELLS))
        return share

    def _smooth(self, codes: FloatArray, every: IntArray) -> FloatArray:
        """The share of some values' kernels in the interval that rounds to a number, (k, v)."""
        n_decimals = self._n_decimals(codes)  # (k,)
        half = 0.5 * 10.0 ** (self._decimals - n_decimals)[:, None]  # (k, 1)
        inside = self._below(self.highest + 0.5, every) - self._below(self.lowest - 0.5, every)
        away = (codes[:, None] - self._centres[every]) / self._scale  # (k, v)
        interval = _logistic_interval(away, half / self._scale)
        shares = self._decimal_shares[n_decimals] * np.where(n_decimals, _FINE_SHARE, 1.0)  # (k,)
        return shares[:, None] * (interval / inside)

    def _below(self, codes: Any, values: IntArray) -> FloatArray:
        """The share of the kernels of some values below a code: the logistic distribution."""
        share: FloatArray = expit((codes - self._centres[values]) / self._scale)
        return share

    def _n_decimals(self, codes: FloatArray) -> IntArray:
        """With how many decimals each number is written, shape (m,)."""
        powers = range(1, self._decimals + 1)
        zeros = np.sum([codes % 10.0**power == 0 for power in powers], axis=0, dtype=np.intp)
        return self._decimals - np.broadcast_to(zeros, codes.shape)


def _logistic_interval(middle: FloatArray, half: FloatArray) -> FloatArray:
    """The share of a standard logistic distribution within ``half`` of ``middle``.

    The difference of two logistic functions is sinh(half) / (cosh(half) + cosh(middle)): one
    exponential, and exact in the tails.
    """
    far = np.exp(np.clip(np.abs(middle) - half, -_MAX_LOGIT, _MAX_LOGIT))
    back = np.exp(-2 * half)
    share: FloatArray = np.tanh(half) / (1 + (far + back / far) / (1 + back))
    return share


def _bandwidth(present: FloatArray) -> float:
    """Silverman's rule of thumb, in steps; of a column with a single value the narrowest kernel."""
    if not len(present) or present.min() == present.max():
        return _MIN_BANDWIDTH
    lower, upper = np.quantile(present, [0.25, 0.75])
    quartile_range = upper - lower
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
