"""What a stage says of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from t2local.stats.arrays import FloatArray, Mask

#: A frozen dataclass of the stage's own: what it measured, and what it held that against.
StageFigures: TypeAlias = Any


@dataclass(frozen=True)
class Rejection:
    """Rows of a batch that a stage rejects, and why.

    * ``rows``: mask, shape (m,).
    * ``measured``: a figure of the batch, or one of each row (shape (m,)); ``threshold``: what it
      was held against. Not a number where there is none.
    """

    rows: Mask
    reason: str
    measured: float | FloatArray = np.nan
    threshold: float = np.nan


@dataclass(frozen=True)
class StageResult:
    """The rejections of a stage in order; a row that several of them name keeps the first."""

    rejections: tuple[Rejection, ...]
    figures: StageFigures


@dataclass(frozen=True)
class Skipped:
    """Figures of a stage that had nothing to judge, and why."""

    skipped: str


def n_rejected(rejections: Sequence[Rejection]) -> int:
    """How many rows of a batch are rejected by at least one of these."""
    if not rejections:
        return 0
    return int(np.any([rejection.rows for rejection in rejections], axis=0).sum())
