"""Two tables that are compared, in the forms in which metrics want them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from t2local.evaluate.gower import Distances, Gower
from t2local.stats.arrays import FloatArray
from t2local.stats.encoding import Encoder
from t2local.stats.ensemble import encode_labels
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import FeatureDictionary

#: Numbers with fewer values than this are coded by rank, as synthcity's encoder does.
_MIN_VALUES = 15

#: Models are trained on so many rows of a table at most: support vectors and boosted trees take
#: half a minute of a core for 2,000 rows of 10 columns, and with this a minute for 100,000.
MOST_LEARNED = 5000

#: Real rows first, synthetic rows second.
Matrices = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class TablePair:
    """Real rows and the rows that are held against them; both are frames of values.

    As a reference, other real rows stand for the synthetic ones. Every form is computed once, when
    a metric first asks for it.
    """

    dictionary: FeatureDictionary
    real: pd.DataFrame
    synthetic: pd.DataFrame
    seed: int

    @property
    def columns(self) -> list[str]:
        """The names of all columns, the target last."""
        return sorted(self.dictionary.names, key=lambda name: name == self.dictionary.target)

    @cached_property
    def learned(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The real and the synthetic rows that models are trained on: of very many a sample."""
        real, synthetic = (
            _sample(rows, generator(self.seed, Stream.EVALUATION_ROWS))
            for rows in (self.real, self.synthetic)
        )
        return real, synthetic

    @cached_property
    def rank_coded_inputs(self) -> Matrices:
        """By `rank_coded`, rows to learn without the target; shapes (n, d) and (m, d)."""
        real, synthetic = rank_coded(self.dictionary, self.dictionary.inputs, *self.learned)
        return real, synthetic

    @cached_property
    def rank_coded(self) -> Matrices:
        """By `rank_coded`, rows to learn in all columns; shapes (n, width) and (m, width)."""
        real, synthetic = rank_coded(self.dictionary, self.columns, *self.learned)
        return real, synthetic

    @cached_property
    def one_hot(self) -> Matrices:
        """Rows to learn: standardised numbers and one-hot levels, the label too; shapes (n, w) and
        (m, w).
        """
        encoder = Encoder(self.dictionary.input_features, self.learned[0])
        real, synthetic = (self._one_hot(encoder, rows) for rows in self.learned)
        return real, synthetic

    @cached_property
    def distances(self) -> Distances:
        """Gower's distances over all columns."""
        return Distances.between(self.gower, self.real, self.synthetic)

    @property
    def gower(self) -> Gower:
        """Gower's distance over all columns, with the real ranges."""
        return Gower(self.dictionary, self.columns, self.real)

    @cached_property
    def nearness(self) -> Gower:
        """The distance over all columns in which numbers count as much as levels."""
        return Gower.of_mean_differences(self.dictionary, self.columns, self.real)

    def _one_hot(self, encoder: Encoder, rows: pd.DataFrame) -> FloatArray:
        if self.dictionary.target is None:
            return encoder.transform(rows)
        target = self.dictionary.target_feature
        labels = encode_labels(rows[target.name], target)[:, None]  # (n, 1)
        if target.levels:
            labels = np.eye(len(target.levels))[labels[:, 0].astype(np.intp)]  # (n, levels)
        return np.hstack([encoder.transform(rows), labels])


def _sample(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The rows, or as many of them at random as models are trained on."""
    if len(rows) <= MOST_LEARNED:
        return rows
    places = np.sort(rng.choice(len(rows), MOST_LEARNED, replace=False))
    return rows.iloc[places].reset_index(drop=True)


def rank_coded(
    dictionary: FeatureDictionary, names: list[str], *frames: pd.DataFrame
) -> list[FloatArray]:
    """Frames of values as matrices (n, len(names)), the way synthcity encodes tables.

    Numbers stay as they are; levels, and numbers with few different values, become their rank over
    all frames. A missing number is the mean of the first frame; a missing level has a rank of its
    own, below all others.
    """
    columns = []
    for name in names:
        cells = pd.concat([frame[name] for frame in frames], ignore_index=True)
        if dictionary[name].numeric:
            columns.append(_numbers(cells, len(frames[0])))
        else:
            columns.append(_ranks(cells.fillna("").astype(str).to_numpy(dtype=object)))
    matrix = np.column_stack(columns).astype(np.float64)
    return np.split(matrix, np.cumsum([len(frame) for frame in frames])[:-1])


def _numbers(cells: pd.Series, n_first: int) -> FloatArray:
    """Numbers with missing ones filled in, or their ranks; ``n_first``: rows of the first frame."""
    numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    first = numbers[:n_first]
    present = first[~np.isnan(first)]
    mean = 0.0
    if len(present):
        mean = float(present.mean())
    numbers = np.where(np.isnan(numbers), mean, numbers)
    if len(np.unique(numbers)) < _MIN_VALUES:
        return _ranks(numbers)
    return numbers


def _ranks(cells: np.ndarray) -> FloatArray:
    """The rank of each cell among the different cells, 0, 1, ...; shape (n,)."""
    return np.unique(cells, return_inverse=True)[1].astype(np.float64)
