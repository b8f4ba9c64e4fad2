"""Which synthetic rows are copies of one real row, or too near to one (docs/privacy.md).

Of each row the distance to the nearest real row is divided by that to the second nearest. A row
between many real ones has a ratio near 1, whatever the density there; a copy has 0. Real rows are
looked at in the same way, held-out ones or each among the others: that is what chance makes.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from t2local.evaluate.table_pair import TablePair
from t2local.stats.arrays import FloatArray, Mask
from t2local.stats.streams import Stream, generator

#: Real rows that are looked at, a random sample of more: the time grows with their number.
_MOST_REAL = 5000
#: Real rows that say what chance makes: as many as tell shares of 0.1 %.
_MOST_REFERENCE = 1000
#: Rounding errors of a distance that is 0.
_ROUNDING = 1e-9
#: A row that is changed a little: each number by this share of its range, or one level.
_CHANGE = 0.01
#: The probability with which a leak is to be found.
_POWER = 0.8


@dataclass(frozen=True)
class NearCopies:
    """Rows near a single real row. Rows are numbered from 1, as they stand in the synthetic table.

    * ``copies``: rows that are a real row in all columns. ``near``: rows nearer to one real row,
      compared with the next, than the ``reference_rows`` that say what chance makes: held-out
      rows, else real rows among the others. ``reference_copies`` of these equal a real row.
    * ``expected``: how many ``near`` chance makes. ``p_value``: the probability of so many, if
      synthetic rows are as new as these rows (a precedence test; exact with held-out rows).
    * ``smallest_leak``: how many leaked rows, changed a little, would be found with probability
      0.8 at the ``level`` of the test; none where so many would not be.
    """

    copies: tuple[int, ...]
    near: tuple[int, ...]
    reference_copies: int
    reference_rows: int
    expected: float
    p_value: float
    level: float
    smallest_leak: int | None


def near_copies(pair: TablePair, holdout: pd.DataFrame | None, level: float) -> NearCopies:
    """Look for them.

    **Parameters:**

    * **pair**: ten real rows or more. **holdout**: values of real rows that had no part in making
      the synthetic ones; with them the test is exact.
    """
    rng = generator(pair.seed, Stream.CHANGED_ROWS)
    real = pair.real.iloc[rng.permutation(len(pair.real))[:_MOST_REAL]].reset_index(drop=True)
    gower, step = pair.nearness, pair.nearness.half_step
    few = real.head(_MOST_REFERENCE)
    reference = _Reference.of_real_rows(gower.nearest(few, real, 3)[:, 1:], step)
    if holdout is not None:
        others = gower.nearest(holdout.head(_MOST_REFERENCE), real, 2)
        reference = _Reference.of_held_out_rows(others, step)
    nearest = gower.nearest(pair.synthetic, real, 2)  # (m, 2)
    near = _ratios(nearest, step) < reference.bound
    needed = reference.least_significant(len(near), level)
    share = float(
        (_ratios(gower.nearest(_changed(pair, few, rng), real, 2), step) < reference.bound).mean()
    )
    return NearCopies(
        copies=_numbers(nearest[:, 0] < _ROUNDING),
        near=_numbers(near),
        reference_copies=reference.n_copies,
        reference_rows=reference.n_rows,
        expected=len(near) * (reference.n_before + 1) / (reference.n_rows + 1),
        p_value=reference.p_value(int(near.sum()), len(near)),
        level=level,
        smallest_leak=_smallest_leak(needed, share, min(len(near), len(pair.real))),
    )


@dataclass(frozen=True)
class _Reference:
    """What chance makes: all but ``n_before`` of ``n_rows`` ratios are at least ``bound``."""

    bound: float
    n_rows: int
    n_before: int
    n_copies: int

    @classmethod
    def of_held_out_rows(cls, distances: FloatArray, step: float) -> "_Reference":
        """Held-out rows, by their distances to the two nearest real rows (n, 2)."""
        n_copies = int((distances[:, 0] < _ROUNDING).sum())
        n_before = min(_single_copies(distances), len(distances) - 1)
        bound = float(np.sort(_ratios(distances, step))[n_before])
        return cls(bound, len(distances), n_before, n_copies)

    @classmethod
    def of_real_rows(cls, distances: FloatArray, step: float) -> "_Reference":
        """Real rows, by their distances to the two nearest others (n, 2).

        Two rows that are each other's nearest are one piece of evidence: they have one distance.
        """
        own = cls.of_held_out_rows(distances, step)
        apart = distances[distances[:, 0] >= _ROUNDING, 0]
        n_pairs = _single_copies(distances) // 2
        n_rows = len(np.unique(apart.round(9))) + n_pairs
        return replace(own, n_rows=max(n_rows, n_pairs + 1), n_before=n_pairs)

    def p_value(self, count: int, n: int) -> float:
        """The probability that so many of n new rows or more are below the bound."""
        from scipy.stats import hypergeom

        return float(hypergeom.sf(count - 1, n + self.n_rows, n, count + self.n_before))

    def least_significant(self, n: int, level: float) -> int | None:
        """The fewest of n new rows below the bound that chance makes with at most this probability.

        None where not even all of them would do.
        """
        counts = range(n + 1)  # the more there are, the less likely
        fewest = bisect_left(counts, True, key=lambda count: self.p_value(count, n) <= level)
        return fewest if fewest <= n else None


def _single_copies(distances: FloatArray) -> int:
    """How many rows are equal to exactly one real row."""
    return int(((distances[:, 0] < _ROUNDING) & (distances[:, 1] >= _ROUNDING)).sum())


def _ratios(distances: FloatArray, step: float) -> FloatArray:
    """Nearest over second nearest; 1 where two real rows are equally near."""
    return (distances[:, 0] + step) / (distances[:, 1] + step)


def _numbers(rows: Mask) -> tuple[int, ...]:
    return tuple((np.flatnonzero(rows) + 1).tolist())


def _changed(pair: TablePair, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Real rows as somebody would leak them who wants to hide it: each number moved a little."""
    changed = rows.copy()
    numbers = [feature for feature in pair.dictionary.features if feature.numeric]
    for feature in numbers:
        cells = rows[feature.name].to_numpy(dtype=np.float64, na_value=np.nan)
        present = cells[~np.isnan(cells)]
        width = float(np.ptp(present)) if len(present) else 0.0
        noise = rng.normal(0, _CHANGE * width, len(rows))
        changed[feature.name] = np.round(cells + noise, feature.decimals)
    if not numbers:
        column = pair.dictionary.features[int(rng.integers(len(pair.columns)))]
        changed[column.name] = rng.choice(np.array(column.levels, dtype=object), len(rows))
    return changed


def _smallest_leak(needed: int | None, share: float, most: int) -> int | None:
    """The fewest leaked rows of which enough are near with the wanted probability.

    **Parameters:**

    * **needed**: so many near rows are too many; none: no number is.
    """
    if needed is None:
        return None
    from scipy.stats import binom

    leaks = np.arange(1, most + 1)
    powerful = binom.sf(needed - 1, leaks, share) >= _POWER
    return int(leaks[powerful.argmax()]) if powerful.any() else None
