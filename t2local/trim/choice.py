"""The last stage of a pooled source: which of the rows that passed are kept.

Of rows to train with the clearest ones, class by class, so that every class keeps its share: the
paper's selection by cost (equation 5), done over all candidates. A row is clear when its label is
likely for its features under the model that gave it. Rows that are to look like the table are
chosen so that together they do (docs/method.md, "Choice").
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.stats.arrays import FloatArray, IntArray, Mask
from t2local.stats.balance import Moments, balanced
from t2local.stats.encoding import Encoder
from t2local.trim.result import Rejection, StageResult
from t2local.trim.state import Batch, TrimState, Wanted

_LESS_CLEAR = "there were clearer rows of its class"
_LESS_LIKE = "the others together are more like the real rows"
#: A deviation below this is none.
_CONSTANT = 1e-9


@dataclass(frozen=True)
class ChoiceFigures:
    """How many rows passed all other stages, and how many of them were wanted."""

    candidates: int
    wanted: int


def judge(batch: Batch, state: TrimState) -> StageResult:
    """Reject what is more than wanted of each class.

    With a measure of clearness the least clear rows, else those without which the rest is more
    like the real rows.
    """
    wanted = state.pool.wanted
    if wanted is None:
        return StageResult((), None)
    if batch.clearness is None:
        rejection = Rejection(~_alike(batch, wanted), _LESS_LIKE)
    else:
        rejected = ~_clear(batch.rows, batch.clearness, wanted)
        rejection = Rejection(rejected, _LESS_CLEAR, np.exp(batch.clearness))
    return StageResult((rejection,), ChoiceFigures(len(batch.rows), wanted.total))


def _clear(rows: pd.DataFrame, clearness: FloatArray, wanted: Wanted) -> Mask:
    """The wanted rows of each class, shape (m,)."""
    chosen = np.zeros(len(rows), dtype=np.bool_)
    for places, count in wanted.split(rows):
        chosen[clearest(np.flatnonzero(places), clearness, count)] = True
    return chosen


def _alike(batch: Batch, wanted: Wanted) -> Mask:
    """The wanted rows of each class, together as near to the target as can be; shape (m,).

    The target is between the real rows, which chance has a part in, and all candidates, which know
    of the real rows what a model can.
    """
    reference, rows = batch.reference, batch.rows
    groups = [*wanted.split(rows)]
    if sum(min(int(places.sum()), count) for places, count in groups) == len(rows):
        return np.ones(len(rows), dtype=np.bool_)  # so it is until near the end of a run
    encoder = Encoder(reference.dictionary.features, reference.real)
    x = encoder.transform(rows)
    most = max(len(rows), len(reference.real))
    moments = Moments.of(x.shape[1], most, reference.seed)
    candidates = moments(x)  # (m, moments)
    real = moments(encoder.transform(reference.real))  # (n, moments)
    matches = reference.matches.astype(np.float64)
    share = matches.sum() / (matches.sum() + len(matches))
    target = share * _mean(real, reference.real, matches, wanted)
    target += (1 - share) * _mean(candidates, rows, np.ones(len(rows)), wanted)
    scale = candidates.std(axis=0)
    scale[scale < _CONSTANT] = 1
    return balanced((candidates - target) / scale, groups)


def _mean(
    moments: FloatArray, rows: pd.DataFrame, weights: FloatArray, wanted: Wanted
) -> FloatArray:
    """The mean of rows that had the classes in the shares that are wanted, shape (moments,)."""
    weights = weights.copy()
    for places, count in wanted.split(rows):
        total = weights[places].sum()
        weights[places] *= count / total if total else 0
    return weights @ moments / max(weights.sum(), _CONSTANT)


def clearest(places: IntArray, clearness: FloatArray, count: int) -> IntArray:
    """The ``count`` places of the highest clearness; of equal ones the first."""
    order = np.argsort(-clearness[places], kind="stable")
    return places[order[:count]]
