"""What the real rows say of the columns without a language model: the yardstick and the partner of the feature workers.

`IndependentColumns` takes every column by itself: levels have smoothed frequencies; numbers a kernel density on the steps of their
dictionary, mixed with the values that real rows repeat (rounded weights, scores) and a little of everything that is allowed.
A missing cell is a level of its own. `ChowLiuTree` lets each column follow one column before it.

All of it is one formula: a cell looks like that of real row i with the probability K(cell, i), its kernel, and the rows have weights. Cells are
codes: a number counts the steps of its column, a level has its place, and a missing cell is NaN.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.association import associations
from t2local.stats.columns import Column
from t2local.stats.streams import Stream, generator

#: Share of all allowed numbers alike: no cell is impossible.
_UNIFORM = 0.05
#: What each level gets before it is counted (Jeffreys' prior).
_PRIOR = 0.5
#: Real rows of which a tree is learnt at most: its cost grows with their square.
_MOST_ROWS = 500
#: A weaker tie than this is what unrelated columns show by chance.
_TIE = 0.1
#: Rows that speak against a tie before any is seen.
_DOUBT = 4.0
_ROUNDS = 30


class IndependentColumns:
    """The columns of a table, one by one.

    **Parameters:**

    * **real**: frame of values (n, d).
    """

    def __init__(self, columns: Sequence[Column], real: pd.DataFrame) -> None:
        self._columns = {c.name: _Density(c, real[c.name]) for c in columns}

    def log_probability(self, values: pd.DataFrame) -> pd.DataFrame:
        """Log-probability of each cell, shape of ``values``."""
        found = {name: self._columns[str(name)] for name in values}
        return pd.DataFrame(
            {
                name: np.log(column.probability(column.codes(values[name])))
                for name, column in found.items()
            },
            index=values.index,
        )

    def draw(self, name: str, rng: np.random.Generator) -> float | str | None:
        """A value of a column."""
        return self._columns[name].value(self._columns[name].draw(rng))


class ChowLiuTree:
    """The columns of a table, each of which may follow one before it (a Chow-Liu tree along a given order).

    A column follows the one that it is tied to most; how far, a share says that is fitted on real rows left out one by one. For the
    next cell a real row then counts by how well its cell in the column before fits the one that is there.

    **Parameters:**

    * **columns**: in the order in which one may follow another; **real**: frame of values (n, d).
    """

    def __init__(self, columns: Sequence[Column], real: pd.DataFrame, seed: int) -> None:
        if len(real) > _MOST_ROWS:
            real = real.iloc[
                np.sort(generator(seed, Stream.TREE_ROWS).permutation(len(real))[:_MOST_ROWS])
            ]
        self._columns = {c.name: _Density(c, real[c.name]) for c in columns}
        ties, order = associations(real, columns), [c.name for c in columns]
        #: Of each column that follows another: which, and how far.
        self.parent: dict[str, tuple[str, float]] = {}
        for number, name in enumerate(order[1:], 1):
            before = order[int(ties[number, :number].argmax())]
            if len(real) > 1 and ties[number, :number].max() > _TIE:
                self.parent[name] = (before, self._share(real, name, before))

    def log_probability(self, values: pd.DataFrame) -> pd.DataFrame:
        """Log-probability of each cell of the tree's columns, given the cell that it follows; shape (n, columns)."""
        codes = {name: column.codes(values[name]) for name, column in self._columns.items()}
        found = {
            name: np.log(column.probability(codes[name], self._weights(name, codes)))
            for name, column in self._columns.items()
        }
        return pd.DataFrame(found, index=values.index)

    def row(self, rng: np.random.Generator) -> dict[str, float | str | None]:
        """A whole row."""
        codes: dict[str, FloatArray] = {}
        for name, column in self._columns.items():
            weights = self._weights(name, codes)
            codes[name] = np.array([column.draw(rng, None if weights is None else weights[0])])
        return {name: column.value(codes[name][0]) for name, column in self._columns.items()}

    def _weights(self, name: str, codes: dict[str, FloatArray]) -> FloatArray | None:
        """Weights of the real rows for the next cells, shape (m, n); none: all alike."""
        if name not in self.parent:
            return None
        before, share = self.parent[name]
        return _mixed(self._columns[before].kernel(codes[before]), share)

    def _share(self, real: pd.DataFrame, name: str, before: str) -> float:
        """How far a column follows another: the share of the highest likelihood, by expectation maximisation."""
        others, column, other = 1 - np.eye(len(real)), self._columns[name], self._columns[before]
        codes = column.codes(real[name])
        alone = column.probability(codes, _mixed(others, 1))
        tied = column.probability(
            codes, _mixed(others * other.kernel(other.codes(real[before])), 1)
        )
        share = 0.5
        for _ in range(_ROUNDS):
            share = float(
                (share * tied / (share * tied + (1 - share) * alone)).sum() / (len(real) + _DOUBT)
            )
        return share


