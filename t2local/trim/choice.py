"""The last stage of a pooled source: of the rows that passed, the clearest ones are kept.

This is the paper's selection by cost (equation 5), done over all candidates and class by class, so
that every class keeps its share. A row is clear when its label is likely for its features under
the model that gave it (docs/method.md, "Choice").
"""

from dataclasses import dataclass

import numpy as np

from t2local.stats.arrays import FloatArray, IntArray
from t2local.trim.result import Rejection, StageResult
from t2local.trim.state import Batch, TrimState

_REASON = "there were clearer rows of its class"


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
    clearness = batch.clearness
    if clearness is None:
        clearness = np.zeros(len(batch.rows))
    chosen = np.concatenate(
        [
            clearest(np.flatnonzero(places), clearness, count)
            for places, count in wanted.split(batch.rows)
        ]
    )
    rejected = np.ones(len(batch.rows), dtype=np.bool_)
    rejected[chosen] = False
    figures = ChoiceFigures(len(batch.rows), wanted.total)
    return StageResult((Rejection(rejected, _REASON, np.exp(clearness)),), figures)


def clearest(places: IntArray, clearness: FloatArray, count: int) -> IntArray:
    """The ``count`` places of the highest clearness; of equal ones the first."""
    order = np.argsort(-clearness[places], kind="stable")
    return places[order[:count]]
