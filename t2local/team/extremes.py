"""The lowest and the highest number of a column: of few patients, they are not written again."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from t2local.settings import TableSettings
from t2local.stats.arrays import FloatArray
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.tables.disclosure import is_open, min_count, rounding_unit
from t2local.team.rows import Record


class Extreme(NamedTuple):
    """A number of few patients at one end of a column.

    * ``sign``: 1 for the highest, -1 for the lowest.
    * ``grid``: the step between numbers of the column; ``n_steps``: by how many of them one is
      moved at most; ``decimals``: of the column.
    """

    column: str
    value: float
    sign: int
    grid: float
    n_steps: int
    decimals: int


def extremes(
    dictionary: FeatureDictionary,
    real: pd.DataFrame,
    settings: TableSettings,
    given: Collection[str],
) -> list[Extreme]:
    """Both ends of the numbers of few real rows (n, d), but of ``given`` columns."""
    least = min_count(settings.min_count, len(real))
    return [
        extreme
        for feature in dictionary.features
        if feature.numeric and feature.name not in given
        for extreme in _ends(feature, real[feature.name].dropna().to_numpy(np.float64), least)
    ]


def moved(row: Record, ends: Sequence[Extreme], rng: np.random.Generator) -> Record:
    """A row whose extremes are moved inwards, by up to a fiftieth of the span of their column."""
    inside = {
        end.column: round(
            end.value - end.sign * end.grid * int(rng.integers(1, end.n_steps, endpoint=True)),
            end.decimals,
        )
        for end in ends
        if row.get(end.column) == end.value
    }
    return {**row, **inside}


def moved_labels(
    labels: pd.Series, target: Feature, ends: Sequence[Extreme], rng: np.random.Generator
) -> pd.Series:
    """Labels (m,), of which numbers that are extremes of the target are moved as in `moved`."""
    own = [end for end in ends if end.column == target.name]
    if not own:
        return labels
    moved_rows = [moved({target.name: label}, own, rng) for label in labels]
    return pd.Series([row[target.name] for row in moved_rows], labels.index, dtype=np.float64)


def _ends(feature: Feature, numbers: FloatArray, least: int) -> Iterator[Extreme]:
    if len(np.unique(numbers)) < 2:  # nowhere to move to
        return
    steps = np.round(numbers * 10.0**feature.decimals).astype(np.int64)
    grid = float(np.gcd.reduce(steps - steps.min())) / 10.0**feature.decimals
    n_steps = max(1, int(rounding_unit(float(numbers.max() - numbers.min())) / grid))
    for sign, value in ((-1, float(numbers.min())), (1, float(numbers.max()))):
        if not is_open(numbers, value, least):
            yield Extreme(feature.name, value, sign, grid, n_steps, feature.decimals)
