"""Models of the columns without a language model: what the real rows alone say of a cell.

They are the yardstick of the feature workers and their partner in a mixture (docs/method.md,
"Cells"). `IndependentColumns` takes every column by itself: its marginal distribution.
`ChowLiuTree` lets each column depend on one column before it.

Both are one formula. A new cell is drawn from the kernel of real row i, and the rows have weights:
p(cell) = sum over i of w_i K(cell, i). The kernels are in `t2local.stats.kernels`.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray, Mask
from t2local.stats.association import associations
from t2local.stats.columns import Column
from t2local.stats.kernels import N_EM_STEPS, PRIOR_COUNT, kernel_of
from t2local.stats.streams import Stream, generator

#: At most so many real rows make a tree: its cost grows with their square.
_MAX_TREE_ROWS = 500
#: Two unrelated columns of 4 levels exceed this in a third of tables of 40 rows, and in 1 of 200
#: tables of 500 (simulated). The mixture weight makes little of those that pass.
_MIN_ASSOCIATION = 0.1
#: Rows against a dependence before any row is seen: with few rows the parent has to be clearly
#: right.
_PRIOR_ROWS = 4.0
#: Codes that stand for the distribution of a column: its tails are known to a thousandth.
_N_QUANTILES = 1000
_GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
#: Random numbers that a cell takes: which model gives it, whether it is missing, which real row it
#: is near, and where near it.
N_UNIFORMS = 4
#: The smallest probability of a cell, so that its logarithm is finite.
_MIN_PROBABILITY = 1e-12


class ColumnDensity:
    """The distribution of one column: kernels, a uniform part, and missing cells.

    **Parameters:**

    * **cells**: the column in the real rows, values of shape (n,).
    """

    def __init__(self, column: Column, cells: pd.Series) -> None:
        self._may_be_missing = column.missing
        self._kernel = kernel_of(column, cells)
        self._n = len(cells)
        self._missing = np.isnan(self._kernel.codes)  # (n,)
        self._uniform = 1 / (self._kernel.highest - self._kernel.lowest + 1)

    def encode(self, cells: pd.Series) -> FloatArray:
        """Cells as codes (`t2local.stats.kernels`), shape (m,)."""
        return self._kernel.encode(cells)

    def decode(self, codes: FloatArray) -> Any:
        """The cells of codes, shape (m,): numbers with NaN, or levels with None."""
        return self._kernel.decode(codes)

    def kernel(self, codes: FloatArray) -> FloatArray:
        """The probability of each code under the kernel of each real row, shape (m, n).

        A missing cell goes with a missing cell, with probability 1, and with no other.
        """
        density = self._kernel.density(codes)
        density[:, self._missing] = 0
        density[np.isnan(codes)] = self._missing
        return density

    def probability(self, codes: FloatArray, weights: FloatArray | None = None) -> FloatArray:
        """The probability of each code, shape (..., m).

        **Parameters:**

        * **weights**: of the real rows for each code, shape (..., m, n), with sum 1 over the rows;
          all alike by default.
        """
        if weights is None:
            weights = self._equal_weights(len(codes))
        present = weights @ ~self._missing  # (..., m)
        weighted = np.einsum("...mn,mn->...m", weights, self.kernel(codes))
        near = np.where(present > 0, weighted / np.where(present > 0, present, 1), self._uniform)
        return self.blend(codes, near, self._missing_probability(weights))

    def near(self, codes: FloatArray) -> FloatArray:
        """The probability of each code that is not missing under the kernels alone, shape (m,)."""
        if self._missing.all():
            return np.full(len(codes), self._uniform)
        return self._kernel.density(codes)[:, ~self._missing].mean(axis=1)

    def blend(self, codes: FloatArray, near: FloatArray, missing: FloatArray) -> FloatArray:
        """The probability of each code with the uniform part and missing cells, shape (..., m).

        **Parameters:**

        * **near**: the probability of each code that is not missing, without the uniform part;
          **missing**: that of a missing cell; both (..., m).
        """
        share = self._kernel.uniform_share
        value = (1 - missing) * ((1 - share) * near + share * self._uniform)  # (..., m)
        return np.maximum(np.where(np.isnan(codes), missing, value), _MIN_PROBABILITY)

    def quantiles(self) -> FloatArray:
        """Codes in order that stand for the column where it is not missing, equally likely ones."""
        n_present = int((~self._missing).sum())
        if not n_present:
            return np.linspace(self._kernel.lowest, self._kernel.highest, _N_QUANTILES).round()
        n_points = max(4, math.ceil(_N_QUANTILES / n_present))
        # Other points for each real row: a kernel may write the same code for a part of them.
        shifts = (np.arange(n_present)[:, None] * _GOLDEN_RATIO + 0.5) % 1
        points = (np.arange(n_points) + shifts) / n_points  # (n_present, n_points)
        places = np.flatnonzero(~self._missing).repeat(n_points)
        return np.sort(self._kernel.sample(places, points.ravel()))

    def draw(
        self,
        uniforms: FloatArray,
        weights: FloatArray | None = None,
        which: IntArray | None = None,
    ) -> FloatArray:
        """Codes, shape (m,).

        The uniform part makes no cell impossible when rows are judged. It writes none: its values
        would be far from every real row.

        **Parameters:**

        * **uniforms**: random numbers from 0 to 1, shape (m, `N_UNIFORMS`).
        * **weights**: of the real rows, shape (k, n), some of it on rows that are not missing; all
          alike by default. **which** of them each cell has, shape (m,).
        """
        if weights is None or which is None:
            weights, which = self._equal_weights(1), np.zeros(len(uniforms), dtype=np.intp)
        missing = uniforms[:, 1] < self._missing_probability(weights)[which]  # (m,)
        if self._missing.all():  # nothing was seen: every allowed code alike
            n_codes = self._kernel.highest - self._kernel.lowest + 1
            codes = self._kernel.lowest + np.floor(uniforms[:, 2] * n_codes)
        else:
            cumulative = np.where(self._missing, 0.0, weights).cumsum(axis=1)  # (k, n)
            wanted = uniforms[:, 2] * cumulative[which, -1]  # (m,)
            # The first real row beyond the random number.
            places = (cumulative[which] > wanted[:, None]).argmax(axis=1)
            codes = self._kernel.sample(places, uniforms[:, 3])
        return np.where(missing, np.nan, codes)

    def _equal_weights(self, n_cells: int) -> FloatArray:
        return np.full((n_cells, self._n), 1 / max(1, self._n))

    def _missing_probability(self, weights: FloatArray) -> FloatArray:
        """The probability that a cell is missing, with Jeffreys' prior; shape (..., m)."""
        if not self._may_be_missing:
            return np.zeros(weights.shape[:-1])
        missing = self._n * (weights @ self._missing)  # (..., m)
        return (missing + PRIOR_COUNT) / (self._n + 2 * PRIOR_COUNT)


