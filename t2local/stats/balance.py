"""Choosing rows so that together they look as wanted: what is left of the noise of drawing.

Rows drawn one by one differ from what they are drawn from twice: by what the model does not know,
and by chance, as any sample does. The second part need not be: of some more rows than are wanted
those are chosen whose means, and the means of whose products, are nearest to a target (balanced
sampling, Deville and Tillé 2004, Biometrika 91).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray, Mask
from t2local.stats.streams import Stream, generator

#: Values beyond so many standard deviations count as if they were there: one outlier is no mean.
_FURTHEST = 3.0
#: Cells of a matrix of moments at most (80 MB): of wide or long tables some products are taken.
_MOST_CELLS = 10_000_000
#: Exchanges at most. Of 1,000 rows a quarter or so are exchanged.
_MOST_EXCHANGES = 1_000
#: Rows on each side that are looked at for an exchange: those that help most by themselves.
_LOOKED_AT = 32
_SMALLEST_GAIN = 1e-9


@dataclass(frozen=True)
class Moments:
    """Values of standardised columns, and the products of pairs of them.

    * ``first``, ``second``: the columns of each product, shape (products,).
    """

    first: IntArray
    second: IntArray

    @classmethod
    def of(cls, n_columns: int, n_rows: int, seed: int) -> "Moments":
        """All products, or as many as so many rows allow, drawn at random."""
        first, second = np.triu_indices(n_columns)
        room = max(_MOST_CELLS // max(n_rows, 1) - n_columns, 0)
        if room < len(first):
            rng = generator(seed, Stream.BALANCED_PRODUCTS)
            some = np.sort(rng.choice(len(first), room, replace=False))
            first, second = first[some], second[some]
        return cls(first, second)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Of standardised columns (m, d), shape (m, d + products)."""
        x = np.clip(x, -_FURTHEST, _FURTHEST)
        return np.hstack([x, x[:, self.first] * x[:, self.second]])


def balanced(differences: FloatArray, groups: Iterable[tuple[Mask, int]]) -> Mask:
    """The rows to choose, shape (m,): of each group as many as are wanted, or all that there are.

    The first ones of each group are exchanged for others of the group, one pair at a time and the
    best pair first, while the sum of the chosen ones comes nearer to zero.

    **Parameters:**

    * **differences**: moments of each row minus the target, in units that are to count alike,
      shape (m, moments).
    * **groups**: the rows of each group, masks of shape (m,), and how many are wanted of it.
    """
    members = [(np.flatnonzero(places), count) for places, count in groups]
    chosen = np.zeros(len(differences), dtype=np.bool_)
    for places, count in members:
        chosen[places[:count]] = True
    lengths = np.einsum("ij,ij->i", differences, differences)  # (m,)
    # How far each row points in the direction of the sum of the chosen ones, (m,).
    along = differences @ differences[chosen].sum(axis=0)
    for _ in range(_MOST_EXCHANGES):
        pairs = [_best_pair(differences, lengths, along, chosen[p], p) for p, _ in members]
        gain, out, into = min(pairs, default=(0.0, 0, 0))
        if gain > -_SMALLEST_GAIN:
            break
        chosen[out], chosen[into] = False, True
        along += differences @ (differences[into] - differences[out])
    return chosen


def _best_pair(
    differences: FloatArray, lengths: FloatArray, along: FloatArray, chosen: Mask, places: IntArray
) -> tuple[float, int, int]:
    """The exchange within a group that shortens the sum most: its change, and the two rows.

    ``chosen``: which of the group's ``places`` are chosen.
    """
    inside, outside = places[chosen], places[~chosen]
    if not len(inside) or not len(outside):
        return 0.0, -1, -1
    leaving = lengths[inside] - 2 * along[inside]
    coming = lengths[outside] + 2 * along[outside]
    a, b = _lowest(leaving), _lowest(coming)
    changes = leaving[a, None] + coming[b] - 2 * differences[inside[a]] @ differences[outside[b]].T
    best = np.unravel_index(int(changes.argmin()), changes.shape)
    return float(changes[best]), int(inside[a[best[0]]]), int(outside[b[best[1]]])


def _lowest(values: FloatArray) -> IntArray:
    """The places of the lowest values, some of them."""
    if len(values) <= _LOOKED_AT:
        return np.arange(len(values))
    return np.argpartition(values, _LOOKED_AT)[:_LOOKED_AT]
