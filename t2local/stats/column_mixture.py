"""The model of the columns: each cell from a Gaussian copula or a Chow-Liu tree.

The copula follows all cells before a cell, by monotone relations alone; the tree follows one, by
any relation. The weight of each in a column is fitted on real rows that neither has seen, and so is
the penalty of the copula.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, Mask
from t2local.stats.columns import Column
from t2local.stats.densities import ChowLiuTree
from t2local.stats.folds import stratified_folds
from t2local.stats.gaussian_copula import GaussianCopula, column_densities
from t2local.stats.mixture_weights import mixture, mixture_weights
from t2local.stats.streams import Stream, generator

#: Rows against any dependence. With 3 a table of 30 rows follows its correlations to nine tenths,
#: with 100 to a quarter: all were the best somewhere (five tables, 30 to 300 rows).
PENALTIES = (3.0, 10.0, 30.0, 100.0)
_N_FOLDS = 5
#: At most so many rows decide: weights hardly change beyond, and the tree's cost grows with their
#: square.
_MAX_HELD_OUT = 500
#: Draws of a cell under its constraints, and of a whole row; then it stays, and stage 1 decides.
_CELL_DRAWS, _ROW_DRAWS = 20, 10

Cell: TypeAlias = float | str | None


class Constraints(Protocol):
    """What the cells of rows have to keep; each constraint is completed by one column."""

    def completed_by(self, name: str) -> bool:
        """Whether a column completes any."""

    def computed(self, name: str, rows: pd.DataFrame) -> FloatArray:
        """The cells of a column that follow from those before it, shape (m,); NaN where none."""

    def kept(self, name: str, rows: pd.DataFrame) -> Mask:
        """Which rows keep the constraints that their last cell completes."""


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

    def log_probability(self, values: pd.DataFrame) -> pd.DataFrame:
        """Log-probability of each cell, given the cells before it; shape (m, columns)."""
        copula = self.copula.log_probability(values)
        return mixture(copula, self.tree.log_probability(values), self.weights)

    def row(
        self, rng: np.random.Generator, constraints: Constraints | None = None
    ) -> dict[str, Cell]:
        """A whole row, drawn cell by cell: each follows those before it, whoever gave them.

        A cell that breaks a constraint is drawn again, and where that does not help the row.
        """
        row: dict[str, Cell] = {}
        for _ in range(_ROW_DRAWS):
            kept = True
            codes: dict[str, FloatArray] = {}
            predictors = np.zeros((1, 0))
            for name, column in self.copula.columns.items():
                codes[name], own_kept = self._cell(name, predictors, codes, rng, constraints)
                kept &= own_kept
                predictors = np.hstack([predictors, column.predictors(codes[name])])
            if kept:
                break
        return self._decoded(codes)

    def _cell(
        self,
        name: str,
        predictors: FloatArray,
        codes: dict[str, FloatArray],
        rng: np.random.Generator,
        constraints: Constraints | None,
    ) -> tuple[FloatArray, bool]:
        """The code of a cell, shape (1,), and whether it keeps its constraints."""
        code = self._draw(name, predictors, codes, rng)
        if constraints is None or not constraints.completed_by(name):
            return code, True
        density = self.copula.columns[name].density
        for _ in range(_CELL_DRAWS):
            rows = pd.DataFrame(
                {each: pd.Series([cell]) for each, cell in self._decoded({**codes, name: code}).items()}
            )
            number = constraints.computed(name, rows)
            if not np.isnan(number[0]):
                rows[name] = number
                return density.encode(rows[name]), bool(constraints.kept(name, rows)[0])
            if constraints.kept(name, rows)[0]:
                return code, True
            code = self._draw(name, predictors, codes, rng)
        return code, False

    def _decoded(self, codes: dict[str, FloatArray]) -> dict[str, Cell]:
        columns = self.copula.columns
        return {name: columns[name].density.decode(code[0]) for name, code in codes.items()}

    def _draw(
        self,
        name: str,
        predictors: FloatArray,
        codes: dict[str, FloatArray],
        rng: np.random.Generator,
    ) -> FloatArray:
        """The code of a cell, shape (1,), by the copula or the tree."""
        if rng.random() < self.weights[name]:
            return self.copula.columns[name].draw(predictors, rng)
        return self.tree.draw(name, codes, rng)


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
            densities = column_densities(columns, others)
            for penalty in PENALTIES:
                copula = GaussianCopula(columns, others, penalty, densities)
                copulas[penalty].append(copula.log_probability(own))
        by_penalty = {penalty: pd.concat(parts) for penalty, parts in copulas.items()}
        self.penalty = max(PENALTIES, key=lambda p: float(by_penalty[p].to_numpy().sum()))
        self.copula = by_penalty[self.penalty]
        self.tree = pd.concat(trees)
