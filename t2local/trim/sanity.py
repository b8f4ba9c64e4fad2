"""Stage 1: types, ranges, steps, levels, missing cells, rules and copies (paper, section 2.2).

The paper joins its constraints by "or"; here a row must keep all of them (docs/method.md, Sanity).
Nothing here is shared with the grammar, so that each checks the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from t2local.stats.arrays import Mask
from t2local.trim.copies import row_hashes
from t2local.trim.result import Rejection, StageResult
from t2local.trim.state import Batch, TrimState

_COPY = "an exact copy of a real row or of a row kept before"
_REPEATED = "an exact copy of another row of its batch"
#: The reasons of rows that repeat another one.
COPIES = (_COPY, _REPEATED)


@dataclass(frozen=True)
class SanityFigures:
    """Constraints broken in all, and copies; these may be a matter of chance."""

    broken_constraints: int
    copies: int
    copies_by_chance: bool


def judge(batch: Batch, state: TrimState) -> StageResult:
    """Reject rows that break the dictionary or its rules, and copies.

    A copy repeats a real row, a row accepted before, or an earlier row of the batch.
    """
    by_chance = state.reference.copies_by_chance
    broken = list(_broken(batch))
    hashes = row_hashes(batch.rows)
    copies: Mask = np.array([value in state.hashes for value in hashes], dtype=np.bool_)
    repeated = pd.Series(hashes).duplicated().to_numpy()
    rejections = list(broken)
    if not by_chance:
        rejections += [
            Rejection(copies, _COPY),
            Rejection(repeated, _REPEATED),
        ]
    n_broken = sum(int(rejection.rows.sum()) for rejection in broken)
    figures = SanityFigures(n_broken, int((copies | repeated).sum()), by_chance)
    return StageResult(tuple(rejections), figures)


def _broken(batch: Batch) -> Iterator[Rejection]:
    """The rows that break each constraint of a feature, and each rule."""
    for feature in batch.reference.dictionary.features:
        for constraint, obeyed in feature.obeyed(batch.rows[feature.name]).items():
            reason = f"{feature.name} breaks its {constraint} in the dictionary"
            yield Rejection(~obeyed, reason)
    for reason, rule in batch.reference.rules.items():
        yield Rejection(~rule.obeyed(batch.rows), f"breaks the rule '{reason}'")
