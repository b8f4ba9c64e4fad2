"""Which synthetic rows are copies of one real row, or too near to one (docs/privacy.md).

Of each row the distance to the nearest real row is divided by that to the second nearest. A row
between many real ones has a ratio near 1, whatever the density there; a copy has 0. Real rows are
looked at in the same way, each among the others, and held-out ones too: they are what chance makes.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom, hypergeom

from t2local.evaluate.table_pair import TablePair
from t2local.stats.arrays import FloatArray, IntArray, Mask
from t2local.stats.streams import Stream, generator

#: Real rows that are looked at, a random sample of more: the time grows with their number.
_MOST_REAL = 5000
#: Real rows that say what chance makes: as many as tell shares of 0.1 %.
_MOST_REFERENCE = 1000
#: Rounding errors of a distance that is 0.
_ROUNDING = 1e-9
#: A row that is changed a little: each number by this share of its range, or one level.
_CHANGE = 0.02
#: The probability with which a leak is to be found.
_POWER = 0.8


@dataclass(frozen=True)
class NearCopies:
    """Rows near a single real row. Rows are numbered from 1, as they stand in the synthetic table.

    * ``copies``: rows that are a real row in all columns. ``near``: rows nearer to one real row,
      compared with the next, than chance brings all but ``reference_near`` of the
      ``reference_rows`` real rows that say what chance makes; ``reference_copies`` of these are
      equal to another real row themselves.
    * ``expected``: how many ``near`` chance makes. ``p_value``: the probability of so many, if
      the rows are as new as these real rows (a precedence test; exact).
    * ``smallest_leak``: how many leaked rows, changed a little, would be found with probability
      0.8 at the ``level`` of the test; none where so many would not be.
    """

    copies: tuple[int, ...]
    near: tuple[int, ...]
    reference_copies: int
    reference_near: int
    reference_rows: int
    expected: float
    p_value: float
    level: float
    smallest_leak: int | None


def near_copies(pair: TablePair, holdout: pd.DataFrame | None, level: float) -> NearCopies:
    """Look for them.

    **Parameters:**

    * **pair**: ten real rows or more. **holdout**: values of real rows that had no part in making
      the synthetic ones.
    """
    rng = generator(pair.seed, Stream.CHANGED_ROWS)
    real = pair.real.iloc[rng.permutation(len(pair.real))[:_MOST_REAL]].reset_index(drop=True)
    few = real.head(_MOST_REFERENCE)
    gower = pair.nearness
    step = gower.half_step
    reference = gower.nearest(few, real, 3)[:, 1:]  # each real row is its own nearest one
    if holdout is not None:
        others = gower.nearest(holdout.head(_MOST_REFERENCE), real, 2)
        reference = np.vstack([reference, others])
    equal = reference < _ROUNDING  # (n, 2)
    # Real rows that are doubles of one other row: so many copies of a single row are chance.
    n_doubles = int((equal[:, 0] & ~equal[:, 1]).sum())
    bound = np.sort(_ratios(reference, step))[min(n_doubles, len(reference) - 1)]
    nearest = gower.nearest(pair.synthetic, real, 2)  # (m, 2)
    near = _ratios(nearest, step) < bound
    n_rows, n_reference = len(near), len(reference)
    p_values = _precedence(np.arange(n_rows + 1), n_rows, n_reference, n_doubles)
    changed = gower.nearest(_changed(pair, few, rng), real, 2)
    share = float((_ratios(changed, step) < bound).mean())
    return NearCopies(
        copies=_numbers(nearest[:, 0] < _ROUNDING),
        near=_numbers(near),
        reference_copies=int(equal[:, 0].sum()),
        reference_near=n_doubles,
        reference_rows=n_reference,
        expected=n_rows * (n_doubles + 1) / (n_reference + 1),
        p_value=float(p_values[near.sum()]),
        level=level,
        smallest_leak=_smallest_leak(p_values <= level, share, min(n_rows, len(pair.real))),
    )


def _ratios(distances: FloatArray, step: float) -> FloatArray:
    """Nearest over second nearest; 1 where two real rows are equally near."""
    return (distances[:, 0] + step) / (distances[:, 1] + step)


def _numbers(rows: Mask) -> tuple[int, ...]:
    return tuple((np.flatnonzero(rows) + 1).tolist())


def _precedence(counts: IntArray, n_rows: int, n_reference: int, n_before: int) -> FloatArray:
    """The probability that so many rows or more come before all but some reference rows."""
    first = counts + n_before
    return hypergeom.sf(counts - 1, n_rows + n_reference, n_rows, first)


def _changed(pair: TablePair, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Real rows as somebody would leak them who wants to hide it: each number moved a little."""
    changed = rows.copy()
    numbers = [feature for feature in pair.dictionary.features if feature.numeric]
    for feature in numbers:
        cells = rows[feature.name].to_numpy(dtype=np.float64, na_value=np.nan)
        width = float(np.nanmax(cells, initial=0.0) - np.nanmin(cells, initial=0.0))
        noise = rng.normal(0, _CHANGE * width, len(rows))
        changed[feature.name] = np.round(cells + noise, feature.decimals)
    if not numbers:
        column = pair.dictionary.features[int(rng.integers(len(pair.columns)))]
        changed[column.name] = rng.choice(np.array(column.levels, dtype=object), len(rows))
    return changed


def _smallest_leak(significant: Mask, share: float, most: int) -> int | None:
    """The fewest leaked rows of which enough are near with the wanted probability.

    **Parameters:**

    * **significant**: whether so many near rows are too many, (m + 1,).
    """
    if not significant.any():
        return None
    needed = int(significant.argmax())
    leaks = np.arange(1, most + 1)
    powerful = binom.sf(needed - 1, leaks, share) >= _POWER
    return int(leaks[powerful.argmax()]) if powerful.any() else None
