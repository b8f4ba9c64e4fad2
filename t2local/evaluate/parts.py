"""A column cut into parts that at least eleven real rows stand behind.

So what a report shows of a column names no value that few patients have. Of fewer than 22 rows no
column has parts.
"""

import itertools
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.columns import level_codes
from t2local.tables.dictionary import Feature
from t2local.tables.disclosure import MIN_ROWS, rounding_unit

#: More parts of a number show no more of its shape.
_MOST_PARTS = 8
#: Steps in days from which on parts of dates begin with a month or a year: nobody reads each 20th
#: day.
_MONTHS_FROM, _YEARS_FROM = 10, 200


@dataclass(frozen=True)
class Parts:
    """The parts of a column.

    * ``labels``: each in words, such as "54 to <61", "F", "4 other levels"; none where there would
      be one.
    * ``edges``: where the parts of a number begin, but for the first.
    * ``places``: the part of each level, and of a missing cell (-1) at the end.
    """

    feature: Feature
    labels: tuple[str, ...]
    edges: FloatArray
    places: IntArray

    @classmethod
    def of(cls, feature: Feature, real: pd.Series) -> Self:
        """The parts of a column of real values, shape (n,)."""
        if feature.numeric:
            numbers = real.to_numpy(np.float64, na_value=np.nan)
            return cls._of_numbers(feature, _round_edges(feature, numbers[~np.isnan(numbers)]))
        return cls._of_levels(feature, _counts(feature, real))

    @classmethod
    def _of_numbers(cls, feature: Feature, edges: FloatArray) -> Self:
        texts = [str(feature.plain(edge)) for edge in edges]
        if not texts:
            return cls(feature, (), edges, np.empty(0, dtype=np.intp))
        middle = [f"{low} to <{high}" for low, high in itertools.pairwise(texts)]
        labels = [f"<{texts[0]}", *middle, f"≥{texts[-1]}"]
        step = 10.0**-feature.decimals
        lowest, highest = feature.steps
        starts = np.array([lowest * step, *edges, (highest + 1) * step])
        for place in np.flatnonzero(np.diff(starts) < 1.5 * step):
            labels[place] = str(feature.plain(starts[place]))  # one number
        return cls(feature, tuple(labels), edges, np.empty(0, dtype=np.intp))

    @classmethod
    def _of_levels(cls, feature: Feature, counts: IntArray) -> Self:
        """Levels that eleven real rows have, then all others together."""
        shown = _shown_levels(counts)
        places = np.full(len(counts) + 1, len(shown))
        places[shown] = np.arange(len(shown))
        places[-1] = -1
        labels = [feature.levels[code] for code in shown]
        n_others = len(counts) - len(shown)
        if n_others:
            noun = "level" if n_others == 1 else "levels"
            labels.append(f"{n_others} other {noun}")
        if len(labels) < 2:
            labels = []
        return cls(feature, tuple(labels), np.empty(0), places)

    def codes(self, column: pd.Series) -> IntArray:
        """The part of each value, -1 for a missing cell; shape (n,)."""
        if not self.feature.numeric:
            return self.places[level_codes(self.feature, column)]
        numbers = column.to_numpy(np.float64, na_value=np.nan)
        codes = np.searchsorted(self.edges, numbers, side="right")
        return np.where(np.isnan(numbers), -1, codes)

    def joined(self, real: pd.Series, most: int) -> Self:
        """The parts of a number, neighbours joined until there are at most so many; of levels: all.

        The edges are some of those that were there: who has the counts of both learns no count of
        fewer rows.
        """
        if not self.feature.numeric or len(self.labels) <= most:
            return self
        counts = np.bincount(self.codes(real.dropna()), minlength=len(self.labels))
        middles = (counts.cumsum() - counts / 2) / counts.sum()  # of each part, 0 to 1
        groups = np.floor(most * middles)
        return self._of_numbers(self.feature, self.edges[np.diff(groups) > 0])


def _round_edges(feature: Feature, numbers: FloatArray) -> FloatArray:
    """Round numbers near the quantiles, with eleven rows or more between any two; (edges,)."""
    n_parts = min(_MOST_PARTS, len(numbers) // MIN_ROWS)
    if n_parts < 2:
        return np.empty(0)
    numbers = np.sort(numbers)
    cuts = np.quantile(numbers, np.linspace(0, 1, n_parts + 1)[1:-1])
    # Of where the middle 90 % lie, not of single patients at the ends.
    low, high = np.quantile(numbers, [0.05, 0.95])
    step = max(rounding_unit(float(high - low)), 10.0**-feature.decimals)
    edges: list[float] = []
    start = 0
    for edge in np.unique(_rounded(feature, cuts, step)):
        end = int(np.searchsorted(numbers, edge))
        if min(end - start, len(numbers) - end) >= MIN_ROWS:
            edges.append(float(np.round(edge, feature.decimals)))
            start = end
    return np.array(edges)


def _rounded(feature: Feature, cuts: FloatArray, step: float) -> FloatArray:
    """The nearest multiples of a step; of dates the first days of months or years."""
    if feature.type != "date" or step < _MONTHS_FROM:
        return np.round(cuts / step) * step
    unit, half = ("M", 15) if step < _YEARS_FROM else ("Y", 183)
    days = (cuts.round().astype(np.int64) + half).astype("datetime64[D]")
    return days.astype(f"datetime64[{unit}]").astype("datetime64[D]").astype(np.float64)


def _counts(feature: Feature, real: pd.Series) -> IntArray:
    """How many real rows each level has, shape (levels,)."""
    codes = level_codes(feature, real)
    return np.bincount(codes[codes >= 0], minlength=len(feature.levels))


def _shown_levels(counts: IntArray) -> IntArray:
    """The levels that eleven rows have or more.

    Where all others together have fewer, their number would follow from that of all rows: then the
    rarest shown level goes to them.
    """
    shown = np.flatnonzero(counts >= MIN_ROWS)
    n_others = int(counts.sum() - counts[shown].sum())
    if len(shown) < len(counts) and n_others < MIN_ROWS and len(shown):
        shown = shown[shown != shown[counts[shown].argmin()]]
    return shown
