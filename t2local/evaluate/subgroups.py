"""The classes among parts of the other columns: was a subgroup lost, or made commoner or rarer?

A column is shown only where each of its parts has eleven real rows or more of each class, or none:
else a number of few patients would follow from the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.evaluate.marginals import Cut, band_width, shares
from t2local.evaluate.parts import Parts
from t2local.stats.arrays import FloatArray, IntArray
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.disclosure import MIN_ROWS

#: A number has a low, a middle and a high part here: a subgroup is to have many rows.
_MOST_PARTS = 3
#: Subgroups in a report: those that changed most.
_MOST_SUBGROUPS = 12
#: A subgroup without a kept row is lost where so many would be expected: chance leaves it empty in
#: less than 1 % of cases.
_EXPECTED_ROWS = 5
#: Lost subgroups that are told in sentences.
_MOST_TOLD = 2


@dataclass(frozen=True)
class Subgroup:
    """The rows of a class (``label``) with some ``values`` of a column, as shares of all rows.

    * ``rejected``: among the rejected rows; none where there are none.
    * ``low``, ``high``: the band of chance of the kept share (`t2local.evaluate.marginals.Part`).
    """

    column: str
    values: str
    label: str
    real: float
    kept: float
    rejected: float | None
    low: float
    high: float

    @property
    def change(self) -> float:
        """How far the kept share is from the real one, as a part of what chance explains."""
        band = max(self.high - self.real, self.real - self.low)
        return abs(self.kept - self.real) / band


@dataclass(frozen=True)
class _Table:
    """The codes of a column's parts and the classes together, for real, kept and rejected rows."""

    column: str
    values: tuple[str, ...]
    labels: tuple[str, ...]
    codes: tuple[IntArray, ...]

    def of_many_rows(self) -> bool:
        """Whether no number of few real rows can be read off."""
        counts = np.bincount(self.codes[0])
        return bool(((counts == 0) | (counts >= MIN_ROWS)).all())


def subgroups(
    real: pd.DataFrame,
    kept: pd.DataFrame,
    rejected: pd.DataFrame,
    dictionary: FeatureDictionary,
    weights: FloatArray,
) -> tuple[Subgroup, ...]:
    """The subgroups that changed most, the largest change first; none without classes.

    **Parameters:**

    * **real**, **kept**, **rejected**: frames of values, shapes (n, d), (m, d), (k, d).
    * **weights**: what each real row counts for, shape (n,).
    """
    if not dictionary.classification:
        return ()
    tables = list(_tables((real, kept, rejected), dictionary))
    width = band_width(sum(len(table.values) * len(table.labels) for table in tables))
    measured = [one for table in tables for one in _measured(table, weights, width)]
    measured.sort(key=lambda one: -one.change)
    return tuple(measured[:_MOST_SUBGROUPS])


def lost_subgroups(
    groups: Sequence[Subgroup], dictionary: FeatureDictionary, n_kept: int
) -> list[str]:
    """The subgroups that no kept row is of, where five or more would be expected; in sentences."""
    lost = [one for one in groups if not one.kept and one.real * n_kept >= _EXPECTED_ROWS]
    sentences = [
        f"No kept row has {dictionary.target} {one.label!r} with {one.column} {one.values!r}, "
        f"where {100 * one.real:.2g} % is to be expected."
        for one in lost[:_MOST_TOLD]
    ]
    if (more := len(lost) - _MOST_TOLD) > 0:
        sentences.append(f"The report has {more} more subgroups without a row.")
    return sentences


def _tables(frames: tuple[pd.DataFrame, ...], dictionary: FeatureDictionary) -> Iterator[_Table]:
    """The columns that can be shown."""
    target = dictionary.target_feature
    classes = Parts.of(target, frames[0][target.name])
    if not classes.labels:
        return
    for feature in dictionary.input_features:
        column = frames[0][feature.name]
        parts = Parts.of(feature, column).joined(column, _MOST_PARTS)
        if not parts.labels:
            continue
        codes = []
        for frame in frames:
            labels = classes.codes(frame[target.name])
            # Missing cells come last; a rejected row of another generator may have no class.
            own = parts.codes(frame[feature.name]) % (len(parts.labels) + 1)
            codes.append((own * len(classes.labels) + labels)[labels >= 0])
        table = _Table(feature.name, parts.labels, classes.labels, tuple(codes))
        if table.of_many_rows():
            yield table


def _measured(table: _Table, weights: FloatArray, width: float) -> Iterator[Subgroup]:
    """The subgroups of a column that some real rows are in."""
    pairs = [(part, label) for part in table.values for label in table.labels]
    real, kept, rejected = table.codes
    names = [*("" for _ in pairs), *("" for _ in table.labels)]
    parts = shares(Cut(names, real, kept), weights, width)
    others = np.bincount(rejected, minlength=len(names)) / max(1, len(rejected))
    for (values, label), part, share in zip(pairs, parts, others.tolist(), strict=False):
        if part.real:
            yield Subgroup(
                column=table.column,
                values=values,
                label=label,
                real=part.real,
                kept=part.kept,
                rejected=share if len(rejected) else None,
                low=part.low,
                high=part.high,
            )
