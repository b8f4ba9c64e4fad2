"""The model of the columns: each cell from a Gaussian copula or a Chow-Liu tree.

The copula follows all cells before a cell, by monotone relations alone; the tree follows one, by
any relation. The weight of each in a column is fitted on real rows that neither has seen, and so is
the penalty of the copula.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, Mask
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


#: Draws of a cell under its constraints, and of a whole row; then it stays, and stage 1 decides.
_CELL_DRAWS, _ROW_DRAWS = 20, 10
#: How far a random number moves, modulo 1, for the next draw of a cell: the square roots of 2, 3, 5
#: and 7, so that all places are reached evenly; and for that of a row, the golden ratio (Cranley
#: and Patterson 1976, doi 10.1137/0713071, for the idea).
_CELL_SHIFT = np.sqrt([2.0, 3.0, 5.0, 7.0]) % 1
_ROW_SHIFT = (np.sqrt(5.0) - 1) / 2


class Constraints(Protocol):
    """What the cells of rows have to keep; each constraint is completed by one column."""

    def completed_by(self, name: str) -> bool:
        """Whether a column completes any."""

    def computed(self, name: str, rows: pd.DataFrame) -> FloatArray:
        """The cells of a column that follow from those before it, shape (m,); NaN where none."""

    def kept(self, name: str, rows: pd.DataFrame) -> Mask:
        """Which rows keep the constraints that their cell of a column completes, shape (m,)."""


class Limits(NamedTuple):
    """What was asked for of some cells of m rows: the lowest and the highest value of each.

    Frames of values (m, columns asked for); of a level both are this level.
    """

    lowest: pd.DataFrame
    highest: pd.DataFrame

    def of(self, rows: Mask) -> "Limits":
        """Those of some of the rows."""
        return Limits(self.lowest[rows], self.highest[rows])


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

    def rows(
        self,
        uniforms: FloatArray,
        constraints: Constraints | None = None,
        limits: Limits | None = None,
    ) -> pd.DataFrame:
        """New rows as a frame of values (m, columns), drawn column by column.

        Each cell follows those before it, whoever gave them. A row depends on its own random
        numbers alone. Cells that break a constraint are drawn again, and where that does not help
        the whole row is.

        **Parameters:**

        * **uniforms**: random numbers from 0 to 1, shape (m, ``n_uniforms``).
        * **limits**: of columns that come before all others; the copula alone draws these.
        """
        drawn = _Rows(self, uniforms, constraints, limits)
        for attempt in range(1, _ROW_DRAWS):
            broken = ~drawn.kept
            if not broken.any():
                break
            shifted = (uniforms[broken] + attempt * _ROW_SHIFT) % 1
            own = None if limits is None else limits.of(broken)
            drawn.replace(broken, _Rows(self, shifted, constraints, own))
        return pd.DataFrame(
            {name: self.decoded(name, codes) for name, codes in drawn.codes.items()}
        )

    def decoded(self, name: str, codes: FloatArray) -> Any:
        """The cells of codes (m,) of a column: numbers with NaN, or levels with None."""
        return self.copula.margins.columns[name].density.decode(codes)


class _Rows:
    """New rows, drawn column by column; ``kept`` says which keep all constraints, shape (m,)."""

    def __init__(
        self,
        model: ColumnMixture,
        uniforms: FloatArray,
        constraints: Constraints | None,
        limits: Limits | None,
    ) -> None:
        self._model = model
        self._limits = _codes(model, limits) if limits else {}
        self._predictors = np.zeros((len(uniforms), 0))
        self._values = pd.DataFrame(index=range(len(uniforms)))
        self.codes: dict[str, FloatArray] = {}
        self.kept = np.ones(len(uniforms), dtype=np.bool_)
        for name, own in zip(model.copula.columns, by_column(uniforms), strict=True):
            codes = self._draw(name, own, np.ones(len(own), dtype=np.bool_))
            if constraints is not None:
                self._values[name] = model.decoded(name, codes)
                if constraints.completed_by(name):
                    self._constrain(name, codes, own, constraints)
            self.codes[name] = codes
            columns = model.copula.columns[name].margin.predictors(codes)
            self._predictors = np.hstack([self._predictors, columns])

    def replace(self, places: Mask, others: "_Rows") -> None:
        """Put other rows in the places of some of these."""
        for name, codes in others.codes.items():
            self.codes[name][places] = codes
        self.kept[places] = others.kept

    def _draw(self, name: str, uniforms: FloatArray, places: Mask) -> FloatArray:
        """Codes of a column for the rows of some places, by the copula or the tree."""
        column = self._model.copula.columns[name]
        if name in self._limits:
            lowest, highest = self._limits[name][:, places]
            return column.draw_within(self._predictors[places], uniforms, lowest, highest)
        codes = column.draw(self._predictors[places], uniforms)
        by_tree = uniforms[:, 0] >= self._model.weights[name]
        places = places.copy()
        places[places] = by_tree
        codes[by_tree] = self._model.tree.draw(name, self.codes, uniforms[by_tree], places)
        return codes

    def _constrain(
        self, name: str, codes: FloatArray, uniforms: FloatArray, constraints: Constraints
    ) -> None:
        """Compute the codes (m,) of a column, or draw them again, until constraints are kept."""
        broken = np.ones(len(codes), dtype=np.bool_)
        fixed = np.zeros(len(codes), dtype=np.bool_)
        for attempt in range(_CELL_DRAWS):
            places = broken & ~fixed
            if not places.any():
                break
            if attempt:
                shifted = (uniforms[places] + attempt * _CELL_SHIFT) % 1
                codes[places] = self._draw(name, shifted, places)
            rows = self._values[places].assign(**{name: self._model.decoded(name, codes[places])})
            numbers = constraints.computed(name, rows)
            fixed[places] = ~np.isnan(numbers)
            rows[name] = rows[name].where(np.isnan(numbers), numbers)
            codes[places] = self._model.copula.margins.columns[name].density.encode(rows[name])
            broken[places] = ~constraints.kept(name, rows)
        self._values[name] = self._model.decoded(name, codes)
        self.kept &= ~broken


def _codes(model: ColumnMixture, limits: Limits) -> dict[str, FloatArray]:
    """Limits as codes, the lowest and the highest of each row; shape (2, m) by column."""
    columns = model.copula.margins.columns
    return {
        name: np.array([columns[name].density.encode(cells[name]) for cells in limits])
        for name in map(str, limits.lowest)
    }


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
