"""The last stage of a pooled source: of the rows that passed, the clearest ones are kept.

This is the paper's selection by cost (equation 5), done over all candidates and class by class, so
that every class keeps its share. A row is clear when its label is likely for its features under
the model that gave it (docs/method.md, "Choice").
"""

from dataclasses import dataclass

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray, Mask
from t2local.trim.result import Rejection, StageResult
from t2local.trim.state import Batch, TrimState, Wanted

_LESS_CLEAR = "there were clearer rows of its class"
_SURPLUS = "the wanted rows were already there"


@dataclass(frozen=True)
class ChoiceFigures:
    """How many rows passed all other stages, and how many of them were wanted."""

    candidates: int
    wanted: int


def judge(batch: Batch, state: TrimState) -> StageResult:
    """Reject what is more than wanted of each class, the least clear rows first.

    Without a measure of clearness the first ones written are kept.
    """
    wanted = state.pool.wanted
    if wanted is None:
        return StageResult((), None)
    rejected = ~_chosen(batch, wanted)
    rejection = Rejection(rejected, _SURPLUS)
    if batch.clearness is not None:
        rejection = Rejection(rejected, _LESS_CLEAR, np.exp(batch.clearness))
    return StageResult((rejection,), ChoiceFigures(len(batch.rows), wanted.total))


def _chosen(batch: Batch, wanted: Wanted) -> Mask:
    """The wanted rows of each class, shape (m,)."""
    clearness = batch.clearness
    if clearness is None:
        clearness = np.zeros(len(batch.rows))
    chosen = np.zeros(len(batch.rows), dtype=np.bool_)
    for places, count in wanted.split(batch.rows):
        chosen[clearest(np.flatnonzero(places), clearness, count)] = True
    return chosen


def clearest(places: IntArray, clearness: FloatArray, count: int) -> IntArray:
    """The ``count`` places of the highest clearness; of equal ones the first."""
    order = np.argsort(-clearness[places], kind="stable")
    return places[order[:count]]
