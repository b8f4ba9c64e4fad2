"""The model of the columns: each cell from a Gaussian copula or a Chow-Liu tree.

The copula follows all cells before a cell, by monotone relations alone; the tree follows one, by
any relation. The weight of each in a column is fitted on real rows that neither has seen, and so is
the penalty of the copula.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.stats.columns import Column
from t2local.stats.densities import N_UNIFORMS, ChowLiuTree, by_column
from t2local.stats.folds import stratified_folds
from t2local.stats.gaussian_copula import GaussianCopula
from t2local.stats.margins import Margins
from t2local.stats.mixture_weights import mixture, mixture_weights
from t2local.stats.streams import Stream, generator

#: Rows against any dependence. With 3 a table of 30 rows follows its correlations to nine tenths,
#: with 100 to a quarter: all were the best somewhere (five tables, 30 to 300 rows).
PENALTIES = (3.0, 10.0, 30.0, 100.0)
_N_FOLDS = 5
#: At most so many rows decide: weights hardly change beyond, and the tree's cost grows with their
#: square.
_MAX_HELD_OUT = 500


class ColumnMixture:
    """The columns of a table, each given those before it, by copula and tree.

    **Parameters:**

    * **columns**: in the order in which one may depend on others; **real**: frame of values (n, d)
      with at least one row.
    """

    def __init__(self, columns: Sequence[Column], real: pd.DataFrame, seed: int) -> None:
        held_out = _HeldOut(columns, real, seed)
        #: Of the copula, by column; the rest is the tree's.
        self.weights = mixture_weights(held_out.copula, held_out.tree)
        self.penalty = held_out.penalty
        self.tree = ChowLiuTree(columns, real, seed)
        self.copula = GaussianCopula(columns, real, self.penalty)
        self.n_uniforms = N_UNIFORMS * len(columns)

    def log_probability(self, values: pd.DataFrame) -> pd.DataFrame:
        """Log-probability of each cell, given the cells before it; shape (m, columns)."""
        copula = self.copula.log_probability(values)
        return mixture(copula, self.tree.log_probability(values), self.weights)

    def rows(self, uniforms: FloatArray) -> pd.DataFrame:
        """New rows as a frame of values (m, columns), drawn column by column.

        Each cell follows those before it, whoever gave them. A row depends on its own random
        numbers alone.

        **Parameters:**

        * **uniforms**: random numbers from 0 to 1, shape (m, ``n_uniforms``).
        """
        codes: dict[str, FloatArray] = {}
        predictors = np.zeros((len(uniforms), 0))
        for (name, column), own in zip(
            self.copula.columns.items(), by_column(uniforms), strict=True
        ):
            cells = column.draw(predictors, own)
            by_tree = own[:, 0] >= self.weights[name]  # (m,)
            cells[by_tree] = self.tree.draw(name, codes, own[by_tree], by_tree)
            codes[name] = cells
            predictors = np.hstack([predictors, column.margin.predictors(cells)])
        margins = self.copula.margins.columns
        return pd.DataFrame({name: margins[name].density.decode(codes[name]) for name in codes})


class _HeldOut:
    """Log-probabilities of real rows under models of other real rows, frames (m, columns).

    The copula is that of the penalty with the highest likelihood.
    """

    def __init__(self, columns: Sequence[Column], real: pd.DataFrame, seed: int) -> None:
        rng = generator(seed, Stream.COLUMN_MIXTURE_FOLDS)
        real = real.iloc[rng.permutation(len(real))[:_MAX_HELD_OUT]]
        folds = stratified_folds(np.zeros(len(real)), _N_FOLDS, rng)
        trees: list[pd.DataFrame] = []
        copulas: dict[float, list[pd.DataFrame]] = {penalty: [] for penalty in PENALTIES}
        for fold in np.unique(folds).tolist():
            # A single row is all that there is to know of it.
            others = real[folds != fold] if len(real) > 1 else real
            own = real[folds == fold]
            trees.append(ChowLiuTree(columns, others, seed).log_probability(own))
            margins = Margins(columns, others)
            scaled = margins.scaled(own)
            for penalty in PENALTIES:
                copula = GaussianCopula(columns, others, penalty, margins)
                copulas[penalty].append(copula.log_probability_of(scaled))
        by_penalty = {penalty: pd.concat(parts) for penalty, parts in copulas.items()}
        self.penalty = max(PENALTIES, key=lambda p: float(by_penalty[p].to_numpy().sum()))
        self.copula = by_penalty[self.penalty]
        self.tree = pd.concat(trees)