def _mixed(likeness: FloatArray, share: float) -> FloatArray:
    """Weights of real rows: a share of them by likeness, the rest alike; shape (m, n), the sum of a row is 1."""
    total, n = likeness.sum(axis=1, keepdims=True), likeness.shape[1]
    return (1 - share) / n + share * np.where(
        total > 0, likeness / np.where(total > 0, total, 1), 1 / n
    )


class _Density:
    """One column: its real cells, and how a new cell looks like each of them.

    A probability is one of a written number. A column of 3 decimals may hold whole numbers mostly: how many decimals a number is
    written with has shares of its own.
    """

    def __init__(self, feature: Column, cells: pd.Series) -> None:
        self._feature = feature
        self._real = self.codes(cells)
        self._missing = np.isnan(self._real)
        present = self._real[~self._missing]
        #: Share of the uniform distribution in the probability of a cell, and its height.
        if feature.numeric:
            self._low, self._high = feature.steps
            self._floor, self._height = (
                _UNIFORM if len(present) else 1.0,
                1 / (self._high - self._low + 1),
            )
            self._learn(present)
        else:
            size = _PRIOR * len(feature.levels)
            self._floor, self._height = size / (len(present) + size), 1 / len(feature.levels)

    def codes(self, cells: pd.Series) -> FloatArray:
        """Cells as numbers, shape (m,)."""
        if self._feature.numeric:
            return np.round(
                cells.to_numpy(dtype=np.float64, na_value=np.nan) * 10.0**self._feature.decimals
            )
        places = pd.Index(self._feature.levels, dtype=object).get_indexer(
            pd.Index(cells, dtype=object)
        )
        return np.where(places < 0, np.nan, places)

    def value(self, code: float) -> float | str | None:
        """The cell of a code."""
        if np.isnan(code):
            return None
        return (
            code / 10.0**self._feature.decimals
            if self._feature.numeric
            else self._feature.levels[int(code)]
        )

    def kernel(self, codes: FloatArray) -> FloatArray:
        """How likely each cell is to be written by one who looks at each real row, shape (m, n)."""
        same = np.equal(codes[:, None], self._real)
        looks = (
            np.where(self._repeated, (same + self._near(codes)) / 2, self._near(codes))
            if self._feature.numeric
            else same
        )
        missing = np.isnan(codes)[:, None]
        return np.where(missing | self._missing, missing & self._missing, looks).astype(np.float64)

    def probability(self, codes: FloatArray, weights: FloatArray | None = None) -> FloatArray:
        """Of each cell, shape (m,), under weights (m, n) of the real rows; none: all alike."""
        weights = self._alike(len(codes)) if weights is None else weights
        present = weights[:, ~self._missing].sum(axis=1)
        looks = np.where(
            present > 0,
            (weights * self.kernel(codes)).sum(axis=1) / np.where(present > 0, present, 1),
            self._height,
        )
        lacking = self._lacking(weights)
        value = (1 - lacking) * ((1 - self._floor) * looks + self._floor * self._height)
        return np.maximum(np.where(np.isnan(codes), lacking, value), 1e-12)

    def draw(self, rng: np.random.Generator, weights: FloatArray | None = None) -> float:
        """A code, under weights (n,) of the real rows. The floor is there so that no cell is impossible, not so that it is written: it is left out."""
        weights = self._alike(1)[0] if weights is None else weights
        if rng.random() < self._lacking(weights[None, :])[0]:
            return np.nan
        among = np.where(self._missing, 0.0, weights)
        if not among.sum() > 0:
            low, high = (
                (self._low, self._high)
                if self._feature.numeric
                else (0, len(self._feature.levels) - 1)
            )
            return float(rng.integers(low, high, endpoint=True))
        place = int(rng.choice(len(among), p=among / among.sum()))
        return self._moved(place, rng) if self._feature.numeric else float(self._real[place])

    def _alike(self, rows: int) -> FloatArray:
        return np.full((rows, len(self._real)), 1 / max(1, len(self._real)))

    def _lacking(self, weights: FloatArray) -> FloatArray:
        """The probability that a cell is missing, shape (m,)."""
        if not self._feature.missing:
            return np.zeros(len(weights))
        return (len(self._real) * weights[:, self._missing].sum(axis=1) + _PRIOR) / (
            len(self._real) + 2 * _PRIOR
        )

    def _learn(self, present: FloatArray) -> None:
        values, counts = np.unique(present, return_counts=True)
        self._repeated = np.isin(self._real, values[counts > 1])
        written = np.bincount(self._written(present), minlength=self._feature.decimals + 1) + _PRIOR
        self._shares = written / written.sum()
        spread = (
            min(
                present.std(),
                (np.quantile(present, 0.75) - np.quantile(present, 0.25)) / 1.34 or np.inf,
            )
            if len(values) > 1
            else 0.0
        )
        # Silverman's rule; the kernel is logistic, whose scale is its deviation times sqrt(3) / pi.
        width = max(0.9 * spread * max(1, len(present)) ** -0.2, 0.5)
        self._scale = width * np.sqrt(3) / np.pi
        # Drawn in towards the mean, so that the kernels do not widen the column (Silverman and Young 1987, The bootstrap: to smooth or not to smooth?).
        mean, variance = (present.mean(), present.var()) if len(present) else (0.0, 0.0)
        self._centres = mean + (self._real - mean) * np.sqrt(variance / (variance + width**2))

    def _near(self, codes: FloatArray) -> FloatArray:
        """A number near that of each real row, with as many decimals as it has, shape (m, n)."""
        decimals = self._written(codes)
        half = 0.5 * 10.0 ** (self._feature.decimals - decimals)[:, None]
        inside = self._below(self._high + 0.5) - self._below(self._low - 0.5)
        near = (self._below(codes[:, None] + half) - self._below(codes[:, None] - half)) / inside
        # A tenth of the numbers on a grid are on the next coarser one.
        return (self._shares[decimals] * np.where(decimals, 10 / 9, 1.0))[:, None] * near

    def _moved(self, place: int, rng: np.random.Generator) -> float:
        """The number of a real row, or one near it with as many decimals."""
        step = float(self._real[place])
        if not (self._repeated[place] and rng.random() < 1 / 2):
            coarse = 10.0 ** (self._feature.decimals - int(self._written(self._real[[place]])[0]))
            moved = (
                np.round(
                    (float(self._centres[place]) + self._scale * rng.logistic(size=20)) / coarse
                )
                * coarse
            )
            step = next((s for s in moved.tolist() if self._low <= s <= self._high), step)
        return float(np.clip(step, self._low, self._high))

    def _written(self, codes: FloatArray) -> IntArray:
        """With how many decimals each number is written."""
        powers = range(1, self._feature.decimals + 1)
        zeros = np.sum([codes % 10.0**power == 0 for power in powers], axis=0, dtype=np.intp)
        return self._feature.decimals - np.broadcast_to(zeros, codes.shape)

    def _below(self, step: Any) -> FloatArray:
        """The share of each kernel that lies below a step."""
        return 1 / (1 + np.exp(-np.clip((step - self._centres) / self._scale, -500, 500)))