class IndependentColumns:
    """The columns of a table, each by its marginal distribution.

    **Parameters:**

    * **real**: frame of values (n, d).
    """

    def __init__(self, columns: Sequence[Column], real: pd.DataFrame) -> None:
        self._densities = {c.name: ColumnDensity(c, real[c.name]) for c in columns}
        self.n_uniforms = N_UNIFORMS * len(columns)

    def log_probability(self, values: pd.DataFrame) -> pd.DataFrame:
        """Log-probability of each cell, shape of ``values``."""
        log_probabilities = {}
        for name in values:
            density = self._densities[str(name)]
            log_probabilities[name] = np.log(density.probability(density.encode(values[name])))
        return pd.DataFrame(log_probabilities, index=values.index)

    def rows(self, uniforms: FloatArray) -> pd.DataFrame:
        """New rows as a frame of values (m, columns).

        **Parameters:**

        * **uniforms**: random numbers from 0 to 1, shape (m, ``n_uniforms``).
        """
        by_cell = by_column(uniforms)
        cells = zip(self._densities.items(), by_cell, strict=True)
        return pd.DataFrame({name: own.decode(own.draw(numbers)) for (name, own), numbers in cells})


class Parent(NamedTuple):
    """The column that another depends on, and the mixture weight of that dependence (0 to 1)."""

    name: str
    weight: float


