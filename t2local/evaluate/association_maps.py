"""How the columns hang together in real and in kept rows: two maps of all pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.stats.association import associations
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.disclosure import MIN_ROWS

#: A map of more columns cannot be read.
_MOST_COLUMNS = 40
#: Columns that are looked at: the time grows with the square of their number.
_MOST_MEASURED = 100


@dataclass(frozen=True)
class AssociationMaps:
    """The association of each pair of ``columns``, 0 to 1 (`t2local.stats.association`).

    ``real``, ``kept``: a line for each column but the first, with a number for each column before
    it. Of a table of more than 40 columns, those of the first hundred are shown that changed most.
    """

    columns: tuple[str, ...]
    real: tuple[tuple[float, ...], ...]
    kept: tuple[tuple[float, ...], ...]


def association_maps(
    real: pd.DataFrame, kept: pd.DataFrame, dictionary: FeatureDictionary
) -> AssociationMaps | None:
    """The maps of both tables, frames of values (n, d) and (m, d) with at least one row.

    None where fewer than eleven real rows are compared: how these go together tells of each.
    """
    if len(real) < MIN_ROWS:
        return None
    features = dictionary.features[:_MOST_MEASURED]
    both = [associations(frame, features) for frame in (real, kept)]
    change = np.abs(both[0] - both[1]).max(axis=0)  # (d,)
    shown = np.sort(np.argsort(-change, kind="stable")[:_MOST_COLUMNS])
    names = tuple(features[place].name for place in shown)
    first, second = (_lower(matrix[np.ix_(shown, shown)]) for matrix in both)
    return AssociationMaps(names, first, second)


def _lower(matrix: FloatArray) -> tuple[tuple[float, ...], ...]:
    """The numbers below the diagonal, to three decimals, row by row."""
    rounded: Sequence[Sequence[float]] = matrix.round(3).tolist()
    return tuple(tuple(row[:place]) for place, row in enumerate(rounded) if place)
