"""The ensemble that gives labels, as a model of its own with scikit-learn's interface.

Who wants predictions and no rows is served best by it: rows carry what it knows to other models,
and lose some on the way (docs/method.md, "Effects"). It lives in memory; no file is written.
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from t2local.run.inputs import TableSource
from t2local.stats.arrays import FloatArray
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels, fit_ensemble, predict_ensemble
from t2local.tables.check import check_cells, check_labels
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import Table, cells_of, from_frame
from t2local.tables.reading import read_table


class _EnsembleModel(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What classifier and regressor share: cells to values, and the fit.

    **Parameters:**

    * **dictionary**: what the columns are; its effects are used.
    """

    def __init__(self, dictionary: FeatureDictionary, seed: int = 1) -> None:
        self.dictionary = dictionary
        self.seed = seed

    def fit(
        self,
        X: TableSource,  # noqa: N803 -- scikit-learn's name
        y: Any,
        sample_weight: FloatArray | None = None,
    ) -> Self:
        """Fit on rows.

        **Parameters:**

        * **X**: a DataFrame, or the path of a table, with the columns of the dictionary as they
          are in the input, blanks too; other columns are passed over.
        * **y**: their labels, (n,); **sample_weight**: how much each row counts, (n,).

        **Raises** `InputError` for columns that are not there and cells that cannot be read.
        """
        target = self.dictionary.target_feature
        table = _table(X)
        labels = cells_of(pd.DataFrame({target.name: np.asarray(y)}))
        check_cells([target], labels, table.lines, "y")
        check_labels(target.values(labels[target.name]), table.lines, "y")
        values = self._values(table)
        values[target.name] = target.values(labels[target.name])
        return self.fit_values(values, sample_weight)

    def fit_values(self, values: pd.DataFrame, sample_weight: FloatArray | None = None) -> Self:
        """Fit on rows that are values already (n, d), with their labels."""
        target = self.dictionary.target_feature
        self._encoder = Encoder(self.dictionary.input_features, values)
        self._models = fit_ensemble(
            self._encoder.transform(values),
            encode_labels(values[target.name], target),
            target,
            self.seed,
            weights=sample_weight,
            effects=self._encoder.effects,
        )
        self.n_features_in_ = len(self.dictionary.inputs)
        return self

    def _predictions(self, rows: TableSource) -> FloatArray:
        """Log-probabilities (m, levels), or numbers (m, 1)."""
        x = self._encoder.transform(self._values(_table(rows)))
        return predict_ensemble(self._models, x, self.dictionary.target_feature)

    def _values(self, table: Table) -> pd.DataFrame:
        """The features without the target as values, (m, d - 1)."""
        features = self.dictionary.input_features
        check_cells(features, table.cells, table.lines, table.source)
        return pd.DataFrame({f.name: f.values(table.cells[f.name]) for f in features})


class EnsembleClassifier(ClassifierMixin, _EnsembleModel):  # type: ignore[misc]  # as above
    """Predicts classes.

    * ``classes_``: the labels that training rows have, sorted, with the types of the input.
    """

    def fit_values(self, values: pd.DataFrame, sample_weight: FloatArray | None = None) -> Self:
        """As for all ensembles, with ``classes_``."""
        target = self.dictionary.target_feature
        present = [level for level in target.levels if (values[target.name] == level).any()]
        labels = target.native(pd.Series(present, dtype=object)).to_numpy()
        order = np.argsort(labels)
        self.classes_ = labels[order]
        self._places = [target.levels.index(present[place]) for place in order]
        return super().fit_values(values, sample_weight)

    def predict_proba(self, X: TableSource) -> FloatArray:  # noqa: N803 -- scikit-learn's name
        """Probabilities of ``classes_``, shape (m, classes)."""
        p = np.exp(self._predictions(X)[:, self._places])
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X: TableSource) -> Any:  # noqa: N803
        """The likeliest class of each row, (m,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class EnsembleRegressor(RegressorMixin, _EnsembleModel):  # type: ignore[misc]  # as above
    """Predicts numbers."""

    def predict(self, X: TableSource) -> Any:  # noqa: N803
        """The number of each row, (m,); a date or a duration where the target is one."""
        target = self.dictionary.target_feature
        numbers = self._predictions(X)[:, 0]
        if not target.written_as_text:
            return numbers
        return target.native(pd.Series(np.round(numbers))).to_numpy()


Predictor = EnsembleClassifier | EnsembleRegressor


def predictor_of(dictionary: FeatureDictionary, values: pd.DataFrame, seed: int) -> Predictor:
    """The ensemble of a run, fitted on all its real rows (values, shape (n, d))."""
    if dictionary.classification:
        return EnsembleClassifier(dictionary, seed).fit_values(values)
    return EnsembleRegressor(dictionary, seed).fit_values(values)


def _table(rows: TableSource) -> Table:
    """One row or more, as cells."""
    if isinstance(rows, pd.DataFrame):
        return from_frame(rows, fewest=1)
    return read_table(rows, fewest=1)