class ChowLiuTree:
    """The columns of a table, each of which may depend on one before it.

    This is a Chow-Liu tree (doi 10.1109/TIT.1968.1054142) along a given order. The parent of a
    column is the one before it with the highest association. The conditional distribution is a
    mixture: with the weight of the dependence, real rows count by how near their cell of the parent
    is to the new one; else all alike.

    **Parameters:**

    * **columns**: in the order in which one may depend on another; **real**: frame of values (n,
      d).
    """

    def __init__(self, columns: Sequence[Column], real: pd.DataFrame, seed: int) -> None:
        real = _at_most(real, _MAX_TREE_ROWS, seed)
        self._densities = {c.name: ColumnDensity(c, real[c.name]) for c in columns}
        self.n_uniforms = N_UNIFORMS * len(columns)
        codes = {name: density.encode(real[name]) for name, density in self._densities.items()}
        #: The parent of each column that has one.
        self.parent: dict[str, Parent] = {}
        matrix = associations(real, columns)  # (d, d)
        for i, column in enumerate(columns[1:], 1):
            nearest = int(matrix[i, :i].argmax())
            if len(real) > 1 and matrix[i, nearest] > _MIN_ASSOCIATION:
                parent = columns[nearest].name
                weight = self._mixture_weight(codes, column.name, parent)
                self.parent[column.name] = Parent(parent, weight)

    def log_probability(self, values: pd.DataFrame) -> pd.DataFrame:
        """Log-probability of each cell, given the cell of its parent; shape (m, columns)."""
        codes = {name: density.encode(values[name]) for name, density in self._densities.items()}
        log_probabilities = {
            name: np.log(density.probability(codes[name], self._weights(name, codes)))
            for name, density in self._densities.items()
        }
        return pd.DataFrame(log_probabilities, index=values.index)

    def rows(self, uniforms: FloatArray) -> pd.DataFrame:
        """New rows as a frame of values (m, columns), drawn column by column.

        **Parameters:**

        * **uniforms**: random numbers from 0 to 1, shape (m, ``n_uniforms``).
        """
        codes: dict[str, FloatArray] = {}
        for name, numbers in zip(self._densities, by_column(uniforms), strict=True):
            codes[name] = self.draw(name, codes, numbers)
        return pd.DataFrame(
            {name: density.decode(codes[name]) for name, density in self._densities.items()}
        )

    def draw(
        self,
        name: str,
        codes: dict[str, FloatArray],
        uniforms: FloatArray,
        rows: Mask | None = None,
    ) -> FloatArray:
        """The codes of the next cells, shape (m,), given the codes of the cells before them.

        **Parameters:**

        * **uniforms**: random numbers from 0 to 1, shape (m, `N_UNIFORMS`).
        * **rows**: which of the rows in ``codes`` get a cell; all by default.
        """
        density = self._densities[name]
        if name not in self.parent:
            return density.draw(uniforms)
        parent = self.parent[name].name
        before = codes[parent] if rows is None else codes[parent][rows]  # (m,)
        unique, which = np.unique(before, return_inverse=True)
        return density.draw(uniforms, self._weights(name, {parent: unique}), which)

    def _weights(self, name: str, codes: dict[str, FloatArray]) -> FloatArray | None:
        """Weights of the real rows for the next cells, shape (m, n); None: all alike."""
        if name not in self.parent:
            return None
        parent = self.parent[name]
        return _row_weights(self._densities[parent.name].kernel(codes[parent.name]), parent.weight)

    def _mixture_weight(self, codes: dict[str, FloatArray], name: str, parent: str) -> float:
        """The weight of a dependence with the highest likelihood, on real rows left out one by one.

        Expectation maximisation: the weight is the mean posterior probability that a cell came from
        the conditional distribution and not from the marginal one.

        **Parameters:**

        * **codes**: of the real rows, (n,) by column.
        """
        n = len(codes[name])
        weights = np.full((2, n, n), 1 / (n - 1))
        weights[1] = self._densities[parent].kernel(codes[parent])
        weights[:, np.arange(n), np.arange(n)] = 0  # no row explains itself
        weights[1] = _row_weights(weights[1], 1)
        marginal, conditional = self._densities[name].probability(codes[name], weights)  # (n,)
        weight = 0.5
        for _ in range(N_EM_STEPS):
            mixture = weight * conditional + (1 - weight) * marginal  # (n,)
            posterior = weight * conditional / mixture  # (n,)
            weight = float(posterior.sum() / (n + _PRIOR_ROWS))
        return weight


def by_column(uniforms: FloatArray) -> FloatArray:
    """The random numbers of rows (m, columns * `N_UNIFORMS`) by column, (columns, m, ...)."""
    n_columns = uniforms.shape[1] // N_UNIFORMS
    return uniforms.reshape(len(uniforms), n_columns, N_UNIFORMS).swapaxes(0, 1)


def _at_most(real: pd.DataFrame, n_rows: int, seed: int) -> pd.DataFrame:
    """A random sample of the rows, in their order; all of them where there are no more."""
    if len(real) <= n_rows:
        return real
    sample = generator(seed, Stream.TREE_ROWS).permutation(len(real))[:n_rows]
    return real.iloc[np.sort(sample)]


def _row_weights(kernel: FloatArray, mixture_weight: float) -> FloatArray:
    """Weights of the real rows, shape (m, n), with sum 1 over the rows.

    A share ``mixture_weight`` is in proportion to the kernel (m, n), the rest is equal for all
    rows.
    """
    n = kernel.shape[1]
    total = kernel.sum(axis=1, keepdims=True)  # (m, 1)
    near = total > 0  # else all rows are alike
    equal = np.where(near, 1 - mixture_weight, 1) / n  # (m, 1)
    return equal + np.where(near, mixture_weight / np.where(near, total, 1), 0) * kernel
