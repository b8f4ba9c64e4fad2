"""A model that knows a table: what a perfect language model would be, with a dose of knowledge.

It has seen many rows of a table, the population, where the team has a few others. It scores rows
and writes them as the team does, cell by cell in an order of the columns, and predicts labels. Its
knowledge can be diluted: with dose d a cell or a label has the probability
d p_oracle + (1 - d) p_blind, where the blind model knows the marginal distribution of each column
and the shares of the labels in the population. Rows are scored so cell by cell, but written whole:
one with probability d by the oracle, else by the blind model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bench.knowledge.column_model import ColumnModel
from bench.knowledge.label_model import LabelModel
from t2local.stats.arrays import FloatArray
from t2local.stats.densities import ColumnDensity
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.rows import Value
from t2local.team.scoring import RowScores

#: Rows that are weighed at a time: 500 x 2,000 weights are 8 MB.
_N_AT_ONCE = 500


@dataclass(frozen=True)
class WrittenRows:
    """Rows without labels, and what the oracle says of their labels.

    **Parameters:**

    * **rows**: frame of values (m, inputs); **label_log_probabilities**: frame (m, levels), or
      numbers (m, 1).
    """

    rows: pd.DataFrame
    label_log_probabilities: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Oracle:
    """The fitted parts, shared by the views of every dose.

    **Parameters:**

    * **columns**: the models of the inputs, in the order of writing; **encoders**: of each.
    * **blind_label**: log-shares of the levels in the population (levels,), or the mean (1,).
    * **dose**: 0 (knows the marginal distributions) to 1 (knows the population).
    """

    dictionary: FeatureDictionary
    columns: Mapping[str, ColumnModel]
    encoders: Mapping[str, Encoder]
    label_encoder: Encoder
    label_model: LabelModel
    blind_label: FloatArray
    dose: float = 1.0

    @classmethod
    def fit(
        cls,
        population: pd.DataFrame,
        dictionary: FeatureDictionary,
        order: Sequence[str],
        seed: int,
    ) -> "Oracle":
        """Learn a population.

        **Parameters:**

        * **population**: frame of values (n, d); **order**: all inputs, as they are written.
        """
        columns, encoders = {}, {}
        x = np.zeros((len(population), 0))  # the columns before, (n, w)
        for number, name in enumerate(order):
            feature = dictionary[name]
            density = ColumnDensity(feature, population[name])
            codes = density.encode(population[name])
            columns[name] = ColumnModel(feature, density, codes, x, seed, number)
            encoders[name] = Encoder((feature,), population)
            x = np.hstack([x, encoders[name].transform(population)])
        target = dictionary[dictionary.target]
        labels = encode_labels(population[target.name], target)  # (n,)
        encoder = Encoder(dictionary.input_features, population)
        model = LabelModel.fit(encoder.transform(population), labels, target, seed)
        blind = np.array([labels.mean()])
        if target.levels:
            counts = np.bincount(labels.astype(np.intp), minlength=len(target.levels))
            blind = np.log((counts + 0.5) / (counts + 0.5).sum())
        return cls(dictionary, columns, encoders, encoder, model, blind)

    def with_dose(self, dose: float) -> "Oracle":
        """This oracle with its knowledge diluted; the fitted parts are shared.

        **Raises** `ValueError` for a dose outside 0 to 1.
        """
        if not 0 <= dose <= 1:
            raise ValueError(f"a dose is 0 to 1, not {dose}")
        return replace(self, dose=dose)

    def labels(self, rows: pd.DataFrame) -> FloatArray:
        """Log-probabilities of the levels, shape (m, levels), or numbers, shape (m, 1)."""
        predictions = self.label_model.predict(self.label_encoder.transform(rows))
        if self.dictionary[self.dictionary.target].numeric:
            return self.dose * predictions + (1 - self.dose) * self.blind_label
        return self._diluted(predictions, self.blind_label)

    def cells(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Log-probability of each cell given the cells before it, shape (m, inputs)."""
        parts = [rows.iloc[i : i + _N_AT_ONCE] for i in range(0, len(rows), _N_AT_ONCE)]
        scored = [self._cells(part) for part in parts]
        # A frame of no rows has its columns all the same.
        empty = pd.DataFrame(columns=self.dictionary.inputs, dtype=np.float64)
        return pd.concat(scored)[self.dictionary.inputs] if scored else empty

    def score(self, rows: pd.DataFrame) -> RowScores:
        """Cells and labels as `t2local.team.scoring.RowScorer` gives them."""
        return RowScores(self.cells(rows), self._label_frame(rows))

    def write(
        self,
        n_rows: int,
        rng: np.random.Generator,
        given: Sequence[Mapping[str, Value]] | None = None,
    ) -> pd.DataFrame:
        """New rows without labels, as values of shape (n_rows, inputs).

        With a dose, each whole row is the oracle's with this probability, else all of its cells are
        drawn from the marginal distributions.

        **Parameters:**

        * **given**: of each row the cells that are taken as they are; none: no cell is given.

        **Raises** `ValueError` where ``given`` is of another number of rows.
        """
        given = given or [{}] * n_rows
        if len(given) != n_rows:
            raise ValueError(f"cells are given of {len(given)} rows, not of {n_rows}")
        parts = [given[i : i + _N_AT_ONCE] for i in range(0, n_rows, _N_AT_ONCE)]
        frame = pd.concat([self._write(part, rng) for part in parts], ignore_index=True)
        return frame[self.dictionary.inputs]

    def written(
        self,
        n_rows: int,
        rng: np.random.Generator,
        given: Sequence[Mapping[str, Value]] | None = None,
    ) -> WrittenRows:
        """New rows by `write` with the prediction of their labels."""
        rows = self.write(n_rows, rng, given)
        return WrittenRows(rows, self._label_frame(rows))

    def _label_frame(self, rows: pd.DataFrame) -> pd.DataFrame:
        target = self.dictionary[self.dictionary.target]
        names = list(target.levels) or [target.name]
        return pd.DataFrame(self.labels(rows), index=rows.index, columns=names)

    def _cells(self, rows: pd.DataFrame) -> pd.DataFrame:
        x = np.zeros((len(rows), 0))  # the columns before, (m, w)
        scored = {}
        for name, model in self.columns.items():
            codes = model.density.encode(rows[name])  # (m,)
            log_p = np.log(model.density.probability(codes, model.weights(x)))  # (m,)
            log_blind = np.log(model.density.probability(codes))  # (m,)
            scored[name] = self._diluted(log_p, log_blind)
            x = np.hstack([x, self.encoders[name].transform(rows)])
        return pd.DataFrame(scored, index=rows.index)

    def _write(
        self, given: Sequence[Mapping[str, Value]], rng: np.random.Generator
    ) -> pd.DataFrame:
        blind = rng.random(len(given)) >= self.dose  # (m,)
        x = np.zeros((len(given), 0))  # the columns before, (m, w)
        rows = pd.DataFrame(index=range(len(given)))
        for name, model in self.columns.items():
            weights = model.weights(x)  # (m, n)
            weights[blind] = 1 / weights.shape[1]
            drawn = model.density.decode(model.draw(weights, rng)).tolist()
            values = [row.get(name, value) for row, value in zip(given, drawn, strict=True)]
            rows[name] = self.dictionary[name].values(pd.Series(values, dtype=object))
            x = np.hstack([x, self.encoders[name].transform(rows)])
        return rows

    def _diluted(self, knowing: FloatArray, blind: FloatArray) -> FloatArray:
        """The log of dose exp(knowing) + (1 - dose) exp(blind), of their shape."""
        with np.errstate(divide="ignore"):  # the logarithm of a share of 0 is -inf, as it should
            return np.logaddexp(np.log(self.dose) + knowing, np.log1p(-self.dose) + blind)
