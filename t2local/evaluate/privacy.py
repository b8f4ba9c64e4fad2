"""What synthetic rows give away of the real ones: copies, near copies, and how close they come.

None of these figures proves that rows are anonymous ("The DCR Delusion", arXiv 2505.01524). Each is shown beside a reference:
the same for real rows that nobody had seen, or for rows drawn at random.
"""

from typing import Any

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray
from t2local.stats.streams import Stream, generator
from t2local.tables.dictionary import FeatureDictionary

#: A number within this share of its real range is as good as the same.
_NEAR = 0.01
_CHUNK = 256


class Gower:
    """Gower's distance between rows: the mean over columns of the difference over the real range (at most 1), or of being another level.

    A missing cell is 0 from a missing cell and 1 from any other.

    **Parameters:**

    * **real**: frame of values (n, d) that gives the ranges; **names**: columns that count.
    """

    def __init__(self, known: FeatureDictionary, names: list[str], real: pd.DataFrame) -> None:
        self._known, self._names = known, names
        spans = {
            name: np.ptp(real[name].dropna().to_numpy(dtype=np.float64))
            for name in names
            if known[name].numeric and real[name].notna().any()
        }
        self._spans = {name: span or 1.0 for name, span in spans.items()}

    def nearest(
        self, rows: pd.DataFrame, among: pd.DataFrame, count: int = 1, *, others: bool = False
    ) -> FloatArray:
        """The distances (n, count) of each row to its nearest ones; ``others``: the row at the same place is not looked at."""
        columns = [self._pair(name, rows[name], among[name]) for name in self._names]
        found = np.full((len(rows), count), np.inf)
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            distances = np.mean(
                [_differences(one[part], other, numeric) for one, other, numeric in columns], axis=0
            )
            if others:
                distances[np.arange(len(distances)), np.arange(start, start + len(distances))] = (
                    np.inf
                )
            best = np.sort(
                np.partition(distances, min(count, distances.shape[1]) - 1, axis=1)[:, :count],
                axis=1,
            )
            found[part, : best.shape[1]] = best
        return found

    def _pair(self, name: str, one: pd.Series, other: pd.Series) -> tuple[Any, Any, bool]:
        if name in self._spans:
            numbers = [
                column.to_numpy(dtype=np.float64, na_value=np.nan) / self._spans[name]
                for column in (one, other)
            ]
            return numbers[0], numbers[1], True
        both = pd.concat([one, other], ignore_index=True)
        codes = np.unique(both.fillna("").astype(str).to_numpy(dtype=object), return_inverse=True)[
            1
        ]
        return codes[: len(one)], codes[len(one) :], False


def _differences(one: Any, other: Any, numeric: bool) -> FloatArray:
    if not numeric:
        return (one[:, None] != other[None, :]).astype(np.float64)
    gap = np.minimum(np.abs(one[:, None] - other[None, :]), 1.0)
    blank, blank_too = np.isnan(one)[:, None], np.isnan(other)[None, :]
    return np.where(blank & blank_too, 0.0, np.where(blank | blank_too, 1.0, gap))


def closeness(
    gower: Gower, real: pd.DataFrame, rows: pd.DataFrame, columns: int
) -> dict[str, float]:
    """How close rows come to real ones.

    * ``copies``, ``near copies``: shares of rows that are a real one, in all columns, or but for 1 % of the range in the mean.
    * ``distance``, ``distance, closest 5 %``: Gower's distance to the closest real row, median and 5 % quantile.
    * ``nearest over second``: the median of the distance to the closest over that to the second; near 0: one row stands out.
    * ``identifiable``: the share of real rows that are closer to one of these rows than to any other real row (ADS-GAN).
    """
    two = gower.nearest(rows, real, 2)
    to_rows, to_others = (
        gower.nearest(real, rows)[:, 0],
        gower.nearest(real, real, others=True)[:, 0],
    )
    return {
        "copies": float((two[:, 0] < 1e-9 / columns).mean()),
        "near copies": float((two[:, 0] <= _NEAR).mean()),
        "distance": float(np.median(two[:, 0])),
        "distance, closest 5 %": float(np.quantile(two[:, 0], 0.05)),
        "nearest over second": float(np.median((two[:, 0] + 1e-9) / (two[:, 1] + 1e-9)))
        if len(real) > 1
        else 1.0,
        "identifiable": float((to_rows < to_others).mean()),
    }


def random_rows(
    known: FeatureDictionary, names: list[str], real: pd.DataFrame, count: int, seed: int
) -> pd.DataFrame:
    """Rows drawn uniformly within the real ranges and levels, column by column: what knows nothing of the real rows but these."""
    rng, columns = generator(seed, Stream.UNIFORM_ROWS), {}
    for name in names:
        present = real[name].dropna()
        if not len(present):
            columns[name] = pd.Series([None] * count, dtype=object)
        elif known[name].numeric:
            numbers = present.to_numpy(dtype=np.float64)
            columns[name] = pd.Series(
                rng.uniform(numbers.min(), numbers.max(), count).round(known[name].decimals)
            )
        else:
            columns[name] = pd.Series(
                rng.choice(present.unique().astype(object), count), dtype=object
            )
    return pd.DataFrame(columns)
